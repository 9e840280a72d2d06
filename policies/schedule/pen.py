"""Writes runs into the books, all of a tick in one go; what the books cannot take now is kept and written later.

Whoever watches hears of a run once it is written, or once it is known that it cannot be yet: a disk that is full must not keep
an alarm silent.
"""

from __future__ import annotations

from collections import deque

from policies.schedule.books import Books
from policies.schedule.jobs import Watcher
from policies.schedule.records import Run
from vault.errors import StrongroomError

MOST_KEPT = 10_000
"""Runs that wait for the books to be written again; the oldest of more are lost to them, not to the jobs."""


class Pen:
    """books: written at each `flush` · watcher: hears of each run, and once when writing fails."""

    def __init__(self, books: Books, watcher: Watcher) -> None:
        self._books = books
        self._watcher = watcher
        self._unwritten: deque[Run] = deque(maxlen=MOST_KEPT)
        self._untold: list[Run] = []
        self.is_behind = False

    def note(self, run: Run) -> None:
        """It has begun, has ended or is passed over."""
        self._unwritten.append(run)
        self._untold.append(run)

    def flush(self) -> None:
        """Write everything that is not written, and tell what is not told."""
        if self._unwritten:
            try:
                self._books.write(*self._unwritten)
            except StrongroomError as error:
                if not self.is_behind:
                    self._watcher.notice(f"{error}; runs go on and are written down later")
                self.is_behind = True
            else:
                self._unwritten.clear()
                self.is_behind = False
        untold, self._untold = self._untold, []
        for run in untold:
            if run.ending is None:
                self._watcher.started(run)
            else:
                self._watcher.ended(run)
