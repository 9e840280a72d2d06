"""Joining small packs: all that is in them is stored again, together, in the order in which it will be restored. Of the
catalogue, what the newest snapshots consist of is stored apart: who has no cache need not fetch years of older manifests.

It is committed as a repacking is (see `repack`): under a claim, with a record that says where the content of each old pack lies
now. Unlike there nothing is left out, so that no manifest is needed to prove that a pack may go. Frames are expanded and
compared with their names, then taken over as they are.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from msgspec import Struct

from vault.errors import Damaged, ObjectNotFound, StrongroomError
from vault.format import pack as packs
from vault.format.descriptor import INFLATED
from vault.format.layout import META_TIER
from vault.format.moved_packs import MAX_MOVED_BYTES, MovedPacks
from vault.format.pack import PackBuilder
from vault.progress import Stop
from vault.repository.chunk_index import ChunkIndex
from vault.repository.gc.chunk_order import ChunkOrder
from vault.repository.gc.prune_plan import PackBatch, PruneOptions, StoredPack
from vault.repository.gc.repack import BYTES_OF_ENTRY, SOURCE
from vault.repository.pack_reader import ChunkPlace, PackReader
from vault.repository.project import Project
from vault.repository.session import Session

AT_ONCE = 512 * 1024 * 1024
"""Bytes of packs that are joined under one claim: what an interruption costs at most."""

READERS = 8
"""Packs that are fetched at once: small ones, each of which waits for two round trips."""


class JoinInputs(Struct, frozen=True):
    """What to do. batches: of packs · index: where dictionaries lie · order: of what lies in one pack."""

    batches: Sequence[PackBatch]
    index: ChunkIndex
    order: ChunkOrder


class Joined(NamedTuple):
    """moved: the packs whose content lies elsewhere now · packs, stored: how many there are instead, and their bytes · damaged:
    packs that could not be read whole, which stay as they are · left: how many there was no time for."""

    moved: frozenset[bytes] = frozenset()
    packs: int = 0
    stored: int = 0
    damaged: tuple[bytes, ...] = ()
    left: int = 0


class _Frame(Struct, frozen=True):
    """A chunk on its way. Its bytes stay those of the pack that it was read from."""

    place: ChunkPlace
    stored: memoryview


def join(project: Project, inputs: JoinInputs, options: PruneOptions, late: Callable[[], bool] = lambda: False) -> Joined:
    """Store each batch again as one pack, so many under each claim that the record of it can be read. late: whether to begin no
    further batch. Raises `Busy` where a claim was evicted: then what was committed before has moved, and no more."""
    waiting, whole = deque(inputs.batches), Joined()
    while waiting and not late():
        done = _join_some(project, inputs, waiting, options, late)
        whole = Joined(
            whole.moved | done.moved, whole.packs + done.packs, whole.stored + done.stored, (*whole.damaged, *done.damaged)
        )
    return whole._replace(left=sum(map(len, waiting)))


def _join_some(
    project: Project, inputs: JoinInputs, waiting: deque[PackBatch], options: PruneOptions, late: Callable[[], bool]
) -> Joined:
    """Take batches from those that wait until there are enough, and commit them under one claim."""
    session = Session.begin(project, SOURCE)
    try:
        work = _Joining(session, inputs)
        stop, number, size = session.refreshing_claim(options.stop), 0, 0
        while waiting and not (number and (late() or number * BYTES_OF_ENTRY * 3 > MAX_MOVED_BYTES or size > AT_ONCE)):
            batch = waiting.popleft()
            work.take(batch, stop)
            number, size = number + len(batch), size + sum(pack.size for pack in batch)
            session.report_progress(number, size)
            options.progress.advance(items=len(batch), size=sum(pack.size for pack in batch))
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
    return Joined(frozenset(moved), session.packs.packs, session.packs.stored_bytes, tuple(work.damaged))


class _Joining:
    """Batches on their way into one pack each."""

    def __init__(self, session: Session, inputs: JoinInputs) -> None:
        self._session = session
        self._order = inputs.order
        self._reader = PackReader(session.project, inputs.index)
        self._any_dictionary = INFLATED in session.project.descriptor.features
        self._sources: dict[bytes, list[bytes]] = {}
        """Of each new pack those whose chunks are in it, by a hash of these chunks' ids in order."""
        self.damaged: list[bytes] = []

    def take(self, batch: PackBatch, stop: Stop) -> None:
        """Store a batch as one pack, or two of the catalogue. One that cannot be read whole stays as it is, and so does, where
        a pack may have one dictionary only, one that needs another than the first, whatever the index says."""
        frames: dict[bytes, list[_Frame]] = {}
        for pack, read in zip(batch, self._read_all(batch, stop), strict=True):
            if read is None:
                self.damaged.append(pack.sha256)
            elif read:
                frames[pack.sha256] = read
        alike = self._alike(frames)
        if len(alike) < 2:
            return
        copies: dict[bytes, dict[bytes | None, _Frame]] = {}
        for frame in (frame for pack in alike for frame in frames[pack]):
            copies.setdefault(frame.place.chunk, {})[frame.place.dictionary] = frame
        order = self._order.sorted(batch[0].tier, [(pack, [one.place.chunk for one in frames[pack]]) for pack in alike])
        parts = self._order.parts(batch[0].tier, order)
        if len(parts) >= len(alike):
            return
        for chunks in parts:
            builder = PackBuilder()
            for frame in (frame for chunk in chunks for frame in copies[chunk].values()):
                builder.add(frame.place.chunk, bytes(frame.stored), frame.place.plain, frame.place.dictionary)
            inside = frozenset(chunks)
            sources = [pack for pack in alike if any(frame.place.chunk in inside for frame in frames[pack])]
            self._sources[hashlib.sha256(b"".join(builder.chunks)).digest()] = sources
            self._session.packs.submit(builder, batch[0].tier, self._reader.dictionary)

    def _alike(self, frames: Mapping[bytes, Sequence[_Frame]]) -> list[bytes]:
        """The packs that may become one."""
        if self._any_dictionary:
            return list(frames)
        dictionaries = {pack: some[0].place.dictionary for pack, some in frames.items()}
        return [pack for pack in frames if dictionaries[pack] == next(iter(dictionaries.values()))]

    def finish(self) -> dict[bytes, tuple[bytes, ...]]:
        """Name what was stored in the index; gives, for each old pack, those that hold all of it."""
        self._session.close_index()
        rows = self._session.index.rows()
        moved: dict[bytes, list[bytes]] = {}
        of_packs: dict[bytes, list[bytes]] = {}
        for pack, chunk in zip(rows["pack"].to_pylist(), rows["chunk"].to_pylist(), strict=True):
            of_packs.setdefault(pack, []).append(chunk)
        for pack, chunks in of_packs.items():
            for old in self._sources[hashlib.sha256(b"".join(chunks)).digest()]:
                moved.setdefault(old, []).append(pack)
        return {old: tuple(sorted(new)) for old, new in moved.items()}

    def _read_all(self, batch: PackBatch, stop: Stop) -> Iterator[list[_Frame] | None]:
        with ThreadPoolExecutor(min(READERS, len(batch)), thread_name_prefix="join") as pool:
            for read in pool.map(self._read, batch):
                stop()
                yield read

    def _read(self, pack: StoredPack) -> list[_Frame] | None:
        """All frames of a pack, verified; None where one is damaged, or needs what is. What it holds, its own table of contents
        says, as anybody with a write capability can write index segments."""
        whole = ChunkPlace(b"", pack.sha256, pack.tier, pack.size, 0, 0, 0, None)
        try:
            plain = self._reader.read_span(whole, 0, self._reader.plain_size(whole))
            contents = packs.read_contents(plain)
            columns = (contents[name].to_pylist() for name in ("chunk", "offset", "stored", "plain", "dictionary"))
            frames = []
            self._reader.open_dictionaries(set(contents["dictionary"].unique().to_pylist()))
            for chunk, offset, stored, size, dictionary in zip(*columns, strict=True):
                place = ChunkPlace(chunk, pack.sha256, pack.tier, pack.size, offset, stored, size, dictionary)
                frames.append(_Frame(place, plain[offset : offset + stored]))
            bad = any(isinstance(self._reader.content(frame.place, frame.stored), StrongroomError) for frame in frames)
        except (Damaged, ObjectNotFound):
            return None
        alike = self._any_dictionary or len({frame.place.dictionary for frame in frames}) < 2
        return None if bad or not alike or (pack.tier == META_TIER and _needs_dictionary(frames)) else frames


def _needs_dictionary(frames: Sequence[_Frame]) -> bool:
    return any(frame.place.dictionary is not None for frame in frames)
