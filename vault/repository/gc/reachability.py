"""What the snapshots need: packs by the lists in their records, and, where packs are looked into, chunks by their manifests.

The lists are long and much alike, so they are joined as columns of 32 bytes a pack, each different list once: a thousand
snapshots of thirty thousand packs take the room of a few.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from vault.format.chunks import ID_SIZE
from vault.format.layout import META_TIER, TIERS
from vault.format.snapshot_record import Record
from vault.lazily import lazily
from vault.repository import snapshots
from vault.repository.catalog_chunks import MetaReader
from vault.repository.chunk_index import ChunkIndex
from vault.repository.orphan_packs import healed, rows_of, standing
from vault.repository.project import Project

if TYPE_CHECKING:
    import pyarrow as pa


class Needs(NamedTuple):
    """reached: the packs that records name, and all in which their content lay since · now: those in which it lies."""

    reached: frozenset[bytes]
    now: frozenset[bytes]


def reader_of(project: Project) -> MetaReader:
    """Reads manifests and lists, by what the packs say where an index segment is damaged."""
    return MetaReader(project, healed(project, ChunkIndex.load(project, tier=META_TIER)))


def needs(project: Project, records: Iterable[Record], moved: Mapping[bytes, frozenset[bytes]]) -> Needs:
    """What these records need. Raises `Damaged`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    reader = reader_of(project)
    kind = pa.binary(ID_SIZE)
    found = pa.array([pack for one in records for pack in one.own_packs], kind).unique()
    for one in {one.packs: one for one in records}.values():
        flat = snapshots.flat_list(reader, one)
        listed = pa.Array.from_buffers(kind, len(flat) // ID_SIZE, [None, pa.py_buffer(flat)])
        found = pc.unique(pa.concat_arrays([found, listed]))
    packs = frozenset(found.to_pylist())
    return Needs(snapshots.reached(packs, moved), snapshots.where_now(packs, moved))


def live_chunks(project: Project, records: Iterable[Record], index: ChunkIndex, stop: Callable[[], None]) -> pa.Array:
    """The chunks that these records need, of both tiers, dictionaries and the catalogue's own among them. index: of all."""
    import pyarrow as pa
    import pyarrow.compute as pc

    reader = MetaReader(project, index.of_tier(META_TIER))
    kind = pa.binary(ID_SIZE)
    live = pa.array([], kind)
    for one in {(one.manifest, one.packs): one for one in records}.values():
        stop()
        chunks = snapshots.read_manifest(reader, one, columns=["chunks"])["chunks"].combine_chunks()
        own = reader.chunks_of(one.manifest, one.id) + reader.chunks_of(one.packs, one.id)
        live = pc.unique(pa.concat_arrays([live, chunks.flatten().field("id").drop_null(), pa.array(own, kind)]))
    used = index.table.filter(pc.is_in(index.table["chunk"], value_set=live))["dictionary"]
    return pc.unique(pa.concat_arrays([live, used.combine_chunks().drop_null()]))


def alone_in(index: ChunkIndex, live: pa.Array, packs: frozenset[bytes]) -> frozenset[bytes]:
    """Packs beside these in which chunks lie that are live and lie in none of these: no record names them, as where one of
    moved packs is lost, and what they hold is needed all the same."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rows = index.table.select(["chunk", "pack"]).filter(pc.is_in(index.table["chunk"], value_set=live))
    listed = pc.is_in(rows["pack"], value_set=pa.array(sorted(packs), pa.binary(ID_SIZE)))
    safe = pc.unique(rows.filter(listed)["chunk"])
    return frozenset(rows.filter(pc.invert(pc.is_in(rows["chunk"], value_set=safe)))["pack"].unique().to_pylist())


class PackContents:
    """What lies inside of packs, read once it is asked for. records: of the snapshots that count · needs: what they need."""

    def __init__(self, project: Project, records: Sequence[Record], needs: Needs, stop: Callable[[], None]) -> None:
        self._project = project
        self._records = records
        self.needs = needs
        self._stop = stop

    @lazily
    def index(self) -> ChunkIndex:
        """Where everything lies, also what no segment names."""
        return self._named.with_rows(self.unnamed)

    @lazily
    def unnamed(self) -> list[pa.Table]:
        """Rows, out of the packs themselves, of what is needed and in no segment: one was lost, or is damaged."""
        wanted = self.needs.now - self._named.packs()
        stored = [(tier, *one) for tier in TIERS for one in standing(self._project, tier).items() if wanted]
        readable = [one for one in stored if one[1] in wanted and (one[0] == META_TIER or self._may_read)]
        return rows_of(self._project, readable)

    @lazily
    def live(self) -> pa.Array:
        """The chunks that any snapshot needs."""
        return live_chunks(self._project, self._records, self.index, self._stop)

    def unlisted(self, there: Collection[bytes]) -> frozenset[bytes]:
        """Packs that no record names and in which lies what is needed, as some pack in which it should lie is gone. there: the
        packs that stand."""
        standing_still = self.needs.now.intersection(there)
        if standing_still == self.needs.now:
            return frozenset()
        return alone_in(healed(self._project, self.index), self.live, standing_still)

    @lazily
    def _named(self) -> ChunkIndex:
        return ChunkIndex.load(self._project)

    @property
    def _may_read(self) -> bool:
        return self._project.capability.content_identity is not None


class PackUsage(NamedTuple):
    """What a pack holds, by its frames' stored bytes. waste: of chunks that are not live."""

    frames: int
    waste: int


def pack_usage(index: ChunkIndex, live: pa.Array) -> dict[bytes, PackUsage]:
    """Of each pack that the index names."""
    import pyarrow.compute as pc

    rows = index.table.select(["pack", "stored"])
    zero = pc.subtract(rows["stored"], rows["stored"])
    rows = rows.append_column("waste", pc.if_else(pc.is_in(index.table["chunk"], value_set=live), zero, rows["stored"]))
    sums = rows.group_by("pack").aggregate([("stored", "sum"), ("waste", "sum")])
    columns = (sums[name].to_pylist() for name in ("pack", "stored_sum", "waste_sum"))
    return {pack: PackUsage(frames, waste) for pack, frames, waste in zip(*columns, strict=True)}
