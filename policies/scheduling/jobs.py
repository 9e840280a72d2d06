"""A job, as it is handed in; what it can ask while it runs, what it returns when it is done, and who hears of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal, Protocol

from msgspec import Struct, field

from policies.scheduling.due import next_run
from policies.scheduling.job_policy import JobPolicy
from policies.scheduling.parser import Schedule
from policies.scheduling.run import Run
from vault.clock import Clock

Reason = Literal["timeout", "stopped"]
Slot = Literal["backup", "maintenance", "copy"]
"""Backups never wait for maintenance or copies, nor these for each other: each has places of its own."""


class Stop(Struct):
    """Asked by a running job between its steps: true once it should end. A job that ends early because of it raises
    `vault.errors.Interrupted`; one that can still finish just does. deadline: on the monotonic clock · run: this
    one, where it is in a history."""

    clock: Clock
    deadline: float
    _stopped: bool = False
    run: Run | None = None

    def __call__(self) -> bool:
        return self.reason is not None

    @property
    def reason(self) -> Reason | None:
        """Why it should end; None while it should not."""
        if self._stopped:
            return "stopped"
        return "timeout" if self.left() <= 0 else None

    def left(self) -> float:
        """Seconds until its time is over."""
        return self.deadline - self.clock.monotonic()

    def ask(self) -> None:
        """The process wants to end."""
        self._stopped = True


class Outcome(Struct, frozen=True):
    """What a job that did its work returns: how many problems there were, and a sentence for people."""

    problems: int = 0
    message: str = ""


class Job(Struct, frozen=True):
    """name: what is done, within its project: `backup reports`. The two together are one job for ever, in the run history too.
    run: the work itself, on a thread of its own; what it raises is written down and stops nobody else · slot: which places it
    takes · rpo: how long it may be without a success; of those that are later than that the latest one goes first."""

    name: str
    project: str
    schedule: Schedule
    run: Callable[[Stop], Outcome]
    policy: JobPolicy = field(default_factory=JobPolicy)
    slot: Slot = "backup"
    rpo: timedelta | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Project and name."""
        return self.project, self.name

    @property
    def title(self) -> str:
        """For people, and for its share of the jitter."""
        return f"{self.project}/{self.name}"

    def next_run(self, runs: list[Run], now: datetime) -> datetime:
        """When it will start next; now, where it is due. runs: from the run history, the newest first."""
        return next_run(self.title, self.schedule, self.policy, runs, now)


class Watcher(Protocol):
    """Hears what the runner does, on its thread; it must be quick."""

    def started(self, run: Run) -> None:
        """A run has begun."""
        ...

    def ended(self, run: Run) -> None:
        """A run has ended, or its due times are passed over."""
        ...

    def notice(self, text: str) -> None:
        """Something that a person should know and that stops nothing."""
        ...


Launch = Callable[[str, Callable[[], None]], None]
"""Starts a piece of work that never raises, under a name, and returns at once."""


def in_a_thread(name: str, work: Callable[[], None]) -> None:
    """A thread of its own, which does not hold up the end of the process: whoever ignores a stop is cut off."""
    threading.Thread(target=work, name=name, daemon=True).start()
