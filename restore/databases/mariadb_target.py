"""Rows of selected items into a MariaDB or MySQL database: by the key of each table, in one transaction.

    with MariadbTarget(place, items, policy) as target:
        target.plan()     what is missing, equal, in the way, table by table; in a read-only transaction
        target.apply()    the same again in the transaction that writes, then rows are inserted and updated

The rows wait in temporary tables of the session, typed as the database has them, so that the server compares them and a
condition means what it means there. Rows that differ are updated, not deleted and inserted: nothing that refers to them goes
with them. Tables are written in the order that foreign keys ask for; those of a circle, and those that refer to themselves,
without the server's checks, which are made up for before the end.
Tables that are missing are made before the transaction (`mariadb_missing_tables`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from graphlib import CycleError, TopologicalSorter
from types import TracebackType
from typing import TYPE_CHECKING, Self

from msgspec import Struct

from restore.databases import mariadb_rows
from restore.databases.fetched_tables import columns_of, files_by_table, with_notes
from restore.databases.mariadb_missing_tables import MissingTables
from restore.databases.mariadb_tables import (
    ForeignKey,
    MdLive,
    MdStaged,
    RowComparison,
    foreign_keys,
    is_type,
    live_tables,
    notes_of,
    type_of,
)
from restore.databases.row_plan import RowPlan, TableRows
from restore.databases.staged_rows import FetchedItem
from restore.planning.conflict_policy import ConflictPolicy
from vault.errors import TargetError, UsageError
from vault.progress import Stop, never
from vault.source.sql.mariadb import BEGIN
from vault.source.sql.mariadb_catalog import DENIED, rights
from vault.source.sql.mariadb_connection import MariadbAddress, connect, quoted

if TYPE_CHECKING:
    from vault.source.sql.mariadb_session import Session

WRITING = "STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES,NO_ENGINE_SUBSTITUTION"
"""`sql_mode` of a session that writes: a value that does not fit is an error, and every value that a table can have is one."""

_DOES_NOT_FIT = "nothing was written; restore the tables that it refers to as well, or into another database (?schema=NAME)"


class MdPlace(Struct, frozen=True):
    """Where rows go. schema: another database of the server than the address names, which is made where it is not there; None:
    the same · version_column: tells which of two rows is newer."""

    address: MariadbAddress
    schema: str | None = None
    version_column: str | None = None

    @property
    def text(self) -> str:
        """For people."""
        return self.address.text if self.schema is None else f"{self.address.text}, database {self.schema}"

    @property
    def database(self) -> str:
        """The name of the database that rows go to."""
        return self.schema or self.address.database

    def connect(self) -> Session:
        """A session that can write. Raises `pymysql.Error`, and `SourceError` for a server that is too old."""
        return connect(self.address, WRITING)


class MariadbTarget:
    """See this module's text.

    - `where`: a condition in the server's SQL on the columns of a table; None for all rows
    - `stop`: looked at while the server works; what it raises ends the work, and nothing is written then
    """

    def __init__(
        self,
        place: MdPlace,
        items: Sequence[FetchedItem],
        policy: ConflictPolicy,
        where: str | None = None,
        stop: Stop = never,
    ) -> None:
        self._place = place
        self._stop = stop
        self._items = items
        self._policy = policy
        self._where = where
        self._open: Session | None = None
        self._staged: list[MdStaged] = []
        self._rows: dict[str, int] = {}
        self._known: dict[str, bool] = {}
        self._triggers_seen = True
        self._for_good: list[str] = []

    def __enter__(self) -> Self:
        """Bring the rows into the session. Raises `TargetError` where the server cannot be used, `UsageError` for a condition
        that cannot be, or where no item is a table; `Damaged`."""
        with self._errors():
            session = self._open = self._place.connect()
            session.watch(self._stop)
            try:
                self._stage(session)
            except BaseException:
                self._end()
                raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end()

    def _end(self) -> None:
        """End the session, and what its server is still at."""
        session = self._session
        if not session.open:
            session.kill_connection()
        session.close()

    def plan(self) -> RowPlan:
        """What would be done. Raises `TargetError`."""
        session = self._session
        with self._errors():
            live = live_tables(session, self._staged)
            for statement in BEGIN:
                session.run(statement)
            tables = tuple(self._compared(session, one, live.get(one.table)) for one in self._staged)
            session.run("rollback")
        return RowPlan(self._place.text, self._policy, tables, created=False)

    def apply(self) -> RowPlan:
        """Do it; gives what was done. Raises `TargetError`, and nothing is written then."""
        session = self._session
        with self._errors():
            missing = MissingTables(self._place, self._items, self._staged, self._known)
            try:
                missing.make(session)
                plan = self._write_all(session, missing.made)
            except BaseException as error:
                missing.take_away(session)
                if self._for_good:
                    raise TargetError(
                        f"the rows do not fit into {self._place.address.text}: {error}; what was written into "
                        f"{', '.join(self._for_good)} stays, since its engine knows no transactions",
                        hint="run it again with --existing skip once the cause is gone",
                    ) from error
                raise
            left_out = missing.finish(session)
            left_out += missing.advance_counters(session, [one.table for one in plan.tables if one.missing])
        return with_notes(plan, left_out)

    def _write_all(self, session: Session, made: Sequence[str]) -> RowPlan:
        live = live_tables(session, self._staged)
        session.run("set session transaction isolation level repeatable read")
        session.run("start transaction")
        found = {one.table: self._compared(session, one, live.get(one.table), made, locking=True) for one in self._staged}
        plan = RowPlan(self._place.text, self._policy, tuple(found.values()), created=False)
        plan.refuse()
        keys = foreign_keys(session, self._place.database, list(found))
        order, circular = _in_order([one.table for one in self._staged], keys, self._place.database)
        by_name = {one.table: one for one in self._staged}
        safe = [name for name in order if live[name].table.relation.transactional]
        order = [*safe, *(name for name in order if name not in safe)]
        for name in order:
            if found[name].missing or found[name].replaced(self._policy):
                self._for_good += [] if name in safe else [name]
            if found[name].missing:
                self._insert(session, by_name[name], live[name], unchecked=name in circular)
        for name in order:
            if found[name].replaced(self._policy):
                newer_stays = self._policy is ConflictPolicy.NEWER
                self._comparison(by_name[name], live[name]).update(session, newer_stays=newer_stays)
        for key in keys:
            if key.table in circular:
                self._refuse_dangling(session, by_name[key.table], live[key.table], key)
        self._commit(session)
        return plan

    def _commit(self, session: Session) -> None:
        from pymysql.err import Error

        from vault.source.sql.mariadb_session import is_lost, reason_of

        try:
            session.run("commit")
        except Error as error:
            if not is_lost(error):
                raise
            raise TargetError(
                f"the connection to {self._place.address.text} was cut while the rows were committed: {reason_of(error)}",
                hint="they are all there, or none of them is; run it again: rows that are there are left as they are",
            ) from error

    @property
    def _session(self) -> Session:
        if self._open is None:
            raise TargetError("the connection to the database is closed")
        return self._open

    @contextmanager
    def _errors(self) -> Iterator[None]:
        from pymysql.err import Error

        from vault.source.sql.mariadb_session import code_of, is_lost, reason_of

        where = self._place.address.text
        try:
            yield
        except Error as error:
            if is_lost(error) or code_of(error) in (1045, 1049):
                hint = "nothing was written; check the address, the user and its password"
                raise TargetError(f"the database {where} cannot be used: {reason_of(error)}", hint=hint) from error
            if code_of(error) in DENIED:
                hint = (
                    "nothing was written; name a user who may write, and make temporary tables, with restore_user or in "
                    "--to mariadb://USER@…"
                )
                raise TargetError(f"the database {where} does not let us: {reason_of(error)}", hint=hint) from error
            raise TargetError(f"the rows do not fit into {where}: {reason_of(error)}", hint=_DOES_NOT_FIT) from error

    def _stage(self, session: Session) -> None:
        by_table = files_by_table(self._items)
        for number, (table, parts) in enumerate(by_table.items()):
            _, found = columns_of(parts, mariadb_rows.KEYS, "MariaDB or MySQL")
            self._staged.append(MdStaged(table, self._place.database, f"`strongroom_rows_{number}`", found))
        self._triggers_seen = rights(session).triggers
        live = live_tables(session, self._staged)
        self._known = self._known_types(session)
        for one in self._staged:
            there = live[one.table].table.columns if one.table in live else ()
            types = {column.name: f"{column.declared} null" for column in there}
            plain = {column.name: type_of(column, self._known).removesuffix(" null") + " null" for column in one.columns}
            columns = [f"{quoted(name)} {types.get(name, kind)}" for name, kind in plain.items()]
            session.run(f"create temporary table {one.staged} ({', '.join(columns)})")
        session.run("start transaction read only")  # a condition can write nothing
        for one in self._staged:
            rows = sum(mariadb_rows.insert(session, one.staged, item.file) for item in by_table[one.table])
            self._rows[one.table] = rows - self._cut_down(session, one)
        session.run("commit")

    def _cut_down(self, session: Session, one: MdStaged) -> int:
        """Drop the rows that the condition is not true of; gives how many."""
        from pymysql.err import Error

        from vault.source.sql.mariadb_session import is_lost, reason_of

        if self._where is None:
            return 0
        try:
            return session.run(f"delete from {one.staged} where not coalesce(({self._where}\n), false)")  # noqa: S608
        except Error as error:
            if is_lost(error):
                raise
            columns = ", ".join(column.name for column in one.columns[:10])
            message = f"--where cannot be used on the table {one.table!r}: {reason_of(error)}"
            raise UsageError(message, hint=f"its columns are: {columns}") from error

    def _known_types(self, session: Session) -> dict[str, bool]:
        """Whether the server has the types of the columns: it is asked to make a table with each."""
        from pymysql.err import Error

        from vault.source.sql.mariadb_session import code_of, is_lost

        known = {}
        for declared in sorted({column.declared for one in self._staged for column in one.columns}):
            known[declared] = False
            if not is_type(declared):
                continue
            try:
                session.run(f"create temporary table `strongroom_type` (v {declared} null)")
                session.run("drop temporary table `strongroom_type`")
                known[declared] = True
            except Error as error:
                if is_lost(error) or code_of(error) in DENIED:
                    raise
        return known

    def _comparison(self, one: MdStaged, live: MdLive) -> RowComparison:
        return RowComparison(one, live, self._place.version_column)

    def _compared(
        self, session: Session, one: MdStaged, live: MdLive | None, made: Sequence[str] = (), *, locking: bool = False
    ) -> TableRows:
        rows, notes = self._rows[one.table], tuple(notes_of(one, live, triggers_seen=self._triggers_seen))
        if live is None or one.table in made:
            return TableRows(
                one.table, rows, rows, 0, 0, 0, one.key, created=True, notes=tuple(notes_of(one, None, triggers_seen=True))
            )
        found = self._comparison(one, live).compare(session, locking=locking)
        return TableRows(one.table, rows, *found, live.table.key, created=False, notes=notes)

    def _insert(self, session: Session, one: MdStaged, live: MdLive, *, unchecked: bool) -> None:
        if unchecked:
            session.run("set session foreign_key_checks = 0")
        self._comparison(one, live).insert(session)
        if unchecked:
            session.run("set session foreign_key_checks = 1")

    def _refuse_dangling(self, session: Session, one: MdStaged, live: MdLive, key: ForeignKey) -> None:
        """What the server would have refused. Raises `TargetError`."""
        if rows := self._comparison(one, live).dangling(session, key):
            raise TargetError(
                f"the rows do not fit into {self._place.address.text}: {rows} of the table {one.table!r} refer to rows of "
                f"{key.other[1]!r} that are not there ({key.name})",
                hint=_DOES_NOT_FIT,
            )


def _in_order(tables: Sequence[str], keys: Sequence[ForeignKey], database: str) -> tuple[list[str], set[str]]:
    """Tables after those that they refer to; and those that no order serves, since they refer to themselves, or in a circle."""
    graph: dict[str, set[str]] = {name: set() for name in tables}
    circular = set()
    for key in keys:
        schema, other = key.other
        if schema == database and other in graph:
            if other == key.table:
                circular.add(key.table)
            else:
                graph[key.table].add(other)
    while True:
        try:
            return list(TopologicalSorter(graph).static_order()), circular
        except CycleError as error:
            circle = error.args[1]
            circular |= set(circle)
            for name in set(circle):
                graph[name] -= set(circle)
