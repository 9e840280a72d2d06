"""The daemon's jobs: which there are, what their runs came to and said, and asking for a run now."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from policies.daemon.run_output import RunOutput, text_of
from policies.scheduling.run_requests import RunRequests
from strongroom import context, local_state
from strongroom.settings import Settings
from vault import wording
from vault.errors import Busy, StrongroomError, UsageError

if TYPE_CHECKING:
    from policies.daemon.child_processes import ProcessResult
    from policies.scheduling.run import Run
    from policies.scheduling.run_history import RunHistoryReader

MOST_RUNS = 1000
"""Of one job: as many as the history has."""

LOOK_EVERY = 0.3
"""Seconds between two looks at a run that was asked for."""

WRITTEN_WITHIN = 20
"""Looks at the history after which a run whose request was taken must be there."""

Key = tuple[str, str]
"""A job: its project and its name."""


@dataclass(frozen=True, slots=True)
class DaemonJob:
    """A job that the settings give a schedule. schedule: as the settings say it · last: its newest run · next_run: now, where
    it is due."""

    project: str
    job: str
    schedule: str
    last: Run | None
    next_run: datetime

    def as_json(self) -> dict[str, Any]:
        return {
            "project": self.project,
            "job": self.job,
            "schedule": self.schedule,
            "running": self.last is not None and self.last.ending is None,
            "last_run": None if self.last is None else RunLog(self.last, "").as_json(),
            "next_run": self.next_run.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class RunLog:
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
        run = self.run
        return {
            "project": run.project,
            "job": run.job,
            "run": run.id,
            "planned": run.planned.isoformat(),
            "attempt": run.attempt,
            "started": run.started.isoformat(),
            "ended": run.ended and run.ended.isoformat(),
            "ending": run.ending,
            "problems": run.problems,
            "message": run.message,
            "output": self.output.splitlines(),
        }


def scheduled(settings: Settings) -> list[Key]:
    """The jobs that have a schedule."""
    from strongroom import from_settings

    return [(plan.name, job.name) for plan in from_settings.projects(settings) for job in plan.jobs]


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

    reader = RunHistoryReader.open(local_state.folder(settings) / local_state.BOOKS, context.services().host)
    try:
        yield reader
    finally:
        reader.close()


def jobs(settings: Settings) -> list[DaemonJob]:
    """Every job that has a schedule, with its newest run and the next. Raises `StrongroomError`."""
    from policies.scheduling.due import next_run
    from strongroom import from_settings

    found, now = [], context.services().clock.now()
    with history_reader(settings) as history:
        for plan in from_settings.projects(settings):
            for job in plan.jobs:
                runs = history.recent(plan.name, job.name)
                upcoming = next_run(f"{plan.name}/{job.name}", job.schedule, job.policy, runs, now)
                said = getattr(settings.project(plan.name).schedule, job.kind)
                schedule = said.every or f"cron {said.cron}"
                found.append(DaemonJob(plan.name, job.name, schedule, runs[0] if runs else None, upcoming))
    return found


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
    now = context.services().clock.now()
    with history_reader(settings) as history:
        runs = [run for key in keys for run in history.recent(*key, MOST_RUNS)]
    return _with_output(settings, [run for run in runs if since is None or (run.ended or now) >= since])


def _with_output(settings: Settings, runs: Sequence[Run]) -> list[RunLog]:
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


@dataclass(slots=True)
class Follower:
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
        return _with_output(self.settings, found)


def _require_idle(key: Key, history: RunHistoryReader) -> None:
    """Raises `Busy` where a run of the job is under way."""
    run = next((run for run in history.recent(*key, 1) if run.ending is None), None)
    if run is not None:
        command = f"strongroom daemon logs {wording.quoted(key[1])} {wording.quoted(key[0])} --follow"
        raise Busy(
            f"{key[0]}/{key[1]} is running since {wording.moment(run.started)}",
            hint=f"follow it with `{command}`, or say --wait",
        )


@dataclass(slots=True)
class RequestedRuns:
    """Runs that were asked for, from the request to their ends. runs: the id of each job's."""

    settings: Settings
    runs: dict[Key, str]
    _reported: set[str] = field(default_factory=set)
    _reported_waiting: bool = False

    @classmethod
    @contextmanager
    def of(cls, settings: Settings, keys: Sequence[Key], *, wait: bool) -> Iterator[RequestedRuns]:
        """Ask for a run of each job; what has not started at the end is not wanted any more. wait: where one is running, it
        runs again afterwards. Raises `Busy` where one is running, `StrongroomError`."""
        asking, randomness = requests(settings), context.services().randomness
        if not wait:
            with history_reader(settings) as history:
                for key in keys:
                    _require_idle(key, history)
        runs = {key: randomness.token(8).hex() for key in keys}
        try:
            for key, run_id in runs.items():
                asking.ask(run_id, *key)
            yield cls(settings, runs)
        finally:
            for run_id in runs.values():
                asking.withdraw(run_id)

    @property
    def waits(self) -> bool:
        """Whether one of them has not started."""
        asking = requests(self.settings)
        return any(asking.is_pending(run) for run in self.runs.values())

    def somebody_else_starts(self) -> bool:
        """Whether a daemon of this machine is there to do it."""
        from policies.scheduling import run_history_file

        file = local_state.folder(self.settings) / local_state.BOOKS
        try:
            return run_history_file.is_locked(file)
        except OSError as error:
            raise StrongroomError(f"{file} cannot be looked at: {error.strerror}") from error

    def require_started(self) -> None:
        """After this process was the daemon for them. Raises `StrongroomError`."""
        if self.waits and not self.somebody_else_starts():
            raise StrongroomError("the run could not be started", hint="what was said before this tells why")

    def over(self, report: Callable[[str], None]) -> bool:
        """Whether all have ended. report: hears what begins, and that the daemon lets one wait. Raises `UsageError` where the
        daemon does not know a job."""
        asking, ended = requests(self.settings), True
        for key, run_id in self.runs.items():
            pending = asking.is_pending(run_id)
            run = self._run(key, run_id)
            if run is None and not pending and self._is_unknown(key, run_id):
                raise UsageError(
                    f"the daemon that is running does not know the job {key[0]}/{key[1]}, or has ended before it wrote it down",
                    hint="have it read the settings anew: `systemctl reload strongroom`",
                )
            if run is not None and run_id not in self._reported:
                self._reported.add(run_id)
                report(f"{key[0]}/{key[1]}: started {wording.moment(run.started)}")
            ended = ended and run is not None and run.ending is not None
        if not ended and self.waits and not self._reported_waiting and self.somebody_else_starts():
            self._reported_waiting = True
            report("the daemon is running and was asked; it starts the run within seconds, or once there is room for it")
        return ended

    def logs(self) -> list[RunLog]:
        """What came of them."""
        found = [self._run(key, run_id) for key, run_id in self.runs.items()]
        return _with_output(self.settings, [run for run in found if run is not None])

    def _run(self, key: Key, run_id: str) -> Run | None:
        """As the history has it now: the file may have been made since, or replaced."""
        with history_reader(self.settings) as history:
            return next((one for one in history.recent(*key) if one.id == run_id), None)

    def _is_unknown(self, key: Key, run_id: str) -> bool:
        """A run is written down right after its request was taken: look again a little later."""
        for _ in range(WRITTEN_WITHIN):
            context.services().clock.sleep(LOOK_EVERY)
            if self._run(key, run_id) is not None:
                return False
        return True


def keep_output(settings: Settings, run: Run | None, ended: ProcessResult, report: Callable[[str], None]) -> None:
    """Keep what a run has said. report: hears that it cannot be kept, which stops nothing."""
    if run is None:
        return
    try:
        outputs(settings).keep(run.project, run.job, run.id, text_of(ended))
    except StrongroomError as error:
        report(str(error))
