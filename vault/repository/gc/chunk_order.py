"""In which order chunks lie in a pack that is made of several: as they will be restored, by source and period.

The newest snapshot of each source says what its items are about, vanished ones among them. What it does not name, and
what has no period, is placed by the snapshot that brought it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from vault.errors import Damaged
from vault.format.chunks import ID_SIZE
from vault.format.layout import CONTENT_TIER, META_TIER
from vault.format.snapshot_record import Record
from vault.repository import snapshots
from vault.repository.catalog_chunks import MetaReader
from vault.repository.chunk_index import ChunkIndex
from vault.repository.gc.reachability import PackOrigin
from vault.repository.project import Project

if TYPE_CHECKING:
    import pyarrow as pa


ChunkPosition = tuple[str, int, int]
"""Source, microseconds since 1970, row among the items of the newest snapshots."""


class ChunkOrder:
    """Sorts the chunks of a pack. origins: of packs, as in `NeededPacks`."""

    def __init__(
        self, project: Project, records: Sequence[Record], index: ChunkIndex, origins: Mapping[bytes, PackOrigin]
    ) -> None:
        self._project = project
        self._records = records
        self._index = index
        self._origins = origins
        self._periods: pa.Table | None = None
        self._newest: frozenset[bytes] | None = None

    def sorted(self, tier: int, packs: Iterable[tuple[bytes, Sequence[bytes]]]) -> list[bytes]:
        """Their chunks, each once. packs: SHA-256 and chunks, those that came first in front."""
        keys: dict[bytes, ChunkPosition] = {}
        for pack, chunks in packs:
            origin = self._origins[pack]
            for chunk in chunks:
                keys.setdefault(chunk, (origin.source, _microseconds(origin.taken_at), 0))
        if tier == CONTENT_TIER:
            keys |= self._by_period(list(keys))
        return sorted(keys, key=lambda chunk: keys[chunk])  # what is equal stays as it lies

    def parts(self, tier: int, chunks: Sequence[bytes]) -> list[list[bytes]]:
        """The chunks, in their order, as they are divided among packs: of the catalogue those that the newest snapshots consist
        of are apart from others."""
        if tier == CONTENT_TIER:
            return [list(chunks)]
        if self._newest is None:
            self._newest = _newest(self._project, self._records, self._index)
        parts = ([chunk for chunk in chunks if (chunk in self._newest) is newest] for newest in (True, False))
        return [part for part in parts if part]

    def _by_period(self, chunks: list[bytes]) -> dict[bytes, ChunkPosition]:
        """The place of those chunks that the newest snapshots use for an item with a period."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if self._periods is None:
            self._periods = _periods(self._project, self._records, self._index)
        rows = pc.index_in(pa.array(chunks, pa.binary(ID_SIZE)), value_set=self._periods["chunk"].combine_chunks())
        found = self._periods.select(["source", "start"]).take(rows).to_pylist()
        places = zip(chunks, rows.to_pylist(), found, strict=True)
        return {chunk: (one["source"], one["start"], row) for chunk, row, one in places if row is not None}


def _periods(project: Project, records: Sequence[Record], index: ChunkIndex) -> pa.Table:
    """Of the items that have a period: chunk, source, start of the period in microseconds since 1970; by path. A manifest that
    cannot be read is passed over."""
    import pyarrow as pa
    import pyarrow.compute as pc

    reader = MetaReader(project, index.of_tier(META_TIER))
    schema = pa.schema([("chunk", pa.binary(ID_SIZE)), ("source", pa.string()), ("start", pa.int64())])
    tables = [schema.empty_table()]
    for one in snapshots.at(records, None):
        try:
            items = snapshots.read_manifest(reader, one, columns=["period_start", "chunks"])
        except Damaged:
            continue
        items = items.filter(pc.is_valid(items["period_start"]))
        chunks = items["chunks"].combine_chunks()
        starts = items["period_start"].combine_chunks().cast(pa.int64()).take(pc.list_parent_indices(chunks))
        ids = chunks.flatten().field("id")
        there = pc.is_valid(ids)
        ids, starts = ids.filter(there), starts.filter(there)
        tables.append(pa.table([ids, pa.repeat(one.source, len(ids)), starts], schema=schema))
    return pa.concat_tables(tables).combine_chunks()


def _newest(project: Project, records: Sequence[Record], index: ChunkIndex) -> frozenset[bytes]:
    """The chunks of the manifests and lists of the newest snapshots. Those that cannot be read are passed over."""
    reader = MetaReader(project, index.of_tier(META_TIER))
    found: set[bytes] = set()
    for one in snapshots.at(records, None):
        for root in (one.manifest, one.packs):
            with suppress(Damaged):
                found.update(reader.chunks_of(root, one.id))
    return frozenset(found)


def _microseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond
