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

    def taken(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def parquet_pieces(schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> Generator[bytes, None, None]:
    """The file, piece by piece. batches: of the schema, of any length."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = _Sink()
    writer = pq.ParquetWriter(
        pa.PythonFile(sink, mode="w"),
        schema,
        compression="none",
        use_dictionary=False,
        use_content_defined_chunking=True,
        version="2.6",
    )
    for group in _groups(schema, batches):
        writer.write_table(group, row_group_size=max(1, group.num_rows))
        if piece := sink.taken():
            yield piece
    writer.close()
    yield sink.taken()


def _groups(schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Groups whose ends depend on the rows alone, not on how they come."""
    import pyarrow as pa

    waiting: list[pa.RecordBatch] = []
    rows = size = 0
    for piece in _pieces(batches):
        waiting.append(piece)
        rows += piece.num_rows
        size += piece.nbytes
        if rows >= GROUP_ROWS or size >= GROUP_BYTES:
            yield pa.Table.from_batches(waiting, schema)
            waiting, rows, size = [], 0, 0
    if waiting:
        yield pa.Table.from_batches(waiting, schema)


def _pieces(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of `BATCH_ROWS`, the last one aside."""
    import pyarrow as pa

    left: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        left.append(batch)
        count += batch.num_rows
        if count < BATCH_ROWS:
            continue
        table = pa.Table.from_batches(left)
        whole = count - count % BATCH_ROWS
        yield from (_joined(table.slice(at, BATCH_ROWS)) for at in range(0, whole, BATCH_ROWS))
        left, count = table.slice(whole).to_batches(), count - whole
    if count:
        yield _joined(pa.Table.from_batches(left))


def _joined(table: pa.Table) -> pa.RecordBatch:
    return table.combine_chunks().to_batches()[0]


BATCH_ROWS = 4096
"""Groups end at a multiple of so many rows."""
