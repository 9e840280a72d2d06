"""Rows of selected items into a PostgreSQL database: by the key of each table, in one transaction.

    with PostgresqlTarget(place, items, policy) as target:
        target.plan()     what is missing, equal, in the way, table by table; in a read-only transaction
        target.apply()    the same again in the transaction that writes, then rows are inserted and updated

The rows wait in temporary tables of the session, typed as the database has them, so that the server compares them and a
condition means what it means there. Those of a table that is not there go into it once it is made. Rows that differ are
updated, not deleted and inserted: nothing that refers to them goes with them. Tables are written in the order that foreign keys
ask for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from msgspec import Struct
from msgspec.structs import replace

from restore.databases import postgresql_rows
from restore.databases.fetched_tables import columns_of, files_by_table, sequence_numbers, statements_among, with_notes
from restore.databases.postgresql_tables import (
    PgLive,
    PgStaged,
    RowComparison,
    live_of,
    notes_of,
    own_statements,
    plain_table,
    type_of,
)
from restore.databases.row_plan import RowPlan, TableRows
from restore.databases.staged_rows import FetchedItem
from restore.planning.conflict_policy import ConflictPolicy
from vault.errors import TargetError, UsageError
from vault.progress import Stop, never
from vault.source.sql.postgresql_catalog import quoted, relations
from vault.source.sql.postgresql_connection import PgAddress, connect, reason_of

if TYPE_CHECKING:
    from psycopg import Connection

_AFTERWARDS = ("foreign key", "trigger", "comment")
"""Kinds of statements that wait until the rows are there; one that fails is left out, and the plan of what was done says so."""

_MAKING = ("schema", "type", "sequence", "table", "partition", "owner", "constraint", "index")


class PgPlace(Struct, frozen=True):
    """Where rows go. schema: another one than they came from, for all tables; None: the same · version_column: tells which of
    two rows is newer."""

    address: PgAddress
    schema: str | None = None
    version_column: str | None = None

    @property
    def text(self) -> str:
        """For people."""
        return self.address.text if self.schema is None else f"{self.address.text}, schema {self.schema}"


class PostgresqlTarget:
    """See this module's text. where: a condition in the server's SQL on the columns of a table; None for all rows · stop:
    called often while the server is waited for; what it raises ends that, and nothing is written."""

    def __init__(
        self,
        place: PgPlace,
        items: Sequence[FetchedItem],
        policy: ConflictPolicy,
        where: str | None = None,
        stop: Stop = never,
    ) -> None:
        self._place = place
        self._items = items
        self._stop = stop
        self._policy = policy
        self._where = where
        self._open: Connection[Any] | None = None
        self._staged: list[PgStaged] = []
        self._rows: dict[str, int] = {}
        self._direct: set[str] = set()
        """Tables that are not there, whose rows need not wait anywhere: they go where they belong once it is made."""
        self._known: dict[str, bool] = {}

    def __enter__(self) -> Self:
        """Bring the rows into the session. Raises `TargetError` where the server cannot be used, `UsageError` for a condition
        that cannot be, or where no item is a table; `Damaged`."""
        with self._errors():
            connection = self._open = connect(self._place.address, self._stop)
            try:
                self._stage(connection)
            except BaseException:
                connection.close()
                raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._connection.close()

    def plan(self) -> RowPlan:
        """What would be done. Raises `TargetError`."""
        connection = self._connection
        with self._errors():
            connection.execute("begin transaction isolation level repeatable read read only")
            live = self._live(connection)
            tables = tuple(self._compared(connection, one, live.get(one.table)) for one in self._staged)
            connection.execute("rollback")
        return RowPlan(self._place.text, self._policy, tables, created=False)

    def apply(self) -> RowPlan:
        """Do it; gives what was done. Raises `TargetError`, and nothing is written then."""
        connection = self._connection
        with self._errors():
            connection.execute("begin transaction isolation level repeatable read")
            made = self._make_missing(connection)
            live = self._live(connection)
            found = {one.table: self._compared(connection, one, live.get(one.table), made) for one in self._staged}
            plan = RowPlan(self._place.text, self._policy, tuple(found.values()), created=False)
            plan.refuse()
            connection.execute("set constraints all deferred")
            for one in self._in_order(connection, live):
                self._write(connection, one, live[one.table], found[one.table])
            left_out = [note for one in self._staged if one.table in made for note in self._finish(connection, one)]
            self._commit(connection)
            left_out += self._advance_sequences(connection, [one for one in self._staged if found[one.table].missing])
        return with_notes(plan, left_out)

    def _commit(self, connection: Connection[Any]) -> None:
        import psycopg

        try:
            connection.execute("commit")
        except psycopg.OperationalError as error:
            where = self._place.address.text
            raise TargetError(
                f"the connection to {where} broke while the rows were committed: {reason_of(error)}",
                hint="all of them are there, or none; run it again: those that are there stay",
            ) from error

    @property
    def _connection(self) -> Connection[Any]:
        if self._open is None:
            raise TargetError("the connection to the database is closed")
        return self._open

    @contextmanager
    def _errors(self) -> Iterator[None]:
        import psycopg

        where = self._place.address.text
        try:
            yield
        except psycopg.OperationalError as error:
            hint = "nothing was written; check the address, the user and its password"
            raise TargetError(f"the database {where} cannot be used: {reason_of(error)}", hint=hint) from error
        except psycopg.errors.InsufficientPrivilege as error:
            hint = "nothing was written; name a user who may write, with restore_user or in --to postgresql://USER@…"
            raise TargetError(f"the database {where} does not let us: {reason_of(error)}", hint=hint) from error
        except psycopg.Error as error:
            hint = (
                "nothing was written; restore the tables that it refers to as well, or into a schema of its own (?schema=NAME)"
            )
            raise TargetError(f"the rows do not fit into {where}: {reason_of(error)}", hint=hint) from error

    def _stage(self, connection: Connection[Any]) -> None:
        by_table = files_by_table(self._items)
        for number, (table, parts) in enumerate(by_table.items()):
            origin, found = columns_of(parts, postgresql_rows.KEYS, "PostgreSQL")
            schema = origin.decode()
            relation = table.removeprefix(f"{schema}.")
            self._staged.append(PgStaged(table, self._place.schema or schema, relation, f"pg_temp.rows_{number}", found))
        self._refuse_clashes()
        live, self._known = self._live(connection), self._known_types(connection)
        for place, one in enumerate(self._staged):
            there = live[one.table].columns if one.table in live else {}
            types = {c.name: there.get(c.name) or type_of(c.declared, self._known) for c in one.columns}
            columns = [f"{quoted(name)} {kind}" for name, kind in types.items()]
            connection.execute(f"create temporary table {one.staged.partition('.')[2]} ({', '.join(columns)})")
            unknown = {c.name for c in one.columns if c.name not in there and not self._known.get(c.declared)}
            self._staged[place] = replace(one, as_text=frozenset(unknown))
        self._direct = {one.table for one in self._staged if one.table not in live and self._where is None}
        connection.execute("begin transaction isolation level repeatable read read only")  # a condition can write nothing
        for one in self._staged:
            files = self._files(one)
            if one.table in self._direct:
                self._rows[one.table] = sum(map(postgresql_rows.count_rows, files))
            else:
                rows = sum(postgresql_rows.insert(connection, one.staged, file) for file in files)
                self._rows[one.table] = rows - self._cut_down(connection, one)
        connection.execute("commit")
        for one in self._staged:
            connection.execute(f"analyze {one.staged}")

    def _files(self, one: PgStaged) -> list[Path]:
        """Those with the rows of a table."""
        return [item.file for item in files_by_table(self._items).get(one.table, ())]

    def _refuse_clashes(self) -> None:
        places = [one.relation for one in self._staged]
        if self._place.schema is not None and len(set(places)) < len(places):
            raise UsageError("two of the tables have one name, in different schemas", hint="restore them one after another")

    def _cut_down(self, connection: Connection[Any], one: PgStaged) -> int:
        """Drop the rows that the condition is not true of; gives how many."""
        import psycopg

        if self._where is None:
            return 0
        try:
            done = connection.execute(f"delete from {one.staged} where not coalesce(({self._where}\n), false)", prepare=True)  # noqa: S608
        except psycopg.OperationalError:
            raise
        except psycopg.Error as error:
            columns = ", ".join(column.name for column in one.columns[:10])
            message = f"--where cannot be used on the table {one.table!r}: {reason_of(error)}"
            raise UsageError(message, hint=f"its columns are: {columns}") from error
        return done.rowcount

    def _known_types(self, connection: Connection[Any]) -> dict[str, bool]:
        names = sorted({column.declared for one in self._staged for column in one.columns})
        query = "select n, to_regtype(n) is not null from unnest(%s::text[]) n"
        return dict(connection.execute(query, (names,)).fetchall())

    def _live(self, connection: Connection[Any]) -> dict[str, PgLive]:
        """The tables that are there, by the names of the items."""
        with _full_names(connection):
            there = {(one.schema, one.relation): one for one in relations(connection).values()}
            found = {}
            for one in self._staged:
                relation = there.get((one.schema, one.relation))
                if relation is not None and relation.kind != "table":
                    raise TargetError(
                        f"{one.table!r} is a {relation.kind} there", hint="rows go into tables; choose another place"
                    )
                if relation is not None:
                    found[one.table] = live_of(connection, relation)
        return found

    def _compared(self, connection: Connection[Any], one: PgStaged, live: PgLive | None, made: Sequence[str] = ()) -> TableRows:
        rows, notes = self._rows[one.table], tuple(notes_of(one, live))
        if live is None or one.table in made:
            return TableRows(one.table, rows, rows, 0, 0, 0, one.key, created=True, notes=notes)
        if one.table in self._direct:  # somebody has made it meanwhile
            for file in self._files(one):
                postgresql_rows.insert(connection, one.staged, file)
            self._direct.remove(one.table)
        found = RowComparison(one, live, self._place.version_column).compare(connection)
        return TableRows(
            one.table,
            rows,
            found.missing,
            found.equal,
            found.differing,
            found.newer,
            live.table.key,
            created=False,
            notes=notes,
        )

    def _make_missing(self, connection: Connection[Any]) -> list[str]:
        """Make the tables that are not there; gives their names."""
        live = self._live(connection)
        missing = [one for one in self._staged if one.table not in live]
        for one in missing:
            statements = self._own_statements(one)
            if "table" in statements:
                for text in (text for kind in _MAKING for text in statements.get(kind, ())):
                    connection.execute(text)
            else:
                connection.execute(f"create schema if not exists {quoted(one.schema)}")
                connection.execute(plain_table(one, self._known))
            self._known = self._known_types(connection)
        return [one.table for one in missing]

    def _own_statements(self, one: PgStaged) -> dict[str, list[str]]:
        """What the snapshot's schema has of a table; nothing for one that goes into another schema."""
        return {} if self._place.schema is not None else own_statements(statements_among(self._items), one, self._known)

    def _in_order(self, connection: Connection[Any], live: dict[str, PgLive]) -> list[PgStaged]:
        """Tables after those that they refer to."""
        by_oid = {live[one.table].table.relation.oid: one for one in self._staged}
        query = (
            "select conrelid::bigint, confrelid::bigint from pg_constraint where contype = 'f' and conrelid::bigint = any(%s) "
            "and confrelid::bigint = any(%s) and conrelid <> confrelid"
        )
        graph: dict[int, set[int]] = {oid: set() for oid in by_oid}
        for oid, other in connection.execute(query, (list(by_oid), list(by_oid))).fetchall():
            graph[oid].add(other)
        try:
            return [by_oid[oid] for oid in TopologicalSorter(graph).static_order()]
        except CycleError:  # deferred constraints allow it; others refuse it
            return list(by_oid.values())

    def _write(self, connection: Connection[Any], one: PgStaged, live: PgLive, rows: TableRows) -> None:
        if one.table in self._direct:
            for file in self._files(one):
                postgresql_rows.insert(connection, one.quoted, file, live.columns)
            return
        comparison = RowComparison(one, live, self._place.version_column)
        if rows.missing:
            comparison.insert(connection)
        if rows.replaced(self._policy):
            comparison.update(connection, newer_stays=self._policy is ConflictPolicy.NEWER)

    def _finish(self, connection: Connection[Any], one: PgStaged) -> Iterator[str]:
        """What a new table has besides, once the rows are in it; gives what could not be made."""
        import psycopg

        statements = self._own_statements(one)
        for kind in _AFTERWARDS:
            for text in statements.get(kind, ()):
                try:
                    with connection.transaction():
                        connection.execute(text)
                except psycopg.OperationalError:
                    raise
                except psycopg.Error as error:
                    yield f"a {kind} of {one.table!r} was not made: {reason_of(error)}"

    def _advance_sequences(self, connection: Connection[Any], written: Sequence[PgStaged]) -> list[str]:
        """Let the sequences of tables give numbers that are above those of their rows; gives what could not be done."""
        import psycopg

        notes, numbers = [], sequence_numbers(self._items)
        for one in written:
            for column in one.columns:
                try:
                    row = connection.execute("select pg_get_serial_sequence(%s, %s)", (one.quoted, column.name)).fetchone()
                    if row and row[0]:
                        _advance(connection, one, column.name, row[0], numbers.get(one.table, {}).get(column.name, 0))
                except psycopg.errors.UndefinedColumn:
                    continue
                except psycopg.Error as error:  # the rows are there by now
                    notes.append(f"the sequence of {one.table}.{column.name} was not advanced: {reason_of(error)}")
        return notes


def _advance(connection: Connection[Any], one: PgStaged, column: str, sequence: str, known: int) -> None:
    """Forward, never back."""
    connection.execute(
        f"select setval(%s::regclass, wanted) from (select greatest(max({quoted(column)}), %s) as wanted from {one.quoted}) w "  # noqa: S608
        "where wanted > coalesce(pg_sequence_last_value(%s::regclass), 0)",
        (sequence, known or None, sequence),
    )


@contextmanager
def _full_names(connection: Connection[Any]) -> Iterator[None]:
    """The server writes names of types with their schemas, as snapshots have them."""
    connection.execute("set search_path = pg_catalog")
    yield
    connection.execute("reset search_path")
