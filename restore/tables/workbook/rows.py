"""From the rows of a sheet to a table: the header, empty rows between others, rows of unequal length, and what was not carried.

    Grid        what a format's reader gives: the rows of a sheet that hold anything, with their numbers
    SheetTable  the table that it is: the first of those rows is the header

How wide a table is must be known before its first row, and what it loses when it is opened; both take a reading of the whole
sheet. A grid may know a quick way to say that nothing is lost and nothing stands right of a certain column.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Protocol, TypeAlias

from msgspec import Struct, field

from restore.tables.cell_text import shown, text_of
from restore.tables.loss_report import EXAMPLES, LossReport
from restore.tables.model import BATCH_BYTES, BATCH_ROWS, Batch, Column, Table, Value
from restore.tables.workbook.package import HINT
from vault.errors import Damaged

MOST_ROWS = 1_048_576
"""Rows of a sheet, in Excel and in LibreOffice."""

MOST_COLUMNS = 16_384
"""Columns of a sheet, in both."""

EMPTY_FOR_EACH = 50
_CELL_BYTES = 64
_SHORT_BLOCK = 64
"""Rows of a block that is not worth a batch of its own."""

_BATCH_CHARACTERS = BATCH_BYTES // 4
_FORMULA = "a formula without a value became null"
_ERROR = "an error value became text"

Row: TypeAlias = tuple[int, list[Value]]
"""Its number in the sheet, from 0, and its cells from the first column to the last that has a value."""


class RowBlock(Struct, frozen=True):
    """Rows by columns. numbers: theirs, going up; each row holds a value · columns: from the first to the last that has one."""

    numbers: Sequence[int]
    columns: Sequence[list[Value]]

    def rows(self) -> list[Row]:
        """One by one."""
        return [(number, list(row)) for number, row in zip(self.numbers, zip(*self.columns, strict=True), strict=True)]

    def below(self, number: int) -> RowBlock:
        """Without the rows above this one."""
        start = bisect_left(self.numbers, number)
        return self if not start else RowBlock(self.numbers[start:], [column[start:] for column in self.columns])

    def follows(self, number: int) -> bool:
        """Whether the first row is this one, and none is left out."""
        return len(self.numbers) > 0 and self.numbers[0] == number and self.numbers[-1] == number + len(self.numbers) - 1


class ReadingNotes(Struct):
    """What a reading could not give as it stands in the sheet, by kind and column, with the first few places."""

    occurrences: dict[tuple[str, int], tuple[int, list[tuple[int, str]]]] = field(default_factory=dict)

    def add(self, what: str, row: int, column: int, text: str) -> None:
        """One cell."""
        cells, places = self.occurrences.get((what, column), (0, []))
        if len(places) < EXAMPLES:
            places.append((row, text))
        self.occurrences[(what, column)] = (cells + 1, places)

    def formula(self, row: int, column: int) -> None:
        """A formula that the program which wrote it never computed."""
        self.add(_FORMULA, row, column, "")

    def error(self, row: int, column: int, text: str) -> None:
        """#N/A and its like."""
        self.add(_ERROR, row, column, text)

    def tell(self, losses: LossReport, table: str, columns: Sequence[Column], header: int) -> None:
        """Add all to the losses, in the words and numbers of the table."""
        for (what, column), (cells, places) in self.occurrences.items():
            name = columns[column].name if column < len(columns) else ""
            losses.add(what, table, name, cells)
            for row, text in places:
                where = f"row {row - header}" if row > header else "header"
                losses.add(what, table, name, 0, f"{where}: {shown(text)}" if text else where)


class SheetSummary(Struct, frozen=True):
    """What can be told of a sheet without looking at each cell. lossless: no cell can be lost · widest: no cell stands right of
    so many columns, None where that is not known."""

    lossless: bool = False
    widest: int | None = None


class Grid(Protocol):
    """A sheet as its format's reader gives it."""

    @property
    def name(self) -> str:
        """Of the sheet."""

    def quick(self) -> SheetSummary:
        """A first look."""

    def rows(self, notes: ReadingNotes) -> Iterator[list[Row]]:
        """The rows that hold a value, in their order, several at once."""

    def pieces(self, notes: ReadingNotes) -> Iterator[list[Row] | RowBlock]:
        """The same, by columns where the format's reader can do that."""


class _Room:
    """How much emptiness a sheet may still have."""

    def __init__(self, name: str, empty_cells: int) -> None:
        self._name = name
        self._left = empty_cells

    def take(self, present: int, empty: int) -> None:
        """Some cells more. Raises `Damaged` when a few cells lie in an enormous void."""
        self._left += EMPTY_FOR_EACH * present - empty
        if self._left < 0:
            raise Damaged(
                f"the sheet {self._name!r} has a few cells far apart in a huge empty area, as a decompression bomb has",
                hint=HINT,
            )


class SheetTable:
    """A sheet as a table."""

    def __init__(self, grid: Grid, columns: Sequence[Column], header: int, empty_cells: int) -> None:
        self._grid = grid
        self._header = header
        self._empty_cells = empty_cells
        self.name = grid.name
        self.columns = columns

    def batches(self) -> Iterator[Batch]:
        """All rows below the header; empty ones between others are kept, those behind the last one are not."""
        if not self.columns:
            return
        filling = _Filling(self.name, len(self.columns), self._header + 1, self._empty_cells)
        for piece in self._grid.pieces(ReadingNotes()):
            if not isinstance(piece, RowBlock):
                yield from filling.add(piece)
                continue
            block = piece.below(filling.next_row)
            by_columns = len(block.numbers) >= _SHORT_BLOCK and block.follows(filling.next_row)
            yield from filling.add_block(block) if by_columns else filling.add(block.rows())
        yield from filling.rest()


class _Filling:
    """Batches while they fill. next_row: the first that is not in one yet."""

    def __init__(self, name: str, width: int, first: int, empty_cells: int) -> None:
        self._name = name
        self._width = width
        self._nothing: list[Value] = [None] * width
        self._ready: list[list[Value]] = []
        self._size = 0
        self._full = max(1, min(BATCH_ROWS, BATCH_BYTES // (width * _CELL_BYTES)))
        self._room = _Room(name, empty_cells)
        self.next_row = first

    def add(self, rows: Sequence[Row]) -> Iterator[Batch]:
        """Rows one by one; those that are in a batch already are passed over."""
        width, nothing = self._width, self._nothing
        for number, cells in rows:
            if number < self.next_row:
                continue
            self._check(len(cells))
            present = len(cells) - cells.count(None)
            self._room.take(present, width * (number - self.next_row + 1) - present)
            for _ in range(self.next_row, number):
                self._ready.append(nothing)
                if len(self._ready) == self._full:
                    yield from self.rest()
            self._ready.append(cells if len(cells) == width else cells + nothing[len(cells) :])
            self._size += sum([len(cell) for cell in cells if cell.__class__ is str])
            self.next_row = number + 1
            if len(self._ready) == self._full or self._size >= _BATCH_CHARACTERS:
                yield from self.rest()

    def add_block(self, block: RowBlock) -> Iterator[Batch]:
        """Rows by columns that follow those before."""
        yield from self.rest()
        self._check(len(block.columns))
        rows = len(block.numbers)
        present = sum(rows - column.count(None) for column in block.columns)
        self._room.take(present, self._width * rows - present)
        for start in range(0, rows, self._full):
            count = min(self._full, rows - start)
            columns = [column[start : start + count] for column in block.columns]
            lacking: list[list[Value]] = [[None] * count for _ in range(self._width - len(columns))]
            yield Batch([*columns, *lacking], count)
        self.next_row += rows

    def rest(self) -> Iterator[Batch]:
        """What is ready."""
        if self._ready:
            ready, self._ready, self._size = self._ready, [], 0
            yield _batch(ready)

    def _check(self, cells: int) -> None:
        if cells > self._width:
            raise Damaged(f"the sheet {self._name!r} has a row that is wider than it said", hint=HINT)


def _batch(rows: list[list[Value]]) -> Batch:
    return Batch([list(cells) for cells in zip(*rows, strict=True)], len(rows))


def open_sheet(grid: Grid, losses: LossReport, empty_cells: int) -> Table:
    """Find the header and the width, count what the sheet cannot give. Raises `Damaged`."""
    quick, notes = grid.quick(), ReadingNotes()
    first = next((rows[0] for rows in grid.rows(notes) if rows), None)
    width = len(first[1]) if first is not None else 0
    if first is not None and not (quick.lossless and quick.widest == width):
        notes = ReadingNotes()
        width = _widest(grid, notes, _Room(grid.name, empty_cells))
    if first is None:
        notes.tell(losses, grid.name, [], -1)
        return SheetTable(grid, [], 0, empty_cells)
    header, names = first
    columns = [Column(text_of(name)[0]) for name in names] + [Column("")] * (width - len(names))
    notes.tell(losses, grid.name, columns, header)
    return SheetTable(grid, columns, header, empty_cells)


def _widest(grid: Grid, notes: ReadingNotes, room: _Room) -> int:
    """How many columns the rows have at most, told by reading them all."""
    width = 0
    for piece in grid.pieces(notes):
        if isinstance(piece, RowBlock):
            width = max(width, len(piece.columns))
            empty = sum(column.count(None) for column in piece.columns)
            room.take(len(piece.columns) * len(piece.numbers) - empty, empty)
            continue
        for _, cells in piece:
            width = max(width, len(cells))
            empty = cells.count(None)
            room.take(len(cells) - empty, empty)
    return width
