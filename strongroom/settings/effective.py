"""The settings that apply, as every command has them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from vault.hidden_fields import HidesFields

if TYPE_CHECKING:
    from strongroom.settings.document import Document
    from strongroom.settings.models import IdentitySettings, RepositorySettings
    from strongroom.settings.projects import ProjectSettings, SourceSettings


class Settings(HidesFields, frozen=True):
    """All of a settings file. file: where it was read from · text: what it holds."""

    file: Path
    text: str
    document: Document

    def __repr__(self) -> str:
        return f"Settings({self.file})"

    @property
    def repository(self) -> RepositorySettings:
        """Where the repository lies and how to reach it."""
        return self.document.repository

    @property
    def identity(self) -> IdentitySettings:
        """Where the identity comes from."""
        return self.document.identity

    @property
    def recovery(self) -> tuple[str, ...]:
        """Public keys that every new project is sealed to as well."""
        return self.document.recovery.recipients

    @property
    def projects(self) -> Mapping[str, tuple[SourceSettings, ...]]:
        """The sources of every project that is named, by its name."""
        return {name: project.sources for name, project in self.document.projects.items()}

    def project(self, name: str) -> ProjectSettings:
        """All that applies to a project; one that is not named has the defaults and no sources."""
        from strongroom.settings.projects import ProjectSettings

        found = self.document.projects.get(name)
        if found is not None:
            return found
        return ProjectSettings.model_construct(**dict(self.document.defaults))

    def project_id(self, name: str) -> str | None:
        """The id by which the settings name a project; None where its name is the one that it has in the repository."""
        found = self.document.projects.get(name)
        return found.id if found is not None else None

    def name_of(self, project_id: str, stored: str) -> str:
        """What a project is called here. stored: its name in the repository, unless the settings give that to another one."""
        for name, project in self.document.projects.items():
            if project.id == project_id:
                return name
        return project_id if self.project_id(stored) not in (None, project_id) else stored

    def zone(self, project: str) -> str:
        """The name of a project's time zone."""
        return self.project(project).zone
