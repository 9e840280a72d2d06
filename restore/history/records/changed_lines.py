"""Lines that one version of an item has and a neighbour in time has not, out of the chunks that differ and no others.

    chunks of a version     those that the other one has too, and those that it has not
    a line                  lies in one chunk or in several: its home. A version that has its home has the line
    read are                chunks that the other version has not, and their neighbours, for lines that begin or end there

So the cost goes with what changed from version to version, not with their sizes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from restore.tables.readers.csv_rows import LARGEST_ROW
from vault.errors import Damaged, StrongroomError

Fetch = Callable[[Sequence[bytes]], Iterator[tuple[bytes, bytes | StrongroomError]]]
"""Gives the contents of chunks, by their ids, in any order."""

BEGIN, END = b"begin", b"end"
PORTION = 64
"""Chunks that are read at once: of 1 MiB at most as a rule."""

Home = tuple[bytes, ...]


class ChunkNeighbours:
    """A version's list of chunks, and which of them follow which. repeated: those that it has more than once: where their lines
    lie cannot be said."""

    def __init__(self, chunks: Sequence[bytes]) -> None:
        self.chunks = chunks
        self.own = frozenset(chunks)
        self.pairs = frozenset(_pairs(chunks))
        counts = Counter(chunks) if len(self.own) < len(chunks) else {}
        self.repeated = frozenset(chunk for chunk, count in counts.items() if count > 1)


class _Other:
    """The version that lines are looked for in; a chunk that either one has more than once counts for nothing."""

    def __init__(self, own: ChunkNeighbours, other: ChunkNeighbours) -> None:
        repeated = own.repeated | other.repeated
        self._chunks = other.own - repeated
        self._pairs = frozenset(pair for pair in other.pairs if repeated.isdisjoint(pair)) if repeated else other.pairs

    def has(self, home: Home) -> bool:
        """Whether a line that lies in these chunks, `BEGIN` and `END` with them at its ends, is one of this version."""
        if len(home) == 1:
            return home[0] in self._chunks
        return all(pair in self._pairs for pair in pairwise(home))

    def lacks(self, chunks: Sequence[bytes]) -> list[int]:
        """Places of chunks that have to be read for the lines that this version has not."""
        places: set[int] = set()
        for place, pair in enumerate(_pairs(chunks), -1):
            if pair not in self._pairs:
                places.update((place, place + 1))
        return sorted(place for place in places if 0 <= place < len(chunks))


def changed_lines(own: ChunkNeighbours, other: ChunkNeighbours, fetch: Fetch) -> Iterator[bytes]:
    """The lines of a version that another one has not, without their ends, in order; one that lies in more chunks than two
    perhaps twice, and one that lies in other chunks there, too. Raises `Damaged` where a chunk cannot be had or a line has no
    end; `StorageError`."""
    that = _Other(own, other)
    for first, end in _runs(that.lacks(own.chunks)):
        yield from _Run(own.chunks, that, fetch).lines(first, end)


class _Run:
    """Neighbouring chunks of a version that are read. pending: parts of a line whose end has not come; None where its beginning
    lies before the run · home: the chunks that they are of."""

    def __init__(self, chunks: Sequence[bytes], other: _Other, fetch: Fetch) -> None:
        self._chunks = chunks
        self._other = other
        self._fetch = fetch
        self._pending: list[bytes] | None = None
        self._home: list[bytes] = []
        self._size = 0

    def lines(self, first: int, end: int) -> Iterator[bytes]:
        """Those lines that begin or end in the run, and that the other version has not."""
        chunks = self._chunks
        self._begin(first)
        for place, content in enumerate(_contents(chunks[first:end], self._fetch), first):
            yield from self._chunk(chunks[place], content)
        while len(self._home) > 1 and end < len(chunks):  # a line that is longer than chunks
            (content,) = _contents(chunks[end : end + 1], self._fetch)
            yield from self._chunk(chunks[end], content)
            end += 1
        if end == len(chunks) and self._pending is not None and not self._other.has((*self._home, END)):
            yield b"".join(self._pending)

    def _chunk(self, chunk: bytes, content: bytes) -> Iterator[bytes]:
        *whole, tail = content.split(b"\n")
        if self._pending is not None:
            self._pending.append(whole[0] if whole else tail)
            self._home.append(chunk)
            self._size = _bounded(self._size + len(self._pending[-1]))
        if not whole:
            return
        if self._pending is not None and not self._other.has(tuple(self._home)):
            yield b"".join(self._pending)
        if not self._other.has((chunk,)):
            yield from whole[1:]
        self._pending, self._home, self._size = [tail], [chunk], len(tail)

    def _begin(self, first: int) -> None:
        """What a line that ends in the run has before it, where the run's first chunk has no line end."""
        chunks = self._chunks
        if first == 0:
            self._pending, self._home = [], [BEGIN]
            return
        (content,) = _contents(chunks[first : first + 1], self._fetch)
        if b"\n" in content:
            return
        parts: list[bytes] = []
        for place in range(first - 1, -1, -1):
            (content,) = _contents(chunks[place : place + 1], self._fetch)
            _, found, tail = content.rpartition(b"\n")
            parts.insert(0, tail)
            self._home.insert(0, chunks[place])
            self._size = _bounded(self._size + len(tail))
            if found:
                break
        else:
            self._home.insert(0, BEGIN)
        self._pending = parts


def _bounded(size: int) -> int:
    if size > LARGEST_ROW:
        raise Damaged(f"a line is longer than {LARGEST_ROW} bytes")
    return size


def _contents(chunks: Sequence[bytes], fetch: Fetch) -> Iterator[bytes]:
    for start in range(0, len(chunks), PORTION):
        part = chunks[start : start + PORTION]
        found = dict(fetch(list(dict.fromkeys(part))))
        for chunk in part:
            content = found[chunk]
            if isinstance(content, StrongroomError):
                raise Damaged(f"a part of its content cannot be had: {content}") from content
            yield content


def _pairs(chunks: Sequence[bytes]) -> Iterator[Home]:
    whole = [BEGIN, *chunks, END]
    return pairwise(whole)


def _runs(places: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Places that follow one another, as beginnings and ends."""
    start = 0
    for at in range(1, len(places) + 1):
        if at == len(places) or places[at] != places[at - 1] + 1:
            yield places[start], places[at - 1] + 1
            start = at
