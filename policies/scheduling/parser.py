"""What people write for a schedule, read into a value that knows its moments.

    every = "hour" | "hour at :05" | "15 minutes" | "2 hours at :30"
            "day at 02:30" | "day at 09:00, 18:00" | "weekday at 20:00" | "monday, thursday at 06:00"
            "week on sunday at 04:00" | "month on 1, 15 at 03:00" | "month on last" | "quarter" | "year" | "year on 04-01"
    cron  = "5 * * * *"

Without a time it is midnight; without a day, a week's Monday and the first of a month, a quarter or a year. Whatever is printed
reads back as the same schedule.
"""

from __future__ import annotations

import difflib
import re
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSimError
from msgspec import Struct

from policies.scheduling.rules import (
    EVERY_DAY,
    LAST,
    MONTHS,
    QUARTER_BEGINS,
    QUARTER_ENDS,
    WEEKDAYS,
    WORKING_DAYS,
    Calendar,
    Cron,
    Dates,
    Interval,
    OnRequest,
    Weekdays,
)
from policies.scheduling.wall_clock import MIDNIGHT
from vault.errors import SettingsError

LONGEST_INTERVAL = timedelta(hours=12)
FIVE_FIELDS = 5

_EXAMPLES = (
    "'hour at :05', '15 minutes', 'day at 02:30', 'week on sunday at 04:00', 'month on last at 03:00', 'quarter', 'year'"
)
_UNITS = ("minute", "hour", "day", "weekday", "week", "month", "quarter", "year")
_MEANT = {
    "hourly": "hour", "daily": "day", "nightly": "day at 02:30", "night": "day at 02:30", "midnight": "day at 00:00",
    "noon": "day at 12:00", "weekly": "week", "weekend": "saturday, sunday", "monthly": "month", "quarterly": "quarter",
    "yearly": "year", "annually": "year",
}  # fmt: skip
_INTERVAL = re.compile(r"(?:([0-9]{1,4}) ?)?(minute|hour)s?\Z")
_TIME = re.compile(r"([0-9]{1,2}):([0-9]{2})\Z")
_BACKWARDS = tuple(timedelta(minutes=minutes) for minutes in (2, 60, 1_440, 12_000, 46_000, 530_000, 5_000_000, 25_000_000))
"""How far to look for the last moment that has passed: a little beyond the hour, day, week, month, year, and leap years."""


class Schedule(Struct, frozen=True):
    """When something is due, in a named time zone. Moments are aware and in UTC; arguments may be of any zone."""

    rule: Interval | Calendar | Cron | OnRequest
    zone: ZoneInfo

    def next_after(self, moment: datetime) -> datetime:
        """The first due moment that is strictly later."""
        return self.rule.next_after(moment.astimezone(UTC), self.zone)

    def due_between(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """Every due moment later than `start` and not later than `end`, in order."""
        moment = self.next_after(start)
        while moment <= end:
            yield moment
            moment = self.next_after(moment)

    def last_until(self, moment: datetime) -> datetime | None:
        """The last due moment that is not later; None where there was none in half a lifetime."""
        for span in _BACKWARDS:
            found = deque(self.due_between(moment - span, moment), maxlen=1)
            if found:
                return found[0]
        return None

    def as_settings(self) -> dict[str, str]:
        """As a settings file has it: `read(**this, zone=zone)` gives an equal schedule."""
        return {"cron" if isinstance(self.rule, Cron) else "every": str(self.rule)}

    def __str__(self) -> str:
        return "".join(f'{key} = "{text}"' for key, text in self.as_settings().items())


def read(*, every: str | None = None, cron: str | None = None, zone: ZoneInfo) -> Schedule:
    """A schedule from its settings, one of the two. Raises `SettingsError`."""
    if (every is None) == (cron is None):
        raise SettingsError("a schedule needs either `every` or `cron`", hint=f"write every = one of {_EXAMPLES}")
    return Schedule(_read_every(every) if every is not None else _read_cron(cron or "", zone), zone)


def on_request(zone: ZoneInfo) -> Schedule:
    """The schedule of what is never due by the clock."""
    return Schedule(OnRequest(), zone)


def read_span(text: str) -> timedelta:
    """A length such as '15 minutes' or '2 hours'. Raises `SettingsError`."""
    found = _INTERVAL.match(_plain(text))
    if found is None or not int(found[1] or 1):
        raise SettingsError(f"invalid duration {text!r}", hint="write '15 minutes' or '2 hours'")
    return timedelta(**{f"{found[2]}s": int(found[1] or 1)})


def read_time(text: str) -> time | None:
    """A time on the wall such as 02:30; None where it is none."""
    found = _TIME.match(text)
    if found is None or int(found[1]) > 23 or int(found[2]) > 59:
        return None
    return time(int(found[1]), int(found[2]))


def _read_every(written: str) -> Interval | Calendar:
    text = _plain(written).removeprefix("every ")
    head, _, at = text.partition(" at ")
    if _INTERVAL.match(head):
        return _interval(written, head, at)
    unit, _, on = head.partition(" on ")
    return Calendar(_days(written, unit, on), _times(written, at))


def _interval(written: str, head: str, at: str) -> Interval:
    every = read_span(head)
    if every > LONGEST_INTERVAL:
        raise _not_one(
            written, "an interval is at most 12 hours", hint="count days by name: every = 'day', 'monday, thursday', or cron"
        )
    if not at:
        return Interval(every)
    offset = re.fullmatch(r":([0-9]{2})", at)
    if offset is None:
        raise _not_one(written, f"an interval begins at minutes, not at {at!r}", hint="write 'hour at :05', or 'day at 02:30'")
    minutes = timedelta(minutes=int(offset[1]))
    if int(offset[1]) > 59 or minutes >= every:
        raise _not_one(
            written, f"{at} is not within {head}", hint="the minutes after 'at' are fewer than the interval's, and than 60"
        )
    return Interval(every, minutes)


def _days(written: str, unit: str, on: str) -> Weekdays | Dates:
    parts = _parts(on)
    if unit == "week":
        return Weekdays(frozenset(_weekday(written, part) for part in parts or ["monday"]))
    if unit == "month":
        return Dates(MONTHS, _month_days(written, parts or ["1"]))
    if unit == "quarter":
        days = _month_days(written, parts or ["1"])
        if LAST in days and len(days) > 1:
            raise _not_one(written, "a quarter's last day stands alone", hint="write two schedules, or 'month on last'")
        return Dates(QUARTER_ENDS if LAST in days else QUARTER_BEGINS, days)
    if unit == "year":
        return _year_day(written, on)
    if parts:
        raise _not_one(written, f"{unit!r} has no 'on'", hint="write 'week on sunday', 'month on 1' or 'year on 04-01'")
    if unit in ("day", "weekday", "weekdays"):
        return Weekdays(EVERY_DAY if unit == "day" else WORKING_DAYS)
    return Weekdays(frozenset(_weekday(written, part) for part in _parts(unit) or [unit]))


def _month_days(written: str, parts: list[str]) -> tuple[int, ...]:
    days = set()
    for part in parts:
        if part != "last" and not (part.isascii() and part.isdigit() and 1 <= int(part) <= LAST):
            raise _not_one(
                written, f"{part!r} is not a day of a month", hint="write 1 to 31, or last; 31 is the last of a shorter month"
            )
        days.add(LAST if part == "last" else int(part))
    return tuple(sorted(days))


def _year_day(written: str, on: str) -> Dates:
    try:
        day = datetime.strptime(f"2024-{on or '01-01'}", "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise _not_one(written, f"{on!r} is not a day of a year", hint="write month and day: 'year on 04-01'") from error
    return Dates((day.month,), (day.day,))


def _weekday(written: str, word: str) -> int:
    for number, name in enumerate(WEEKDAYS):
        if word in (name, name[:3]):
            return number
    meant = next((_MEANT[known] for known in difflib.get_close_matches(word, _MEANT, n=1, cutoff=0.8)), None)
    close = difflib.get_close_matches(word, (*WEEKDAYS, *_UNITS), n=1)
    if meant or close:
        raise _not_one(written, f"{word!r} is not known", hint=f"did you mean {meant or close[0]!r}?")
    raise _not_one(written, f"{word!r} is not known", hint=f"write one of {_EXAMPLES}, or cron")


def _times(written: str, at: str) -> tuple[time, ...]:
    times = set()
    for part in _parts(at):
        found = read_time(part)
        if found is None:
            raise _not_one(written, f"{part!r} is not a time of day", hint="write hours and minutes: 'day at 02:30'")
        times.add(found)
    return tuple(sorted(times)) or (MIDNIGHT,)


def _read_cron(written: str, zone: ZoneInfo) -> Cron:
    rule = Cron(" ".join(written.split()))
    if len(rule.expression.split()) != FIVE_FIELDS:
        raise _not_one(
            written, "cron has five fields", hint="minute, hour, day of month, month, day of week: cron = '30 2 * * *'"
        )
    try:
        rule.next_after(datetime(2000, 1, 1, tzinfo=UTC), zone)
    except CronSimError as error:
        raise _not_one(written, str(error).lower(), hint="minute, hour, day of month, month, day of week") from error
    except StopIteration as error:
        raise _not_one(written, "it never comes due", hint="no month has that day") from error
    return rule


def _plain(text: str) -> str:
    return " ".join(text.lower().replace(",", ", ").split())


def _parts(text: str) -> list[str]:
    return [part for part in (one.strip() for one in text.replace(" and ", ", ").split(",")) if part]


def _not_one(written: str, what: str, *, hint: str) -> SettingsError:
    return SettingsError(f"invalid schedule {written!r}: {what}", hint=hint)
