"""The projects that somebody sees, in numbers."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from console.gateway import home
from console.visit import Visit


class ProjectCard(Struct, frozen=True):
    """A project. taken_at: of its newest snapshot; None where there is none · snapshots: how many there are · bytes, items:
    files of the newest snapshots of its sources, as far as whoever asks sees them."""

    name: str
    taken_at: datetime | None
    snapshots: int
    items: int
    bytes: int


def visible(visit: Visit) -> list[ProjectCard]:
    """Each project that whoever asks may see, by name. Raises `StorageError`."""
    found = home.cards(visit, waits=True)
    for one in found:
        if one.problem is not None:
            raise one.problem
    return [ProjectCard(one.name, one.taken_at, one.snapshots, one.items, one.bytes) for one in found]
