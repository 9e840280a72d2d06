"""Items by what they are about: the parts of a period, with how much there is of each, what was deleted, and gaps.

    years, and of a year its quarters, of a quarter its months, of a month its days, of a day its hours

A gap is a part of which there is nothing although there should be. Where the settings expect reports, they say so (`missing`),
also behind the last one, and also where only some are missing. Of kinds of which nobody has said what to expect, a gap is a
part that lies between others of which there is something, and is over. Whether something is missing from it, people know: there
may be no reports of a Sunday.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from msgspec import Struct

from classify import calendar_spans, period_grammar
from classify.period import EARLIEST, LATEST, Period, in_zone, micros, moment, wall
from vault.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

    from classify.calendar_spans import Span
    from strongroom.expected_reports import MissingReports

UNITS = ("ever", "year", "quarter", "month", "day", "hour")
"""Each has parts of the next one; an hour has none."""

_RANKS = {"hour": 0, "day": 1, "weekday": 1, "week": 2, "month": 3, "quarter": 4, "year": 5}
"""How long what is expected for each of these lasts, beside the parts of periods."""

MOST_YEARS = 200
"""Between the first and the last; where there are more, years without anything are left out."""


class MissingHere(Struct, frozen=True):
    """Reports that a part of a period lacks. every: hour, day, weekday, … for each of which one is expected · path: which ones,
    below their source · count: how many are missing · due: by when the first of them was expected."""

    kind: str
    source: str
    every: str
    path: str
    count: int
    due: datetime


class PeriodEntry(Struct, frozen=True):
    """A part of a period. text: as `--period` takes it · items, bytes: what there is of it, by kind · deleted: how much of it
    the source no longer has, by kind · missing: what the settings expect of it, and what did not appear · gaps: kinds of which
    there is nothing, and should be: by what the settings expect, or as there is something before it and after it."""

    text: str
    start: datetime
    end: datetime
    items: dict[str, int]
    bytes: int
    deleted: dict[str, int]
    gaps: tuple[str, ...] = ()
    missing: tuple[MissingHere, ...] = ()

    @property
    def is_gap(self) -> bool:
        """Whether something is missing, or may be."""
        return bool(self.gaps or self.missing)


class PeriodLevel(Struct, frozen=True):
    """The parts of a period. text: "" for ever · unit: of it, one of `UNITS` · parts: in order; none where it has none that
    anything is about, or should be · own: rows of items that are about it and about none of its parts · kinds: that have items
    with a period at all, or should · unknown: items of which nobody knows what they are about · missing: what is expected of
    it, lasts longer than its parts, and did not appear."""

    text: str
    unit: str
    parts: tuple[PeriodEntry, ...]
    own: pa.Table
    kinds: tuple[str, ...]
    unknown: int
    missing: tuple[MissingHere, ...] = ()


def window_of(text: str, zone: ZoneInfo, now: datetime) -> tuple[datetime, datetime]:
    """The time of a period, as `ProjectItems.missing` takes it. Raises `UsageError`."""
    _, period = _parsed(text, zone, now)
    return moment(period.start), moment(period.end)


def period_level(
    table: pa.Table, text: str, zone: ZoneInfo, now: datetime, missing: Sequence[MissingReports] = ()
) -> PeriodLevel:
    """What of a table of items lies in a period. table: as `strongroom.project_items.ItemsAt` has it · text: "" for ever, else
    2024, 2024-Q3, 2024-05, 2024-05-17 or 2024-05-17T14 · missing: of all expectations of these items, in `window_of` the
    period. Raises `UsageError`."""
    import pyarrow.compute as pc

    files = table.filter(pc.and_(pc.not_equal(table["type"], "folder"), pc.is_valid(table["period_start"])))
    without = pc.sum(pc.and_(pc.not_equal(table["type"], "folder"), pc.is_null(table["period_start"]))).as_py() or 0
    unit, period = _parsed(text, zone, now)
    rows = _Rows(files)
    inside = rows.within(period)
    spans = list(_parts(unit, period, [*inside.starts(), *_outermost(missing, period)], zone))
    longest = max((one.end - one.start for one in spans), default=0)
    expected = _Expected(missing, unit)
    ends = {kind: one for kind, one in rows.not_longer(longest).ends_by_kind().items() if kind not in expected.kinds}
    parts, own = [], inside
    for one in spans:
        part = inside.within(one)
        own = own.without(one)
        parts.append(_entry(one, part, zone, ends, expected, now))
    if not any(part.items or part.deleted or part.missing for part in parts):
        parts = []
    kinds = sorted({*rows.kinds(), *(one.kind for part in parts for one in part.missing)})
    lacks = tuple(expected.of_whole(period, zone))
    return PeriodLevel(text, unit, tuple(parts), own.table.sort_by("path"), tuple(kinds), int(without), lacks)


def parent_of(text: str, zone: ZoneInfo, now: datetime) -> str:
    """The period that one is a part of; "" for ever. Raises `UsageError`."""
    unit, period = _parsed(text, zone, now)
    if unit in ("ever", "year"):
        return ""
    there = wall(period.start, zone)
    if unit == "quarter":
        return f"{there:%Y}"
    if unit == "month":
        return f"{there:%Y}-Q{(there.month + 2) // 3}"
    return f"{there:%Y-%m}" if unit == "day" else f"{there:%Y-%m-%d}"


def unit_of(text: str, zone: ZoneInfo, now: datetime) -> str:
    """Which of `UNITS` a period is. Raises `UsageError` for any other."""
    return _parsed(text, zone, now)[0]


def _parsed(text: str, zone: ZoneInfo, now: datetime) -> tuple[str, Period]:
    if not text:
        return "ever", Period(EARLIEST, LATEST)
    period = period_grammar.parse(text, zone, now)
    first = wall(period.start, zone)
    found = next((unit for unit in UNITS[1:] if _is(unit, first, period, zone)), None)
    if found is None:
        raise UsageError(
            f"{text!r} is no year, quarter, month, day or hour",
            hint="choose a period on the page, or look for it with a search",
        )
    return found, period


class _Expected:
    """What the settings expect of a period and its parts: what lasts longer than a part says nothing of it. kinds: of whose
    parts they say anything."""

    def __init__(self, missing: Sequence[MissingReports], unit: str) -> None:
        parts = UNITS[min(UNITS.index(unit) + 1, len(UNITS) - 1)]
        longest = _RANKS[parts] if parts != unit else -1
        self._of_parts = [one for one in missing if _RANKS[one.expectation.every] <= longest]
        self._of_whole = [one for one in missing if longest < _RANKS[one.expectation.every] <= _RANKS.get(unit, -1)]
        self.kinds = frozenset(one.expectation.kind for one in self._of_parts)

    def of(self, part: Period, zone: ZoneInfo) -> Iterator[MissingHere]:
        """What a part lacks: of what lasts shorter, what ends in it."""
        return _lacks(self._of_parts, part, zone)

    def of_whole(self, period: Period, zone: ZoneInfo) -> Iterator[MissingHere]:
        """What the period lacks, and none of its parts."""
        return _lacks(self._of_whole, period, zone)


def _lacks(missing: Sequence[MissingReports], period: Period, zone: ZoneInfo) -> Iterator[MissingHere]:
    for one in missing:
        ends = one.within(period.start, period.end)
        if ends:
            about, due = one.expectation, moment(ends[0]) + one.expectation.grace
            yield MissingHere(about.kind, about.source, about.every, about.path, len(ends), due.astimezone(zone))


def _outermost(missing: Sequence[MissingReports], period: Period) -> Iterator[int]:
    """Moments in the first and in the last thing that is missing."""
    for one in missing:
        ends = one.within(period.start, period.end)
        yield from (end - 1 for end in (*ends[:1], *ends[-1:]))


class _Rows:
    """Items with periods, as columns of microseconds."""

    def __init__(self, table: pa.Table) -> None:
        import pyarrow as pa

        self.table = table
        self._start, self._end = (table[name].cast(pa.int64()) for name in ("period_start", "period_end"))

    def within(self, period: Period) -> _Rows:
        """Those that are about a part of it."""
        return _Rows(self.table.filter(self._mask(period)))

    def without(self, period: Period) -> _Rows:
        """The others."""
        import pyarrow.compute as pc

        return _Rows(self.table.filter(pc.invert(self._mask(period))))

    def _mask(self, period: Period) -> pa.ChunkedArray:
        import pyarrow.compute as pc

        return pc.and_(pc.greater_equal(self._start, period.start), pc.less_equal(self._end, period.end))

    def not_longer(self, length: int) -> _Rows:
        """Those that are about no longer time: a report of a month is no sign that there are reports of days."""
        import pyarrow.compute as pc

        return _Rows(self.table.filter(pc.less_equal(pc.subtract(self._end, self._start), length)))

    def kinds(self) -> tuple[str, ...]:
        """Each once, by name."""
        import pyarrow.compute as pc

        return tuple(sorted(pc.unique(self.table["kind"]).to_pylist()))

    def starts(self) -> list[int]:
        """When they begin, each moment once."""
        import pyarrow.compute as pc

        found: list[int] = pc.unique(self._start).to_pylist()
        return found

    def ends_by_kind(self) -> dict[str, tuple[int, int]]:
        """Of each kind, the end of the earliest period and the start of the latest one."""
        import pyarrow as pa

        columns = pa.table({"kind": self.table["kind"], "start": self._start, "end": self._end})
        found = columns.group_by("kind").aggregate([("end", "min"), ("start", "max")]).to_pylist()
        return {row["kind"]: (row["end_min"], row["start_max"]) for row in found}

    def counts(self, *, deleted: bool) -> dict[str, int]:
        """How many there are by kind."""
        import pyarrow.compute as pc

        gone = pc.is_valid(self.table["vanished_at"])
        counted = self.table["kind"].filter(gone if deleted else pc.invert(gone)).value_counts()
        return dict(sorted(zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True)))

    def size(self) -> int:
        """Bytes of those that the source has."""
        import pyarrow.compute as pc

        return int(pc.sum(self.table["size"].filter(pc.is_null(self.table["vanished_at"]))).as_py() or 0)


def _entry(
    one: Period, part: _Rows, zone: ZoneInfo, ends: dict[str, tuple[int, int]], expected: _Expected, now: datetime
) -> PeriodEntry:
    items, deleted = part.counts(deleted=False), part.counts(deleted=True)
    missing = tuple(expected.of(one, zone))
    gaps = {
        kind
        for kind, (first, last) in ends.items()
        if kind not in items and first <= one.start and one.end <= last and one.end <= micros(now)
    }
    gaps |= {lack.kind for lack in missing if lack.kind not in items and lack.kind not in deleted}
    return PeriodEntry(
        period_grammar.written(one, zone),
        moment(one.start).astimezone(zone),
        moment(one.end).astimezone(zone),
        items,
        part.size(),
        deleted,
        tuple(sorted(gaps)),
        missing,
    )


def _is(unit: str, first: datetime, period: Period, zone: ZoneInfo) -> bool:
    """Whether a period is that year, quarter, … in which it begins."""
    try:
        return in_zone(_around(unit, first), zone) == period
    except ValueError:  # at the end of the calendar
        return False


def _around(unit: str, first: datetime) -> Span:
    if unit == "year":
        return calendar_spans.year(first.year)
    if unit == "quarter":
        return calendar_spans.quarter(first.year, (first.month + 2) // 3)
    if unit == "month":
        return calendar_spans.month(first.year, first.month)
    day = calendar_spans.day(first.year, first.month, first.day)
    return day if unit == "day" else calendar_spans.hour(day, first.hour)


def _parts(unit: str, period: Period, moments: Sequence[int], zone: ZoneInfo) -> Iterator[Period]:
    """moments: that anything is about."""
    spans = _years(moments, zone) if unit == "ever" else _spans(unit, wall(period.start, zone))
    for span in spans:
        try:
            yield in_zone(span, zone)
        except ValueError:  # no clock there ever showed it: an hour of a night in spring
            continue


def _years(moments: Sequence[int], zone: ZoneInfo) -> Iterator[Span]:
    years = sorted({wall(one, zone).year for one in moments})
    whole = years and years[-1] - years[0] <= MOST_YEARS
    yield from (calendar_spans.year(one) for one in (range(years[0], years[-1] + 1) if whole else years[:MOST_YEARS]))


def _spans(unit: str, first: datetime) -> Iterator[Span]:
    year, month = first.year, first.month
    if unit == "year":
        yield from (calendar_spans.quarter(year, number) for number in range(1, 5))
    elif unit == "quarter":
        yield from (calendar_spans.month(year, number) for number in range(month, month + 3))
    elif unit == "month":
        begin = datetime(year, month, 1, tzinfo=UTC)
        after = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
        yield from (calendar_spans.day(year, month, number) for number in range(1, (after - begin).days + 1))
    elif unit == "day":
        day = calendar_spans.day(year, month, first.day)
        yield from (calendar_spans.hour(day, number) for number in range(24))
