"""What is usual for a source, out of what its snapshots of the last weeks did.

    by the hour   the same weekday at about the same time; at that time on any day, or at any time, while there are too few
    by the day    whole days of the same weekday, or all days while there are too few

Usual is what happened on two days at least: once is an accident. What was flagged counts only
once a person has accepted it, and no more than anything else: one accepted deletion does not excuse the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from vault.format.changes import Changes

WEEKS = timedelta(weeks=5)
"""How far back is looked."""

LEARNING = timedelta(days=14)
"""For so long nothing is called usual or unusual of a new source: each weekday came twice then."""

_ABOUT = timedelta(minutes=90)
DAY, WEEK = timedelta(days=1), timedelta(days=7)
_FEWEST_DAYS = 2

Measure = Callable[[Changes], int]
"""A number of files."""


class PastSnapshot(Struct, frozen=True):
    """What one snapshot did. accepted: it was flagged, and a person accepted it · flagged: it was, and nobody has."""

    taken_at: datetime
    changes: Changes
    accepted: bool = False
    flagged: bool = False


class Baseline(Struct, frozen=True):
    """past: the snapshots of a source, by time · now: when the new one was taken · zone: of its days."""

    past: Sequence[PastSnapshot]
    now: datetime
    zone: ZoneInfo

    def by_hour(self, measure: Measure) -> int:
        """What one snapshot at this time usually does."""
        then = self._wall(self.now)
        whole = [(self._wall(one.taken_at), one) for one in self._known()]
        about = [(wall, one) for wall, one in whole if _apart(wall, then) <= _ABOUT]
        for chosen in ([(wall, one) for wall, one in about if wall.weekday() == then.weekday()], about):
            if len({wall.date() for wall, _ in chosen}) >= _FEWEST_DAYS:
                return _usual((wall.date(), measure(one.changes), one.accepted) for wall, one in chosen)
        return _usual((wall.date(), measure(one.changes), one.accepted) for wall, one in whole)

    def by_day(self, measure: Measure) -> int:
        """What all snapshots of such a day usually do together."""
        today = self._wall(self.now).date()
        days: dict[date, tuple[int, bool]] = {}
        for one in self._known():
            day = self._wall(one.taken_at).date()
            count, accepted = days.get(day, (0, False))
            days[day] = count + measure(one.changes), accepted or one.accepted
        days.pop(today, None)
        alike = {day: found for day, found in days.items() if day.weekday() == today.weekday()}
        chosen = alike if len(alike) >= _FEWEST_DAYS else days
        return _usual((day, count, accepted) for day, (count, accepted) in chosen.items())

    def _known(self) -> list[PastSnapshot]:
        return [one for one in self.past if not one.flagged and self.now - WEEKS <= one.taken_at < self.now]

    def _wall(self, moment: datetime) -> datetime:
        return moment.astimezone(self.zone).replace(tzinfo=None)


def lately(past: Iterable[PastSnapshot], now: PastSnapshot, span: timedelta) -> list[PastSnapshot]:
    """The snapshots of so long before the new one, with it; what stands before a flagged one was told with it."""
    recent: list[PastSnapshot] = []
    for one in past:
        if one.flagged or one.accepted:
            recent = []
        elif now.taken_at - span < one.taken_at < now.taken_at:
            recent.append(one)
    return [*recent, now]


def _usual(found: Iterable[tuple[date, int, bool]]) -> int:
    """The largest number that was reached on two days."""
    days: dict[date, tuple[int, bool]] = {}
    for day, count, accepted in found:
        days[day] = max(days.get(day, (0, False)), (count, accepted))
    counts = sorted((count for count, _ in days.values()), reverse=True)
    return counts[1] if len(counts) > 1 else 0


def _apart(one: datetime, other: datetime) -> timedelta:
    """How far two times of day are from each other, over midnight too."""
    apart = abs(timedelta(hours=one.hour - other.hour, minutes=one.minute - other.minute))
    return min(apart, DAY - apart)
