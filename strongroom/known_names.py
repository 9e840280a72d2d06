"""Names that this machine knows without asking the store or opening a key: for shell completion, and for suggestions.

Projects, sources and kinds are those of the settings; projects and snapshots also those that were seen here before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from strongroom import settings, store_access

if TYPE_CHECKING:
    from strongroom.settings import Settings
    from vault.repository.client_memory import ClientMemory


class KnownNames(Struct, frozen=True):
    """settings: none of them where the repository is named by its address · memory: of what was seen here."""

    settings: Settings
    memory: ClientMemory

    def projects(self) -> list[str]:
        """All of them."""
        return sorted({*self.settings.projects, *self.memory.projects()})

    def sources(self, project: str | None = None) -> list[str]:
        """Of a project, or of all."""
        return sorted({one.name for name in self._of(project) for one in self.settings.project(name).sources})

    def kinds(self, project: str | None = None) -> list[str]:
        """Of a project, or of all."""
        return sorted({one.kind for name in self._of(project) for one in self.settings.project(name).sources})

    def copies(self) -> list[str]:
        """The copies of the repository."""
        return sorted(self.settings.copies)

    def snapshots(self, project: str | None = None) -> list[str]:
        """The ids of those that were seen, the newest first; of a project, or of all."""
        return sorted(self._remembered("snapshots", project), reverse=True)

    def holds(self, project: str | None = None) -> list[str]:
        """The ids of those that were seen, of a project, or of all."""
        return sorted(self._remembered("holds", project))

    def _remembered(self, kind: str, project: str | None) -> Iterator[str]:
        ids = self.memory.projects()
        for one in ids.values() if project is None else [ids[project]] if project in ids else []:
            yield from self.memory.lines(kind, one)

    def _of(self, project: str | None) -> Iterable[str]:
        return self.settings.projects if project not in self.settings.projects else [project or ""]


def known_names(config: Path | None = None, address: str | None = None) -> KnownNames:
    """config: the settings file, None for the one that is found · address: of a repository without settings. Raises
    `SettingsError`, `UsageError`."""
    found = settings.load(settings.find(config)) if address is None else settings.of_address(address)
    return KnownNames(found, store_access.memory_of_settings(found))
