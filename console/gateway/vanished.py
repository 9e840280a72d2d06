"""What the sources of a project no longer have: since when, how much, and in which folders, as a person would say it.

A folder that vanished whole stands for all that was in it; where only some of a folder's files vanished, that folder stands for
these files.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from msgspec import Struct

from console.gateway import listings
from console.gateway.browsing import ROWS_A_PAGE, Crumb, Page, crumbs_of
from console.gateway.listings import Listing, Row
from console.visit import Visit
from vault.errors import UsageError
from vault.problems import printable

if TYPE_CHECKING:
    import pyarrow as pa

DAY, WEEK, MONTH, EVER = "today", "week", "month", "ever"
SPANS = (DAY, WEEK, MONTH, EVER)
_DAYS = {DAY: 0, WEEK: 6, MONTH: 29}


class VanishedGroup(Struct, frozen=True):
    """Items that vanished together. folder, quoted: where they were · whole: whether the folder itself is gone · items, bytes:
    of files · older: files that vanished there before the time that is shown · vanished_at: of the last of them · kind:
    theirs."""

    folder: str
    quoted: str
    whole: bool
    items: int
    bytes: int
    older: int
    vanished_at: datetime
    kind: str


class VanishedCount(Struct, frozen=True):
    """How many files of a kind vanished, and in which of `SPANS`."""

    kind: str
    items: int
    span: str


class VanishedView(Struct, frozen=True):
    """What vanished of a project. span: one of `SPANS` · groups: the newest first · total, bytes: of all of them · crumbs,
    files: of one folder, where that is asked for."""

    listing: Listing
    span: str
    groups: tuple[VanishedGroup, ...]
    total: int
    bytes: int
    quoted: str
    crumbs: tuple[Crumb, ...]
    files: tuple[Row, ...]
    page: Page


def vanished(visit: Visit, name: str, *, span: str = WEEK, folder: bytes = b"", number: int = 1) -> VanishedView:
    """What vanished of a project that whoever asks may see. folder: only below this one, file by file.

    Raises `NotThere`, `UsageError`, `NothingFound`, `StorageError`."""
    import pyarrow.compute as pc

    if span not in SPANS:
        raise UsageError(f"{span!r} is no span of time", hint=f"one of {', '.join(SPANS)}")
    listing = listings.listing(visit, name)
    gone = listing.vanished
    if folder:
        gone = gone.filter(pc.starts_with(gone["path"], pattern=folder + b"/"))
    files = gone.filter(pc.not_equal(gone["type"], "folder"))
    recent = _since(files, span, visit.now, listing.zone)
    groups = [] if folder else _groups(gone, files, recent)
    size = int(pc.sum(recent["size"]).as_py() or 0)
    page = Page.of(number, recent.num_rows if folder else len(groups))
    rows = listings.rows_of(recent.slice(page.start(), ROWS_A_PAGE), listing.zone) if folder else []
    shown = [_group(one) for one in groups[page.start() : page.start() + ROWS_A_PAGE]]
    quoted = listings.quoted(folder)
    return VanishedView(listing, span, tuple(shown), recent.num_rows, size, quoted, crumbs_of(folder), tuple(rows), page)


def counts(listing: Listing, now: datetime) -> list[VanishedCount]:
    """For a card: of each kind how many files vanished today, or else in the last week."""
    import pyarrow.compute as pc

    gone = listing.vanished
    files = gone.filter(pc.not_equal(gone["type"], "folder"))
    found: dict[str, VanishedCount] = {}
    for span in (WEEK, DAY):
        counted = _since(files, span, now, listing.zone)["kind"].value_counts()
        for kind, items in zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True):
            found[kind] = VanishedCount(kind, items, span)
    return sorted(found.values(), key=lambda one: (-one.items, one.kind))


def _since(files: pa.Table, span: str, now: datetime, zone: ZoneInfo) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    if span == EVER:
        return files
    midnight = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    begin = midnight - timedelta(days=_DAYS[span])
    kind = files.schema.field("vanished_at").type
    return files.filter(pc.greater_equal(files["vanished_at"], pa.scalar(begin, kind)))


def _groups(gone: pa.Table, files: pa.Table, recent: pa.Table) -> list[dict[str, Any]]:
    """Those of the recent files, by the outermost folder that vanished, or else by their own; newest first. See `_group`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    folders = set(gone.filter(pc.equal(gone["type"], "folder"))["path"].to_pylist())
    outer: dict[bytes, bytes] = {}

    def by_group(table: pa.Table) -> pa.Table:
        parents = pc.replace_substring_regex(table["path"], "(?s)/[^/]*$", "")
        known = pc.unique(parents).to_pylist()
        for parent in known:
            outer.setdefault(parent, _outermost(parent, folders))
        group = pa.array([outer[parent] for parent in known], pa.binary()).take(
            pc.index_in(parents, value_set=pa.array(known, pa.binary())).combine_chunks()
        )
        columns = pa.table({"group": group, "size": table["size"], "at": table["vanished_at"], "kind": table["kind"]})
        return columns.group_by("group").aggregate([("size", "count"), ("size", "sum"), ("at", "max"), ("kind", "min")])

    everything = by_group(files)
    counted = dict(zip(everything["group"].to_pylist(), everything["size_count"].to_pylist(), strict=True))
    groups = [
        {**row, "whole": row["group"] in folders, "older": counted[row["group"]] - row["size_count"]}
        for row in by_group(recent).to_pylist()
    ]
    return sorted(groups, key=lambda one: (-one["at_max"].timestamp(), -one["size_count"], one["group"]))


def _group(row: dict[str, Any]) -> VanishedGroup:
    folder: bytes = row["group"]
    return VanishedGroup(
        printable(folder),
        listings.quoted(folder),
        row["whole"],
        row["size_count"],
        row["size_sum"],
        row["older"],
        row["at_max"],
        row["kind_min"],
    )


def _outermost(folder: bytes, folders: set[bytes]) -> bytes:
    """The outermost folder above a path of which all below, down to it, vanished."""
    found, above = folder, folder
    while above in folders:
        found, above = above, above.rpartition(b"/")[0]
    return found
