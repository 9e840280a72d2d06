"""What people ask for, and that what is printed is read back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from classify.calendar_spans import Span, Unit, back
from classify.period import EARLIEST, EVER, HOUR, LATEST, Period, in_zone, micros
from classify.period_grammar import parse, written
from tests.unit.classify.test_period import ZONES
from vault.errors import UsageError

usual = settings(derandomize=True, deadline=None, max_examples=120)
deep = settings(derandomize=True, deadline=None, max_examples=4_000)

KYIV = ZoneInfo("Europe/Kyiv")
NOW = datetime(2024, 5, 17, 14, 35, tzinfo=KYIV)  # a Friday
CHANGING = {
    "Europe/Kyiv", "America/New_York", "America/Havana", "Africa/Cairo", "Asia/Beirut", "Australia/Lord_Howe",
    "Pacific/Chatham", "Africa/Casablanca", "Antarctica/Troll", "America/Scoresbysund", "Europe/Dublin",
}  # fmt: skip
"""Of ZONES: where clocks were changed in 2024."""

zones = st.sampled_from(ZONES).map(ZoneInfo)
moments = st.integers(micros(datetime(1980, 1, 1, tzinfo=UTC)), micros(datetime(2090, 1, 1, tzinfo=UTC)))


def local(period: Period) -> tuple[str, str]:
    start, end = period.moments()
    return f"{start.astimezone(KYIV):%Y-%m-%d %H:%M:%S}", f"{end.astimezone(KYIV):%Y-%m-%d %H:%M:%S}"


def day(text: str) -> str:
    return f"{text} 00:00:00"


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2024", day("2024-01-01"), day("2025-01-01")),
        ("2024-H2", day("2024-07-01"), day("2025-01-01")),
        ("2024-Q3", day("2024-07-01"), day("2024-10-01")),
        ("2024q3", day("2024-07-01"), day("2024-10-01")),
        ("2024-05", day("2024-05-01"), day("2024-06-01")),
        ("2024-5", day("2024-05-01"), day("2024-06-01")),
        ("2024-W20", day("2024-05-13"), day("2024-05-20")),
        ("2024-w01", day("2024-01-01"), day("2024-01-08")),
        ("2024-05-17", day("2024-05-17"), day("2024-05-18")),
        (" 2024-05-17 ", day("2024-05-17"), day("2024-05-18")),
        ("2024-02-29", day("2024-02-29"), day("2024-03-01")),
        ("2024-05-17T14", "2024-05-17 14:00:00", "2024-05-17 15:00:00"),
        ("2024-05-17 14", "2024-05-17 14:00:00", "2024-05-17 15:00:00"),
        ("2024-05-17T14:30", "2024-05-17 14:30:00", "2024-05-17 14:31:00"),
        ("2024-05-17T14:30:05", "2024-05-17 14:30:05", "2024-05-17 14:30:06"),
        ("2024-05-17T11Z", "2024-05-17 14:00:00", "2024-05-17 15:00:00"),
        ("2024-05-17T06-05:00", "2024-05-17 14:00:00", "2024-05-17 15:00:00"),
        ("2024-05-01..2024-06-15", day("2024-05-01"), day("2024-06-16")),
        ("2024-05-01 .. 2024-06-15", day("2024-05-01"), day("2024-06-16")),
        ("2023..2024", day("2023-01-01"), day("2025-01-01")),
        ("2023-Q4..2024-05", day("2023-10-01"), day("2024-06-01")),
        ("2024-05-17T14..2024-05-17T16", "2024-05-17 14:00:00", "2024-05-17 17:00:00"),
        ("last-month..yesterday", day("2024-04-01"), day("2024-05-17")),
        ("today", day("2024-05-17"), day("2024-05-18")),
        ("Yesterday", day("2024-05-16"), day("2024-05-17")),
        ("this-year", day("2024-01-01"), day("2025-01-01")),
        ("last-year", day("2023-01-01"), day("2024-01-01")),
        ("this-half", day("2024-01-01"), day("2024-07-01")),
        ("last-quarter", day("2024-01-01"), day("2024-04-01")),
        ("this-quarter", day("2024-04-01"), day("2024-07-01")),
        ("last-month", day("2024-04-01"), day("2024-05-01")),
        ("last month", day("2024-04-01"), day("2024-05-01")),
        ("this-week", day("2024-05-13"), day("2024-05-20")),
        ("last-week", day("2024-05-06"), day("2024-05-13")),
        ("last-day", day("2024-05-16"), day("2024-05-17")),
        ("last-7-days", day("2024-05-10"), day("2024-05-17")),
        ("last-1-day", day("2024-05-16"), day("2024-05-17")),
        ("last-2-weeks", day("2024-04-29"), day("2024-05-13")),
        ("last-13-months", day("2023-04-01"), day("2024-05-01")),
        ("last-2-quarters", day("2023-10-01"), day("2024-04-01")),
        ("last-3-halves", day("2022-07-01"), day("2024-01-01")),
        ("last-2-years", day("2022-01-01"), day("2024-01-01")),
        ("this-hour", "2024-05-17 14:00:00", "2024-05-17 15:00:00"),
        ("last-hour", "2024-05-17 13:00:00", "2024-05-17 14:00:00"),
        ("last-3-hours", "2024-05-17 11:00:00", "2024-05-17 14:00:00"),
    ],
)
def test_a_form_means_what_it_says(text: str, start: str, end: str) -> None:
    assert local(parse(text, KYIV, NOW)) == (start, end)


def test_an_open_range_goes_on_for_ever() -> None:
    assert parse("2024-05..", KYIV, NOW) == Period(parse("2024-05", KYIV, NOW).start, LATEST)
    assert parse("..2024-05", KYIV, NOW) == Period(EARLIEST, parse("2024-05", KYIV, NOW).end)
    assert parse("..", KYIV, NOW) == EVER


@pytest.mark.parametrize("minute", [0, 14, 15, 29, 30, 44, 45, 59])
@pytest.mark.parametrize("zone", ["Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC", "Pacific/Marquesas"])
def test_hours_begin_when_the_zones_clocks_say(zone: str, minute: int) -> None:
    place = ZoneInfo(zone)
    now = datetime(2024, 5, 17, 3, minute, tzinfo=UTC)
    this = parse("this-hour", place, now)
    assert this.start <= micros(now) < this.end == this.start + HOUR
    assert this.moments()[0].astimezone(place).minute == 0
    assert parse("last-hour", place, now).end == this.start


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is empty"),
        ("soon", "none of the forms"),
        ("24", "none of the forms"),
        ("0024", "none of the forms"),
        ("2024-13", "month"),
        ("2024-00", "month"),
        ("2024-Q5", "month"),
        ("2024-Q0", "month|range"),
        ("2024-W53", "week"),
        ("2024-02-30", "day"),
        ("2024-05-17T24", "hour"),
        ("2024-05-17T14:60", "minute"),
        ("2024-05-17T14+26", "far from UTC"),
        ("2024-03-31T03", "no clock in Europe/Kyiv"),
        ("2024-03-31T03:30", "no clock in Europe/Kyiv"),
        ("2024-06..2024-05", "ends before it begins"),
        ("2024..2025..2026", "none of the forms"),
        ("2024-05-01...2024-06-15", "none of the forms"),
        ("last-0-days", "no length"),
        ("last-999999-years", "year"),
        ("last--days", "none of the forms"),
        ("9999", "year"),
        ("٢٠٢٤", "none of the forms"),
        ("2024\n", ""),
    ],
)
def test_what_is_no_period_is_refused_with_the_reason_and_the_forms(text: str, why: str) -> None:
    if not why:
        assert parse(text, KYIV, NOW) == parse(text.strip(), KYIV, NOW)
        return
    with pytest.raises(UsageError, match=f"invalid period .*({why})") as caught:
        parse(text, KYIV, NOW)
    assert "2024-Q3" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("2024-q3", "2024-Q3"),
        ("2024-07..2024-09", "2024-Q3"),
        ("2024-05-01..2024-05-31", "2024-05"),
        ("2024-05-13..2024-05-19", "2024-W20"),
        ("2024-01-01..2025-12-31", "2024..2025"),
        ("2024-04..2024-05", "2024-04..2024-05"),
        ("2024-05-01..2024-06-15", "2024-05-01..2024-06-15"),
        ("2024-10-27T03", "2024-10-27T03"),
        ("2024-10-27T03+03", "2024-10-27T03+03:00"),
        ("2024-10-27T00Z", "2024-10-27T03+03:00"),
        ("2024-10-27T03+02", "2024-10-27T03+02:00"),
        ("2024-10-27T03+02..2024-10-27", "2024-10-27T03+02:00..2024-10-27"),
        ("2024-05-17T14:30..2024-05-17T14:39", "2024-05-17T14:30..2024-05-17T14:39"),
        ("2024-05-17T14:30:05.25", "2024-05-17T14:30:05.250000..2024-05-17T14:30:05.259999"),
        ("2024-05..", "2024-05-01.."),
        ("..", ".."),
    ],
)
def test_a_period_is_printed_in_its_shortest_form(text: str, printed: str) -> None:
    assert written(parse(text, KYIV, NOW), KYIV) == printed


def is_read_back(start: int, length: int, zone: ZoneInfo) -> None:
    period = Period(start, start + length)
    assert parse(written(period, zone), zone, NOW) == period


lengths = st.one_of(st.integers(1, 10**6), st.integers(1, 10**14), st.sampled_from([HOUR, 2 * HOUR, HOUR // 60, 24 * HOUR]))
starts = st.one_of(moments, moments.map(lambda at: at // HOUR * HOUR))


@usual
@example(start=micros(datetime(2024, 10, 27, 0, 59, 59, 999_999, tzinfo=UTC)), length=1, zone=KYIV)
@example(start=micros(datetime(2024, 10, 27, 1, tzinfo=UTC)), length=1, zone=KYIV)
@given(start=starts, length=lengths, zone=zones)
def test_any_period_is_read_back_as_it_was_printed(start: int, length: int, zone: ZoneInfo) -> None:
    is_read_back(start, length, zone)


@pytest.mark.slow
@deep
@given(start=starts, length=lengths, zone=zones)
def test_any_period_is_read_back_as_it_was_printed_at_length(start: int, length: int, zone: ZoneInfo) -> None:
    is_read_back(start, length, zone)


@pytest.mark.parametrize("zone", ZONES)
def test_every_half_hour_around_the_changes_of_clocks_is_read_back(zone: str) -> None:
    place = ZoneInfo(zone)
    began = datetime(2024, 1, 1, tzinfo=UTC)
    days = [began + timedelta(days=number) for number in range(366)]
    changing = [
        day for day in days if day.astimezone(place).utcoffset() != (day + timedelta(days=1)).astimezone(place).utcoffset()
    ]
    for day in changing:
        for half in range(2 * 30):
            is_read_back(micros(day + timedelta(minutes=30 * half)), HOUR, place)
    assert bool(changing) == (zone in CHANGING)


@usual
@given(at=moments, zone=zones, unit=st.sampled_from([Unit.YEAR, Unit.HALF, Unit.QUARTER, Unit.MONTH, Unit.WEEK, Unit.DAY]))
def test_a_unit_is_printed_as_that_unit(at: int, zone: ZoneInfo, unit: Unit) -> None:
    span = back(unit, 0, Period(at, at + 1).moments()[0].replace(tzinfo=None))
    try:
        period = in_zone(span, zone)
    except ValueError:
        assert zone.key == "Pacific/Apia"
        return
    text = written(period, zone)
    assert ".." not in text
    assert len(text) == {Unit.YEAR: 4, Unit.HALF: 7, Unit.QUARTER: 7, Unit.MONTH: 7, Unit.WEEK: 8, Unit.DAY: 10}[unit]


@usual
@given(text=st.one_of(st.text(max_size=30), st.text(alphabet="0123456789-.:TWQH+Z last\u00b2", max_size=30)), zone=zones)
def test_any_text_is_a_period_or_a_usage_error(text: str, zone: ZoneInfo) -> None:
    try:
        period = parse(text, zone, NOW)
    except UsageError:
        return
    assert parse(written(period, zone), zone, NOW) == period


def test_a_range_without_a_unit_is_a_span_too() -> None:
    start = datetime(2024, 10, 27, 3)
    assert in_zone(Span(Unit.RANGE, start, start + timedelta(hours=1)), KYIV) == parse("2024-10-27T03", KYIV, NOW)
