"""What the settings ask of the daemon, as values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct

from policies.scheduling.due import next_run
from policies.scheduling.job_policy import JobPolicy
from policies.scheduling.parser import Schedule
from policies.scheduling.run import Run

Kind = Literal["backup", "check", "drill", "retention", "prune", "copy", "publish"]


class JobConfig(Struct, frozen=True):
    """source: of a backup; "" for the others, which are about the whole project · copy: of the repository, that it is about ·
    publication: that is brought up to date · after_backup: it runs after each backup of the project, too."""

    kind: Kind
    schedule: Schedule
    policy: JobPolicy
    source: str = ""
    copy: str = ""
    publication: str = ""
    after_backup: bool = False

    @property
    def name(self) -> str:
        """In the run history, for ever: `backup reports`, `check`, `copy offsite`, `prune offsite`, `publish bi`."""
        return f"{self.kind} {self.source or self.copy or self.publication}".strip()


class ProjectConfig(Struct, frozen=True):
    """sources: names · rpo: how long one may be without a success · max_failures: so many bad runs in a row are too many ·
    check_within: everything is to be read in that time · copies: names · copy_within: how long one of them may be without what
    the repository has."""

    name: str
    sources: tuple[str, ...]
    jobs: tuple[JobConfig, ...]
    rpo: timedelta | None = None
    max_failures: int = 3
    check_within: timedelta = timedelta(days=30)
    copies: tuple[str, ...] = ()
    copy_within: timedelta | None = None

    def next_run(self, job: JobConfig, recent: Callable[[str, str], Sequence[Run]], now: datetime) -> datetime:
        """When a job of it will start next; of one that runs after backups, no later than the next of these. recent: the newest
        runs of a job, by the project's name and its own."""
        jobs = [job, *(one for one in self.jobs if one.kind == "backup")] if job.after_backup else [job]
        return min(
            next_run(f"{self.name}/{one.name}", one.schedule, one.policy, recent(self.name, one.name), now) for one in jobs
        )

    def job(self, kind: Kind) -> JobConfig | None:
        """The first job of that kind that is about the repository itself."""
        return next((one for one in self.jobs if one.kind == kind and not one.copy), None)
