"""JSON Lines: a row an object, on a line of its own, in UTF-8; every column in every row, null where it has nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

from restore.tables.json_columns import write_rows
from restore.tables.losses import Losses
from restore.tables.manner import Manner
from restore.tables.model import Table


def write_jsonl(tables: Sequence[Table], out: BinaryIO, _manner: Manner, losses: Losses) -> None:
    """Writes the one table, forward only. Machines and people get the same."""
    (table,) = tables
    if write_rows(table, out, b"\n", losses):
        out.write(b"\n")
