"""What a PostgreSQL database has: tables, their columns and keys, and statements that make them again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import Struct

from vault.errors import SourceError
from vault.source.sql.layout import Step

if TYPE_CHECKING:
    from psycopg import Connection

_KINDS = {"r": "table", "p": "table", "v": "view", "m": "materialized view", "f": "foreign table"}
_STEPS: dict[Step, str] = {"year": "YYYY", "quarter": 'YYYY"-Q"Q', "month": "YYYY-MM", "day": "YYYY-MM-DD"}
_TIMES = ("date", "timestamp", "timestamptz")

_RELATIONS = """
select c.oid, n.nspname, c.relname, c.relkind
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition
and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_(toast|temp)'
order by 2, 3
"""
_COLUMNS = """
select a.attname, format_type(a.atttypid, a.atttypmod), coalesce(nullif(t.typbasetype, 0)::regtype::text, t.typname),
       t.typtype, t.typcategory, information_schema._pg_numeric_precision(a.atttypid, a.atttypmod),
       information_schema._pg_numeric_scale(a.atttypid, a.atttypmod), a.attgenerated <> '',
       coalesce(array_position(i.indkey::smallint[], a.attnum) + 1, 0), t.typname
from pg_attribute a join pg_type t on t.oid = a.atttypid
left join pg_index i on i.indrelid = a.attrelid and i.indisprimary
where a.attrelid = %s and a.attnum > 0 and not a.attisdropped order by a.attnum
"""


class PgColumn(NamedTuple):
    """A column. declared: its type as PostgreSQL writes it · base: the type's name (`int4`, `numeric`) · precision, scale: of a
    numeric, None where it has none · key: its place in the primary key from 1 on, else 0 · generated: the database computes it.
    """

    name: str
    declared: str
    base: str
    precision: int | None
    scale: int | None
    generated: bool
    key: int


class PgTable(Struct, frozen=True):
    """A table or a view. name: as items are named after it, with its schema where that is not `public` · time_column: by which
    it is cut into periods; None where it is one file."""

    oid: int
    schema: str
    relation: str
    kind: str
    columns: tuple[PgColumn, ...]
    time_column: PgColumn | None

    @property
    def name(self) -> str:
        """With its schema where that is not `public`."""
        return self.relation if self.schema == "public" else f"{self.schema}.{self.relation}"

    @property
    def quoted(self) -> str:
        """In SQL."""
        return f"{quoted(self.schema)}.{quoted(self.relation)}"

    @property
    def order(self) -> str:
        """What orders its rows: the primary key, else all columns as text."""
        keys = sorted((column.key, column.name) for column in self.columns if column.key)
        if keys:
            return ", ".join(quoted(name) for _, name in keys)
        return ", ".join(f'{quoted(column.name)}::text collate "C"' for column in self.columns)

    def label(self, step: Step, zone: str) -> str:
        """SQL for the period of a row in a time zone; null where it has none."""
        if self.time_column is None:
            return "''"
        column = quoted(self.time_column.name)
        moment = f"({column} at time zone '{zone}')" if self.time_column.base == "timestamptz" else column
        known = f"{column} >= '0001-01-01' and {column} < '10000-01-01'"
        return f"(case when {known} then to_char({moment}, '{_STEPS[step]}') end)"


class PgCatalog(NamedTuple):
    """What is taken, and sentences about what is not."""

    tables: tuple[PgTable, ...]
    gaps: tuple[str, ...]


def catalog(connection: Connection[Any], wanted: Sequence[str], time_column: str | None) -> PgCatalog:
    """The tables and views that are wanted; all tables where none are named. Raises `SourceError` where one is not there."""
    listed: dict[str, tuple[int, str, str, str]] = {}
    for oid, schema, relation, kind in connection.execute(_RELATIONS).fetchall():
        name = relation if schema == "public" else f"{schema}.{relation}"
        listed[name] = (oid, schema, relation, _KINDS[_text(kind)])
    missing = [name for name in wanted if name not in listed]
    if missing:
        there = ", ".join(list(listed)[:10]) or "none"
        raise SourceError(f"the database has no table {missing[0]!r} that this user sees", hint=f"there are: {there}")
    names = list(dict.fromkeys(wanted)) or [name for name, one in listed.items() if one[3] == "table"]
    tables = tuple(_table(connection, *listed[name], time_column) for name in names)
    gaps = [f"the {one[3]} {name!r} is not taken" for name, one in listed.items() if name not in names]
    return PgCatalog(tables, tuple(gaps))


def _table(connection: Connection[Any], oid: int, schema: str, relation: str, kind: str, time_column: str | None) -> PgTable:
    columns = []
    for name, declared, base, type_kind, category, precision, scale, generated, key, own in connection.execute(
        _COLUMNS, (oid,)
    ).fetchall():
        plain = _base(_text(type_kind), _text(category), base, own)
        columns.append(PgColumn(name, declared, plain, precision, scale, generated, key))
    if not columns:
        raise SourceError(f"the table {relation!r} has no columns that this user sees")
    wanted = next((one for one in columns if one.name == time_column and one.base in _TIMES), None)
    return PgTable(oid, schema, relation, kind, tuple(columns), wanted)


def _base(kind: str, category: str, base: str, own: str) -> str:
    """The name of a type; of a domain, that which it is one of; of arrays, enums and composites the kind."""
    if category == "A":
        return "array"
    if kind in ("e", "c", "r", "m"):
        return {"e": "enum", "c": "composite", "r": "range", "m": "range"}[kind]
    if kind == "d":
        return _ALIASES.get(base, base)
    return own


_ALIASES = {
    "integer": "int4",
    "bigint": "int8",
    "smallint": "int2",
    "boolean": "bool",
    "real": "float4",
    "double precision": "float8",
    "character varying": "varchar",
    "timestamp without time zone": "timestamp",
    "timestamp with time zone": "timestamptz",
    "time without time zone": "time",
}


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def schema_text(connection: Connection[Any], tables: Sequence[PgTable]) -> bytes:
    """Statements that make the tables again, with their constraints, indexes, views, triggers and comments; as far as the
    catalogue tells them. `pg_dump --schema-only` knows more."""
    lines = ["-- made from the catalogue; pg_dump --schema-only beside it knows more"]
    lines += [f"CREATE TYPE {name} AS ENUM ({labels});" for name, labels in _enums(connection)]
    for table in tables:
        lines += _table_lines(connection, table)
    for query in (_CONSTRAINTS, _INDEXES, _TRIGGERS, _COMMENTS):
        oids = [table.oid for table in tables]
        lines += [f"{text};" for (text,) in connection.execute(query, (oids,)).fetchall() if text]
    return ("\n".join(lines) + "\n").encode()


def _enums(connection: Connection[Any]) -> list[tuple[str, str]]:
    query = """
    select t.oid::regtype::text, string_agg(quote_literal(e.enumlabel), ', ' order by e.enumsortorder)
    from pg_type t join pg_enum e on e.enumtypid = t.oid group by t.oid order by 1
    """
    return [(name, labels) for name, labels in connection.execute(query).fetchall()]


def _table_lines(connection: Connection[Any], table: PgTable) -> list[str]:
    if table.kind != "table":
        (text,) = connection.execute("select pg_get_viewdef(%s)", (table.oid,)).fetchone() or ("",)
        return [f"CREATE {table.kind.upper()} {table.quoted} AS\n{text}"]
    query = """
    select quote_ident(a.attname), format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity::text,
           a.attgenerated::text, pg_get_expr(d.adbin, d.adrelid)
    from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where a.attrelid = %s and a.attnum > 0 and not a.attisdropped order by a.attnum
    """
    columns = []
    for name, kind, not_null, identity, generated, default in connection.execute(query, (table.oid,)).fetchall():
        parts = [name, kind]
        if generated:
            parts.append(f"GENERATED ALWAYS AS ({default}) STORED")
        elif identity:
            parts.append(f"GENERATED {'ALWAYS' if identity == 'a' else 'BY DEFAULT'} AS IDENTITY")
        elif default is not None:
            parts.append(f"DEFAULT {default}")
        columns.append("  " + " ".join([*parts, *(["NOT NULL"] if not_null else [])]))
    return [f"CREATE TABLE {table.quoted} (\n" + ",\n".join(columns) + "\n);"]


_CONSTRAINTS = """
select format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', conrelid::regclass, conname, pg_get_constraintdef(oid))
from pg_constraint where conrelid = any(%s) and contype <> 'n' order by contype = 'f', conrelid::regclass::text, conname
"""
_INDEXES = """
select pg_get_indexdef(i.indexrelid) from pg_index i
where i.indrelid = any(%s) and not exists (select 1 from pg_constraint c where c.conindid = i.indexrelid) order by 1
"""
_TRIGGERS = "select pg_get_triggerdef(oid) from pg_trigger where tgrelid = any(%s) and not tgisinternal order by 1"
_COMMENTS = """
select format('COMMENT ON %%s IS %%L', case when d.objsubid = 0 then format('TABLE %%s', d.objoid::regclass)
       else format('COLUMN %%s.%%I', d.objoid::regclass, a.attname) end, d.description)
from pg_description d left join pg_attribute a on a.attrelid = d.objoid and a.attnum = d.objsubid and d.objsubid > 0
where d.classoid = 'pg_class'::regclass and d.objoid = any(%s) order by 1
"""


def sequences_text(connection: Connection[Any]) -> bytes:
    """The last number that each sequence has given, as JSON; empty where there is none."""
    query = "select schemaname, sequencename, last_value from pg_sequences order by 1, 2"
    rows = connection.execute(query).fetchall()
    numbers = {f"{schema}.{name}": value for schema, name, value in rows if value is not None}
    return f"{json.dumps(numbers, ensure_ascii=False, indent=1)}\n".encode() if numbers else b""


def quoted(name: str) -> str:
    """A name in SQL."""
    return '"' + name.replace('"', '""') + '"'
