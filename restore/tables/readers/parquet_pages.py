"""How much memory the pages of a Parquet file will take, told from their headers before Arrow reads one.

Arrow takes as much memory for a page as its header says, and holds one page of each column. A page of a few hundred bytes can
inflate to gigabytes, one long value of a dictionary can stand for a million rows, and one row of a list can be all values of
its column. So the headers are gone through first, and of a dictionary whose values would be repeated the longest one is looked
up. Where a page stores only what differs from the value before (`DELTA_BYTE_ARRAY`), every value may be as long as the page.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from msgspec import Struct

from restore.tables.model import BATCH_BYTES, BATCH_ROWS, LARGEST_ROW_BYTES
from restore.tables.readers.parquet_footer import Chunk, RowGroup
from vault.errors import Damaged
from vault.format.parquet_footer import NotThrift, read_struct

LARGEST_PAGES = 512 * 1024 * 1024
"""Bytes that the largest pages of all columns may take together, uncompressed; writers make pages of a megabyte."""

LARGEST_LISTS = 1024 * 1024 * 1024
"""Bytes of all lists of a column in one row group, which may all lie in one row."""

_FIRST_LOOK = 1024
_LONGEST_HEADER = 16 * 1024 * 1024
"""Bytes of a page's header: it may hold the smallest and the largest value."""

_DATA, _INDEX, _DICTIONARY, _DATA_2 = range(4)
_PREFIXED = 7
"""The encoding that stores what of the value before is kept, and the rest."""

_LENGTH = struct.Struct("<I")
_SHORT_PAGE = 64 * 1024
_BYTES, _FIXED = 6, 7
_WIDTHS = {_FIXED: 0, 3: 12}
_CODECS = {1: "snappy", 2: "gzip", 4: "brotli", 6: "zstd", 7: "lz4_raw"}


class Leaf(Struct, frozen=True):
    """A column of the file's schema. repeated: whether it lies within lists · length: bytes of a value that all values have, 0
    where they differ · shared: whether its dictionary is given as it is, and not opened out by Arrow."""

    repeated: bool
    length: int
    shared: bool


class _Page(Struct, frozen=True):
    kind: int
    size: int
    stored: int
    at: int
    values: int
    encoding: int


def longest_row(path: Path, groups: Sequence[RowGroup], leaves: Sequence[Leaf], hint: str) -> int:
    """Bytes that a row may take by what its columns repeat. Raises `Damaged` where a page, or a row, would take too much."""
    longest = 0
    size = path.stat().st_size
    with path.open("rb") as file:
        for group in groups:
            pages = row = 0
            for chunk, leaf in zip(group.chunks, leaves, strict=True):
                held, cell = _claims(file, size, chunk, leaf, hint)
                pages += held
                row += cell
            if pages > LARGEST_PAGES:
                raise Damaged(f"the Parquet file has pages of {pages} bytes, more than is taken into memory", hint=hint)
            longest = max(longest, row)
    return longest


def _claims(file: BinaryIO, size: int, chunk: Chunk, leaf: Leaf, hint: str) -> tuple[int, int]:
    """Bytes of a column chunk's largest pages, and of the longest cell that it may make out of few bytes."""
    largest = dictionary = longest = 0
    try:
        for page in _pages(file, size, chunk):
            if page.size > LARGEST_PAGES:
                raise Damaged(f"the Parquet file has a page of {page.size} bytes, more than is taken into memory", hint=hint)
            if page.kind == _DICTIONARY:
                dictionary = max(dictionary, page.size)
                if chunk.type == _BYTES and (leaf.repeated or not leaf.shared):
                    longest = max(longest, _longest_value(file, page, chunk))
            else:
                largest = max(largest, page.size)
                if page.encoding == _PREFIXED and page.size > _SHORT_PAGE:
                    # so that as many rows as are read at a time take no more than pages may
                    longest = max(longest, page.size * BATCH_BYTES // LARGEST_PAGES)
    except (NotThrift, IndexError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise Damaged("the Parquet file is broken: a page's header cannot be read", hint=hint) from error
    width = longest or leaf.length or _WIDTHS.get(chunk.type, 8)
    if leaf.repeated and chunk.values * width > LARGEST_LISTS:
        raise Damaged(
            f"the Parquet file has lists that may take {chunk.values * width} bytes, more than is taken into memory", hint=hint
        )
    return largest + dictionary, longest or leaf.length


def _pages(file: BinaryIO, size: int, chunk: Chunk) -> Iterator[_Page]:
    """The pages of a column chunk, as their headers say."""
    at, values = chunk.start, 0
    while values < chunk.values and at < chunk.end:
        header, length = _header(file, size, at)
        kind = int(header[1])
        about = header.get({_DATA: 5, _DICTIONARY: 7, _DATA_2: 8}.get(kind, -1)) or {}
        encoding = int(about.get(4 if kind == _DATA_2 else 2, 0))
        page = _Page(kind, int(header[2]), int(header[3]), at + length, int(about.get(1, 0)), encoding)
        if page.size < 0 or page.stored < 0 or page.values < 0 or page.at + page.stored > size:
            raise NotThrift("a page beyond the file's end")
        yield page
        values += page.values if kind in (_DATA, _DATA_2) else 0
        at = page.at + page.stored


def _header(file: BinaryIO, size: int, at: int) -> tuple[dict[int, Any], int]:
    """A page's header, and how long it is."""
    look = _FIRST_LOOK
    while True:
        file.seek(at)
        try:
            return read_struct(file.read(look))
        except (IndexError, NotThrift):
            if look >= min(_LONGEST_HEADER, size - at):
                raise
        look *= 8


def _longest_value(file: BinaryIO, page: _Page, chunk: Chunk) -> int:
    """Bytes of the longest text of a dictionary; all of the page where that is little, or the page cannot be looked into."""
    import pyarrow as pa

    if page.size * BATCH_ROWS <= LARGEST_ROW_BYTES:
        return page.size
    file.seek(page.at)
    data = file.read(page.stored)
    try:
        if chunk.codec in _CODECS:
            data = pa.decompress(data, page.size, _CODECS[chunk.codec], asbytes=True)
        elif chunk.codec:
            return page.size
        uniform = _one_length(data, page.values)
        if uniform is not None:
            return uniform
        longest = at = 0
        length_at = _LENGTH.unpack_from
        for _ in range(page.values):  # half a million times in a table of 200,000 rows
            (length,) = length_at(data, at)
            if length > longest:
                longest = length
            at += 4 + length
    except (pa.ArrowException, OSError, ValueError, struct.error):
        return page.size  # Arrow says what is wrong with it
    return longest


def _one_length(data: bytes, values: int) -> int | None:
    """The length of all values, where they are alike, as ids and times are: a hundred times faster than going through them."""
    if values <= 0 or len(data) % values or len(data) < values * _LENGTH.size:
        return None
    step = len(data) // values
    length = step - _LENGTH.size
    alike = all(data[place::step] == bytes([byte]) * values for place, byte in enumerate(_LENGTH.pack(length)))
    return length if alike else None
