"""What a batch has to copy: snapshots in order, the packs that they need and that are missing, and what must be said of packs
that have moved."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct, field

from vault.copying import moved_packs
from vault.copying.moved_packs import holders
from vault.copying.read_both import FirstStore, SecondStore
from vault.errors import Damaged
from vault.format import layout
from vault.format.chunks import ID_SIZE
from vault.format.forget_note import ForgottenSnapshot
from vault.format.layout import TIERS
from vault.format.snapshot_record import Record
from vault.problems import Problem
from vault.repository import snapshots
from vault.repository.chunk_index import is_among
from vault.repository.project import Project
from vault.repository.stored_packs import list_packs

if TYPE_CHECKING:
    import pyarrow as pa

MOST_SNAPSHOTS, MOST_BYTES = 256, 4 * 1024**3
"""Of a batch: what an interruption costs at most, unless one snapshot needs more by itself."""


class PackToCopy(NamedTuple):
    """repairs: the second store had it, and has lost or damaged it."""

    tier: int
    sha256: bytes
    size: int
    repairs: bool = False


class Batch(Struct):
    """What is copied under one claim.

    - `records`: in this order · `takes`: for each of them, the packs that are copied for it first
    - `packs`: to copy, in that order · `lost`: packs that the first store has no more, or not whole
    - `moved`: what a record must say of packs that the second store lacks
    - `back`: packs that moved in the second store and that are needed as they were
    - `unnamed`: packs that stand in the second store, and that no index segment names there
    - `waiting`: snapshots that wait for prunes of the second store
    """

    records: list[Record] = field(default_factory=list)
    takes: list[frozenset[bytes]] = field(default_factory=list)
    packs: dict[bytes, PackToCopy] = field(default_factory=dict)
    lost: set[bytes] = field(default_factory=set)
    moved: dict[bytes, frozenset[bytes]] = field(default_factory=dict)
    back: set[bytes] = field(default_factory=set)
    unnamed: set[bytes] = field(default_factory=set)
    waiting: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Stored bytes of the packs."""
        return sum(one.size for one in self.packs.values())

    def without(self, packs: Collection[bytes]) -> None:
        """Some packs cannot be had from the first store."""
        self.lost |= set(packs)
        self.packs = {pack: one for pack, one in self.packs.items() if pack not in self.lost}

    def cut_before(self, young: Callable[[Record], bool]) -> None:
        """Snapshots that need lost packs wait while they are young, and those after them: their writer may yet take them
        back."""
        for number, (one, takes) in enumerate(zip(self.records, self.takes, strict=True)):
            if not takes.isdisjoint(self.lost) and young(one):
                self.records, self.takes = self.records[:number], self.takes[:number]
                return

    def cut_to(self, packs: Collection[bytes]) -> None:
        """Only these packs have been copied: of the records so many stay as have all of theirs."""
        whole = [frozenset(takes) - self.lost <= frozenset(packs) for takes in self.takes]
        number = whole.index(False) if False in whole else len(whole)
        self.records, self.takes = self.records[:number], self.takes[:number]
        self.packs = {pack: one for pack, one in self.packs.items() if pack in packs}


class _Needs(Struct):
    """What one more snapshot takes. planned: packs among them that the batch copies anyway."""

    packs: dict[bytes, PackToCopy] = field(default_factory=dict)
    planned: set[bytes] = field(default_factory=set)
    lost: set[bytes] = field(default_factory=set)
    moved: dict[bytes, frozenset[bytes]] = field(default_factory=dict)
    back: set[bytes] = field(default_factory=set)


class _Carried(NamedTuple):
    """What the newest snapshots of the second store need: prunes spare it while they stand, and wait for this claim before they
    let go of them. chunks: their ids."""

    packs: frozenset[bytes]
    chunks: pa.Array


def wanted(first: FirstStore, second: SecondStore) -> list[Record]:
    """The snapshots that the second store lacks and has not forgotten by itself, parents first."""
    return [one for one in first.records if one.id not in second.usable and one.id not in second.notes.by_id]


def forgotten_before(first: FirstStore, second: SecondStore, records: Iterable[Record]) -> list[ForgottenSnapshot]:
    """What notes of the second store must say, since snapshots there name it: ancestors that were forgotten in the first store
    before they were copied. records: that are copied now."""
    known = {*second.usable, *second.notes.by_id, *(one.id for one in records)}
    waiting = [parent for one in (*second.records, *records) for parent in one.parents]
    waiting += [parent for one in second.notes.by_id.values() for parent in one.parents]
    found: dict[str, ForgottenSnapshot] = {}
    while waiting:
        parent = waiting.pop()
        entry = first.notes.by_id.get(parent)
        if entry is not None and parent not in known and parent not in found:
            found[parent] = entry
            waiting += entry.parents
    return [found[one] for one in sorted(found)]


class Planner:
    """Plans one batch after another, as long as nothing changes. project: in the first store · lost: packs that it names and
    does not have."""

    def __init__(self, project: Project, first: FirstStore, second: SecondStore, lost: frozenset[bytes] = frozenset()) -> None:
        self._lost = lost
        self._project = project
        self._first = first
        self._second = second
        self._looked_at: set[bytes] = set()
        self._named = second.index.packs()
        self._unnamed_there = frozenset(second.packs) - self._named
        self._unnamed: Mapping[bytes, tuple[int, int]] | None = None
        self._moved_here = frozenset(second.moved) | {
            pack for pack in first.moved if not holders(pack, first.moved).isdisjoint(second.moved)
        }
        self._carried = self._carried_forward() if second.marked else None

    def next(self, records: Iterable[Record], *, bounded: bool = True) -> Batch:
        """The first of these, as many as fit into a batch. bounded: else all of them."""
        batch = Batch(unnamed=set(self._left_unnamed()))
        self._repairs(batch)
        waiting: set[str] = set()
        for one in records:
            if bounded and batch.records and (len(batch.records) >= MOST_SNAPSHOTS or batch.size > MOST_BYTES):
                break
            if one.source in waiting:
                batch.waiting.append(one.id)
                continue
            try:
                listed = snapshots.listed_packs(self._first.reader, one)
                needs = self._needs(one, listed, batch)
                must_wait = self._must_wait(one, listed, needs)
            except Damaged as error:
                what = f"snapshot {one.id} is not copied, as it cannot be read what it needs: {error}"
                batch.problems.append(Problem(one.id.encode(), "damaged-snapshot", what))
                continue
            if must_wait:
                batch.waiting.append(one.id)
                waiting.add(one.source)
                continue
            self._looked_at |= listed
            batch.records.append(one)
            batch.takes.append(frozenset([*needs.packs, *needs.planned, *needs.lost]))
            batch.packs |= needs.packs
            batch.lost |= needs.lost
            batch.moved |= needs.moved
            batch.back |= needs.back
            batch.unnamed |= self._unnamed_there & listed.union(*needs.moved.values())
        return batch

    def _left_unnamed(self) -> frozenset[bytes]:
        """Packs of both stores that no index segment of the second one names, though no prune there is about to delete them:
        one that slept for long may have taken out of the index what was needed again meanwhile."""
        unnamed = self._unnamed_there - self._second.marked - self._second.moved.keys()
        return unnamed & self._first.index.packs() if unnamed else unnamed

    def _repairs(self, batch: Batch) -> None:
        """Packs that the second store's index names and that are gone there, or damaged, are copied again."""
        rows = self._second.index.table.group_by(["pack", "pack_size"]).aggregate([])
        for pack, size in zip(rows["pack"].to_pylist(), rows["pack_size"].to_pylist(), strict=True):
            if pack in self._second.moved or self._second.has(pack, size):
                continue
            place = self._place(pack) if pack in self._first.sizes and pack not in self._lost else None
            if place is not None:
                batch.packs[pack] = PackToCopy(*place, repairs=True)

    def _needs(self, one: Record, listed: frozenset[bytes], batch: Batch) -> _Needs:
        needs = _Needs()
        for pack in listed - self._looked_at:
            now = holders(pack, self._first.moved)
            if pack in self._second.moved or self._stands(pack):
                continue
            for holder in now:
                if holder in batch.packs:
                    needs.planned.add(holder)
                elif holder not in self._second.moved and not self._stands(holder):
                    self._take(holder, needs)
            if now != {pack}:
                needs.moved[pack] = now
        if not listed.isdisjoint(self._moved_here):
            self._of_moved(one, listed, needs, batch)
        return needs

    def _of_moved(self, one: Record, listed: frozenset[bytes], needs: _Needs, batch: Batch) -> None:
        """Some of what it lists lies elsewhere in the second store: whatever it needs must lie there."""
        here = listed & self._moved_here
        moved = dict(self._second.moved)
        for pack, now in needs.moved.items():
            moved[pack] = moved.get(pack, frozenset()) | now
        now, on_their_way = snapshots.current_packs(listed, moved), frozenset([*needs.packs, *batch.packs])
        there = moved_packs.LooksFor(self._second.index, now - on_their_way, now & on_their_way)
        for pack in moved_packs.lacking(self._first, one, here, there):
            in_first = holders(pack, self._first.moved)
            for holder in in_first:
                if holder in self._second.moved:
                    needs.back.add(holder)
                if not self._stands(holder):
                    self._take(holder, needs)
            if in_first != {pack}:
                needs.moved[pack] = in_first

    def _stands(self, pack: bytes) -> bool:
        known = self._first.sizes.get(pack)
        return self._second.has(pack, None if known is None else known[1])

    def _take(self, pack: bytes, needs: _Needs) -> None:
        place = None if pack in self._lost else self._place(pack)
        if place is None:
            needs.lost.add(pack)
        else:
            needs.packs[pack] = PackToCopy(*place, repairs=pack in self._named)

    def _must_wait(self, one: Record, listed: frozenset[bytes], needs: _Needs) -> bool:
        """Whether a prune of the second store may be about to delete what the snapshot needs there, or to move less of it."""
        if self._carried is None:
            return False
        moved = {**self._second.moved, **needs.moved}
        marked = self._second.marked & (snapshots.current_packs(listed, moved) | needs.packs.keys() | needs.back)
        return bool(marked) and not (marked <= self._carried.packs and self._carries(one, marked, self._carried.chunks))

    def _carries(self, one: Record, packs: frozenset[bytes], carried: pa.Array) -> bool:
        """Whether the newest snapshots of the second store need every chunk of these packs that a snapshot needs: a prune may
        be moving them, and moves what those need. carried: the chunks that they need. Raises `Damaged`."""
        import pyarrow as pa
        import pyarrow.compute as pc

        tables = [index.table.select(["pack", "chunk"]) for index in (self._second.index, self._first.index)]
        rows = pa.concat_tables([table.filter(is_among(table["pack"], packs)) for table in tables])
        if len(rows["pack"].unique()) < len(packs):
            return False  # what lies in one of them is not known
        needed = rows["chunk"].filter(pc.is_in(rows["chunk"], value_set=moved_packs.chunks_of(self._first, one)))
        return bool(pc.all(pc.is_in(needed, value_set=carried), min_count=0).as_py())

    def _carried_forward(self) -> _Carried:
        import pyarrow as pa

        ids = {one.id for source in {one.source for one in self._second.records} for one in self._heads(source)}
        packs: frozenset[bytes] = frozenset()
        chunks = [pa.array([], pa.binary(ID_SIZE))]
        for one in self._second.records:
            if one.id in ids:
                with suppress(Damaged):  # else it is waited for
                    needed = snapshots.needed_packs(self._first.reader, one, self._second.moved)
                    chunks.append(moved_packs.chunks_of(self._first, one))
                    packs |= needed
        return _Carried(packs, pa.concat_arrays(chunks))

    def _heads(self, source: str) -> list[Record]:
        return snapshots.heads(self._second.records, source)

    def _place(self, pack: bytes) -> tuple[int, bytes, int] | None:
        """Tier, name and size of a pack of the first store; None where it is not there."""
        known = self._first.sizes.get(pack)
        if known is None:
            if self._unnamed is None:  # an index segment is missing
                self._unnamed = {one: (tier, size) for tier in TIERS for one, size in list_packs(self._project, tier).items()}
            known = self._unnamed.get(pack)
        return None if known is None else (known[0], pack, known[1])


def pack_object(project: Project, pack: PackToCopy) -> str:
    """The name of a pack in the stores."""
    return layout.pack_name(project.id, pack.tier, pack.sha256)
