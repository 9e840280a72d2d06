"""What a PostgreSQL server tells of a partition without giving its rows, so that one that did not change is not transferred.

- *by row versions*: the number of rows, and the sum of a hash of the place and the transaction of each. A version of a row is
  never changed, and no place holds two versions of one transaction: equal sums mean equal rows, as long as the server's history
  is the same one. The server, its time line and the moment of its start are therefore part of the token. For ordinary tables
  whose columns have types that PostgreSQL itself has: what a value of any other type looks like may change without the row.
- *by content*: the number of rows, and the sum of a hash of each. Of each row the bytes are hashed that the server would send:
  equal ones are the same value, whatever their type takes for equal (1.0 and 1.00, 0 and -0, a month and 30 days).
- *by a version column*: a hash of the keys, and the greatest version.

Sums do not depend on the order of rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from vault.source.sql.layout import UNDATED
from vault.source.sql.postgresql_catalog import ROW, PgTable, quoted
from vault.source.sql.postgresql_rows import unusual_values

if TYPE_CHECKING:
    from psycopg import Connection

KnownBy = Literal["versions", "content"]
KNOWN_BY: tuple[KnownBy, ...] = ("versions", "content")

RECORDS_HASHED_SINCE = 140000
"""Server version."""

_PLAIN = """
select coalesce(bool_and(r.relkind in ('r', 'p') and a.amname = 'heap'), false)
       and not exists (select from pg_attribute c join pg_type t on t.oid = c.atttypid
                       where c.attrelid = %(oid)s and c.attnum > 0 and not c.attisdropped
                       and (t.oid >= 16384 or t.typname ~ '^_?reg' or c.attgenerated = 'v'))
from (select %(oid)s::oid as oid union select relid from pg_partition_tree(%(oid)s::oid::regclass) where isleaf) p
join pg_class r on r.oid = p.oid left join pg_am a on a.oid = r.relam
where r.relkind <> 'p' or not exists (select from pg_inherits i where i.inhparent = r.oid)
"""
"""Whether a table's row versions tell of every change. Types that are made later have numbers from 16384 on."""

_HISTORY = """
select (select system_identifier from pg_control_system())::text, (select timeline_id from pg_control_checkpoint())::text,
       extract(epoch from pg_postmaster_start_time())::text
"""

_DEFAULTS = """
select attnum::int, attmissingval::text from pg_attribute where attrelid = %s and attnum > 0 and not attisdropped order by 1
"""
"""Columns that were added later: what they are in rows that have not been written since."""


class PartitionToken(NamedTuple):
    """What is told of a partition. label: of its period, empty for the whole table · token: changes when its rows do ·
    unusual: the names of columns with a value that Parquet's type does not hold."""

    label: str
    token: bytes
    unusual: frozenset[str]


class PartitionTokens:
    """Asks for the tokens of tables. version_column: has a greater value after each change of a row; None: there is none."""

    def __init__(self, connection: Connection[Any], known_by: KnownBy, version_column: str | None) -> None:
        """Raises `psycopg.Error`."""
        self._connection = connection
        self._version_column = version_column
        self._history = self._history_of() if known_by == "versions" else ""

    def of(self, table: PgTable, label: str) -> list[PartitionToken]:
        """Those of a table's partitions. label: SQL for the period of a row. A table without rows is one partition, so that it
        is seen. Raises `psycopg.Error`; the transaction goes on."""
        import psycopg

        if table.key and any(column.name == self._version_column for column in table.columns):
            key = f"row({', '.join(f'{ROW}.{quoted(name)}' for name in table.key)})"
            version = f"max({ROW}.{quoted(self._version_column or '')})::text"
            hashes = (self._of_bytes(key), self._of_text(key))
        elif self._history and self._is_plain(table):
            version = "null"
            hashes = (self._of_version(table), "")
        else:
            version = "null"
            hashes = (self._of_bytes(f"{ROW}.*"), self._of_text(f"{ROW}.*"))
        try:
            return self._asked(table, label, hashes[0], version)
        except psycopg.errors.UndefinedFunction:  # a type of a column has no binary form
            if not hashes[1]:
                raise
            return self._asked(table, label, hashes[1], version)

    def _asked(self, table: PgTable, label: str, hash_: str, version: str) -> list[PartitionToken]:
        unusual = unusual_values(table)
        wanted = ", ".join([version, *(f"coalesce(bool_or({text}), false)" for text in unusual.values())])
        query = (
            f"select coalesce({label}, '{UNDATED}'), count(*), sum({hash_}), {wanted} "  # noqa: S608 (quoted names)
            f"from {table.relation.own_rows} {ROW} group by 1 order by 1"
        )
        with self._connection.transaction():  # a savepoint: what fails for one table does not end the others
            rows = self._connection.execute(query).fetchall()
            defaults = self._connection.execute(_DEFAULTS, (table.relation.oid,)).fetchall()
        facts = [(column.name, column.declared, column.key) for column in table.columns]
        columns = f"{facts} {defaults} {hash_} {self._history if hash_ == self._of_version(table) else ''}"
        tokens = []
        for text, count, total, greatest, *flags in rows:
            names = frozenset(name for name, flag in zip(unusual, flags, strict=True) if flag)
            tokens.append(PartitionToken(text, f"{columns} {count} {total} {greatest}".encode(), names))
        return tokens or [PartitionToken("", repr(facts).encode(), frozenset())]

    def _history_of(self) -> str:
        """Names the server's history; empty where it does not say, or hashes no places."""
        import psycopg

        if not self._records_hashed:
            return ""
        try:
            with self._connection.transaction():
                row = self._connection.execute(_HISTORY).fetchone()
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedFunction):
            return ""
        return repr(row)

    def _is_plain(self, table: PgTable) -> bool:
        row = self._connection.execute(_PLAIN, {"oid": table.relation.oid}).fetchone()
        return bool(row and row[0])

    @property
    def _records_hashed(self) -> bool:
        return self._connection.info.server_version >= RECORDS_HASHED_SINCE

    def _of_version(self, table: PgTable) -> str:
        version = f"hashtidextended({ROW}.ctid, {ROW}.xmin::text::bigint)"
        return version if table.relation.relkind == "r" else f"{version} # hashint8extended({ROW}.tableoid::bigint, 0)"

    def _of_bytes(self, row: str) -> str:
        if self._records_hashed:
            return f"hash_record_extended(row(record_send({row})), 0)"
        return f"hashtextextended(record_send({row})::text, 0)"

    def _of_text(self, row: str) -> str:
        return f"hashtextextended(({row})::text, 0)"
