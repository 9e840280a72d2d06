"""CSV, as it is found: any common delimiter and encoding, rows of any length. Every cell is text; nothing is converted.

The file is gone through once before the first row is given. Where all of its rows are of one width and all of its bytes are
text, Arrow reads it, a block at a time; else `restore.tables.readers.csv_rows` does, which bears with anything. The choice is
made by what was seen, so nothing can fail midway that would lose rows or give them twice.

    a row longer than the header     its cells beyond get columns without a name
    a row shorter than it            lacks cells: they are null, and counted
    a first row of data              no header: columns are numbered, and that is told (`restore.tables.readers.csv_header`)
    a line without anything          no row; in a table of one column it is a row whose cell is null
    bytes that are no text           stay readable as \\xNN, and are counted
    a NUL, a row over 16 MiB         `Damaged`: this is no CSV
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from restore.tables.loss_report import LossReport
from restore.tables.model import BATCH_BYTES, BATCH_CELLS, BATCH_ROWS, Batch, Column, Table
from restore.tables.readers.csv_header import LOOKED_AT, NO_HEADER, Header, heading_of
from restore.tables.readers.csv_rows import SAMPLE, CsvRows, Row, delimiter_of, rows_below, separator_line
from restore.tables.readers.encoding import BLOCK, Encoding, encoding_of, mended
from vault.errors import Damaged
from vault.wording import counted

if TYPE_CHECKING:
    import pyarrow as pa

UNDECODED = "bytes that are no text in the file's encoding became \\xNN"
SHORT = "a row shorter than the header: the cells that it lacks became null"
BREAKS_OFF = "the file ends inside a quoted cell"

_BATCH_CHARACTERS = BATCH_BYTES // 4

WIDEST_BY_ARROW = 4096
"""Columns. Of more Arrow makes a few rows a block, each column a piece of memory: it is slower then, and its threads end the
process where memory is short."""


class CsvLayout(Struct, frozen=True):
    """What is known about a CSV file before its first row. start: the byte behind the header · even: whether Arrow can read
    it."""

    encoding: Encoding
    delimiter: str
    header: tuple[str, ...]
    start: int
    width: int
    even: bool


def read_csv(path: Path, losses: LossReport, *, delimiter: str | None = None, header: Header = None) -> list[Table]:
    """The file's one table. delimiter: where it is known · header: what the first row is, where that is known. Raises
    `Damaged`."""
    encoding = encoding_of(path)
    losses.note(encoding.guess)
    head = _head(path, encoding, delimiter, header, losses)
    if _is_even(path, head):
        return [CsvTable(path, head)]
    width = _inferred_type(path, head, losses)
    return [CsvTable(path, CsvLayout(encoding, head.delimiter, head.header, head.start, width, even=False))]


class CsvTable:
    """A CSV file as a table."""

    name = ""

    def __init__(self, path: Path, layout: CsvLayout) -> None:
        import pyarrow as pa

        self._path = path
        self.layout = layout
        names = (*layout.header, *[""] * (layout.width - len(layout.header)))
        self.columns: Sequence[Column] = [Column(name, pa.string()) for name in names]

    def batches(self) -> Iterator[Batch]:
        """All rows."""
        return _by_arrow(self._path, self.layout) if self.layout.even else self._by_rows()

    def _by_rows(self) -> Iterator[Batch]:
        most = max(1, min(BATCH_ROWS, BATCH_CELLS // max(self.layout.width, 1)))
        rows: list[Row] = []
        size = 0
        for row in _rows(self._path, self.layout, LossReport()):
            rows.append(row)
            size += sum(map(len, filter(None, row)))
            if len(rows) >= most or size >= _BATCH_CHARACTERS:
                yield self._batch(rows)
                rows, size = [], 0
        if rows:
            yield self._batch(rows)

    def _batch(self, rows: list[Row]) -> Batch:
        import pyarrow as pa

        width = self.layout.width
        for row in rows:
            if len(row) < width:
                row += [None] * (width - len(row))
        return Batch([pa.array(cells, pa.string()) for cells in zip(*rows, strict=True)], len(rows))


def _head(path: Path, encoding: Encoding, delimiter: str | None, header: Header, losses: LossReport) -> CsvLayout:
    """The layout if the file is even."""
    with path.open("rb") as file, encoding.text(file) as text:
        sample = text.read(SAMPLE)
    named, skipped = separator_line(sample) or (None, 0)
    delimiter = delimiter or named or delimiter_of(sample[skipped:])
    first, start, behind = _first_row(path, encoding, delimiter, skipped)
    below = rows_below(sample[behind:], delimiter, LOOKED_AT, whole=len(sample) < SAMPLE)
    heading = heading_of(first, below, header)
    if heading.guessed:
        losses.note(NO_HEADER)
    characters = behind if heading.in_file else start
    with path.open("rb") as file, encoding.text(file) as text:
        begin = encoding.mark + len(text.read(characters).encode(encoding.name, encoding.errors))
    names = tuple(map(mended, heading.names))
    for place, (name, there) in enumerate(zip(names, heading.names, strict=True)):
        if name != there:
            losses.add(UNDECODED, "", name, 1, f"header, column {place + 1}: {name[:40]!r}")
    return CsvLayout(encoding, delimiter, names, begin, len(names), even=True)


def _first_row(path: Path, encoding: Encoding, delimiter: str, skipped: int) -> tuple[Row, int, int]:
    """The first row that is not empty, and the characters before it and up to its end."""
    with path.open("rb") as file, encoding.text(file) as text:
        text.read(skipped)
        rows = CsvRows(text, delimiter)
        start = 0
        for row in rows:
            if row:
                return row, skipped + start, skipped + rows.characters
            start = rows.characters
    return [], skipped + start, skipped + start


def _rows(path: Path, layout: CsvLayout, losses: LossReport) -> Iterator[Row]:
    """Every row behind the header, as long as it is; what is odd about it is counted."""
    with path.open("rb") as file, layout.encoding.text(file, layout.start) as text:
        rows = CsvRows(text, layout.delimiter)
        expected, number = len(layout.header), 0
        for row in rows:
            if not row and expected > 1:
                continue
            number += 1
            if layout.encoding.broken:
                _mend(row, number, layout.header, losses)
            if len(row) < expected:
                lacking = expected - len(row)
                losses.add(SHORT, "", "", lacking, f"row {number}: {len(row)} of {counted(expected, 'cell')}")
            yield row
        if rows.breaks_off:
            losses.add(BREAKS_OFF, "", "", 1, f"row {number}")


def _mend(row: Row, number: int, header: tuple[str, ...], losses: LossReport) -> None:
    for place, cell in enumerate(row):
        if cell is not None and (whole := mended(cell)) != cell:
            row[place] = whole
            column = header[place] if place < len(header) else ""
            losses.add(UNDECODED, "", column, 1, f"row {number}: {whole[:40]!r}")


def _inferred_type(path: Path, layout: CsvLayout, losses: LossReport) -> int:
    """The widest row's width; what the rows lack is counted."""
    width = len(layout.header)
    for row in _rows(path, layout, losses):
        width = max(width, len(row))
    return width


def _is_even(path: Path, layout: CsvLayout) -> bool:
    """Whether Arrow reads the file to its end, and means the same by it."""
    import pyarrow as pa

    if layout.width > WIDEST_BY_ARROW or layout.encoding.broken or not layout.delimiter.isascii() or _misleads(path, layout):
        return False
    try:
        for _ in _arrow_batches(path, layout, first_column_only=True):
            pass
    except pa.ArrowInvalid:  # a row of another width, or too long for a block
        return False
    return True


def _misleads(path: Path, layout: CsvLayout) -> bool:
    """Whether Arrow would take something for something else: a first sign for a byte-order mark, a last cell that is empty and
    has no line end for a text, a quoted cell that the file ends in for a whole one."""
    with path.open("rb") as file:
        file.seek(layout.start)
        block = b""
        quotes = 0
        while more := file.read(BLOCK):
            if not block and more[:4].decode(layout.encoding.name, "ignore").startswith("\ufeff"):
                return True
            block = more
            quotes += block.count(b'"')
    return quotes % 2 == 1 or block.endswith(layout.delimiter.encode(layout.encoding.name))


def _by_arrow(path: Path, layout: CsvLayout) -> Iterator[Batch]:
    import pyarrow as pa

    try:
        for piece in _arrow_batches(path, layout, first_column_only=False):
            for start in range(0, piece.num_rows, BATCH_ROWS):
                part = piece.slice(start, BATCH_ROWS)
                yield Batch(part.columns, part.num_rows)
    except pa.ArrowInvalid as error:
        raise Damaged(f"the file has changed since it was opened: {error}") from error


def _arrow_batches(path: Path, layout: CsvLayout, *, first_column_only: bool) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    import pyarrow.csv as pa_csv

    names = [str(place) for place in range(layout.width)]
    codec = "utf8" if layout.encoding.name == "utf-8" else layout.encoding.name  # Arrow's own name spares it a round trip
    # Arrow reads ahead in a thread of its own, also of a file that is left before its end. It is Arrow that closes the file,
    # when that thread is done: closed here, its number may be another file's by then, and what is read is taken from that one.
    file = pa.OSFile(str(path))
    if layout.start >= file.size():
        return
    file.seek(layout.start)
    yield from pa_csv.open_csv(
        file,
        pa_csv.ReadOptions(use_threads=False, block_size=BLOCK, column_names=names, encoding=codec),
        pa_csv.ParseOptions(delimiter=layout.delimiter, newlines_in_values=True, ignore_empty_lines=layout.width > 1),
        pa_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            include_columns=names[:1] if first_column_only else [],
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
