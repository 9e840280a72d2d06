"""The whole file as one model."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from strongroom.settings.models import (
    AuditSettings,
    DaemonSettings,
    IdentitySettings,
    RecoverySettings,
    RepositorySettings,
    SettingsTable,
)
from strongroom.settings.notifications import NotifySettings
from strongroom.settings.projects import DefaultSettings, ProjectSettings


class Document(SettingsTable):
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
    daemon: DaemonSettings = Field(default=DaemonSettings.model_construct(), description="how the daemon runs")
    notify: NotifySettings = Field(default=NotifySettings.model_construct(), description="who is notified when an alert fires")
    audit: AuditSettings = Field(default=AuditSettings.model_construct(), description="how the log is proven to others")

    @field_validator("projects")
    @classmethod
    def _each_id_once(cls, projects: Mapping[str, ProjectSettings]) -> Mapping[str, ProjectSettings]:
        names: dict[str, str] = {}
        for name, project in projects.items():
            if project.id is not None and names.setdefault(project.id, name) != name:
                raise PydanticCustomError(
                    "meaning",
                    "has the same id as project {name}",
                    {"name": repr(names[project.id]), "at": (name, "id"), "hint": "a project has one name: remove one of them"},
                )
        return projects
