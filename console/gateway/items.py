"""One item: every version of it that is kept, and what became of it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from console.errors import NotThere
from console.gateway import checks, listings
from console.gateway.browsing import Crumb, crumbs_of
from console.gateway.listings import Row
from console.visit import Visit
from restore.history.events import DELETED
from restore.tables.formats import is_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

    from restore.history.events import ItemHistory
    from strongroom.project_items import ProjectItems


class ItemEvent(Struct, frozen=True):
    """What happened to an item. what: as `restore.history.events` names it · when: at the snapshot that saw it · at: the id of
    the newest snapshot that shows the item so; "" for a deletion, and for what only forgotten snapshots showed · since: of a
    version, the id of the first one; "" where that was forgotten · size: in bytes · mtime: aware; None where it is in no
    calendar · changes: columns that differ · snapshots: how many show it so."""

    what: str
    when: datetime
    at: str
    since: str
    size: int
    mtime: datetime | None
    changes: tuple[str, ...]
    snapshots: int
    consistency: str | None

    @property
    def is_version(self) -> bool:
        """Whether there is something to look at and to get back."""
        return bool(self.at)


class ItemView(Struct, frozen=True):
    """An item. row: of its newest version · crumbs: the folders that lead to it · zone: in which moments are shown · events:
    the newest first · is_table: whether its versions can be compared row by row · at: the snapshot that the page is about ·
    content_here: whether this console can read content of the project."""

    row: Row
    crumbs: tuple[Crumb, ...]
    zone: ZoneInfo
    events: tuple[ItemEvent, ...]
    is_table: bool
    at: str
    content_here: bool

    @property
    def versions(self) -> tuple[ItemEvent, ...]:
        """Those of the events that are versions, the newest first."""
        return tuple(one for one in self.events if one.is_version)

    @property
    def shown(self) -> ItemEvent | None:
        """The version that the page is about; None where none is kept."""
        return next((one for one in self.versions if one.at == self.at), None)


def item(visit: Visit, name: str, path: bytes, *, at: str = "", source: str = "") -> ItemView:
    """An item of a project that whoever asks may see. at: a moment or a snapshot; "" for the newest version · source: where
    several have an item of that path.

    Raises `NotThere`, `UsageError` for what is no moment, `StorageError`."""
    known, scope = listings.known_items(visit, name)
    row = _row(known, path, source)
    if row is None or not scope.covers(row.kind, row.path):
        raise NotThere("there is no such item", hint="look for it with a search")
    histories = known.events(path, row.source)
    events = tuple(reversed([one for history in histories for one in _events(history, known)]))
    shown = _version_at(events, known, at, visit.now)
    content_here = checks.reads_content(visit, name)
    return ItemView(row, crumbs_of(path), known.zone, events, is_table(row.format), shown, content_here)


def _row(known: ProjectItems, path: bytes, source: str) -> Row | None:
    import pyarrow as pa
    import pyarrow.compute as pc

    ever = known.ever()
    found = ever.filter(pc.equal(ever["path"], pa.scalar(path, pa.binary())))
    rows = [one for one in listings.rows_of(found, known.zone) if source in ("", one.source)]
    return min(rows, key=lambda one: (one.vanished_at is not None, one.source), default=None)


def _events(history: ItemHistory, known: ProjectItems) -> Iterator[ItemEvent]:
    """Events of one that is there, by time."""
    for one in history.events:
        yield ItemEvent(
            one.what,
            one.when,
            "" if one.what == DELETED else one.until or "",
            one.snapshot or "",
            one.size,
            listings.moment_of(one.mtime),
            one.changes,
            one.snapshots,
            one.consistency,
        )


def _version_at(events: tuple[ItemEvent, ...], known: ProjectItems, at: str, now: datetime) -> str:
    """The snapshot by which the version is known that stood at a moment; "" where none did."""
    versions = [one for one in events if one.is_version]
    moment = known.moment(at, now)
    if moment is None:
        return versions[0].at if versions else ""
    return next((one.at for one in versions if one.when <= moment), "")
