"""A PostgreSQL database as a source: all tables of one moment, each a Parquet file or one a period.

A scan begins a read-only transaction at REPEATABLE READ, and exports its snapshot; what is read, several partitions at once, is
read in transactions of the same snapshot. The tables are locked (`ACCESS SHARE`, which hinders nothing but changes of their
definition) before the snapshot is taken: a TRUNCATE would otherwise show in it.

Whether a partition changed is asked in the database (`postgresql_tokens`), and what did not is not transferred. Types are in
`postgresql_rows`.

A partition is read by two threads beside the one that asks for it: one fetches rows, one makes Parquet of them. Rows come
through `postgresql_arrow`; everything else is asked over one connection of psycopg.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from vault.clock import Clock
from vault.coverage import Coverage, CoveredEntity
from vault.errors import SourceError
from vault.progress import Stop, never
from vault.source.contract import UNKNOWN_SIZE, Scan, ScanColumn
from vault.source.item_list import ItemList, ListedItem
from vault.source.patterns import Rules
from vault.source.sql import layout
from vault.source.sql.layout import Partition, Step
from vault.source.sql.parquet_stream import parquet_pieces
from vault.source.sql.postgresql_arrow import ArrowSession, cancel_all
from vault.source.sql.postgresql_catalog import PgCatalog, PgTable, catalog, relations, wanted_relations
from vault.source.sql.postgresql_connection import PgAddress, connect, reason_of, source_errors
from vault.source.sql.postgresql_rows import partition_schema, rows_query, where_of
from vault.source.sql.postgresql_schema import schema_text, sequences_text
from vault.source.sql.postgresql_tokens import KnownBy, PartitionTokens
from vault.source.sql.table_reader import TableReader
from vault.threads import read_ahead

if TYPE_CHECKING:
    import pyarrow as pa
    from psycopg import Connection

    from vault.source.sql.postgresql_session import StoppableConnection

TRIES = 3
BEGIN = "begin transaction isolation level repeatable read read only"

IGNORED: frozenset[ScanColumn] = frozenset({"size", "mtime", "mtime_nanos"})


class PgOptions(Struct, frozen=True):
    """What of a database is taken.

    - `tables`: names of tables and views (`schema.table` outside of `public`); empty for all tables
    - `time_column`, `step`: by which tables that have the column are cut into periods of the time zone; None: each is one file
    - `version_column`: changes with every change of a row; None: there is none
    - `rules`: patterns of items that are left out
    - `known_by`: by what a partition without such a column is known to be unchanged
    """

    address: PgAddress
    tables: tuple[str, ...] = ()
    time_column: str | None = None
    step: Step = "month"
    zone: str = "UTC"
    version_column: str | None = None
    rules: Rules = Rules()
    known_by: KnownBy = "versions"


class PgPart(Struct, frozen=True):
    """A partition of a table. unusual: the names of columns with a value that Parquet's type does not hold · item: as the scan
    lists it."""

    table: PgTable
    label: str
    unusual: frozenset[str]
    item: ListedItem


class PostgresqlSource:
    """See this module's text. A scan begins the transaction, and `close` ends it."""

    def __init__(self, options: PgOptions, prefix: bytes, clock: Clock) -> None:
        self.options = options
        self.prefix = prefix
        self.clock = clock
        self.parts: dict[bytes, PgPart] = {}
        self.texts: dict[bytes, bytes] = {}
        self._connection: StoppableConnection | None = None
        self._snapshot = ""
        self._waiting: list[ArrowSession] = []
        self._lock = threading.Lock()

    def scan(self, stop: Stop) -> Scan:
        """All tables, in a new transaction. Raises `SourceError`."""
        self.close()
        stop()
        now = int(self.clock.now().timestamp()) * 1_000_000_000
        with source_errors(self.options.address):
            connection = self._begin(stop)
            threading.Thread(target=self._open_ahead, args=(connection,), name="session", daemon=True).start()
            found = ItemList(self.prefix, now)
            entities, gaps = self._list(connection, found, now, stop)
            difference = self._clock_difference(connection)
        coverage = Coverage("postgresql", tuple(entities), tuple(gaps), times=False, one_moment=True)
        scan = found.scan(IGNORED, coverage)
        scan.is_remote = True
        scan.clock_difference = difference
        return scan

    def reader(self, stop: Stop = never) -> TableReader[PgPart]:
        """Reads what the scan's transaction sees; without a scan, one of its own is begun."""
        if self._connection is None:
            self.scan(stop)
        return TableReader(self.prefix, self.texts, self.parts, lambda part: part.item, lambda part: self._pieces(part, stop))

    def close(self) -> None:
        """End the transactions."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
            connection, self._connection = self._connection, None
        for session in waiting:
            session.close()
        if connection is not None:
            connection.close()

    @contextmanager
    def reading(self, using: list[ArrowSession]) -> Iterator[ArrowSession]:
        """A session of its own, in a transaction of the scan's snapshot. using: has it once it is there."""
        with self._lock:
            session = self._waiting.pop() if self._waiting else None
        if session is None:
            if self._connection is None:
                raise SourceError("the connection to the database is closed")
            session = ArrowSession(self.options.address, BEGIN, self._snapshot, using)
        else:
            using.append(session)
        try:
            yield session
        except BaseException:
            session.close()
            raise
        with self._lock:
            self._waiting.append(session)

    def _open_ahead(self, scanning: StoppableConnection) -> None:
        """The first session, and the libraries that reading takes, while the server computes what changed. scanning: the
        connection of the scan for which it is. What goes wrong is told by the first reading."""
        import psycopg

        session: ArrowSession | None = None
        with suppress(psycopg.Error):
            session = ArrowSession(self.options.address, BEGIN, self._snapshot, [])
        _import_for_reading()
        with self._lock:
            if session is not None and self._connection is scanning:
                self._waiting.append(session)
                return
        if session is not None:
            session.close()

    def _pieces(self, part: PgPart, stop: Stop) -> Generator[bytes, None, None]:
        options = self.options
        query = rows_query(part.table, part.unusual, where_of(part.table, part.label, options.step, options.zone))
        schema = partition_schema(part.table, part.unusual)
        using: list[ArrowSession] = []

        def batches(_: Stop) -> Generator[pa.RecordBatch, None, None]:
            with self.reading(using) as session:
                yield from session.batches(query, schema)

        def pieces(stop: Stop) -> Generator[bytes, None, None]:
            with read_ahead(batches, stop, depth=8, cancel=lambda: cancel_all(using)) as ready:
                yield from parquet_pieces(schema, ready)

        with source_errors(options.address), self._item_errors(), read_ahead(pieces, stop) as ready:
            yield from ready

    @contextmanager
    def _item_errors(self) -> Iterator[None]:
        """What is wrong with one table alone, as OSError."""
        import psycopg
        import pyarrow as pa

        try:
            yield
        except psycopg.OperationalError:
            raise
        except psycopg.Error as error:
            if self._connection is not None:
                self._connection.execute("select")  # what ends all sessions is not wrong with one table
            raise OSError(errno.EIO, reason_of(error)) from error
        except pa.ArrowException as error:
            raise OSError(errno.EIO, f"it has a value that cannot be kept: {error}") from error

    def _begin(self, stop: Stop) -> StoppableConnection:
        import psycopg

        connection = self._connection = connect(self.options.address, stop)
        for attempt in range(TRIES):
            listed = relations(connection)
            tables = [
                one for one in wanted_relations(listed, self.options.tables) if one.relkind in ("r", "p") and not one.hidden
            ]
            connection.execute(BEGIN)
            try:
                if tables:
                    connection.execute(f"lock table {', '.join(one.own_rows for one in tables)} in access share mode")
                row = connection.execute("select pg_export_snapshot()").fetchone()
                self._snapshot = str(row[0]) if row else ""
                return connection
            except psycopg.errors.UndefinedTable:  # it was dropped since it was listed
                connection.execute("rollback")
                if attempt + 1 == TRIES:
                    raise
        raise SourceError(f"the tables of {self.options.address.text} do not stay", hint="run it again")

    def _clock_difference(self, connection: Connection[Any]) -> float | None:
        row = connection.execute("select clock_timestamp()").fetchone()
        moment = row[0] if row else None
        return (moment - self.clock.now()).total_seconds() if isinstance(moment, datetime) else None

    def _list(
        self, connection: Connection[Any], found: ItemList, now: int, stop: Stop
    ) -> tuple[list[CoveredEntity], list[str]]:
        known = self._catalog(connection)
        self.parts = {}
        for one in known.hidden:
            if self.options.rules.takes(Partition(one.name).path):
                _unlist(found, one.name, f"the {one.kind} {one.name!r} is not taken: {one.hidden}")
        tokens = PartitionTokens(connection, self.options.known_by, self.options.version_column)
        for table in known.tables:
            stop()
            self._add(tokens, found, table, now)
        for path, text in self.texts.items():
            found.file(ListedItem(path, len(text), now, text))
        wanted = self.options.time_column
        whole = [table.name for table in known.tables if wanted and table.time_column is None]
        notes = [f"{name!r} has no column of times {wanted!r}: it is one file" for name in whole]
        entities = [CoveredEntity(table.name, tuple(column.name for column in table.columns)) for table in known.tables]
        return entities, [*known.gaps, *notes]

    def _catalog(self, connection: Connection[Any]) -> PgCatalog:
        """What there is, with names written in full."""
        options = self.options
        connection.execute("set local search_path = pg_catalog")
        known = catalog(connection, options.tables, options.time_column)
        texts = {
            layout.SCHEMA: schema_text(connection, known.tables),
            layout.SEQUENCES: sequences_text(connection, known.tables),
        }
        self.texts = {path: text for path, text in texts.items() if text and options.rules.takes(path)}
        connection.execute("set local search_path to default")
        return known

    def _add(self, asked: PartitionTokens, found: ItemList, table: PgTable, now: int) -> None:
        import psycopg

        options = self.options
        try:
            tokens = asked.of(table, table.label(options.step, options.zone))
        except psycopg.OperationalError:
            raise
        except psycopg.Error as error:
            _unlist(found, table.name, f"the {table.relation.kind} {table.name!r} cannot be read: {reason_of(error)}")
            return
        for one in tokens:
            item = ListedItem(Partition(table.name, one.label).path, UNKNOWN_SIZE, now, one.token)
            if not options.rules.takes(item.path):
                found.excluded += 1
            elif found.file(item):
                self.parts[item.path] = PgPart(table, one.label, one.unusual, item)


def _import_for_reading() -> None:
    """0.05 s of a thread's time."""
    import pyarrow.compute
    import pyarrow.parquet  # noqa: F401


def _unlist(found: ItemList, table: str, message: str) -> None:
    """What a table has may not be read, and has not vanished."""
    path = Partition(table).path
    found.unknown(path, message, denied=True)
    found.unlisted.append(found.whole(path.removesuffix(layout.ENDING.encode())))
