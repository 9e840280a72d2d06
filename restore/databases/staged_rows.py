"""The rows of selected items in a private database of their own: typed as they were, and cut down by a condition.

    Parquet files of tables -> a SQLite file in a scratch folder (0700), a table for each

The condition is a person's SQL. It may look at the staged rows of its table and call functions, and do nothing else.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from vault.errors import Damaged, UsageError
from vault.problems import printable
from vault.progress import Stop, never
from vault.source.sql import layout, sqlite_values
from vault.source.sql.sqlite_catalog import quoted
from vault.source.sql.sqlite_stop import Watched
from vault.source.sql.sqlite_values import RawText

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 4096
_ALLOWED = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_UPDATE,
    sqlite3.SQLITE_RECURSIVE,
}


class FetchedItem(Struct, frozen=True):
    """An item's content in a file. path: relative to its source."""

    path: bytes
    file: Path


class StagedColumn(Struct, frozen=True):
    """A column of staged rows. declared: its type in the source · key: its place in the primary key from 1 on, else 0 ·
    generated: the database computes it."""

    name: str
    declared: str
    key: int
    generated: bool


class StagedTable(Struct, frozen=True):
    """Rows of one table. staged: its name in the staged database · chosen: the column that says which rows are meant."""

    table: str
    staged: str
    chosen: str
    columns: tuple[StagedColumn, ...]
    rows: int


class StagedRows(Struct, frozen=True):
    """All of them. file: the database · schema, sequences: as the source had them; empty where the snapshot has none."""

    file: Path
    tables: tuple[StagedTable, ...]
    schema: str
    sequences: str


def stage(items: Sequence[FetchedItem], file: Path, where: str | None, stop: Stop = never) -> StagedRows:
    """Put the rows of items into a new database.

    where: a condition in SQL on their columns; None for all · stop: called often; what it raises ends the staging. Raises
    `UsageError` where it cannot be used, or where no item is a table; `Damaged` where a file is not what it should be.
    """
    by_table: dict[str, list[FetchedItem]] = {}
    texts = {layout.SCHEMA: "", layout.SEQUENCES: ""}
    for item in items:
        part = layout.partition_of(item.path)
        if part is not None:
            by_table.setdefault(part.table, []).append(item)
        elif item.path in texts:
            texts[item.path] = item.file.read_text("utf-8", "surrogateescape")
    if not by_table:
        raise UsageError(
            "none of the items that match is a table of a database", hint="name tables, such as 'raw/calls/**', or use --to DIR"
        )
    tables = []
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        watched = Watched(database, stop)
        for setting in ("journal_mode=off", "synchronous=off"):
            database.execute(f"pragma {setting}")
        for number, (table, parts) in enumerate(sorted(by_table.items())):
            with watched.errors():
                database.execute("begin")
                staged = _staged(database, table, f"rows_{number}", parts)
                tables.append(_chosen(database, watched, staged, where) if where is not None else staged)
                database.execute("commit")
    return StagedRows(file, tuple(tables), texts[layout.SCHEMA], texts[layout.SEQUENCES])


def _staged(database: sqlite3.Connection, table: str, staged: str, parts: Sequence[FetchedItem]) -> StagedTable:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, StagedColumn] = {}
    rows = 0
    for part in parts:
        try:
            schema = pq.read_schema(part.file)
        except (pa.ArrowException, OSError) as error:
            raise Damaged(f"{printable(part.path)} is not a table: {error}") from error
        if sqlite_values.TABLE not in (schema.metadata or {}):
            raise UsageError(
                f"{printable(part.path)} is not a table of a SQLite database",
                hint="restore it with --as sqlite, or into a database of the kind that it came from",
            )
        columns |= {field.name: _column(field) for field in schema}
    chosen = "strongroom_chosen"
    while chosen in columns:
        chosen += "_"
    names = ", ".join(map(quoted, columns))
    database.execute(f"create table {staged} ({names}, {quoted(chosen)} default 1)")
    for part in parts:
        rows += _insert(database, staged, part.file)
    return StagedTable(table, staged, chosen, tuple(columns.values()), rows)


def _column(field: pa.Field) -> StagedColumn:
    metadata = field.metadata or {}
    key = metadata.get(sqlite_values.KEY, b"0")
    declared = metadata.get(sqlite_values.DECLARED, b"").decode("utf-8", "surrogateescape")
    return StagedColumn(field.name, declared, int(key) if key.isdigit() else 0, sqlite_values.GENERATED in metadata)


def _insert(database: sqlite3.Connection, staged: str, file: Path) -> int:
    import pyarrow.parquet as pq

    with pq.ParquetFile(file) as opened:
        schema = opened.schema_arrow
        literal = [(field.metadata or {}).get(sqlite_values.ENCODING) == sqlite_values.LITERAL for field in schema]
        names = ", ".join(quoted(field.name) for field in schema)
        places = ", ".join("case ? when 1 then cast(? as text) else ? end" if one else "?" for one in literal)
        statement = f"insert into {staged} ({names}) values ({places})"  # noqa: S608 (quoted names)
        count = 0
        for batch in opened.iter_batches(batch_size=BATCH_ROWS):
            columns = [
                column for one, values in zip(literal, batch.columns, strict=True) for column in _bound(values.to_pylist(), one)
            ]
            database.executemany(statement, zip(*columns, strict=True))
            count += batch.num_rows
    return count


def _bound(cells: list[Any], literal: bool) -> Iterator[list[Any]]:  # noqa: FBT001 (one of two forms of a column)
    """What is bound for a column: of one with literals, whether each cell is bytes that are text, and twice the value."""
    if not literal:
        yield cells
        return
    try:
        values = [None if cell is None else sqlite_values.value_of(cell) for cell in cells]
    except ValueError as error:
        raise Damaged(f"a table has a value that is not one of SQLite's: {error}") from error
    yield [int(isinstance(value, RawText)) for value in values]
    plain = [bytes(value) if isinstance(value, RawText) else value for value in values]
    yield plain
    yield plain


def _chosen(database: sqlite3.Connection, watched: Watched, staged: StagedTable, where: str) -> StagedTable:
    """With the rows alone that a condition is true of."""

    def allow(action: int, first: str | None, *_: str | None) -> int:
        if action == sqlite3.SQLITE_UPDATE and first != staged.staged:
            return sqlite3.SQLITE_DENY
        if action == sqlite3.SQLITE_FUNCTION and _[0] == "load_extension":
            return sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY

    statement = f"update {staged.staged} set {quoted(staged.chosen)} = 0 where not coalesce(({where}\n), 0)"  # noqa: S608
    database.set_authorizer(allow)
    try:
        with watched.errors():
            database.execute(statement)
    except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
        columns = ", ".join(column.name for column in staged.columns[:10])
        raise UsageError(
            f"--where cannot be used on the table {staged.table!r}: {error}", hint=f"its columns are: {columns}"
        ) from error
    finally:
        database.set_authorizer(None)
    query = f"select count(*) from {staged.staged} where {quoted(staged.chosen)}"  # noqa: S608 (quoted names)
    (rows,) = database.execute(query).fetchone()
    return StagedTable(staged.table, staged.staged, staged.chosen, staged.columns, rows)
