"""The loop that makes everything else move: certain things again and again, so many seconds apart.

The `schedule` library keeps the beats and nothing else. Left alone it reads the wall clock itself, so that a clock set back by
a day would stop it for a day; and what one job raises keeps all later ones from their turn. So its beats go by our monotonic
clock here, and what they raise is told and not let out. When something is due is never asked of it (see `due`).
"""

from __future__ import annotations

from collections.abc import Callable

import schedule

from vault.clock import Clock

LONGEST_SLEEP = 1.0
"""Seconds; a signal that asks for the end is seen this much later at most."""


class Metronome:
    """clock: for the beats and the pauses · tell: hears what a beat has raised."""

    def __init__(self, clock: Clock, tell: Callable[[str], None]) -> None:
        self._clock = clock
        self._tell = tell
        self._scheduler = schedule.Scheduler()

    def every(self, seconds: float, work: Callable[[], object]) -> None:
        """From now on do this so often; first at the next beat."""
        self._scheduler.jobs.append(_Beat(self._clock, self._tell, seconds, work))

    def beat(self) -> None:
        """Do what has come due."""
        self._scheduler.run_pending()

    def run(self, until: Callable[[], bool]) -> None:
        """Beat until it is said to be enough."""
        while not until():
            self.beat()
            self._clock.sleep(LONGEST_SLEEP)


class _Beat(schedule.Job):
    """A job of the library's that goes by our clock. Beats that were missed are not made up for."""

    def __init__(self, clock: Clock, tell: Callable[[str], None], seconds: float, work: Callable[[], object]) -> None:
        super().__init__(1)
        self._clock = clock
        self._tell = tell
        self._seconds = seconds
        self._work = work
        self._next = clock.monotonic()

    def __lt__(self, other: object) -> bool:
        return isinstance(other, _Beat) and self._next < other._next

    @property
    def should_run(self) -> bool:
        return self._clock.monotonic() >= self._next

    def run(self) -> None:
        self._next = self._clock.monotonic() + self._seconds
        try:
            self._work()
        except Exception as error:  # noqa: BLE001 (a mistake in one beat must not silence the others)
            self._tell(f"a mistake in Strongroom itself: {type(error).__name__}: {error}")
