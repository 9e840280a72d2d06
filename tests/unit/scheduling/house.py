"""A house for the runner's tests: a runner with everything around it, in simulated time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from policies.scheduling import parser
from policies.scheduling.job_policy import JobPolicy
from policies.scheduling.jobs import Job, Launch, Outcome, Stop
from policies.scheduling.periodic_tasks import PeriodicLoop
from policies.scheduling.run import Run
from policies.scheduling.run_history import RunHistory
from policies.scheduling.runner import Runner
from tests.support.stage import NOON, Stage, StageClock, Witness, services

HOUR = timedelta(hours=1)
HOURLY = parser.read(every="hour", zone=ZoneInfo("UTC"))


def work(_stop: Stop) -> Outcome:
    return Outcome()


Work = Callable[[Stop], Outcome]


def job(project: str = "sdek", name: str = "backup", run: Work = work, policy: JobPolicy | None = None, **more: Any) -> Job:
    return Job(name, project, HOURLY, run, policy or JobPolicy(), **more)


class House:
    """A runner with everything around it; each run lasts a minute unless `lasts` says otherwise."""

    def __init__(self, folder: Path, *jobs: Job, at_once: int = 4) -> None:
        self.clock = StageClock(NOON + timedelta(minutes=30))
        self.witness = Witness()
        self.lasts: dict[str, float] = {}
        self.stage = Stage(self.clock, lambda title: self.lasts.get(title, 60.0))
        self.file = folder / "books.sqlite"
        self.jobs, self.at_once = jobs, at_once
        self.history = RunHistory.open(self.file, self.clock, self.witness.notice)
        self.runner = self.make()

    def make(self, launch: Launch | None = None) -> Runner:
        seed, starter = len(self.stage.launched), launch or self.stage.launch
        made = Runner(self.history, services(self.clock, seed), self.witness, at_once=self.at_once, launch=starter)
        made.use(self.jobs)
        return made

    def live(self, hours: float, step: float = 10.0) -> None:
        loop = PeriodicLoop(self.clock, self.witness.notice)
        loop.every(step, self.runner.tick)
        end = self.clock.monotonic() + hours * 3600
        loop.run(lambda: self.clock.monotonic() >= end)

    def runs(self, project: str = "sdek", name: str = "backup") -> list[Run]:
        """From the run history, the oldest first."""
        return self.history.recent(project, name, 1000)[::-1]

    def killed(self) -> None:
        """The process is gone with everything in it, and is started again."""
        self.clock.forget()
        self.history.close()
        self.history = RunHistory.open(self.file, self.clock, self.witness.notice)
        self.runner = self.make()
