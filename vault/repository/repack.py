"""What is needed of wasteful packs is stored anew, in packs of its own.

It is written as a snapshot is: under a claim, packs first, then the index, then a record under the claim's id that says
where the content of each old pack lies now. Records of snapshots are never edited: whoever asks what they need looks there
too. The old packs are not named by the index from then on and go with the next prune, so that who is reading them can go on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, groupby, pairwise
from typing import TYPE_CHECKING, NamedTuple

from vault.errors import Damaged, ObjectNotFound, StrongroomError
from vault.format import frames
from vault.format.chunks import ID_SIZE
from vault.format.frames import Compressor, Dictionary
from vault.format.housekeeping import Moved
from vault.format.pack import PackBuilder
from vault.repository.chunk_index import ChunkIndex, is_among
from vault.repository.pack_reader import PackReader, Place, places
from vault.repository.project import Project
from vault.repository.prune_plan import StoredPack, Wishes
from vault.repository.session import Session

if TYPE_CHECKING:
    import pyarrow as pa

SOURCE = "(prune)"
"""What a prune's claim says in place of a source."""


@dataclass(frozen=True, slots=True)
class Live:
    """What to do. packs: that are wasteful · chunks: that any snapshot needs · index: where they lie."""

    packs: list[StoredPack]
    chunks: pa.Array
    index: ChunkIndex


class Repacked(NamedTuple):
    """moved: the packs whose content lies elsewhere now · stored: bytes of the new packs · damaged: packs that could not be
    read whole, which stay as they are."""

    moved: frozenset[bytes]
    stored: int
    damaged: tuple[bytes, ...]


def repack(project: Project, live: Live, wishes: Wishes) -> Repacked:
    """Store what is needed of these packs anew. Raises `Busy` where the claim was evicted: then nothing has moved."""
    session = Session.begin(project, SOURCE)
    try:
        work = _Repack(session, live)
        stop, size = session.telling(wishes.stop), 0
        for number, pack in enumerate(live.packs):
            stop()
            work.take(pack)
            size += pack.size
            session.tell(number + 1, size)
            wishes.progress.advance(items=1, size=pack.size)
        moved = work.finish()
        if moved:
            session.commit(Moved(session.id, moved))
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

    def __init__(self, session: Session, live: Live) -> None:
        self._session = session
        self._index = live.index
        self._wanted = _wanted(live)
        self._reader = PackReader(session.project, live.index)
        self._builders: dict[tuple[int, bytes | None], PackBuilder] = {}
        self._dictionaries: dict[bytes, Dictionary] = {}
        self._compressors: dict[bytes | None, Compressor] = {}
        self._taken: dict[bytes, list[bytes]] = {}
        self._stored: set[bytes] = set()
        self.damaged: list[bytes] = []

    def take(self, pack: StoredPack) -> None:
        """Take what is needed of a pack. One that cannot be read whole stays as it is."""
        wanted = places(self._wanted.get(pack.sha256, self._index.table.slice(0, 0)))
        try:
            for place, content in self._contents(wanted):
                self._add(pack.tier, place, content)
        except (Damaged, ObjectNotFound):
            self.damaged.append(pack.sha256)
            return
        self._taken[pack.sha256] = [place.chunk for place in wanted]

    def finish(self) -> dict[bytes, tuple[bytes, ...]]:
        """Store the rest and name it in the index; gives, for each old pack, those that hold what was needed of it."""
        for key in list(self._builders):
            self._hand_over(key)
        self._session.close_index()
        rows = self._session.new_rows()
        where = dict(zip(rows["chunk"].to_pylist(), rows["pack"].to_pylist(), strict=True))
        return {old: tuple(sorted({where[chunk] for chunk in chunks})) for old, chunks in self._taken.items()}

    def _contents(self, wanted: list[Place]) -> Iterator[tuple[Place, bytes]]:
        for place, content in self._reader.chunks(wanted):
            if isinstance(content, StrongroomError):
                raise content
            yield place, content

    def _add(self, tier: int, place: Place, content: bytes) -> None:
        if place.chunk in self._stored:
            return
        self._stored.add(place.chunk)
        key = (tier, place.dictionary)
        if place.dictionary not in self._compressors:
            self._compressors[place.dictionary] = Compressor(self._dictionary(place.dictionary))
        frame = self._compressors[place.dictionary].frame(content)
        builder = self._builders.get(key)
        if builder and builder.size + len(frame) > self._session.project.descriptor.limits.pack:
            self._hand_over(key)
        self._builders.setdefault(key, PackBuilder(place.dictionary)).add(place.chunk, frame, len(content))

    def _hand_over(self, key: tuple[int, bytes | None]) -> None:
        self._session.packs.submit(self._builders.pop(key), key[0], self._dictionary(key[1]))

    def _dictionary(self, chunk: bytes | None) -> Dictionary | None:
        import pyarrow as pa

        if chunk is None:
            return None
        if chunk not in self._dictionaries:
            found = places(self._index.locate(pa.array([chunk], pa.binary(ID_SIZE))))
            (content,) = [content for _, content in self._contents(found)]
            self._dictionaries[chunk] = frames.dictionary(content)
        return self._dictionaries[chunk]


def _wanted(live: Live) -> dict[bytes, pa.Table]:
    """Of each pack that is stored anew, the index rows of what is needed of it."""
    import pyarrow.compute as pc

    table = live.index.table
    rows = table.filter(is_among(table["pack"], [pack.sha256 for pack in live.packs]))
    rows = rows.filter(pc.is_in(rows["chunk"], value_set=live.chunks)).sort_by("pack")
    ends = list(accumulate(len(list(run)) for _, run in groupby(rows["pack"].to_pylist())))
    return {rows["pack"][start].as_py(): rows.slice(start, end - start) for start, end in pairwise([0, *ends])}
