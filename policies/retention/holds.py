"""What holds mean for the items of a manifest, as columns.

A hold is on items; a snapshot stays when an item of it is held. What cannot be told is held: an item without a period, for a
hold on a period; every item, for a hold whose pattern cannot be understood.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from vault.errors import UsageError
from vault.format.hold import HeldPeriod, Hold

if TYPE_CHECKING:
    import pyarrow as pa

Regex = Callable[[str], str]
"""Turns a pattern on paths into a regular expression (RE2, on bytes). Raises `UsageError` where it is none."""

COLUMNS = ("path", "kind", "period_start", "period_end")
"""Of a manifest: what these functions read."""


def items_held(table: pa.Table, hold: Hold, regex: Regex) -> pa.Array:
    """Which rows of a manifest a hold is on, a boolean each. A hold on a snapshot is on none: the snapshot stays, and what is
    in it, wherever the newest manifest goes."""
    import pyarrow as pa
    import pyarrow.compute as pc

    scope = hold.scope
    held = pa.repeat(pa.scalar(scope.snapshot is None), table.num_rows)
    if scope.snapshot is not None:
        return held
    if scope.kind is not None:
        held = pc.and_(held, _whole(pc.equal(table["kind"], scope.kind)))
    if scope.period is not None:
        held = pc.and_(held, _overlap(table, scope.period))
    if scope.path is not None:
        held = pc.and_(held, _on_path(table["path"], scope.path, regex))
    return held


def matches(table: pa.Table, holds: Iterable[Hold], regex: Regex) -> frozenset[str]:
    """The ids of those holds on kinds, periods and paths that an item of this manifest matches: for `Snapshot.matches`."""
    import pyarrow.compute as pc

    return frozenset(hold.id for hold in holds if pc.any(items_held(table, hold, regex), min_count=0).as_py())


def _overlap(table: pa.Table, period: HeldPeriod) -> pa.Array:
    """Half-open spans; an item of no length lies in the period in which it begins."""
    import pyarrow as pa
    import pyarrow.compute as pc

    start, end = _whole(table["period_start"]), _whole(table["period_end"])
    inside = pa.repeat(pa.scalar(value=True), table.num_rows)
    if period.end is not None:
        inside = pc.and_(inside, pc.less(start, pa.scalar(period.end, start.type)))
    if period.start is not None:
        since = pa.scalar(period.start, start.type)
        inside = pc.and_(inside, pc.or_(pc.greater(end, since), pc.greater_equal(start, since)))
    known = pc.and_(pc.is_valid(start), pc.is_valid(end))
    return pc.if_else(known, inside, pa.scalar(value=True))


def _on_path(paths: pa.ChunkedArray, pattern: str, regex: Regex) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        return _whole(pc.match_substring_regex(paths, regex(pattern).encode()))
    except (UsageError, pa.ArrowInvalid):
        return pa.repeat(pa.scalar(value=True), len(paths))


def _whole(column: pa.ChunkedArray) -> pa.Array:
    import pyarrow as pa

    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
