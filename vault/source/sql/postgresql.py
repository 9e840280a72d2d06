"""A PostgreSQL database as a source: all tables in one read-only transaction at REPEATABLE READ, each a Parquet file or one a
period.

Whether a partition changed is asked in the database: the number of its rows and the sum of a hash of each, as text. What did
not change is not transferred. Types are in `postgresql_rows`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from vault.clock import Clock
from vault.coverage import Coverage, CoveredEntity
from vault.errors import SourceError
from vault.hidden_fields import HidesFields
from vault.problems import Problem
from vault.source.attributes import NOTHING
from vault.source.contract import UNKNOWN_SIZE, Content, Scan, ScanColumn, Stop, TooLarge, never
from vault.source.item_list import ItemList, ListedItem
from vault.source.patterns import Rules
from vault.source.sql import layout
from vault.source.sql.layout import Partition, Step
from vault.source.sql.parquet_stream import parquet_pieces
from vault.source.sql.postgresql_catalog import PgTable, catalog, schema_text, sequences_text
from vault.source.sql.postgresql_rows import partition_batches, partition_schema, where_of
from vault.source.streams import SequentialStream, StreamReader

if TYPE_CHECKING:
    from psycopg import Connection

CONNECT_WITHIN = 30
"""Seconds."""

IGNORED: frozenset[ScanColumn] = frozenset({"size", "mtime", "mtime_nanos"})

_SETTINGS = (
    "set datestyle = 'ISO, YMD'",
    "set intervalstyle = 'postgres'",
    "set timezone = 'UTC'",
    "set extra_float_digits = 1",
    "set bytea_output = 'hex'",
    "set statement_timeout = 0",
)
"""So that values are written alike whatever the server's settings are."""


class PgAddress(HidesFields, frozen=True):
    """How a server is reached. password: None where the server asks for none, or libpq finds it (`~/.pgpass`)."""

    host: str
    port: int
    database: str
    user: str | None = None
    password: str | None = None
    sslmode: str = "prefer"

    @property
    def text(self) -> str:
        """For people."""
        return f"postgresql://{self.host}:{self.port}/{self.database}"


class PgOptions(Struct, frozen=True):
    """What of a database is taken.

    - `tables`: names of tables and views (`schema.table` outside of `public`); empty for all tables
    - `time_column`, `step`: by which tables that have the column are cut into periods of the time zone; None: each is one file
    - `rules`: patterns of items that are left out
    """

    address: PgAddress
    tables: tuple[str, ...] = ()
    time_column: str | None = None
    step: Step = "month"
    zone: str = "UTC"
    rules: Rules = Rules()


class PgPart(Struct, frozen=True):
    """A partition of a table."""

    table: PgTable
    label: str


class PostgresqlSource:
    """See this module's text. A scan begins the transaction, and `close` ends it."""

    def __init__(self, options: PgOptions, prefix: bytes, clock: Clock) -> None:
        self.options = options
        self.prefix = prefix
        self.clock = clock
        self._connection: Connection[Any] | None = None
        self.parts: dict[bytes, PgPart] = {}
        self.texts: dict[bytes, bytes] = {}

    def scan(self, stop: Stop) -> Scan:
        """All tables, in a new transaction. Raises `SourceError`."""
        self.close()
        stop()
        now = int(self.clock.now().timestamp()) * 1_000_000_000
        with self.errors():
            self._begin()
            found = ItemList(self.prefix, now)
            entities, gaps = self._list(found, now, stop)
        coverage = Coverage("postgresql", tuple(entities), tuple(gaps), times=False, one_moment=True)
        return found.scan(IGNORED, coverage)

    def reader(self, stop: Stop = never) -> PostgresqlReader:
        """Reads what the scan's transaction sees; without a scan, one of its own is begun."""
        if self._connection is None:
            self.scan(stop)
        return PostgresqlReader(self)

    def close(self) -> None:
        """End the transaction."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    @property
    def connection(self) -> Connection[Any]:
        """In its transaction. Raises `SourceError` where there is none."""
        if self._connection is None:
            raise SourceError("the connection to the database is closed")
        return self._connection

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Errors of the server and the connection as `SourceError`."""
        import psycopg
        import pyarrow as pa

        where = self.options.address.text
        try:
            yield
        except psycopg.Error as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            hint = "check the address, the user, its password and its rights (`strongroom source test`)"
            raise SourceError(f"the database {where} cannot be read: {reason}", hint=hint) from error
        except pa.ArrowInvalid as error:
            hint = "leave the table out, and take a dump of it with a command source"
            raise SourceError(f"the database {where} gives a value that cannot be kept: {error}", hint=hint) from error

    def _begin(self) -> None:
        import psycopg

        address = self.options.address
        connection = psycopg.connect(
            host=address.host,
            port=address.port,
            dbname=address.database,
            user=address.user,
            password=address.password,
            sslmode=address.sslmode,
            connect_timeout=CONNECT_WITHIN,
            application_name="strongroom",
            client_encoding="utf8",
            autocommit=True,
        )
        self._connection = connection
        for text in _SETTINGS:
            connection.execute(text)
        connection.autocommit = False
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True

    def _list(self, found: ItemList, now: int, stop: Stop) -> tuple[list[CoveredEntity], list[str]]:
        options, connection = self.options, self.connection
        tables, gaps = catalog(connection, options.tables, options.time_column)
        self.parts, self.texts = {}, {}
        entities, whole = [], []
        for table in tables:
            stop()
            entities.append(CoveredEntity(table.name, tuple(column.name for column in table.columns)))
            if options.time_column and table.time_column is None:
                whole.append(table.name)
            for label, token in self._labels(table):
                item = Partition(table.name, label)
                if not options.rules.takes(item.path):
                    found.excluded += 1
                elif found.file(ListedItem(item.path, UNKNOWN_SIZE, now, token)):
                    self.parts[item.path] = PgPart(table, label)
        for path, text in (
            (layout.SCHEMA, schema_text(connection, tables)),
            (layout.SEQUENCES, sequences_text(connection)),
        ):
            if text and options.rules.takes(path):
                found.file(ListedItem(path, len(text), now, text))
                self.texts[path] = text
        notes = [f"{name!r} has no column of times {options.time_column!r}: it is one file" for name in whole]
        return entities, [*gaps, *notes]

    def _labels(self, table: PgTable) -> Iterator[tuple[str, bytes]]:
        """The partitions of a table with their tokens. A table without rows is one file, so that it is seen."""
        label = table.label(self.options.step, self.options.zone)
        sums = "sum(hashtextextended(t::text, 0)::numeric), sum(hashtextextended(t::text, 1)::numeric)"
        query = f"select coalesce({label}, '{layout.UNDATED}'), count(*), {sums} from {table.quoted} t group by 1 order by 1"  # noqa: S608
        columns = repr([(column.name, column.declared, column.key) for column in table.columns])
        rows = self.connection.execute(query).fetchall()  # type: ignore[call-overload]
        for text, *facts in rows:
            yield text, f"{columns} {facts}".encode()
        if not rows:
            yield "", columns.encode()


class PostgresqlReader(StreamReader):
    """Reads partitions in the transaction of their source."""

    reopens = False

    def __init__(self, source: PostgresqlSource) -> None:
        super().__init__(source.prefix)
        self._source = source

    def open_large(self, path: bytes) -> SequentialStream | Problem:
        """A partition as Parquet, made while it is read; a schema as it is."""
        source, relative = self._source, self._relative(path)
        text = source.texts.get(relative)
        if text is not None:
            return SequentialStream(path, ListedItem(relative, len(text), 0, text).status(), lambda: _one(text))
        part = source.parts.get(relative)
        if part is None:
            return Problem(path, "vanished-while-read", "the database has no such table or period")
        now = int(source.clock.now().timestamp()) * 1_000_000_000
        return SequentialStream(path, ListedItem(relative, UNKNOWN_SIZE, now).status(), lambda: self._pieces(part))

    def _content(self, path: bytes, limit: int) -> Content | TooLarge | Problem:
        """Partitions are made by the thread that asks for them as streams: the transaction is one."""
        text = self._source.texts.get(self._relative(path))
        if text is not None and len(text) <= limit:
            return Content(text, ListedItem(b"", len(text), 0, text).status(), NOTHING)
        if text is None and self._relative(path) not in self._source.parts:
            return Problem(path, "vanished-while-read", "the database has no such table or period")
        return TooLarge(ListedItem(b"", UNKNOWN_SIZE, 0).status())

    def _pieces(self, part: PgPart) -> Generator[bytes, None, None]:
        source = self._source
        where = where_of(part.table, part.label, source.options.step, source.options.zone)
        with source.errors():
            schema = partition_schema(source.connection, part.table, where)
            yield from parquet_pieces(schema, partition_batches(source.connection, part.table, where, schema))


def _one(text: bytes) -> Generator[bytes, None, None]:
    yield text
