"""The projects that somebody sees."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from console.access.rights import Action
from console.gateway import checks
from console.visit import Visit


class ProjectCard(Struct, frozen=True):
    """A project on the first page. taken_at: of its newest snapshot; None where there is none · snapshots: how many there are ·
    bytes, items: of the newest snapshots of its sources."""

    name: str
    taken_at: datetime | None
    snapshots: int
    items: int
    bytes: int


def visible(visit: Visit) -> list[ProjectCard]:
    """A card for each project that whoever asks may see. Raises `StorageError`."""
    with checks.acting(visit), visit.console.repositories.lent() as repository:
        found = []
        for project in repository.projects():
            if not visit.person.scope(Action.SEE, project.name, visit.now):
                continue
            snapshots = project.snapshots().snapshots
            newest = {one.source: one for one in snapshots}
            found.append(
                ProjectCard(
                    project.name,
                    max((one.taken_at for one in newest.values()), default=None),
                    len(snapshots),
                    sum(one.counts.files for one in newest.values()),
                    sum(one.counts.bytes for one in newest.values()),
                )
            )
        return found
