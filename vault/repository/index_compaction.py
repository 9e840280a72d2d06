"""Index segments written anew: without rows of packs that are gone, and few instead of many.

New segments are written before old ones are deleted, so every row that stays is in the store all the while; who reads the
index meanwhile lists it again. Nobody is kept out: a writer may add segments, and two prunes may do this at once. One of them
may then bring back a row that the other has dropped; the one that acts last reads the index again and drops it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple

from vault.errors import Damaged, ObjectNotFound, StorageDenied
from vault.format import layout
from vault.format.chunks import ID_SIZE
from vault.progress import Stop
from vault.repository import stored_packs
from vault.repository.chunk_index import SMALL_SEGMENT, ChunkIndex, is_among
from vault.repository.index_segments import ROWS_IN_SEGMENT, load_segment, store_segments
from vault.repository.orphan_packs import orphan_rows
from vault.repository.project import Project
from vault.repository.stored_packs import list_all_packs

if TYPE_CHECKING:
    import pyarrow as pa

MOST_SEGMENTS = 64
"""Small segments that an index may have before a backup joins them: each costs a reader without a cache a request."""

FEW_SEGMENTS = 8
"""The same for a prune, which runs seldom. Together they have less than a hundred thousand rows, or they were joined into one
that is not small."""

SMALL_ROWS = ROWS_IN_SEGMENT // 4
"""A segment of more is not worth joining with others."""


class CompactionResult(NamedTuple):
    """How many segments were written, in place of how many. refused: packs that old segments name which the store would not
    delete: these packs must stay."""

    written: int
    replaced: int
    refused: frozenset[bytes]


def join_if_many(project: Project, stop: Stop) -> bool:
    """Join the small segments where they are too many, for backups of a project that is never pruned. Not where these
    credentials may not delete: the old ones would stay beside the new one. Raises `StorageError`."""
    small = [info for info in project.store.list(project.folder("index")) if info.size <= SMALL_SEGMENT]
    if len(small) <= MOST_SEGMENTS:
        return False
    try:
        project.store.delete(
            layout.index_name(project.id, project.services.randomness.token(ID_SIZE))
        )  # refused like any other
    except StorageDenied:
        return False
    return compact(project, frozenset(), most_segments=MOST_SEGMENTS, stop=stop).replaced > 0


def compact(project: Project, dropped: frozenset[bytes], *, most_segments: int = MOST_SEGMENTS, stop: Stop) -> CompactionResult:
    """Drop the rows of these packs and of those that are gone; join the small segments where they are too many."""
    # what a segment names was stored before it: packs are listed after segments, or those of a running backup would be missed
    names = [info.name for info in project.store.list(project.folder("index"))]
    work = _Work(project, dropped)
    small = {name: rows for name in names if (rows := work.look(name, stop)) is not None and rows < SMALL_ROWS}
    joined = small if len(small) > most_segments else {}
    for name in names:
        if name in work.to_change or name in joined:
            stop()
            work.take(name)
    work.flush()
    work.replace_damaged()
    return CompactionResult(work.written, work.replaced, frozenset(work.refused))


class _Work:
    """Rows on their way from old segments into new ones."""

    def __init__(self, project: Project, dropped: frozenset[bytes]) -> None:
        self._project = project
        self._dropped = dropped
        self._standing: set[bytes] | None = None
        self._absent: frozenset[bytes] = frozenset()
        self._rows: list[pa.Table] = []
        self._old: list[str] = []
        self.to_change: set[str] = set()
        self.written = 0
        self.replaced = 0
        self.refused: set[bytes] = set()
        self._packs: dict[str, list[bytes]] = {}
        self._damaged: set[str] = set()

    def look(self, name: str, stop: Stop) -> int | None:
        """How many rows a segment has; None for one that is gone or damaged."""
        stop()
        rows = self._load(name)
        if rows is None:
            return None
        if self._gone(rows["pack"].unique().to_pylist()):
            self.to_change.add(name)
        return int(rows.num_rows)

    def take(self, name: str) -> None:
        """Put the rows of a segment among those that are written next."""
        import pyarrow.compute as pc

        rows = self._load(name)
        if rows is None:
            return
        self._packs[name] = rows["pack"].unique().to_pylist()
        gone = self._gone(self._packs[name])
        self._rows.append(rows.filter(pc.invert(is_among(rows["pack"], gone))))
        self._old.append(name)
        if sum(rows.num_rows for rows in self._rows) >= ROWS_IN_SEGMENT:
            self.flush()

    def flush(self) -> None:
        """Write what was taken, then delete where it was."""
        import pyarrow as pa

        if not self._old:
            return
        rows = pa.concat_tables(self._rows)
        new = store_segments(self._project, _in_order(rows)) if rows.num_rows else []
        for name in self._old:
            self._delete(name)
        self.written += len(new)
        self.replaced += len(self._old)
        self._rows, self._old, self._packs = [], [], {}

    def replace_damaged(self) -> None:
        """What segments said that cannot be read, the packs say that no other one names: written anew, the damaged ones can go.
        Not where this machine may not read packs of content."""
        import pyarrow as pa

        if not self._damaged or self._project.capability.content_identity is None:
            return
        named = ChunkIndex.load(self._project).packs()
        rows = orphan_rows(self._project, named | self._dropped)
        new = store_segments(self._project, pa.concat_tables(rows)) if rows else []
        for name in self._damaged:
            self._delete(name)
        self.written += len(new)
        self.replaced += len(self._damaged)

    def _delete(self, name: str) -> None:
        try:
            self._project.store.delete(name)
        except StorageDenied:  # locked by the store, it may be
            self.refused.update(self._packs.get(name, ()))

    def _gone(self, packs: Collection[bytes]) -> frozenset[bytes]:
        """Those that are dropped or gone. What one listing left out is asked for by name before its rows are given up."""
        if self._standing is None:
            self._standing = set(list_all_packs(self._project))
        unlisted = [pack for pack in packs if pack not in self._standing and pack not in self._absent]
        self._absent |= stored_packs.missing(self._project, frozenset(unlisted))
        self._standing |= set(unlisted) - self._absent
        return frozenset(pack for pack in packs if pack in self._dropped or pack in self._absent)

    def _load(self, name: str) -> pa.Table | None:
        try:
            return load_segment(self._project, name)
        except ObjectNotFound:
            return None  # joined with others meanwhile
        except Damaged:
            self._damaged.add(name)
            return None


def _in_order(rows: pa.Table) -> pa.Table:
    """Each row once, by tier and pack: a reader that wants one tier need not read the other."""
    import pyarrow.compute as pc

    order = pc.sort_indices(rows, sort_keys=[("tier", "ascending"), ("pack", "ascending"), ("offset", "ascending")])
    ordered = rows.take(order)
    if ordered.num_rows < 2:
        return ordered
    same = pc.and_(
        pc.equal(ordered["pack"][1:].combine_chunks(), ordered["pack"][:-1].combine_chunks()),
        pc.equal(ordered["offset"][1:].combine_chunks(), ordered["offset"][:-1].combine_chunks()),
    )
    return ordered.filter(pc.invert(_after_first(same)))


def _after_first(same: pa.Array) -> pa.Array:
    import pyarrow as pa

    return pa.concat_arrays([pa.array([False]), same])
