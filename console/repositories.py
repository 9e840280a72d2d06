"""Open repositories, lent to one request at a time.

To open one costs a tenth of a second: settings, keys, the descriptor. So they are kept and lent again, until they are old or
the settings file is another one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from msgspec import Struct

from strongroom.repository import Repository
from vault.clock import Clock

OLDEST = 300.0
"""Seconds after which one is closed: what this machine remembers of the store is looked at anew."""

MOST_IDLE = 8


class _Idle(Struct, frozen=True):
    repository: Repository
    opened: float
    version: object


class RepositoryPool:
    """See this module's text. open_one: opens a repository · version: of the settings, as a value that changes with them."""

    def __init__(self, open_one: Callable[[], Repository], clock: Clock, version: Callable[[], object] = lambda: None) -> None:
        self._open = open_one
        self._clock = clock
        self._version = version
        self._lock = threading.Lock()
        self._idle: list[_Idle] = []
        self._closed = False
        self._renewed = 0

    @contextmanager
    def lent(self) -> Iterator[Repository]:
        """One that nobody else uses. Raises what opening it raises."""
        version = self._current()  # before it is opened: settings that change meanwhile are read with the next one
        held = self._taken(version) or _Idle(self._open(), self._clock.monotonic(), version)
        try:
            yield held.repository
        except BaseException:
            held.repository.close()
            raise
        self._put_back(held)

    def renew(self) -> None:
        """What was opened before is not lent again: the repository itself has changed, as its descriptor does for a feature."""
        with self._lock:
            self._renewed += 1

    def close(self) -> None:
        """Close those that nobody uses; the others are closed when they come back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for one in idle:
            one.repository.close()

    def _taken(self, version: object) -> _Idle | None:
        oldest = self._clock.monotonic() - OLDEST
        old: list[_Idle] = []
        taken = None
        with self._lock:
            while self._idle and taken is None:
                one = self._idle.pop()
                if one.opened < oldest or one.version != version:
                    old.append(one)
                else:
                    taken = one
        for one in old:
            one.repository.close()
        return taken

    def _current(self) -> object:
        """What makes one that was opened as good as a new one."""
        return self._version(), self._renewed

    def _put_back(self, held: _Idle) -> None:
        with self._lock:
            if not self._closed and len(self._idle) < MOST_IDLE:
                self._idle.append(held)
                return
        held.repository.close()
