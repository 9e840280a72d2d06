"""Packs whose content lies in others by now, in one of the two stores or in both.

Prunes of each store move content as they like, so a pack that a snapshot lists may have moved in the first store, in the second
one, or in both to different packs. Records of moved packs are not copied: a copy writes its own, which say for a pack that the
second store lacks where its content lies there.

    moved in the first   what holds it now is copied, and a record says so
    moved in the second  what the snapshot needs of it must lie there; else the pack is brought again, and counts as not moved
    stands in both       once all of its chunks lie in packs that came later, a record says so, and a prune can let it go
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from vault.copying.read_both import FirstStore, SecondStore
from vault.format import layout
from vault.format.forget_note import ForgottenSnapshot
from vault.format.moved_packs import MAX_MOVED_BYTES, MovedPacks
from vault.format.snapshot_record import Record
from vault.repository import snapshots
from vault.repository.chunk_index import ChunkIndex, contiguous, is_among
from vault.repository.gc.forget import put_notes
from vault.repository.gc.repack import BYTES_OF_ENTRY, SOURCE
from vault.repository.project import Project

if TYPE_CHECKING:
    import pyarrow as pa

Moves = Mapping[bytes, frozenset[bytes]]


def holders(pack: bytes, moved: Moves) -> frozenset[bytes]:
    """The packs that hold the content of one now: itself, where it has not moved."""
    return snapshots.current_packs(frozenset({pack}), moved) if pack in moved else frozenset({pack})


class LooksFor(Struct, frozen=True):
    """Where the second store will look for what a snapshot needs: in packs that stand there, and in some that are on their
    way."""

    index: ChunkIndex
    standing: frozenset[bytes]
    arriving: frozenset[bytes]


def lacking(first: FirstStore, one: Record, packs: frozenset[bytes], there: LooksFor) -> set[bytes]:
    """Those of some packs of which a snapshot needs chunks that the second store does not have where it would look, or of which
    no index segment of the first store says what they hold: a listing may leave one out. packs: that the snapshot lists and
    that have moved in the second store. Raises `Damaged` where the manifest cannot be read."""
    import pyarrow as pa
    import pyarrow.compute as pc

    spread = {holder: pack for pack in packs for holder in {pack, *holders(pack, first.moved)}}
    rows = first.index.table.filter(is_among(first.index.table["pack"], spread))
    needed = rows.filter(pc.is_in(rows["chunk"], value_set=chunks_of(first, one)))
    found = pa.concat_arrays(
        [
            contiguous(table.filter(is_among(table["pack"], some))["chunk"])
            for table, some in ((there.index.table, there.standing), (first.index.table, there.arriving))
        ]
    )
    missing = needed.filter(pc.invert(pc.is_in(needed["chunk"], value_set=found)))
    named = set(rows["pack"].unique().to_pylist())
    unknown = {pack for pack in packs if not holders(pack, first.moved) <= named}
    return unknown | {spread[holder] for holder in missing["pack"].unique().to_pylist()}


def chunks_of(first: FirstStore, one: Record) -> pa.Array:
    """Every chunk that a snapshot needs: of its content, with the dictionaries, and of its catalogue."""
    import pyarrow as pa
    import pyarrow.compute as pc

    chunks = snapshots.read_manifest(first.reader, one, columns=["chunks"])["chunks"].combine_chunks()
    what = f"snapshot {one.id}"
    tree = first.reader.chunks_of(one.manifest, what) + first.reader.chunks_of(one.packs, what)
    live = pa.concat_arrays([chunks.flatten().field("id").drop_null(), pa.array(tree, pa.binary(32))])
    rows = first.index.table
    used = rows.filter(pc.is_in(rows["chunk"], value_set=live))["dictionary"].combine_chunks().drop_null()
    return pc.unique(pa.concat_arrays([live, used]))


def stored_again(first: FirstStore, second: SecondStore) -> dict[bytes, frozenset[bytes]]:
    """Packs of the second store that have moved in the first one, and all of whose chunks lie in packs of the second store by
    now which hold them there; these packs."""
    candidates = {
        pack: targets
        for pack in first.moved.keys() & second.packs.keys()
        if pack not in second.moved
        and (targets := holders(pack, first.moved))
        and all(second.has(one, first.sizes.get(one, (0, -1))[1]) for one in targets)
        and targets.isdisjoint(second.moved.keys() | second.marked | {pack})
    }
    named = {one for pack, targets in candidates.items() for one in (pack, *targets)}
    rows = second.index.table.select(["pack", "chunk", "dictionary"])
    rows = rows.filter(is_among(rows["pack"], named))
    alike: dict[frozenset[bytes], set[bytes]] = {}
    for pack, targets in candidates.items():
        alike.setdefault(targets, set()).add(pack)
    return {pack: targets for targets, packs in alike.items() for pack in _held_whole(rows, packs, targets)}


def _held_whole(rows: pa.Table, packs: Collection[bytes], targets: Collection[bytes]) -> list[bytes]:
    """Those of the packs of which every frame lies in the targets too, or its chunk in a frame that needs no dictionary. rows:
    of the index."""
    frames = set(_frames(rows, targets))
    whole = []
    for pack in packs:
        mine = _frames(rows, (pack,))
        if mine and all(frame in frames or (frame[0], None) in frames for frame in mine):
            whole.append(pack)
    return whole


def _frames(rows: pa.Table, packs: Collection[bytes]) -> list[tuple[bytes, bytes | None]]:
    """Chunk and dictionary of every frame of some packs."""
    found = rows.filter(is_among(rows["pack"], packs))
    return list(zip(found["chunk"].to_pylist(), found["dictionary"].to_pylist(), strict=True))


def write(project: Project, moved: Moves) -> None:
    """Say in the second store where the content of packs lies, in as many records as it takes."""
    waiting = iter(sorted(moved.items()))
    while some := dict(_that_fit(waiting)):
        services = project.services
        record = layout.snapshot_id(services.clock.now(), services.randomness.token(8))
        project.put_record(layout.snapshot_name(project.id, record), MovedPacks(record, some).as_json())


def take_back(project: Project, moves: Iterable[MovedPacks], packs: Collection[bytes]) -> None:
    """These packs are in the second store again: what else its records say of others stays said, and a note lets the old ones
    go."""
    over = [one for one in moves if any(pack in packs for pack in one.packs)]
    kept: dict[bytes, frozenset[bytes]] = {}
    for one in over:
        for old, new in one.packs.items():
            if old not in packs and new:
                kept[old] = kept.get(old, frozenset()) | set(new)
    targets = frozenset[bytes]().union(*kept.values())
    write(project, {old: new for old, new in kept.items() if old not in targets})
    for old in sorted(kept.keys() & targets):  # a record must not name one pack as moved and as a target
        write(project, {old: kept[old]})
    now = project.services.clock.now()
    gone = [ForgottenSnapshot(one.id, SOURCE, layout.moment_of(one.id) or now, ()) for one in over]
    put_notes(project, gone, "a copy has brought packs again that they name")


def _that_fit(waiting: Iterable[tuple[bytes, frozenset[bytes]]]) -> Iterable[tuple[bytes, tuple[bytes, ...]]]:
    """As many entries as fit into a record."""
    size = 0
    for old, new in waiting:
        yield old, tuple(sorted(new))
        size += BYTES_OF_ENTRY * (1 + len(new))
        if size > MAX_MOVED_BYTES:
            return
