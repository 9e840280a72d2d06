"""Parquet, written row group by row group.

Columns have the types that `type_inference` finds, statistics and page indexes tell readers what to leave out, and the same
table gives the same bytes with the same version of Arrow, whose name the format wants in its footer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, BinaryIO

from restore.tables.loss_report import LossReport
from restore.tables.model import Table
from restore.tables.schema_cast import CastTable
from restore.tables.write_options import WriteOptions

if TYPE_CHECKING:
    import pyarrow as pa

GROUP_BYTES = 32 * 1024 * 1024
"""About what a row group holds before it is compressed: what a writer and a reader keep in memory."""

_LEVEL = 3


def write_parquet(tables: Sequence[Table], out: BinaryIO, options: WriteOptions, losses: LossReport) -> None:
    """One table; writes forward only. options: no choice of it matters here."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    del options
    (table,) = tables
    fitted = CastTable(table, losses, carried)
    with pq.ParquetWriter(
        pa.PythonFile(out, "w"),
        fitted.schema,
        compression="zstd",
        compression_level=_LEVEL,
        write_page_index=True,
        write_page_checksum=True,
    ) as writer:
        for group in _groups(fitted.batches()):
            writer.write_table(pa.Table.from_batches(group, fitted.schema), row_group_size=max(1, sum(map(len, group))))


def carried(type_: pa.DataType) -> bool:
    """Whether Parquet has the type: all but unions, intervals, empty structs and the like."""
    import pyarrow as pa

    is_ = pa.types
    if is_.is_struct(type_):
        names = [field.name for field in type_]
        return bool(names) and len(set(names)) == len(names) and all(carried(field.type) for field in type_)
    if is_.is_map(type_):
        return carried(type_.key_type) and carried(type_.item_type)
    if is_.is_list(type_) or is_.is_large_list(type_):
        return carried(type_.value_type)
    return not is_.is_nested(type_) and not is_.is_interval(type_) and not is_.is_run_end_encoded(type_)


def _groups(batches: Iterator[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    """Batches together until they have the bytes of a row group."""
    group: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        group.append(batch)
        size += batch.nbytes
        if size >= GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group
