"""Rows out of Parquet files into tables of a PostgreSQL database, as text that the server reads by its types."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restore.databases.fetched_tables import ColumnKeys
from vault.source.sql import postgresql_rows as origin
from vault.source.sql.postgresql_catalog import quoted

if TYPE_CHECKING:
    import pyarrow as pa
    from psycopg import Connection

BATCH_ROWS = 8192


KEYS = ColumnKeys(origin.SCHEMA, origin.DECLARED, origin.KEY, origin.GENERATED)


def count_rows(file: Path) -> int:
    """The rows of a file."""
    import pyarrow.parquet as pq

    found: int = pq.read_metadata(file).num_rows
    return found


def insert(connection: Connection[Any], table: str, file: Path, columns: Container[str] | None = None) -> int:
    """Put the rows of a file into a table; gives how many there are. table: in SQL · columns: those that are put there; None
    for all of the file's."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(file) as opened:
        wanted = [name for name in opened.schema_arrow.names if columns is None or name in columns]
        names, count = ", ".join(map(quoted, wanted)), 0
        with connection.cursor() as cursor, cursor.copy(f"copy {table} ({names}) from stdin (format csv)") as copied:
            for batch in opened.iter_batches(batch_size=BATCH_ROWS, columns=wanted):
                copied.write(_csv(batch))
                count += batch.num_rows
    return count


def _csv(batch: pa.RecordBatch) -> memoryview:
    """Rows as COPY reads them: every value in quotes, so that nothing without quotes is null."""
    import pyarrow as pa
    from pyarrow import csv

    if not batch.num_columns:
        return memoryview(b"\n" * batch.num_rows)
    texts = pa.record_batch([_texts(column) for column in batch.columns], [f"c{place}" for place in range(batch.num_columns)])
    out = pa.BufferOutputStream()
    csv.write_csv(texts, out, csv.WriteOptions(include_header=False, quoting_style="all_valid"))
    return memoryview(out.getvalue())


def _texts(column: pa.Array) -> pa.Array:
    """A column's values as PostgreSQL reads them, as text, or as a type that Arrow writes so."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_binary(kind):
        return _hex(column)
    if pa.types.is_decimal(kind):
        return _decimals(column)
    if pa.types.is_timestamp(kind) and kind.tz is not None:  # Arrow looks the zone up for every value
        return pc.binary_join_element_wise(column.cast(pa.timestamp(kind.unit)).cast(pa.string()), "+00", "")
    return column if pa.types.is_string(kind) or pa.types.is_integer(kind) else column.cast(pa.string())


def _decimals(column: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = column.cast(pa.string())
    if pc.any(pc.match_substring(texts, "E")).as_py():  # 1E-8
        return pa.array([None if value is None else format(value, "f") for value in column.to_pylist()], pa.string())
    return texts


def _hex(column: pa.Array) -> pa.Array:
    """Bytes as `\\x00ff`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    filled = pc.fill_null(column, b"")
    ends = pc.cumulative_sum(pc.multiply(pc.binary_length(filled), 2)).cast(pa.int32())
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), ends])
    digits = pa.py_buffer(b"".join(filled.to_pylist()).hex().encode())
    texts = pa.Array.from_buffers(pa.string(), len(column), [None, offsets.buffers()[1], digits])
    written = pc.binary_join_element_wise(pa.scalar("\\x"), texts, pa.scalar(""))
    return pc.if_else(column.is_valid(), written, pa.scalar(None, pa.string()))
