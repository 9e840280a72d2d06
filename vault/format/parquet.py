"""Parquet with suspicion: bounded row counts, the columns and types that were asked for, one kind of error.

pyarrow is imported inside the functions: it costs 0.1 s, and `strongroom --help` must not pay for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vault.errors import Damaged

if TYPE_CHECKING:
    import pyarrow as pa


def write(table: pa.Table, **options: object) -> memoryview[int]:
    """A table as the bytes of a Parquet file. options: as `pyarrow.parquet.write_table` takes them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, store_schema=False, **options)
    return memoryview(sink.getvalue()).cast("B")


def read(
    data: bytes | bytearray | memoryview,
    schema: pa.Schema,
    what: str,
    *,
    most_rows: int,
    columns: list[str] | None = None,
) -> pa.Table:
    """The columns of `schema` (or those of them that `columns` names) out of a Parquet file; further ones are passed over.

    Raises `Damaged` where the bytes are no Parquet file, hold more than `most_rows`, lack a column or have it in another type.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    wanted = [name for name in schema.names if columns is None or name in columns]
    try:
        with pq.ParquetFile(pa.BufferReader(pa.py_buffer(data))) as file:
            if file.metadata.num_rows > most_rows:
                raise Damaged(f"{what} says it has {file.metadata.num_rows} rows; more than {most_rows} are never written")
            missing = set(wanted) - set(file.schema_arrow.names)
            if missing:
                raise Damaged(f"{what} lacks the column {sorted(missing)[0]!r}")
            table = file.read(columns=wanted)
        table.validate(full=True)  # offsets within their buffers, text that is UTF-8: pyarrow trusts both
        return table.select(wanted).cast(pa.schema([schema.field(name) for name in wanted]))
    except (pa.ArrowException, OSError, ValueError, KeyError, MemoryError, OverflowError) as error:
        raise Damaged(f"{what} is not readable as Parquet: {error}") from error
