"""Which quarters of an hour the rows of a file's tables are about, by their column of times.

A quarter lies within one hour in every time zone, so whoever asks for hours, days or months finds them by quarters; and however
many rows a table has, its quarters are few.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from restore.tables.model import Batch, Table
from restore.tables.rows_in_period import column_named
from restore.tables.times import TimeReading, moments_of, settled
from vault.errors import StrongroomError, UsageError

QUARTER = 900_000_000
"""Microseconds."""


class TooManyRows(StrongroomError):
    """A table has more than are to be read."""


def row_times(tables: Sequence[Table], column: str, reading: TimeReading, *, most: int) -> tuple[list[int], int]:
    """The beginnings of these quarters, in microseconds since 1970, sorted, and how many rows were read; `most` at most.
    Raises `UsageError` where none has such a column, `Damaged` where the file breaks off, `TooManyRows`."""
    import pyarrow.compute as pc

    found: set[int] = set()
    missed: list[UsageError] = []
    read = 0
    for table in tables:
        try:
            place = column_named(table, column)
        except UsageError as error:
            missed.append(error)  # a sheet beside the one that is meant
            continue
        own = settled((batch.columns[place] for batch in _bounded(table, read, most)), reading)
        for batch in _bounded(table, read, most):
            read += batch.rows
            moments = moments_of(batch.columns[place], own).drop_null()
            found.update(moment // QUARTER for moment in pc.unique(moments).to_pylist())
    if missed and len(missed) == len(tables):
        raise missed[0]
    return [quarter * QUARTER for quarter in sorted(found)], read


def _bounded(table: Table, rows: int, most: int) -> Iterator[Batch]:
    """Its batches. rows: of other tables before. Raises `TooManyRows`."""
    for batch in table.batches():
        rows += batch.rows
        if rows > most:
            raise TooManyRows(f"it has more than {most} rows")
        yield batch
