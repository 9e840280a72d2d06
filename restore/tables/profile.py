"""The profile of a table: how many rows it has, what is filled in its columns, a sketch of its rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from restore.tables.loss_report import LossReport
from restore.tables.model import Batch, Table
from restore.tables.registry import open_tables
from vault.backup.table_profiles import Sketch, TableProfile, column_hash
from vault.errors import StrongroomError

MOST_ROWS = 20_000
"""Of a file; what stands below is not looked at, in no version."""


def table_profile(path: Path, format_: str) -> TableProfile:
    """Of a file that is a table by its format. Raises nothing: a file that does not open has a profile that says so."""
    try:
        return _profile(open_tables(path, format_, LossReport()))
    except (StrongroomError, OSError, ValueError, ArithmeticError, LookupError, TypeError, RuntimeError, EOFError):
        return TableProfile(None)


def _profile(tables: Sequence[Table]) -> TableProfile:
    sketch, rows = Sketch(), 0
    columns: list[int] = []
    filled: list[int] = []
    for table in tables:
        columns += [column_hash(table.name, column.name) for column in table.columns]
        counts = [0] * len(table.columns)
        for batch in table.batches():
            rows += _add(batch, counts, sketch)
            if rows >= MOST_ROWS:
                break
        filled += counts
    return TableProfile(rows, tuple(columns), tuple(filled), sketch.data)


def _add(batch: Batch, counts: list[int], sketch: Sketch) -> int:
    """Count the cells of some rows; gives how many rows are not empty."""
    rows = 0
    cells = [column if isinstance(column, list) else column.to_pylist() for column in batch.columns]
    for row in zip(*cells, strict=True):
        full = [place for place, cell in enumerate(row) if cell is not None and cell != ""]
        if full:
            rows += 1
            for place in full:
                counts[place] += 1
            sketch.add("\x1f".join(map(str, row)).encode("utf-8", "surrogatepass"))
    return rows
