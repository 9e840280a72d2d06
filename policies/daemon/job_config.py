"""What the settings ask of the daemon, as values."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from msgspec import Struct

from policies.scheduling.job_policy import JobPolicy
from policies.scheduling.parser import Schedule

Kind = Literal["backup", "check", "drill", "retention", "prune", "copy"]


class JobConfig(Struct, frozen=True):
    """source: of a backup; "" for the others, which are about the whole project · copy: of the repository, that it is about."""

    kind: Kind
    schedule: Schedule
    policy: JobPolicy
    source: str = ""
    copy: str = ""

    @property
    def name(self) -> str:
        """In the run history, for ever: `backup reports`, `check`, `copy offsite`, `prune offsite`."""
        return f"{self.kind} {self.source or self.copy}".strip()


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

    def job(self, kind: Kind) -> JobConfig | None:
        """The first job of that kind that is about the repository itself."""
        return next((one for one in self.jobs if one.kind == kind and not one.copy), None)
