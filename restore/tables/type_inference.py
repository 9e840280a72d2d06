"""The narrowest types that hold every cell of a table exactly, found by looking at it once.

    only integers            int64; decimals without a fraction where they are longer; beyond 76 digits text
    only floats              float64, integers among them while they have at most 53 bits
    decimals, integers       decimal of the digits before and behind the point that occur
    dates, times, moments    date32, time64, timestamp; moments of several zones are told in UTC
    text, bytes, true/false  string, binary, bool
    anything else            text: lists and objects as JSON, and cells of several types in one column

Text stays text: a column of digits in a CSV file may be telephone numbers. A column that has an Arrow type keeps it, and a
table of such columns is not looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from msgspec import Struct, field

from restore.tables.cell_text import NESTED
from restore.tables.model import Table, Value

if TYPE_CHECKING:
    import pyarrow as pa

MIXED = "cells of several types in one column: this one became text"
TOO_LONG = "a number too long for any type of numbers became text"
TIME_WITH_OFFSET = "a time of day with an offset became text"
AT_EDGE = "a moment with a zone became text: the column has one in the year 1 or 9999"
ODD_NUMBER = "among decimals, this one is not a number or has an extreme exponent: the column became text"

_MOST_DIGITS = 76
_EXACT_IN_FLOAT = 1 << 53
_LONGEST = 1 << 63
_EDGES = (1, 9999)
"""Years of which another zone's may be no year."""

_MICROSECOND = timedelta(microseconds=1)


class InferredType(Struct, frozen=True):
    """How a column is to be written. why: what every cell that is not text yet loses by becoming text, where it does ·
    zones: whether moments leave their own zones."""

    type: pa.DataType
    why: str = ""
    zones: bool = False


def infer_types(table: Table) -> list[InferredType]:
    """A fit for each column. A column without any cell gets the null type."""
    seen = [_Seen() for _ in table.columns]
    if any(column.type is None for column in table.columns):
        for batch in table.batches():
            for known, cells in zip(seen, batch.columns, strict=True):
                if isinstance(cells, list):
                    known.look(cells)
    return [
        known.fit() if column.type is None else InferredType(column.type)
        for column, known in zip(table.columns, seen, strict=True)
    ]


class _Seen(Struct):
    """What has been seen of a column. kinds: types of its cells, `moment` for a datetime with a zone."""

    kinds: set[str] = field(default_factory=set)
    least: int = 0
    most: int = 0
    before_point: int = 0
    behind_point: int = 0
    odd: bool = False
    zones: set[str] = field(default_factory=set)

    def look(self, cells: Sequence[Value]) -> None:
        """At some cells more."""
        for kind in set(map(type, cells)):
            if kind is type(None):
                continue
            if kind is int:
                self._integers([cell for cell in cells if type(cell) is int])
            elif issubclass(kind, Decimal):
                self._decimals([cell for cell in cells if isinstance(cell, Decimal)])
            elif issubclass(kind, (datetime, time)):
                self._times([cell for cell in cells if isinstance(cell, (datetime, time))])
            elif issubclass(kind, timedelta):
                self.odd |= any(abs(cell) // _MICROSECOND >= _LONGEST for cell in cells if isinstance(cell, timedelta))
            self.kinds.update(self._name(kind))

    def _name(self, kind: type) -> list[str]:
        if issubclass(kind, (datetime, time)):
            return []
        for known in (bool, int, float, Decimal, str, bytes, date, timedelta):
            if issubclass(kind, known):
                return [known.__name__]
        return ["nested"]

    def _integers(self, cells: list[int]) -> None:
        self.least, self.most = min(self.least, *cells), max(self.most, *cells)

    def _decimals(self, cells: list[Decimal]) -> None:
        for cell in cells:
            _, digits, exponent = cell.as_tuple()
            if not isinstance(exponent, int):
                self.odd = True
                continue
            self.before_point = max(self.before_point, len(digits) + exponent)
            self.behind_point = max(self.behind_point, -exponent)

    def _times(self, cells: list[datetime | time]) -> None:
        for cell in cells:
            if isinstance(cell, time):
                self.kinds.add("time" if cell.tzinfo is None else "time with offset")
            elif cell.tzinfo is None:
                self.kinds.add("datetime")
            else:
                self.kinds.add("moment")
                self.odd |= cell.year in _EDGES
                self.zones.add(_zone_name(cell.tzinfo))

    def fit(self) -> InferredType:
        """The verdict."""
        import pyarrow as pa

        if not self.kinds:
            return InferredType(pa.null())
        if self.kinds <= {"int", "Decimal", "float"}:
            return self._number()
        if len(self.kinds) > 1:
            return InferredType(pa.string(), MIXED)
        (kind,) = self.kinds
        if kind == "moment" and self.odd:
            return InferredType(pa.string(), AT_EDGE)
        if kind == "moment":
            one = len(self.zones) == 1
            return InferredType(pa.timestamp("us", next(iter(self.zones)) if one else "UTC"), zones=not one)
        if kind == "timedelta" and self.odd:
            return InferredType(pa.string(), TOO_LONG)
        plain = {
            "bool": pa.bool_(),
            "str": pa.string(),
            "bytes": pa.binary(),
            "date": pa.date32(),
            "datetime": pa.timestamp("us"),
            "time": pa.time64("us"),
            "timedelta": pa.duration("us"),
        }
        return (
            InferredType(plain[kind])
            if kind in plain
            else InferredType(pa.string(), NESTED if kind == "nested" else TIME_WITH_OFFSET)
        )

    def _number(self) -> InferredType:
        import pyarrow as pa

        integers = "int" in self.kinds
        if "float" in self.kinds:
            if "Decimal" not in self.kinds and max(-self.least, self.most) <= _EXACT_IN_FLOAT:
                return InferredType(pa.float64())
            return InferredType(pa.string(), MIXED)
        if "Decimal" not in self.kinds and self.least >= -_LONGEST and self.most < _LONGEST:
            return InferredType(pa.int64())
        longest = max(-self.least, self.most)
        before = max(self.before_point, _digits(longest) if integers else 0)
        digits = max(1, before + self.behind_point)
        if self.odd:
            return InferredType(pa.string(), ODD_NUMBER)
        if digits > _MOST_DIGITS:
            return InferredType(pa.string(), TOO_LONG)
        make = pa.decimal128 if digits <= 38 else pa.decimal256
        return InferredType(make(38 if not self.behind_point and digits <= 38 else digits, self.behind_point))


def _digits(number: int) -> int:
    """Decimal digits of a number that is not negative; a bound for one that is longer than any type."""
    return len(str(number)) if number.bit_length() < 512 else _MOST_DIGITS + 1


def _zone_name(zone: tzinfo) -> str:
    """As Arrow names it; UTC for zones that it cannot name."""
    if isinstance(zone, ZoneInfo) and zone.key:
        return zone.key
    offset = zone.utcoffset(None)
    if offset is None or not offset or offset % timedelta(minutes=1):
        return "UTC"
    minutes = offset // timedelta(minutes=1)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
