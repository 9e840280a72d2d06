"""A clock that stands still until it is moved, or somebody sleeps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from threading import Lock


class FrozenClock:
    """A `vault.clock.Clock`. start: a moment with a time zone. Waiting takes no time and moves it on."""

    def __init__(self, start: datetime) -> None:
        self._now = _aware(start)
        self._monotonic = 0.0
        self._lock = Lock()

    def now(self) -> datetime:
        """The moment, in UTC."""
        return self._now

    def monotonic(self) -> float:
        """Seconds that only grow."""
        return self._monotonic

    def sleep(self, seconds: float) -> None:
        """Move on by so much, at once."""
        with self._lock:
            self._now += timedelta(seconds=seconds)
            self._monotonic += max(0.0, seconds)

    def move(self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0) -> datetime:
        """Let time pass; back where a number is negative, as a machine's clock that is set. Gives the new moment."""
        self.sleep(timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds).total_seconds())
        return self._now

    def move_to(self, moment: datetime | str) -> datetime:
        """Go to a moment, before or after: a datetime with a time zone, or its text: `2026-03-14T12:00Z`. Gives it."""
        wanted = _aware(datetime.fromisoformat(moment) if isinstance(moment, str) else moment)
        self.sleep((wanted - self._now).total_seconds())
        return self._now


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone: write 2026-03-14T12:00Z, or datetime(…, tzinfo=UTC)")
    return moment.astimezone(UTC)
