"""A Parquet file's footer, read by ourselves before Arrow is asked anything.

Arrow's own view of a footer ends the whole process where a column's metadata is missing: a damaged file must not get that
far. And the footer says what a reader should know before it reads: how long rows are, which columns have a dictionary.

The numbers of fields are those of parquet.thrift: FileMetaData, RowGroup, ColumnChunk, ColumnMetaData.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec import Struct

from vault.errors import Damaged
from vault.format.parquet_footer import NotThrift, read_struct

MAGIC = b"PAR1"
LONGEST = 64 * 1024 * 1024
"""Bytes of a footer; one for 1,000 row groups of 50 columns has about 10 million."""

_DATA_PAGES = (0, 3)
_PLAIN = 0


class Chunk(Struct, frozen=True):
    """A column of a row group. type, codec: as parquet.thrift numbers them · values: cells, those within lists too · start,
    end: its pages' bytes in the file."""

    type: int
    codec: int
    values: int
    start: int
    end: int


class RowGroup(Struct, frozen=True):
    """A row group. size: of its columns, uncompressed · dictionaries: for each column, whether all its cells are in one."""

    rows: int
    size: int
    dictionaries: tuple[bool, ...]
    chunks: tuple[Chunk, ...]


def read_footer(path: Path, hint: str) -> list[RowGroup]:
    """The row groups. Raises `Damaged` with the hint for what is not a footer, or not of this file."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if size < 12 or file.read(4) != MAGIC:
            raise Damaged("the file is not Parquet", hint=hint)
        file.seek(-8, 2)
        tail = file.read(8)
        length = int.from_bytes(tail[:4], "little")
        if tail[4:] != MAGIC or length > min(size - 12, LONGEST):
            raise Damaged("the Parquet file is broken: it does not end with a footer", hint=hint)
        file.seek(-8 - length, 2)
        footer = file.read(length)
    try:
        return [_group(group, size) for group in read_struct(footer)[0].get(4, [])]
    except (NotThrift, IndexError, KeyError, TypeError, AttributeError) as error:
        raise Damaged("the Parquet file is broken: its footer cannot be read", hint=hint) from error


def _group(group: dict[int, Any], size: int) -> RowGroup:
    chunks = [column[3] for column in group[1]]
    if any(not 0 <= chunk[7] <= size or chunk[6] < 0 for chunk in chunks) or group[3] < 0:
        raise NotThrift("more bytes than the file has")
    dictionaries = tuple(map(_has_only_a_dictionary, chunks))
    return RowGroup(group[3], sum(chunk[6] for chunk in chunks), dictionaries, tuple(map(_chunk, chunks)))


def _chunk(chunk: dict[int, Any]) -> Chunk:
    start = chunk[9]
    if 0 < chunk.get(11, 0) < start:
        start = chunk[11]
    return Chunk(chunk[1], chunk[4], chunk[5], start, start + chunk[7])


def _has_only_a_dictionary(chunk: dict[int, Any]) -> bool:
    """A writer gives a dictionary up when it grows; what comes then are plain pages, which the encoding statistics count."""
    return 11 in chunk and not any(page[1] in _DATA_PAGES and page[2] == _PLAIN for page in chunk.get(13, []))
