"""Rows for a SQLite table without a key: whole rows are compared, the second of equal ones with the second.

    staged rows -> a temporary table, as the table would hold them -> each row as a text, and its number among equal ones
    own rows    -> how often there is each text

A row is missing where its number is greater than that. No collation and no affinity takes two values for one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from restore.databases.staged_rows import StagedTable
from vault.source.sql import sqlite_values
from vault.source.sql.sqlite_catalog import quoted

_ROWS, _OWN = "temp.strongroom_rows", "temp.strongroom_own"


class WholeRows:
    """See this module's text. columns: names and declared types of those that the table and the staged rows have."""

    def __init__(self, database: sqlite3.Connection, one: StagedTable, columns: Sequence[tuple[str, str]]) -> None:
        """Compares; makes two temporary tables, and drops those of an earlier comparison. Raises `sqlite3.Error`."""
        self._database = database
        self._table = f"main.{quoted(one.table)}"
        self._names = ", ".join(quoted(name) for name, _ in columns)
        made = ", ".join(f"c{place} {_affinity(declared)}" for place, (_, declared) in enumerate(columns))
        self._places = ", ".join(f"c{place}" for place in range(len(columns)))
        for table in (_ROWS, _OWN):
            database.execute(f"drop table if exists {table}")
        database.execute(f"create table {_ROWS} (place integer primary key, {made})")
        database.execute(
            f"insert into {_ROWS} select rowid, {self._names} from staged.{one.staged} "  # noqa: S608 (quoted names)
            f"where {quoted(one.chosen)}"
        )
        database.execute(f"create table {_OWN} (whole text primary key, count) without rowid")
        own = _text(quoted(name) for name, _ in columns)
        database.execute(f"insert into {_OWN} select {own}, count(*) from {self._table} group by 1")  # noqa: S608

    @property
    def missing(self) -> int:
        """Rows that the table lacks."""
        (count,) = self._database.execute(f"select count(*) from ({self._missing})").fetchone()  # noqa: S608
        return int(count)

    def insert(self) -> None:
        """Put them there."""
        rows = f"select {self._places} from {_ROWS} where place in ({self._missing}) order by place"  # noqa: S608
        self._database.execute(f"insert into {self._table} ({self._names}) {rows}")

    @property
    def _missing(self) -> str:
        whole = _text(self._places.split(", "))
        number = f"row_number() over (partition by {whole} order by place)"
        numbered = f"select place, {whole} as whole, {number} as number from {_ROWS}"  # noqa: S608
        return (
            f"select n.place from ({numbered}) n left join {_OWN} o on o.whole = n.whole "  # noqa: S608
            "where n.number > coalesce(o.count, 0)"
        )


def _affinity(declared: str) -> str:
    """A type that values are converted to as to a declared one."""
    kind = sqlite_values.affinity(declared)
    is_text = any(word in declared.upper() for word in ("CHAR", "CLOB", "TEXT"))
    return "numeric" if kind == sqlite_values.TEXT and not is_text else kind


def _text(columns: Iterable[str]) -> str:
    """SQL for a row as a text that no other row has; `quote` would end a text at a zero byte."""
    parts = (f"case typeof({one}) when 'text' then 't' || hex({one}) else quote({one}) end" for one in columns)
    return " || ',' || ".join(parts)
