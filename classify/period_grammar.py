"""Periods as people ask for them, and as they are printed: what is printed is read back as the same period.

    2024   2024-H1   2024-Q3   2024-05   2024-W20   2024-05-17   2024-05-17T14   2024-05-17T14:30[:05[.25]]
    A..B   A..   ..B                  from the beginning of A to the end of B: the last day that is named belongs to it
    today   yesterday   this-month   last-quarter         this and last: year, half, quarter, month, week, day, hour
    last-7-days                       the seven whole days before today; any unit, any number

A time of day may bear an offset (`2024-10-27T03+02:00`), which tells the two like hours of an autumn night apart; without
one an hour is both of them, and anything shorter the first.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from classify import calendar_spans
from classify.calendar_spans import Span, Unit
from classify.period import EARLIEST, HOUR, LATEST, SECOND, Period, first_moment, in_zone, micros, wall
from vault.errors import UsageError

_FORMS = (
    "write 2024, 2024-Q3, 2024-05, 2024-W20, 2024-05-17, 2024-05-17T14, 2024-05-01..2024-06-15, 2024-05.., "
    "last-month, last-quarter, last-7-days, yesterday"
)

_POINT = re.compile(
    r"""(?P<year>[1-9]\d{3})
    (?: -?q(?P<quarter>\d) | -?h(?P<half>\d) | -?w(?P<week>\d\d?)
      | -(?P<month>\d\d?)
        (?: -(?P<day>\d\d?)
          (?: [t\s](?P<time>(?P<hour>\d\d)(?: :(?P<minute>\d\d)(?: :(?P<second>\d\d)(?: \.(?P<fraction>\d{1,6}))? )? )?)
              (?P<offset>z|[+-]\d\d(?: :?\d\d(?: :\d\d)? )? )?
          )?
        )?
    )?""",
    re.VERBOSE | re.ASCII,
)
_NAMED = re.compile(r"(this|last)-(year|half|quarter|month|week|day|hour)", re.ASCII)
_COUNTED = re.compile(r"last-(\d{1,6})-(year|half|halve|quarter|month|week|day|hour)s?", re.ASCII)


def parse(text: str, zone: ZoneInfo, now: datetime) -> Period:
    """The period that is meant. zone: whose calendar · now: what `last` and `today` count from. Raises `UsageError`."""
    asked = text.strip().lower()
    try:
        first, dots, last = asked.partition("..")
        if not dots:
            return _one(asked, zone, now)
        start = _one(first.rstrip(), zone, now).start if first.strip() else EARLIEST
        end = _one(last.lstrip(), zone, now).end if last.strip() else LATEST
        return _run(start, end)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"invalid period {text!r}: {error}", hint=_FORMS) from error


def _run(start: int, end: int) -> Period:
    if start >= end:
        raise ValueError("it ends before it begins")
    return Period(start, end)


def _one(asked: str, zone: ZoneInfo, now: datetime) -> Period:
    """A form without dots."""
    found = _POINT.fullmatch(asked)
    if found is not None:
        return _point(found, zone)
    words = re.sub(r"[\s_-]+", "-", asked)
    unit, count, length = _counted(words)
    if unit == "hour":
        odd = _odd_minutes(now, zone)
        end = (micros(now) - odd) // HOUR * HOUR + odd + (1 - count) * HOUR
        return Period(end - length * HOUR, end)
    there = wall(micros(now), zone).replace(tzinfo=None)
    kind = Unit["HALF" if unit == "halve" else unit.upper()]
    last = calendar_spans.back(kind, count, there)
    return in_zone(calendar_spans.joined(calendar_spans.back(kind, count + length - 1, there), last), zone)


def _counted(words: str) -> tuple[str, int, int]:
    """Unit, how many of it lie between the period and now, how many the period holds."""
    if words in ("today", "yesterday"):
        return "day", int(words == "yesterday"), 1
    named = _NAMED.fullmatch(words)
    if named is not None:
        return named[2], int(named[1] == "last"), 1
    counted = _COUNTED.fullmatch(words)
    if counted is None:
        raise ValueError("none of the forms" if words else "it is empty")
    if int(counted[1]) == 0:
        raise ValueError("it has no length")
    return counted[2], 1, int(counted[1])


def _odd_minutes(now: datetime, zone: ZoneInfo) -> int:
    """How far the hours of a zone's clocks begin from those of UTC."""
    ahead = wall(micros(now), zone).utcoffset() or timedelta(0)
    return -(ahead // timedelta(microseconds=1)) % HOUR


def _point(found: re.Match[str], zone: ZoneInfo) -> Period:
    year = int(found["year"])
    if found["quarter"]:
        return in_zone(calendar_spans.quarter(year, int(found["quarter"])), zone)
    if found["half"]:
        return in_zone(calendar_spans.half(year, int(found["half"])), zone)
    if found["week"]:
        return in_zone(calendar_spans.week(year, int(found["week"])), zone)
    if not found["month"]:
        return in_zone(calendar_spans.year(year), zone)
    if not found["day"]:
        return in_zone(calendar_spans.month(year, int(found["month"])), zone)
    day = calendar_spans.day(year, int(found["month"]), int(found["day"]))
    return _time(found, day, zone) if found["time"] else in_zone(day, zone)


def _time(found: re.Match[str], day: Span, zone: ZoneInfo) -> Period:
    """An hour, minute, second or microsecond of a day."""
    start = day.start.replace(hour=int(found["hour"]), minute=int(found["minute"] or 0), second=int(found["second"] or 0))
    fraction = found["fraction"]
    length = HOUR
    if fraction:
        start = start.replace(microsecond=int(fraction.ljust(6, "0")))
        length = 10 ** (6 - len(fraction))
    elif found["minute"]:
        length = SECOND if found["second"] else 60 * SECOND
    if found["offset"]:
        return in_zone(Span(Unit.RANGE, start, start + timedelta(microseconds=length), _offset(found["offset"])), zone)
    if length == HOUR:
        return in_zone(calendar_spans.hour(day, start.hour), zone)
    first = first_moment(start, zone)
    if wall(first, zone).replace(tzinfo=None) != start:
        raise ValueError(f"no clock in {zone.key} ever showed it")
    return Period(first, first + length)


def _offset(text: str) -> timedelta:
    digits = text[1:].replace(":", "").ljust(6, "0")
    ahead = timedelta(hours=int(digits[:2]), minutes=int(digits[2:4]), seconds=int(digits[4:]))
    if ahead >= timedelta(days=1):
        raise ValueError("no place is that far from UTC")
    return -ahead if text.startswith("-") else ahead


def written(period: Period, zone: ZoneInfo) -> str:
    """The shortest usual form of a period, which `parse` reads back as the same one in that zone."""
    first, last = _around(period.start, zone), _around(period.end - 1, zone)
    for text, usual in zip(first, _USUAL, strict=True):
        if 0.4 < (period.end - period.start) / usual < 2.1 and _read(text, zone) == period:
            return text
    begins = [text if _begins(text, period.start, zone) else None for text in first]
    ends = [text if _ends(text, period.end, zone) else None for text in last]
    for place in _ALIKE:
        if begins[place] and ends[place]:
            return f"{begins[place]}..{ends[place]}"
    begin = "" if period.start == EARLIEST else next(filter(None, begins[_DAY:]))
    end = "" if period.end == LATEST else next(filter(None, ends[_DAY:]))
    return f"{begin}..{end}"


_USUAL = (
    *(days * 24 * HOUR for days in (365, 182, 91, 30, 7, 1)),
    *(length for length in (HOUR, 60 * SECOND, SECOND, 1) for _ in range(2)),
)
"""How long the periods of each form are, nearly: an hour may last two, a month of a zone that skipped a day is shorter."""

_DAY = 5
_ALIKE = (0, 3, _DAY)
"""Where years, months and days stand among the forms: the units that a range is written in."""


def _around(at: int, zone: ZoneInfo) -> list[str]:
    """Every form around a moment, the coarsest first."""
    there = wall(at, zone)
    year, (iso_year, iso_week, _) = there.year, there.isocalendar()
    quarter = (there.month + 2) // 3
    day, offset = f"{there:%Y-%m-%d}", there.isoformat(timespec="microseconds")[26:]
    out = [
        f"{year}",
        f"{year}-H{(quarter + 1) // 2}",
        f"{year}-Q{quarter}",
        f"{year}-{there.month:02}",
        f"{iso_year}-W{iso_week:02}",
        day,
    ]
    for time in (f"{there:%H}", f"{there:%H:%M}", f"{there:%H:%M:%S}", f"{there:%H:%M:%S.%f}"):
        out += [f"{day}T{time}", f"{day}T{time}{offset}"]
    return out


def _read(text: str, zone: ZoneInfo) -> Period | None:
    """A form's period in a zone, None where it has none there."""
    found = _POINT.fullmatch(text.lower())
    try:
        return None if found is None else _point(found, zone)
    except (ValueError, OverflowError):
        return None


def _begins(text: str, at: int, zone: ZoneInfo) -> bool:
    found = _read(text, zone)
    return found is not None and found.start == at


def _ends(text: str, at: int, zone: ZoneInfo) -> bool:
    found = _read(text, zone)
    return found is not None and found.end == at
