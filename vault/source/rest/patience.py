"""How fast a server is asked, and waits that hear what ends the run."""

from __future__ import annotations

import threading

from msgspec.structs import replace

from vault.clock import Clock
from vault.progress import Stop, never
from vault.rate_limits import RateLimits, RequestPace

SEVERAL = 5
SLICE = 1.0
"""Seconds of a wait between two looks at whether the run is to stop."""


class BurstPace(RequestPace):
    """So many requests a second, of which some may be sent at once: a bucket that fills while time passes. stop: called while
    one waits; what it raises ends the wait."""

    def __init__(self, clock: Clock, per_second: float, burst: int = 1) -> None:
        """per_second: 0 for no limit."""
        super().__init__(clock)
        self._own_clock = clock
        # who comes late may catch up by one, where a second has several
        self._rate, self._burst = per_second, burst + (per_second >= SEVERAL)
        self._filling = threading.Lock()
        self._level, self._at = float(burst), clock.monotonic()
        self.stop: Stop = never

    def wait_for_turn(self) -> None:
        """Before each request."""
        super().wait_for_turn()
        if not self._rate:
            return
        with self._filling:
            now = self._own_clock.monotonic()
            self._level = min(self._burst, self._level + (now - self._at) * self._rate) - 1
            self._at = now
            wait = -self._level / self._rate
        if wait > 0:
            self.sleep(wait)

    def sleep(self, seconds: float) -> None:
        """Wait."""
        while seconds > 0:
            self.stop()
            self._own_clock.sleep(min(seconds, SLICE))
            seconds -= SLICE

    def limits(self) -> RateLimits:
        """What is known by now."""
        return replace(super().limits(), per_second=self._rate or None)
