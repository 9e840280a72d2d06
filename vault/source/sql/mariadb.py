"""A MariaDB or MySQL database as a source: all tables of one moment, each a Parquet file or one a period.

A scan begins a read-only transaction at REPEATABLE READ with a consistent snapshot, in which everything is read, by one
connection: servers of this kind have no snapshot that two of them could share. Every table is looked at as soon as the
transaction has begun, which keeps its definition from being changed. Tables of other engines than InnoDB know no transactions:
they are read every time, each at the moment at which it is read, and the coverage says so.

Whether a partition changed is asked in the database: the number of its rows and sums of a hash of each; with `version_column`
of their keys, and its greatest value. What did not change is not transferred. Types are in `mariadb_rows`.
"""

from __future__ import annotations

import errno
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from vault.clock import Clock
from vault.coverage import Coverage, CoveredEntity
from vault.errors import SourceError
from vault.progress import Stop, never
from vault.source.contract import NO_TOKEN, STRONG, UNKNOWN_SIZE, Scan, ScanColumn
from vault.source.item_list import ItemList, ListedItem
from vault.source.patterns import Rules
from vault.source.sql import layout, mariadb_periods
from vault.source.sql.layout import Partition, Step
from vault.source.sql.mariadb_catalog import GONE, MdRelation, MdTable, chosen_relations, gaps, relations, rights, tables_of
from vault.source.sql.mariadb_connection import MariadbAddress, connect, quoted
from vault.source.sql.mariadb_results import SharedSession
from vault.source.sql.mariadb_rows import LEAST_PACKET, partition_query, partition_schema, row_hash
from vault.source.sql.mariadb_schema import schema_text, sequences_text
from vault.source.sql.parquet_stream import parquet_pieces
from vault.source.sql.table_reader import TableReader

if TYPE_CHECKING:
    from vault.source.sql.mariadb_session import Session

TRIES = 3
BEGIN = (
    "set session transaction isolation level repeatable read",
    "start transaction with consistent snapshot, read only",
)

IGNORED: frozenset[ScanColumn] = frozenset({"size", "mtime", "mtime_nanos"})


class MdOptions(Struct, frozen=True):
    """What of a database is taken.

    - `tables`: names of tables and views; empty for all tables
    - `time_column`, `step`: by which tables that have the column are cut into periods of the time zone; None: each is one file
    - `version_column`: changes with every change of a row; None: there is none
    - `rules`: patterns of items that are left out
    """

    address: MariadbAddress
    tables: tuple[str, ...] = ()
    time_column: str | None = None
    step: Step = "month"
    zone: str = "UTC"
    version_column: str | None = None
    rules: Rules = Rules()


class MdPart(Struct, frozen=True):
    """A partition of a table. where: SQL for its rows · item: as the scan lists it."""

    table: MdTable
    where: str
    item: ListedItem


class MariadbSource:
    """See this module's text. A scan begins the transaction, and `close` ends it."""

    def __init__(self, options: MdOptions, prefix: bytes, clock: Clock) -> None:
        self.options = options
        self.prefix = prefix
        self.clock = clock
        self.parts: dict[bytes, MdPart] = {}
        self.texts: dict[bytes, bytes] = {}
        self._shared: SharedSession | None = None
        self._session: Session | None = None

    def scan(self, stop: Stop) -> Scan:
        """All tables, in a new transaction. stop: also looked at while the server works. Raises `SourceError`."""
        self.close()
        stop()
        now = int(self.clock.now().timestamp()) * 1_000_000_000
        with self._errors():
            session = self._session = connect(self.options.address)
            self._shared = SharedSession(session)
            session.watch(stop)
            listed, chosen = self._begin(session)
            found = ItemList(self.prefix, now)
            coverage = self._list(session, listed, chosen, found, now)
            difference = self._clock_difference(session)
            session.watch(never)
        scan = found.scan(IGNORED, coverage)
        scan.is_remote = True
        scan.clock_difference = difference
        return scan

    def reader(self, stop: Stop = never) -> TableReader[MdPart]:
        """Reads what the scan's transaction sees; without a scan, one of its own is begun."""
        if self._session is None:
            self.scan(stop)
        if self._session is not None:
            self._session.watch(stop)
        return TableReader(self.prefix, self.texts, self.parts, lambda part: part.item, self._pieces)

    def close(self) -> None:
        """End the transaction."""
        shared, self._shared, self._session = self._shared, None, None
        if shared is not None:
            shared.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """What the server and the connection say as `SourceError`. What ends the session for another reason ends what the
        server is at as well."""
        from vault.source.sql.mariadb_session import source_errors

        session = self._session
        try:
            with source_errors(self.options.address):
                yield
        except Exception:
            session = self._session or session
            if session is not None and not session.open:
                session.kill_connection()
            raise

    def _begin(self, session: Session) -> tuple[dict[str, MdRelation], list[MdRelation]]:
        """Begin the transaction, and look at every table: all that there is, and what is wanted of it."""
        from pymysql.err import Error

        from vault.source.sql.mariadb_session import code_of

        for attempt in range(TRIES):
            for statement in BEGIN:
                session.run(statement)
            listed = relations(session)
            try:
                return listed, chosen_relations(session, listed, self.options.tables)
            except Error as error:  # it was dropped, emptied or altered since the transaction began
                session.run("rollback")
                if code_of(error) not in GONE or attempt + 1 == TRIES:
                    raise
        raise SourceError(f"the tables of {self.options.address.text} do not stay", hint="run it again")

    def _clock_difference(self, session: Session) -> float | None:
        ((moment,),) = session.rows("select utc_timestamp(6)")
        return (moment.replace(tzinfo=UTC) - self.clock.now()).total_seconds() if isinstance(moment, datetime) else None

    def _list(
        self, session: Session, listed: dict[str, MdRelation], chosen: list[MdRelation], found: ItemList, now: int
    ) -> Coverage:
        options = self.options
        allowed = rights(session)
        self.parts, self.texts = {}, {}
        for one in chosen:
            if one.hidden and options.rules.takes(Partition(one.name).path):
                _unlist(found, one.name, f"the {one.kind} {one.name!r} is not taken: {one.hidden}")
        tables = tables_of(session, [one for one in chosen if not one.hidden], options.time_column)
        for table in tables:
            self._add(session, found, table, now)
        views = [one for one in listed.values() if one.kind == "view" and (not options.tables or one in chosen)]
        schema, unseen = schema_text(session, list(listed.values()), tables, views)
        texts = {layout.SCHEMA: schema, layout.SEQUENCES: sequences_text(session, list(listed.values()), tables)}
        self.texts = {path: text for path, text in texts.items() if text and options.rules.takes(path)}
        for path, text in self.texts.items():
            found.file(ListedItem(path, len(text), now, text))
        if not allowed.tables and not options.tables:
            found.unlisted.append(found.whole(b""))  # there may be tables that this user is not told of
        wanted = options.time_column
        whole = [table.name for table in tables if wanted and table.time_column is None]
        notes = [f"{name!r} has no column of times {wanted!r}: it is one file" for name in whole]
        entities = [CoveredEntity(table.name, tuple(column.name for column in table.columns)) for table in tables]
        stated = [*gaps(listed, chosen, allowed, options.tables), *unseen, *notes]
        one_moment = all(table.relation.transactional for table in tables)
        deletions = allowed.tables or bool(options.tables)
        return Coverage("mariadb", tuple(entities), tuple(stated), times=False, deletions=deletions, one_moment=one_moment)

    def _add(self, session: Session, found: ItemList, table: MdTable, now: int) -> None:
        from pymysql.err import Error

        from vault.source.sql.mariadb_session import is_lost, reason_of

        try:
            parts = list(self._partitions(session, table))
        except Error as error:
            if is_lost(error):
                raise
            _unlist(found, table.name, f"the {table.relation.kind} {table.name!r} cannot be read: {reason_of(error)}")
            return
        for label, where, token in parts:
            trusted = STRONG if table.relation.transactional and token else NO_TOKEN
            item = ListedItem(Partition(table.name, label).path, UNKNOWN_SIZE, now, token, trusted)
            if not self.options.rules.takes(item.path):
                found.excluded += 1
            elif found.file(item):
                self.parts[item.path] = MdPart(table, where, item)

    def _partitions(self, session: Session, table: MdTable) -> Iterator[tuple[str, str, bytes]]:
        """The partitions of a table: label, SQL for its rows, token. A table without rows is one file, so that it is seen."""
        if not table.columns:  # the server knows none of a view that cannot be: it says why
            session.rows(f"select * from {table.relation.quoted} limit 0")  # noqa: S608 (quoted names)
        period = self._period(session, table)
        columns = repr([(column.name, column.declared, column.key) for column in table.columns])
        query = self._facts_query(session, table, period)
        rows = session.rows(query)
        for label, *facts in rows:
            where = mariadb_periods.where_of(table.time_column, label, period)
            yield label, where, f"{columns} {facts}".encode() if len(facts) > 1 else b""
        if not rows:
            yield "", "", columns.encode()

    def _facts_query(self, session: Session, table: MdTable, period: str) -> str:
        """SQL for what tells one state of each partition from another: its label and number of rows alone where that cannot be
        had."""
        label = f"coalesce({period}, '{layout.UNDATED}')"
        facts = ["count(*)"]
        ((packet,),) = session.rows("select @@max_allowed_packet")
        if table.relation.transactional and int(packet) >= LEAST_PACKET:
            version = self.options.version_column
            by_version = bool(table.key) and any(column.name == version for column in table.columns)
            hashed = [column for column in table.columns if column.key or not by_version]
            digest = row_hash(hashed)
            halves = (f"left({digest}, 16)", f"mid({digest}, 17, 16)")
            facts += [f"sum(cast(conv({half}, 16, 10) as unsigned))" for half in halves]
            facts += [f"cast(max({quoted(version or '')}) as char)"] if by_version else []
        return f"select {label}, {', '.join(facts)} from {table.relation.quoted} group by 1 order by 1"  # noqa: S608 (quoted names)

    def _period(self, session: Session, table: MdTable) -> str:
        """SQL for the period of a row."""
        column = table.time_column
        if column is None:
            return "''"
        first = last = None
        if column.base == "timestamp":
            name = quoted(column.name)
            query = f"select min({name}), max({name}) from {table.relation.quoted} where {mariadb_periods.is_date(name)}"  # noqa: S608
            ((first, last),) = session.rows(query)
        shift = mariadb_periods.shift(column, self.options.zone, first, last)
        return mariadb_periods.label(column, self.options.step, shift)

    def _pieces(self, part: MdPart) -> Generator[bytes, None, None]:
        if self._shared is None:
            raise SourceError("the connection to the database is closed")
        with self._errors(), _item_errors():
            with self._shared.alone() as session:
                schema = partition_schema(session, part.table, part.where)
            yield from parquet_pieces(schema, self._shared.batches(partition_query(part.table, schema, part.where), schema))


@contextmanager
def _item_errors() -> Iterator[None]:
    """What is wrong with one table alone, as OSError."""
    import pyarrow as pa
    from pymysql.err import Error

    from vault.source.sql.mariadb_session import is_lost, reason_of

    try:
        yield
    except Error as error:
        if is_lost(error):
            raise
        raise OSError(errno.EIO, reason_of(error)) from error
    except pa.ArrowException as error:
        raise OSError(errno.EIO, f"it has a value that cannot be kept: {error}") from error


def _unlist(found: ItemList, table: str, message: str) -> None:
    """What a table has is not known, and has not vanished."""
    path = Partition(table).path
    found.unknown(path, message)
    found.unlisted.append(found.whole(path.removesuffix(layout.ENDING.encode())))
