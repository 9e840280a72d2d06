"""Packs on their way in: fetch by ranges, open, expand, verify.

    places of the wanted chunks, in one pack, by offset
        join those that lie close together
        read each run with one request
        open the segments, expand each frame, check its name

Only what is asked for is read, and nothing is given out that does not bear its name.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

from vault import age
from vault.errors import Damaged, ObjectNotFound, StorageError, StrongroomError
from vault.format import frames
from vault.format.chunks import chunk_id
from vault.format.layout import CONTENT_TIER, META_TIER, pack_name
from vault.repository.chunk_index import ChunkIndex
from vault.repository.project import Project
from vault.storage.caching import uncached

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")

GAP = 512 * 1024
"""Bytes that are read in vain rather than asked around: a request costs 3 ms of CPU and a round trip of 20 ms and more."""

HEADER_GUESS = 4096
"""Bytes that surely hold the header of a pack, which has one recipient."""

FRONT = 64 * 1024
"""Bytes: what begins so near to a pack's front is read with its header, in one request."""

KEYS_KEPT = 4096

READERS = 8
"""Packs from which dictionaries are fetched at once."""

DICTIONARY_BYTES = 64 * 1024 * 1024
"""Of dictionaries that are kept open: bases of deltas are as many as workbooks."""

EXPANDED_AT_ONCE = 256
"""Chunks whose dictionaries are fetched together."""


class ChunkPlace(Struct, frozen=True):
    """Where a chunk lies. Sizes in bytes; offset and stored within the pack's plain stream."""

    chunk: bytes
    pack: bytes
    tier: int
    pack_size: int
    offset: int
    stored: int
    plain: int
    dictionary: bytes | None


class ChunkRun(Struct, frozen=True):
    """Chunks of one pack that are read with one request."""

    start: int
    length: int
    places: tuple[ChunkPlace, ...]


def runs(places: Sequence[ChunkPlace], *, gap: int = GAP) -> list[ChunkRun]:
    """Join the places (of one pack, by offset) that lie less than `gap` bytes apart."""
    cuts = [0]
    cuts += [after for after, (one, two) in enumerate(pairwise(places), 1) if two.offset - one.offset - one.stored > gap]
    groups = [places[first:end] for first, end in pairwise([*cuts, len(places)])]
    return [
        ChunkRun(group[0].offset, max(p.offset + p.stored for p in group) - group[0].offset, tuple(group))
        for group in groups
        if group
    ]


class PackReader:
    """Reads chunks of a project. Safe to use from several threads."""

    def __init__(self, project: Project, index: ChunkIndex | None = None) -> None:
        self._project = project
        self.index = index
        """Where chunks lie that are not where they were sought, and dictionaries; None: it is loaded where it is needed."""
        self._key = project.capability.chunk_id_key
        self._lock = threading.Lock()
        self._headers: OrderedDict[bytes, age.OpenedHeader] = OrderedDict()
        self._dictionaries: OrderedDict[bytes, frames.Dictionary] = OrderedDict()
        self._dictionary_bytes = 0
        self._own = threading.local()  # zstd's contexts are not safe to share, and dear to make
        self.requests = 0

    def chunks(self, places: Sequence[ChunkPlace], *, gap: int = GAP) -> Iterator[tuple[ChunkPlace, bytes | StrongroomError]]:
        """The contents of chunks of one pack (places by offset), each with its place; for one that is damaged, the error.

        Raises `StorageError` where the pack cannot be read, `KeyRefused` where it cannot be opened.
        """
        for run in runs(places, gap=gap):
            for place, _, content in self._read(run):
                yield place, content

    def verified_frames(self, places: Sequence[ChunkPlace]) -> Iterator[tuple[ChunkPlace, memoryview]]:
        """The frames of chunks of one pack (places by offset), whose contents are what their names say. Raises `Damaged` for
        the first that is not, and as `chunks`."""
        for run in runs(places):
            for place, frame, content in self._read(run):
                if isinstance(content, StrongroomError):
                    raise content
                yield place, frame

    def open_dictionaries(self, ids: Collection[bytes | None]) -> None:
        """Have compression dictionaries at hand: those that lie together are fetched together. For one that cannot be read, its
        chunks will say so."""
        with self._lock:
            wanted = {one for one in ids if one is not None and one not in self._dictionaries}
        if not wanted:
            return
        packs = by_pack(self._whole_index(), wanted, most=DICTIONARY_BYTES // 2)

        def attempt(pack: list[ChunkPlace]) -> None:
            with suppress(Damaged, StorageError):
                for place, content in self.chunks(pack):
                    if not isinstance(content, StrongroomError):
                        self._keep(place.chunk, frames.dictionary(content))

        if len(packs) < 2:
            for pack in packs:
                attempt(pack)
            return
        with ThreadPoolExecutor(min(READERS, len(packs)), thread_name_prefix="dictionaries") as pool:
            list(pool.map(attempt, packs))

    def elsewhere(self, unread: Sequence[ChunkPlace]) -> dict[bytes, bytes]:
        """The contents of chunks that could not be read where they were sought, by id, as far as other packs have them. Raises
        `TransientStorageError`."""
        found: dict[bytes, bytes] = {}
        if self.index is None:
            return found
        others = self.index.rows_elsewhere({place.chunk for place in unread}, {place.pack for place in unread})
        for _, group in groupby(places(others), key=lambda place: place.pack):
            with suppress(ObjectNotFound):
                for place, content in self.chunks([place for place in group if place.chunk not in found]):
                    if not isinstance(content, StrongroomError):
                        found[place.chunk] = content
        return found

    def _read(self, run: ChunkRun) -> Iterator[tuple[ChunkPlace, memoryview, bytes | StrongroomError]]:
        """Places, their frames and contents."""
        try:
            plain = self.read_span(run.places[0], run.start, run.length)
        except Damaged as error:
            if len(run.places) == 1:
                yield run.places[0], memoryview(b""), error
            else:  # one bad segment must not cost its neighbours
                for place in run.places:
                    yield from self._read(ChunkRun(place.offset, place.stored, (place,)))
            return
        for number, place in enumerate(run.places):
            if number % EXPANDED_AT_ONCE == 0:
                self.open_dictionaries({one.dictionary for one in run.places[number : number + EXPANDED_AT_ONCE]})
            frame = plain[place.offset - run.start :][: place.stored]
            yield place, frame, self.content(place, frame)

    def content(self, place: ChunkPlace, frame: memoryview) -> bytes | StrongroomError:
        """What is in a chunk's frame; where that is not what its name says, the error."""
        try:
            content = self.expand(place.chunk, frame, place.plain, place.dictionary)
        except Damaged as error:
            return Damaged(f"chunk {place.chunk.hex()} in pack {place.pack.hex()}: {error}", hint=error.hint)
        return content

    def expand(self, chunk: bytes, frame: memoryview, plain: int, dictionary: bytes | None) -> bytes:
        """The content of a chunk out of its frame, verified. plain: its length in bytes. Raises `Damaged`, `StorageError` where
        its dictionary cannot be read."""
        content = self._expander(dictionary).expand(frame, plain)
        if chunk_id(self._key, content) != chunk:
            raise Damaged("it is not what its name says")
        return content

    def open_header(self, pack: bytes, tier: int, size: int) -> None:
        """Show that the store has a pack, and be ready to read it. A header that cannot be read or opened is for the reading to
        tell. Raises `ObjectNotFound`, `StorageError`."""
        name = pack_name(self._project.id, tier, pack)
        if self._project.capability.content_identity is not None:
            try:
                self._header(ChunkPlace(b"", pack, tier, size, 0, 0, 0, None), name)
                return
            except ObjectNotFound:
                raise
            except (Damaged, StorageError):
                pass  # a pack in an archive tier is there, too
        self._project.store.size(name)

    def plain_size(self, pack: ChunkPlace) -> int:
        """Bytes of a pack's plain stream, going by its stored size. Raises `Damaged`, `StorageError`, `KeyRefused`."""
        name = pack_name(self._project.id, pack.tier, pack.pack)
        return self._header(pack, name).reader(pack.pack_size).plain_size

    def read_span(self, pack: ChunkPlace, start: int, length: int) -> memoryview:
        """Bytes `start` to `start + length` of a pack's plain stream. Raises `Damaged`, `StorageError`, `KeyRefused`."""
        name = pack_name(self._project.id, pack.tier, pack.pack)
        if start <= FRONT and pack.pack not in self._headers:
            with suppress(Damaged):  # what is wrong with it, the longer way says, after a second look
                return self._front_span(pack, name, start, length)
        reader = self._header(pack, name).reader(pack.pack_size)
        offset, size = reader.sealed_span(start, length)
        with self._lock:
            self.requests += 1
        return self._twice(name, offset, size, lambda sealed: reader.open_span(sealed, start, length))

    def _front_span(self, pack: ChunkPlace, name: str, start: int, length: int) -> memoryview:
        """The header of a pack and a span near its front, with one request."""
        end = min(HEADER_GUESS + age.sealed_length(start + length + age.SEGMENT), pack.pack_size)
        with self._lock:
            self.requests += 1
        front = self._project.store.get_range(name, 0, end)
        reader = self._opened(pack, front[:HEADER_GUESS]).reader(pack.pack_size)
        offset, size = reader.sealed_span(start, length)
        return reader.open_span(memoryview(front)[offset : offset + size], start, length)

    def _header(self, pack: ChunkPlace, name: str) -> age.OpenedHeader:
        with self._lock:
            if pack.pack in self._headers:
                self._headers.move_to_end(pack.pack)
                return self._headers[pack.pack]
            self.requests += 1
        return self._twice(name, 0, min(HEADER_GUESS, pack.pack_size), lambda front: self._opened(pack, front))

    def _opened(self, pack: ChunkPlace, front: bytes) -> age.OpenedHeader:
        try:
            opened = age.read_header(front, self._identities(pack.tier))
        except age.NoMatchingIdentity as error:
            raise Damaged(f"pack {pack.pack.hex()} is not encrypted with this project's key") from error
        with self._lock:
            self._headers[pack.pack] = opened
            if len(self._headers) > KEYS_KEPT:
                self._headers.popitem(last=False)
        return opened

    def _twice(self, name: str, offset: int, size: int, opened: Callable[[bytes], T]) -> T:
        """A part of a pack, opened. One that is damaged is read once more, below the cache: it may be whole there."""
        try:
            return opened(self._project.store.get_range(name, offset, size))
        except Damaged:
            with self._lock:
                self.requests += 1
            return opened(uncached(self._project.store).get_range(name, offset, size))

    def _identities(self, tier: int) -> tuple[age.HybridIdentity, ...]:
        capability = self._project.capability
        return capability.catalogue_identities if tier == META_TIER else capability.content_identities()

    def _expander(self, dictionary: bytes | None) -> frames.Expander:
        if not hasattr(self._own, "expanders"):
            self._own.expanders = frames.Expanders(self.dictionary)
        mine: frames.Expanders = self._own.expanders
        return mine.of(dictionary)

    def dictionary(self, dictionary: bytes) -> frames.Dictionary:
        """The dictionary that is stored as this chunk. Raises `Damaged`, `StorageError`."""
        with self._lock:
            known = self._dictionaries.get(dictionary)
            if known is not None:
                self._dictionaries.move_to_end(dictionary)
                return known
        content = self._dictionary_content(dictionary)
        try:
            known = frames.dictionary(content)
        except Damaged as error:
            raise Damaged(f"the compression dictionary {dictionary.hex()}: {error}", hint=error.hint) from error
        self._keep(dictionary, known)
        return known

    def _keep(self, chunk: bytes, dictionary: frames.Dictionary) -> None:
        with self._lock:
            if chunk not in self._dictionaries:
                self._dictionary_bytes += len(dictionary)
            self._dictionaries[chunk] = dictionary
            while self._dictionary_bytes > DICTIONARY_BYTES and len(self._dictionaries) > 1:
                self._dictionary_bytes -= len(self._dictionaries.popitem(last=False)[1])

    def _whole_index(self) -> ChunkIndex:
        if self.index is None:
            self.index = ChunkIndex.load(self._project, tier=CONTENT_TIER)
        return self.index

    def _dictionary_content(self, dictionary: bytes) -> bytes:
        found = places(self._whole_index().rows_elsewhere({dictionary}, ()))
        if not found:
            raise Damaged(f"the compression dictionary {dictionary.hex()} is missing from the index")
        for place in found[:-1]:
            with suppress(Damaged, ObjectNotFound):
                return self._dictionary_at(place)
        return self._dictionary_at(found[-1])

    def _dictionary_at(self, place: ChunkPlace) -> bytes:
        if place.dictionary is not None:
            raise Damaged(f"the compression dictionary {place.chunk.hex()} is said to need one itself")
        content = next(iter(self.chunks([place])))[1]
        if isinstance(content, StrongroomError):
            raise content
        return content


def by_pack(index: ChunkIndex, dictionaries: Collection[bytes], *, most: int | None = None) -> list[list[ChunkPlace]]:
    """Where dictionaries lie: for each pack its places, by offset; each dictionary once. most: bytes of content after which the
    rest is left out, None: nothing is."""
    found: dict[bytes, list[ChunkPlace]] = {}
    seen: set[bytes] = set()
    size = 0
    for place in places(index.rows_elsewhere(dictionaries, ())):
        if place.chunk not in seen and place.dictionary is None and (most is None or size + place.plain <= most):
            seen.add(place.chunk)
            found.setdefault(place.pack, []).append(place)
            size += place.plain
    return list(found.values())


def places(table: pa.Table) -> list[ChunkPlace]:
    """Index rows as places, by pack and offset; rows of nulls (chunks that no segment knows) are left out."""
    names = ["chunk", "pack", "tier", "pack_size", "offset", "stored", "plain", "dictionary"]
    rows = zip(*(table[name].to_pylist() for name in names), strict=True)
    return sorted((ChunkPlace(*row) for row in rows if row[0] is not None), key=lambda place: (place.pack, place.offset))
