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
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from msgspec import Struct

from policies.retention.calendar import BUCKETS, local

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = ["path", "type", "period_start", "period_end"]
"""Of a manifest: what `missing` reads."""

_AN_HOUR, _A_DAY = timedelta(hours=1), timedelta(days=1)
_MOMENT, _A_SECOND = timedelta(microseconds=1), timedelta(seconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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


class Absence(NamedTuple):
    """An hour, day, … for which nothing came. end: its end, aware."""

    label: str
    end: datetime


def missing(table: pa.Table, expected: ExpectedPattern, since: datetime, now: datetime, zone: ZoneInfo) -> tuple[str, ...]:
    """The labels of what did not appear in time. table: of a manifest, `COLUMNS` · since: from when on items are expected where
    there are none at all."""
    back = now - _UNITS[expected.unit].back
    return tuple(one.label for one in missing_within(table, expected, since, now, zone, (back, now)))


def missing_within(
    table: pa.Table,
    expected: ExpectedPattern,
    since: datetime,
    now: datetime,
    zone: ZoneInfo,
    window: tuple[datetime, datetime],
) -> tuple[Absence, ...]:
    """As `missing`, of the hours, days, … that end within a window, however long ago that is, with the one that holds its
    start."""
    unit = _UNITS[expected.unit]
    rows = _periods(table, expected.pattern, unit.longest)
    first = min((moment for _, moment in _stood(rows.earliest(unit.longest), unit, zone)), default=since)
    begin, end = max(first, window[0]), min(window[1], now - expected.grace)
    if begin > end:
        return ()
    found = {label for label, _ in _stood(rows.between(begin - 2 * unit.longest, end + 2 * unit.longest), unit, zone)}
    return tuple(_absences(found, expected, (begin, end), zone))


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
    """As `missing`, of the periods that the rows of a table are about. until: nothing later is expected."""
    unit = _UNITS[expected.unit]
    stood = _stood(there, unit, zone)
    begin = max(min((moment for _, moment in stood), default=since), now - unit.back)
    end = now - expected.grace if until is None else min(until, now - expected.grace)
    return tuple(one.label for one in _absences({label for label, _ in stood}, expected, (begin, end), zone))


def _absences(
    found: set[str], expected: ExpectedPattern, window: tuple[datetime, datetime], zone: ZoneInfo
) -> Iterator[Absence]:
    workdays = expected.unit == "weekday"
    for label, wall, end in _ended(*window, zone, _UNITS[expected.unit]):
        if label not in found and not (workdays and wall.weekday() > 4):
            yield Absence(label, end)


def _stood(there: Iterable[tuple[datetime, datetime]], unit: _Unit, zone: ZoneInfo) -> list[tuple[str, datetime]]:
    return [one for start, end in there for one in _stands_for(start, end, unit.bucket, zone)]


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


def _ended(begin: datetime, end: datetime, zone: ZoneInfo, unit: _Unit) -> Iterator[tuple[str, datetime, datetime]]:
    """The hours, days, … that hold `begin` or come later, and are over at `end`; each with a moment in it on the zone's clock,
    and its end."""
    label_of = BUCKETS[unit.bucket]
    wall = local(begin, zone)
    moment = begin - timedelta(minutes=wall.minute % 15, seconds=wall.second, microseconds=wall.microsecond)
    if unit.bucket != "hourly":
        moment -= timedelta(hours=wall.hour, minutes=wall.minute // 15 * 15)
    label, wall = label_of(local(begin, zone)), local(begin, zone)
    while moment < end + unit.step:
        here = local(moment, zone)
        new = label_of(here)
        if new != label and moment > begin:
            first = _first_of(new, moment, zone, unit)
            if first > end:
                return
            yield label, wall, first
            label, wall = new, here if first == moment else local(first, zone)
        moment += _AN_HOUR if unit.bucket == "hourly" and _is_whole(here, moment, zone) else unit.step


def _is_whole(here: datetime, moment: datetime, zone: ZoneInfo) -> bool:
    """Whether a moment begins an hour of the clock within which no clock is changed. here: on the zone's clock."""
    if here.minute or here.second or here.microsecond:
        return False
    return local(moment + _AN_HOUR, zone).utcoffset() == here.utcoffset()


def _first_of(label: str, moment: datetime, zone: ZoneInfo, unit: _Unit) -> datetime:
    """When that hour, day, … began on the zone's clock. moment: the first that was looked at in it; steps drift from midnight
    when clocks change."""
    before, within = moment - unit.step, moment
    if BUCKETS[unit.bucket](local(moment - _A_SECOND, zone)) != label:
        return moment
    while within - before > _A_SECOND:
        middle = before + (within - before) // 2
        if BUCKETS[unit.bucket](local(middle, zone)) == label:
            within = middle
        else:
            before = middle
    return within.replace(microsecond=0)


class _Periods:
    """Periods of items, each once, as microseconds since 1970."""

    def __init__(self, start: pa.ChunkedArray, end: pa.ChunkedArray) -> None:
        self._start, self._end = start, end

    def earliest(self, longest: timedelta) -> list[tuple[datetime, datetime]]:
        """Those that begin with the first one, or so soon after it that they may stand for an earlier day than it."""
        import pyarrow.compute as pc

        first = pc.min(self._start).as_py()
        return [] if first is None else self._pairs(pc.less_equal(self._start, first + longest // _MOMENT))

    def between(self, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
        """Those that are about any of that time."""
        import pyarrow.compute as pc

        return self._pairs(pc.and_(pc.greater_equal(self._end, _micros(start)), pc.less_equal(self._start, _micros(end))))

    def _pairs(self, mask: pa.ChunkedArray) -> list[tuple[datetime, datetime]]:
        starts, ends = (column.filter(mask).to_pylist() for column in (self._start, self._end))
        return [(_EPOCH + start * _MOMENT, _EPOCH + end * _MOMENT) for start, end in zip(starts, ends, strict=True)]


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // _MOMENT


def _periods(table: pa.Table, pattern: str, longest: timedelta) -> _Periods:
    """The periods of the items that count."""
    import pyarrow as pa
    import pyarrow.compute as pc

    per_micro = {"us": 1, "ns": 1000}[table.schema.field("period_start").type.unit]
    ticks = {name: table[name].cast(pa.int64()) for name in ("period_start", "period_end")}
    lasts = pc.subtract(ticks["period_end"], ticks["period_start"])
    short = pc.fill_null(pc.less_equal(lasts, longest // _MOMENT * per_micro), fill_value=False)
    counts = pc.and_(pc.and_(pc.equal(table["type"], "file"), short), pc.match_substring_regex(table["path"], pattern.encode()))
    chosen = pa.table(ticks).filter(counts).group_by(list(ticks)).aggregate([])
    return _Periods(*(pc.divide(chosen[name], per_micro) for name in ticks))
