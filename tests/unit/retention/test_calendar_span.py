"""Lengths of time: how they are written, and what lies so long ago on a wall calendar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.retention.calendar_span import EARLIEST, UNITS, CalendarSpan
from vault.errors import SettingsError

KYIV = ZoneInfo("Europe/Kyiv")
ZONES = [KYIV, ZoneInfo("America/New_York"), ZoneInfo("Australia/Lord_Howe"), ZoneInfo("Africa/Casablanca"), ZoneInfo("UTC")]

usual = settings(derandomize=True, deadline=None, max_examples=200)
spans = st.builds(CalendarSpan, st.integers(0, 2000), st.sampled_from(UNITS))
moments = st.datetimes(datetime(1990, 1, 1), datetime(2035, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC))
zones = st.sampled_from(ZONES)


def wall(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=KYIV)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("90 days", CalendarSpan(90, "day")),
        ("1 day", CalendarSpan(1, "day")),
        ("7 years", CalendarSpan(7, "year")),
        ("  18  Months ", CalendarSpan(18, "month")),
        ("36 HOURS", CalendarSpan(36, "hour")),
        ("2quarters", CalendarSpan(2, "quarter")),
        ("0 days", CalendarSpan(0, "day")),
    ],
)
def test_a_span_is_a_number_and_a_unit(text: str, span: CalendarSpan) -> None:
    assert CalendarSpan.parse(text) == span


@usual
@given(span=spans)
def test_a_span_that_is_printed_parses_back(span: CalendarSpan) -> None:
    assert CalendarSpan.parse(str(span)) == span


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("7 yeers", "did you mean '7 years'?"),
        ("1 moth", "did you mean '1 month'?"),
        ("3 fortnights", "there are: hour, day, week, month, quarter, year"),
        ("days", "such as '90 days'"),
        ("-3 days", "such as '90 days'"),
        ("1.5 years", "such as '90 days'"),
        ("", "such as '90 days'"),
        ("999999 days", "forever"),
    ],
)
def test_what_is_no_span_is_refused_with_a_way_out(text: str, hint: str) -> None:
    with pytest.raises(SettingsError) as refused:
        CalendarSpan.parse(text)
    assert hint in str(refused.value.hint)


@pytest.mark.parametrize(
    ("span", "now", "then"),
    [
        ("1 year", "2025-03-01T00:00", "2024-03-01T00:00"),
        ("1 year", "2025-02-28T23:59", "2024-02-28T23:59"),
        ("1 year", "2028-02-29T10:00", "2027-03-01T00:00"),
        ("4 years", "2028-02-29T10:00", "2024-02-29T10:00"),
        ("1 month", "2023-03-30T10:00", "2023-03-01T00:00"),
        ("1 month", "2023-01-31T10:00", "2022-12-31T10:00"),
        ("1 quarter", "2024-05-31T10:00", "2024-03-01T00:00"),
        ("2 weeks", "2024-05-17T14:05", "2024-05-03T14:05"),
        ("0 days", "2024-05-17T14:05", "2024-05-17T14:05"),
    ],
)
def test_calendar_units_are_counted_on_the_calendar(span: str, now: str, then: str) -> None:
    assert CalendarSpan.parse(span).before(wall(now), KYIV) == wall(then)


def test_what_is_of_29_february_is_a_year_old_on_1_march_and_no_moment_earlier() -> None:
    leap_day = wall("2024-02-29T12:00")
    midnight = wall("2025-03-01T00:00")
    year = CalendarSpan(1, "year")
    assert not leap_day < year.before(midnight - timedelta(microseconds=1), KYIV)
    assert leap_day < year.before(midnight, KYIV)


def test_a_day_over_a_clock_change_has_23_or_25_hours_and_24_hours_have_24() -> None:
    for now, hours in (("2024-03-31T12:00", 23), ("2024-10-27T12:00", 25)):
        assert wall(now).astimezone(UTC) - CalendarSpan(1, "day").before(wall(now), KYIV) == timedelta(hours=hours)
        assert wall(now).astimezone(UTC) - CalendarSpan(24, "hour").before(wall(now), KYIV) == timedelta(hours=24)


def test_a_time_that_a_clock_change_leaves_out_or_repeats_means_the_earlier_moment() -> None:
    assert CalendarSpan(1, "day").before(wall("2024-04-01T03:30"), KYIV) == wall("2024-03-31T02:30")
    assert CalendarSpan(1, "day").before(wall("2024-10-28T03:30"), KYIV) == datetime(2024, 10, 27, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize("text", ["3000 years", "100000 quarters", "100000 weeks", "100000 hours"])
def test_nothing_is_older_than_the_calendar(text: str) -> None:
    found = CalendarSpan.parse(text).before(datetime(5, 1, 1, tzinfo=UTC), KYIV)
    assert found == EARLIEST


@usual
@given(span=spans, now=moments, later=st.integers(0, 400_000), zone=zones)
def test_what_has_outlived_a_span_stays_so_but_for_the_hours_of_a_clock_change(
    span: CalendarSpan, now: datetime, later: int, zone: ZoneInfo
) -> None:
    then = now + timedelta(minutes=later)
    assert span.before(then, zone) >= span.before(now, zone) - timedelta(hours=2)
    assert span.before(now, zone) <= now
