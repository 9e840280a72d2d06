"""Time for tests: it stands still unless somebody sleeps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class StillClock:
    """A `vault.clock.Clock` whose `sleep` takes no time and moves it on; `slept` says by how much."""

    def __init__(self, start: datetime = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)) -> None:
        self._start = start
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return sum(self.slept)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
