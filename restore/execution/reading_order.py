"""The chunks of a restore in the order in which they are read, as flat columns: 300,000 objects would take longer to make, and
more room, than what they stand for. Processes that are forked share them.

    references by (pack, offset) -> portions: one request each, bounded in bytes and chunks
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from restore.execution.fetcher import ChunkUse, in_reading_order
from restore.execution.row_view import numbers
from vault.format.chunks import ID_SIZE
from vault.format.layout import CONTENT_TIER
from vault.repository.pack_reader import GAP, ChunkPlace

if TYPE_CHECKING:
    import pyarrow as pa

PORTION_STORED = 16 * 1024 * 1024
"""About as many bytes are read for a portion at most, what is read in vain among them."""

PORTION_PLAIN = 128 * 1024 * 1024
"""Bytes of content in a portion, of which a worker has one chunk at a time in memory. With 24 MiB, records that are stored in a
seventh were asked for 3 MB at a time: 2 GB of them took SeaweedFS 0.89 s of processor time, and take 0.63."""

PORTION_CHUNKS = 2048

LEAST_PORTION = 2 * 1024 * 1024
"""Bytes of content: a restore is cut into smaller portions than it must be where each worker would get few of them, so that all
end at about the same time, but not into smaller ones than that: each is a request."""

PORTIONS_A_WORKER = 8

_ROUNDING = 1e-6
"""Of a portion; sums of fractions are not quite what they should be."""


class Portion(NamedTuple):
    """A run of references that one request brings. start, end: places in the reading order · pack: its number."""

    start: int
    end: int
    pack: int


class ReadingOrder:
    """References of `restore.planning.chunk_locations.locate` that all have a place, in the order of the reading. k: a place in
    it; `row` and `position` say where the chunk goes."""

    def __init__(self, references: pa.Table) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        packs = references["pack"].combine_chunks().dictionary_encode()
        dictionaries = references["dictionary"].combine_chunks().dictionary_encode()
        self.packs: list[bytes] = packs.dictionary.to_pylist()
        self.dictionaries: list[bytes | None] = [*dictionaries.dictionary.to_pylist(), None]
        order = in_reading_order(references)
        self._order = numbers(order.cast(pa.int64()))
        self._pack = numbers(packs.indices)
        self._dictionary = numbers(pc.fill_null(dictionaries.indices, -1))
        self._pack_size, self._offset, self._stored, self._plain, self._row, self._position, self.length = (
            numbers(references[name]) for name in ("pack_size", "offset", "stored", "plain", "row", "position", "length")
        )
        columns = (packs.indices, *(references[name].combine_chunks() for name in ("offset", "stored", "plain")))
        self._lying = [column.take(order) for column in columns]
        self._chunks = _fixed(references["chunk"])
        self.plain_bytes: int = pc.sum(references["plain"]).as_py() or 0

    def __len__(self) -> int:
        return len(self._order)

    def row(self, k: int) -> int:
        """Of the plan's items."""
        return self._row[self._order[k]]

    def position(self, k: int) -> int:
        """In the file, bytes."""
        return self._position[self._order[k]]

    def frame(self, k: int) -> tuple[bytes, int, int, int, bytes | None]:
        """A chunk's id, offset, stored and plain length and dictionary: `place` for those who know the pack."""
        at = self._order[k]
        return self.chunk(at), self._offset[at], self._stored[at], self._plain[at], self.dictionaries[self._dictionary[at]]

    def dictionary(self, k: int) -> bytes | None:
        """The dictionary of the chunk."""
        return self.dictionaries[self._dictionary[self._order[k]]]

    def place(self, k: int) -> ChunkPlace:
        """Where the chunk lies."""
        at = self._order[k]
        return ChunkPlace(
            self.chunk(at),
            self.packs[self._pack[at]],
            CONTENT_TIER,
            self._pack_size[at],
            self._offset[at],
            self._stored[at],
            self._plain[at],
            self.dictionaries[self._dictionary[at]],
        )

    def chunk(self, at: int) -> bytes:
        """The id in a reference, by its number in the table."""
        return bytes(self._chunks[at * ID_SIZE : (at + 1) * ID_SIZE])

    def span(self, portion: Portion) -> tuple[int, int]:
        """The bytes (start, length) of the pack's plain stream that a portion needs."""
        start = self._offset[self._order[portion.start]]
        return start, max(self._offset[at] + self._stored[at] for at in self._order[portion.start : portion.end]) - start

    def uses(self, portion: Portion, wanted: Sequence[int]) -> list[ChunkUse]:
        """These places of a portion as objects, each chunk once."""
        found: list[ChunkUse] = []
        for k in wanted:
            target, place = (self.row(k), self.position(k)), self.place(k)
            if found and found[-1].place.chunk == place.chunk:
                found[-1].targets.append(target)
            else:
                found.append(ChunkUse(place, [target]))
        return found

    def portions(self, workers: int) -> list[Portion]:
        """Cut where the pack ends, a gap is wide, or enough is together for so many workers. What lies together is cut evenly:
        the little that else were left at the end of each pack costs a request like any other."""
        if not len(self):
            return []
        most = min(PORTION_PLAIN, max(LEAST_PORTION, self.plain_bytes // (workers * PORTIONS_A_WORKER)))
        apart, filled = self._laid_out(most)
        found: list[Portion] = []
        for first, end in pairwise([0, *apart, len(self)]):
            before = filled[first - 1] if first else 0.0
            parts = math.ceil(filled[end - 1] - before)
            share = (filled[end - 1] - before) / parts
            shares = (before + (number - _ROUNDING) * share for number in range(1, parts))
            cuts = [1 + bisect_left(filled, full, first, end - 1) for full in shares]
            pack = self._pack[self._order[first]]
            found += [Portion(start, stop, pack) for start, stop in pairwise([first, *cuts, end]) if start < stop]
        return found

    def _laid_out(self, most: int) -> tuple[list[int], memoryview[float]]:
        """Places whose chunk is in another pack than the one before, or far behind it; and how many portions were full up to
        each place, were they cut without regard to that. most: bytes of content that fill one."""
        import pyarrow as pa
        import pyarrow.compute as pc

        pack, offset, stored, plain = self._lying
        end = pc.add(offset, stored)
        apart = pc.or_(pc.not_equal(pack[1:], pack[:-1]), pc.greater(pc.subtract(offset[1:], end[:-1]), GAP))
        # with what lies between them, and once what several files want
        read = pc.if_else(apart, stored[1:], pc.subtract(end[1:], end[:-1]))
        read = pa.concat_arrays([stored[:1], read]).cast(pa.float64())
        shares = pc.divide(read, PORTION_STORED), pc.divide(plain.cast(pa.float64()), most)
        filled = pc.cumulative_sum(pc.max_element_wise(*shares, 1 / PORTION_CHUNKS))
        return [at + 1 for at in pc.indices_nonzero(apart).to_pylist()], memoryview(filled.buffers()[1]).cast("B").cast("d")


class PortionQueue:
    """Portions on their way to workers: one that has begun a pack goes on with it, as it has its key; a free one begins
    another, and at the end helps with those that are left."""

    def __init__(self, portions: Sequence[Portion]) -> None:
        self._packs: dict[int, deque[Portion]] = {}
        for portion in portions:
            self._packs.setdefault(portion.pack, deque()).append(portion)
        self._at: dict[int, int] = {}

    def next(self, worker: int) -> Portion | None:
        """The next one for the worker of this number; None where none is left."""
        pack = self._at.get(worker, -1)
        if pack not in self._packs:
            taken = set(self._at.values())
            free = (one for one in self._packs if one not in taken)
            pack = next(free, next(iter(self._packs), -1))
        if pack < 0:
            return None
        self._at[worker] = pack
        waiting = self._packs[pack]
        portion = waiting.popleft()
        if not waiting:
            del self._packs[pack]
        return portion


def _fixed(column: pa.ChunkedArray) -> memoryview[int]:
    """A column of ids without nulls as bytes, one behind the other."""
    flat = column.combine_chunks()
    if not len(flat):
        return memoryview(b"")
    return memoryview(flat.buffers()[1]).cast("B")[flat.offset * ID_SIZE : (flat.offset + len(flat)) * ID_SIZE]
