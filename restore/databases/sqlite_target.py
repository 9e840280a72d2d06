"""Staged rows into a SQLite database: by the key of each table, in one transaction.

    plan      what is missing, equal, in the way, table by table; the database is only read
    apply     the same again in the transaction that writes, then rows are inserted and updated; foreign keys are checked at the
              end of it, so that no order of tables is a wrong one

Rows that differ are updated, not deleted and inserted: nothing that refers to them goes with them. A database that is not there
is made under a temporary name with the schema of the snapshot, and gets its name once it is whole.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from restore.databases.row_plan import RowPlan, TableRows
from restore.databases.sqlite_schema import SqliteStatement, key_of, making, statements_of, tables_named
from restore.databases.sqlite_whole_rows import WholeRows
from restore.databases.staged_rows import StagedRows, StagedTable
from restore.planning.conflict_policy import ConflictPolicy
from vault.errors import Damaged, TargetError
from vault.progress import Stop, never
from vault.source.sql import sqlite_values
from vault.source.sql.sqlite_catalog import quoted
from vault.source.sql.sqlite_stop import LOCK_TIMEOUT, Watched


class _Live(NamedTuple):
    """A table as the database has it. columns: that can be written, with what decides of their values' types · key: of them ·
    triggers: names."""

    columns: dict[str, str]
    key: tuple[str, ...]
    generated: tuple[str, ...]
    triggers: tuple[str, ...]


class SqliteTarget:
    """A database that rows are put into. version_column: tells which of two rows is newer · stop: called often; what it raises
    ends what is under way, and nothing is written."""

    def __init__(self, path: Path, policy: ConflictPolicy, version_column: str | None = None, stop: Stop = never) -> None:
        self._stop = stop
        self._path = path
        self._policy = policy
        self._version_column = version_column

    def plan(self, staged: StagedRows) -> RowPlan:
        """What would be done. Raises `TargetError` where the database cannot be read."""
        if not self._path.exists():
            tables = tuple(
                TableRows(one.table, one.rows, one.rows, 0, 0, 0, key_of(one), created=True, notes=tuple(_notes(one, None)))
                for one in staged.tables
            )
            return RowPlan(str(self._path), self._policy, tables, created=True)
        with self._opened(self._path, staged, mode="ro") as (database, watched):
            watched.execute_patiently("begin", "select count(*) from main.sqlite_schema")
            tables = tuple(self._compared(database, one) for one in staged.tables)
        return RowPlan(str(self._path), self._policy, tables, created=False)

    def apply(self, staged: StagedRows) -> RowPlan:
        """Do it; gives what was done. Raises `TargetError`, and nothing is written then."""
        if self._path.exists():
            with self._opened(self._path, staged, mode="rw") as (database, watched):
                return self._applied(database, watched, staged)
        half = self._path.with_name(f".{self._path.name}.part")
        half.unlink(missing_ok=True)
        try:
            with self._opened(half, staged, mode="rwc") as (database, watched):
                self._make(database, staged)
                done = self._applied(database, watched, staged, created=True)
            os.link(half, self._path)  # fails where somebody has made one meanwhile
        except OSError as error:
            raise TargetError(f"the database {self._path} cannot be made: {error}", hint="choose another place") from error
        finally:
            half.unlink(missing_ok=True)
        return done

    @contextmanager
    def _opened(self, path: Path, staged: StagedRows, *, mode: str) -> Iterator[tuple[sqlite3.Connection, Watched]]:
        uri = f"{path.absolute().as_uri()}?mode={mode}"
        try:
            with closing(sqlite3.connect(uri, uri=True, timeout=LOCK_TIMEOUT, isolation_level=None)) as database:
                watched = Watched(database, self._stop)
                with watched.errors():
                    watched.execute_patiently(f"attach '{staged.file.absolute().as_uri()}?mode=ro' as staged")
                    yield database, watched
        except sqlite3.Error as error:
            if isinstance(error, sqlite3.IntegrityError):
                hint = "nothing was written; restore the tables that it refers to as well"
                raise TargetError(f"the rows do not fit into {self._path}: {error}", hint=hint) from error
            hint = "nothing was written; is it a SQLite database, and may this user write to it?"
            raise TargetError(f"the database {self._path} cannot be used: {error}", hint=hint) from error

    def _applied(self, database: sqlite3.Connection, watched: Watched, staged: StagedRows, *, created: bool = False) -> RowPlan:
        database.execute(f"pragma foreign_keys = {int(not created)}")  # a new database may have a part of the tables
        watched.execute_patiently("begin immediate")
        database.execute("pragma defer_foreign_keys = 1")
        statements = statements_of(staged.schema)
        for one in staged.tables:
            if _live(database, one.table) is None:
                for text in making(one, statements):
                    database.execute(text)
        found = [(one, self._compared(database, one)) for one in staged.tables]
        plan = RowPlan(str(self._path), self._policy, tuple(rows for _, rows in found), created)
        plan.refuse()
        for one, rows in found:
            self._write(database, one, rows)
        if created:
            self._finish_new(database, staged, statements)
        watched.execute_patiently("commit")
        return plan

    def _compared(self, database: sqlite3.Connection, one: StagedTable) -> TableRows:
        live = _live(database, one.table)
        if live is None:
            return TableRows(one.table, one.rows, one.rows, 0, 0, 0, key_of(one), created=True, notes=tuple(_notes(one, None)))
        parts, notes = _Parts(one, live, self._version_column), tuple(_notes(one, live))
        if not parts.by_key:
            missing = WholeRows(database, one, parts.columns).missing
            return TableRows(one.table, one.rows, missing, one.rows - missing, 0, 0, (), created=False, notes=notes)
        there = _count(database, f"{parts.pairs} where {parts.same_key}")
        equal = _count(database, f"{parts.pairs} where {parts.same_key} and {parts.same}")
        newer = _count(database, f"{parts.pairs} where {parts.same_key} and not ({parts.same}) and {parts.newer}")
        return TableRows(
            one.table, one.rows, one.rows - there, equal, there - equal, newer, live.key, created=False, notes=notes
        )

    def _write(self, database: sqlite3.Connection, one: StagedTable, rows: TableRows) -> None:
        live = _live(database, one.table)
        if live is None:
            raise TargetError(f"the table {one.table!r} could not be made", hint="nothing was written")
        parts = _Parts(one, live, self._version_column)
        if not parts.by_key:
            WholeRows(database, one, parts.columns).insert()
            return
        names = ", ".join(quoted(name) for name, _ in parts.columns)
        given = ", ".join(f"s.{quoted(name)}" for name, _ in parts.columns)
        if rows.missing:
            database.execute(
                f"insert into main.{quoted(one.table)} ({names}) select {given} from staged.{one.staged} s "  # noqa: S608
                f"where s.{quoted(one.chosen)} and not exists "
                f"(select 1 from main.{quoted(one.table)} l where {parts.same_key}) order by s.rowid"
            )
        if rows.replaced(self._policy):
            changed = ", ".join(f"{quoted(name)} = s.{quoted(name)}" for name, _ in parts.columns if name not in live.key)
            older = f" and not ({parts.newer})" if self._policy is ConflictPolicy.NEWER else ""
            database.execute(
                f"update main.{quoted(one.table)} as l set {changed} from staged.{one.staged} s "  # noqa: S608
                f"where s.{quoted(one.chosen)} and {parts.same_key} and not ({parts.same}){older}"
            )

    def _make(self, database: sqlite3.Connection, staged: StagedRows) -> None:
        """What must be said of a database before anything is in it."""
        for one in statements_of(staged.schema):
            if one.text.upper().startswith("PRAGMA "):
                database.execute(one.text)

    def _finish_new(self, database: sqlite3.Connection, staged: StagedRows, statements: Sequence[SqliteStatement]) -> None:
        """Views and triggers of a new database, once the rows are in it; and the numbers that its tables have given."""
        tables = {one.table.casefold() for one in staged.tables}
        for one in statements:
            if one.word in ("VIEW", "TRIGGER") and all(name in tables for name in tables_named(one.text, statements)):
                database.execute(one.text)
        for table, number in _numbers(staged.sequences).items():
            if table.casefold() in tables:
                database.execute("update sqlite_sequence set seq = max(seq, ?) where name = ?", (number, table))


class _Parts:
    """Pieces of SQL about a table's staged rows (`s`) and its own (`l`)."""

    def __init__(self, one: StagedTable, live: _Live, version_column: str | None) -> None:
        staged = {column.name for column in one.columns}
        self.columns = tuple((name, declared) for name, declared in live.columns.items() if name in staged)
        self.by_key = bool(live.key) and set(live.key) <= staged
        self.same_key = " and ".join(f"l.{quoted(name)} = s.{quoted(name)}" for name in live.key)
        others = [(name, declared) for name, declared in self.columns if name not in live.key]
        self.same = " and ".join(_equal(name, declared) for name, declared in others) or "1"
        self.pairs = f"from staged.{one.staged} s join main.{quoted(one.table)} l on s.{quoted(one.chosen)}"
        version = next((name for name, _ in self.columns if name.casefold() == (version_column or "").casefold()), None)
        self.newer = "0" if version is None else f"l.{quoted(version)} > s.{quoted(version)}"


def _equal(name: str, declared: str) -> str:
    """SQL for whether two rows have the same value in a column, whatever its collation takes for equal."""
    one, other = f"l.{quoted(name)}", f"s.{quoted(name)}"
    same = f"{one} is {other} collate binary"
    if sqlite_values.affinity(declared) == sqlite_values.BLOB:  # 1 and 1.0 are two values where nothing is converted
        same += f" and typeof({one}) is typeof({other})"
    return same


def _numbers(text: str) -> dict[str, int]:
    """The last number of each table. Raises `Damaged` where a text says nothing of the kind."""
    try:
        found = json.loads(text or "{}")
    except ValueError as error:
        raise Damaged(f"the sequences in the snapshot are not valid JSON: {error}") from error
    if not isinstance(found, dict):
        raise Damaged("the sequences in the snapshot are not a JSON object")
    return {str(table): number for table, number in found.items() if isinstance(number, int)}


def _count(database: sqlite3.Connection, rest: str) -> int:
    (count,) = database.execute(f"select count(*) {rest}").fetchone()
    return int(count)


def _live(database: sqlite3.Connection, table: str) -> _Live | None:
    rows = database.execute(f"pragma main.table_xinfo({quoted(table)})").fetchall()
    if not rows:
        return None
    kind = database.execute("select type from main.sqlite_schema where name = ?", (table,)).fetchone()
    if kind is not None and kind[0] != "table":
        raise TargetError(f"{table!r} is a {kind[0]} there", hint="rows go into tables; choose another database")
    triggers = database.execute(
        "select name from main.sqlite_schema where type = 'trigger' and tbl_name = ? order by name", (table,)
    ).fetchall()
    strict = database.execute("select strict from pragma_table_list where schema = 'main' and name = ?", (table,)).fetchone()
    free = ("ANY",) if strict and strict[0] else ()
    return _Live(
        {row[1]: "" if row[2].upper() in free else row[2] for row in rows if row[6] == 0},
        tuple(row[1] for row in sorted(rows, key=lambda row: row[5]) if row[5]),
        tuple(row[1] for row in rows if row[6] in (2, 3)),
        tuple(name for (name,) in triggers),
    )


def _notes(one: StagedTable, live: _Live | None) -> Iterator[str]:
    generated = [column.name for column in one.columns if column.generated]
    if generated:
        yield f"generated columns are computed anew: {', '.join(generated)}"
    if live is None:
        return
    gone = [column.name for column in one.columns if column.name not in (*live.columns, *live.generated)]
    if gone:
        yield f"columns that the table has no longer are left out: {', '.join(gone)}"
    added = [name for name in live.columns if name not in {column.name for column in one.columns}]
    if added:
        yield f"columns that the snapshot does not have get their defaults: {', '.join(added)}"
    if live.triggers:
        yield f"triggers of the table run: {', '.join(live.triggers)}"
    if not live.key:
        yield "the table has no primary key: whole rows are compared"
