"""CSV files that are plain through and through: told by a few scans in C, and read many at once.

A quarter is 2,184 hourly files of a few kilobytes. `restore.tables.readers.csv` looks at each of them for two milliseconds,
most of it to compare delimiters and to judge the first row. Of a plain file the answer is known without that. It is plain where

    all of it is UTF-8, without a NUL, without a byte-order mark but the first
    its first line has one kind of delimiter, and is not `sep=`
    every quote begins or ends a cell cut by that delimiter
    no line is blank, none ends with CR alone
    every row is as wide as the first                                         Arrow says so
    the first row has no number or time in it, and hardly any of its texts comes again below

Any other delimiter would make one cell of the first line, so it cannot cut the file more evenly; and names stand above texts
that are not theirs. What is not plain is no less right: it is read on its own.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from functools import cache
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, field

from restore.tables.readers.csv_header import Header, heading_of, is_name, stand_alone
from restore.tables.readers.csv_rows import DELIMITERS, CsvRows

if TYPE_CHECKING:
    import pyarrow as pa

LARGEST = 1 << 20
"""Bytes of a file: it is in memory whole."""

_LONGEST_LINE = 4000
"""Bytes of the first line: within what delimiters are told from, and fewer columns than Arrow is good at."""


class Head(Struct, frozen=True):
    """What a first line says. names: of the columns · in_file: whether it is their header · proven: whether that is certain
    whatever stands below."""

    delimiter: str
    names: tuple[str, ...]
    in_file: bool
    proven: bool


class PlainCsv(Struct, frozen=True):
    """A file that is plain, as far as it can be told without cutting it into cells. body: the rows below the header, each with
    its line end."""

    head: Head
    body: bytes
    rows: int


class PlainCsvReader(Struct):
    """Looks at files; a first line that comes again is read once."""

    _heads: dict[tuple[bytes, Header], Head | None] = field(default_factory=dict)

    def read(self, path: Path, header: Header) -> PlainCsv | None:
        """The file, or None where it is not plain or not small. header: what its first row is, where that is known. Raises
        OSError."""
        with path.open("rb", buffering=0) as file:
            data = file.read(LARGEST + 1) or b""
        return self.look(data, header) if 0 < len(data) <= LARGEST else None

    def look(self, data: bytes, header: Header) -> PlainCsv | None:
        """The same of a file's bytes."""
        data = data.removeprefix(codecs.BOM_UTF8)
        line = data[: data.find(b"\n") + 1] or data
        head = self._head(line.rstrip(b"\r\n"), header)
        if head is None or b"\0" in data or not _is_utf_8(data):
            return None
        bare = _well_quoted(head.delimiter).sub(b"_", data) if b'"' in data else data
        if b'"' in bare or b"\n\n" in bare or b"\n\r" in bare or bare.count(b"\r") != bare.count(b"\r\n"):
            return None
        body = data[len(line) :] if head.in_file else data
        if body.startswith(codecs.BOM_UTF8):
            return None
        if not body.endswith(b"\n") and body:
            body += b"\n"
        rows = bare.count(b"\n") + (not bare.endswith(b"\n")) - head.in_file
        return PlainCsv(head, body, rows)

    def _head(self, line: bytes, header: Header) -> Head | None:
        if (line, header) not in self._heads:
            if len(self._heads) > _LONGEST_LINE:
                self._heads.clear()
            self._heads[line, header] = _head(line, header)
        return self._heads[line, header]


def _head(line: bytes, header: Header) -> Head | None:
    if len(line) > _LONGEST_LINE or line[:5].lower().lstrip(b'"').startswith(b"sep=") or not _is_utf_8(line):
        return None
    text = line.decode()
    there = [delimiter for delimiter in DELIMITERS if delimiter in text]
    if len(there) != 1 or text.startswith("\ufeff") or text.count('"') % 2:
        return None
    first = next(iter(CsvRows(StringIO(text, newline=""), there[0])), [])
    if header is None and not all(is_name(cell) for cell in first):
        return None
    heading = heading_of(first, (), True if header is None else header)
    return Head(there[0], heading.names, heading.in_file, proven=header is not None)


def _is_utf_8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


@cache
def _well_quoted(delimiter: str) -> re.Pattern[bytes]:
    """Quoted cells, from a delimiter or line end to the next."""
    outside = f"[^{delimiter}\r\n]".encode()
    return re.compile(b'"(?<!' + outside + b'")(?:[^"]++|"")*+"(?!' + outside + b")")


def rows_of(files: Sequence[PlainCsv]) -> pa.RecordBatch | None:
    """The rows of files of one head, one after another; None where one of them turns out not to be plain."""
    import pyarrow as pa
    import pyarrow.csv as pa_csv

    head = files[0].head
    names = [str(place) for place in range(len(head.names))]
    data = b"".join([file.body for file in files])
    if not data:
        return pa.RecordBatch.from_arrays([pa.array([], pa.string()) for _ in names], names=names)
    try:
        table = pa_csv.read_csv(
            pa.BufferReader(data),
            pa_csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=names, encoding="utf8"),
            pa_csv.ParseOptions(delimiter=head.delimiter, newlines_in_values=True),
            pa_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                check_utf8=False,
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid:  # a row of another width
        return None
    if table.num_rows != sum(file.rows for file in files) or not (head.proven or _names_stand_alone(table, head.names)):
        return None
    (batch,) = table.combine_chunks().to_batches() or [None]
    return batch


def _names_stand_alone(table: pa.Table, names: Sequence[str]) -> bool:
    """Whether the first row cannot be one like those below: its texts are nowhere in theirs."""
    import pyarrow.compute as pc

    cells = [(place, name.strip()) for place, name in enumerate(names) if name.strip()]
    again = sum(bool(pc.any(pc.match_substring(table[place], cell)).as_py()) for place, cell in cells)
    return stand_alone(again, len(cells))
