"""A daemon with everything around it, in simulated time: its runs are answered by the test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from policies.daemon import work
from policies.daemon.child import Ended
from policies.daemon.log import Log
from policies.daemon.loop import Around, Daemon, Hands, Wanted
from policies.daemon.plan import PlannedJob, ProjectPlan
from policies.notify.message import Message
from policies.promises.findings import Findings
from policies.schedule import forms
from policies.schedule.books import Books
from policies.schedule.jobs import Stop
from policies.schedule.policy import Policy
from tests.support.stage import NOON, Stage, StageClock, services

HOURLY = forms.read(every="hour at :05", zone=ZoneInfo("UTC"))
NIGHTLY = forms.read(every="day at 01:00", zone=ZoneInfo("UTC"))
DONE = Ended(0, {}, "")
UNREACHABLE = Ended(30, {"error": {"message": "the store does not answer", "hint": "wait"}}, "")


def project(name: str = "sdek", *, rpo: timedelta | None = timedelta(hours=2), nightly: bool = False) -> ProjectPlan:
    jobs = [PlannedJob("backup", HOURLY, Policy(), "reports")]
    if nightly:
        jobs += [PlannedJob("check", NIGHTLY, Policy()), PlannedJob("drill", NIGHTLY, Policy())]
    return ProjectPlan(name, ("reports",), tuple(jobs), rpo)


@dataclass
class Channel:
    """Remembers what it was told."""

    told: list[Message] = field(default_factory=list)
    name: str = "email"

    def tell(self, message: Message) -> None:
        self.told.append(message)


class House:
    """answer: of a run, by project and job · lines: the log."""

    def __init__(self, folder: Path, *projects: ProjectPlan, as_json: bool = False) -> None:
        self.clock = StageClock(NOON + timedelta(minutes=30))
        self.stage = Stage(self.clock, lambda _title: 30.0)
        self.channel = Channel()
        self.lines: list[str] = []
        self.fail_writing = False
        self.ran: list[tuple[str, str]] = []
        self.answer: Callable[[str, str], Ended] = lambda _project, _job: DONE
        self.hands = Hands()
        self.read_anew: Callable[[], Wanted] = lambda: self.wanted(*projects)
        self.folder = folder
        self.projects = projects
        self.as_json = as_json
        self.findings = Findings.open(folder / "findings.sqlite")
        self.begin()

    def begin(self) -> None:
        """A process; the one before is gone."""
        log = Log(self._line, self.clock, as_json=self.as_json)
        self.books = Books.open(self.folder / "books.sqlite", self.clock, log.notice)
        self.around = Around(self.books, self.findings, services(self.clock, len(self.ran)), log, 4, launch=self.stage.launch)
        self.daemon = Daemon(self.around, self.wanted(*self.projects), lambda: self.read_anew())

    def _line(self, text: str) -> None:
        if self.fail_writing:
            raise OSError("no room for a line")
        self.lines.append(text)

    def wanted(self, *projects: ProjectPlan) -> Wanted:
        def run(command: Sequence[str], _stop: Stop) -> Ended:
            self.ran.append((command[0], command[1]))
            return self.answer(command[0], command[1])

        jobs = tuple(work.jobs(projects, lambda name, job: [name, job.name], run))
        return Wanted(projects, jobs, [self.channel])

    def live(self, hours: float) -> None:
        """So long, until a hand is raised at its end."""
        self.hands.stop = False
        end = self.clock.monotonic() + hours * 3600
        self.clock.after(hours * 3600, lambda: setattr(self.hands, "stop", True))
        self.daemon.run(self.hands)
        assert self.clock.monotonic() >= end

    def until(self, moment: datetime) -> None:
        self.live((moment - self.clock.now()).total_seconds() / 3600)

    def close(self) -> None:
        self.books.close()
        self.findings.close()


def with_job(plan: ProjectPlan, job: PlannedJob) -> ProjectPlan:
    return replace(plan, jobs=(*plan.jobs, job))
