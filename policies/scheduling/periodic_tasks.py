"""The loop that makes everything else move: certain things again and again, so many seconds apart.

What a beat raises is reported when it begins to fail, once an hour while it goes on, and when it works again; `failing` has
those that fail just now.

The `schedule` library keeps the beats and nothing else. Left alone it reads the wall clock itself, so that a clock set back by
a day would stop it for a day; and what one job raises keeps all later ones from their turn. So its beats go by our monotonic
clock here, and what they raise is reported and not let out. When something is due is never asked of it (see `due`).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

import schedule
from msgspec import Struct

from policies.scheduling.job_state import mistake
from vault.clock import Clock
from vault.errors import StrongroomError

LONGEST_SLEEP = 1.0
"""Seconds; a signal that asks for the end is seen this much later at most."""


REPORT_EVERY = 3600.0
"""Seconds between two words about a beat that goes on failing."""
REPORT_CHANGES_EVERY = 60.0
"""Seconds, where it fails otherwise than before."""


class Failure(Struct, frozen=True):
    """A beat that fails. since: on the wall clock · error: what it raised last, for people."""

    beat: str
    since: datetime
    error: str

    def as_json(self) -> dict[str, str]:
        """For monitors and `status`."""
        return {"task": self.beat, "since": self.since.isoformat(), "error": self.error}


class PeriodicLoop:
    """clock: for the beats and the pauses · report: hears what a beat has raised."""

    def __init__(self, clock: Clock, report: Callable[[str], None]) -> None:
        self._clock = clock
        self._report = report
        self._beats: list[_Beat] = []
        self._scheduler = schedule.Scheduler()

    def every(self, seconds: float, work: Callable[[], object], name: str = "") -> None:
        """From now on do this so often; first at the next beat. name: what it does, for people."""
        beat = _Beat(self._clock, self._report, seconds, work, name)
        self._beats.append(beat)
        self._scheduler.jobs.append(beat)

    @property
    def failing(self) -> tuple[Failure, ...]:
        """The beats whose last turn failed."""
        return tuple(beat.failure for beat in self._beats if beat.failure is not None)

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

    def __init__(
        self, clock: Clock, report: Callable[[str], None], seconds: float, work: Callable[[], object], name: str
    ) -> None:
        super().__init__(1)
        self._clock = clock
        self._report = report
        self._seconds = seconds
        self._work = work
        self._name = name
        self._next = clock.monotonic()
        self._reported_at = 0.0
        self.failure: Failure | None = None

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
            self._failed(str(error) if isinstance(error, StrongroomError) else mistake(error))
        else:
            if self.failure is not None:
                failed, self.failure = self.failure, None
                self._say(f"{failed.beat}: works again, after it failed since {failed.since:%Y-%m-%d %H:%M:%S} UTC")

    def _failed(self, what: str) -> None:
        before, now = self.failure, self._clock.monotonic()
        self.failure = Failure(self._name, self._clock.now() if before is None else before.since, what)
        pause = REPORT_EVERY if before is not None and before.error == what else REPORT_CHANGES_EVERY
        if before is None or now - self._reported_at >= pause:
            self._reported_at = now
            self._say(f"{self._name}: {what}" if self._name else what)

    def _say(self, text: str) -> None:
        """What cannot even be reported is in `failing`."""
        with suppress(Exception):
            self._report(text)
