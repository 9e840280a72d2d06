"""A project at a moment: as folders, by period, and its snapshots one after another."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from console.errors import NotThere
from console.gateway import listings
from console.gateway.listings import Listing, Row
from console.visit import Visit
from strongroom.item_levels import SplitLevel
from strongroom.period_levels import MissingHere, PeriodLevel, parent_of, period_level, window_of
from vault.problems import printable

if TYPE_CHECKING:
    import pyarrow as pa

    from vault.format.snapshot_record import Counts, Record

Missing = MissingHere
"""What a period lacks, for other faces."""

ROWS_A_PAGE = 200
SNAPSHOTS_A_PAGE = 60


class Page(Struct, frozen=True):
    """Which part of a long list is shown. number: from 1 · pages: how many there are · total: entries on all of them."""

    number: int
    pages: int
    total: int

    @classmethod
    def of(cls, number: int, total: int, size: int = ROWS_A_PAGE) -> Page:
        """The nearest one that there is."""
        pages = max(1, -(-total // size))
        return cls(max(1, min(number, pages)), pages, total)

    def start(self, size: int = ROWS_A_PAGE) -> int:
        """How many entries come before it."""
        return (self.number - 1) * size


class Crumb(Struct, frozen=True):
    """A folder on the way to another one."""

    name: str
    quoted: str


class FolderEntry(Struct, frozen=True):
    """A folder in a list. items, bytes: below it."""

    name: str
    quoted: str
    items: int
    bytes: int


class FolderView(Struct, frozen=True):
    """What lies right in a folder. deleted: whether only what the sources no longer had is shown · hidden: how much the other
    way would show below this folder · page: of folders and files together."""

    listing: Listing
    quoted: str
    crumbs: tuple[Crumb, ...]
    deleted: bool
    folders: tuple[FolderEntry, ...]
    files: tuple[Row, ...]
    hidden: int
    page: Page


class PeriodView(Struct, frozen=True):
    """A period and its parts. parent: the period that it is a part of, "" for ever; None at the top · kind: of which alone
    items are shown; "" for all · kinds: that can be chosen · own: items that are about it and about none of its parts."""

    listing: Listing
    level: PeriodLevel
    parent: str | None
    kind: str
    kinds: tuple[str, ...]
    own: tuple[Row, ...]
    page: Page


class SnapshotEntry(Struct, frozen=True):
    """A snapshot in the timeline. items, created, changed, vanished: None where whoever asks sees only some of its source ·
    problems: how many there were."""

    id: str
    source: str
    kind: str
    taken_at: datetime
    items: int | None
    created: int | None
    changed: int | None
    vanished: int | None
    problems: int


class Timeline(Struct, frozen=True):
    """Snapshots of a project, the newest first. deletions: whether only those are shown that found something missing."""

    listing: Listing
    entries: tuple[SnapshotEntry, ...]
    deletions: bool
    page: Page


def folder(visit: Visit, name: str, path: bytes, *, at: str = "", deleted: bool = False, number: int = 1) -> FolderView:
    """A folder of a project at a moment. Raises `NotThere`, `UsageError`, `NothingFound`, `StorageError`."""
    listing = listings.listing(visit, name, at)
    shown, others = (listing.vanished, listing.present) if deleted else (listing.present, listing.vanished)
    split = SplitLevel.of(shown, path)
    if path and not (split.below or split.folders.num_rows or split.others.num_rows) and not _is_there(listing.visible, path):
        raise NotThere("there is no such folder at this moment", hint="choose another moment, or look for it with a search")
    names = sorted({one.rpartition(b"/")[2] for one in split.folders["path"].to_pylist()} | split.below.keys())
    page = Page.of(number, len(names) + split.others.num_rows)
    start = page.start()
    some = names[start : start + ROWS_A_PAGE]
    files = split.others.slice(max(0, start - len(names)), ROWS_A_PAGE - len(some)) if len(some) < ROWS_A_PAGE else None
    return FolderView(
        listing,
        listings.quoted(path),
        crumbs_of(path),
        deleted,
        tuple(_folder(path, one, split.below.get(one, (0, 0))) for one in some),
        () if files is None else tuple(listings.rows_of(files, listing.zone)),
        _files_below(others, path),
        page,
    )


def period(visit: Visit, name: str, text: str, *, kind: str = "", at: str = "", number: int = 1) -> PeriodView:
    """A project at a moment by what its items are about. Raises as `folder`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    listing = listings.listing(visit, name, at)
    table = listing.visible
    kinds = tuple(sorted({*pc.unique(table["kind"]).to_pylist(), *listings.expected_kinds(listing)}))
    if kind:
        table = table.filter(pc.equal(table["kind"], pa.scalar(kind, pa.string())))
    missing = listings.missing(listing, window_of(text, listing.zone, visit.now))
    level = period_level(table, text, listing.zone, visit.now, [one for one in missing if kind in ("", one.expectation.kind)])
    page = Page.of(number, level.own.num_rows)
    own = tuple(listings.rows_of(level.own.slice(page.start(), ROWS_A_PAGE), listing.zone))
    parent = parent_of(text, listing.zone, visit.now) if text else None
    return PeriodView(listing, level, parent, kind, kinds, own, page)


def timeline(visit: Visit, name: str, *, deletions: bool = False, number: int = 1) -> Timeline:
    """The snapshots of what whoever asks sees of a project. Raises as `folder`."""
    listing = listings.listing(visit, name)
    sources = listings.seen_sources(listing)
    records = [one for one in reversed(listing.known.snapshots) if one.source in sources]
    if deletions:
        moments = set(listing.vanished["vanished_at"].to_pylist())
        records = [one for one in records if one.taken_at in moments or _vanished(one, listing)]
    page = Page.of(number, len(records), SNAPSHOTS_A_PAGE)
    start = page.start(SNAPSHOTS_A_PAGE)
    entries = tuple(_snapshot(one, listing) for one in records[start : start + SNAPSHOTS_A_PAGE])
    return Timeline(listing, entries, deletions, page)


def crumbs_of(path: bytes) -> tuple[Crumb, ...]:
    """The folders that lead to a path, itself the last one."""
    parts = path.split(b"/") if path else []
    return tuple(Crumb(printable(part), listings.quoted(b"/".join(parts[: number + 1]))) for number, part in enumerate(parts))


def _folder(path: bytes, name: bytes, below: tuple[int, int]) -> FolderEntry:
    whole = path + b"/" + name if path else name
    return FolderEntry(printable(name), listings.quoted(whole), *below)


def _is_there(table: pa.Table, path: bytes) -> bool:
    """Whether a folder or anything in it is in a table."""
    import pyarrow as pa
    import pyarrow.compute as pc

    inside = pc.any(pc.starts_with(table["path"], pattern=path + b"/")).as_py()
    itself = pc.and_(pc.equal(table["path"], pa.scalar(path, pa.binary())), pc.equal(table["type"], "folder"))
    return bool(inside or pc.any(itself).as_py())


def _files_below(table: pa.Table, path: bytes) -> int:
    import pyarrow.compute as pc

    files = pc.not_equal(table["type"], "folder")
    if path:
        files = pc.and_(files, pc.starts_with(table["path"], pattern=path + b"/"))
    return int(pc.sum(files).as_py() or 0)


def _vanished(record: Record, listing: Listing) -> int:
    return record.counts.vanished if listings.covers_source(listing.scope, record) else 0


def _snapshot(record: Record, listing: Listing) -> SnapshotEntry:
    counts = record.counts if listings.covers_source(listing.scope, record) else None
    return SnapshotEntry(
        record.id,
        record.source,
        record.kind,
        record.taken_at,
        *((None, None, None, None, 0) if counts is None else _numbers(counts)),
    )


def _numbers(counts: Counts) -> tuple[int, int, int, int, int]:
    return counts.items, counts.added, counts.changed, counts.vanished, counts.problems
