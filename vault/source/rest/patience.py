"""How fast a server is asked, and how long one that is busy is waited for."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from vault.clock import Clock
from vault.source.contract import Stop, never

SLICE = 1.0
"""Seconds of a wait between two looks at whether the run is to stop."""


class Pace:
    """So many requests a second, of which some may be sent at once: a bucket that fills while time passes."""

    def __init__(self, clock: Clock, per_second: float, burst: int = 1) -> None:
        """per_second: 0 for no limit."""
        self._clock = clock
        self._per_second, self._burst = per_second, burst
        self._lock = threading.Lock()
        self._level, self._at = float(burst), clock.monotonic()
        self.stop: Stop = never
        self.waited = 0.0

    def take(self) -> None:
        """Wait for the turn of one request."""
        if not self._per_second:
            return
        with self._lock:
            now = self._clock.monotonic()
            self._level = min(self._burst, self._level + (now - self._at) * self._per_second) - 1
            self._at = now
            wait = -self._level / self._per_second
        if wait > 0:
            self.sleep(wait)

    def sleep(self, seconds: float) -> None:
        """Wait, and hear what ends the run."""
        self.waited += seconds
        while seconds > 0:
            self.stop()
            self._clock.sleep(min(seconds, SLICE))
            seconds -= SLICE


def retry_after(headers: Mapping[str, str], clock: Clock) -> float | None:
    """Seconds that a server asks us to wait; None where it does not say. headers: by names in small letters."""
    text = headers.get("retry-after", "").strip()
    if text.replace(".", "", 1).isdigit() and text.isascii():
        return float(text[:12])
    moment = http_moment(text)
    return None if moment is None else max(0.0, (moment - clock.now()).total_seconds())


def http_moment(text: str) -> datetime | None:
    """A moment as HTTP writes it; None for another text."""
    try:
        found = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
