"""Periods: half-open spans of moments, as manifests keep them.

A calendar day is not 24 hours long everywhere: `in_zone` asks a named time zone when clocks there showed the ends of a span.
Spans that touch on the calendar touch as moments too, whatever the clocks did meanwhile, so the months of a quarter make up the
quarter and share nothing.

    a night in autumn    clocks show 03:00 to 04:00 twice: that hour lasts two, an offset tells the two apart
    a night in spring    no clock shows 03:00 to 04:00: that hour is no period at all
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from classify.calendar_spans import Span

_EPOCH = datetime.combine(date(1970, 1, 1), time())
_AWARE_EPOCH = _EPOCH.replace(tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
SECOND = 1_000_000
HOUR = 3600 * SECOND

EARLIEST = (date(1000, 1, 3) - _EPOCH.date()) // _MICROSECOND
LATEST = (date(9999, 12, 30) - _EPOCH.date()) // _MICROSECOND
"""No period reaches beyond these, so that its ends are dates in every time zone. Open periods end here."""


class Period(Struct, frozen=True, order=True):
    """From `start` up to, without, `end`: microseconds since 1970, UTC. It is never empty."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not EARLIEST <= self.start < self.end <= LATEST:
            raise ValueError("a period ends after it begins, between the years 1000 and 9999")

    @classmethod
    def between(cls, start: datetime, end: datetime) -> Period:
        """From one aware moment to another."""
        return cls(micros(start), micros(end))

    def moments(self) -> tuple[datetime, datetime]:
        """Both ends, aware, in UTC."""
        return moment(self.start), moment(self.end)

    def overlaps(self, other: Period) -> bool:
        """Whether they share a moment."""
        return self.start < other.end and other.start < self.end

    def within(self, other: Period) -> bool:
        """Whether nothing of this one lies outside of the other."""
        return other.start <= self.start and self.end <= other.end


EVER = Period(EARLIEST, LATEST)


def union(periods: Iterable[Period]) -> list[Period]:
    """The fewest periods that cover the same moments, in order."""
    out: list[Period] = []
    for one in sorted(periods):
        if out and one.start <= out[-1].end:
            out[-1] = Period(out[-1].start, max(out[-1].end, one.end))
        else:
            out.append(one)
    return out


def micros(at: datetime) -> int:
    """An aware moment as microseconds since 1970."""
    return (at - _AWARE_EPOCH) // _MICROSECOND


def moment(at: int) -> datetime:
    """Microseconds since 1970 as an aware moment in UTC."""
    return _AWARE_EPOCH + timedelta(microseconds=at)


def in_zone(span: Span, zone: ZoneInfo) -> Period:
    """A span of the wall calendar as it came to pass in a zone. Raises ValueError where clocks there left all of it out."""
    if span.ahead is not None:
        return Period((span.start - span.ahead - _EPOCH) // _MICROSECOND, (span.end - span.ahead - _EPOCH) // _MICROSECOND)
    start, end = first_moment(span.start, zone), first_moment(span.end, zone)
    if start == end:
        raise ValueError(f"no clock in {zone.key} ever showed it")
    return Period(start, end)


def first_moment(local: datetime, zone: ZoneInfo) -> int:
    """When clocks in a zone first showed this, or, where they skipped it, anything later."""
    there = local.replace(tzinfo=zone)
    ahead = there.utcoffset() or timedelta(0)
    ahead_later = there.replace(fold=1).utcoffset() or timedelta(0)
    at = local - _EPOCH
    if ahead >= ahead_later:  # an ordinary time, or the first of two
        return (at - ahead) // _MICROSECOND
    low, high = (at - ahead_later) // _MICROSECOND // SECOND, (at - ahead) // _MICROSECOND // SECOND
    seconds = bisect_left(range(low, high), local, key=lambda at: wall(at * SECOND, zone).replace(tzinfo=None))
    return (low + seconds) * SECOND


def wall(at: int, zone: ZoneInfo) -> datetime:
    """What clocks in a zone show at a moment, aware."""
    return moment(at).astimezone(zone)
