"""Which moments a schedule means, one class for each way of saying it.

    Interval    every so many minutes of real time, beginning anew at, or so long after, each local midnight
    Calendar    certain days at certain times on the wall
    Cron        five fields, as Debian's cron reads them
    OnRequest   never by the clock

An interval is never exceeded: on the day of 25 hours an hourly job runs 25 times, and where the clock is moved by half an hour
it keeps to the old minutes until then. Times on the wall come once a day, whatever the clock does (see `wall_clock`). In
cron's grammar a star in the hour's or minute's field follows the wall (a missing hour is missed), fixed times come once.
"""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from cronsim import CronSim
from msgspec import Struct

from policies.scheduling.wall_clock import MIDNIGHT, first_change, moment_of, shown

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
EVERY_DAY = frozenset(range(7))
WORKING_DAYS = frozenset(range(5))
MONTHS = tuple(range(1, 13))
QUARTER_BEGINS, QUARTER_ENDS = (1, 4, 7, 10), (3, 6, 9, 12)
LAST = 31
"""As a day of the month: a month that is shorter means its last day."""

_A_DAY = timedelta(days=1)
_AN_HOUR = timedelta(hours=1)
_A_MINUTE = timedelta(minutes=1)


class Rule(Protocol):
    """A way of saying when. `str` gives what a person would write: it is read back as an equal rule."""

    def next_after(self, moment: datetime, zone: ZoneInfo) -> datetime:
        """The first moment that is meant, in UTC, strictly later than `moment`."""
        ...


NEVER = datetime(9000, 1, 1, tzinfo=UTC)
"""The due time of what is never due by the clock."""


class OnRequest(Struct, frozen=True):
    """Never by the clock: only where it is asked for, as after a backup."""

    def next_after(self, moment: datetime, zone: ZoneInfo) -> datetime:
        return NEVER if moment < NEVER else moment + _A_DAY

    def __str__(self) -> str:
        return "never"


class Interval(Struct, frozen=True):
    """every: at most twelve hours · offset: from each local midnight to the first; less than `every`. Whole minutes."""

    every: timedelta
    offset: timedelta = timedelta()

    def next_after(self, moment: datetime, zone: ZoneInfo) -> datetime:
        # from the day before: where a clock is set back over midnight, a date comes twice
        day = moment.astimezone(zone).date() - _A_DAY
        while True:
            first, end = (moment_of(each, MIDNIGHT, zone) + self.offset for each in (day, day + _A_DAY))
            passed = 0 if moment < first else (moment - first) // self.every + 1
            found = first + passed * self.every
            if found < end:
                return found
            day += _A_DAY

    def __str__(self) -> str:
        size, unit = (_A_MINUTE, "minute") if self.every % _AN_HOUR else (_AN_HOUR, "hour")
        length = unit if self.every == size else f"{self.every // size} {unit}s"
        return f"{length} at :{self.offset // _A_MINUTE:02}" if self.offset else length


class Weekdays(Struct, frozen=True):
    """Days of the week; Monday is 0."""

    days: frozenset[int]

    def has(self, day: date) -> bool:
        """Whether that day is one of them."""
        return day.weekday() in self.days

    def __str__(self) -> str:
        if self.days == EVERY_DAY:
            return "day"
        return "weekday" if self.days == WORKING_DAYS else f"week on {', '.join(WEEKDAYS[day] for day in sorted(self.days))}"


class Dates(Struct, frozen=True):
    """Days of certain months. A day that a month does not have means its last one: nothing is missed in February."""

    months: tuple[int, ...]
    days: tuple[int, ...]

    def has(self, day: date) -> bool:
        """Whether that day is one of them."""
        if day.month not in self.months:
            return False
        return day.day in self.days or (day.day == _length(day) and max(self.days) > day.day)

    def __str__(self) -> str:
        days = ", ".join("last" if day == LAST else str(day) for day in self.days)
        if self.months == MONTHS:
            return f"month on {days}"
        if self.months in (QUARTER_BEGINS, QUARTER_ENDS):
            return f"quarter on {days}"
        return f"year on {self.months[0]:02}-{self.days[0]:02}"


class Calendar(Struct, frozen=True):
    """Certain days, each at certain times on the wall, sorted."""

    days: Weekdays | Dates
    times: tuple[time, ...]

    def next_after(self, moment: datetime, zone: ZoneInfo) -> datetime:
        # from the day before: a gap may carry its last time over midnight
        day = moment.astimezone(zone).date() - _A_DAY
        while True:
            if self.days.has(day):
                for at in self.times:
                    found = moment_of(day, at, zone)
                    if found > moment:
                        return found
            day += _A_DAY

    def __str__(self) -> str:
        return f"{self.days} at {', '.join(f'{at:%H:%M}' for at in self.times)}"


class Cron(Struct, frozen=True):
    """Five fields; one that was read by `forms` comes due at some time."""

    expression: str

    def next_after(self, moment: datetime, zone: ZoneInfo) -> datetime:
        # cronsim is asked for times on the wall only: by itself it misses some where a clock is moved by half an hour
        minutes, hours = self.expression.split()[:2]
        if minutes.startswith("*") or hours.startswith("*"):
            return self._as_the_wall_shows(moment, zone)
        walls = CronSim(self.expression, shown(moment, zone))
        return next(found for wall in walls if (found := moment_of(wall.date(), wall.time(), zone)) > moment)

    def _as_the_wall_shows(self, moment: datetime, zone: ZoneInfo) -> datetime:
        start = since = moment
        while True:
            ahead = shown(since, zone) - since.replace(tzinfo=None)
            found = (next(CronSim(self.expression, start.replace(tzinfo=None) + ahead)) - ahead).replace(tzinfo=UTC)
            moved = first_change(since, found, zone)
            if moved is None:
                return found
            start, since = moved - timedelta(seconds=1), moved  # the moment of the change may itself be due

    def __str__(self) -> str:
        return self.expression


def _length(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]
