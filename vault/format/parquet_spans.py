"""Which bytes of a Parquet file hold the columns that are asked for: its footer says so, and it stands at the end."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from vault.errors import Damaged

if TYPE_CHECKING:
    import pyarrow.parquet as pq

TAIL_SIZE = 8
"""Bytes at the end of a file that say how long its footer is."""

_MARK = b"PAR1"


def footer_size(tail: bytes, what: str) -> int:
    """Bytes of the footer, those of its length included. tail: the file's end, at least `TAIL_SIZE` bytes. Raises `Damaged`."""
    if len(tail) < TAIL_SIZE or not tail.endswith(_MARK):
        raise Damaged(f"{what} does not end as Parquet does")
    return int.from_bytes(tail[-TAIL_SIZE : -len(_MARK)], "little") + TAIL_SIZE


def spans(footer: bytes, columns: Collection[str], what: str) -> list[tuple[int, int]]:
    """Where (start, end) the columns of these names lie. footer: of `footer_size` bytes. Raises `Damaged`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_metadata(pa.BufferReader(footer))
        parts = [metadata.row_group(group).column(leaf) for group, leaf in _leaves(metadata, columns)]
        return [(start, start + part.total_compressed_size) for part in parts for start in [_start(part)]]
    except (pa.ArrowException, OSError, ValueError) as error:
        raise Damaged(f"{what} is not readable as Parquet: {error}") from error


def _leaves(metadata: pq.FileMetaData, columns: Collection[str]) -> list[tuple[int, int]]:
    schema = metadata.schema
    named = [leaf for leaf in range(len(schema)) if schema.column(leaf).path.partition(".")[0] in columns]
    return [(group, leaf) for group in range(metadata.num_row_groups) for leaf in named]


def _start(part: pq.ColumnChunkMetaData) -> int:
    first: int = part.data_page_offset
    return min(first, part.dictionary_page_offset) if part.has_dictionary_page else first
