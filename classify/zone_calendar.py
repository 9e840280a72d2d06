"""Spans of one time zone as periods, quickly: for the many paths of a backup.

Asking a zone takes two microseconds a moment. On a day of 24 hours, which most are, its midnight tells all hours.
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from classify import calendar_spans
from classify.calendar_spans import Span, Unit
from classify.period import HOUR, Period, first_moment, in_zone

_REMEMBERED = 1 << 16


class ZoneCalendar:
    """`classify.period.in_zone` for one zone, with a memory."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._midnights: dict[int, int | None] = {}
        self._periods: dict[Span, Period] = {}
        self._last: tuple[Span | None, Period] = None, Period(0, 1)

    def period(self, span: Span) -> Period:
        """Raises ValueError where clocks left all of the span out."""
        if span.unit is Unit.HOUR and span.ahead is None:
            midnight = self._ordinary_midnight(span.start)
            if midnight is not None:
                start = midnight + span.start.hour * HOUR
                return Period(start, start + HOUR)
        last, period = self._last
        if span is last:  # neighbours in a folder often speak of one day, and to hash that takes longer than to know it
            return period
        found = self._periods.get(span)
        if found is None:
            if len(self._periods) >= _REMEMBERED:
                self._periods.clear()
            found = self._periods[span] = in_zone(span, self._zone)
        self._last = span, found
        return found

    def _ordinary_midnight(self, start: datetime) -> int | None:
        """When the day of a wall clock's time begins, if it is one of 24 hours."""
        ordinal = start.toordinal()
        if ordinal not in self._midnights:
            day = calendar_spans.day(start.year, start.month, start.day)
            midnight = first_moment(day.start, self._zone)
            ordinary = first_moment(day.end, self._zone) - midnight == 24 * HOUR
            self._midnights[ordinal] = midnight if ordinary else None
        return self._midnights[ordinal]
