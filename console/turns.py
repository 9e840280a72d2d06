"""Who may work at a time, so that one person's requests are never everybody's trouble.

    async with console.turns.of("olena"):                   a request: further ones of hers wait without a thread
    with console.asking.taken("olena", wait=20.0):          heavy work of a thread: one of hers, a few of all

A thread is what the console has least of: whoever opens forty pages at once has six of them worked on, and the others wait.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import anyio
from msgspec import Struct

from console.errors import TooManyAtOnce

MOST_REQUESTS = 6
"""Of one person at a time: as many connections as a browser opens."""

WAIT = 30.0
"""Seconds."""


class _Queue(Struct):
    """inside: those who wait, and those whose turn it is."""

    turn: anyio.Semaphore
    inside: int = 0


class Turns:
    """Requests, by whoever sends them; for one event loop. most: of one of them at a time · wait: seconds that one waits for
    its turn."""

    def __init__(self, most: int = MOST_REQUESTS, wait: float = WAIT) -> None:
        self._most = most
        self._wait = wait
        self._queues: dict[str, _Queue] = {}

    @asynccontextmanager
    async def of(self, who: str) -> AsyncIterator[None]:
        """Until it is their turn, and while it is. Raises `TooManyAtOnce`."""
        queue = self._queues.get(who)
        if queue is None:
            queue = self._queues[who] = _Queue(anyio.Semaphore(self._most))
        queue.inside += 1
        try:
            with anyio.move_on_after(self._wait) as waiting:
                await queue.turn.acquire()
            if waiting.cancelled_caught:
                raise TooManyAtOnce("too many of your requests are being worked on", hint="wait until some pages are there")
            try:
                yield
            finally:
                queue.turn.release()
        finally:
            queue.inside -= 1
            if not queue.inside:
                del self._queues[who]


class Room:
    """For work of threads. most: of all at a time · by_person: of one of them."""

    def __init__(self, most: int, by_person: int = 1) -> None:
        self._most = most
        self._by_person = by_person
        self._changed = threading.Condition()
        self._inside: Counter[str] = Counter()

    @contextmanager
    def taken(self, person: str, wait: float) -> Iterator[None]:
        """While it lasts. wait: seconds for which to wait for room. Raises `TooManyAtOnce`."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._has_room_for(person), wait):
                raise TooManyAtOnce("others are at it at this moment, or you are", hint="try again in a minute")
            self._inside[person] += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside[person] -= 1
                self._inside += Counter()  # without those that have none
                self._changed.notify_all()

    def _has_room_for(self, person: str) -> bool:
        return self._inside.total() < self._most and self._inside[person] < self._by_person
