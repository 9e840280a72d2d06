"""SQLite databases: one table for each that is given, in one transaction, so that the same tables give the same bytes.

SQLite has integers of 64 bits, floats, text and blobs. Columns of one such type are declared so; a column of several has no
declared type and keeps each cell's own. Everything else becomes text (true and false become 1 and 0), and is counted.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from restore.tables.cell_text import CellPosition, strings, text_of
from restore.tables.distinct_names import distinct, encodable
from restore.tables.guards import UnwritableTable
from restore.tables.loss_report import LossReport
from restore.tables.model import Batch, Table, Value
from restore.tables.schema_cast import tell_renamed
from restore.tables.type_inference import infer_types
from restore.tables.values import values_of
from restore.tables.write_options import WriteOptions
from vault.errors import TargetError

if TYPE_CHECKING:
    import pyarrow as pa

BIG = "an integer beyond 64 bits became text"
NO_NAN = "NaN, which SQLite does not have, became text"
TEXT = "a value of a type that SQLite does not have became text"
BOOL = "true or false became 1 or 0"
NO_COLUMNS = "a table without columns, which SQLite does not have, was left out"
TOO_MANY = "SQLite holds 2000 columns: this one was left out"

MOST_COLUMNS = 2000
_LARGEST = 1 << 63
_NO_ROOM = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}
"""Its errors that are the disk's."""

_SETTINGS = ("page_size=4096", "encoding='UTF-8'", "journal_mode=off", "synchronous=off", "cache_size=-16384")


def write_sqlite(tables: Sequence[Table], out: BinaryIO, options: WriteOptions, losses: LossReport) -> None:
    """Any number of tables. The database is made in a temporary file and then copied forward into `out`. options: no choice of
    it matters here."""
    del options
    with tempfile.TemporaryDirectory(prefix="strongroom-") as folder:
        path = Path(folder) / "database"
        try:
            with closing(sqlite3.connect(path, isolation_level=None)) as database:
                _fill(database, tables, losses)
        except sqlite3.Error as error:
            kind = TargetError if getattr(error, "sqlite_errorcode", 0) & 0xFF in _NO_ROOM else UnwritableTable
            raise kind(f"SQLite cannot write this: {error}") from error
        with path.open("rb") as made:
            shutil.copyfileobj(made, out)


def _fill(database: sqlite3.Connection, tables: Sequence[Table], losses: LossReport) -> None:
    for setting in _SETTINGS:
        database.execute(f"pragma {setting}")
    database.execute("begin")
    for table, name in zip(tables, _table_names(tables), strict=True):
        if not table.columns:
            losses.add(NO_COLUMNS, name, "")
            continue
        before = [column.name for column in table.columns[:MOST_COLUMNS]]
        names = distinct(map(encodable, before), alike=str.casefold)
        tell_renamed(losses, name, before, names)
        declared = (
            f"{quoted(column)}{_declared(fit.type, fit.why)}" for column, fit in zip(names, infer_types(table), strict=False)
        )
        database.execute(f"create table {quoted(name)} ({', '.join(declared)})")
        places = ", ".join("?" * len(names))
        first = 1
        for batch in table.batches():
            rows = zip(*_columns(table, name, batch, first, losses), strict=True)
            database.executemany(f"insert into {quoted(name)} values ({places})", rows)  # noqa: S608 (quoted names)
            first += batch.rows
    database.execute("commit")


def _table_names(tables: Sequence[Table]) -> list[str]:
    """SQLite keeps names that begin with its own for itself."""
    names = [
        encodable(table.name) or ("data" if len(tables) == 1 else f"table_{place}") for place, table in enumerate(tables, 1)
    ]
    return distinct((f"_{name}" if name.casefold().startswith("sqlite_") else name for name in names), alike=str.casefold)


def _declared(type_: pa.DataType, why: str) -> str:
    """The type that a column is declared with. A cell that became text must not be taken for a number by a numeric one."""
    import pyarrow as pa

    is_ = pa.types
    if why or is_.is_decimal(type_) or is_.is_uint64(type_) or is_.is_nested(type_):
        return ""
    if is_.is_integer(type_):
        return " INTEGER"
    if is_.is_boolean(type_):
        return " BOOLEAN"
    if is_.is_floating(type_):
        return " REAL"
    return " BLOB" if is_.is_binary(type_) else " TEXT"


def _columns(table: Table, name: str, batch: Batch, first: int, losses: LossReport) -> Iterator[list[Value]]:
    """A batch's cells as SQLite holds them."""
    for column, cells in zip(table.columns[:MOST_COLUMNS], batch.columns, strict=False):
        yield _held(cells, CellPosition(losses, name, column.name, first))
    for column in table.columns[MOST_COLUMNS:]:
        losses.add(TOO_MANY, name, column.name, batch.rows)


def _held(column: pa.Array | list[Value], spot: CellPosition) -> list[Value]:
    cells = values_of(column, spot.record)
    kinds = set(map(type, cells)) - {type(None), bytes}
    if kinds <= {str}:
        return _encodable(cells, spot)
    if kinds == {int} and all(cell is None or -_LARGEST <= cell < _LARGEST for cell in cells if isinstance(cell, int)):
        return cells
    held = [_held_cell(row, cell, spot) for row, cell in enumerate(cells)]
    return _encodable(held, spot)


def _held_cell(row: int, cell: Value, spot: CellPosition) -> Value:
    if cell is None or isinstance(cell, str | bytes):
        return cell
    if isinstance(cell, bool):
        spot.record(row, BOOL, str(int(cell)))
        return int(cell)
    if isinstance(cell, int) and -_LARGEST <= cell < _LARGEST:
        return cell
    if isinstance(cell, float) and not isnan(cell):
        return cell
    text, lost = text_of(cell)
    why = BIG if isinstance(cell, int) else NO_NAN if isinstance(cell, float) else TEXT
    spot.record(row, lost or why, text)
    return text


def _encodable(cells: list[Value], spot: CellPosition) -> list[Value]:
    """Texts without halves of surrogate pairs."""
    texts = [cell if isinstance(cell, str) else None for cell in cells]
    try:
        "".join(text for text in texts if text is not None).encode()
    except UnicodeEncodeError:
        whole = strings(texts, spot).to_pylist()
        return [text if text is not None else cell for text, cell in zip(whole, cells, strict=True)]
    return cells


def quoted(name: str) -> str:
    """A name in SQL."""
    return '"' + name.replace('"', '""') + '"'
