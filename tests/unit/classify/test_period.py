"""Periods: what calendars make up, in zones whose clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classify import calendar_spans
from classify.calendar_spans import Span, Unit
from classify.period import EARLIEST, EVER, HOUR, LATEST, Period, first_moment, in_zone, micros, moment, union, wall

usual = settings(derandomize=True, deadline=None, max_examples=100)

ZONES = [
    "UTC", "Europe/Kyiv", "Europe/Moscow", "America/New_York", "America/Sao_Paulo", "America/Havana", "Africa/Cairo",
    "Asia/Beirut", "Asia/Tehran", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia",
    "Pacific/Chatham", "Africa/Casablanca", "Antarctica/Troll", "America/Scoresbysund", "Europe/Dublin",
]  # fmt: skip
zones = st.sampled_from(ZONES).map(ZoneInfo)
years = st.integers(1990, 2100)


def hours(period: Period) -> float:
    return (period.end - period.start) / HOUR


def at(text: str) -> int:
    return micros(datetime.fromisoformat(text))


@pytest.mark.parametrize(
    ("zone", "day", "length"),
    [
        ("Europe/Kyiv", date(2024, 3, 31), 23),
        ("Europe/Kyiv", date(2024, 10, 27), 25),
        ("Europe/Kyiv", date(2024, 5, 17), 24),
        ("Europe/London", date(2024, 3, 31), 23),
        ("America/New_York", date(2024, 3, 10), 23),
        ("America/New_York", date(2024, 11, 3), 25),
        ("Australia/Lord_Howe", date(2024, 4, 7), 24.5),
        ("Australia/Lord_Howe", date(2024, 10, 6), 23.5),
        ("America/Sao_Paulo", date(2018, 11, 4), 23),  # midnight itself was skipped
        ("America/Sao_Paulo", date(2018, 2, 17), 25),  # and came twice
        ("America/Havana", date(2024, 3, 10), 23),
        ("America/Havana", date(2024, 11, 3), 25),
        ("Asia/Beirut", date(2024, 3, 31), 23),
        ("Africa/Cairo", date(2024, 4, 26), 23),
        ("Antarctica/Troll", date(2024, 3, 31), 22),
        ("Europe/Moscow", date(2014, 10, 26), 25),
        ("Europe/Moscow", date(2024, 3, 31), 24),
        ("Asia/Kolkata", date(2024, 3, 31), 24),
    ],
)
def test_a_day_is_as_long_as_its_zone_made_it(zone: str, day: date, length: float) -> None:
    assert hours(in_zone(calendar_spans.day(day.year, day.month, day.day), ZoneInfo(zone))) == length


def test_an_hour_of_an_autumn_night_is_both_hours_and_an_offset_tells_them_apart() -> None:
    kyiv = ZoneInfo("Europe/Kyiv")
    hour = calendar_spans.hour(calendar_spans.day(2024, 10, 27), 3)
    both = in_zone(hour, kyiv)
    first = in_zone(hour._replace(ahead=timedelta(hours=3)), kyiv)
    second = in_zone(hour._replace(ahead=timedelta(hours=2)), kyiv)
    assert (hours(both), hours(first), hours(second)) == (2, 1, 1)
    assert union([second, first]) == [both]
    assert first.moments() == (datetime(2024, 10, 27, 0, tzinfo=UTC), datetime(2024, 10, 27, 1, tzinfo=UTC))
    assert not first.overlaps(second)


def test_an_hour_that_clocks_skipped_is_no_period() -> None:
    with pytest.raises(ValueError, match="no clock in Europe/Kyiv"):
        in_zone(calendar_spans.hour(calendar_spans.day(2024, 3, 31), 3), ZoneInfo("Europe/Kyiv"))
    with pytest.raises(ValueError, match="no clock in Pacific/Apia"):
        in_zone(calendar_spans.day(2011, 12, 30), ZoneInfo("Pacific/Apia"))


def test_a_week_is_iso_8601s() -> None:
    assert calendar_spans.week(2024, 1).start == datetime(2024, 1, 1)
    assert calendar_spans.week(2021, 53 - 1).start == datetime(2021, 12, 27)
    assert calendar_spans.week(2020, 53).end == datetime(2021, 1, 4)
    with pytest.raises(ValueError, match="week"):
        calendar_spans.week(2024, 53)


@pytest.mark.parametrize(
    ("make", "number"),
    [
        (calendar_spans.quarter, 0),
        (calendar_spans.quarter, 5),
        (calendar_spans.half, 0),
        (calendar_spans.half, 3),
        (calendar_spans.month, 0),
        (calendar_spans.month, 13),
        (calendar_spans.week, 0),
    ],
)
def test_what_the_calendar_does_not_have_is_refused(make: object, number: int) -> None:
    assert callable(make)
    with pytest.raises(ValueError):
        make(2024, number)


def test_hours_of_a_day_end_at_23() -> None:
    assert calendar_spans.hour(calendar_spans.day(2024, 5, 17), 23).end == datetime(2024, 5, 18)
    with pytest.raises(ValueError):
        calendar_spans.hour(calendar_spans.day(2024, 5, 17), 24)


@pytest.mark.parametrize(("start", "end"), [(5, 5), (6, 5), (EARLIEST - 1, 0), (0, LATEST + 1)])
def test_a_period_is_never_empty_and_stays_within_the_calendar(start: int, end: int) -> None:
    with pytest.raises(ValueError, match="ends after it begins"):
        Period(start, end)


def test_the_ends_of_time_are_dates_in_every_zone() -> None:
    for zone in ZONES:
        assert wall(EVER.start, ZoneInfo(zone)).year == 1000
        assert wall(EVER.end, ZoneInfo(zone)).year == 9999


periods = st.tuples(st.integers(0, 100), st.integers(1, 30)).map(lambda pair: Period(pair[0], pair[0] + pair[1]))


@usual
@given(one=periods, other=periods)
def test_what_lies_within_overlaps(one: Period, other: Period) -> None:
    shared = set(range(one.start, one.end)) & set(range(other.start, other.end))
    assert one.overlaps(other) == other.overlaps(one) == bool(shared)
    assert one.within(other) == (len(shared) == one.end - one.start)
    assert not one.within(other) or one.overlaps(other)


@usual
@given(some=st.lists(periods, max_size=8))
def test_a_union_covers_the_same_moments_with_gaps_between(some: list[Period]) -> None:
    whole = union(some)
    assert {at for one in whole for at in range(one.start, one.end)} == {at for one in some for at in range(one.start, one.end)}
    assert all(before.end < after.start for before, after in pairwise(whole))


def makes_up(whole: Span, parts: list[Span], zone: ZoneInfo) -> None:
    """The parts touch, share nothing and unite to the whole."""
    found = [in_zone(one, zone) for one in parts]
    assert union(found) == [in_zone(whole, zone)]
    assert all(before.end == after.start for before, after in pairwise(found))


def calendar_adds_up(year: int, zone: ZoneInfo) -> None:
    months = [calendar_spans.month(year, number) for number in range(1, 13)]
    quarters = [calendar_spans.quarter(year, number) for number in range(1, 5)]
    makes_up(calendar_spans.year(year), [calendar_spans.half(year, 1), calendar_spans.half(year, 2)], zone)
    makes_up(calendar_spans.year(year), quarters, zone)
    makes_up(calendar_spans.year(year), months, zone)
    for number, quarter in enumerate(quarters):
        makes_up(quarter, months[number * 3 : number * 3 + 3], zone)
    makes_up(calendar_spans.half(year, 2), quarters[2:], zone)


@usual
@given(year=years, zone=zones)
def test_the_months_of_a_quarter_are_the_quarter_and_share_nothing(year: int, zone: ZoneInfo) -> None:
    calendar_adds_up(year, zone)


@pytest.mark.slow
@pytest.mark.parametrize("zone", ZONES)
def test_every_year_adds_up_in_every_zone(zone: str) -> None:
    for year in range(1990, 2101):
        calendar_adds_up(year, ZoneInfo(zone))


def day_adds_up(day: date, zone: ZoneInfo) -> None:
    """Hours that clocks showed make up the day, and each moment of it is on the clock where its hour says."""
    span = calendar_spans.day(day.year, day.month, day.day)
    start, end = first_moment(span.start, zone), first_moment(span.end, zone)
    ends = [first_moment(calendar_spans.hour(span, number).start, zone) for number in range(24)] + [end]
    assert ends[0] == start
    assert ends == sorted(ends)
    for number in range(24):
        for inside in range(ends[number], ends[number + 1], HOUR // 4):
            assert wall(inside, zone).hour == number or _is_shown_again(inside, span, number, zone)


def _is_shown_again(at: int, day: Span, number: int, zone: ZoneInfo) -> bool:
    """Whether clocks, put back, showed an earlier hour once more within this one."""
    shown = wall(at, zone).replace(tzinfo=None, fold=0)
    return shown < day.start + timedelta(hours=number) and first_moment(shown, zone) < at


@usual
@given(day=st.dates(date(1990, 1, 1), date(2037, 12, 31)), zone=zones)
def test_the_hours_of_a_day_are_the_day(day: date, zone: ZoneInfo) -> None:
    day_adds_up(day, zone)


@pytest.mark.parametrize("zone", ZONES)
def test_the_hours_of_days_on_which_clocks_changed_are_the_day(zone: str) -> None:
    place = ZoneInfo(zone)
    for number in range(366 * 2):
        day = date(2010, 9, 1) + timedelta(days=number)
        noon, next_noon = (datetime(one.year, one.month, one.day, 12, tzinfo=place) for one in (day, day + timedelta(days=1)))
        if noon.utcoffset() != next_noon.utcoffset():
            day_adds_up(day, place)
            day_adds_up(day + timedelta(days=1), place)


@usual
@given(at=st.datetimes(datetime(1001, 1, 1), datetime(9998, 1, 1)))
def test_a_moment_survives_as_microseconds(at: datetime) -> None:
    assert moment(micros(at.replace(tzinfo=UTC))) == at.replace(tzinfo=UTC)


@usual
@given(local=st.datetimes(datetime(1990, 1, 1), datetime(2037, 1, 1)), zone=zones, count=st.integers(0, 30))
def test_going_back_by_units_walks_the_calendar_without_gaps(local: datetime, zone: ZoneInfo, count: int) -> None:
    for unit in (Unit.YEAR, Unit.HALF, Unit.QUARTER, Unit.MONTH, Unit.WEEK, Unit.DAY):
        here, before = calendar_spans.back(unit, 0, local), calendar_spans.back(unit, 1, local)
        assert here.start <= local < here.end
        assert before.end == here.start
        assert calendar_spans.back(unit, count + 1, local) == calendar_spans.back(unit, count, before.start)
        assert first_moment(here.start, zone) < first_moment(here.end, zone) or zone.key == "Pacific/Apia"
