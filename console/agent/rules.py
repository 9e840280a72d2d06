"""What the host's own settings let people ask of it; nothing where they say nothing."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from msgspec import Struct

from console.hosts.messages import MOST_FOLDERS, MOST_PROJECTS, ProjectOffer
from strongroom.settings.agent import AgentSettings
from vault.errors import RefusedByRule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from console.hosts.messages import Work
    from strongroom.project import Project


class HostRules(Struct, frozen=True):
    """settings: of this host · console: the address of the console that asks · only: projects that this agent is for; empty for
    all."""

    settings: AgentSettings
    console: str
    only: tuple[str, ...] = ()

    def offers(self, projects: Sequence[Project]) -> dict[str, ProjectOffer]:
        """What this host would do in projects that it opens: nothing in those whose content it cannot read."""
        readable = sorted(one.name for one in projects if one.stored.capability.content_identity is not None)
        found = {name: self.offer_of(name) for name in readable}
        offered = [(name, one) for name, one in found.items() if one.in_place or one.folders]
        return dict(offered[:MOST_PROJECTS])

    def offer_of(self, project: str) -> ProjectOffer:
        """The same of one that it can read."""
        if self.only and project not in self.only:
            return ProjectOffer()
        allow = self.settings.allow
        found = [one for one in allow if any(fnmatchcase(project, pattern) for pattern in one.projects)]
        folders = dict.fromkeys(name for one in found for name in one.folders)
        return ProjectOffer(any(one.in_place for one in found), list(folders)[:MOST_FOLDERS])

    def require_allowed(self, work: Work) -> None:
        """Raises `RefusedByRule` where it is not for this host, whatever the console thinks."""
        offer = self.offer_of(work.project)
        if work.goal == "place" and not offer.in_place:
            raise RefusedByRule(
                "the settings of this host do not let files of this project go back to where they were",
                hint="add in_place = true to a rule [[agent.allow]] of the host",
            )
        if work.goal == "folder" and work.folder not in offer.folders:
            raise RefusedByRule(
                "the settings of this host do not let this project be restored into such a folder",
                hint="name it in a rule [[agent.allow]] of the host",
            )
