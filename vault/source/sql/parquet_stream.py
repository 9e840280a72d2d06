"""Rows as a Parquet file that is read while it is made: one group of rows is in memory, whatever the table's size.

Equal rows give equal bytes: groups end where the rows say so, nothing of the moment is in the file, and no dictionaries are
made, whose order would depend on all rows before. Pages are cut by content, so that a row more or less changes what lies around
it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

GROUP_ROWS = 65_536
GROUP_BYTES = 32 * 1024 * 1024
"""A group of rows ends after so many, or so many bytes of them in memory."""


class _Sink:
    """Takes what the writer writes, until it is taken away."""

    closed = False

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0

    def write(self, data: bytes | memoryview) -> int:
        self._pieces.append(bytes(data))
        self._size += len(data)
        return len(data)

    def tell(self) -> int:
        return self._size

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing is open."""

    def taken(self) -> list[bytes]:
        pieces, self._pieces = self._pieces, []
        return pieces


def parquet_pieces(schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> Generator[bytes, None, None]:
    """The file, piece by piece. batches: of the schema, of any length."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = _Sink()
    buffered = pa.BufferedOutputStream(pa.PythonFile(sink, mode="w"), 8 << 20)
    writer = pq.ParquetWriter(
        buffered,
        schema,
        compression="none",
        use_dictionary=False,
        use_content_defined_chunking=True,
        write_statistics=[field.name for field in schema if not _has_any_length(field.type)],
        version="2.6",
    )
    for group in _groups(schema, batches):
        writer.write_table(group, row_group_size=max(1, group.num_rows))
        yield from sink.taken()
    writer.close()
    buffered.close()
    yield from sink.taken()


def _groups(schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Groups whose ends depend on the rows alone, not on how they come."""
    import pyarrow as pa

    waiting: list[pa.RecordBatch] = []
    rows = size = 0
    for piece in _pieces(batches):
        waiting.append(piece)
        rows += piece.num_rows
        size += _size_of(piece)
        if rows >= GROUP_ROWS or size >= GROUP_BYTES:
            yield pa.Table.from_batches(waiting, schema)
            waiting, rows, size = [], 0, 0
    if waiting:
        yield pa.Table.from_batches(waiting, schema)


def _pieces(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of `BATCH_ROWS`, or fewer where they have `PIECE_BYTES`; the last one aside."""
    left: list[pa.RecordBatch] = []
    count = size = 0
    for batch in batches:
        sizes = _running_sizes(batch)
        start = done = 0
        while start < batch.num_rows:
            end = min(batch.num_rows, start + BATCH_ROWS - count, _first_at(sizes, done + PIECE_BYTES - size) + 1)
            left.append(batch.slice(start, end - start))
            count += end - start
            size += sizes[end - 1].as_py() - done
            start, done = end, sizes[end - 1].as_py()
            if count == BATCH_ROWS or size >= PIECE_BYTES:
                yield _joined(left)
                left, count, size = [], 0, 0
    if count:
        yield _joined(left)


def _size_of(batch: pa.RecordBatch) -> int:
    """Bytes of its values, whatever lies beside them in memory: a slice has other buffers than a copy of the same rows."""
    import pyarrow.compute as pc

    texts = [column for column in batch.columns if _has_any_length(column.type)]
    fixed = sum(column.type.bit_width for column in batch.columns if not _has_any_length(column.type)) // 8
    lengths = sum(int(pc.sum(pc.binary_length(one)).as_py() or 0) for one in texts)
    return int(batch.num_rows * (fixed + 4 * len(texts)) + lengths)


def _running_sizes(batch: pa.RecordBatch) -> pa.Array:
    """Bytes of the texts and other values of no fixed length in each row and those before it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    total = pa.repeat(pa.scalar(0, pa.int64()), batch.num_rows)
    for column in batch.columns:
        if _has_any_length(column.type):
            total = pc.add(total, pc.fill_null(pc.binary_length(column), 0))
    return pc.cumulative_sum(total)


def _has_any_length(kind: pa.DataType) -> bool:
    """Whether values are texts or bytes. No statistics are made of them, which would be a third of the writer's work: who looks
    for a text finds its group by them only where rows are sorted by that text."""
    import pyarrow as pa

    return bool(pa.types.is_binary(kind) or pa.types.is_string(kind))


def _first_at(sizes: pa.Array, wanted: int) -> int:
    """The first place at which a running sum reaches a number; the length where it does not."""
    import pyarrow.compute as pc

    return int(pc.sum(pc.less(sizes, wanted)).as_py() or 0)


def _joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    import pyarrow as pa

    if len(batches) == 1:
        return batches[0]  # most are a slice of one: to copy all of them took as long as writing them
    (batch,) = pa.Table.from_batches(batches).combine_chunks().to_batches()
    return batch  # `PIECE_BYTES` see to it that it is one: an Arrow array has 2 GiB at most


BATCH_ROWS = 4096
"""Groups end at a multiple of so many rows."""

PIECE_BYTES = 32 * 1024 * 1024
"""Or after a row with which the texts and bytes since the last such place are so many: rows of recordings are large."""
