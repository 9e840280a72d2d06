"""Rows of JSON as a table: a column for every name, in the order in which the names first appear.

an object          a row
anything else      a row whose one cell, in the column `value`, it is
a name's absence   null, counted where other rows have the name
a name twice       the last one, as every reader has it, counted
a nested value     a cell that is a list or a dict
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from restore.tables.loss_report import LossReport
from restore.tables.model import BATCH_BYTES, BATCH_CELLS, BATCH_ROWS, Batch, Column, Value
from restore.tables.readers.csv_rows import LARGEST_WIDTH
from restore.tables.readers.json_values import Parsed, is_broken, parse
from vault.errors import Damaged

Rows: TypeAlias = Callable[[], Iterator[tuple[int, bytes]]]
"""Every row's number, for people, and its JSON, from the first one at every call."""

VALUE = "value"
ABSENT = "a name that a row lacks became null"
TWICE = "a name that stands twice in a row: the last one was taken"
UNDECODED = "bytes that are not valid UTF-8 became \\xNN"

_BATCH_JSON = BATCH_BYTES // 4
"""Bytes of JSON whose values take about as much room as a batch may."""


class JsonTable:
    """A table of JSON rows; opening it reads them all, for the names of the columns."""

    def __init__(self, name: str, rows: Rows, losses: LossReport) -> None:
        self.name = name
        self._rows = rows
        self._names = _inferred_type(name, rows, losses)
        self.columns: Sequence[Column] = [Column(column) for column in self._names]

    def batches(self) -> Iterator[Batch]:
        """All rows."""
        rows: list[dict[str, Value]] = []
        size = 0
        most = max(1, min(BATCH_ROWS, BATCH_CELLS // max(1, len(self._names))))
        for number, data in self._rows():
            rows.append(_named(_parsed(number, data).value))
            size += len(data)
            if len(rows) == most or size >= _BATCH_JSON:
                yield self._batch(rows)
                rows, size = [], 0
        if rows:
            yield self._batch(rows)

    def _batch(self, rows: list[dict[str, Value]]) -> Batch:
        return Batch([[row.get(name) for row in rows] for name in self._names], len(rows))


def _parsed(number: int, data: bytes) -> Parsed:
    try:
        return parse(data)
    except Damaged as error:
        raise Damaged(f"row {number}: {error}") from error


def _named(value: Value) -> dict[str, Value]:
    return value if isinstance(value, dict) else {VALUE: value}


def _inferred_type(table: str, rows: Rows, losses: LossReport) -> list[str]:
    """The names; what is odd is counted."""
    present: dict[str, int] = {}
    count = same = 0  # rows, and those among them whose names are all in `present` but not yet counted there
    for number, data in rows():
        value, repeated = _parsed(number, data)
        row = _named(value)
        count += 1
        if row.keys() == present.keys():
            same += 1
        else:
            if same and not row.keys() <= present.keys():
                present = {name: seen + same for name, seen in present.items()}
                same = 0
            for name in row:
                present[name] = present.get(name, 0) + 1
            if len(present) > LARGEST_WIDTH:
                raise Damaged(f"the rows have more than {LARGEST_WIDTH} names")
        for name in repeated:
            losses.add(TWICE, table, name, 1, f"row {number}")
        if not data.isascii() and is_broken(data):
            losses.add(UNDECODED, table, "", 1, f"row {number}")
    for name, seen in present.items():
        if seen + same < count:
            losses.add(ABSENT, table, name, count - seen - same)
    return list(present)
