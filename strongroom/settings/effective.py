"""The settings that apply, as every command has them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from vault.errors import UsageError
from vault.hidden_fields import HidesFields

if TYPE_CHECKING:
    from strongroom.settings.document import CopySettings, Document
    from strongroom.settings.models import IdentitySettings, RepositorySettings
    from strongroom.settings.projects import ProjectSettings, SourceSettings


class Settings(HidesFields, frozen=True):
    """All of a settings file.

    file: where it was read from · text: what it holds · copy: the name of the copy of the repository that is meant in the place
    of the repository itself, empty where none is · first: then, where that one lies
    """

    file: Path
    text: str
    document: Document
    copy: str = ""
    first: RepositorySettings | None = None

    def __repr__(self) -> str:
        return f"Settings({self.file})"

    @property
    def repository(self) -> RepositorySettings:
        """Where the repository lies and how to reach it."""
        return self.document.repository

    @property
    def copies(self) -> Mapping[str, CopySettings]:
        """Where copies of the repository are kept, by name."""
        return self.document.copies

    def of_copy(self, name: str) -> Settings:
        """The same, with a copy in the place of the repository: its address, and what it says of retention and locks. Raises
        `UsageError` with the nearest name."""
        if name not in self.copies:
            close = difflib.get_close_matches(name, self.copies, n=1, cutoff=0.5)
            known = f"there are: {', '.join(self.copies)}" if self.copies else "add one to the settings: [copies.NAME]"
            known = "a time is named with --since" if name[:1].isdigit() else known  # as in an earlier version
            hint = f"did you mean {close[0]!r}?" if close else known
            raise UsageError(f"the settings name no copy {name!r}", hint=hint)
        from strongroom.settings.projects import LockSettings

        copy, document = self.copies[name], self.document
        rules = {"lock": copy.lock or LockSettings.model_construct()} | ({} if copy.keep is None else {"keep": copy.keep})
        projects = {title: one.model_copy(update=rules) for title, one in document.projects.items()}
        own = {"repository": copy, "projects": projects, "defaults": document.defaults.model_copy(update=rules)}
        return replace(self, document=document.model_copy(update=own), copy=name, first=document.repository)

    def of_repository(self) -> Settings:
        """Of a copy's: those of the repository itself, but for what the copy says of retention and locks."""
        if self.first is None:
            return self
        return replace(self, document=self.document.model_copy(update={"repository": self.first}), copy="", first=None)

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
