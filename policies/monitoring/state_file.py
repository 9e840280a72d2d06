"""The file of the state store: of a known version, healed where it is damaged, opened anew where it was deleted or replaced."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from policies.scheduling.run_history_file import (
    BUSY_SECONDS,
    connected_to_read,
    damaged,
    drop_journal,
    identity,
    is_damage,
    journal_identity,
    require_file,
)
from vault.errors import StrongroomError, UnsupportedFormat

_Result = TypeVar("_Result")

VERSION = 1
_TABLES = """
CREATE TABLE found (
    project TEXT, what TEXT, subject TEXT, at INTEGER NOT NULL, value TEXT NOT NULL, PRIMARY KEY (project, what, subject)
) WITHOUT ROWID;
CREATE TABLE drills (number INTEGER PRIMARY KEY, project TEXT NOT NULL, at INTEGER NOT NULL, value TEXT NOT NULL);
CREATE INDEX drills_of_a_project ON drills (project, number);
CREATE TABLE packs (
    project TEXT, pack BLOB, seen_at INTEGER NOT NULL, read_at INTEGER, whole INTEGER NOT NULL, PRIMARY KEY (project, pack)
) WITHOUT ROWID;
CREATE TABLE alarms (
    project TEXT, promise TEXT, subject TEXT, since INTEGER NOT NULL, message TEXT NOT NULL, hint TEXT NOT NULL,
    PRIMARY KEY (project, promise, subject)
) WITHOUT ROWID;
CREATE TABLE outbox (
    number INTEGER PRIMARY KEY, channel TEXT NOT NULL, at INTEGER NOT NULL, value TEXT NOT NULL, attempts INTEGER NOT NULL,
    due INTEGER NOT NULL
)
"""

Opener = Callable[[Path], sqlite3.Connection]


class StateFile:
    """opener: `opened`, `opened_to_read` or `empty` · report: hears that the file was damaged, deleted or replaced."""

    def __init__(self, path: Path, opener: Opener, report: Callable[[str], None]) -> None:
        self.path = path
        self._opener = opener
        self._writes = opener is opened
        self._report = report
        self._base: sqlite3.Connection | None = None
        self._opened: tuple[int, int] | None = None
        self._journal: tuple[int, int] | None = None

    def close(self) -> None:
        if self._base is not None:
            self._base.close()
            self._base = None

    @contextmanager
    def whole(self) -> Iterator[sqlite3.Connection]:
        """All that is done to the connection, or nothing."""
        self.do("BEGIN IMMEDIATE")
        base = self._base
        if base is None:
            raise StrongroomError(f"{self.path} is closed")
        try:
            with _errors(self.path):
                yield base
                base.execute("COMMIT")
        except BaseException:
            if base.in_transaction:
                base.rollback()
            raise

    def do(self, statement: str, *values: object) -> None:
        """One change. Raises `StrongroomError`, as all of these do."""
        self._within(lambda base: base.execute(statement, values).close())

    def ask(self, read: Callable[[Sequence[Any]], _Result], query: str, *values: object) -> list[_Result]:
        """Rows, each as `read` makes it."""

        def rows(base: sqlite3.Connection) -> list[_Result]:
            try:
                return [read(row) for row in base.execute(query, values).fetchall()]
            except (ValueError, TypeError, OverflowError) as error:
                raise damaged(f"a row that nobody can have written: {error}") from error

        return self._within(rows)

    def _within(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result:
        with _errors(self.path):
            try:
                return work(self._connected())
            except sqlite3.DatabaseError as error:
                if not is_damage(error) or not self._writes:
                    raise
                self._set_aside(error)
                return work(self._connected())

    def _connected(self) -> sqlite3.Connection:
        there = identity(self.path) if self._writes else self._opened
        if self._base is not None and there != self._opened:
            self.close()
            drop_journal(self.path, self._journal)
            self._report(f"{self.path} was {'deleted' if there is None else 'replaced'}: it is opened anew")
        if self._base is None:
            self._opened = identity(self.path)
            self._base = self._opener(self.path)
            self._opened = identity(self.path)
        if self._writes:
            self._journal = journal_identity(self.path)
        return self._base

    def _set_aside(self, error: sqlite3.Error) -> None:
        """Another process may have met the same damage: one of them gives the file another name."""
        self.close()
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            if identity(self.path) == self._opened:
                for suffix in ("-wal", "-shm", ""):
                    with suppress(FileNotFoundError):
                        aside = self.path.with_name(f"{self.path.name}.damaged{suffix}")
                        self.path.with_name(f"{self.path.name}{suffix}").replace(aside)
                self._report(f"{self.path} is damaged ({error}): it is set aside as {self.path.name}.damaged, another is begun")
        finally:
            os.close(folder)


def opened_to_read(file: Path) -> sqlite3.Connection:
    """As it is, empty where there is none."""
    if identity(file) is None:
        return empty(file)
    base = connected_to_read(file)
    try:
        if _version(file, base) == VERSION:
            return base
    except BaseException:
        base.close()
        raise
    base.close()
    return empty(file)


def empty(_file: Path) -> sqlite3.Connection:
    """One of its own in memory, with nothing in it."""
    base = sqlite3.connect(":memory:", isolation_level=None)
    for statement in _TABLES.split(";"):
        base.execute(statement)
    return base


def opened(file: Path) -> sqlite3.Connection:
    """To read and to write, made where there is none."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    require_file(file)
    os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    base = sqlite3.connect(file, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        _create_tables(file, base)
        base.execute("PRAGMA synchronous = NORMAL")
    except BaseException:
        base.close()
        raise
    return base


def _create_tables(file: Path, base: sqlite3.Connection) -> None:
    """The tables, where there are none; two commands may come at once."""
    if _version(file, base) == VERSION:
        return
    base.execute("PRAGMA journal_mode = WAL")
    base.execute("BEGIN IMMEDIATE")
    if _version(file, base) < VERSION:
        for statement in _TABLES.split(";"):
            base.execute(statement)
        base.execute(f"PRAGMA user_version = {VERSION}")
    base.execute("COMMIT")


def _version(file: Path, base: sqlite3.Connection) -> int:
    found = int(base.execute("PRAGMA user_version").fetchone()[0])
    if found > VERSION:
        raise UnsupportedFormat(f"{file} was written by a newer version (format {found}; this one knows {VERSION})")
    return found


@contextmanager
def _errors(file: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise StrongroomError(
            f"{file} cannot be used: {error}", hint="the file may be deleted: what it holds is collected again"
        ) from error
    except OSError as error:
        raise StrongroomError(
            f"{file} cannot be used: {error.strerror}", hint="free some room, or correct its permissions"
        ) from error
