"""SQLite databases, read as data and nothing else: every ordinary table, each cell by its own type.

The file may have been made to do harm. It is opened read-only and immutable, so that nothing is written beside it and no
journal is looked for; views, triggers and virtual tables are not touched, functions in the schema are not trusted, cells have
a longest length, and rows are taken one at a time until a batch has its bytes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from itertools import islice
from pathlib import Path

from restore.tables.loss_report import LossReport
from restore.tables.model import BATCH_BYTES, BATCH_ROWS, Batch, Column, Table, Value
from restore.tables.sheet_choice import SheetChoice
from vault.errors import Damaged

LONGEST_CELL = 64 * 1024 * 1024
"""Bytes of a text or blob; longer ones end the table as damaged."""

NOT_UTF8 = "text that is not valid UTF-8 is given as its bytes"
_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: LONGEST_CELL,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 1024 * 1024,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 100,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 1,
}
_LONG = (str, bytes)
_VIRTUAL = "create virtual table"


class _Undecodable(bytes):
    """A text whose bytes are not UTF-8."""


def read_sqlite(path: Path, losses: LossReport, *, sheets: SheetChoice | None = None) -> list[Table]:
    """The tables of a database, or some of them, in the order in which they were made. Raises `NoSuchSheet`, `Damaged`."""
    with _opened(path) as database:
        entries = database.execute(
            "select type, name, sql from sqlite_schema where type in ('table', 'view') order by rowid"
        ).fetchall()
        ordinary = []
        for kind, name, sql in entries:
            if not isinstance(name, str) or name.lower().startswith("sqlite_"):
                continue
            if kind == "view" or str(sql).lower().startswith(_VIRTUAL):
                if sheets is None:
                    losses.add(
                        f"a {'view' if kind == 'view' else 'virtual table'} is not read: it is a program, not rows", name, ""
                    )
                continue
            ordinary.append(name)
        if sheets is not None:
            ordinary = [ordinary[place] for place in sheets.pick(ordinary)]
        tables: list[Table] = []
        for name in ordinary:
            columns = [row[1] for row in database.execute(f"pragma table_xinfo({_quoted(name)})") if row[6] != 1]
            tables.append(SqliteTable(path, name, [_plain(column) for column in columns], losses))
    return tables


class SqliteTable:
    """One table, read in the order of its rows."""

    def __init__(self, path: Path, name: str, columns: list[str], losses: LossReport) -> None:
        self._path = path
        self._losses: LossReport | None = losses
        self.name = name
        self.columns = [Column(column) for column in columns]

    def batches(self) -> Iterator[Batch]:
        """All rows."""
        counting = LossReport()
        wanted = ", ".join(_quoted(column.name) for column in self.columns)
        with _opened(self._path) as database:
            # not by an index, which would give the rows in another order
            query = f"select {wanted} from main.{_quoted(self.name)} not indexed"  # noqa: S608 (quoted names)
            for rows in _portions(_rows(database, query)):
                columns = [list(cells) for cells in zip(*rows, strict=True)]
                for column, cells in zip(self.columns, columns, strict=True):
                    self._mend(counting, column, cells)
                yield Batch(columns, len(rows))
        if self._losses is not None:
            self._losses.include(counting)
            self._losses = None

    def _mend(self, counting: LossReport, column: Column, cells: list[Value]) -> None:
        if _Undecodable not in set(map(type, cells)):
            return
        for row, cell in enumerate(cells):
            if isinstance(cell, _Undecodable):
                cells[row] = bytes(cell)
                counting.add(NOT_UTF8, self.name, column.name, example=repr(bytes(cell[:60])))


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as database:
            database.text_factory = _text
            for limit, value in _LIMITS.items():
                database.setlimit(limit, value)
            for pragma in ("trusted_schema=off", "query_only=on", "cell_size_check=on", "mmap_size=0", "temp_store=memory"):
                database.execute(f"pragma {pragma}")
            yield database
    except (sqlite3.Error, OverflowError, MemoryError) as error:
        raise Damaged(
            f"the SQLite database is broken: {error}", hint="restore it as it is and try `sqlite3 FILE .recover`"
        ) from error


def _text(raw: bytes) -> str | bytes:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return _Undecodable(raw)


def _rows(database: sqlite3.Connection, query: str) -> Iterator[tuple[Value, ...]]:
    """Every row once. Texts are decoded by SQLite's own driver until one is not UTF-8; from that row on one by one, by us."""
    count = 0
    with suppress(sqlite3.OperationalError):
        database.text_factory = str
        for row in database.execute(query):
            yield row
            count += 1
        return
    database.text_factory = _text
    yield from islice(database.execute(query), count, None)


def _portions(source: Iterator[tuple[Value, ...]]) -> Iterator[list[tuple[Value, ...]]]:
    rows: list[tuple[Value, ...]] = []
    size = 0
    for row in source:
        rows.append(row)
        for cell in row:
            if isinstance(cell, _LONG):
                size += len(cell)
        if len(rows) == BATCH_ROWS or size > BATCH_BYTES:
            yield rows
            rows, size = [], 0
    if rows:
        yield rows


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _plain(name: str | bytes) -> str:
    return name if isinstance(name, str) else name.decode("utf-8", "replace")
