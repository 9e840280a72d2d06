"""The schema of a PostgreSQL database as statements that can be run again, and its sequences."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from vault.source.sql.postgresql_catalog import PgRelation, PgTable, quoted
from vault.source.sql.schema_statements import Statement, statements_text

if TYPE_CHECKING:
    from psycopg import Connection

_NOT_OF_EXTENSIONS = (
    "not exists (select from pg_depend d where d.objid = {0}.oid and d.classid = '{1}'::regclass and d.deptype = 'e')"
)
_OWN_SCHEMAS = "n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_(toast|temp)'"


def schema_text(connection: Connection[Any], tables: Sequence[PgTable]) -> bytes:
    """All statements, in an order in which they can be run."""
    relations = [table.relation for table in tables]
    return statements_text(_statements(connection, relations), b"made from the catalogue; pg_dump --schema-only knows more")


def _statements(connection: Connection[Any], relations: Sequence[PgRelation]) -> Iterator[Statement]:
    names = {one.oid: one.name for one in relations}
    tables = [one for one in relations if one.kind == "table"]
    oids = [one.oid for one in tables]
    for schema in sorted({one.schema for one in relations} - {"public"}):
        yield Statement("schema", schema, f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")
    yield from _types(connection)
    yield from (Statement("sequence", names.get(oid, ""), text) for oid, text in _rows(connection, _SEQUENCES, oids))
    for one in tables:
        yield Statement("table", one.name, _table_text(connection, one))
        yield from (Statement("partition", one.name, text) for (text,) in _rows(connection, _PARTITIONS, one.oid))
    for kind, query in (("owner", _OWNERS), ("constraint", _CONSTRAINTS), ("index", _INDEXES), ("foreign key", _FOREIGN_KEYS)):
        yield from (Statement(kind, names[oid], text) for oid, text in _rows(connection, query, oids))
    for one in relations:
        if one.relkind in ("v", "m"):
            text = _rows(connection, "select pg_get_viewdef(%s::oid)", one.oid)[0][0]
            yield Statement(
                "view", one.name, f"CREATE {one.kind.upper()} {one.quoted} AS\n{str(text).rstrip().removesuffix(';')}"
            )
    yield from (Statement("trigger", names[oid], text) for oid, text in _rows(connection, _TRIGGERS, oids))
    yield from (Statement("comment", names[oid], text) for oid, text in _rows(connection, _COMMENTS, oids))


def _rows(connection: Connection[Any], query: str, value: object) -> list[tuple[Any, ...]]:
    return connection.execute(query, (value,)).fetchall()


def _types(connection: Connection[Any]) -> Iterator[Statement]:
    for kind, query in (("ENUM", _ENUMS), ("", _COMPOSITES)):
        for name, parts in connection.execute(query).fetchall():
            yield Statement("type", name, f"CREATE TYPE {name} AS {kind}{' ' if kind else ''}({parts})")
    for name, text in connection.execute(_DOMAINS).fetchall():
        yield Statement("type", name, text)


def _table_text(connection: Connection[Any], one: PgRelation) -> str:
    columns = []
    for name, kind, collation, not_null, identity, generated, default in _rows(connection, _DEFINITIONS, one.oid):
        parts = [name, kind, *([f"COLLATE {collation}"] if collation else [])]
        if generated:
            parts.append(f"GENERATED ALWAYS AS ({default}) {'STORED' if generated == 's' else 'VIRTUAL'}")
        elif identity:
            parts.append(f"GENERATED {'ALWAYS' if identity == 'a' else 'BY DEFAULT'} AS IDENTITY")
        elif default is not None:
            parts.append(f"DEFAULT {default}")
        columns.append("  " + " ".join([*parts, *(["NOT NULL"] if not_null else [])]))
    by = _rows(connection, "select pg_get_partkeydef(%s::oid)", one.oid)[0][0] if one.relkind == "p" else None
    return f"CREATE TABLE {one.quoted} (\n" + ",\n".join(columns) + "\n)" + (f" PARTITION BY {by}" if by else "")


_ENUMS = f"""
select t.oid::regtype::text, string_agg(quote_literal(e.enumlabel), ', ' order by e.enumsortorder)
from pg_type t join pg_enum e on e.enumtypid = t.oid join pg_namespace n on n.oid = t.typnamespace
where {_OWN_SCHEMAS} and {_NOT_OF_EXTENSIONS.format("t", "pg_type")} group by t.oid order by 1
"""  # noqa: S608 (constants)
_COMPOSITES = f"""
select t.oid::regtype::text,
       string_agg(format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', ' order by a.attnum)
from pg_type t join pg_class c on c.oid = t.typrelid and c.relkind = 'c'
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join pg_namespace n on n.oid = t.typnamespace
where {_OWN_SCHEMAS} and {_NOT_OF_EXTENSIONS.format("t", "pg_type")} group by t.oid order by t.oid
"""  # noqa: S608 (constants)
_DOMAINS = f"""
select t.oid::regtype::text, format('CREATE DOMAIN %s AS %s%s%s%s', t.oid::regtype, format_type(t.typbasetype, t.typtypmod),
       ' DEFAULT ' || t.typdefault, case when t.typnotnull then ' NOT NULL' end,
       (select string_agg(format(' CONSTRAINT %I %s', c.conname, pg_get_constraintdef(c.oid)), '' order by c.conname)
        from pg_constraint c where c.contypid = t.oid and c.contype = 'c'))
from pg_type t join pg_namespace n on n.oid = t.typnamespace
where t.typtype = 'd' and {_OWN_SCHEMAS} and {_NOT_OF_EXTENSIONS.format("t", "pg_type")} order by t.oid
"""  # noqa: S608 (constants)
_SEQUENCES = """
with used as (
  select s.seqrelid, min(coalesce(a.adrelid, case when d.classid = 'pg_class'::regclass then d.refobjid end)::bigint) as relid
  from pg_sequence s
  left join pg_depend d on d.refclassid = 'pg_class'::regclass
    and (d.classid = 'pg_attrdef'::regclass and d.refobjid = s.seqrelid
         or d.classid = 'pg_class'::regclass and d.objid = s.seqrelid and d.deptype = 'a')
  left join pg_attrdef a on d.classid = 'pg_attrdef'::regclass and a.oid = d.objid
  where not exists (select from pg_depend i where i.objid = s.seqrelid and i.deptype in ('i', 'e')) group by s.seqrelid
)
select used.relid, format('CREATE SEQUENCE %%s AS %%s INCREMENT BY %%s MINVALUE %%s MAXVALUE %%s START WITH %%s CACHE %%s%%s',
       s.seqrelid::regclass, format_type(s.seqtypid, null), s.seqincrement, s.seqmin, s.seqmax, s.seqstart, s.seqcache,
       case when s.seqcycle then ' CYCLE' end)
from used join pg_sequence s on s.seqrelid = used.seqrelid where used.relid = any(%s::bigint[]) order by 2
"""
_OWNERS = """
select d.refobjid::bigint, format('ALTER SEQUENCE %%s OWNED BY %%s.%%I', d.objid::regclass, d.refobjid::regclass, a.attname)
from pg_depend d join pg_sequence s on s.seqrelid = d.objid
join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass and d.deptype = 'a'
and d.refobjid::bigint = any(%s::bigint[]) order by 2
"""
_DEFINITIONS = """
select quote_ident(a.attname), format_type(a.atttypid, a.atttypmod),
       case when a.attcollation <> t.typcollation then (select format('%%I.%%I', n.nspname, c.collname) from pg_collation c
            join pg_namespace n on n.oid = c.collnamespace where c.oid = a.attcollation) end,
       a.attnotnull, a.attidentity::text, a.attgenerated::text, pg_get_expr(d.adbin, d.adrelid)
from pg_attribute a join pg_type t on t.oid = a.atttypid
left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
where a.attrelid = %s and a.attnum > 0 and not a.attisdropped order by a.attnum
"""
_PARTITIONS = """
select format('CREATE TABLE %%s PARTITION OF %%s %%s%%s', c.oid::regclass, p.parentrelid, pg_get_expr(c.relpartbound, c.oid),
       ' PARTITION BY ' || pg_get_partkeydef(c.oid))
from pg_partition_tree(%s::oid::regclass) p join pg_class c on c.oid = p.relid
where p.level > 0 and c.relkind in ('r', 'p') order by p.level, c.oid::regclass::text
"""
_CONSTRAINT = """
select conrelid::bigint,
       format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', conrelid::regclass, conname, pg_get_constraintdef(oid))
from pg_constraint where conrelid::bigint = any(%s::bigint[]) and conparentid = 0 and contype
"""
_CONSTRAINTS = f"{_CONSTRAINT} in ('p', 'u', 'c', 'x') order by contype <> 'p', conrelid::regclass::text, conname"
_FOREIGN_KEYS = f"{_CONSTRAINT} = 'f' order by conrelid::regclass::text, conname"
_INDEXES = """
select i.indrelid::bigint, regexp_replace(pg_get_indexdef(i.indexrelid), ' ON ONLY ', ' ON ') from pg_index i
where i.indrelid::bigint = any(%s::bigint[])
and not exists (select from pg_constraint c where c.conindid = i.indexrelid) order by 2
"""
_TRIGGERS = """
select tgrelid::bigint, pg_get_triggerdef(oid) from pg_trigger
where tgrelid::bigint = any(%s::bigint[]) and not tgisinternal order by 2
"""
_COMMENTS = """
select d.objoid::bigint, format('COMMENT ON %%s IS %%L', case when d.objsubid = 0 then format('TABLE %%s', d.objoid::regclass)
       else format('COLUMN %%s.%%I', d.objoid::regclass, a.attname) end, d.description)
from pg_description d left join pg_attribute a on a.attrelid = d.objoid and a.attnum = d.objsubid and d.objsubid > 0
where d.classoid = 'pg_class'::regclass and d.objoid::bigint = any(%s::bigint[]) order by 2
"""


def sequences_text(connection: Connection[Any], tables: Sequence[PgTable]) -> bytes:
    """The last number that each sequence of the tables has given, as JSON: by table and column; empty where there is none."""
    query = """
    select d.refobjid::bigint, a.attname::text, pg_sequence_last_value(s.seqrelid)
    from pg_sequence s join pg_depend d on d.objid = s.seqrelid and d.classid = 'pg_class'::regclass
      and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i')
    join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
    where d.refobjid::bigint = any(%s::bigint[]) and has_sequence_privilege(s.seqrelid, 'select') order by 1, 2
    """
    names = {table.relation.oid: table.name for table in tables}
    numbers: dict[str, dict[str, int]] = {}
    for oid, column, value in _rows(connection, query, list(names)):
        if value is not None:
            numbers.setdefault(names[oid], {})[column] = value
    return f"{json.dumps(numbers, ensure_ascii=False, indent=1, sort_keys=True)}\n".encode() if numbers else b""


def bare_type(declared: str) -> str:
    """The name of a type without its length and what makes it an array."""
    return re.sub(r"(\(.*?\))|(\[\])+$", "", declared).strip()
