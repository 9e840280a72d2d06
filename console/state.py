"""The console's own memory: accounts, sessions, baskets, tasks, approvals; one SQLite file that only its user can read.

    state = ConsoleState(folder / "console.sqlite")
    state.migrate("baskets", ("CREATE TABLE basket (person TEXT, ...)",))
    with state.transaction() as database:
        database.execute("INSERT INTO basket ...")

Each area has tables of its own. Several threads and processes may have the file open. What is lost with it is the memory of the
console, nothing of the repository; it is never begun anew by itself, as accounts are in it.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from console.errors import StateError
from vault.errors import Busy

LONGEST_NUMBER = 20
"""Characters of a process's number."""

WAIT = 20.0
"""Seconds for which somebody else may be writing."""

_MEMORY = """CREATE TABLE IF NOT EXISTS migration (
    area TEXT NOT NULL, number INTEGER NOT NULL, statement TEXT NOT NULL, PRIMARY KEY (area, number))"""


class ConsoleState:
    """See this module's text. file: made where there is none, with its folder."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._lock = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._closed = False
        self._of_thread = threading.local()
        with _translated(file):
            _make(file)
        with self.transaction() as database:
            database.execute(_MEMORY)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it happens, or nothing. One within another of the same thread is a part of it. Rows are `sqlite3.Row`.

        Raises `StateError`, `Busy`, and what its body raises, after which nothing has happened."""
        outer: sqlite3.Connection | None = getattr(self._of_thread, "connection", None)
        if outer is not None:
            yield outer
            return
        with _translated(self.file):
            connection = self._taken()
            self._of_thread.connection = connection
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
            finally:
                self._of_thread.connection = None
                self._put_back(connection)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """For questions alone: nobody who writes is waited for, and all of them see one moment. Raises as `transaction`."""
        outer: sqlite3.Connection | None = getattr(self._of_thread, "connection", None)
        if outer is not None:
            yield outer
            return
        with _translated(self.file):
            connection = self._taken()
            try:
                connection.execute("BEGIN")
                yield connection
            finally:
                self._put_back(connection)

    def migrate(self, area: str, statements: Sequence[str]) -> None:
        """Run each statement once in the life of the file, in their order. area: whose they are; statements are only ever added
        at the end. Raises `StateError` where the file has others, `Busy`."""
        with self.transaction() as database:
            done = [
                str(row["statement"])
                for row in database.execute("SELECT statement FROM migration WHERE area = ? ORDER BY number", (area,))
            ]
            if done[: len(statements)] != list(statements[: len(done)]) or len(done) > len(statements):
                raise StateError(f"{self.file} was written by a newer version", hint="update Strongroom on this machine")
            for number, statement in list(enumerate(statements))[len(done) :]:
                database.execute(statement)
                database.execute("INSERT INTO migration VALUES (?, ?, ?)", (area, number, statement))

    def close(self) -> None:
        """Close what nobody uses; the others are closed when they come back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for one in idle:
            one.close()

    def _taken(self) -> sqlite3.Connection:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return _connected(self.file)

    def _put_back(self, connection: sqlite3.Connection) -> None:
        if connection.in_transaction:
            connection.rollback()
        with self._lock:
            if not self._closed:
                self._idle.append(connection)
                return
        connection.close()


@contextmanager
def alone(file: Path) -> Iterator[ConsoleState]:
    """The memory of a console that serves, of which there is one at a time: two would take each other's tasks. Commands beside
    it open the file without. The kernel lets go of the lock with the process, however that ends. Raises `Busy`, `StateError`.
    """
    lock = file.with_suffix(".lock")
    with _translated(lock):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with _translated(lock):
            _take(handle, file)
        state = ConsoleState(file)
        try:
            yield state
        finally:
            state.close()
    finally:
        os.close(handle)


def _take(handle: int, file: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        who = os.pread(handle, LONGEST_NUMBER, 0).decode("ascii", "replace").strip()
        raise Busy(
            f"another console{f' (process {who})' if who.isdecimal() else ''} serves with {file}",
            hint="end that one first; or give this one a settings file with a state folder of its own: state in [daemon]",
        ) from error
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)


def _make(file: Path) -> None:
    """As a file that only its user can read, before SQLite would make it as the umask says."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
    file.chmod(0o600)


def _connected(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, timeout=WAIT, isolation_level=None, check_same_thread=False)
    try:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


@contextmanager
def _translated(file: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise Busy(f"somebody else writes to {file}", hint="try again in a moment") from error
        raise _failed(file, str(error)) from error
    except sqlite3.Error as error:
        raise _failed(file, str(error)) from error
    except OSError as error:
        if error.filename is None or Path(os.fsdecode(error.filename)) not in (file, file.parent):
            raise
        raise _failed(file, error.strerror or str(error)) from error


def _failed(file: Path, why: str) -> StateError:
    return StateError(
        f"{file} cannot be used: {why}",
        hint="free some room there, correct its permissions, or bring the file back from a backup of this machine",
    )
