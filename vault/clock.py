"""The one door to time."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

A_LITTLE = timedelta(hours=1)
"""A clock that is ahead by less is one that was put right, not one that was wrong."""


class Clock(Protocol):
    """Where every part gets its time from; tests pass a clock of their own."""

    def now(self) -> datetime:
        """The moment, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that only grow, for measuring."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)
