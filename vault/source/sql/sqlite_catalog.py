"""What a SQLite database has: tables, their columns and keys, and the statements that made them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Literal, NamedTuple

from msgspec import Struct

from vault.errors import SourceError
from vault.source.sql.layout import Step

_STEPS: dict[Step, str] = {
    "year": "strftime('%Y', {t})",
    "quarter": "strftime('%Y', {t}) || '-Q' || ((strftime('%m', {t}) + 2) / 3)",
    "month": "strftime('%Y-%m', {t})",
    "day": "strftime('%Y-%m-%d', {t})",
}
_MILLISECONDS = 100_000_000_000
"""A number of seconds since 1970 is not larger: that would be the year 5138."""


class SqliteColumn(NamedTuple):
    """A column. declared: its type as it was written · key: its place in the primary key from 1 on, 0 where it is not in it ·
    generated: SQLite computes it."""

    name: str
    declared: str
    key: int
    generated: bool


class SqliteTable(Struct, frozen=True):
    """A table or a view. rowid: the name by which its rows are numbered; empty where they are not · time_column: by which it is
    cut into periods; empty where it is one file."""

    name: str
    kind: Literal["table", "view"]
    columns: tuple[SqliteColumn, ...]
    rowid: str
    time_column: str

    @property
    def order(self) -> str:
        """What orders its rows."""
        keys = sorted((column.key, column.name) for column in self.columns if column.key)
        if keys:
            return ", ".join(quoted(name) for _, name in keys)
        return self.rowid or ", ".join(quoted(column.name) for column in self.columns)

    def label(self, step: Step) -> str:
        """SQL for the period of a row; null where it has none."""
        column = quoted(self.time_column)
        number = f"case when abs({column}) > {_MILLISECONDS} then {column} / 1000 else {column} end"
        seconds = f"datetime({number}, 'unixepoch')"
        moment = f"(case typeof({column}) when 'text' then {column} when 'blob' then null else {seconds} end)"
        return _STEPS[step].format(t=moment)


class SqliteCatalog(NamedTuple):
    """What is taken, and sentences about what is not."""

    tables: tuple[SqliteTable, ...]
    gaps: tuple[str, ...]


def catalog(database: sqlite3.Connection, wanted: Sequence[str], time_column: str | None) -> SqliteCatalog:
    """The tables and views that are wanted; all tables where none are named. Raises `SourceError` where one is not there."""
    listed = {
        name: kind
        for schema, name, kind, *_ in database.execute("pragma table_list").fetchall()
        if schema == "main" and not name.lower().startswith("sqlite_")
    }
    missing = [name for name in wanted if name not in listed]
    if missing:
        there = ", ".join(sorted(listed)[:10]) or "none"
        raise SourceError(f"the database has no table {missing[0]!r}", hint=f"there are: {there}")
    names = list(wanted) or sorted(name for name, kind in listed.items() if kind == "table")
    tables = tuple(_table(database, name, listed[name], time_column) for name in dict.fromkeys(names))
    gaps = [
        f"the {kind} {name!r} is not taken"
        for name, kind in sorted(listed.items())
        if name not in names and (wanted or kind != "shadow")
    ]
    return SqliteCatalog(tables, tuple(gaps))


def _table(database: sqlite3.Connection, name: str, kind: str, time_column: str | None) -> SqliteTable:
    rows = database.execute(f"pragma table_xinfo({quoted(name)})").fetchall()
    columns = tuple(
        SqliteColumn(column, declared or "", key, hidden in (2, 3))
        for _, column, declared, _, _, key, hidden in rows
        if hidden != 1
    )
    if not columns:
        raise SourceError(f"the table {name!r} has no columns")
    by_name = {column.name.casefold(): column.name for column in columns}
    found = by_name.get((time_column or "").casefold(), "")
    return SqliteTable(name, "view" if kind == "view" else "table", columns, _rowid(database, name, kind, by_name), found)


def _rowid(database: sqlite3.Connection, name: str, kind: str, columns: dict[str, str]) -> str:
    """A name of the row's number that no column has; empty where rows have none."""
    free = next((one for one in ("rowid", "_rowid_", "oid") if one not in columns), "")
    if kind != "table" or not free:
        return ""
    try:
        database.execute(f"select {free} from {quoted(name)} limit 0")  # noqa: S608 (quoted names)
    except sqlite3.OperationalError:  # WITHOUT ROWID
        return ""
    return free


def schema_text(database: sqlite3.Connection) -> bytes:
    """The statements that made everything, in an order in which they can be run again."""
    rows = database.execute(
        "select type, sql from sqlite_schema where sql is not null and name not like 'sqlite\\_%' escape '\\' "
        "order by case type when 'table' then 0 when 'index' then 1 when 'view' then 2 else 3 end, name"
    )
    lines = [f"{sql};\n" for _, sql in rows]
    encoding = database.execute("pragma encoding").fetchone()[0]
    numbers = {name: database.execute(f"pragma {name}").fetchone()[0] for name in ("user_version", "application_id")}
    heads = [f"PRAGMA encoding = '{encoding}';\n"] if encoding != "UTF-8" else []
    heads += [f"PRAGMA {name} = {number};\n" for name, number in numbers.items() if number]
    return "".join([*heads, *lines]).encode("utf-8", "surrogateescape")


def sequences_text(database: sqlite3.Connection) -> bytes:
    """The last number that each table with AUTOINCREMENT has given, as JSON; empty where there is none."""
    there = database.execute("select 1 from sqlite_schema where name = 'sqlite_sequence'").fetchone()
    rows = database.execute("select name, seq from sqlite_sequence order by name").fetchall() if there else []
    return f"{json.dumps(dict(rows), ensure_ascii=False, indent=1)}\n".encode() if rows else b""


def quoted(name: str) -> str:
    """A name in SQL."""
    return '"' + name.replace('"', '""') + '"'
