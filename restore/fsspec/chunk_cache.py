"""Chunks by their places, from a bounded cache that threads share; what is missing is fetched in joined ranges.

Each chunk is fetched once, however many threads ask for it at the same time: the first one fetches, the others wait for it.
What is expected to be read from front to back soon (the small files of a query) is fetched along with its neighbours in the
pack, so that a hundred daily files cost a few requests, not a hundred.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from itertools import groupby

from vault.errors import Damaged, StorageError, StrongroomError, TransientStorageError
from vault.repository.pack_reader import GAP, ChunkPlace, PackReader

CACHE_BYTES = 96 * 1024 * 1024
"""Plain content that is kept."""

AHEAD_STORED = 4 * 1024 * 1024
AHEAD_PLAIN = 24 * 1024 * 1024
"""How much of what is expected is fetched along with what is asked for."""

NEAR = 64 * 1024
"""Bytes that random access reads in vain rather than ask twice."""

Content = bytes | StrongroomError


class Chunks:
    """See this module's text. Safe to use from several threads. limit: bytes that are kept."""

    def __init__(self, reader: PackReader, *, limit: int = CACHE_BYTES) -> None:
        self._reader = reader
        self._limit = limit
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, bytes] = OrderedDict()
        self._size = 0
        self._coming: dict[bytes, Future[Content]] = {}
        self._expected: dict[bytes, list[ChunkPlace]] = {}
        self._offsets: dict[bytes, list[int]] = {}

    def expect(self, places: Iterable[ChunkPlace]) -> None:
        """These, in place of what was expected before, will be read soon."""
        by_pack: dict[bytes, dict[int, ChunkPlace]] = {}
        for place in places:
            by_pack.setdefault(place.pack, {})[place.offset] = place
        expected = {pack: [own[offset] for offset in sorted(own)] for pack, own in by_pack.items()}
        with self._lock:
            self._expected = expected
            self._offsets = {pack: [place.offset for place in own] for pack, own in expected.items()}

    def read(self, wanted: Sequence[ChunkPlace], ahead: Sequence[ChunkPlace] = ()) -> list[bytes]:
        """The contents of some chunks. ahead: chunks that may come along where anything has to be fetched at all.

        Raises the error of the first that cannot be had.
        """
        with self._lock:
            found = {place.chunk: self._kept[place.chunk] for place in wanted if place.chunk in self._kept}
            for chunk in found:
                self._kept.move_to_end(chunk)
            missing = [place for place in wanted if place.chunk not in found]
            mine = self._claim([*missing, *ahead, *self._neighbours(missing)] if missing else [])
            waiting = {place.chunk: self._coming[place.chunk] for place in missing}
        self._fetch(mine)
        for chunk, future in waiting.items():
            content = future.result()
            if isinstance(content, StrongroomError):
                raise content
            found[chunk] = content
        return [found[place.chunk] for place in wanted]

    def _neighbours(self, missing: Sequence[ChunkPlace]) -> list[ChunkPlace]:
        """What is expected behind the places in their packs."""
        out: list[ChunkPlace] = []
        for place in missing:
            own = self._expected.get(place.pack)
            if own is None:
                continue
            at = bisect_left(self._offsets[place.pack], place.offset)
            if at == len(own) or own[at].offset != place.offset:
                continue
            plain = place.plain
            for one in own[at + 1 :]:
                plain += one.plain
                if plain > AHEAD_PLAIN or one.offset - place.offset > AHEAD_STORED:
                    break
                out.append(one)
        return out

    def _claim(self, places: Sequence[ChunkPlace]) -> list[ChunkPlace]:
        """Those that nobody has or fetches: from now on this thread does."""
        mine = []
        for place in places:
            if place.chunk not in self._kept and place.chunk not in self._coming:
                self._coming[place.chunk] = Future()
                mine.append(place)
        return mine

    def _fetch(self, mine: list[ChunkPlace]) -> None:
        """Fetch what was claimed. Whatever happens, every waiting thread gets an answer."""
        mine.sort(key=lambda place: (place.pack, place.offset))
        left = {place.chunk for place in mine}
        unread: list[tuple[ChunkPlace, StrongroomError]] = []
        try:
            for pack, group in groupby(mine, key=lambda place: place.pack):
                for place, content in self._of_pack(list(group), gap=GAP if pack in self._expected else NEAR):
                    if isinstance(content, StrongroomError):
                        unread.append((place, content))
                    else:
                        self._came(place.chunk, content)
                        left.discard(place.chunk)
            again = self._again(unread)
            for place, error in unread:
                self._came(place.chunk, again.get(place.chunk, error))
                left.discard(place.chunk)
        finally:
            for chunk in left:
                self._came(chunk, Damaged("reading was interrupted"))

    def _of_pack(self, group: list[ChunkPlace], *, gap: int) -> Iterator[tuple[ChunkPlace, Content]]:
        """One pack's chunks; those that were not reached when it could not be read get the error of that."""
        reached: set[bytes] = set()
        try:
            for place, content in self._reader.chunks(group, gap=gap):
                reached.add(place.chunk)
                yield place, content
        except StrongroomError as error:
            for place in group:
                if place.chunk not in reached:
                    yield place, error

    def _again(self, unread: Sequence[tuple[ChunkPlace, StrongroomError]]) -> dict[bytes, bytes]:
        """Those of the chunks that lie in another pack as well. Nothing where the store is out of reach: no pack is then."""
        sought = [place for place, error in unread if not isinstance(error, TransientStorageError)]
        try:
            return self._reader.elsewhere(sought) if sought else {}
        except StorageError:
            return {}

    def _came(self, chunk: bytes, content: Content) -> None:
        with self._lock:
            future = self._coming.pop(chunk)
            if isinstance(content, bytes):
                self._kept[chunk] = content
                self._size += len(content)
                while self._size > self._limit and len(self._kept) > 1:
                    self._size -= len(self._kept.popitem(last=False)[1])
        future.set_result(content)
