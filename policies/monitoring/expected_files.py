"""Which reports should have appeared by now, and did not.

    every = "hour", grace = "30 minutes"     each hour of the project's time zone has an item that is about it, half an hour
                                             after its end at the latest

An item stands for the hour, day, … that it is about, if it is about nothing longer: the summary of a year is not its 365 daily
reports. Where its days, weeks, … are not the calendar's (weeks that begin on Sunday, a shift from eight to eight), it stands
for the one that holds its middle, and for no other. One that the source had once and has no longer did appear. Where a report
is a row of a table, its column of times says which hours have one: `absent`. Who begins to expect something is not told of the
time before the first item; and nobody is told of what is missing for longer than a few weeks of hours, or sixty days, weeks, ….
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from msgspec import Struct

from policies.retention.calendar import BUCKETS, local

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = ["path", "type", "period_start", "period_end"]
"""Of a manifest: what `missing` reads."""

_AN_HOUR, _A_DAY = timedelta(hours=1), timedelta(days=1)
_MOMENT, _A_SECOND = timedelta(microseconds=1), timedelta(seconds=1)


class _Unit(Struct, frozen=True):
    """bucket: of the calendar · longest: that one of them lasts · back: how far is looked · step: how often, at least once in
    each. Some zones are moved by half an hour, or by a quarter of one from UTC."""

    bucket: str
    longest: timedelta
    back: timedelta
    step: timedelta


_UNITS = {
    "hour": _Unit("hourly", 2 * _AN_HOUR, 14 * _A_DAY, _AN_HOUR / 4),
    "day": _Unit("daily", 25 * _AN_HOUR, 60 * _A_DAY, _AN_HOUR),
    "weekday": _Unit("daily", 25 * _AN_HOUR, 60 * _A_DAY, _AN_HOUR),
    "week": _Unit("weekly", 7 * _A_DAY + _AN_HOUR, 60 * 7 * _A_DAY, 6 * _AN_HOUR),
    "month": _Unit("monthly", 31 * _A_DAY + _AN_HOUR, 60 * 31 * _A_DAY, _A_DAY),
    "quarter": _Unit("quarterly", 92 * _A_DAY + _AN_HOUR, 60 * 92 * _A_DAY, _A_DAY),
    "year": _Unit("yearly", 366 * _A_DAY + _AN_HOUR, 60 * 366 * _A_DAY, _A_DAY),
}


class ExpectedPattern(Struct, frozen=True):
    """pattern: a regular expression (RE2, on bytes) for the paths that count · unit: hour, day, weekday, week, … · grace: how
    long after its end an item may come."""

    pattern: str
    unit: str
    grace: timedelta


def missing(table: pa.Table, expected: ExpectedPattern, since: datetime, now: datetime, zone: ZoneInfo) -> tuple[str, ...]:
    """The labels of what did not appear in time. table: of a manifest, `COLUMNS` · since: from when on items are expected where
    there are none at all."""
    return absent(_periods(table, expected.pattern, _UNITS[expected.unit].longest), expected, since, now, zone)


def looked_back(expected: ExpectedPattern) -> timedelta:
    """How long ago something may have been missing to be named."""
    return _UNITS[expected.unit].back


def absent(
    there: Sequence[tuple[datetime, datetime]],
    expected: ExpectedPattern,
    since: datetime,
    now: datetime,
    zone: ZoneInfo,
    *,
    until: datetime | None = None,
) -> tuple[str, ...]:
    """As `missing`, of the periods that items, or the rows of a table, are about. until: nothing later is expected."""
    unit = _UNITS[expected.unit]
    stood = [one for start, end in there for one in _stands_for(start, end, unit.bucket, zone)]
    begin = max(min((moment for _, moment in stood), default=since), now - unit.back)
    found = {label for label, _ in stood}
    workdays = expected.unit == "weekday"
    end = now - expected.grace if until is None else min(until, now - expected.grace)
    ended = _ended(begin, end, zone, unit)
    return tuple(label for label, wall in ended if label not in found and not (workdays and wall.weekday() > 4))


def _stands_for(start: datetime, end: datetime, bucket: str, zone: ZoneInfo) -> Iterator[tuple[str, datetime]]:
    """The hours, days, … that a period fills, or else the one that holds its middle, each with a moment in it. end: the first
    moment that is not of the period; it is not longer than two of them."""

    def label(moment: datetime) -> str:
        return BUCKETS[bucket](local(moment, zone))

    last = max(start, end - _MOMENT)
    if label(start) == label(last):
        yield label(start), start
        return
    opens, closes = label(start - _MOMENT) != label(start), label(last + _MOMENT) != label(last)
    if opens:
        yield label(start), start
    if closes:
        yield label(last), last
    if not opens and not closes:
        middle = start + (end - start) / 2
        yield label(middle), middle


def _ended(begin: datetime, end: datetime, zone: ZoneInfo, unit: _Unit) -> Iterator[tuple[str, datetime]]:
    """The hours, days, … that hold `begin` or come later, and are over at `end`."""
    label_of = BUCKETS[unit.bucket]
    wall = local(begin, zone)
    moment = begin - timedelta(minutes=wall.minute % 15, seconds=wall.second, microseconds=wall.microsecond)
    if unit.bucket != "hourly":
        moment -= timedelta(hours=wall.hour, minutes=wall.minute // 15 * 15)
    label, wall = label_of(local(begin, zone)), local(begin, zone)
    while moment < end + unit.step:
        new = label_of(local(moment, zone))
        if new != label and moment > begin:
            first = _first_of(new, moment, zone, unit)
            if first > end:
                return
            yield label, wall
            label, wall = new, local(first, zone)
        moment += unit.step


def _first_of(label: str, moment: datetime, zone: ZoneInfo, unit: _Unit) -> datetime:
    """When that hour, day, … began on the zone's clock. moment: the first that was looked at in it; steps drift from midnight
    when clocks change."""
    before, within = moment - unit.step, moment
    while within - before > _A_SECOND:
        middle = before + (within - before) // 2
        if BUCKETS[unit.bucket](local(middle, zone)) == label:
            within = middle
        else:
            before = middle
    return within.replace(microsecond=0)


def _periods(table: pa.Table, pattern: str, longest: timedelta) -> list[tuple[datetime, datetime]]:
    """The periods of the items that count."""
    import pyarrow as pa
    import pyarrow.compute as pc

    lasts = pc.subtract(table["period_end"].cast(pa.int64()), table["period_start"].cast(pa.int64()))
    counts = pc.and_(pc.equal(table["type"], "file"), pc.match_substring_regex(table["path"], pattern.encode()))
    short = pc.less_equal(lasts, longest // _MOMENT * _per_micro(table))
    chosen = table.filter(pc.and_(counts, pc.fill_null(short, fill_value=False)))
    pairs = chosen.select(["period_start", "period_end"]).group_by(["period_start", "period_end"]).aggregate([])
    return list(_aware(pairs["period_start"].to_pylist(), pairs["period_end"].to_pylist()))


def _per_micro(table: pa.Table) -> int:
    """How many of the column's ticks are a microsecond."""
    return {"us": 1, "ns": 1000}[table.schema.field("period_start").type.unit]


def _aware(starts: Iterable[datetime], ends: Iterable[datetime]) -> Iterator[tuple[datetime, datetime]]:
    for start, end in zip(starts, ends, strict=True):
        yield start.astimezone(UTC), end.astimezone(UTC)
