"""A connection to a PostgreSQL server that can be stopped while the server computes.

Whoever waits for the server asks ten times a second whether to stop. Where `stop` raises something, the server is told over a
connection of its own to cancel what it does, and the session is closed.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg

from vault.progress import Stop, never

if TYPE_CHECKING:
    from psycopg.abc import PQGen

RV = TypeVar("RV")

LOOK_EVERY = 0.1
"""Seconds between two looks at whether to stop."""

CANCEL_WITHIN = 5.0
"""Seconds that a server is given to be told; then the connection is closed without."""


class StoppableConnection(psycopg.Connection[Any]):
    """See this module's text. stop: what is asked; it can be set to another one."""

    stop: Stop = staticmethod(never)

    def wait(self, gen: PQGen[RV], interval: float = LOOK_EVERY, timeout: float | None = None) -> RV:
        """Run what waits for the server; raises what `stop` raises."""
        asking = _Asking(self.stop)
        try:
            return super().wait(asking.through(gen), interval, **({} if timeout is None else {"timeout": timeout}))
        except BaseException:
            if asking.stopped:
                with suppress(psycopg.Error):
                    self.cancel_safe(timeout=CANCEL_WITHIN)
                self.close()
            raise


class _Asking:
    """Passes everything on between who waits and whom for, and asks in between. stopped: it was told to stop."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self.stopped = False

    def through(self, gen: PQGen[RV]) -> PQGen[RV]:
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready:
                    self._ask()
                wanted = gen.send(ready)
        except StopIteration as end:
            found: RV = end.value
            return found

    def _ask(self) -> None:
        try:
            self._stop()
        except BaseException:
            self.stopped = True
            raise
