"""Rows of an XLSX sheet by columns, where many of them look alike, as those of exports do.

    <row r="2"><c r="A2" t="s"><v>7</v></c>…</row>
    <row r="3"><c r="A3" t="s"><v>9</v></c>…</row>

Cut at each `<`, rows with the same cells have the same pieces, but for the rows' numbers and what the cells hold. So Arrow cuts
the rows, as lines of a table with `<` between the columns; the first row says what each piece must be, and Arrow compares that
with all others. Rows with other cells make a group of their own. Tags that always stand together become one sign before, which
no XML has: fewer pieces. What does not fit exactly is read by `restore.tables.workbook.xlsx_cells`, a cell at a time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from restore.tables.model import BATCH_BYTES, Value
from restore.tables.workbook.dates import NumberKind
from restore.tables.workbook.numbers import SURE_DIGITS, number_of_text
from restore.tables.workbook.rows import MOST_COLUMNS, MOST_ROWS, RowBlock
from restore.tables.workbook.strings import text_between
from restore.tables.workbook.xlsx_cells import Book, column_number, moment_of_text

if TYPE_CHECKING:
    import pyarrow as pa

MOST_SHAPES = 16
"""Kinds of rows in a block: of more, each is too few rows to be worth a table."""

_MOST_PIECES = 4096
_ROW = re.compile(rb' r="([1-9][0-9]{0,8})"[^<>]*>')
_CELL = re.compile(rb'c r="([A-Z]{1,3})([0-9]+)"(?: s="([0-9]+)")?(?: t="(\w+)")?([\x01\x02\x03]|/>)')
_KINDS = frozenset({"", "n", "s", "str", "b"})
"""Of cells with `<v>`; errors are told with their place, and others are rare."""

_INLINE, _KEPT_BLANKS, _VALUE = b"\x01", b"\x03", b"\x02"
_JOINED = (
    (b"><is><t>", _INLINE + b"<"),
    (b'><is><t xml:space="preserve">', _KEPT_BLANKS + b"<"),
    (b"</t></is></c>", b"<" + _INLINE),
    (b"><v>", _VALUE + b"<"),
    (b"</v></c>", b"<" + _VALUE),
)
"""Tags that open and close what a cell holds, and what stands for them."""


class _Cell(Struct, frozen=True):
    """What the cells of a column have in common. tag: what stands before and behind the row's number · at: the piece of the
    tag; the next one is what the cell holds, the third `end` · kind: as `t` names it; None where the cell is empty."""

    column: int
    tag: tuple[bytes, bytes]
    at: int
    style: str
    kind: str | None
    end: bytes


class _Unlike(Exception):
    """The rows are not of the plain kind."""


def read_block(data: bytes, book: Book, before: int) -> RowBlock | None:
    """The rows of a piece of `<sheetData>` that begins and ends between rows; None where one of them is not plain. before: the
    number of the last row above."""
    if any(sign in data for sign in (b"\r", _INLINE, _VALUE, _KEPT_BLANKS)):
        return None
    if b"\n" in data:  # between elements, where programs put it to have lines that can be looked at
        data = data.replace(b"</row>\n", b"</row>").replace(b">\n<c ", b"><c ").replace(b">\n</row>", b"></row>")
    if b"\n" in data:
        return None
    for tags, sign in _JOINED:
        data = data.replace(tags, sign)
    blank, *rows = data.split(b"<row")
    if blank or not rows:
        return None
    try:
        return _Block(rows, book, before).read()
    except _Unlike:
        return None


class _Block:
    def __init__(self, rows: list[bytes], book: Book, before: int) -> None:
        found = [_ROW.match(row) for row in rows]
        self._rows = [row for row in rows if b"<" in row]
        self._numbers: list[int] = []
        self._book = book
        for row, match in zip(rows, found, strict=True):
            number = int(match[1]) - 1 if match is not None else -1
            if not before < number < MOST_ROWS:
                raise _Unlike
            before = number
            if b"<" in row:
                self._numbers.append(number)
        self._columns: dict[int, list[Value]] = {}
        self._characters = 0
        self._whole = False

    def read(self) -> RowBlock:
        """All rows. Raises `_Unlike`."""
        groups: dict[int, list[int]] = {}
        for place, row in enumerate(self._rows):
            groups.setdefault(row.count(b"<"), []).append(place)
        shapes = 0
        for pieces, places in groups.items():
            if pieces >= _MOST_PIECES:
                raise _Unlike
            table = self._cut([self._rows[place] for place in places], pieces + 1)
            while places:
                shapes += 1
                table, places = self._take(table, places)
                if shapes > MOST_SHAPES:
                    raise _Unlike
        width = max(self._columns, default=-1) + 1
        nothing: list[Value] = [None] * len(self._rows)
        columns = [self._columns.get(column, nothing) for column in range(width)]
        while columns and columns[-1].count(None) == len(self._rows):
            columns.pop()
        if not any(None not in column for column in columns):
            raise _Unlike  # a row without any value is no row
        return RowBlock(self._numbers, columns)

    @staticmethod
    def _cut(rows: Sequence[bytes], pieces: int) -> pa.Table:
        import pyarrow as pa
        import pyarrow.csv as pa_csv

        data = b"\n".join(rows)
        names = [str(place) for place in range(pieces)]
        return pa_csv.read_csv(
            pa.BufferReader(data),
            pa_csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=names),
            pa_csv.ParseOptions(delimiter="<", quote_char=False, double_quote=False, ignore_empty_lines=False),
            pa_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.binary()), null_values=[], strings_can_be_null=False),
        ).combine_chunks()

    def _take(self, table: pa.Table, places: list[int]) -> tuple[pa.Table, list[int]]:
        """Read the rows that are like the first of these; gives the others. Raises `_Unlike`."""
        import pyarrow as pa
        import pyarrow.compute as pc

        shape = _shape(self._rows[places[0]].split(b"<"))
        numbers = pa.array([b"%d" % (self._numbers[place] + 1) for place in places], pa.binary())
        like = _like(table, shape, numbers)
        if not like[0].as_py():
            raise _Unlike
        if pc.all(like).as_py():
            self._put(shape, table, places)
            return table, []
        mask = like.to_pylist()
        self._put(shape, table.filter(like), [place for place, there in zip(places, mask, strict=True) if there])
        return table.filter(pc.invert(like)).combine_chunks(), [
            place for place, there in zip(places, mask, strict=True) if not there
        ]

    def _put(self, shape: Sequence[_Cell], table: pa.Table, places: Sequence[int]) -> None:
        for cell in shape:
            if cell.kind is None:
                continue
            values = self._values(cell, _contents(table[cell.at + 1]))
            if len(places) == len(self._rows):
                self._columns[cell.column] = values
                continue
            column = self._columns.setdefault(cell.column, [None] * len(self._rows))
            for place, value in zip(places, values, strict=True):
                column[place] = value

    def _values(self, cell: _Cell, texts: list[str]) -> list[Value]:
        """What the cells of a column hold. Raises `_Unlike` where one of them must be told of."""
        kind, book = cell.kind, self._book
        if kind == "s":
            return self._shared(texts)
        if kind in ("inlineStr", "str"):
            return [text_between(text) if "&" in text or "_x" in text else text for text in texts]
        if kind == "b":
            return [text.strip() in {"1", "true"} for text in texts]
        shown = book.shown.get(cell.style, NumberKind.NUMBER)
        if shown is not NumberKind.NUMBER:
            return [moment_of_text(shown, text, since_1904=book.since_1904) for text in texts]
        return [int(text) if text.isdecimal() and len(text) <= SURE_DIGITS else number_of_text(text) for text in texts]

    def _shared(self, texts: list[str]) -> list[Value]:
        """Shared texts: a cell of twenty bytes may point at one of any length, so they are added up."""
        values = list(map(self._book.strings.get, texts))
        self._characters += sum(map(len, values))
        if self._characters > BATCH_BYTES // 4:
            raise _Unlike
        return list(values)


def _shape(pieces: Sequence[bytes]) -> list[_Cell]:
    """The cells of a row, from the left to the right. Raises `_Unlike`."""
    cells: list[_Cell] = []
    at, last = 1, -1
    while at < len(pieces) - 1:
        found = _CELL.fullmatch(pieces[at])
        if found is None:
            raise _Unlike
        column, kind, sign = column_number(found[1].decode()), (found[4] or b"").decode(), found[5]
        is_empty, is_inline = sign == b"/>", sign in (_INLINE, _KEPT_BLANKS)
        if not last < column < MOST_COLUMNS or not (is_empty or (kind == "inlineStr" if is_inline else kind in _KINDS)):
            raise _Unlike
        tag = pieces[at][: found.start(2)], pieces[at][found.end(2) :]
        style = (found[3] or b"").decode()
        cells.append(_Cell(column, tag, at, style, None if is_empty else kind, _INLINE if is_inline else _VALUE))
        at += 1 if is_empty else 3
        last = column
    if at != len(pieces) - 1 or pieces[at] != b"/row>":
        raise _Unlike
    return cells


def _like(table: pa.Table, shape: Sequence[_Cell], numbers: pa.Array) -> pa.Array:
    """Which rows have these cells. numbers: of the rows, as text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    def equal(place: int, to: pa.Array | bytes) -> pa.Array:
        return pc.equal(table[place].chunk(0), pa.scalar(to, pa.binary()) if isinstance(to, bytes) else to)

    like = equal(table.num_columns - 1, b"/row>")
    for cell in shape:
        before, behind = (pa.scalar(text, pa.binary()) for text in cell.tag)
        like = pc.and_(like, equal(cell.at, pc.binary_join_element_wise(before, numbers, behind, b"")))
        if cell.kind is not None:
            like = pc.and_(like, equal(cell.at + 2, cell.end))
    return like


def _contents(pieces: pa.ChunkedArray) -> list[str]:
    """What cells hold. Raises `_Unlike` for what is no UTF-8."""
    import pyarrow as pa

    try:
        texts: list[str] = pieces.cast(pa.string()).to_pylist()
    except pa.ArrowInvalid as error:
        raise _Unlike from error
    return texts
