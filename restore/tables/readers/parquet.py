"""Parquet, read by streaming: a few thousand rows of one row group at a time.

Pages are decompressed whole by the format (a page is about a megabyte where its writer was kind): `parquet_pages` looks first
how large they will be. Columns of text that are stored with a dictionary alone are taken with it and opened out by
`arrow_source`, in pieces.

INT96 is the old form of times, of days and nanoseconds: it reaches beyond the years that 64 bits of nanoseconds hold. It is
read as microseconds, unless all of its times are finer and lie in the years that nanoseconds have.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from restore.tables.guards import HINT
from restore.tables.loss_report import LossReport
from restore.tables.model import BATCH_BYTES, BATCH_ROWS, Table
from restore.tables.readers.arrow_source import ArrowTable, translated
from restore.tables.readers.parquet_footer import RowGroup, read_footer
from restore.tables.readers.parquet_int96 import unit_of_int96
from restore.tables.readers.parquet_pages import Leaf, longest_row
from vault.errors import Damaged
from vault.threads import read_ahead

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_WHAT = "Parquet"
_READ_BYTES = 1 << 20
_FEW_BATCHES = 2
"""More than so many are decoded by a thread of its own, one while the one before is used: a third of a conversion to CSV."""

_DEEPEST = 100
"""Levels of nested types."""


def read_parquet(path: Path, losses: LossReport) -> list[Table]:
    """The table of a Parquet file."""
    groups = read_footer(path, HINT)
    with translated(_WHAT), _opened(path, [], "us") as file:
        flat, columns = _flat_texts(file.schema), [file.schema.column(place) for place in range(len(file.schema))]
    if any(len(group.dictionaries) != len(columns) for group in groups):
        raise Damaged("the Parquet file is broken: a row group has not the columns of the schema", hint=HINT)
    longest = max(longest_row(path, [group], _leaves(columns, group, flat), HINT) for group in groups) if groups else 0
    rows = min(_batch_rows(groups), max(1, BATCH_BYTES // max(1, longest)))
    shared = [[name for place, name in flat.items() if group.dictionaries[place]] for group in groups]
    with translated(_WHAT):
        unit = unit_of_int96([column.path for column in columns if column.physical_type == "INT96"], path, rows, losses)
        with _opened(path, [], unit) as file:
            schema = file.schema_arrow

    def batches() -> Generator[pa.RecordBatch, None, None]:
        for names, run in groupby(range(len(groups)), key=shared.__getitem__):
            with _opened(path, names, unit) as file:
                yield from file.iter_batches(batch_size=rows, row_groups=list(run), use_threads=False)

    def read() -> Iterator[pa.RecordBatch]:
        if sum(group.rows for group in groups) <= rows * _FEW_BATCHES:
            yield from batches()
            return
        with read_ahead(lambda _: batches(), depth=1) as ready:
            yield from ready

    return [ArrowTable(_WHAT, schema, read, losses)]


def _leaves(columns: list[pq.ColumnSchema], group: RowGroup, flat: dict[int, str]) -> list[Leaf]:
    return [
        Leaf(
            column.max_repetition_level > 0,
            column.length if column.physical_type == "FIXED_LEN_BYTE_ARRAY" else 0,
            place in flat and group.dictionaries[place],
        )
        for place, column in enumerate(columns)
    ]


def _opened(path: Path, shared: list[str], unit: str) -> pq.ParquetFile:
    import pyarrow.parquet as pq

    return pq.ParquetFile(
        path,
        read_dictionary=shared,
        buffer_size=_READ_BYTES,
        pre_buffer=False,
        page_checksum_verification=True,
        schema_depth_limit=_DEEPEST,
        arrow_extensions_enabled=False,
        coerce_int96_timestamp_unit=unit,
    )


def _flat_texts(schema: pq.ParquetSchema) -> dict[int, str]:
    """Columns of text, not within lists or structs."""
    columns = {place: schema.column(place) for place in range(len(schema))}
    return {place: column.path for place, column in columns.items() if _is_flat_text(column)}


def _is_flat_text(column: pq.ColumnSchema) -> bool:
    is_flat = column.max_repetition_level == 0 and column.max_definition_level <= 1
    return is_flat and column.physical_type == "BYTE_ARRAY" and "Decimal" not in str(column.logical_type)


def _batch_rows(groups: list[RowGroup]) -> int:
    """Rows at a time, few where a row is long."""
    longest = max((group.size // group.rows for group in groups if group.rows), default=0)
    return max(1, min(BATCH_ROWS, BATCH_BYTES // max(1, longest)))
