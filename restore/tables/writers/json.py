"""JSON: a list of a table's rows, or an object of such lists where there are several tables; a row a line, in UTF-8."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

from restore.tables.distinct_names import distinct
from restore.tables.loss_report import LossReport
from restore.tables.model import Table
from restore.tables.schema_cast import tell_renamed
from restore.tables.write_options import WriteOptions
from restore.tables.writers.json_columns import write_rows
from restore.tables.writers.json_text import encoded


def write_json(tables: Sequence[Table], out: BinaryIO, _options: WriteOptions, losses: LossReport) -> None:
    """Writes forward only. Machines and people get the same."""
    if len(tables) == 1:
        _write_list(tables[0], out, losses)
        out.write(b"\n")
        return
    before = [table.name for table in tables]
    names = distinct([name or "table" for name in before])
    tell_renamed(losses, "", before, names)
    out.write(b"{")
    for place, (name, table) in enumerate(zip(names, tables, strict=True)):
        out.write(b"%b\n%b:" % (b"," if place else b"", encoded(name)))
        _write_list(table, out, losses)
    out.write(b"\n}\n")


def _write_list(table: Table, out: BinaryIO, losses: LossReport) -> None:
    out.write(b"[\n")
    write_rows(table, out, b",\n", losses)
    out.write(b"\n]")
