"""Every item that ever was, summed up: first and last seen, how many versions, whether the source still has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from restore.history.ledger import Ledger
from restore.history.timeline import Question, SnapshotWindow, timeline, window
from restore.history.update import History
from vault.format import manifest

if TYPE_CHECKING:
    import pyarrow as pa


def find(history: History, question: Question) -> pa.Table:
    """A row for each item of each source, by path.

    path, source, kind, type, size, format, period_start, period_end, consistency: of its newest version · first_seen,
    last_seen: moments of snapshots · missing_since: when it was found missing, null while the source has it · versions: their
    number · began: the number of the first snapshot that is known to have had it · snapshot, snapshot_at: the newest one that
    the source had it at; where that one was forgotten, the newest that keeps it.
    """
    import pyarrow as pa

    tables = []
    for source, ledger in history.ledgers.items():
        if question.source in (None, source):
            over = window(ledger, question)
            tables.append(_summed_up(source, ledger, timeline(ledger, question.mask, over), over))
    return pa.concat_tables(tables).sort_by([("path", "ascending"), ("source", "ascending")]) if tables else _no_items()


def ever_matched(history: History, question: Question) -> bool:
    """Whether any item of any snapshot is meant."""
    own = (ledger for source, ledger in history.ledgers.items() if question.source in (None, source))
    return any(piece.num_rows for ledger in own for piece in ledger.pieces(question.mask))


def _no_items() -> pa.Table:
    over = SnapshotWindow(0, -1)
    return _summed_up("", Ledger(), timeline(Ledger(), None, over), over)


def _summed_up(source: str, ledger: Ledger, rows: pa.Table, over: SnapshotWindow) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    moment = manifest.schema().field("seen_at").type
    moments = pa.array([record.taken_at for record in ledger.records], moment)
    ids = pa.array([record.id for record in ledger.records], pa.string())
    newest = rows.filter(rows["ends"]).combine_chunks()
    seen_last = _seen_last(rows)
    dropped = pc.less(newest["last"], pa.scalar(over.last, pa.int32()))  # newer manifests do not even have it as vanished
    dropped_at = moments.take(pc.if_else(dropped, pc.add(newest["last"], pa.scalar(1, pa.int32())), None).combine_chunks())
    missing_since = pc.coalesce(newest["vanished_at"].combine_chunks(), dropped_at)
    last_known = pc.coalesce(newest["last_seen_at"], newest["seen_at"]).combine_chunks()
    last_seen = pc.if_else(newest["present"].combine_chunks(), moments.take(seen_last), last_known)
    names = ("path", "kind", "type", "size", "format", "period_start", "period_end", "consistency")
    columns = {name: newest[name] for name in names}
    return pa.table(
        {
            "path": columns.pop("path"),
            "source": pa.repeat(pa.scalar(source), len(newest)),
            **columns,
            "first_seen": rows.filter(rows["begins"])["seen_at"],
            "began": rows.filter(rows["begins"])["first"],
            "last_seen": last_seen,
            "missing_since": missing_since,
            "versions": _counts(rows),
            "snapshot": ids.take(seen_last),
            "snapshot_at": moments.take(seen_last),
        }
    )


def _seen_last(rows: pa.Table) -> pa.Array:
    """For each item, the number of the last snapshot at which the source had it, or that keeps it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    at = pc.indices_nonzero(rows["ends"])
    before = pc.subtract(at.cast(pa.int64()), 1)
    gone = pc.invert(rows["present"].combine_chunks().take(at))
    had = pc.and_(gone, pc.invert(rows["begins"].combine_chunks().take(at)))
    had = pc.and_(had, rows["present"].combine_chunks().take(pc.if_else(had, before, 0)))
    return rows["last"].combine_chunks().take(pc.if_else(had, before, at.cast(pa.int64())))


def _counts(rows: pa.Table) -> pa.Array:
    """For each item, the number of its versions: an item that comes back as it was is no new one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    other = pc.or_(rows["begins"], pc.or_(rows["content"], rows["attributes"])).combine_chunks()
    sums = pc.cumulative_sum(other.cast(pa.int64())).filter(rows["ends"].combine_chunks())
    return pc.subtract(
        sums, pa.concat_arrays([pa.array([0] * min(1, len(sums)), pa.int64()), sums.slice(0, max(0, len(sums) - 1))])
    )
