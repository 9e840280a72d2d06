"""From when to when the rows of a file's tables are, by their column of times."""

from __future__ import annotations

from collections.abc import Sequence

from restore.tables.model import Table
from restore.tables.rows_in_period import column_named
from restore.tables.times import TimeReading, moments_of, settled
from vault.errors import UsageError


def time_span(tables: Sequence[Table], column: str, reading: TimeReading) -> tuple[int, int] | None:
    """The first and the last moment in all columns of that name, in microseconds since 1970; None where there is none."""
    ends: list[int] = []
    for table in tables:
        try:
            place = column_named(table, column)
        except UsageError:
            continue  # a sheet beside the one that is meant
        ends += _ends(table, place, settled((batch.columns[place] for batch in table.batches()), reading))
    return (min(ends), max(ends)) if ends else None


def _ends(table: Table, place: int, reading: TimeReading) -> list[int]:
    import pyarrow.compute as pc

    ends: list[int] = []
    for batch in table.batches():
        found = pc.min_max(moments_of(batch.columns[place], reading))
        ends += [found[side].as_py() for side in ("min", "max") if found[side].is_valid]
    return ends
