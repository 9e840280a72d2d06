"""Spans of the wall calendar, before a time zone says when they were.

A span is half-open and knows its unit; its ends are naive datetimes, what calendars and clocks on the wall show. Everything
that reads or writes periods thinks in spans; `classify.period` turns them into moments.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from enum import IntEnum
from typing import NamedTuple


class Unit(IntEnum):
    """What a span is, the coarsest first. A RANGE is any run of time."""

    RANGE = 0
    YEAR = 1
    HALF = 2
    QUARTER = 3
    MONTH = 4
    WEEK = 5
    DAY = 6
    HOUR = 7


class Span(NamedTuple):
    """From `start` up to, without, `end`. ahead: how far the clocks were ahead of UTC, where a text said so."""

    unit: Unit
    start: datetime
    end: datetime
    ahead: timedelta | None = None

    def within(self, other: Span) -> bool:
        return other.start <= self.start and self.end <= other.end


_MONTHS = {Unit.YEAR: 12, Unit.HALF: 6, Unit.QUARTER: 3, Unit.MONTH: 1}
_DAYS = {Unit.WEEK: 7, Unit.DAY: 1}
_HOURS = [timedelta(hours=number) for number in range(25)]
_MIDNIGHT = time()
_DAY = timedelta(days=1)


def year(of: int) -> Span:
    return _months(Unit.YEAR, of, 1)


def half(of: int, number: int) -> Span:
    """The first or second half of a year. Raises ValueError, as all of these do, for what the calendar does not have."""
    return _months(Unit.HALF, of, number)


def quarter(of: int, number: int) -> Span:
    return _months(Unit.QUARTER, of, number)


def month(of: int, number: int) -> Span:
    return _months(Unit.MONTH, of, number)


def _months(unit: Unit, of: int, number: int) -> Span:
    length = _MONTHS[unit]
    last = number * length
    start = _midnight(of, last - length + 1, 1)
    return Span(unit, start, _midnight(of, last + 1, 1) if last < 12 else _midnight(of + 1, 1, 1))


def _midnight(of: int, in_month: int, number: int) -> datetime:
    return datetime.combine(date(of, in_month, number), _MIDNIGHT)


def week(of: int, number: int) -> Span:
    """An ISO week, from Monday; the first one of a year holds its 4 January."""
    monday = datetime.fromisocalendar(of, number, 1)
    return Span(Unit.WEEK, monday, monday + timedelta(days=7))


def day(of: int, in_month: int, number: int) -> Span:
    start = _midnight(of, in_month, number)
    return Span(Unit.DAY, start, start + _DAY)


def hour(on: Span, number: int) -> Span:
    """The hour of a day that clocks show as `number`: in an autumn night it lasts two hours, in a spring night none."""
    if not 0 <= number < 24:
        raise ValueError("hour must be in 0..23")
    return Span(Unit.HOUR, on.start + _HOURS[number], on.start + _HOURS[number + 1])


def joined(first: Span, last: Span) -> Span:
    """From the beginning of one to the end of another, a plain range unless they are one. Raises ValueError when nothing lies
    between."""
    if first.start >= last.end:
        raise ValueError("it ends before it begins")
    return first if first == last else Span(Unit.RANGE, first.start, last.end)


def back(unit: Unit, count: int, local: datetime) -> Span:
    """The year, …, or day that lies `count` of its kind before the one that holds `local`. Raises ValueError or OverflowError
    outside of the calendar."""
    if unit in _MONTHS:
        length = _MONTHS[unit]
        number = (local.year * 12 + local.month - 1) // length - count
        return _months(unit, number * length // 12, number % (12 // length) + 1)
    start = _midnight(local.year, local.month, local.day) - timedelta(days=count * _DAYS[unit])
    if unit is Unit.WEEK:
        start -= timedelta(days=start.weekday())
    return Span(unit, start, start + timedelta(days=_DAYS[unit]))
