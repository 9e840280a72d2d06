"""A daemon with everything around it, in simulated time: its runs are answered by the test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from policies.daemon import job_results
from policies.daemon.child_processes import ProcessResult
from policies.daemon.daemon import Daemon, DaemonConfig, DaemonParts, DaemonSignals
from policies.daemon.job_config import JobConfig, ProjectConfig
from policies.daemon.log import Log
from policies.monitoring.state_store import StateStore
from policies.notifications.message import Message
from policies.scheduling import parser
from policies.scheduling.job_policy import JobPolicy
from policies.scheduling.jobs import Stop
from policies.scheduling.run_history import RunHistory
from tests.support.stage import NOON, Stage, StageClock, services

HOURLY = parser.read(every="hour at :05", zone=ZoneInfo("UTC"))
NIGHTLY = parser.read(every="day at 01:00", zone=ZoneInfo("UTC"))
DONE = ProcessResult(0, {}, "")
UNREACHABLE = ProcessResult(30, {"error": {"message": "the store does not answer", "hint": "wait"}}, "")


def project(name: str = "sdek", *, rpo: timedelta | None = timedelta(hours=2), nightly: bool = False) -> ProjectConfig:
    jobs = [JobConfig("backup", HOURLY, JobPolicy(), "reports")]
    if nightly:
        jobs += [JobConfig("check", NIGHTLY, JobPolicy()), JobConfig("drill", NIGHTLY, JobPolicy())]
    return ProjectConfig(name, ("reports",), tuple(jobs), rpo)


@dataclass
class Channel:
    """Remembers what it was told."""

    told: list[Message] = field(default_factory=list)
    name: str = "email"

    def send(self, message: Message) -> None:
        self.told.append(message)


class House:
    """answer: of a run, by project and job · lines: the log."""

    def __init__(self, folder: Path, *projects: ProjectConfig, as_json: bool = False) -> None:
        self.clock = StageClock(NOON + timedelta(minutes=30))
        self.stage = Stage(self.clock, lambda _title: 30.0)
        self.channel = Channel()
        self.lines: list[str] = []
        self.fail_writing = False
        self.ran: list[tuple[str, str]] = []
        self.answer: Callable[[str, str], ProcessResult] = lambda _project, _job: DONE
        self.hands = DaemonSignals()
        self.read_anew: Callable[[], DaemonConfig] = lambda: self.wanted(*projects)
        self.folder = folder
        self.projects = projects
        self.as_json = as_json
        self.state_store = StateStore.open(folder / "findings.sqlite")
        self.begin()

    def begin(self) -> None:
        """A process; the one before is gone."""
        log = Log(self._line, self.clock, as_json=self.as_json)
        self.history = RunHistory.open(self.folder / "books.sqlite", self.clock, log.notice)
        self.around = DaemonParts(
            self.history, self.state_store, services(self.clock, len(self.ran)), log, 4, launch=self.stage.launch
        )
        self.daemon = Daemon(self.around, self.wanted(*self.projects), lambda: self.read_anew())

    def _line(self, text: str) -> None:
        if self.fail_writing:
            raise OSError("no room for a line")
        self.lines.append(text)

    def wanted(self, *projects: ProjectConfig) -> DaemonConfig:
        def run(command: Sequence[str], _stop: Stop) -> ProcessResult:
            self.ran.append((command[0], command[1]))
            return self.answer(command[0], command[1])

        jobs = tuple(job_results.jobs(projects, lambda name, job: [name, job.name], run))
        return DaemonConfig(projects, jobs, [self.channel])

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
        self.history.close()
        self.state_store.close()


def with_job(plan: ProjectConfig, job: JobConfig) -> ProjectConfig:
    return replace(plan, jobs=(*plan.jobs, job))
