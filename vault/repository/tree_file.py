"""A tree of meta chunks as a file that is read here and there: what nobody asks for is neither fetched nor held.

A comparison needs eleven of a manifest's 26 columns, and Parquet has each column in one run of bytes.
"""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import accumulate

from vault.format.tree import ChunkRef


class TreeFile(io.RawIOBase):
    """The data of a tree. refs: its leaves · fetch: contents for references, in order, verified.

    What `fetch` raises comes out of `read`. One thread at a time.
    """

    def __init__(self, refs: list[ChunkRef], fetch: Callable[[list[ChunkRef]], list[bytes]]) -> None:
        super().__init__()
        self._refs = refs
        self._fetch = fetch
        self._starts = [0, *accumulate(length for _, length in refs)]
        self._at = 0
        self._kept: tuple[int, bytes] = (-1, b"")
        """The last chunk that was read, by its number: the next reading mostly begins in it."""

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """As of any file."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._starts[-1]}[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        """All that was asked for, and less only at the end."""
        left = max(0, self._starts[-1] - self._at)
        size = left if size is None or size < 0 else min(size, left)
        data = b"".join(self._pieces(self._at, self._at + size)) if size else b""
        self._at += size
        return data

    def _pieces(self, start: int, end: int) -> Iterator[memoryview]:
        first, last = bisect_right(self._starts, start) - 1, bisect_right(self._starts, end - 1) - 1
        numbers = list(range(first, last + 1))
        known = {number: content for number, content in [self._kept] if number in numbers}
        wanted = [number for number in numbers if number not in known]
        known |= zip(wanted, self._fetch([self._refs[number] for number in wanted]), strict=True) if wanted else ()
        self._kept = last, known[last]
        for number in numbers:
            begin = self._starts[number]
            yield memoryview(known[number])[max(0, start - begin) : end - begin]
