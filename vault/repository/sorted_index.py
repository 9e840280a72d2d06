"""Chunk ids in sorted, flat memory, for callers that look up single chunks or a few at a time."""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterable
from typing import TYPE_CHECKING

from vault.format.chunks import ID_SIZE
from vault.repository.chunk_index import ChunkIndex, contiguous

if TYPE_CHECKING:
    import pyarrow as pa


class SortedIds:
    """Chunk ids, sorted, in flat memory: 40 bytes a chunk, and a microsecond to find one."""

    def __init__(self, ids: pa.Array) -> None:
        self._ids = ids.take(_order(ids)).buffers()[1].to_pybytes() if len(ids) else b""
        self._prefixes = array("Q")
        self._prefixes.frombytes(memoryview(self._ids).cast("Q")[:: ID_SIZE // 8].tobytes())
        if sys.byteorder == "little":
            self._prefixes.byteswap()

    def find(self, chunk: bytes) -> int | None:
        """The position of the first such id in the sorted order."""
        prefix = int.from_bytes(chunk[:8], "big")
        place = bisect_left(self._prefixes, prefix)
        while place < len(self._prefixes) and self._prefixes[place] == prefix:
            if self._ids[place * ID_SIZE : (place + 1) * ID_SIZE] == chunk:
                return place
            place += 1
        return None


class SortedIndex:
    """The rows of an index, for thousands of look-ups of a few chunks each."""

    def __init__(self, index: ChunkIndex) -> None:
        ids = contiguous(index.table["chunk"])
        self._ids = SortedIds(ids)
        self._table = index.table.take(_order(ids)).combine_chunks()  # stable: of a chunk's rows the first stays the first
        self._packs = contiguous(self._table["pack"])

    def locate(self, chunks: pa.Array) -> pa.Table:
        """As `ChunkIndex.locate`."""
        import pyarrow as pa

        return self._table.take(pa.array(map(self._ids.find, chunks.to_pylist()), pa.int64()))

    def pack_of(self, chunk: bytes) -> bytes | None:
        """The SHA-256 of the pack that holds a chunk, if any does."""
        row = self._ids.find(chunk)
        return None if row is None else self._packs[row].as_py()


class KnownChunks:
    """A set of chunk ids: those that were stored before, in flat memory, and those that this run adds."""

    def __init__(self, stored: ChunkIndex) -> None:
        self._stored = SortedIds(contiguous(stored.table["chunk"]))
        self._added: set[bytes] = set()

    def __contains__(self, chunk: bytes) -> bool:
        return chunk in self._added or self.is_stored(chunk)

    def is_stored(self, chunk: bytes) -> bool:
        """Whether a chunk was stored before this run. From any thread."""
        return self._stored.find(chunk) is not None

    def add(self, chunks: Iterable[bytes]) -> None:
        """From now on these are known."""
        self._added.update(chunks)


def _order(ids: pa.Array) -> pa.Array:
    import pyarrow.compute as pc

    return pc.sort_indices(ids)
