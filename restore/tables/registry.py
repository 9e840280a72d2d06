"""Formats by name: what reads them, what writes them, whether they are tables at all. Nothing is imported before its use.

To add one: its name in `restore.tables.formats`, a reader or writer, and how it is recognised in `classify.format`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import BinaryIO, TypeAlias

from restore.tables.formats import is_table
from restore.tables.guards import BoundedTable, UnwritableTable, reading, writing
from restore.tables.loss_report import LossReport
from restore.tables.model import Table
from restore.tables.readers.csv_header import Header
from restore.tables.sheet_choice import HAVING_SHEETS, NoSuchSheet, SheetChoice
from restore.tables.write_options import WriteOptions
from vault.errors import Damaged, StrongroomError

Reader: TypeAlias = Callable[[Path, LossReport], Sequence[Table]]
Writer: TypeAlias = Callable[[Sequence[Table], BinaryIO, WriteOptions, LossReport], None]


class NotATable(StrongroomError):
    """The item is something else: a document, a picture, a recording."""

    hint = "restore it as it is, without --as"


ITEM_ERRORS = (Damaged, NotATable, UnwritableTable, NoSuchSheet)
"""What stands in the way of one item, and of no other."""


def open_tables(
    path: Path, name: str, losses: LossReport, header: Header = None, sheets: SheetChoice | None = None
) -> Sequence[Table]:
    """The tables of a file of a format. header: what the first row of a CSV is, where that is known · sheets: which ones of a
    format that has them, None for all; the others are not looked into.

    Raises `NotATable` for a format that is none, `NoSuchSheet`, `Damaged` for a file that cannot be read, whatever its reader
    says about it; so do the tables.
    """
    if not is_table(name):
        raise NotATable(f"{f'the format {name}' if name else 'an unknown format'} is not a table")
    with reading(name):
        reader = getattr(import_module(f"restore.tables.readers.{name}"), f"read_{name}")
        more: dict[str, object] = {"header": header} if name == "csv" else {}
        if name in HAVING_SHEETS:
            more = {"sheets": sheets}
        size = path.stat().st_size
        return [BoundedTable(table, name, size) for table in reader(path, losses, **more)]


def write_tables(tables: Sequence[Table], name: str, out: BinaryIO, options: WriteOptions, losses: LossReport) -> None:
    """Write a file of a format: of one table, unless the format holds `several`. Raises `UnwritableTable` where it cannot, the
    tables' own errors, and OSError."""
    with writing(name):
        writer: Writer = getattr(import_module(f"restore.tables.writers.{name}"), f"write_{name}")
        writer(tables, out, options, losses)
