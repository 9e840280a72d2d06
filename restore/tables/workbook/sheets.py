"""Tables into the sheets of a workbook, whatever its format: rows as spelt cells, split where a sheet is full.

What a sheet cannot hold goes on in a further one, `name (2)`, with the header again.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from itertools import chain
from typing import Protocol, TypeAlias

from msgspec import Struct

from restore.tables.cell_text import CellPosition, shown
from restore.tables.loss_report import LossReport
from restore.tables.model import Batch, Column, Table
from restore.tables.values import values_of
from restore.tables.workbook.cells import CellSpelling, CellWriter
from restore.tables.workbook.rows import MOST_COLUMNS, MOST_ROWS
from restore.tables.workbook.sheet_names import SheetNames
from restore.tables.write_options import WriteOptions
from vault.threads import work_behind

COMPRESSION = 6
FURTHER = "a table that is longer than a sheet goes on in a further sheet"
TOO_WIDE = "a column behind the 16,384 that a sheet has is left out"
EMPTY_END = "rows without any value at the end of a sheet are no rows to a spreadsheet"
_LINES = 1024

Cells: TypeAlias = Sequence[str | None]
"""A row, spelt."""


class SheetBounds(Struct, frozen=True):
    """rows: of a sheet, the header's included · size: bytes of a sheet's XML, after which it goes on in a further one: below
    2 GiB a part needs no zip64, of which not every program is sure."""

    rows: int = MOST_ROWS
    size: int = 3 * 512 * 1024**2


class ByteSink(Protocol):
    """Where a sheet's XML goes."""

    def write(self, data: bytes, /) -> int:
        """The next bytes; gives how many they are."""


class Sheets(CellSpelling, Protocol):
    """How a format writes sheets."""

    def sheet(self, name: str, columns: Sequence[Column], first: Batch | None) -> AbstractContextManager[ByteSink]:
        """Begin a sheet, and end it. first: the table's first rows, to see what is in it."""

    def line(self, number: int, row: Cells) -> str:
        """A row. number: from 1, for the header."""

    def header(self, text: str, on_loss: Callable[[str], None]) -> str:
        """The cell of a column's name."""


def write_part(archive: zipfile.ZipFile, name: str, text: str) -> None:
    """A small part. Opened by its name and not by a ZipInfo: its time is 1980 then."""
    with archive.open(name, "w") as part:
        part.write(text.encode())


def write_sheets(
    tables: Sequence[Table], sheets: Sheets, options: WriteOptions, losses: LossReport, bounds: SheetBounds | None = None
) -> None:
    """Write all tables; a workbook without tables has one empty sheet."""
    names = SheetNames([table.name for table in tables] or [""])
    for table, name in zip(tables, names.names, strict=False):
        _TableWriter(table, sheets, options, losses, bounds if bounds is not None else SheetBounds()).write(name, names)
    if not tables:
        with sheets.sheet(names.names[0], [], None):
            """Nothing in it."""


class _TableWriter:
    """Writes one table into one sheet, or into several."""

    def __init__(self, table: Table, sheets: Sheets, options: WriteOptions, losses: LossReport, bounds: SheetBounds) -> None:
        self._table = table
        self._sheets = sheets
        self._losses = losses
        self._bounds = bounds
        self._writer = CellWriter(sheets, options)
        self._columns = table.columns[:MOST_COLUMNS]

    def write(self, name: str, names: SheetNames) -> None:
        """All rows."""
        batches = self._table.batches()
        first = next(batches, None)
        rows = self._rows(chain([first] if first is not None else [], batches))
        header = self._header()
        row = next(rows, None)
        sheet_name, number = name, 1
        while row is not None or number == 1:
            if number > 1:
                sheet_name = names.further(name, number)
            with self._sheets.sheet(sheet_name, self._columns, first) as part:
                written, row = self._sheet(part, header, row, rows)
            if number > 1:
                self._losses.add(FURTHER, self._table.name, "", written, f"{sheet_name!r}")
            number += 1

    def _sheet(self, part: ByteSink, header: Cells, row: Cells | None, rows: Iterator[Cells]) -> tuple[int, Cells | None]:
        """Rows until there are no more or the sheet is full; gives how many, and the row that comes next."""
        lines = [self._sheets.line(1, header)] if header else []
        number, size, empty = 1, 0, 0
        with work_behind() as behind:  # to compress takes a third of the time
            while row is not None and number < self._bounds.rows and size < self._bounds.size:
                number += 1
                empty = empty + 1 if row.count(None) == len(row) else 0
                lines.append(self._sheets.line(number, row))
                if len(lines) >= _LINES:
                    data = "".join(lines).encode()
                    size += len(data)
                    behind(partial(part.write, data))
                    lines.clear()
                row = next(rows, None)
            behind(partial(part.write, "".join(lines).encode()))
        if empty:
            self._losses.add(EMPTY_END, self._table.name, "", empty)
        return number - 1, row

    def _rows(self, batches: Iterable[Batch]) -> Iterator[Cells]:
        first = 1
        for batch in batches:
            spelt = []
            for column, cells in zip(self._columns, batch.columns, strict=False):
                spot = CellPosition(self._losses, self._table.name, column.name, first)
                spelt.append(self._writer.column(values_of(cells, spot.record), spot))
            for column, cells in zip(self._table.columns[MOST_COLUMNS:], batch.columns[MOST_COLUMNS:], strict=True):
                lost = batch.rows - (cells.count(None) if isinstance(cells, list) else cells.null_count)
                self._losses.add(TOO_WIDE, self._table.name, column.name, lost)
            yield from zip(*spelt, strict=True)
            first += batch.rows

    def _header(self) -> list[str]:
        cells = []
        for column in self._columns:
            lost: list[str] = []
            cells.append(self._sheets.header(column.name, lost.append))
            for what in lost:
                self._losses.add(what, self._table.name, column.name, example=f"header: {shown(column.name)}")
        return cells
