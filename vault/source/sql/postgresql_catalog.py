"""What a PostgreSQL database has: tables and views, their columns and keys, and what this user may not read of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import Struct

from vault.errors import SourceError
from vault.source.sql.layout import Step

if TYPE_CHECKING:
    from psycopg import Connection

_KINDS = {"r": "table", "p": "table", "v": "view", "m": "materialized view", "f": "foreign table"}
_STEPS: dict[Step, str] = {"year": "YYYY", "quarter": 'YYYY"-Q"Q', "month": "YYYY-MM", "day": "YYYY-MM-DD"}
_TIMES = ("date", "timestamp", "timestamptz")

ROW = "strongroom_row"
"""What a row of a table is called in SQL: a column's name alone may be that of anything else."""

FIRST_DAY, LAST_DAY = "0001-01-02", "9999-12-31"
"""Times from the one on and before the other have a period, in every time zone."""

_RELATIONS = """
select c.oid::bigint, n.nspname::text, c.relname::text, c.relkind::text,
       case when not has_schema_privilege(n.oid, 'usage') then 'this user may not use its schema'
            when not has_table_privilege(c.oid, 'select') then 'this user may not read it'
            when c.relkind in ('r', 'p') and row_security_active(c.oid)
            then 'row-level security hides rows of it from this user'
            else '' end
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition
and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_(toast|temp)'
order by n.nspname, c.relname
"""
_COLUMNS = """
select a.attname::text, format_type(a.atttypid, a.atttypmod), b.typname::text, b.typtype::text, b.typcategory::text,
       information_schema._pg_numeric_precision(b.oid, m.typmod), information_schema._pg_numeric_scale(b.oid, m.typmod),
       a.attgenerated <> '', a.attidentity = 'a',
       coalesce((select k.place from unnest(i.indkey::smallint[]) with ordinality k (number, place)
                 where k.number = a.attnum and k.place <= i.indnkeyatts), 0)::int
from pg_attribute a join pg_type t on t.oid = a.atttypid
join pg_type b on b.oid = case when t.typtype = 'd' then t.typbasetype else t.oid end
cross join lateral (select case when t.typtype = 'd' then t.typtypmod else a.atttypmod end as typmod) m
left join pg_index i on i.indrelid = a.attrelid and i.indisprimary
where a.attrelid = %s and a.attnum > 0 and not a.attisdropped order by a.attnum
"""


class PgColumn(NamedTuple):
    """A column.

    - `declared`: its type as PostgreSQL writes it
    - `base`: the type's name (`int4`, `numeric`), of a domain that of what it is one of
    - `precision`, `scale`: of a numeric, None where it has none
    - `generated`: the database computes it
    - `identity`: it numbers rows itself, always
    - `key`: its place in the primary key from 1 on, else 0
    """

    name: str
    declared: str
    base: str
    precision: int | None
    scale: int | None
    generated: bool
    identity: bool
    key: int


class PgRelation(NamedTuple):
    """A table or a view. relkind: as `pg_class` has it · hidden: why this user cannot read it; empty where it can."""

    oid: int
    schema: str
    relation: str
    relkind: str
    hidden: str

    @property
    def name(self) -> str:
        """As its items are named: with its schema, where that is not `public`."""
        return self.relation if self.schema == "public" else f"{self.schema}.{self.relation}"

    @property
    def kind(self) -> str:
        """For people."""
        return _KINDS[self.relkind]

    @property
    def quoted(self) -> str:
        """In SQL."""
        return f"{quoted(self.schema)}.{quoted(self.relation)}"

    @property
    def own_rows(self) -> str:
        """In SQL, as what rows are read from: a table's own, without those of tables that inherit from it."""
        return f"only {self.quoted}" if self.relkind == "r" else self.quoted


class PgTable(Struct, frozen=True):
    """A table or a view that is taken. time_column: by which it is cut into periods; None where it is one file."""

    relation: PgRelation
    columns: tuple[PgColumn, ...]
    time_column: PgColumn | None

    @property
    def name(self) -> str:
        """See `PgRelation`."""
        return self.relation.name

    @property
    def key(self) -> tuple[str, ...]:
        """The columns of the primary key, in its order."""
        return tuple(column.name for column in sorted(self.columns, key=lambda column: column.key) if column.key)

    @property
    def order(self) -> str:
        """What orders its rows (`ROW`): the primary key, else all columns as text."""
        if self.key:
            return ", ".join(f"{ROW}.{quoted(name)}" for name in self.key)
        return ", ".join(f'{ROW}.{quoted(column.name)}::text collate "C"' for column in self.columns)

    def label(self, step: Step, zone: str) -> str:
        """SQL for the period of a row (`ROW`) in a time zone; null where it has none that a calendar has."""
        if self.time_column is None:
            return "''"
        column = f"{ROW}.{quoted(self.time_column.name)}"
        zoned = "'" + zone.replace("'", "''") + "'"
        moment = f"({column} at time zone {zoned})" if self.time_column.base == "timestamptz" else column
        known = f"{column} >= '{FIRST_DAY}' and {column} < '{LAST_DAY}'"
        return f"(case when {known} then to_char({moment}, '{_STEPS[step]}') end)"


class PgCatalog(NamedTuple):
    """What is taken · what is wanted and cannot be read · sentences about what is not taken."""

    tables: tuple[PgTable, ...]
    hidden: tuple[PgRelation, ...]
    gaps: tuple[str, ...]


def relations(connection: Connection[Any]) -> dict[str, PgRelation]:
    """All tables and views, by name."""
    rows = (PgRelation(*row) for row in connection.execute(_RELATIONS).fetchall())
    return {one.name: one for one in rows}


def wanted_relations(listed: dict[str, PgRelation], wanted: Sequence[str]) -> list[PgRelation]:
    """Those that are named; all tables where none are. Raises `SourceError` where one is not there."""
    missing = [name for name in wanted if name not in listed]
    if missing:
        there = ", ".join(list(listed)[:10]) or "none"
        raise SourceError(f"the database has no table {missing[0]!r}", hint=f"there are: {there}")
    return [listed[name] for name in dict.fromkeys(wanted)] or [one for one in listed.values() if one.kind == "table"]


def catalog(connection: Connection[Any], wanted: Sequence[str], time_column: str | None) -> PgCatalog:
    """The tables and views that are wanted; all tables where none are named. Raises `SourceError` where one is not there."""
    listed = relations(connection)
    chosen = wanted_relations(listed, wanted)
    found = [table_of(connection, one, time_column) for one in chosen if not one.hidden]
    names = {one.name for one in chosen}
    gaps = [f"the {one.kind} {name!r} is not taken" for name, one in listed.items() if name not in names]
    gaps += [f"the {one.relation.kind} {one.name!r} has no columns: it is not taken" for one in found if not one.columns]
    tables = tuple(one for one in found if one.columns)
    return PgCatalog(tables, tuple(one for one in chosen if one.hidden), (*gaps, *_gaps(connection)))


def table_of(connection: Connection[Any], relation: PgRelation, time_column: str | None = None) -> PgTable:
    """A relation with its columns."""
    columns = []
    for name, declared, base, kind, category, *rest in connection.execute(_COLUMNS, (relation.oid,)).fetchall():
        columns.append(PgColumn(name, declared, _base(kind, category, base), *rest))
    found = next((one for one in columns if one.name == time_column and one.base in _TIMES), None)
    return PgTable(relation, tuple(columns), found)


def _base(kind: str, category: str, base: str) -> str:
    """The name of a type; of arrays, enums, composites and ranges what they are."""
    if category == "A":
        return "array"
    return {"e": "enum", "c": "composite", "r": "range", "m": "range"}.get(kind, base)


def _gaps(connection: Connection[Any]) -> Iterator[str]:
    yield "functions, extensions, rights and policies are not kept; a dump of the schema by pg_dump beside it has them"
    row = connection.execute("select exists (select from pg_largeobject_metadata)").fetchone()
    if row and row[0]:
        yield "large objects are not taken"


def quoted(name: str) -> str:
    """A name in SQL."""
    return '"' + name.replace('"', '""') + '"'
