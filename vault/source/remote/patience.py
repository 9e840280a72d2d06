"""How long a server that is away, or busy, is waited for; and how often it is asked at most."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from vault.clock import Clock
from vault.source.remote.files import ConnectionCut

PATIENCE = 300.0
"""Seconds that a server which has answered before is waited for."""

LONGEST_PAUSE = 60.0
_SLICE = 1.0

T = TypeVar("T")


class Patience:
    """Asks again where a connection was cut. An `end` lets nobody wait any longer."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ended = threading.Event()

    def ask(self, do: Callable[[], T]) -> T:
        """What `do` gives. Raises what it raises; `ConnectionCut` only once patience is at its end."""
        begun, pause = self._clock.monotonic(), 0.5
        while True:
            try:
                return do()
            except ConnectionCut:
                if self._ended.is_set() or self._clock.monotonic() - begun + pause > PATIENCE:
                    raise
            self._wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    def end(self) -> None:
        """Nobody waits any more."""
        self._ended.set()

    def begin(self) -> None:
        """Waiting is right again."""
        self._ended.clear()

    def _wait(self, seconds: float) -> None:
        until = self._clock.monotonic() + seconds
        while not self._ended.is_set() and (left := until - self._clock.monotonic()) > 0:
            self._clock.sleep(min(left, _SLICE))


class Pace:
    """So many requests a second at most, over all threads. per_second: 0 for as many as the server answers."""

    def __init__(self, per_second: float, clock: Clock) -> None:
        self._per_second = per_second
        self._clock = clock
        self._lock = threading.Lock()
        self._next_at = 0.0

    def wait(self) -> None:
        """Until it is this request's turn."""
        if not self._per_second:
            return
        with self._lock:
            now = self._clock.monotonic()
            at = max(now, self._next_at)
            self._next_at = at + 1 / self._per_second
        if at > now:
            self._clock.sleep(at - now)
