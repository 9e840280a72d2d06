"""Days as numbers: what a spreadsheet means by 45000.5, and how a moment is written so that it is read back the same.

A cell holds a number, and its format says that it is a date. Days are counted from 1900, with a 29 February 1900 that never was
(so that 60 is no day, and 61 is 1 March), or from 1904. A double carries milliseconds safely up to the year 9999 and
microseconds only by luck, and programs compute with it; therefore a moment is read to the millisecond, and one that is finer is
not written as a number.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from enum import Enum
from math import floor

from restore.tables.model import Value


class NumberKind(Enum):
    """What a number format makes of a number."""

    NUMBER = "number"
    DATE = "date"
    TIME = "time of day"
    MOMENT = "date and time"
    DURATION = "duration"


DAY_MS = 86_400_000
_EPOCH_1900 = datetime(1899, 12, 30)  # noqa: DTZ001 - a spreadsheet's moments have no zone
_EPOCH_1904 = datetime(1904, 1, 1)  # noqa: DTZ001 - a spreadsheet's moments have no zone
_FIRST_SAFE = 61
"""1 March 1900: before it two systems of counting days differ."""
_LAST = 2_958_465
"""31 December 9999."""
_TO_1904 = 1462

BUILT_IN = (
    dict.fromkeys((14, 15, 16, 17, *range(27, 32), 36, 50, 51, 52, 53, 54, 57, 58), NumberKind.DATE)
    | dict.fromkeys((18, 19, 20, 21, 32, 33, 34, 35, 45, 47, 55, 56), NumberKind.TIME)
    | {22: NumberKind.MOMENT, 46: NumberKind.DURATION}
)
"""Formats that have a number and no text, the East Asian ones included."""

_LONGEST_CODE = 1000
_ELAPSED = re.compile(r"\[(?:h+|m+|s+)\]", re.IGNORECASE)
_NO_LETTERS = re.compile(r'"[^"]*"|\\.|[_*].|\[[^\]]*\]|general|am/pm|a/p', re.IGNORECASE)


def shown_by(code: str) -> NumberKind:
    """What a format's text makes of a number: told from the letters of its first section."""
    bare = (
        _NO_LETTERS.sub(lambda match: match[0] if _ELAPSED.fullmatch(match[0]) else " ", code[:_LONGEST_CODE])
        .partition(";")[0]
        .lower()
    )
    if _ELAPSED.search(bare):
        return NumberKind.DURATION
    if not re.search(r"[ydhsm]", bare):
        return NumberKind.NUMBER
    clock = re.search(r"[hs]", bare) is not None or re.search(r"am/pm|a/p", code, re.IGNORECASE) is not None
    day = re.search(r"[yd]|mmm", bare) is not None
    if clock and day:
        return NumberKind.MOMENT
    return NumberKind.TIME if clock else NumberKind.DATE


def moment_of(shown: NumberKind, number: float, *, since_1904: bool = False) -> Value:
    """What a number is by its format; None where the number is no moment of any calendar."""
    if not -_LAST <= number <= _LAST + 1:
        return None
    if shown is NumberKind.DURATION:
        return timedelta(milliseconds=round(number * DAY_MS))
    days = floor(number)
    clock = round((number - days) * DAY_MS)
    if clock == DAY_MS:
        days, clock = days + 1, 0
    if days == 0 and (shown is NumberKind.TIME or (shown is NumberKind.MOMENT and not since_1904)):
        return (_EPOCH_1900 + timedelta(milliseconds=clock)).time()
    if since_1904:
        days += _TO_1904
    if number < 0 or not (1 if not since_1904 else _TO_1904) <= days <= _LAST or (days == 60 and not since_1904):
        return None
    if not since_1904 and days < _FIRST_SAFE:
        days += 1
    moment = _EPOCH_1900 + timedelta(days=days, milliseconds=clock)
    return moment.date() if shown is NumberKind.DATE and not clock else moment


def number_of(value: date | time | datetime | timedelta) -> str | None:
    """A moment without a zone as the number of a cell, counted from 1900; None where a cell would not give it back."""
    if isinstance(value, timedelta):
        return _days(value) if timedelta(0) <= value <= timedelta(days=_LAST) else None
    if isinstance(value, time):
        since = timedelta(hours=value.hour, minutes=value.minute, seconds=value.second, microseconds=value.microsecond)
        return _days(since) if value.tzinfo is None else None
    if not isinstance(value, datetime):
        days = value.toordinal() - _EPOCH_1900.toordinal()
        return str(days) if days >= _FIRST_SAFE else None
    if value.tzinfo is not None:
        return None
    since = value - _EPOCH_1900
    return _days(since) if since.days >= _FIRST_SAFE else None


def _days(since: timedelta) -> str | None:
    milliseconds, finer = divmod(since.microseconds, 1000)
    if finer:
        return None
    clock = since.seconds * 1000 + milliseconds
    return repr(since.days + clock / DAY_MS) if clock else str(since.days)
