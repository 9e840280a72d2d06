"""The versions of items in the order of time, and what tells each from the one before: columns that all questions ask for."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from restore.history import versions
from restore.history.ledger import Ledger, Mask

if TYPE_CHECKING:
    import pyarrow as pa


class Question(Struct, frozen=True):
    """Which items are asked for, and over which time. mask: of all items without one · source: of one source only ·
    since, until: the snapshots from the one to the other."""

    mask: Mask | None = None
    source: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class SnapshotWindow(Struct, frozen=True):
    """Numbers of a ledger's snapshots, both ends included; `last` is before `first` where there are none."""

    first: int
    last: int


def window(ledger: Ledger, question: Question) -> SnapshotWindow:
    """The snapshots that are meant."""
    moments = [record.taken_at for record in ledger.records]
    first = 0 if question.since is None else bisect_left(moments, question.since)
    after = len(moments) if question.until is None else bisect_right(moments, question.until)
    return SnapshotWindow(first, after - 1)


def timeline(ledger: Ledger, mask: Mask | None, over: SnapshotWindow) -> pa.Table:
    """The versions that stood within a window, by path and time, cut to it, with columns that tell them apart.

    begins: the first of its item · ends: the last · present: the source had it · content, attributes: differ from the
    version before, false for a first one.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    low, high = pa.scalar(over.first, pa.int32()), pa.scalar(over.last, pa.int32())
    parts = [
        piece.filter(pc.and_(pc.greater_equal(piece["last"], low), pc.less_equal(piece["first"], high)))
        for piece in ledger.pieces(mask)
    ]
    rows = (
        pa.concat_tables([versions.schema().empty_table(), *parts])
        .sort_by([("path", "ascending"), ("first", "ascending")])
        .combine_chunks()
    )
    rows = versions.placed(rows, pc.max_element_wise(rows["first"], low), pc.min_element_wise(rows["last"], high))
    marks = _marks(rows)
    for name, column in marks.items():
        rows = rows.append_column(name, column)
    return rows


def _marks(rows: pa.Table) -> dict[str, pa.Array]:
    import pyarrow as pa
    import pyarrow.compute as pc

    count = max(0, len(rows) - 1)
    one, two = rows.slice(0, count), rows.slice(1)
    goes_on = versions.equal(one, two, ("path",))
    edge = pa.array([True] * (len(rows) - count), pa.bool_())
    no = pa.array([False] * (len(rows) - count), pa.bool_())
    return {
        "begins": pa.concat_arrays([edge, pc.invert(goes_on)]),
        "ends": pa.concat_arrays([pc.invert(goes_on), edge]),
        "present": pc.is_null(rows["vanished_at"]).combine_chunks(),
        "content": pa.concat_arrays([no, pc.and_(goes_on, pc.invert(versions.equal(one, two, versions.CONTENT)))]),
        "attributes": pa.concat_arrays([no, pc.and_(goes_on, pc.invert(versions.equal(one, two, versions.ATTRIBUTES)))]),
    }
