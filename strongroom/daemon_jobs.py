"""The daemon's jobs: which there are, and what their runs came to and said."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from policies.daemon.run_output import RunOutput, text_of
from policies.scheduling.run_requests import RunRequests
from strongroom import environment, local_state
from strongroom.settings import Settings, resolve
from vault import wording
from vault.errors import StrongroomError, UsageError

if TYPE_CHECKING:
    from policies.daemon.child_processes import ProcessResult
    from policies.daemon.job_config import JobConfig
    from policies.scheduling.rules import Calendar, Cron, Interval, OnRequest
    from policies.scheduling.run import Run
    from policies.scheduling.run_history import RunHistoryReader
    from strongroom.settings.projects import JobSettings

MOST_RUNS = 1000
"""Of one job: as many as the history has."""

Key = tuple[str, str]
"""A job: its project and its name."""


class DaemonJob(Struct, frozen=True):
    """A job that the settings give a schedule. schedule: as the settings say it · last: its newest run · next_run: now, where
    it is due · rule: the schedule as a value · after_backup: it runs after backups, too."""

    project: str
    job: str
    schedule: str
    last: Run | None
    next_run: datetime
    rule: Interval | Calendar | Cron | OnRequest
    after_backup: bool

    def as_json(self) -> dict[str, Any]:
        return {
            "project": self.project,
            "job": self.job,
            "schedule": self.schedule,
            "is_running": self.last is not None and self.last.ending is None,
            "last_run": None if self.last is None else run_as_json(self.last),
            "next_run": self.next_run.isoformat(),
        }


class RunLog(Struct, frozen=True):
    """A run, and what it has said; an empty text where nothing is kept of that."""

    run: Run
    output: str

    def lines(self) -> Iterator[str]:
        """For people."""
        run, title = self.run, f"{self.run.project}/{self.run.job}"
        if run.ending is None or run.ended is None:
            yield f"{wording.moment(run.started)} {title}: started, and running"
        else:
            took = wording.duration((run.ended - run.started).total_seconds())
            tries = f", try {run.attempt}" if run.attempt > 1 else ""
            message = f": {' '.join(run.message.split())}" if run.message else ""
            yield f"{wording.moment(run.started)} {title}: {run.ending} after {took}{tries}{message}"
        yield from (f"    {line}" for line in self.output.splitlines())

    def as_json(self) -> dict[str, Any]:
        return run_as_json(self.run) | {"output": self.output.splitlines()}


def run_as_json(run: Run) -> dict[str, Any]:
    """A run, for `--json`."""
    return {
        "project": run.project,
        "job": run.job,
        "run": run.id,
        "planned_at": run.planned.isoformat(),
        "attempt": run.attempt,
        "started_at": run.started.isoformat(),
        "ended_at": run.ended and run.ended.isoformat(),
        "ending": run.ending,
        "problems": run.problems,
        "message": run.message,
    }


def scheduled(settings: Settings) -> list[Key]:
    """The jobs that have a schedule."""
    from strongroom import daemon_config

    return [(plan.name, job.name) for plan in daemon_config.projects(settings) for job in plan.jobs]


def choose(keys: Sequence[Key], job: str | None, project: str | None) -> list[Key]:
    """The jobs that are meant. job: `check`, `backup reports`, `PROJECT/check`, or `backup` for those of all sources; None for
    all · project: None for all. Raises `UsageError` with the nearest name where there is none."""
    of_project = [key for key in keys if project in (None, key[0])]
    if project is not None and not of_project:
        raise _unknown("the project", project, [name for name, _ in keys], "has no job")
    found = [key for key in of_project if job is None or job in (key[1], key[1].split()[0], f"{key[0]}/{key[1]}")]
    if not found and job is not None:
        raise _unknown("the job", job, names(of_project), "is none of the daemon's")
    return found


def names(keys: Sequence[Key]) -> list[str]:
    """What `choose` takes as a job, the short names first."""
    kinds = [name.split()[0] for _, name in keys]
    return list(dict.fromkeys([*kinds, *(name for _, name in keys), *(f"{project}/{name}" for project, name in keys)]))


def _unknown(what: str, name: str, known: Sequence[str], why: str) -> UsageError:
    close = difflib.get_close_matches(name, list(dict.fromkeys(known)), n=3)
    hint = f"did you mean {' or '.join(map(repr, close))}?" if close else "`strongroom daemon jobs` lists those there are"
    return UsageError(f"{what} {name!r} {why}", hint=hint)


@contextmanager
def history_reader(settings: Settings) -> Iterator[RunHistoryReader]:
    """The run history of the settings' daemon, while it may be writing. Raises `StrongroomError`."""
    from policies.scheduling.run_history import RunHistoryReader

    reader = RunHistoryReader.open(local_state.folder(settings) / local_state.RUN_HISTORY, environment.services().host)
    try:
        yield reader
    finally:
        reader.close()


def jobs(settings: Settings) -> list[DaemonJob]:
    """Every job that has a schedule, with its newest run and the next. Raises `StrongroomError`."""
    from strongroom import daemon_config

    found, now = [], environment.services().clock.now()
    with history_reader(settings) as history:
        for plan in daemon_config.projects(settings):
            for job in plan.jobs:
                runs = history.recent(plan.name, job.name)
                upcoming = plan.next_run(job, history.recent, now)
                schedule = _schedule(settings, plan.name, job)
                last, rule = runs[0] if runs else None, job.schedule.rule
                found.append(DaemonJob(plan.name, job.name, schedule, last, upcoming, rule, job.after_backup))
    return found


def _schedule(settings: Settings, project: str, job: JobConfig) -> str:
    """As the settings say it."""
    own = settings.project(project)
    said: JobSettings
    if job.kind == "publish":
        said = next(one for one in own.publications if one.name == job.publication)
    elif job.copy and job.kind != "copy":
        said = getattr(settings.copies[job.copy].schedule, job.kind)
    else:
        said = resolve.job_of(own.schedule, job.kind)
    clock = said.every if said.cron is None else f"cron {said.cron}"
    return ", ".join(filter(None, [clock, "after backups" if job.after_backup else ""]))


def outputs(settings: Settings) -> RunOutput:
    """What runs have said."""
    return RunOutput(local_state.folder(settings))


def requests(settings: Settings) -> RunRequests:
    """What is asked to run now."""
    return RunRequests(local_state.folder(settings))


def known(settings: Settings) -> list[Key]:
    """The jobs of the settings, and those that only the history knows. Raises `StrongroomError`."""
    with history_reader(settings) as history:
        return list(dict.fromkeys([*scheduled(settings), *history.jobs()]))


def logs(settings: Settings, keys: Sequence[Key], since: datetime | None = None) -> list[RunLog]:
    """The runs of some jobs, the oldest first. since: only those that were under way then, or began later. Raises
    `StrongroomError`."""
    now = environment.services().clock.now()
    with history_reader(settings) as history:
        runs = [run for key in keys for run in history.recent(*key, MOST_RUNS)]
    return with_output(settings, [run for run in runs if since is None or (run.ended or now) >= since])


def with_output(settings: Settings, runs: Sequence[Run]) -> list[RunLog]:
    """Runs with what they have said, the oldest first."""
    kept = outputs(settings)
    ordered = sorted(runs, key=lambda run: (run.started, run.id))
    return [RunLog(run, kept.read(run.project, run.job, run.id) or "") for run in ordered]


def newest_lines(found: Sequence[RunLog], most: int) -> list[str]:
    """The last lines of all of them."""
    lines: list[str] = []
    for one in reversed(found):
        lines[:0] = one.lines()
        if len(lines) >= most:
            break
    return lines[-most:] if most else []


class Follower(Struct):
    """Says what is new of some jobs: runs that began, and runs that ended."""

    settings: Settings
    keys: Sequence[Key]
    _shown: set[tuple[str, bool]] = field(default_factory=set)

    def new(self) -> list[RunLog]:
        """Since the last call. Raises `StrongroomError`."""
        with history_reader(self.settings) as history:
            recent = [run for key in self.keys for run in history.recent(*key)]
        found = [run for run in recent if (run.id, run.ending is not None) not in self._shown]
        self._shown |= {(run.id, run.ending is not None) for run in found}
        return with_output(self.settings, found)


def keep_output(settings: Settings, run: Run | None, ended: ProcessResult, report: Callable[[str], None]) -> None:
    """Keep what a run has said. report: hears that it cannot be kept, which stops nothing."""
    if run is None:
        return
    try:
        outputs(settings).keep(run.project, run.job, run.id, text_of(ended))
    except StrongroomError as error:
        report(str(error))
