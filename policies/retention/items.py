"""Which vanished items the next manifest of a source need not carry on, and how many stay or go for which reason.

Only an item that the source no longer has can go. It goes when its kind's rule has run out, it has been gone for long enough
(a deletion is mostly noticed late), and no hold is on it. A folder goes when nothing below it stays. Items that go are still in
the snapshots that have them, until these are forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from msgspec import Struct

from policies.retention import holds as holding
from policies.retention.calendar_span import CalendarSpan
from policies.retention.rules import After, ItemRule, ItemRules
from vault.format.hold import Hold
from vault.format.manifest import FOLDER

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = (*holding.COLUMNS, "type", "mtime", "seen_at", "vanished_at")
"""Of a manifest: what `evaluate_items` reads."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ItemVerdict(Struct, frozen=True):
    """goes: a boolean for each row of the manifest · gone, stays: how many vanished items go, and stay, and why. An item
    that several holds are on counts for each of them."""

    goes: pa.Array
    gone: Mapping[str, int]
    stays: Mapping[str, int]


class Times(Struct, frozen=True):
    """When items are evaluated: at `now`, on the calendar of `zone`."""

    now: datetime
    zone: ZoneInfo

    def over(self, moments: pa.Array, span: CalendarSpan) -> pa.Array:
        """Which of these moments lie longer ago than `span`."""
        import pyarrow as pa
        import pyarrow.compute as pc

        return pc.less(moments, pa.scalar(span.before(self.now, self.zone), moments.type))

    def over_seconds(self, seconds: pa.Array, span: CalendarSpan) -> pa.Array:
        """The same for whole seconds since 1970 that may lie beyond every calendar."""
        import pyarrow as pa
        import pyarrow.compute as pc

        edge = (span.before(self.now, self.zone) - _EPOCH) // timedelta(seconds=1)
        return pc.less(seconds, pa.scalar(edge, pa.int64()))


def evaluate_items(table: pa.Table, rules: ItemRules, holds: Sequence[Hold], times: Times, regex: holding.Regex) -> ItemVerdict:
    """The verdict on the rows of a manifest. table: at least `COLUMNS`, in any order of rows."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = {name: table[name].combine_chunks() for name in COLUMNS}
    vanished = pc.is_valid(columns["vanished_at"])
    goes = pa.repeat(pa.scalar(value=False), table.num_rows)
    tally = _Tally()
    for kind in sorted(columns["kind"].unique().to_pylist()):
        rule, mine = rules.of(kind), pc.and_(vanished, pc.equal(columns["kind"], kind))
        over = _over(columns, rule, times)
        rested = _rested(columns["vanished_at"], rule, rules.undeleted, times)
        goes = pc.or_(goes, pc.and_(mine, pc.and_(over, rested)))
        tally.stay(f"{kind}: {rule}", pc.and_not(mine, over))
        tally.stay(f"deleted less than {rules.undeleted} ago", pc.and_not(pc.and_(mine, over), rested))
    for hold in holds:
        if hold.binds(times.now):
            held = pc.and_(vanished, holding.items_held(table, hold, regex))
            tally.stay(f"held: {hold.reason} (by {hold.who})", held)
            goes = pc.and_not(goes, held)
    leading = _leading(columns, goes)
    tally.stay("leads to something that stays", leading)
    goes = pc.and_not(goes, leading)
    for kind in sorted(columns["kind"].unique().to_pylist()):
        tally.go(f"{kind}: {rules.of(kind)}", pc.and_(goes, pc.equal(columns["kind"], kind)))
    return ItemVerdict(goes, tally.gone, tally.stays)


class _Tally:
    """How many rows each reason was given for."""

    def __init__(self) -> None:
        self.gone: dict[str, int] = {}
        self.stays: dict[str, int] = {}

    def go(self, reason: str, rows: pa.Array) -> None:
        _add(self.gone, reason, rows)

    def stay(self, reason: str, rows: pa.Array) -> None:
        _add(self.stays, reason, rows)


def _add(counts: dict[str, int], reason: str, rows: pa.Array) -> None:
    if rows.true_count:
        counts[reason] = counts.get(reason, 0) + rows.true_count


def _over(columns: Mapping[str, Any], rule: ItemRule, times: Times) -> pa.Array:
    """Where a kind's own rule has run out."""
    import pyarrow as pa
    import pyarrow.compute as pc

    ends = columns["period_end"]
    if rule.span is None:
        return pa.repeat(pa.scalar(value=False), len(ends))
    if rule.after is After.VANISHED:
        return pc.fill_null(times.over(columns["vanished_at"], rule.span), fill_value=False)
    if rule.after is After.SEEN:
        return times.over(columns["seen_at"], rule.span)
    return pc.coalesce(times.over(ends, rule.span), times.over_seconds(columns["mtime"], rule.span))


def _rested(vanished_at: pa.Array, rule: ItemRule, undeleted: CalendarSpan, times: Times) -> pa.Array:
    """Where an item has been gone for long enough that somebody would have missed it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if rule.after is After.VANISHED:
        return pa.repeat(pa.scalar(value=True), len(vanished_at))
    return pc.fill_null(times.over(vanished_at, undeleted), fill_value=False)


def _leading(columns: Mapping[str, Any], goes: pa.Array) -> pa.Array:
    """Folders that would go though something below them stays."""
    import pyarrow as pa
    import pyarrow.compute as pc

    paths = columns["path"]
    folders = pc.and_(goes, pc.equal(columns["type"], FOLDER))
    if not folders.true_count:
        return folders
    above: set[bytes] = set()
    for parent in pc.unique(pc.replace_substring_regex(paths.filter(pc.invert(goes)), "(?s)/[^/]*$", "")).to_pylist():
        folder = parent
        while folder and folder not in above:
            above.add(folder)
            folder = folder.rpartition(b"/")[0]
    return pc.and_(folders, pc.is_in(paths, value_set=pa.array(sorted(above), pa.binary())))
