"""The tables `[copies.NAME]`: further addresses at which a copy of the repository is kept."""

from __future__ import annotations

from pydantic import Field

from strongroom.settings.models import RepositorySettings, SettingsTable
from strongroom.settings.projects import CheckJob, JobSettings, KeepSettings, LockSettings


class CopySchedules(SettingsTable):
    """When what is done to a copy itself, for each project, in its time zone. When it is brought up to date, projects say:
    `schedule.copy`."""

    check: CheckJob = Field(default=CheckJob.model_construct(), description="data stored there is read and verified")
    retention: JobSettings = Field(
        default=JobSettings.model_construct(), description="snapshots that no rule of the copy wants are forgotten there"
    )
    prune: JobSettings = Field(
        default=JobSettings.model_construct(), description="what nothing there needs any more is deleted from the copy"
    )


class CopySettings(RepositorySettings):
    """A second copy of the repository: at another address, with rules of its own about what stays there. `strongroom copy`
    brings it up to date; nothing is deleted there because it was deleted in the first one."""

    keep: KeepSettings | None = Field(
        default=None, description="which snapshots stay in the copy; where it is not said: as each project says"
    )
    schedule: CopySchedules = Field(
        default=CopySchedules.model_construct(), description="when it is checked, and when it forgets and prunes"
    )
    lock: LockSettings | None = Field(default=None, description="Object Lock in the copy; where it is not said: none")
