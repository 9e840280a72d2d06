"""JSON Lines: a row an object, on a line of its own, in UTF-8; every column in every row, null where it has nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

from restore.tables.loss_report import LossReport
from restore.tables.model import Table
from restore.tables.write_options import WriteOptions
from restore.tables.writers.json_columns import write_rows


def write_jsonl(tables: Sequence[Table], out: BinaryIO, _options: WriteOptions, losses: LossReport) -> None:
    """Writes the one table, forward only. Machines and people get the same."""
    (table,) = tables
    if write_rows(table, out, b"\n", losses):
        out.write(b"\n")
