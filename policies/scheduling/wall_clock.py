"""From the clock on the wall to moments: every wall time means one moment, on the two odd nights of a year too.

An hour that is missing: the first moment after the gap. An hour that comes twice: its first coming. What each sort of schedule
makes of such a night is in `rules`: an hourly job runs 25 times.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

MIDNIGHT = time()

_A_DAY, _A_SECOND = timedelta(days=1), timedelta(seconds=1)


@lru_cache(maxsize=1024)  # asked for the same midnights again and again
def moment_of(day: date, at: time, zone: ZoneInfo) -> datetime:
    """The moment, in UTC, of a wall time that names no zone itself."""
    wall = datetime.combine(day, at, tzinfo=zone)
    before, after = wall.utcoffset(), wall.replace(fold=1).utcoffset()
    if before is None or after is None or before >= after:
        return wall.astimezone(UTC)
    # the gap's end lies between the two moments that the wall time would be by the offsets on its two sides
    shown = wall.replace(tzinfo=UTC)
    return _change_within(shown - after, shown - before, zone)


def shown(moment: datetime, zone: ZoneInfo) -> datetime:
    """What a clock on the wall shows, without a zone."""
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def first_change(start: datetime, end: datetime, zone: ZoneInfo) -> datetime | None:
    """When the clock on the wall is first moved, after `start` and not after `end`; None where it is not. Both in UTC."""
    low = start
    while low < end:
        high = min(low + _A_DAY, end)
        if _offset(low, zone) != _offset(high, zone):
            return _change_within(low, high, zone)
        low = high
    return None


def _change_within(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """The first moment with another offset than `low` has, to the second; `high` has another one."""
    low = low.replace(microsecond=0)
    before = _offset(low, zone)
    while high - low > _A_SECOND:
        middle = low + _A_SECOND * ((high - low) // (2 * _A_SECOND))
        if _offset(middle, zone) == before:
            low = middle
        else:
            high = middle
    return low + _A_SECOND


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta | None:
    return moment.astimezone(zone).utcoffset()
