"""Which chunks the snapshots need and do not find in the packs that they name, since some of those are gone or damaged.

A snapshot is whole again once each such chunk lies in a pack that it reaches: one to which, by a record of moved packs, the
content of a bad pack of its list has moved. So every missing chunk is put down to the bad pack, or packs, in which it lay.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct, field

from vault.errors import Damaged
from vault.format import tree
from vault.format.chunks import ID_SIZE
from vault.format.tree import Tree
from vault.repository import snapshots
from vault.repository.catalog_chunks import MetaReader
from vault.repository.chunk_index import contiguous, is_among
from vault.repository.repair.chunk_sources import ItemPlace
from vault.repository.repair.pack_damage import PackDamage, SnapshotGroup

if TYPE_CHECKING:
    import pyarrow as pa

PLACES_OF_CHUNK = 4
"""Items of which one chunk is looked for in a source: the same content may lie under several names, or have been renamed."""


class MissingChunks(Struct):
    """What is missing.

    - `of_pack`: by each bad pack, the chunks that lay in it and that some snapshot that needs it does not find elsewhere
    - `catalogue`: those of the chunks that are of manifests and lists
    - `dictionaries`: that frames in sound packs need, and that are missing themselves
    - `of_snapshot`: by the newest snapshot of each group, what is missing of its catalogue
    """

    of_pack: dict[bytes, set[bytes]] = field(default_factory=dict)
    catalogue: set[bytes] = field(default_factory=set)
    dictionaries: set[bytes] = field(default_factory=set)
    of_snapshot: dict[str, set[bytes]] = field(default_factory=dict)

    @property
    def chunks(self) -> frozenset[bytes]:
        """All of them."""
        return frozenset[bytes]().union(*self.of_pack.values())


class _Needed(NamedTuple):
    """content, catalogue: ids of the chunks that a snapshot needs, as far as its catalogue can be read."""

    content: pa.Array
    catalogue: frozenset[bytes]


def find(reader: MetaReader, damage: PackDamage, *, regained: Collection[bytes] = ()) -> MissingChunks:
    """Look at every snapshot that needs a bad pack. regained: dictionaries that will be stored anew, so that frames that need
    them can be read. Raises `StorageError`."""
    missing = MissingChunks({pack: set() for pack in damage.bad})
    for group in damage.affected:
        _Look(damage, group, frozenset(regained), missing).run(_needed(reader, group))
    return missing


class _Look:
    """At one group of snapshots."""

    def __init__(self, damage: PackDamage, group: SnapshotGroup, regained: frozenset[bytes], missing: MissingChunks) -> None:
        self._damage = damage
        self._newest = group.record.id
        self._regained = regained
        self._missing = missing
        self._bad = group.packs & damage.bad
        self._good = group.packs - damage.bad
        self._opaque = bool((self._good & damage.stored.keys()) - damage.index.packs())
        """Whether it needs a pack of which this machine cannot tell what it holds."""

    def run(self, needed: _Needed) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        table = self._damage.index.table
        ids = pc.unique(pa.concat_arrays([needed.content, pa.array(sorted(needed.catalogue), pa.binary(ID_SIZE))]))
        rows = table.filter(pc.is_in(table["chunk"], value_set=ids))
        good = rows.filter(is_among(rows["pack"], self._good))
        lost = self._lost_dictionaries(good)
        back = lost & self._regained
        fine = good.filter(pc.invert(is_among(good["dictionary"], lost - back)))
        lacks = ids.filter(pc.invert(pc.is_in(ids, value_set=contiguous(fine["chunk"]))))
        if self._opaque:
            lacks = lacks.filter(pc.is_in(lacks, value_set=contiguous(rows["chunk"])))
        lacking = set(lacks.to_pylist()) | back
        self._missing.dictionaries |= lost
        self._missing.catalogue |= lacking & needed.catalogue
        self._missing.of_snapshot[self._newest] = lacking & needed.catalogue
        self._put_down(lacking, table.filter(is_among(table["chunk"], lacking)))

    def _lost_dictionaries(self, good: pa.Table) -> set[bytes]:
        """Of frames in sound packs."""
        import pyarrow.compute as pc

        table = self._damage.index.table
        needed = pc.unique(good["dictionary"]).drop_null()
        rows = table.filter(pc.is_in(table["chunk"], value_set=needed))
        there = rows.filter(pc.and_(is_among(rows["pack"], self._good), pc.is_null(rows["dictionary"])))["chunk"]
        return set(needed.to_pylist()) - set(there.to_pylist())

    def _put_down(self, lacking: set[bytes], rows: pa.Table) -> None:
        """To the bad packs in which each lay by the index, or in which its dictionary did; else to those of which nothing is
        known."""
        import pyarrow.compute as pc

        places: dict[bytes, set[bytes]] = {}
        own = rows.filter(is_among(rows["pack"], self._bad))
        for chunk, pack in zip(own["chunk"].to_pylist(), own["pack"].to_pylist(), strict=True):
            places.setdefault(chunk, set()).add(pack)
        of_dictionary = self._places_of(pc.unique(rows["dictionary"]).drop_null())
        for chunk, dictionary in zip(rows["chunk"].to_pylist(), rows["dictionary"].to_pylist(), strict=True):
            places.setdefault(chunk, set()).update(of_dictionary.get(dictionary, ()))
        unknown = self._bad - self._damage.index.packs() or self._bad
        for chunk in lacking:
            for pack in places.get(chunk) or unknown:
                self._missing.of_pack[pack].add(chunk)

    def _places_of(self, dictionaries: pa.Array) -> dict[bytes, set[bytes]]:
        import pyarrow.compute as pc

        table, found = self._damage.index.table, dict[bytes, set[bytes]]()
        rows = table.filter(pc.and_(pc.is_in(table["chunk"], value_set=dictionaries), is_among(table["pack"], self._bad)))
        for chunk, pack in zip(rows["chunk"].to_pylist(), rows["pack"].to_pylist(), strict=True):
            found.setdefault(chunk, set()).add(pack)
        return found


def _needed(reader: MetaReader, group: SnapshotGroup) -> _Needed:
    import pyarrow as pa

    one = group.record
    catalogue = frozenset[bytes]().union(*(_reachable(reader, root, one.id) for root in (one.manifest, one.packs)))
    try:
        chunks = snapshots.read_manifest(reader, one, columns=["chunks"])["chunks"].combine_chunks()
    except Damaged:
        return _Needed(pa.array([], pa.binary(ID_SIZE)), catalogue)
    return _Needed(chunks.flatten().field("id").drop_null(), catalogue)


def _reachable(reader: MetaReader, root: Tree, what: str) -> set[bytes]:
    """The chunks of a tree, as far down as its lists can be read."""
    found = {chunk for chunk, _ in root.chunks}
    for depth in range(1, root.depth + 1):
        upper = Tree(depth, root.length, root.chunks)
        try:
            found |= {chunk for chunk, _ in tree.reachable(upper, lambda refs: reader.fetch(refs, what), what)}
        except Damaged:
            break
    return found


def item_places(reader: MetaReader, damage: PackDamage, wanted: Collection[bytes]) -> Iterator[ItemPlace]:
    """Where these chunks lie in items, by the manifests of the snapshots that need a bad pack, the newest first."""
    count: dict[bytes, int] = {}
    seen: set[ItemPlace] = set()
    for group in reversed(damage.affected):
        try:
            table = snapshots.read_manifest(reader, group.record, columns=["path", "source", "chunks"])
        except Damaged:
            continue
        for place in _places_in(table, wanted):
            if place not in seen and count.get(place.chunk, 0) < PLACES_OF_CHUNK:
                seen.add(place)
                count[place.chunk] = count.get(place.chunk, 0) + 1
                yield place


def _places_in(table: pa.Table, wanted: Collection[bytes]) -> Iterator[ItemPlace]:
    for row in rows_with(table, wanted).to_pylist():
        offset = 0
        for chunk in row["chunks"]:
            if chunk["id"] in wanted:
                yield ItemPlace(chunk["id"], row["source"], row["path"], offset, chunk["length"])
            offset += chunk["length"]


def rows_with(table: pa.Table, chunks: Collection[bytes]) -> pa.Table:
    """The rows of a manifest whose content is partly in these chunks."""
    import pyarrow.compute as pc

    flat = table["chunks"].combine_chunks()
    among = is_among(flat.flatten().field("id"), chunks)
    return table.take(pc.unique(pc.list_parent_indices(flat).filter(among)))
