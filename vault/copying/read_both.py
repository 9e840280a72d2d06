"""What the two stores have, as a copy reads it.

Of the first store: records, then notes, then the index, so that the index names what the records need. Of the second, once the
copy's claim is there: marks, then records and notes, index, packs; in the order of a writer, and for the same reasons. A
listing may leave something out, so that what would be copied in vain, or too early, is listed twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from vault.format import layout
from vault.format.layout import TIERS
from vault.format.moved_packs import MovedPacks
from vault.format.snapshot_record import Record
from vault.problems import Problem
from vault.repository import snapshots
from vault.repository.catalog_chunks import MetaReader
from vault.repository.chunk_index import ChunkIndex
from vault.repository.forget_notes import ForgetNotes
from vault.repository.gc import marks
from vault.repository.gc.prune_inputs import read_notes_twice
from vault.repository.gc.reachability import SuccessiveReader
from vault.repository.orphan_packs import repaired_index
from vault.repository.project import Project
from vault.repository.stored_packs import list_all_packs, list_packs

Sizes = Mapping[bytes, tuple[int, int]]
"""Tier and stored bytes of packs."""


class FirstStore(Struct, frozen=True):
    """What is copied from.

    - `records`: of the snapshots that nobody has forgotten, parents first
    - `damaged`: records and notes that cannot be used
    - `moved`: as in `Committed`
    - `reader`: reads manifests and lists of packs
    """

    records: tuple[Record, ...]
    notes: ForgetNotes
    damaged: tuple[Problem, ...]
    moved: Mapping[bytes, frozenset[bytes]]
    index: ChunkIndex
    sizes: Sizes
    reader: MetaReader


class SecondStore(Struct, frozen=True):
    """What is copied to.

    - `usable`: ids under which something stands that can be read, forgotten or not
    - `records`: of the snapshots that nobody has forgotten there
    - `moves`: its own records of moved packs · `moved`: what they say
    - `packs`: stored bytes of its packs, by SHA-256; without those that are known to be damaged
    - `marked`: packs that prunes are about to delete there; all of them while a mark cannot be read
    """

    usable: frozenset[str]
    records: tuple[Record, ...]
    notes: ForgetNotes
    moves: tuple[MovedPacks, ...]
    moved: Mapping[bytes, frozenset[bytes]]
    index: ChunkIndex
    packs: Mapping[bytes, int]
    marked: frozenset[bytes]
    unreadable_marks: tuple[Problem, ...]

    def has(self, pack: bytes, size: int | None) -> bool:
        """Whether a pack stands. size: that it should have, in stored bytes; None where nobody knows."""
        found = self.packs.get(pack)
        return found is not None and size in (None, found)


def first_store(project: Project) -> FirstStore:
    """Raises `StorageError`, `Damaged` where the catalogue cannot be read at all."""
    listed = dict.fromkeys([*snapshots.stored_ids(project), *snapshots.stored_ids(project)])
    notes = read_notes_twice(project)
    found = snapshots.remaining(project, listed, notes, rolled=True)
    index = repaired_index(project, ChunkIndex.load(project))
    reader = SuccessiveReader(project, index.of_tier(layout.META_TIER))
    return FirstStore(
        records=tuple(parents_first(found.records)),
        notes=notes,
        damaged=(*found.damaged, *index.damaged),
        moved=found.moved,
        index=index,
        sizes=sizes_of(project, index),
        reader=reader,
    )


def second_store(project: Project, damaged: frozenset[bytes]) -> SecondStore:
    """damaged: packs that are known to be so. Raises `StorageError`."""
    seen, since = marks.read(project), project.services.clock.now() - marks.PRUNES_LAST
    listed = list(dict.fromkeys([*snapshots.stored_ids(project), *snapshots.stored_ids(project)]))
    notes = read_notes_twice(project)
    found = snapshots.remaining(project, listed, notes, rolled=True)
    unreadable = {problem.path.decode().rpartition("/")[2] for problem in found.damaged}
    index = ChunkIndex.load(project)
    packs = {pack: size for pack, size in list_all_packs(project).items() if pack not in damaged}
    return SecondStore(
        usable=frozenset(listed) - unreadable,
        records=tuple(found.records),
        notes=notes,
        moves=tuple(found.moves),
        moved=found.moved,
        index=index,
        packs=packs,
        marked=frozenset(packs) if seen.damaged else seen.packs_except((), since),
        unreadable_marks=seen.damaged,
    )


def parents_first(records: Sequence[Record]) -> list[Record]:
    """The records by time, but no snapshot before one that it supersedes, whatever clocks said."""
    by_id = {one.id: one for one in records}
    done: dict[str, Record] = {}
    for record in records:
        waiting = [record]
        while waiting:
            one = waiting[-1]
            before = [by_id[parent] for parent in one.parents if parent in by_id and parent not in done]
            if one.id in done or not before or len(waiting) > len(records):  # forged parents may go round in a circle
                done.setdefault(one.id, waiting.pop())
            else:
                waiting += before
    return list(done.values())


def sizes_of(project: Project, index: ChunkIndex) -> Sizes:
    """Tier and stored bytes of the packs that the index names; where a segment is missing, of those that stand besides."""
    rows = index.table.group_by(["pack", "tier", "pack_size"]).aggregate([])
    columns = (rows[name].to_pylist() for name in ("pack", "tier", "pack_size"))
    found = {pack: (tier, size) for pack, tier, size in zip(*columns, strict=True)}
    return found if not index.damaged else with_unnamed(project, found)


def with_unnamed(project: Project, found: Sizes) -> Sizes:
    """With those packs, too, that stand and that no segment names."""
    return {pack: (tier, size) for tier in TIERS for pack, size in list_packs(project, tier).items()} | dict(found)
