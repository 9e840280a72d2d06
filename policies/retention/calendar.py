"""The hours, days, weeks, … of a time zone that moments fall into; each has a label, which is what people call it.

Weeks are ISO's. The hour that comes twice when clocks are set back is two hours, told apart by a word in the label.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from policies.retention.calendar_span import EARLIEST

_LATEST = datetime(9999, 12, 30, tzinfo=UTC)


def local(moment: datetime, zone: ZoneInfo) -> datetime:
    """The moment on that zone's wall clock; at the ends of the calendar, the last one that every zone has."""
    return (moment if EARLIEST < moment < _LATEST else min(max(moment, EARLIEST), _LATEST)).astimezone(zone)


def shown(moment: datetime, zone: ZoneInfo) -> str:
    """For people: 2024-05-17 14:05."""
    return f"{local(moment, zone):%Y-%m-%d %H:%M}"


def _hour(wall: datetime) -> str:
    return f"{_day(wall)} {wall.hour:02}h{' (again)' * wall.fold}"


def _day(wall: datetime) -> str:
    return f"{wall.year:04}-{wall.month:02}-{wall.day:02}"


def _week(wall: datetime) -> str:
    year, week, _ = wall.isocalendar()
    return f"{year:04}-W{week:02}"


def _month(wall: datetime) -> str:
    return f"{wall.year:04}-{wall.month:02}"


def _quarter(wall: datetime) -> str:
    return f"{wall.year:04}-Q{(wall.month + 2) // 3}"


def _year(wall: datetime) -> str:
    return f"{wall.year:04}"


BUCKETS: Final[dict[str, Callable[[datetime], str]]] = {
    "hourly": _hour,
    "daily": _day,
    "weekly": _week,
    "monthly": _month,
    "quarterly": _quarter,
    "yearly": _year,
}
"""The rules that keep one snapshot of each bucket, and the bucket's label from a wall-clock time."""

UNITS: Final[dict[str, str]] = {
    "last": "snapshot",
    "hourly": "hour",
    "daily": "day",
    "weekly": "week",
    "monthly": "month",
    "quarterly": "quarter",
    "yearly": "year",
}
"""What each rule counts, one of them."""
