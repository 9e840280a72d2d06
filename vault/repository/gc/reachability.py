"""What the snapshots need: packs by the lists in their records, and chunks by their manifests.

The lists are long and similar, so each distinct one is read once, as a column of 32 bytes a pack, and compared with the one
before: a thousand snapshots of thirty thousand packs take the memory of a few.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from vault.format.chunks import ID_SIZE
from vault.format.layout import META_TIER, TIERS
from vault.format.snapshot_record import Record
from vault.format.tree import ChunkRef, Tree
from vault.progress import Stop
from vault.repository import snapshots
from vault.repository.catalog_chunks import MetaReader
from vault.repository.chunk_index import ChunkIndex
from vault.repository.gc import kept_chunks
from vault.repository.orphan_packs import repaired_index, rows_from_packs
from vault.repository.project import Project
from vault.repository.stored_packs import list_packs

if TYPE_CHECKING:
    import pyarrow as pa


CHUNKS_AT_ONCE = 262_144
"""Chunks of manifests that are joined at once, or as many as there are already: joining each manifest with all before would
cost the square of their number."""


CHUNKS_KEPT = 32 * 1024 * 1024
"""Bytes of chunks of manifests that are kept while the next ones are read."""


class PackOrigin(NamedTuple):
    """The source and the moment of the first snapshot that needs a pack, or needed what has moved into it."""

    source: str
    taken_at: datetime


class NeededPacks(NamedTuple):
    """The packs that snapshots need.

    - `reached`: those that records name, and all to which their content has moved since
    - `now`: those that hold the content now
    - `origins`: where those that are reached come from
    """

    reached: frozenset[bytes]
    now: frozenset[bytes]
    origins: Mapping[bytes, PackOrigin]


class SuccessiveReader(MetaReader):
    """Reads manifests one after another, which share most of their chunks: what was used last is not read again."""

    def __init__(self, project: Project, index: ChunkIndex) -> None:
        super().__init__(project, index, many=True)
        self._kept: OrderedDict[bytes, bytes] = OrderedDict()
        self._size = 0

    def fetch(self, refs: Sequence[ChunkRef], what: str) -> list[bytes]:
        """As `MetaReader.fetch`."""
        known = {chunk: self._kept.pop(chunk) for chunk in {chunk for chunk, _ in refs} & self._kept.keys()}
        self._size -= sum(map(len, known.values()))
        fresh = [(chunk, length) for chunk, length in refs if len(known.get(chunk, b"")) != length]
        known |= zip((chunk for chunk, _ in fresh), super().fetch(fresh, what), strict=True)
        self._kept |= known
        self._size += sum(map(len, known.values()))
        while self._size > CHUNKS_KEPT:
            self._size -= len(self._kept.popitem(last=False)[1])
        return [known[chunk] for chunk, _ in refs]


def catalogue_reader(project: Project, *, many: bool = False) -> MetaReader:
    """Reads manifests and lists. Where an index segment is damaged, the packs' own tables of contents replace it. many: see
    `MetaReader`."""
    return MetaReader(project, repaired_index(project, ChunkIndex.load(project, tier=META_TIER)), many=many)


def needs(project: Project, records: Iterable[Record], moved: Mapping[bytes, frozenset[bytes]]) -> NeededPacks:
    """What these records, by time, need. Raises `Damaged`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    reader = catalogue_reader(project, many=True)
    kind = pa.binary(ID_SIZE)
    before = pa.array([], kind)
    named: set[bytes] = set()
    origins: dict[bytes, PackOrigin] = {}
    lists: set[Tree] = set()
    for one in records:
        fresh = list(one.own_packs)
        if one.packs not in lists:
            lists.add(one.packs)
            flat = snapshots.packs_as_bytes(reader, one)
            listed = pa.Array.from_buffers(kind, len(flat) // ID_SIZE, [None, pa.py_buffer(flat)])
            fresh += listed.filter(pc.invert(pc.is_in(listed, value_set=before))).to_pylist()
            before = listed
        origin = PackOrigin(one.source, one.taken_at)
        for pack in set(fresh) - named:
            named.add(pack)
            for reached in snapshots.follow_moves(frozenset({pack}), moved):
                origins.setdefault(reached, origin)
    return NeededPacks(frozenset(origins), snapshots.current_packs(frozenset(named), moved), origins)


def live_chunks(project: Project, records: Iterable[Record], index: ChunkIndex, stop: Stop) -> pa.Array:
    """The chunks that these records need, of both tiers, dictionaries and the catalogue's own among them. index: of all."""
    import pyarrow as pa
    import pyarrow.compute as pc

    reader = SuccessiveReader(project, index.of_tier(META_TIER))
    live = kept_chunks.chunks_of(project, records, lambda some: _chunks_of_manifests(reader, some, stop), stop)
    used = index.table.filter(pc.is_in(index.table["chunk"], value_set=live))["dictionary"]
    return pc.unique(pa.concat_arrays([live, used.combine_chunks().drop_null()]))


def _chunks_of_manifests(reader: MetaReader, records: Iterable[Record], stop: Stop) -> pa.Array:
    """The chunks that are named by manifests, or that these and the lists of packs consist of, each once."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = pa.binary(ID_SIZE)
    parts, waiting = [pa.array([], kind)], 0
    for one in records:
        stop()
        chunks = snapshots.read_manifest(reader, one, columns=["chunks"])["chunks"].combine_chunks()
        own = reader.chunks_of(one.manifest, one.id) + reader.chunks_of(one.packs, one.id)
        parts += [chunks.flatten().field("id").drop_null(), pa.array(own, kind)]
        waiting += len(parts[-2]) + len(own)
        if waiting > max(CHUNKS_AT_ONCE, len(parts[0])):
            parts, waiting = [pc.unique(pa.concat_arrays(parts))], 0
    return pc.unique(pa.concat_arrays(parts))


def packs_with_only_copies(index: ChunkIndex, live: pa.Array, packs: frozenset[bytes]) -> frozenset[bytes]:
    """Further packs that hold the only copies of live chunks. packs: those that are needed already. No record names them, for
    example where a pack to which content was moved is lost."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rows = index.table.select(["chunk", "pack"]).filter(pc.is_in(index.table["chunk"], value_set=live))
    listed = pc.is_in(rows["pack"], value_set=pa.array(sorted(packs), pa.binary(ID_SIZE)))
    safe = pc.unique(rows.filter(listed)["chunk"])
    return frozenset(rows.filter(pc.invert(pc.is_in(rows["chunk"], value_set=safe)))["pack"].unique().to_pylist())


class PackContents:
    """What packs contain. Each part is read when it is used first, since a prune without repacking needs none of them.

    - `records`: of the snapshots that count
    - `needs`: what they need
    """

    def __init__(self, project: Project, records: Sequence[Record], needs: NeededPacks, stop: Stop) -> None:
        self._project = project
        self._records = records
        self.needs = needs
        self._stop = stop
        self._named: ChunkIndex | None = None
        self._unnamed: list[pa.Table] | None = None
        self._index: ChunkIndex | None = None
        self._live: pa.Array | None = None

    @property
    def index(self) -> ChunkIndex:
        """The whole index, with needed packs that no segment names."""
        if self._index is None:
            self._index = self._segments().with_rows(self.unnamed)
        return self._index

    @property
    def unnamed(self) -> list[pa.Table]:
        """Rows of needed packs that no segment names, since one is lost or damaged: out of their own tables of contents."""
        if self._unnamed is None:
            wanted = self.needs.now - self._segments().packs()
            stored = [(tier, *one) for tier in TIERS for one in list_packs(self._project, tier).items() if wanted]
            readable = [one for one in stored if one[1] in wanted and (one[0] == META_TIER or self._may_read)]
            self._unnamed = rows_from_packs(self._project, readable)
        return self._unnamed

    @property
    def live(self) -> pa.Array:
        """The chunks that any snapshot needs."""
        if self._live is None:
            self._live = live_chunks(self._project, self._records, self.index, self._stop)
        return self._live

    def unlisted(self, stored: Collection[bytes]) -> frozenset[bytes]:
        """Packs that no record names, and that hold the only copies of needed chunks since a needed pack is gone. stored: the
        packs that the store has."""
        present = self.needs.now.intersection(stored)
        if present == self.needs.now:
            return frozenset()
        return packs_with_only_copies(repaired_index(self._project, self.index), self.live, present)

    def _segments(self) -> ChunkIndex:
        if self._named is None:
            self._named = ChunkIndex.load(self._project)
        return self._named

    @property
    def _may_read(self) -> bool:
        return self._project.capability.content_identity is not None


class PackUsage(NamedTuple):
    """Stored bytes of a pack's frames. waste: of those whose chunks are not live."""

    frames: int
    waste: int


def pack_usage(index: ChunkIndex, live: pa.Array) -> dict[bytes, PackUsage]:
    """The usage of each pack that the index names, by SHA-256."""
    import pyarrow.compute as pc

    rows = index.table.select(["pack", "stored"])
    zero = pc.subtract(rows["stored"], rows["stored"])
    rows = rows.append_column("waste", pc.if_else(pc.is_in(index.table["chunk"], value_set=live), zero, rows["stored"]))
    sums = rows.group_by("pack").aggregate([("stored", "sum"), ("waste", "sum")])
    columns = (sums[name].to_pylist() for name in ("pack", "stored_sum", "waste_sum"))
    return {pack: PackUsage(frames, waste) for pack, frames, waste in zip(*columns, strict=True)}
