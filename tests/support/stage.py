"""A day's work of a daemon in no time: a clock that can be moved, and runs that last as long as the test says.

clock = StageClock(datetime(2026, 3, 28, tzinfo=UTC))
stage = Stage(clock, lasts=lambda name: 90.0)
runner = Runner(history, services(clock), watcher, launch=stage.launch)
clock.sleep(60)     # runs whose time has come end at their own moments, in order
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from policies.scheduling.run import Run
from tests.support.randomness import SeededChance
from vault.clock import Clock
from vault.repository.services import Services

NOON = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)
HERE = "here"


def services(clock: Clock, seed: int = 0) -> Services:
    """What a runner needs besides."""
    return Services(clock, SeededChance(seed), HERE, "test")


class StageClock:
    """A `vault.clock.Clock` that stands still unless somebody sleeps."""

    def __init__(self, start: datetime = NOON) -> None:
        self._now = start
        self._monotonic = 1000.0
        self._ends: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def sleep(self, seconds: float) -> None:
        end = self._monotonic + seconds
        while self._ends and self._ends[0][0] <= end:
            at, _, work = heapq.heappop(self._ends)
            self._pass(max(0.0, at - self._monotonic))
            work()
        self._pass(end - self._monotonic)

    def sleep_until(self, moment: datetime) -> None:
        self.sleep((moment - self._now).total_seconds())

    def set(self, moment: datetime) -> None:
        """Somebody sets the clock, or the machine was asleep: no time has passed for programs."""
        self._now = moment

    def after(self, seconds: float, work: Callable[[], None]) -> None:
        """Do this while somebody sleeps."""
        self._count += 1
        heapq.heappush(self._ends, (self._monotonic + seconds, self._count, work))

    def forget(self) -> None:
        """Whatever was to be done will not be: the process is gone."""
        self._ends.clear()

    def _pass(self, seconds: float) -> None:
        self._monotonic += seconds
        self._now += timedelta(seconds=seconds)


class Stage:
    """Launches runs that do all their work in the moment of their end. lasts: seconds, by the job's title."""

    def __init__(self, clock: StageClock, lasts: Callable[[str], float] = lambda _title: 0.5) -> None:
        self._clock = clock
        self._lasts = lasts
        self.launched: list[str] = []

    def launch(self, title: str, work: Callable[[], None]) -> None:
        self.launched.append(title)
        self._clock.after(self._lasts(title), work)


class Witness:
    """A `Watcher` that remembers."""

    def __init__(self) -> None:
        self.begun: list[Run] = []
        self.over: list[Run] = []
        self.notices: list[str] = []

    def started(self, run: Run) -> None:
        self.begun.append(run)

    def ended(self, run: Run) -> None:
        self.over.append(run)

    def notice(self, text: str) -> None:
        self.notices.append(text)
