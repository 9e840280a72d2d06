"""Repacking: what is needed of wasteful packs is stored again, in new ones.

It is written as a snapshot is: under a claim, packs first, then the index, then a record under the claim's id that says
where the content of each old pack lies now. Records of snapshots are never edited: readers of what they need follow this
record. The old packs are not named by the index from then on and go with the next prune, so that who is reading them can go on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from vault.errors import Damaged, ObjectNotFound, StrongroomError
from vault.format.descriptor import INFLATED
from vault.format.moved_packs import MAX_MOVED_BYTES, MovedPacks
from vault.format.pack import PackBuilder
from vault.repository.chunk_index import ChunkIndex
from vault.repository.gc.prune_plan import PruneOptions, StoredPack
from vault.repository.orphan_packs import rows_from_packs
from vault.repository.pack_reader import ChunkPlace, PackReader, places
from vault.repository.project import Project
from vault.repository.session import Session

if TYPE_CHECKING:
    import pyarrow as pa

SOURCE = "(prune)"
"""What a prune's claim says in place of a source."""


MOST_AT_ONCE = 16 * 1024**3
"""Bytes of packs that are repacked under one claim: what an interruption costs at most."""

BYTES_OF_ENTRY = 72
"""Of a pack's name in a record of moved packs, with quotes and brackets."""

_Copy = tuple[bytes, bytes | None]
"""A chunk as it is stored: its id, and the dictionary that its frame needs. A snapshot that needs one names the pack of the
dictionary; a copy with another one would need a pack that it does not name."""

_Builder = tuple[int, bytes | None]
"""What is stored in one pack: a tier, and a dictionary where a pack may have one only."""

_Destination = tuple[_Builder, int]
"""A pack to be, and how many were closed before a chunk came to lie in it."""


class RepackInputs(Struct, frozen=True):
    """What to do. packs: that are wasteful · chunks: that any snapshot needs · index: where they lie."""

    packs: list[StoredPack]
    chunks: pa.Array
    index: ChunkIndex


class Repacked(NamedTuple):
    """moved: the packs whose content lies elsewhere now · stored: bytes of the new packs · damaged: packs that could not be
    read whole, which stay as they are · left: how many there was no time for."""

    moved: frozenset[bytes]
    stored: int
    damaged: tuple[bytes, ...]
    left: int = 0


def repack(project: Project, live: RepackInputs, options: PruneOptions, late: Callable[[], bool] = lambda: False) -> Repacked:
    """Store what is needed of these packs anew, so many under each claim that the record of it can be read. late: whether to
    begin no further pack. Raises `Busy` where a claim was evicted: then what was committed before has moved, and no more."""
    waiting, whole = deque(live.packs), Repacked(frozenset(), 0, ())
    while waiting and not late():
        done = _repack_some(project, live, waiting, options, late)
        whole = Repacked(whole.moved | done.moved, whole.stored + done.stored, whole.damaged + done.damaged)
    return whole._replace(left=len(waiting))


def _repack_some(
    project: Project, live: RepackInputs, waiting: deque[StoredPack], options: PruneOptions, late: Callable[[], bool]
) -> Repacked:
    """Take packs from those that wait until there are enough, and commit them under one claim."""
    session = Session.begin(project, SOURCE)
    try:
        work = _Repack(session, live)
        stop, number, size = session.refreshing_claim(options.stop), 0, 0
        while waiting and not (number and (late() or work.record_bytes > MAX_MOVED_BYTES or size > MOST_AT_ONCE)):
            stop()
            pack = waiting.popleft()
            work.take(pack)
            number, size = number + 1, size + pack.size
            session.report_progress(number, size)
            options.progress.advance(items=1, size=pack.size)
        moved = work.finish()
        if moved:
            session.commit(MovedPacks(session.id, moved))
        else:
            session.withdraw()
    except (StrongroomError, KeyboardInterrupt):
        session.withdraw()
        raise
    finally:
        session.packs.close()
    return Repacked(frozenset(moved), session.packs.stored_bytes, tuple(work.damaged))


class _Repack:
    """Chunks on their way from old packs into new ones."""

    def __init__(self, session: Session, live: RepackInputs) -> None:
        self._session = session
        self._index = live.index
        self._live = live.chunks
        self._reader = PackReader(session.project, live.index)
        self._any_dictionary = INFLATED in session.project.descriptor.features
        self._builders: dict[_Builder, PackBuilder] = {}
        self._taken: dict[bytes, list[_Copy]] = {}
        self._lies: dict[_Copy, _Destination] = {}
        self._closed_packs = 0
        self.record_bytes = 0
        """Of the record of what was taken so far, at most."""
        self.damaged: list[bytes] = []

    def take(self, pack: StoredPack) -> None:
        """Take what is needed of a pack: what it holds, its own table of contents says, as anybody with a write capability can
        write index segments. One that cannot be read whole, or of which nothing is needed, stays as it is."""
        import pyarrow.compute as pc

        contents = rows_from_packs(self._session.project, [pack])
        if not contents:
            self.damaged.append(pack.sha256)
            return
        wanted = places(contents[0].filter(pc.is_in(contents[0]["chunk"], value_set=self._live)))
        if not wanted:
            return
        try:
            for place, frame in self._reader.verified_frames(wanted):
                self._add(pack.tier, place, frame)
        except (Damaged, ObjectNotFound):
            self.damaged.append(pack.sha256)
            return
        copies = [(place.chunk, place.dictionary) for place in wanted]
        self._taken[pack.sha256] = copies
        destinations = {self._lies[copy] for copy in copies}
        self.record_bytes += BYTES_OF_ENTRY * (1 + len(destinations))

    def finish(self) -> dict[bytes, tuple[bytes, ...]]:
        """Store the rest and name it in the index; gives, for each old pack, those that hold what was needed of it."""
        for key in list(self._builders):
            self._close_pack(key)
        self._session.close_index()
        rows = self._session.index.rows()
        copies = zip(rows["chunk"].to_pylist(), rows["dictionary"].to_pylist(), strict=True)
        where = dict(zip(copies, rows["pack"].to_pylist(), strict=True))
        return {old: tuple(sorted({where[copy] for copy in taken})) for old, taken in self._taken.items()}

    def _add(self, tier: int, place: ChunkPlace, frame: memoryview) -> None:
        copy = place.chunk, place.dictionary
        if copy in self._lies:
            return
        key = (tier, None if self._any_dictionary else place.dictionary)
        builder = self._builders.get(key)
        if builder and builder.size + len(frame) > self._session.project.descriptor.limits.pack:
            self._close_pack(key)
        self._builders.setdefault(key, PackBuilder()).add(place.chunk, frame, place.plain, place.dictionary)
        self._lies[copy] = key, self._closed_packs

    def _close_pack(self, key: _Builder) -> None:
        self._closed_packs += 1
        self._session.packs.submit(self._builders.pop(key), key[0], self._reader.dictionary)
