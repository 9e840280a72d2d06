"""The first page: a card for each project that somebody sees."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from console.access.rights import Action
from console.gateway import checks, listings, vanished
from console.gateway.listings import Listing, MissingCount
from console.gateway.vanished import VanishedCount
from console.visit import Visit
from vault.errors import NothingFound, StrongroomError


class SourceState(Struct, frozen=True):
    """A source whose promise is not kept, and why. state: as `strongroom.project_status` names it."""

    source: str
    state: str
    taken_at: datetime | None


class ProjectCard(Struct, frozen=True):
    """A project on the first page. taken_at: of its newest snapshot; None where there is none · items, bytes: files that
    whoever asks sees · snapshots: how many there are · vanished: what its sources no longer have, by kind · broken: sources
    whose promises are not kept; None where nobody could tell · missing: sources of which reports did not appear · pending:
    whether it is still being read · problem: why nothing is known of it."""

    name: str
    taken_at: datetime | None = None
    items: int = 0
    bytes: int = 0
    snapshots: int = 0
    vanished: tuple[VanishedCount, ...] = ()
    broken: tuple[SourceState, ...] | None = None
    missing: tuple[MissingCount, ...] = ()
    pending: bool = False
    problem: StrongroomError | None = None


def cards(visit: Visit, *, waits: bool = False) -> list[ProjectCard]:
    """A card for each project that whoever asks may see, by name. What is wrong with one is on its card. waits: for what nobody
    has read yet. Raises `StorageError` where the repository does not open."""
    return [_card(visit, name, waits=waits) for name in visible(visit)]


def visible(visit: Visit) -> list[str]:
    """The names of the projects that whoever asks may see."""
    names = visit.console.known.names(visit.console.repositories)
    return [name for name in names if visit.person.scope(Action.SEE, name, visit.now)]


def _card(visit: Visit, name: str, *, waits: bool) -> ProjectCard:
    try:
        listing = listings.listing(visit, name) if waits else _listing(visit, name)
    except NothingFound:
        return ProjectCard(name)
    except StrongroomError as error:
        return ProjectCard(name, problem=error)
    if listing is None:
        return ProjectCard(name, pending=True)
    sources = listings.seen_sources(listing)
    return ProjectCard(
        name,
        max((one.taken_at for one in listing.items.records if one.source in sources), default=None),
        *_files(listing),
        sum(one.source in sources for one in listing.known.snapshots),
        tuple(vanished.counts(listing, visit.now)),
        _broken(visit, name, sources),
        listings.missing_counts(listing, visit.console.known.status(name)),
    )


def _listing(visit: Visit, name: str) -> Listing | None:
    """The project now; None while nobody has read it."""
    known = visit.console.known.soon(name, lambda: checks.opened(visit, name))
    return None if known is None else listings.listing(visit, name)


def _files(listing: Listing) -> tuple[int, int]:
    """How many files there are, and their bytes."""
    import pyarrow.compute as pc

    present = listing.present
    sizes = present["size"].filter(pc.not_equal(present["type"], "folder"))
    return len(sizes), int(pc.sum(sizes).as_py() or 0)


def _broken(visit: Visit, name: str, sources: frozenset[str]) -> tuple[SourceState, ...] | None:
    status = visit.console.known.status(name)
    if status is None:
        return None
    return tuple(
        SourceState(one.source, one.state, one.taken_at) for one in status.sources if one.source in sources and not one.is_well
    )
