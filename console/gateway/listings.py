"""The items of a project as somebody sees them: of their scope, at a moment, as the library knows them."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote_to_bytes
from zoneinfo import ZoneInfo

from msgspec import Struct

from classify import period_grammar
from classify.period import Period
from console.access.rights import Action, Scope
from console.errors import NoSnapshotYet, NotThere
from console.gateway import checks, scoped
from console.visit import Visit
from vault.problems import printable

if TYPE_CHECKING:
    import pyarrow as pa

    from strongroom.expected_reports import MissingReports
    from strongroom.project_items import ItemsAt, ProjectItems
    from strongroom.project_status import ProjectStatus
    from vault.format.snapshot_record import Record

LONGEST_PATH = 64 << 10
"""Bytes of a path in a page's address, quoted."""


class Listing(Struct, frozen=True):
    """A project as somebody sees it at a moment. at: as it was asked for, "" for now · moment: what that means · visible: the
    items of their scope, those that the sources no longer had among them · scope: what they may see."""

    known: ProjectItems
    at: str
    moment: datetime | None
    items: ItemsAt
    visible: pa.Table
    scope: Scope

    @property
    def zone(self) -> ZoneInfo:
        """In which moments and periods are meant."""
        return self.known.zone

    @property
    def present(self) -> pa.Table:
        """What the sources had."""
        import pyarrow.compute as pc

        return self.visible.filter(pc.is_null(self.visible["vanished_at"]))

    @property
    def vanished(self) -> pa.Table:
        """What they no longer had."""
        import pyarrow.compute as pc

        return self.visible.filter(pc.is_valid(self.visible["vanished_at"]))


class Row(Struct, frozen=True):
    """An item in a list. name: of its last part · quoted: its path as addresses and forms have it · mtime: aware · period: as
    `--period` takes it, "" where nobody knows · vanished_at: when it was found missing; None while its source has it."""

    path: bytes
    quoted: str
    name: str
    source: str
    kind: str
    type: str
    size: int
    mtime: datetime | None
    format: str
    period: str
    vanished_at: datetime | None


def known_items(visit: Visit, name: str) -> tuple[ProjectItems, Scope]:
    """What is known of a project that whoever asks may see, and what of it. Raises `NotThere`, `StorageError`."""
    scope = checks.allowed(visit, Action.SEE, name)
    return visit.console.known.of(name, lambda: checks.opened(visit, name)), scope


def listing(visit: Visit, name: str, at: str = "") -> Listing:
    """A project at a moment. Raises `NotThere`, `UsageError` for what is no moment, `NoSnapshotYet`,
    `NothingFound`, `StorageError`."""
    known, scope = known_items(visit, name)
    if not known.snapshots:
        raise no_snapshot()
    moment = known.moment(at, visit.now)
    items = known.at(moment)
    return Listing(known, at, moment, items, scoped.within(items.table, scope), scope)


def no_snapshot() -> NoSnapshotYet:
    """Of a project of which nothing was backed up."""
    return NoSnapshotYet("there is no snapshot of this project yet", hint="wait for the first backup, or ask whoever runs it")


class MissingCount(Struct, frozen=True):
    """How many reports of a source did not appear in time, as far back as alerts look; None where only the backup knows which,
    as they are rows of tables."""

    source: str
    count: int | None


def missing(found: Listing, window: tuple[datetime, datetime]) -> tuple[MissingReports, ...]:
    """Reports that the settings expect, and that were not there at the listing's moment, within a window: of the sources that
    whoever asks sees as a whole, as nothing is known of the others' items."""
    return _of_whole_sources(found, found.known.missing(found.items, window))


def missing_counts(found: Listing, status: ProjectStatus | None) -> tuple[MissingCount, ...]:
    """By source. status: where a backup's findings are noted; None where nobody could tell."""
    counts: dict[str, int | None] = {}
    for one in _of_whole_sources(found, found.known.missing_lately(found.items)):
        if one.ends:
            counts[one.expectation.source] = (counts.get(one.expectation.source) or 0) + len(one.ends)
    seen = {one.source for one in found.items.records if covers_source(found.scope, one)}
    rows = {one.source for one in found.known.expectations if one.column is not None} & seen
    for alert in () if status is None else status.alerts:
        if alert.promise == "missing" and alert.subject in rows:
            counts.setdefault(alert.subject, None)
    return tuple(MissingCount(source, count) for source, count in sorted(counts.items()))


def _of_whole_sources(found: Listing, missing: tuple[MissingReports, ...]) -> tuple[MissingReports, ...]:
    records = {one.source: one for one in found.items.records}
    return tuple(one for one in missing if covers_source(found.scope, records[one.expectation.source]))


def expected_kinds(found: Listing) -> frozenset[str]:
    """Of which the settings expect anything, of the sources that whoever asks sees as a whole."""
    seen = {one.source for one in found.items.records if covers_source(found.scope, one)}
    return frozenset(one.kind for one in found.known.expectations if one.column is None and one.source in seen)


def rows_of(table: pa.Table, zone: ZoneInfo) -> list[Row]:
    """Rows of a table of items as values. table: with the columns of `strongroom.project_items.ItemsAt`, or of `ever`."""
    return [row_of(one, zone) for one in table.to_pylist()]


def row_of(one: dict[str, Any], zone: ZoneInfo) -> Row:
    """One of them."""
    mtime = one.get("mtime")
    return Row(
        path=one["path"],
        quoted=quoted(one["path"]),
        name=printable(one["path"].rpartition(b"/")[2]),
        source=one["source"],
        kind=one["kind"],
        type=one["type"],
        size=one["size"],
        mtime=moment_of(mtime),
        format=one["format"] or "",
        period=_period(one["period_start"], one["period_end"], zone),
        vanished_at=one["vanished_at"] if "vanished_at" in one else one["missing_since"],
    )


def moment_of(seconds: int | None) -> datetime | None:
    """A time of modification, aware; None where it is outside of any calendar."""
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


@lru_cache(maxsize=16_384)
def _period(start: datetime | None, end: datetime | None, zone: ZoneInfo) -> str:
    """Many items share one, and to find its shortest form takes up to a millisecond."""
    return "" if start is None or end is None else period_grammar.written(Period.between(start, end), zone)


def quoted(path: bytes) -> str:
    """A path as addresses and forms have it."""
    return quote(path, safe="/")


def unquoted(text: str) -> bytes:
    """The path that an address or a form means. Raises `NotThere` where it is none."""
    if len(text) > LONGEST_PATH:
        raise NotThere("there is no such item", hint="choose one from a list")
    return unquote_to_bytes(text).strip(b"/")


def seen_sources(listing: Listing) -> frozenset[str]:
    """The sources of which whoever asks sees anything."""
    import pyarrow.compute as pc

    return frozenset(pc.unique(listing.visible["source"]).to_pylist())


def covers_source(scope: Scope, record: Record) -> bool:
    """Whether somebody sees all items of a source, so that its numbers tell them nothing that they may not know."""
    return any((not kinds or record.kind in kinds) and not paths for kinds, paths in scope.parts)
