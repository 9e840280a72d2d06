"""Chunk ids in sorted, flat memory, for callers that look up single chunks or a few at a time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from msgspec.structs import replace

from vault.repository.chunk_index import ChunkIndex, contiguous
from vault.repository.flat_ids import FlatIds

if TYPE_CHECKING:
    import pyarrow as pa


def sorted_ids(ids: pa.Array) -> FlatIds:
    """Chunk ids in sorted, flat memory."""
    return FlatIds(ids.take(_order(ids)).buffers()[1].to_pybytes() if len(ids) else b"")


class SortedIndex:
    """The rows of an index, for thousands of look-ups of a few chunks each."""

    def __init__(self, index: ChunkIndex) -> None:
        ids = contiguous(index.table["chunk"])
        self._ids = sorted_ids(ids)
        self._table = index.table.take(_order(ids)).combine_chunks()  # stable: of a chunk's rows the first stays the first
        self.index = replace(index, table=self._table)
        """The same rows, by the ids of their chunks."""
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
        self._stored = sorted_ids(contiguous(stored.table["chunk"]))
        self._added: set[bytes] = set()

    def __contains__(self, chunk: bytes) -> bool:
        return chunk in self._added or self.is_stored(chunk)

    @property
    def stored_ids(self) -> bytes | memoryview:
        """The ids of chunks that were stored before this run, sorted, one after another."""
        return self._stored.ids

    def is_stored(self, chunk: bytes) -> bool:
        """Whether a chunk was stored before this run. From any thread."""
        return self._stored.find(chunk) is not None

    def add(self, chunks: Iterable[bytes]) -> None:
        """From now on these are known."""
        self._added.update(chunks)


def _order(ids: pa.Array) -> pa.Array:
    import pyarrow.compute as pc

    return pc.sort_indices(ids)
