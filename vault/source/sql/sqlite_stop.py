"""SQLite in steps between which somebody may ask it to stop: long statements, and locks that others hold.

watched = Watched(database, stop)
with watched.errors():
    watched.execute_patiently("begin immediate")
    database.execute("…")
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from vault.progress import Stop

LOOK_EVERY = 100_000
"""Steps of SQLite between two looks at whether to stop."""

LOCK_TIMEOUT = 0.1
"""Seconds that SQLite itself waits for a lock, without anybody being asked: to be given to `sqlite3.connect`."""

BUSY_TRIES = 300
"""So often a lock of somebody else is waited for: half a minute."""


class Watched:
    """A connection whose statements end where `stop` raises something. stop: what is asked; it can be set to another one."""

    def __init__(self, database: sqlite3.Connection, stop: Stop) -> None:
        self.stop = stop
        self._database = database
        self._stopped: BaseException | None = None
        answers = self._answers()
        next(answers)
        database.set_progress_handler(answers.__next__, LOOK_EVERY)

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Raises what `stop` has raised, in the place of SQLite's error about it."""
        try:
            yield
        except sqlite3.Error:
            self.raise_stopped()
            raise

    def raise_stopped(self) -> None:
        """Raises what `stop` has raised, if it has."""
        stopped, self._stopped = self._stopped, None
        if stopped is not None:
            raise stopped from None

    def execute_patiently(self, *statements: str) -> None:
        """Statements that need a lock, all of them again where it is taken; the last one's rows are read. Raises
        `sqlite3.OperationalError` where it is never free."""
        for attempt in range(BUSY_TRIES):
            try:
                for statement in statements:
                    self._database.execute(statement).fetchall()
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or attempt + 1 == BUSY_TRIES:
                    raise
            self.stop()
            if self._database.in_transaction and len(statements) > 1:
                self._database.execute("rollback")

    def _answers(self) -> Iterator[int]:
        """1 where SQLite is to end what it does. A generator, since a signal that came while SQLite was at work is raised where
        Python goes on, which is in its `try`; at the beginning of a function SQLite would get the exception, and drop it."""
        ended = 0
        while True:
            try:
                yield ended
                self.stop()
                ended = 0
            except GeneratorExit:
                return
            except BaseException as error:  # noqa: BLE001 (it is raised once SQLite has come back)
                self._stopped, ended = error, 1
