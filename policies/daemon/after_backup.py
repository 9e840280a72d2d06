"""Jobs that run after backups, such as publications: where one has not run since the newest backup of its project, it is asked
for, as a person would."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Protocol

from policies.daemon.job_config import JobConfig, ProjectConfig
from policies.scheduling.run import SUCCESSES, Run
from policies.scheduling.run_requests import RunRequests
from vault.clock import A_LITTLE
from vault.repository.services import Services


class RecentRuns(Protocol):
    """What is known of a job's runs."""

    def recent(self, project: str, job: str) -> Sequence[Run]:
        """The newest runs of a job, the newest first."""
        ...


def ask(projects: Iterable[ProjectConfig], runs: RecentRuns, requests: RunRequests, services: Services) -> int:
    """Ask for every job that is to run after a backup, and has not; gives how many were asked for. Raises `StrongroomError`."""
    now, asked = services.clock.now(), 0
    wanted = [(project.name, job.name) for project in projects for job in _waiting(project, runs, now)]
    pending = requests.pending() if wanted else {}
    for key in wanted:
        if key not in pending:
            requests.ask(services.randomness.token(8).hex(), *key)
            asked += 1
    return asked


def _waiting(project: ProjectConfig, runs: RecentRuns, now: datetime) -> Iterator[JobConfig]:
    """The jobs that have not begun since the newest backup ended, and are not under way."""
    after = [job for job in project.jobs if job.after_backup]
    ends = [_newest_end(runs.recent(project.name, job.name)) for job in project.jobs if job.kind == "backup"] if after else []
    newest = max((end for end in ends if end is not None), default=None)
    for job in after if newest is not None else ():
        run = next(iter(runs.recent(project.name, job.name)), None)
        if run is None or (run.ending is not None and not _began_after(run, newest, now)):
            yield job


def _newest_end(runs: Sequence[Run]) -> datetime | None:
    return max((run.ended for run in runs if run.ending in SUCCESSES and run.ended is not None), default=None)


def _began_after(run: Run, end: datetime | None, now: datetime) -> bool:
    """One from a clock that was ahead says nothing."""
    return end is not None and end <= run.started <= now + A_LITTLE
