"""Parquet, read by streaming: a few thousand rows of one row group at a time.

Pages are decompressed whole by the format (a page is about a megabyte where its writer was kind); everything else is bounded
here. Columns of text that are stored with a dictionary alone are taken with it and opened out by `arrow_source`, in pieces.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from restore.tables.arrow_source import HINT, ArrowTable, translated
from restore.tables.losses import Losses
from restore.tables.model import BATCH_BYTES, BATCH_ROWS, Table
from restore.tables.parquet_footer import Group, read_footer
from vault.errors import Damaged

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_WHAT = "Parquet"
_READ_BYTES = 1 << 20
_DEEPEST = 100
"""Levels of nested types."""


def read_parquet(path: Path, losses: Losses) -> list[Table]:
    """The table of a Parquet file."""
    groups = read_footer(path, HINT)
    with translated(_WHAT), _opened(path, []) as file:
        flat, columns = _flat_texts(file.schema), len(file.schema)
        schema = file.schema_arrow
    if any(len(group.dictionaries) != columns for group in groups):
        raise Damaged("the Parquet file is broken: a row group has not the columns of the schema", hint=HINT)
    rows = _batch_rows(groups)
    shared = [[name for place, name in flat.items() if group.dictionaries[place]] for group in groups]

    def read() -> Iterator[pa.RecordBatch]:
        for names, run in groupby(range(len(groups)), key=shared.__getitem__):
            with _opened(path, names) as file:
                yield from file.iter_batches(batch_size=rows, row_groups=list(run), use_threads=False)

    return [ArrowTable(_WHAT, schema, read, losses)]


def _opened(path: Path, shared: list[str]) -> pq.ParquetFile:
    import pyarrow.parquet as pq

    return pq.ParquetFile(
        path,
        read_dictionary=shared,
        buffer_size=_READ_BYTES,
        pre_buffer=False,
        page_checksum_verification=True,
        schema_depth_limit=_DEEPEST,
        arrow_extensions_enabled=False,
    )


def _flat_texts(schema: pq.ParquetSchema) -> dict[int, str]:
    """Columns of text, not within lists or structs."""
    columns = {place: schema.column(place) for place in range(len(schema))}
    return {place: column.path for place, column in columns.items() if _is_flat_text(column)}


def _is_flat_text(column: pq.ColumnSchema) -> bool:
    is_flat = column.max_repetition_level == 0 and column.max_definition_level <= 1
    return is_flat and column.physical_type == "BYTE_ARRAY" and "Decimal" not in str(column.logical_type)


def _batch_rows(groups: list[Group]) -> int:
    """Rows at a time, few where a row is long."""
    longest = max((group.size // group.rows for group in groups if group.rows), default=0)
    return max(1, min(BATCH_ROWS, BATCH_BYTES // max(1, longest)))
