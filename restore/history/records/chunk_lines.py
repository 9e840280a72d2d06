"""Lines that may have an id, out of the chunks of one version after another: a chunk is read once, however many versions have
it.

    a chunk         bytes up to its first line end, whole lines with the id, bytes behind its last line end
    a version       a list of chunks: the lines within them, and those that lie in two of them or more
    the next one    where the chunks of the line are among its own, the line is as it was: nothing is read

So two years of hourly versions cost what was stored of them, and not the sum of their sizes; mostly not even that.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from msgspec import Struct

from restore.tables.readers.csv_rows import LARGEST_ROW
from vault.errors import Damaged, StrongroomError

Fetch = Callable[[Collection[bytes]], Iterator[tuple[bytes, bytes | StrongroomError]]]
"""Gives the contents of chunks, by their ids, one after another; of each the content, or why it cannot be had."""

BEGIN, END = b"begin", b"end"
"""Before the first chunk, and behind the last one: no chunk has such an id."""


class ScannedChunk(Struct, frozen=True):
    """head: up to the first line end, or all of it where `is_part` · tail: behind the last one · lines: whole ones between
    them that may have the id · is_part: no line ends in it."""

    head: bytes
    tail: bytes
    lines: tuple[bytes, ...]
    is_part: bool


class FoundLine(Struct, frozen=True):
    """A line that may have the id. home: the chunks that it lies in, `BEGIN` or `END` with them where these end it."""

    line: bytes
    home: tuple[bytes, ...]


class ChunkLines:
    """See this module's text. Of one item: what was read of a version is kept until the next but one. needles: of which one is
    in every line that is looked for."""

    def __init__(self, needles: Sequence[bytes], fetch: Fetch) -> None:
        self._needles = tuple(needles)
        self._fetch = fetch
        self._scanned: dict[bytes, ScannedChunk | StrongroomError] = {}
        self._before: frozenset[bytes] = frozenset()
        self._ahead: set[bytes] = set()
        self.chunks_read = 0

    def unread(self, chunks: Collection[bytes]) -> set[bytes]:
        """Those of some chunks that would have to be read."""
        return set(chunks) - self._scanned.keys()

    def read(self, chunks: Collection[bytes]) -> None:
        """Read chunks ahead: fewer, larger requests."""
        self._scan(self.unread(chunks))
        self._ahead |= set(chunks)

    def lines(self, chunks: Sequence[bytes], *, begins: bool = True, ends: bool = True) -> Iterator[FoundLine]:
        """The lines of a run of chunks that may have the id, in order. begins, ends: whether the version begins and ends with
        these chunks; what lies beyond is not looked at otherwise. Raises `Damaged` where a chunk cannot be had, or a line has
        no end; `StorageError`."""
        self._scan(self.unread(chunks))
        pending: list[bytes] | None = [] if begins else None
        home: list[bytes] = [BEGIN]
        for chunk in chunks:
            found = self._scanned[chunk]
            if isinstance(found, StrongroomError):
                raise Damaged(f"a part of its content cannot be had: {found}") from found
            if pending is not None:
                pending.append(found.head)
                home.append(chunk)
            if found.is_part:
                if pending is not None and sum(map(len, pending)) > LARGEST_ROW:
                    raise Damaged(f"a line is longer than {LARGEST_ROW} bytes")
                continue
            if pending is not None:
                yield from self._joined(pending, home)
            yield from (FoundLine(line, (chunk,)) for line in found.lines)
            pending, home = [found.tail], [chunk]
        if ends and pending is not None:
            yield from self._joined(pending, [*home, END])

    def passed(self, chunks: Sequence[bytes]) -> None:
        """A version has been looked at: what only versions before the last one have is forgotten."""
        now = frozenset(chunks)
        self._ahead -= now
        for gone in self._scanned.keys() - now - self._before - self._ahead:
            del self._scanned[gone]
        self._before = now

    def _joined(self, pending: Sequence[bytes], home: Sequence[bytes]) -> Iterator[FoundLine]:
        line = b"".join(pending)
        if self._may_have(line):
            yield FoundLine(line, tuple(home))

    def _scan(self, chunks: Collection[bytes]) -> None:
        if not chunks:
            return
        for chunk, content in self._fetch(chunks):
            self.chunks_read += 1
            self._scanned[chunk] = content if isinstance(content, StrongroomError) else self._scanned_chunk(content)

    def _scanned_chunk(self, content: bytes) -> ScannedChunk:
        first, last = content.find(b"\n"), content.rfind(b"\n")
        if first < 0:
            return ScannedChunk(content, b"", (), is_part=True)
        return ScannedChunk(content[:first], content[last + 1 :], tuple(self._within(content, first, last)), is_part=False)

    def _within(self, content: bytes, first: int, last: int) -> Iterator[bytes]:
        """Whole lines between two line ends that have one of the needles."""
        starts = set()
        for needle in self._needles:
            at = content.find(needle, first + 1, last)
            while at >= 0:
                start, end = content.rfind(b"\n", 0, at) + 1, content.find(b"\n", at)
                starts.add(start)
                at = content.find(needle, end + 1, last)
        for start in sorted(starts):
            yield content[start : content.find(b"\n", start)]

    def _may_have(self, line: bytes) -> bool:
        return any(needle in line for needle in self._needles)


def is_at_home(home: Sequence[bytes], chunks: Sequence[bytes]) -> bool:
    """Whether a line that lies in these chunks is a line of a version that has `chunks`."""
    if len(home) == 1:
        return home[0] in chunks
    whole = [BEGIN, *chunks, END]
    length = len(home)
    return any(whole[at] == home[0] and tuple(whole[at : at + length]) == tuple(home) for at in range(len(whole) - length + 1))


class Neighbourhood(Struct, frozen=True):
    """The chunks of a version that took the place of those in which a line was. begins, ends: as for `ChunkLines.lines`."""

    chunks: Sequence[bytes]
    begins: bool
    ends: bool


def neighbourhood(home: Sequence[bytes], before: Sequence[bytes], chunks: Sequence[bytes]) -> Neighbourhood:
    """Where a line is that was changed: between the nearest chunks before and behind it that the next version still has; these
    are among it. before: the chunks of the version before."""
    places = {chunk: place for place, chunk in reversed([*enumerate(chunks)])}
    own = [place for place, chunk in enumerate(before) if chunk in home]
    first, last = (own[0], own[-1]) if own else (0, len(before) - 1)
    start = next((places[before[place]] for place in range(first - 1, -1, -1) if before[place] in places), -1)
    end = next(
        (places[before[place]] for place in range(last + 1, len(before)) if places.get(before[place], -1) > start), len(chunks)
    )
    return Neighbourhood(chunks[max(start, 0) : end + 1], start < 0, end >= len(chunks))
