"""One item's file into another format: its tables are read, perhaps cut to a period, and written, and what happened is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, TypeAlias

from msgspec import Struct

from restore.tables.formats import FORMATS
from restore.tables.guards import reading
from restore.tables.loss_report import LossReport
from restore.tables.model import Batch, Column, Table, TableShape
from restore.tables.output_names import OutputNames
from restore.tables.readers.csv_header import Header
from restore.tables.registry import open_tables, write_tables
from restore.tables.sheet_choice import SheetChoice
from restore.tables.write_options import WriteOptions

Opener: TypeAlias = Callable[[str], AbstractContextManager[BinaryIO]]
"""Opens an output by its name, for writing."""

Change: TypeAlias = Callable[[Table], Table]
"""What is done with a table between reading and writing, such as `rows_in_period.cut`."""


class ConversionResult(Struct, frozen=True):
    """A file that was written."""

    name: str
    tables: tuple[TableShape, ...]

    @property
    def rows(self) -> int:
        """Of all its tables."""
        return sum(table.rows or 0 for table in self.tables)


class ConvertOptions(Struct, frozen=True):
    """target: the format, as `formats.FORMATS` names it · change: what is done with each table on the way · header: what the
    first row of a CSV is, where that is known · sheets: of a workbook, None for all of them."""

    target: str
    options: WriteOptions
    change: Change | None = None
    header: Header = None
    sheets: SheetChoice | None = None


def convert(
    file: Path, source: str, path: str, query: ConvertOptions, names: OutputNames, opened: Opener, losses: LossReport
) -> list[ConversionResult]:
    """Convert one item. file: its content · source: its format · path: its path, from which the outputs' names follow.
    Raises `NotATable` and `NoSuchSheet` before anything is opened, `Damaged` where the file cannot be read, `UnwritableTable`
    where it cannot be written: an output open then is not whole."""
    opened_tables = open_tables(file, source, losses, query.header, query.sheets)
    with reading(source):
        tables = [table if query.change is None else query.change(table) for table in opened_tables]
    return write_all(tables, path, query, names, opened, losses)


def write_all(
    tables: Sequence[Table], path: str, query: ConvertOptions, names: OutputNames, opened: Opener, losses: LossReport
) -> list[ConversionResult]:
    """Write tables as a file, or as one file each where the format holds one only."""
    counted = [CountedTable(table) for table in tables]
    file_names = names.give(path, query.target, [table.name for table in tables])
    groups = [counted] if FORMATS[query.target].several else [[table] for table in counted]
    written = []
    for name, group in zip(file_names, groups, strict=True):
        with opened(name) as out:
            write_tables(group, query.target, out, query.options, losses)
        written.append(ConversionResult(name, tuple(table.shape() for table in group)))
    return written


class CountedTable:
    """A table that knows afterwards how many rows it gave."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self.name = table.name
        self.columns: Sequence[Column] = table.columns
        self.rows = 0

    def batches(self) -> Iterator[Batch]:
        """All rows."""
        rows = 0
        for batch in self._table.batches():
            rows += batch.rows
            yield batch
        self.rows = rows

    def shape(self) -> TableShape:
        """With its rows, once they were read."""
        return TableShape.of(self._table, self.rows)
