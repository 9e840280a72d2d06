"""A table cut to the rows of a period, by its column of times.

The column is the one that the caller names; otherwise one whose name says so (`created_at`, `дата и время`, …) and whose cells
are times; otherwise the first whose cells are dates or moments. Rows whose cell there is no time belong to no period: they are
left out, and counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import compress
from typing import TYPE_CHECKING

from msgspec import Struct

from restore.tables.loss_report import LossReport
from restore.tables.model import Batch, Column, Table, Value
from restore.tables.times import TimeReading, moments_of, settled
from vault.errors import StrongroomError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa

MONTH_FIRST = "its dates have the month before the day: some of them have no other reading"
DAY_FIRST = "its dates have the day before the month: some of them have no other reading"
NO_TIME = "a row was left out: its cell in the column of times is empty or no time"

_NAMES = (
    (
        "datetime",
        "timestamp",
        "date time",
        "date and time",
        "дата и время",
        "дата/время",
        "дата время",
        "дата та час",
        "дата и час",
    ),
    (
        "created at",
        "created",
        "started at",
        "start time",
        "start",
        "call start",
        "call date",
        "calldate",
        "opened at",
        "opened",
    ),
    ("дата создания", "дата звонка", "дата начала", "начало", "створено", "початок", "дата дзвінка", "время начала"),
    (
        "time",
        "date",
        "день",
        "дата",
        "время",
        "час",
        "day",
        "moment",
        "ts",
        "when",
        "период",
        "period",
        "hour",
        "updated at",
        "end",
    ),
)
_PARTS = ("date", "time", "дата", "врем", "created", "start")
_UNNAMED = 1000
"""The rank of a column whose name says nothing."""

_MOST = 0.8
"""The share of cells that must be times where nobody named the column."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class NoTimeColumn(StrongroomError):
    """No column of the table holds times."""

    hint = "name the column of times, or take the whole table"


class Cut(Struct, frozen=True):
    """What rows are wanted: from start up to, but not at, end; both with a zone. column: of times, None to find it."""

    start: datetime
    end: datetime
    reading: TimeReading
    column: str | None = None


class RowsInPeriod:
    """The rows of a table that lie in a period. time_column: the name of the one that decides, None where there are no rows and
    no column is like one · seen, kept, without_time: rows, after they have been read."""

    def __init__(self, table: Table, cut: Cut, losses: LossReport) -> None:
        self._table = table
        self._losses: LossReport | None = losses
        self._reading = cut.reading
        self._start, self._end = ((moment - _EPOCH) // _MICROSECOND for moment in (cut.start, cut.end))
        self._place = place = column_named(table, cut.column) if cut.column is not None else _found(table, cut.reading)
        if place is not None:
            self._reading = settled((batch.columns[place] for batch in table.batches()), cut.reading)
            if self._reading != cut.reading:
                losses.note(MONTH_FIRST if cut.reading.day_first else DAY_FIRST)
        self.name = table.name
        self.columns: Sequence[Column] = table.columns
        self.time_column = None if self._place is None else self.columns[self._place].name
        self.seen = self.kept = self.without_time = 0

    def batches(self) -> Iterator[Batch]:
        """The rows, in their order."""
        import pyarrow.compute as pc

        seen = kept = without = 0
        examples: list[str] = []
        if self._place is None:
            return
        for batch in self._table.batches():
            moments = moments_of(batch.columns[self._place], self._reading)
            if moments.null_count:
                without += moments.null_count
                row = pc.index(moments.is_null(), value=True).as_py()
                examples.append(f"row {seen + row + 1}")
            within = pc.and_(pc.greater_equal(moments, self._start), pc.less(moments, self._end)).fill_null(fill_value=False)
            rows = within.true_count
            seen, kept = seen + batch.rows, kept + rows
            if rows:
                yield batch if rows == batch.rows else Batch(_filtered(batch.columns, within), rows)
        self.seen, self.kept, self.without_time = seen, kept, without
        if self._losses is not None and without:
            self._losses.add(NO_TIME, self.name, self.time_column or "", without, examples[0])
        self._losses = None


def _filtered(columns: Sequence[pa.Array | list[Value]], within: pa.BooleanArray) -> list[pa.Array | list[Value]]:
    chosen = within.to_pylist() if any(isinstance(cells, list) for cells in columns) else []
    return [list(compress(cells, chosen)) if isinstance(cells, list) else cells.filter(within) for cells in columns]


def column_named(table: Table, wanted: str) -> int:
    """The column of that name, case and spaces at its ends aside."""
    names = [column.name for column in table.columns]
    for place, name in enumerate(names):
        if name == wanted:
            return place
    for place, name in enumerate(names):
        if _plain(name) == _plain(wanted):
            return place
    raise UsageError(f"there is no column {wanted!r}", hint=f"its columns are {', '.join(map(repr, names[:20])) or 'none'}")


def _found(table: Table, reading: TimeReading) -> int | None:
    """The column that looks most like times, judged by its name and the first rows; None where there are no rows."""
    first = next(table.batches(), None)
    if first is None:
        return None
    ranks = [_rank(column.name) for column in table.columns]
    ranked = [(rank, place) for place, rank in enumerate(ranks) if _are_times(first.columns[place], reading, rank)]
    if not ranked:
        raise NoTimeColumn("no column of times was found in the table")
    return min(ranked)[1]


def _are_times(cells: pa.Array | list[Value], reading: TimeReading, rank: int) -> bool:
    """Whether most of these are times. Numbers are only believed under a name that says so."""
    moments = moments_of(cells[:1000], settled([cells[:1000]], reading))
    there = sum(
        cell is not None and cell != "" for cell in (cells[:1000] if isinstance(cells, list) else cells[:1000].to_pylist())
    )
    if not there or len(moments) - moments.null_count < there * _MOST:
        return False
    return rank < _UNNAMED or not _are_numbers(cells[:1000])


def _are_numbers(cells: pa.Array | list[Value]) -> bool:
    import pyarrow as pa

    if isinstance(cells, list):
        return not any(isinstance(cell, date) or (isinstance(cell, str) and not cell.strip().isdecimal()) for cell in cells)
    if pa.types.is_string(cells.type):
        return _are_numbers(cells.to_pylist())
    return not pa.types.is_timestamp(cells.type) and not pa.types.is_date(cells.type)


def _rank(name: str) -> int:
    """The lower, the more a name says that its cells are times."""
    plain = _plain(name)
    for rank, names in enumerate(_NAMES):
        if plain in names:
            return rank * 20 + names.index(plain)
    return 500 if any(part in plain for part in _PARTS) else _UNNAMED


def _plain(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").split())
