"""What is asked for of tables on their way out: another format, a profile, the rows of a period."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from msgspec import Struct, field

from classify.period import Period
from restore.outputs.output_item import CutTable
from restore.tables.convert import Change
from restore.tables.deleted_column import DeletedColumns, GoneRows, WithDeletedAt
from restore.tables.formats import read_as
from restore.tables.loss_report import LossReport
from restore.tables.model import Batch, Column, Table
from restore.tables.readers.csv_header import Headers
from restore.tables.rows_in_period import Cut, NoTimeColumn, RowsInPeriod
from restore.tables.sheet_choice import HAVING_SHEETS, SheetChoice
from restore.tables.times import TimeReading
from restore.tables.write_options import WriteOptions
from vault.errors import StrongroomError, UsageError


class RowFilter(Struct, frozen=True):
    """Which rows are wanted. periods: apart from one another, in order · column: of times, None to find it."""

    periods: tuple[Period, ...]
    reading: TimeReading = field(default_factory=TimeReading)
    column: str | None = None


class DeletedParts(Struct, frozen=True):
    """What is gone, of one item. deleted_at, seen_at: when the source no longer had the item, and when it was last seen; None
    while it has · rows: of records that are gone from it."""

    deleted_at: datetime | None = None
    seen_at: datetime | None = None
    rows: GoneRows | None = None


class DeletedRows(Protocol):
    """Knows what is gone from items, and when."""

    def token(self, source: str, path: bytes) -> str:
        """Of an item: what changes when other records may be gone from it."""
        ...

    def seen_at(self, source: str, path: bytes) -> datetime | None:
        """The last snapshot that had an item that is gone."""
        ...

    def rows(self, source: str, path: bytes, folder: Path) -> GoneRows | None:
        """Records that are gone from an item which is there, in files of a private folder. Raises `Damaged`, `StorageError`."""
        ...


class Conversion(Struct, frozen=True):
    """target: the format, as `restore.tables.registry` names it; None for each table's own · rows: None for all of them ·
    headers: what the first rows of CSV files are · sheets: the only ones of workbooks and databases that are wanted, by name or
    place; none for all of them · deleted_columns: that every table gets; None for no such columns · deleted_rows: knows what is
    gone from items · deleted: what is gone, of one item."""

    target: str | None
    options: WriteOptions = field(default_factory=WriteOptions)
    rows: RowFilter | None = None
    headers: Headers = field(default_factory=Headers)
    sheets: tuple[str, ...] = ()
    deleted_columns: DeletedColumns | None = None
    deleted_rows: DeletedRows | None = None
    deleted: DeletedParts = DeletedParts()

    def choice(self, source: str) -> SheetChoice | None:
        """Which sheets of a file of this format; None for all that it has."""
        noun = "table" if source == "sqlite" else "sheet"
        return SheetChoice(self.sheets, noun) if self.sheets and source in HAVING_SHEETS else None

    def change(self, cutter: RowCutter | None) -> Change | None:
        """What is done with each table of an item on the way."""
        cut, columns, gone = None if cutter is None else cutter.change, self.deleted_columns, self.deleted
        if columns is None:
            return cut
        return lambda table: WithDeletedAt(
            table if cut is None else cut(table), columns, gone.deleted_at, gone.seen_at, gone.rows
        )

    def source_of(self, format_name: str | None) -> str | None:
        """The format that an item is read as, if it is to be converted. format_name: its format, as its manifest names it."""
        name = read_as(format_name)
        if name is None:
            return None
        # a CSV is always written anew: in one encoding, with one delimiter
        altered = self.rows is not None or self.deleted_columns is not None
        kept = not altered and not self.options.for_people and self.choice(name) is None
        same = name == (self.target or name) and name != "csv" and kept
        return None if same or (self.target is None and not altered) else name


class RowCutter(Struct):
    """Cuts the tables of one item, and remembers what it met. tables: that were cut · whole: why tables were not cut."""

    rows: RowFilter
    losses: LossReport
    _cut: list[_RowsOfPeriods] = field(default_factory=list)
    whole: list[str] = field(default_factory=list)

    @property
    def change(self) -> Change:
        """For `restore.tables.convert`."""
        return self._apply

    def tables(self) -> list[CutTable]:
        """Each table that was cut, once it has been read."""
        return [table.cut() for table in self._cut]

    def _apply(self, table: Table) -> Table:
        try:
            found = _RowsOfPeriods(table, self.rows, self.losses)
        except (NoTimeColumn, UsageError) as error:
            self.whole.append(_said(table, error))
            return table
        self._cut.append(found)
        return found


class _RowsOfPeriods:
    """The rows of a table that lie in any of some periods, those of the first period first."""

    def __init__(self, table: Table, rows: RowFilter, losses: LossReport) -> None:
        self.name = table.name
        self.columns: Sequence[Column] = table.columns
        self._parts: list[RowsInPeriod] = []
        column = rows.column
        for place, one in enumerate(rows.periods):
            start, end = one.moments()
            # rows without a time belong to no period; they are counted once
            part = RowsInPeriod(table, Cut(start, end, rows.reading, column), losses if place == 0 else LossReport())
            column = column or part.time_column
            self._parts.append(part)

    def batches(self) -> Iterator[Batch]:
        """All rows."""
        for part in self._parts:
            yield from part.batches()

    def cut(self) -> CutTable:
        first = self._parts[0]
        kept = sum(part.kept for part in self._parts)
        return CutTable(self.name, first.time_column, first.seen, kept, first.without_time)


def _said(table: Table, error: StrongroomError) -> str:
    named = f"table {table.name!r}: " if table.name else ""
    return f"{named}{error}; it is given with all its rows"
