"""A SQLite database as a source: all tables in one read transaction, each a Parquet file or one a period.

While the file, and its write-ahead log, are as they were, nothing is read: they have the version token of every table. Once
they changed, every table is read again, and what has the rows that it had stays the version that it was. A column that changes
with every change of a row (`version_column`) spares that: a partition's token is then the number of its rows, the bounds and
the sum of their numbers, and the greatest version.

The database is opened for reading only. One that is not in WAL mode lets nobody write while it is read.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from vault.clock import Clock
from vault.coverage import Coverage, CoveredEntity
from vault.errors import SourceDenied, SourceError
from vault.progress import Stop, never
from vault.source.contract import NO_TOKEN, STRONG, UNKNOWN_SIZE, Scan, ScanColumn
from vault.source.item_list import ItemList, ListedItem
from vault.source.patterns import Rules
from vault.source.sql import layout
from vault.source.sql.layout import Partition, Step
from vault.source.sql.parquet_stream import parquet_pieces
from vault.source.sql.sqlite_catalog import SqliteTable, catalog, quoted, schema_text, sequences_text
from vault.source.sql.sqlite_rows import partition_batches, partition_schema
from vault.source.sql.sqlite_stop import LOCK_TIMEOUT, Watched
from vault.source.sql.table_reader import TableReader

BEGIN = "begin", "select count(*) from sqlite_schema"
"""What a transaction sees is what there is when it reads for the first time."""

STEADY_TRIES = 5

IGNORED: frozenset[ScanColumn] = frozenset({"size", "mtime", "mtime_nanos"})


class SqliteOptions(Struct, frozen=True):
    """What of a database is taken.

    - `path`: of the file
    - `tables`: names of tables and views; empty for all tables
    - `time_column`, `step`: by which tables that have the column are cut into periods; None: each is one file
    - `version_column`: changes with every change of a row; None: there is none
    - `rules`: patterns of items that are left out
    """

    path: Path
    tables: tuple[str, ...] = ()
    time_column: str | None = None
    step: Step = "month"
    version_column: str | None = None
    rules: Rules = Rules()


class _Part(NamedTuple):
    """A partition of a table as the transaction has it. first, last: the bounds of its row numbers · item: as the scan lists
    it."""

    table: SqliteTable
    label: str
    first: int | None
    last: int | None
    item: ListedItem = ListedItem(b"", UNKNOWN_SIZE, 0)


class SqliteSource:
    """See this module's text. A scan begins the transaction, and `close` ends it."""

    def __init__(self, options: SqliteOptions, prefix: bytes, clock: Clock) -> None:
        self.options = options
        self.prefix = prefix
        self._clock = clock
        self._database: sqlite3.Connection | None = None
        self._watched: Watched | None = None
        self.parts: dict[bytes, _Part] = {}
        self.texts: dict[bytes, bytes] = {}

    def scan(self, stop: Stop) -> Scan:
        """All tables, in a new transaction. Raises `SourceError` where the file is not there, or is no database."""
        self.close()
        stop()
        now = int(self._clock.now().timestamp()) * 1_000_000_000
        with self.errors():
            state, trusted_from = self._begin(stop)
            found = ItemList(self.prefix, now)
            entities, gaps = self._list(found, now, state, trusted_from)
        coverage = Coverage("sqlite", tuple(entities), tuple(gaps), times=False, one_moment=True)
        return found.scan(IGNORED, coverage)

    def reader(self, stop: Stop = never) -> TableReader[_Part]:
        """Reads what the scan's transaction sees; without a scan, one of its own is begun."""
        if self._database is None:
            self.scan(stop)
        if self._watched is not None:
            self._watched.stop = stop
        return TableReader(self.prefix, self.texts, self.parts, lambda part: part.item, self._pieces)

    def close(self) -> None:
        """End the transaction."""
        database, self._database, self._watched = self._database, None, None
        if database is not None:
            database.close()

    @property
    def database(self) -> sqlite3.Connection:
        """In its transaction. Raises `SourceError` where there is none."""
        if self._database is None:
            raise SourceError("the database is not open any more")
        return self._database

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Errors of SQLite as `SourceError`, and what `stop` has raised."""
        try:
            yield
        except sqlite3.Error as error:
            if self._watched is not None:
                self._watched.raise_stopped()
            hint = "is it a SQLite database, and may this user read it?"
            raise SourceError(f"the database {self.options.path} cannot be read: {error}", hint=hint) from error

    def _pieces(self, part: _Part) -> Generator[bytes, None, None]:
        label = part.table.label(self.options.step) if part.label else None
        with self.errors():
            schema = partition_schema(self.database, part, label)
            yield from parquet_pieces(schema, partition_batches(self.database, part, label, schema))

    def _begin(self, stop: Stop) -> tuple[bytes, int]:
        """Open the database, and begin a transaction; gives the state of its files, and from when on it can be relied on."""
        path = self.options.path
        if not path.is_file():
            raise SourceError(f"the database {path} is not there", hint="is it mounted, and is the path right?")
        if not os.access(path, os.R_OK):
            raise SourceDenied(f"the database {path} may not be read by this user", hint="let this user read it")
        uri = f"{path.absolute().as_uri()}?mode=ro"
        database = sqlite3.connect(uri, uri=True, timeout=LOCK_TIMEOUT, isolation_level=None, check_same_thread=False)
        self._database, self._watched = database, Watched(database, stop)
        for _ in range(STEADY_TRIES):
            before = _state_of(path)
            self._watched.execute_patiently(*BEGIN)
            if before == _state_of(path):
                return before
            database.execute("rollback")
        self._watched.execute_patiently(*BEGIN)
        return b"", NO_TOKEN

    def _list(self, found: ItemList, now: int, state: bytes, trusted_from: int) -> tuple[list[CoveredEntity], list[str]]:
        options, database = self.options, self.database
        tables, gaps = catalog(database, options.tables, options.time_column)
        self.parts, self.texts = {}, {}
        entities, unpartitioned = [], []
        for table in tables:
            entities.append(CoveredEntity(table.name, tuple(column.name for column in table.columns)))
            if options.time_column and not table.time_column:
                unpartitioned.append(table.name)
            for part, token in self._parts_of(table, state):
                item = Partition(table.name, part.label)
                if not options.rules.takes(item.path):
                    found.excluded += 1
                    continue
                trusted = STRONG if token != state else trusted_from
                listed = ListedItem(item.path, UNKNOWN_SIZE, now, token + item.path, trusted)
                if found.file(listed):
                    self.parts[item.path] = part._replace(item=listed)
        for path, text in ((layout.SCHEMA, schema_text(database)), (layout.SEQUENCES, sequences_text(database))):
            if text and options.rules.takes(path):
                found.file(ListedItem(path, len(text), now, text))
                self.texts[path] = text
        notes = [f"{name!r} has no column {options.time_column!r}: it is one file" for name in unpartitioned]
        return entities, [*gaps, *notes]

    def _parts_of(self, table: SqliteTable, state: bytes) -> Iterator[tuple[_Part, bytes]]:
        """The partitions of a table with their tokens, by label. A table without rows is one file, so that it is seen."""
        label = table.label(self.options.step) if table.time_column else "''"
        number = table.rowid or "null"
        version = self._version_of(table)
        bounds = f"min({number}), max({number}), total({number})"
        wanted = f"coalesce({label}, '{layout.UNDATED}'), {bounds}, count(*), max({version})"
        query = f"select {wanted} from {quoted(table.name)} group by 1 order by 1"  # noqa: S608 (quoted names)
        rows = self.database.execute(query).fetchall()
        if not rows:
            yield _Part(table, "", None, None), state if version == "null" else repr(_columns(table)).encode()
        for row in rows:
            text, first, last = str(row[0]), row[1], row[2]
            if text not in ("", layout.UNDATED) and not layout.is_label(text):
                raise SourceError(f"the table {table.name!r} has a row of the period {text!r}, which no calendar has")
            part = _Part(table, text, *((first, last) if isinstance(first, int) else (None, None)))
            yield part, state if version == "null" else repr((_columns(table), row)).encode()

    def _version_of(self, table: SqliteTable) -> str:
        wanted = (self.options.version_column or "").casefold()
        name = next((column.name for column in table.columns if column.name.casefold() == wanted), None)
        return "null" if name is None or not table.rowid else quoted(name)


def _columns(table: SqliteTable) -> list[tuple[str, str]]:
    return [(column.name, column.declared) for column in table.columns]


def _state_of(path: Path) -> tuple[bytes, int]:
    """What tells one state of the files from another, and from when on (nanoseconds since 1970) that can be relied on."""
    states, latest = [], 0
    for file in (path, path.with_name(f"{path.name}-wal")):
        with suppress(FileNotFoundError):
            status = file.stat()
            states.append((status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns))
            latest = max(latest, status.st_ctime_ns)
    return repr(states).encode(), latest
