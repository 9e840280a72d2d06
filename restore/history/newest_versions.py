"""The newest version of each item that ever was: what `find` says of it but for its beginning, for the price of what is open.

Nearly all items are in the last snapshot, and of those nothing else need be read. So a program that stays can keep the table,
and make another one after each snapshot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from restore.history.ledger import Ledger
from restore.history.update import History
from vault.format import manifest

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = ("path", "kind", "type", "size", "mtime", "format", "period_start", "period_end", "consistency")
_READ = (*COLUMNS, "seen_at", "last_seen_at", "vanished_at", "first", "last")


def newest_versions(history: History) -> pa.Table:
    """A row for each item of each source, by path.

    `COLUMNS`: of its newest version · source · last_seen, missing_since, snapshot, snapshot_at: as `restore.history.find.find`
    gives them.
    """
    import pyarrow as pa

    tables = [_of_source(source, ledger) for source, ledger in history.ledgers.items()] or [_of_source("", Ledger())]
    return pa.concat_tables(tables).sort_by([("path", "ascending"), ("source", "ascending")]).combine_chunks()


def _of_source(source: str, ledger: Ledger) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    opened = ledger.open_rows.select(_READ)
    there = pc.is_null(opened["vanished_at"])
    present, vanished = opened.filter(there), opened.filter(pc.invert(there))
    known = present["path"].combine_chunks()
    others = [vanished, *_older(ledger, known)]
    rows = pa.concat_tables(others).sort_by([("path", "ascending"), ("last", "ascending")]).combine_chunks()
    gone = _last_of_each(rows)
    newest = pa.concat_tables([present, gone])
    had = _last_of_each(rows.filter(pc.is_null(rows["vanished_at"])))  # of those that are gone: the last version that was there
    at = pc.index_in(gone["path"], value_set=had["path"].combine_chunks())
    number = pc.coalesce(had["last"].combine_chunks().take(at), gone["last"])
    return _summed_up(source, ledger, newest, pa.concat_arrays([*present["last"].chunks, *_chunks(number)]))


def _older(ledger: Ledger, known: pa.Array) -> list[pa.Table]:
    """Closed versions of items that the source does not have."""
    import pyarrow.compute as pc

    def gone(table: pa.Table) -> pa.ChunkedArray:
        return pc.invert(pc.is_in(table["path"], value_set=known))

    return [piece.select(_READ) for piece in ledger.closed_pieces(gone)]


def _chunks(column: pa.ChunkedArray | pa.Array) -> list[pa.Array]:
    import pyarrow as pa

    return list(column.chunks) if isinstance(column, pa.ChunkedArray) else [column]


def _last_of_each(rows: pa.Table) -> pa.Table:
    """Of rows by path and time, the last one of each path."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if rows.num_rows < 2:
        return rows
    paths = rows["path"].combine_chunks()
    ends = pc.not_equal(paths[:-1], paths[1:])
    return rows.filter(pa.concat_arrays([ends, pa.array([True])])).combine_chunks()


def _summed_up(source: str, ledger: Ledger, newest: pa.Table, number: pa.Array) -> pa.Table:
    """number: of the last snapshot at which the source had each item, or that keeps it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    moment = manifest.schema().field("seen_at").type
    moments = pa.array([record.taken_at for record in ledger.records], moment)
    ids = pa.array([record.id for record in ledger.records], pa.string())
    newest = newest.combine_chunks()
    dropped = pc.less(newest["last"], pa.scalar(len(ledger.records) - 1, pa.int32()))
    dropped_at = moments.take(pc.if_else(dropped, pc.add(newest["last"], pa.scalar(1, pa.int32())), None).combine_chunks())
    present = pc.is_null(newest["vanished_at"]).combine_chunks()
    last_known = pc.coalesce(newest["last_seen_at"], newest["seen_at"]).combine_chunks()
    return pa.table(
        {
            **{name: newest[name] for name in COLUMNS},
            "source": pa.repeat(pa.scalar(source), len(newest)),
            "last_seen": pc.if_else(present, moments.take(number), last_known),
            "missing_since": pc.coalesce(newest["vanished_at"].combine_chunks(), dropped_at),
            "snapshot": ids.take(number),
            "snapshot_at": moments.take(number),
        }
    )
