"""Operations that find: folders, periods, snapshots, what vanished, search, an item's versions and their differences."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from console.api.routing import PROJECT, Call, Operation, Parameter
from console.gateway import browsing, differences, items, listings, searching, vanished
from console.gateway.browsing import FolderEntry, Missing, Page, SnapshotEntry
from console.gateway.differences import ShownPair, ShownRow
from console.gateway.items import ItemEvent
from console.gateway.listings import Row
from console.gateway.searching import Result, Search
from console.gateway.vanished import VanishedGroup

AT = Parameter("at", "a moment or a snapshot's id, as `--at` takes it; left out: now")
FOLDER = Parameter("folder", "with its kind in front; bytes are percent-quoted")
PATH = Parameter("path", "of the item, with its kind in front; bytes are percent-quoted", required=True)
SOURCE = Parameter("source", "of one source only, where several have the path")
NUMBER = Parameter("page", "of a long list, from 1", kind="integer")


class ItemLine(Struct, frozen=True):
    """An item. path: its bytes percent-quoted, as parameters take it · vanished_at: null while its source has it."""

    path: str
    source: str
    kind: str
    type: str
    size: int
    modified_at: datetime | None
    format: str
    period: str
    vanished_at: datetime | None


class FolderAnswer(Struct, frozen=True):
    """What lies right in a folder."""

    folders: list[FolderEntry]
    files: list[ItemLine]
    page: Page


class PeriodLine(Struct, frozen=True):
    """A part of a period. items: how many are about it, by kind · bytes: of all of them · deleted: how many the source no
    longer has, by kind · gaps: kinds of which there is nothing, and should be · missing: what the settings expect of it, and
    what did not appear."""

    period: str
    start: datetime
    end: datetime
    items: dict[str, int]
    bytes: int
    deleted: dict[str, int]
    gaps: tuple[str, ...]
    missing: tuple[Missing, ...]


class PeriodAnswer(Struct, frozen=True):
    """The parts of a period that anything is about, or should be · own: items that are about it and about none of its parts ·
    missing: what is expected of it, and of none of its parts, and did not appear."""

    period: str
    unit: str
    parts: list[PeriodLine]
    own: list[ItemLine]
    missing: tuple[Missing, ...]


class TimelineAnswer(Struct, frozen=True):
    """Snapshots, the newest first."""

    snapshots: list[SnapshotEntry]
    page: Page


class VanishedAnswer(Struct, frozen=True):
    """What vanished. total: files in all of the groups."""

    groups: list[VanishedGroup]
    files: list[ItemLine]
    total: int
    bytes: int
    page: Page


class SearchAnswer(Struct, frozen=True):
    """What was found. problem: why what is looked for means nothing; empty where it does."""

    results: list[Result]
    page: Page
    problem: str


class ItemAnswer(Struct, frozen=True):
    """An item and what happened to it, by time."""

    item: ItemLine
    events: list[ItemEvent]
    is_table: bool


class TableChanges(Struct, frozen=True):
    """How two versions of a table differ."""

    columns: list[str]
    changed: list[ShownPair]
    removed: list[ShownRow]
    added: list[ShownRow]


class DifferenceAnswer(Struct, frozen=True):
    """Two versions. problem: why they cannot be compared; empty where they can."""

    before: ItemEvent
    after: ItemEvent
    tables: list[TableChanges]
    problem: str


def line(row: Row) -> ItemLine:
    """An item of a list."""
    return ItemLine(
        path=row.quoted,
        source=row.source,
        kind=row.kind,
        type=row.type,
        size=row.size,
        modified_at=row.mtime,
        format=row.format,
        period=row.period,
        vanished_at=row.vanished_at,
    )


def _folder(call: Call) -> FolderAnswer:
    path = listings.unquoted(call.text("folder"))
    deleted = bool(call.values.get("deleted", False))
    found = browsing.folder(call.visit, call.project, path, at=call.text("at"), deleted=deleted, number=_number(call))
    return FolderAnswer(list(found.folders), [line(one) for one in found.files], found.page)


def _periods(call: Call) -> PeriodAnswer:
    found = browsing.period(call.visit, call.project, call.text("period"), at=call.text("at"), number=_number(call))
    level = found.level
    parts = [
        PeriodLine(one.text, one.start, one.end, one.items, one.bytes, one.deleted, one.gaps, one.missing)
        for one in level.parts
    ]
    return PeriodAnswer(level.text, level.unit, parts, [line(one) for one in found.own], level.missing)


def _timeline(call: Call) -> TimelineAnswer:
    deletions = bool(call.values.get("deletions", False))
    found = browsing.timeline(call.visit, call.project, deletions=deletions, number=_number(call))
    return TimelineAnswer(list(found.entries), found.page)


def _vanished(call: Call) -> VanishedAnswer:
    folder = listings.unquoted(call.text("folder"))
    span = call.text("since") or vanished.WEEK
    found = vanished.vanished(call.visit, call.project, span=span, folder=folder, number=_number(call))
    return VanishedAnswer(list(found.groups), [line(one) for one in found.files], found.total, found.bytes, found.page)


def _search(call: Call) -> SearchAnswer:
    state = call.text("state")
    wanted = Search(
        call.text("q"),
        call.text("kind"),
        call.text("format"),
        call.text("period"),
        state if state in searching.STATES else searching.ANY,
    )
    found = searching.search(call.visit, call.project, wanted, _number(call))
    return SearchAnswer(list(found.results), found.page, "" if found.problem is None else str(found.problem))


def _item(call: Call) -> ItemAnswer:
    path = listings.unquoted(call.text("path"))
    found = items.item(call.visit, call.project, path, at=call.text("at"), source=call.text("source"))
    return ItemAnswer(line(found.row), list(found.events), found.is_table)


def _differences(call: Call) -> DifferenceAnswer:
    path = listings.unquoted(call.text("path"))
    found = differences.compare(
        call.visit,
        call.project,
        path,
        since=call.text("since"),
        until=call.text("until"),
        source=call.text("source"),
    )
    tables = [TableChanges(list(one.columns), list(one.pairs), list(one.removed), list(one.added)) for one in found.tables]
    return DifferenceAnswer(found.before, found.after, tables, "" if found.problem is None else found.problem.message)


def _number(call: Call) -> int:
    return max(1, call.number("page", 1))


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "GET",
        f"{PROJECT}/items",
        "folder",
        "What lies right in a folder at a moment.",
        _folder,
        (FOLDER, AT, Parameter("deleted", "only what the sources no longer had", kind="boolean"), NUMBER),
        FolderAnswer,
    ),
    Operation(
        "GET",
        f"{PROJECT}/periods",
        "periods",
        "The parts of a period, with what is about them.",
        _periods,
        (Parameter("period", "2024, 2024-Q3, 2024-05, 2024-05-17, 2024-05-17T14; left out: all years"), AT, NUMBER),
        PeriodAnswer,
    ),
    Operation(
        "GET",
        f"{PROJECT}/snapshots",
        "timeline",
        "Snapshots, the newest first.",
        _timeline,
        (Parameter("deletions", "only those that found something missing", kind="boolean"), NUMBER),
        TimelineAnswer,
    ),
    Operation(
        "GET",
        f"{PROJECT}/vanished",
        "vanished",
        "What the sources no longer have.",
        _vanished,
        (Parameter("since", f"one of: {', '.join(vanished.SPANS)}"), FOLDER, NUMBER),
        VanishedAnswer,
    ),
    Operation(
        "GET",
        f"{PROJECT}/search",
        "search",
        "Files by words, kind, format, period.",
        _search,
        (
            Parameter("q", "words or patterns of paths, all of which an item must have"),
            Parameter("kind", "of this one"),
            Parameter("format", "of this one"),
            Parameter("period", "as `--period` takes it"),
            Parameter("state", f"one of: {', '.join(searching.STATES)}"),
            NUMBER,
        ),
        SearchAnswer,
    ),
    Operation("GET", f"{PROJECT}/item", "item", "An item and its versions.", _item, (PATH, AT, SOURCE), ItemAnswer),
    Operation(
        "GET",
        f"{PROJECT}/item/differences",
        "differences",
        "How two versions of a table differ.",
        _differences,
        (PATH, Parameter("since", "a snapshot's id"), Parameter("until", "a snapshot's id"), SOURCE),
        DifferenceAnswer,
    ),
)
