"""The schema of a SQLite database in a snapshot, as statements that can be run one by one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from typing import NamedTuple

from restore.databases.staged_rows import StagedTable
from vault.errors import UsageError
from vault.source.sql.sqlite_catalog import quoted


class SqliteStatement(NamedTuple):
    """One statement, without the semicolon. word: its second one in capitals, what it makes · table: which it makes, or makes
    an index on, in small letters; empty for other statements, and where SQLite cannot say."""

    text: str
    word: str
    table: str


def statements_of(schema: str) -> list[SqliteStatement]:
    """Those of a schema. Raises `UsageError` for one that makes nothing: a schema has no other."""
    found, waiting = [], ""
    for line in schema.splitlines(keepends=True):
        waiting += line
        if sqlite3.complete_statement(waiting):
            found.append(waiting.strip().removesuffix(";"))
            waiting = ""
    if waiting.strip() or any(_word(text, 0) not in ("CREATE", "PRAGMA") for text in found):
        raise UsageError("the schema in the snapshot is not one of SQLite's", hint="restore it as a file with --to DIR")
    return [SqliteStatement(text, _word(text, 1), table) for text, table in zip(found, _tables_of(found), strict=True)]


def making(one: StagedTable, statements: Sequence[SqliteStatement]) -> Iterator[str]:
    """What makes a table and its indexes: the schema of the snapshot, or where that is not there, its columns."""
    name = one.table.casefold()
    own = [each for each in statements if each.word in ("TABLE", "INDEX", "UNIQUE") and each.table == name]
    if own:
        yield from (each.text for each in sorted(own, key=lambda each: each.word != "TABLE"))
        return
    columns = [f"{quoted(column.name)} {column.declared}".strip() for column in one.columns if not column.generated]
    key = key_of(one)
    parts = [*columns, f"PRIMARY KEY ({', '.join(map(quoted, key))})"] if key else columns
    yield f"CREATE TABLE main.{quoted(one.table)} ({', '.join(parts)})"


def key_of(one: StagedTable) -> tuple[str, ...]:
    """The columns of the primary key that a table had."""
    return tuple(column.name for column in sorted(one.columns, key=lambda column: column.key) if column.key)


def tables_named(text: str, statements: Sequence[SqliteStatement]) -> list[str]:
    """The tables of a schema whose names stand in a statement."""
    made = [each.table for each in statements if each.word == "TABLE"]
    return [name for name in made if name and name in text.casefold()]


def _tables_of(texts: Sequence[str]) -> Iterator[str]:
    """The table of each statement; SQLite says it, of a schema in memory."""
    with closing(sqlite3.connect(":memory:")) as probe:
        known = 0
        for text in texts:
            table = ""
            if _word(text, 1) not in ("TABLE", "INDEX", "UNIQUE"):
                yield table
                continue
            with suppress(sqlite3.Error):
                probe.execute(text)
                rows = probe.execute(
                    "select rowid, tbl_name from sqlite_schema where rowid > ? order by rowid", (known,)
                ).fetchall()
                known = max([known, *(number for number, _ in rows)])
                table = str(rows[0][1]).casefold() if rows else ""
            yield table


def _word(text: str, place: int) -> str:
    words = text.split(None, place + 1)
    return words[place].upper() if len(words) > place else ""
