"""A table of a PostgreSQL database that rows go into: as it is, how its rows are compared, and how it is made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from restore.databases.fetched_tables import Comparison, column_notes
from restore.databases.staged_rows import StagedColumn
from vault.source.sql.postgresql_catalog import PgColumn, PgRelation, PgTable, quoted, table_of
from vault.source.sql.postgresql_schema import bare_type
from vault.source.sql.schema_statements import Statement

if TYPE_CHECKING:
    from psycopg import Connection


class PgStaged(Struct, frozen=True):
    """Rows of one table, in a table of the session's own.

    - `table`: as its items are named
    - `schema`, `relation`: where they go
    - `staged`: the name of the session's table
    - `as_text`: columns whose type the database did not have when they were put there
    """

    table: str
    schema: str
    relation: str
    staged: str
    columns: tuple[StagedColumn, ...]
    as_text: frozenset[str] = frozenset()

    @property
    def quoted(self) -> str:
        """Where they go, in SQL."""
        return f"{quoted(self.schema)}.{quoted(self.relation)}"

    @property
    def key(self) -> tuple[str, ...]:
        """The columns of the primary key that it had."""
        return tuple(column.name for column in sorted(self.columns, key=lambda column: column.key) if column.key)


class PgLive(Struct, frozen=True):
    """A table as the database has it. triggers: names · missing: rights that this user has not."""

    table: PgTable
    triggers: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def columns(self) -> dict[str, str]:
        """Those that can be written, and their types."""
        return {column.name: column.declared for column in self.table.columns if not column.generated}


def live_of(connection: Connection[Any], relation: PgRelation) -> PgLive:
    """What a relation is now."""
    query = "select tgname::text from pg_trigger where tgrelid = %s and not tgisinternal and tgenabled <> 'D' order by 1"
    triggers = tuple(name for (name,) in connection.execute(query, (relation.oid,)).fetchall())
    rights = "select r from unnest(array['select', 'insert', 'update']) r where not has_table_privilege(%s::oid, r)"
    missing = tuple(name for (name,) in connection.execute(rights, (relation.oid,)).fetchall())
    return PgLive(table_of(connection, relation), triggers, missing)


_EXACT = frozenset(
    {"bool", "int2", "int4", "int8", "oid", "date", "time", "timestamp", "timestamptz", "uuid", "bytea", "money", "macaddr"}
)
"""Types whose values are equal where PostgreSQL says so, and then alone."""


def equal_values(column: PgColumn, one: str, other: str) -> str:
    """SQL for whether two values of a column are the same, nulls included: 1.0 and 1.00 are not. one, other: SQL."""
    exact = column.base in _EXACT or (column.base == "numeric" and column.precision is not None)
    if exact:
        return f"{one} is not distinct from {other}"
    cast = "" if column.base in ("text", "varchar") else "::text"
    return f'{one}{cast} collate "C" is not distinct from {other}{cast} collate "C"'


class RowComparison:
    """SQL about a table's staged rows (`s`) and its own (`l`)."""

    def __init__(self, one: PgStaged, live: PgLive, version_column: str | None) -> None:
        writable, staged = live.columns, {column.name for column in one.columns}
        self._one = one
        self._live = live
        self.columns = tuple(name for name in writable if name in staged)
        self.by_key = bool(live.table.key) and set(live.table.key) <= set(self.columns)
        key = live.table.key if self.by_key else ()
        self._same_key = " and ".join(f"l.{quoted(name)} = {self._given(name)}" for name in key)
        self._others = [name for name in self.columns if name not in key]
        always = {column.name for column in live.table.columns if column.identity}
        self._set = [name for name in self._others if name not in always]
        kinds = {column.name: column for column in live.table.columns}
        pairs = [equal_values(kinds[name], f"l.{quoted(name)}", f"s.{quoted(name)}") for name in self._others]
        self._same = " and ".join(pairs) or "true"
        version = quoted(version_column) if version_column in self.columns and version_column else ""
        self._newer = f"coalesce(l.{version} > {self._given(version_column or '')}, false)" if version else "false"

    def compare(self, connection: Connection[Any]) -> Comparison:
        """Look at both."""
        if not self.by_key:
            query = f"select count(*), count(*) filter (where l.strongroom_text is null) from {self._whole_rows()}"  # noqa: S608
            row = connection.execute(query).fetchone()
            rows, missing = row or (0, 0)
            return Comparison(missing, rows - missing, 0, 0)
        found = connection.execute(
            f"select l.strongroom_there, l.strongroom_there and {self._same}, "  # noqa: S608 (quoted names)
            f"l.strongroom_there and {self._newer}, count(*) "
            f"from {self._one.staged} s left join (select true as strongroom_there, r.* from {self._own} r) l "
            f"on {self._same_key} group by 1, 2, 3"
        ).fetchall()
        missing = sum(count for there, _, _, count in found if not there)
        equal = sum(count for there, same, _, count in found if there and same)
        differing = sum(count for there, same, _, count in found if there and not same)
        newer = sum(count for there, same, newer, count in found if there and not same and newer)
        return Comparison(missing, equal, differing, newer)

    def insert(self, connection: Connection[Any]) -> None:
        """The rows that are missing."""
        names, given = self._names(self.columns), ", ".join(map(self._given, self.columns))
        head = f"insert into {self._one.quoted} ({names}) overriding system value select {given}"
        if self.by_key:
            there = f"not exists (select from {self._own} l where {self._same_key})"
            order = ", ".join(map(self._given, self._live.table.key))
            connection.execute(f"{head} from {self._one.staged} s where {there} order by {order}")
        else:
            connection.execute(f"{head} from {self._whole_rows()} where l.strongroom_text is null")

    def update(self, connection: Connection[Any], *, newer_stays: bool) -> None:
        """The rows that differ. newer_stays: those with a greater version stay."""
        if not self._set:
            return
        changed = ", ".join(f"{quoted(name)} = {self._given(name)}" for name in self._set)
        older = f" and not {self._newer}" if newer_stays else ""
        connection.execute(
            f"update {self._own} l set {changed} from {self._one.staged} s "  # noqa: S608 (quoted names)
            f"where {self._same_key} and not ({self._same}){older}"
        )

    @property
    def _own(self) -> str:
        return self._live.table.relation.own_rows

    def _given(self, name: str) -> str:
        """A staged value, as what the table has. Nothing else is converted: a cast to a shorter type would cut it."""
        kind = f"::{self._live.columns[name]}" if name in self._one.as_text else ""
        return f"s.{quoted(name)}{kind}"

    def _names(self, names: Sequence[str]) -> str:
        return ", ".join(map(quoted, names))

    def _whole_rows(self) -> str:
        """Staged rows beside equal ones of the table, the second of equal ones beside the second."""
        text = f'row({", ".join(f"r.{quoted(name)}::text" for name in self.columns)})::text collate "C"'
        numbered = f"{text} as strongroom_text, row_number() over (partition by {text}) as strongroom_number"
        staged = f"(select r.*, {numbered} from {self._one.staged} r) s"  # noqa: S608 (quoted names)
        live = f"(select {numbered} from {self._own} r) l"  # noqa: S608
        equal = (f"l.{name} = s.{name}" for name in ("strongroom_text", "strongroom_number"))
        return f"{staged} left join {live} on {' and '.join(equal)}"


def notes_of(one: PgStaged, live: PgLive | None) -> Iterator[str]:
    """What cannot be as it was, or happens beside."""
    if live is None:
        yield from column_notes(one.columns, None, {}, has_key=True)
        return
    there = {column.name: column.declared for column in live.table.columns}
    yield from column_notes(one.columns, there, live.columns, has_key=bool(live.table.key))
    if live.triggers:
        yield f"triggers of the table run: {', '.join(live.triggers)}"
    if live.missing:
        yield f"this user has not the rights to {', '.join(live.missing)}"


def plain_table(one: PgStaged, known: Mapping[str, bool]) -> str:
    """A table with the columns, types and key of staged rows, and nothing else. known: whether the database has a type."""
    columns = [f"{quoted(column.name)} {type_of(column.declared, known)}" for column in one.columns]
    if one.key:
        columns.append(f"primary key ({', '.join(map(quoted, one.key))})")
    return f"create table {one.quoted} ({', '.join(columns)})"


def type_of(declared: str, known: Mapping[str, bool]) -> str:
    """A type, or text where the database has it not."""
    return declared if known.get(declared) else "text"


def own_statements(statements: Sequence[Statement], one: PgStaged, known: Mapping[str, bool]) -> dict[str, list[str]]:
    """What makes a table as it was, by kind."""
    types = {bare_type(column.declared) for column in one.columns if not known.get(column.declared)}
    found: dict[str, list[str]] = {}
    for statement in statements:
        if statement.of == one.table or (statement.kind, statement.of) == ("schema", one.schema):
            found.setdefault(statement.kind, []).append(statement.text)
        elif statement.kind == "type" and statement.of in types:
            found.setdefault("type", []).append(statement.text)
    return found
