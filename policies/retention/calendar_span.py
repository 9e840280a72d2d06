"""A length of time as people write it, counted back on the calendar of the project's time zone.

Years, quarters, months, weeks and days are counted on the wall calendar, hours by the clock. Nothing is ever over early:

- a day that a month lacks becomes the end of that month: what is of 29 February 2024 is one year old on 1 March 2025;
- where a clock change makes a time ambiguous or leaves it out, the earlier moment is meant.
"""

from __future__ import annotations

import difflib
import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from vault.errors import SettingsError

_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_LENGTHS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}
UNITS = (*_LENGTHS, *_MONTHS)

LARGEST = 100_000
"""Of any unit; more is a slip of the pen."""

EARLIEST = datetime(1, 1, 2, tzinfo=UTC)
"""Where the calendar ends: whatever lies further back. A day is left, so that every zone can say it."""

_TEXT = re.compile(r"\s*(\d{1,9})\s*([a-z]+)\s*\Z", re.IGNORECASE)


class CalendarSpan(Struct, frozen=True):
    """So many of a unit. count: 0 for no time at all · unit: one of `UNITS`."""

    count: int
    unit: str

    @classmethod
    def parse(cls, text: str) -> CalendarSpan:
        """From "90 days" or "7 years". Raises `SettingsError`, with the nearest unit."""
        match = _TEXT.match(text)
        if match is None:
            raise SettingsError(f"invalid duration {text!r}", hint="write a number and a unit, such as '90 days'")
        count, word = int(match[1]), match[2].lower()
        unit = word if word in UNITS else word.removesuffix("s")
        if unit not in UNITS:
            close = difflib.get_close_matches(unit, UNITS, n=1)
            hint = f"did you mean {str(cls(count, close[0]))!r}?" if close else f"there are: {', '.join(UNITS)}"
            raise SettingsError(f"unknown unit of time {match[2]!r}", hint=hint)
        if count > LARGEST:
            raise SettingsError(f"{text!r} is longer than {LARGEST} {unit}s", hint="for no end write 'forever'")
        return cls(count, unit)

    def __str__(self) -> str:
        return f"{self.count} {self.unit}" if self.count == 1 else f"{self.count} {self.unit}s"

    def before(self, now: datetime, zone: ZoneInfo) -> datetime:
        """The moment (in UTC) that lies this long before `now`: what is of an *earlier* moment has outlived the span."""
        try:
            if self.unit == "hour":
                return max(now.astimezone(UTC) - self.count * _LENGTHS["hour"], EARLIEST)
            wall = now.astimezone(zone).replace(tzinfo=None)
            if self.unit in _LENGTHS:
                wall -= self.count * _LENGTHS[self.unit]
            else:
                wall = _months_earlier(wall, self.count * _MONTHS[self.unit])
            return max(min(wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)), EARLIEST)
        except OverflowError:
            return EARLIEST


def _months_earlier(wall: datetime, months: int) -> datetime:
    year, month = divmod(wall.year * 12 + wall.month - 1 - months, 12)
    if year < 1:
        raise OverflowError("before the first year")
    try:
        return wall.replace(year=year, month=month + 1)
    except ValueError:  # that month is shorter; it is not December
        return wall.replace(year=year, month=month + 2, day=1, hour=0, minute=0, second=0, microsecond=0)
