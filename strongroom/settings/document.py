"""The whole file as one model; the tables `[copies.NAME]`, which repeat of others what a copy has of its own."""

from collections.abc import Mapping

from strongroom.settings.agent import AgentSettings
from strongroom.settings.console import ConsoleSettings
from strongroom.settings.models import (
    AuditSettings,
    DaemonSettings,
    ErasureSettings,
    IdentitySettings,
    RecoverySettings,
    RepositorySettings,
)
from strongroom.settings.notifications import NotifySettings
from strongroom.settings.projects import (
    CheckJob,
    DefaultSettings,
    JobSettings,
    KeepSettings,
    LockSettings,
    ProjectSettings,
)
from strongroom.settings.tables import Field, Table, Unfit, field_check
from strongroom.settings.value_types import Word


class CopySchedules(Table):
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


class Document(Table):
    """Strongroom's settings."""

    repository: RepositorySettings = Field(description="where the repository lies and how to reach it")
    identity: IdentitySettings = Field(default=IdentitySettings.model_construct(), description="where the identity comes from")
    recovery: RecoverySettings = Field(
        default=RecoverySettings.model_construct(), description="who else can open what will be stored"
    )
    defaults: DefaultSettings = Field(
        default=DefaultSettings.model_construct(), description="for every project, unless it says otherwise itself"
    )
    projects: Mapping[str, ProjectSettings] = Field(default={}, description="the clients whose data is kept, by name")
    copies: Mapping[Word, CopySettings] = Field(default={}, description="where copies of the repository are kept, by name")
    daemon: DaemonSettings = Field(default=DaemonSettings.model_construct(), description="how the daemon runs")
    notify: NotifySettings = Field(default=NotifySettings.model_construct(), description="who is notified when an alert fires")
    erasure: ErasureSettings = Field(default=ErasureSettings.model_construct(), description="what it takes to erase a project")
    audit: AuditSettings = Field(default=AuditSettings.model_construct(), description="how the log is proven to others")
    console: ConsoleSettings = Field(
        default=ConsoleSettings.model_construct(), description="pages for people without a command line"
    )
    agent: AgentSettings = Field(
        default=AgentSettings.model_construct(), description="restores that this host carries out for a console elsewhere"
    )

    @field_check("copies")
    @classmethod
    def _each_elsewhere(cls, copies: Mapping[str, CopySettings], before: Mapping[str, object]) -> Mapping[str, CopySettings]:
        repository = before.get("repository")
        places = {}
        if isinstance(repository, RepositorySettings):
            places[(repository.address, repository.endpoint)] = "the repository"
        for name, one in copies.items():
            other = places.setdefault((one.address, one.endpoint), f"the copy {name!r}")
            if other != f"the copy {name!r}":
                raise Unfit(f"is where {other} is", at=(name, "address"), hint="a copy is kept at an address of its own")
        return copies

    @field_check("projects")
    @classmethod
    def _each_id_once(
        cls, projects: Mapping[str, ProjectSettings], _before: Mapping[str, object]
    ) -> Mapping[str, ProjectSettings]:
        names: dict[str, str] = {}
        for name, project in projects.items():
            if project.id is not None and names.setdefault(project.id, name) != name:
                raise Unfit(
                    f"has the same id as project {names[project.id]!r}",
                    at=(name, "id"),
                    hint="a project has one name: remove one of them",
                )
        return projects
