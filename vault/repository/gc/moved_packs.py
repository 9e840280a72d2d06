"""Whether a pack may be deleted because its content has moved to others.

Whoever holds a write capability can write a record of moved packs, index segments and packs, but cannot read content. So a
prune believes none of them. What a pack holds, its own table of contents says; each chunk of it that a snapshot needs must be
found, and read, in a pack that this very snapshot goes on needing and that stays. Where all of a pack was stored again, that is
known without any manifest: whoever needs the pack needs those to which it has moved. Without a read capability no pack of
content goes on the strength of such a record.

A pack that is not what its name says, and of which not even the table of contents can be read, holds nothing that anybody could
read by that table. It goes where every chunk of every snapshot that lists it lies in packs that the snapshot goes on needing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from vault.errors import Damaged, ObjectNotFound, StrongroomError
from vault.format import index, layout
from vault.format.chunks import ID_SIZE
from vault.format.layout import META_TIER
from vault.format.snapshot_record import Record
from vault.progress import Stop
from vault.repository import snapshots
from vault.repository.catalog_chunks import MetaReader
from vault.repository.chunk_index import ChunkIndex, contiguous, is_among
from vault.repository.orphan_packs import rows_from_packs
from vault.repository.pack_reader import ChunkPlace, PackReader, places
from vault.repository.project import Project
from vault.storage.caching import uncached

if TYPE_CHECKING:
    import pyarrow as pa

Pack = tuple[int, bytes, int]
"""Tier, SHA-256, stored bytes."""


class StayingPacks(Struct, frozen=True):
    """What stays after a prune.

    - `records`: of the snapshots that count
    - `moved`: as in `Committed`
    - `index`: where chunks lie
    - `stored`: stored bytes of the packs that no prune is about to delete, by tier and SHA-256
    """

    records: Sequence[Record]
    moved: Mapping[bytes, frozenset[bytes]]
    index: ChunkIndex
    stored: Mapping[tuple[int, bytes], int]


def readable(project: Project, tier: int) -> bool:
    """Whether packs of this tier can be opened here."""
    return tier == META_TIER or project.capability.content_identity is not None


def proven(project: Project, packs: Sequence[Pack], staying: StayingPacks, *, whole: bool, stop: Stop) -> frozenset[bytes]:
    """Those of the packs whose needed content lies elsewhere as well. Records say of all of them that they have moved.

    whole: every such chunk is read there and compared with its id. Raises `StorageError`, `Damaged` where a manifest cannot be
    read.
    """
    import pyarrow as pa

    if staying.index.damaged:  # which dictionaries are needed, the damaged segment might say
        return frozenset()
    stop()
    may_go = [one for one in packs if readable(project, one[0])]
    opened = rows_from_packs(project, may_go)
    own = pa.concat_tables([index.schema().empty_table(), *opened])
    read = frozenset(own["pack"].unique().to_pylist())
    ruined = _ruined(project, [one for one in may_go if one[1] not in read])
    if not opened and not ruined:
        return frozenset()
    proof = _Proof(project, own, staying, ruined)
    proof.look_for_copies()
    for one in {(one.manifest, one.packs, one.own_packs): one for one in staying.records if proof.left}.values():
        stop()
        proof.look(one)
    bad = proof.missing
    if whole:
        below = replace(project, store=uncached(project.store))
        bad = bad | _unreadable(below, staying.index, proof.rows(), stop)
    spoiled = own.filter(is_among(own["chunk"], bad))["pack"].unique().to_pylist()
    return read.difference(spoiled) | proof.ruined


class _Proof:
    """What snapshots need of the packs that would go, and where else it lies."""

    def __init__(self, project: Project, own: pa.Table, staying: StayingPacks, ruined: frozenset[bytes]) -> None:
        import pyarrow.compute as pc

        self.ruined = ruined
        """Packs that cannot be opened at all, and of which so far no snapshot was met that lacks anything without them."""
        self._own = own
        self._old = frozenset(own["pack"].unique().to_pylist())
        self._staying = staying
        self._reader = MetaReader(project, staying.index.of_tier(META_TIER), many=True)
        table = staying.index.table
        held = pc.unique(own["chunk"])
        self._elsewhere = self._whole(table.filter(pc.is_in(table["chunk"], value_set=held)))
        self._dictionaries = table.filter(pc.is_in(table["dictionary"], value_set=held))
        self._packs_elsewhere = frozenset(self._elsewhere["pack"].unique().to_pylist())
        self._found: dict[frozenset[bytes], set[bytes]] = {}
        self.left = self._old | ruined
        """Packs of which only the manifests can say what is needed."""
        self.missing: set[bytes] = set()
        """Chunks that some snapshot needs, and that lie in no pack that it goes on needing."""

    def look_for_copies(self) -> None:
        """For packs that were stored again whole, in packs that everybody needs who needs them."""
        import pyarrow.compute as pc

        alike: dict[frozenset[bytes], set[bytes]] = {}
        for pack in self._old:
            targets = snapshots.current_packs(frozenset({pack}), self._staying.moved) & self._packs_elsewhere
            if targets:
                alike.setdefault(targets, set()).add(pack)
        for targets, packs in alike.items():
            there = self._elsewhere.filter(is_among(self._elsewhere["pack"], targets))
            mine = self._own.filter(is_among(self._own["pack"], packs))
            found = self._copied(mine, there, targets)
            whole = packs.difference(mine.filter(pc.invert(found))["pack"].unique().to_pylist())
            copied = mine.filter(is_among(mine["pack"], whole))["chunk"].to_pylist()
            self._found.setdefault(frozenset(there["pack"].unique().to_pylist()), set()).update(copied)
            self.left -= whole

    def _copied(self, mine: pa.Table, there: pa.Table, packs: frozenset[bytes]) -> pa.ChunkedArray:
        """Of each of the rows `mine`, whether its chunk is `there`, in `packs`, in a frame that needs no dictionary, the same
        one, or one that lies in `packs`."""
        import pyarrow.compute as pc

        table = self._staying.index.table
        beside = table.filter(pc.is_in(table["chunk"], value_set=pc.unique(there["dictionary"]).drop_null()))
        held = beside.filter(is_among(beside["pack"], packs))["chunk"]
        free = pc.or_(pc.is_null(there["dictionary"]), pc.is_in(there["dictionary"], value_set=contiguous(held)))
        alone = pc.is_in(mine["chunk"], value_set=contiguous(there.filter(free)["chunk"]))
        return pc.or_(alone, pc.is_in(_frames(mine), value_set=contiguous(_frames(there))))

    def look(self, one: Record) -> None:
        """At one snapshot. Raises `Damaged`."""
        import pyarrow as pa
        import pyarrow.compute as pc

        listed = snapshots.listed_packs(self._reader, one)
        here = snapshots.follow_moves(listed, self._staying.moved) & self.left
        if not here:
            return
        chunks = snapshots.read_manifest(self._reader, one, columns=["chunks"])["chunks"].combine_chunks()
        tree = self._reader.chunks_of(one.manifest, one.id) + self._reader.chunks_of(one.packs, one.id)
        live = pa.concat_arrays([chunks.flatten().field("id").drop_null(), pa.array(tree, pa.binary(ID_SIZE))])
        dictionaries = self._dictionaries.filter(pc.is_in(self._dictionaries["chunk"], value_set=live))[
            "dictionary"
        ].combine_chunks()
        live = pc.unique(pa.concat_arrays([live, dictionaries]))
        if here & self.ruined and self._lacks_any(live, snapshots.current_packs(listed, self._staying.moved)):
            self.ruined -= here
        mine = self._own.filter(pc.and_(is_among(self._own["pack"], here), pc.is_in(self._own["chunk"], value_set=live)))
        needed = set(mine["chunk"].to_pylist())
        now = snapshots.current_packs(listed, self._staying.moved)
        there = self._elsewhere.filter(is_among(self._elsewhere["pack"], now & self._packs_elsewhere))
        there = there.filter(is_among(there["chunk"], needed))
        found = set(there["chunk"].to_pylist())
        self._found.setdefault(frozenset(there["pack"].unique().to_pylist()), set()).update(found)
        self.missing |= needed - found

    def _lacks_any(self, live: pa.Array, now: frozenset[bytes]) -> bool:
        """Whether one of these chunks, or a dictionary of theirs, lies in none of the packs `now` that stay."""
        import pyarrow.compute as pc

        table = self._staying.index.table
        there = self._whole(table.filter(is_among(table["pack"], now)))
        rows = there.filter(pc.is_in(there["chunk"], value_set=live))
        alone = pc.or_(pc.is_null(rows["dictionary"]), pc.is_in(rows["dictionary"], value_set=contiguous(there["chunk"])))
        had = pc.is_in(live, value_set=contiguous(rows.filter(alone)["chunk"]))
        return not pc.all(had).as_py()

    def rows(self) -> list[tuple[pa.Table, set[bytes]]]:
        """Where to read what was found: rows of the packs that one snapshot, or several, go on needing, and the chunks that
        each must find among them."""
        tables = (
            (self._elsewhere.filter(is_among(self._elsewhere["pack"], packs)), chunks) for packs, chunks in self._found.items()
        )
        return [(rows.filter(is_among(rows["chunk"], chunks)), chunks) for rows, chunks in tables if chunks]

    def _whole(self, rows: pa.Table) -> pa.Table:
        """Those of the rows whose packs stay, with the lengths that the store lists."""
        named = rows.group_by(["tier", "pack", "pack_size"]).aggregate([]).to_pylist()
        stored = self._staying.stored
        good = {one["pack"] for one in named if stored.get((one["tier"], one["pack"])) == one["pack_size"]}
        return rows.filter(is_among(rows["pack"], good - self._old))


def _ruined(project: Project, packs: Sequence[Pack]) -> frozenset[bytes]:
    """Those of the packs, which cannot be opened, that are not what their names say, as the store itself has them: each is read
    twice, as bad memory looks like bad storage."""
    below = replace(project, store=uncached(project.store))
    return frozenset(pack for tier, pack, _ in packs if not any(_is_named_right(below, tier, pack) for _ in range(2)))


def _is_named_right(project: Project, tier: int, pack: bytes) -> bool:
    try:
        return hashlib.sha256(project.store.get(layout.pack_name(project.id, tier, pack))).digest() == pack
    except ObjectNotFound:
        return True  # gone by now


def _frames(rows: pa.Table) -> pa.ChunkedArray:
    """Chunk and dictionary of each row, as one value."""
    import pyarrow.compute as pc

    columns = (rows[name].cast("binary") for name in ("chunk", "dictionary"))
    return pc.binary_join_element_wise(*columns, b"", null_handling="replace", null_replacement=b"")


def _unreadable(project: Project, index: ChunkIndex, wanted: Collection[tuple[pa.Table, set[bytes]]], stop: Stop) -> set[bytes]:
    """The chunks that can be read in none of the places where they are needed. Each place is read once."""
    import pyarrow as pa

    if not wanted:
        return set()
    every = dict.fromkeys(places(pa.concat_tables([rows for rows, _ in wanted])))
    reader = PackReader(project, index)
    good: set[tuple[bytes, bytes]] = set()
    by_pack: dict[bytes, list[ChunkPlace]] = {}
    for place in every:
        by_pack.setdefault(place.pack, []).append(place)
    for pack, some in by_pack.items():
        stop()
        try:
            read = [place.chunk for place, content in reader.chunks(some) if not isinstance(content, StrongroomError)]
        except (Damaged, ObjectNotFound):
            continue
        good.update((pack, chunk) for chunk in read)
    bad: set[bytes] = set()
    for rows, chunks in wanted:
        pairs = zip(rows["pack"].to_pylist(), rows["chunk"].to_pylist(), strict=True)
        bad |= chunks - {chunk for pack, chunk in pairs if (pack, chunk) in good}
    return bad
