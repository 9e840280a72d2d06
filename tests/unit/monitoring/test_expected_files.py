"""Reports that should have appeared by now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from policies.monitoring.expected_files import ExpectedPattern, missing, missing_within
from policies.retention.calendar import BUCKETS, local
from vault.format.manifest import schema

KYIV, NEW_YORK, KATHMANDU = ZoneInfo("Europe/Kyiv"), ZoneInfo("America/New_York"), ZoneInfo("Asia/Kathmandu")
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
HOURLY = ExpectedPattern("^reports/hourly/", "hour", HOUR / 2)


def manifest(*items: tuple[str, datetime, timedelta]) -> pa.Table:
    moment = schema().field("period_start").type
    return pa.table(
        {
            "path": pa.array([path.encode() for path, _, _ in items], pa.binary()),
            "type": pa.array(["file"] * len(items)),
            "period_start": pa.array([start for _, start, _ in items], moment),
            "period_end": pa.array([start + lasts for _, start, lasts in items], moment),
        }
    )


def hours(start: datetime, count: int, *, without: frozenset[int] = frozenset()) -> list[tuple[str, datetime, timedelta]]:
    return [(f"reports/hourly/{number}.csv", start + number * HOUR, HOUR) for number in range(count) if number not in without]


def at(*parts: int, zone: ZoneInfo = KYIV) -> datetime:
    return datetime(*parts, tzinfo=zone).astimezone(UTC)  # type: ignore[arg-type,misc] # year, month, day, hour


def test_hours_that_did_not_appear_are_named_on_the_projects_clock() -> None:
    table = manifest(*hours(at(2026, 5, 17, 0), 12, without=frozenset({3, 4, 10})))
    found = missing(table, HOURLY, at(2026, 5, 17), at(2026, 5, 17, 12), KYIV)
    assert found == ("2026-05-17 03h", "2026-05-17 04h", "2026-05-17 10h")


def test_the_newest_hour_has_its_grace() -> None:
    table = manifest(*hours(at(2026, 5, 17, 0), 12))
    end = at(2026, 5, 17, 13)
    assert missing(table, HOURLY, end, end + HOUR / 4, KYIV) == ()
    assert missing(table, HOURLY, end, end + HOUR / 2, KYIV) == ("2026-05-17 12h",)


def test_what_comes_before_the_first_item_is_not_missed_and_neither_is_what_is_long_past() -> None:
    table = manifest(*hours(at(2026, 5, 17, 0), 2))
    assert len(missing(table, HOURLY, at(2020, 1, 1), at(2026, 5, 18), KYIV)) == 21
    assert len(missing(table, HOURLY, at(2020, 1, 1), at(2026, 9, 1), KYIV)) <= 14 * 24


def test_where_nothing_ever_came_it_is_expected_from_the_day_that_somebody_asked_for_it() -> None:
    found = missing(manifest(), HOURLY, at(2026, 5, 17, 10), at(2026, 5, 17, 12, 30), KYIV)
    assert found == ("2026-05-17 10h", "2026-05-17 11h")


def test_a_summary_of_the_day_is_not_its_hours_and_other_paths_do_not_count() -> None:
    day = ("reports/hourly/summary.csv", at(2026, 5, 17), DAY)
    other = [("tickets/hourly/x.csv", at(2026, 5, 17, hour), HOUR) for hour in range(1, 5)]
    table = manifest(day, *other, ("reports/hourly/0.csv", at(2026, 5, 17, 0), HOUR))
    assert len(missing(table, HOURLY, at(2026, 5, 17), at(2026, 5, 17, 5), KYIV)) == 3


def test_the_night_that_lacks_an_hour_misses_none_and_the_one_that_has_it_twice_wants_one_report_or_two() -> None:
    spring = manifest(*hours(at(2026, 3, 29, 0), 23))
    assert missing(spring, HOURLY, at(2026, 3, 29), at(2026, 3, 30), KYIV) == ()
    autumn = at(2026, 10, 25, 0)
    assert missing(manifest(*hours(autumn, 25)), HOURLY, autumn, at(2026, 10, 26), KYIV) == ()
    one_for_both = [*hours(autumn, 3), ("reports/hourly/3.csv", autumn + 3 * HOUR, 2 * HOUR), *hours(autumn + 5 * HOUR, 20)]
    assert missing(manifest(*one_for_both), HOURLY, autumn, at(2026, 10, 26), KYIV) == ()
    assert missing(manifest(*hours(autumn, 25, without=frozenset({4}))), HOURLY, autumn, at(2026, 10, 26), KYIV) == (
        "2026-10-25 03h (again)",
    )


@pytest.mark.parametrize("zone", [KYIV, NEW_YORK, KATHMANDU])
def test_days_weeks_months_quarters_and_years_are_told_apart(zone: ZoneInfo) -> None:
    def one(unit: str, start: datetime, lasts: timedelta, now: datetime) -> tuple[str, ...]:
        table = manifest(("reports/x.csv", start.astimezone(UTC), lasts))
        return missing(table, ExpectedPattern("^reports/", unit, HOUR), now, now.astimezone(UTC), zone)

    def wall(*parts: int) -> datetime:
        return datetime(*parts, tzinfo=zone)  # type: ignore[arg-type,misc] # year, month, day, hour

    assert one("day", wall(2026, 5, 14), DAY, wall(2026, 5, 17, 2)) == ("2026-05-15", "2026-05-16")
    assert one("weekday", wall(2026, 5, 14), DAY, wall(2026, 5, 19, 2)) == ("2026-05-15", "2026-05-18")
    assert one("week", wall(2026, 5, 4), 7 * DAY, wall(2026, 5, 19)) == ("2026-W20",)
    assert one("month", wall(2026, 5, 1), 31 * DAY, wall(2026, 7, 2)) == ("2026-06",)
    assert one("quarter", wall(2026, 4, 1), 91 * DAY, wall(2026, 10, 2)) == ("2026-Q3",)
    assert one("year", wall(2023, 1, 1), 365 * DAY, wall(2026, 1, 2)) == ("2024", "2025")


@pytest.mark.parametrize("begins", [0, 6 * 24, 3 * 24 + 9])
def test_a_week_that_begins_on_any_day_is_one_week_and_a_missing_one_is_missed(begins: int) -> None:
    weekly = ExpectedPattern("^reports/", "week", HOUR)
    week, first = 7 * DAY, at(2026, 3, 2) + begins * HOUR  # a Monday; the clocks change on the 29th
    items = [(f"reports/{number}.csv", first + number * week, week) for number in range(9) if number != 4]
    now = first + 9 * week + DAY
    found = missing(manifest(*items), weekly, first, now, KYIV)
    middle = first + 4 * week + week / 2
    assert found == (f"2026-W{middle.astimezone(KYIV).isocalendar().week:02}",)


def test_a_shift_from_eight_to_eight_is_one_day_and_a_missing_one_is_missed() -> None:
    daily = ExpectedPattern("^reports/", "day", HOUR)
    items = [(f"reports/{day}.csv", at(2026, 5, day, 8), DAY) for day in range(1, 20) if day != 7]
    assert missing(manifest(*items), daily, at(2026, 5, 1), at(2026, 5, 20, 10), KYIV) == ("2026-05-07",)


def test_a_report_of_the_hour_that_comes_twice_stands_for_both() -> None:
    start = at(2026, 10, 25, 0)
    items = hours(start, 12, without=frozenset({3, 4}))
    twice = (("reports/hourly/03.csv", start + 3 * HOUR, 2 * HOUR),)
    assert missing(manifest(*items, *twice), HOURLY, start, start + 12 * HOUR, KYIV) == ()
    assert len(missing(manifest(*items), HOURLY, start, start + 12 * HOUR, KYIV)) == 2


@pytest.mark.parametrize("zone", [KYIV, NEW_YORK, KATHMANDU, ZoneInfo("Australia/Lord_Howe")])
@pytest.mark.parametrize("unit", ["day", "week", "month", "quarter", "year"])
def test_a_period_is_over_at_midnight_of_the_zone_whether_clocks_were_set_forward_or_back_before(
    unit: str, zone: ZoneInfo
) -> None:
    """From winter over both changes into the next winter, and at the end of every period."""

    def wall(*parts: int) -> datetime:
        return datetime(*parts, tzinfo=zone).astimezone(UTC)  # type: ignore[arg-type,misc] # year, month, day

    begins = {
        "day": [
            wall(2026, month, day) for month, day in ((3, 8), (3, 29), (3, 30), (4, 5), (10, 4), (10, 25), (11, 1), (11, 2))
        ],
        "week": [wall(2026, month, day) for month, day in ((3, 9), (3, 30), (4, 6), (10, 5), (10, 26), (11, 2))],
        "month": [wall(2026, month, 1) for month in range(3, 13)],
        "quarter": [wall(2026, month, 1) for month in (4, 7, 10)],
        "year": [wall(2027, 1, 1)],
    }[unit]
    for since in (wall(2026, 1, 1, 0), wall(2026, 1, 20, 13), wall(2026, 2, 10, 7)):
        for begin in begins:
            if begin - since > 55 * DAY and unit == "day":
                since = begin - 50 * DAY
            late, over = (
                missing(manifest(), ExpectedPattern("^reports/", unit, HOUR), since, begin + HOUR + beside, zone)
                for beside in (-timedelta(seconds=1), timedelta())
            )
            assert len(over) == len(late) + 1, (begin, late, over)


@pytest.mark.parametrize(
    "zone", ["Europe/Kyiv", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Monrovia", "America/St_Johns"]
)
def test_hours_are_those_of_the_clock_on_the_wall_whenever_it_is_changed(zone: str) -> None:
    """Judged by looking at the clock every minute, for some days around each change; Monrovia was moved by 44.5 minutes."""
    there = ZoneInfo(zone)
    for year, month, day in (
        (2026, 3, 28),
        (2026, 4, 4),
        (2026, 10, 3),
        (2026, 10, 24),
        (2026, 11, 1),
        (1972, 1, 6),
        (1986, 1, 1),
    ):
        start = datetime(year, month, day, 0, 7, tzinfo=UTC)
        seen = dict.fromkeys(BUCKETS["hourly"](local(start + number * MINUTE, there)) for number in range(48 * 60))
        found = missing_within(manifest(), HOURLY, start, start + 72 * HOUR, there, (start, start + 48 * HOUR))
        assert [one.label for one in found] == [*seen][: len(found)] and len(seen) - len(found) <= 1
        for one in found:
            assert BUCKETS["hourly"](local(one.end - MINUTE, there)) == one.label
            assert BUCKETS["hourly"](local(one.end, there)) != one.label


def test_windows_beside_one_another_name_together_what_one_window_names() -> None:
    start = at(2026, 5, 1, 0)
    table = manifest(*hours(start, 240, without=frozenset(range(0, 240, 7))))
    whole = missing_within(table, HOURLY, start, start + 15 * DAY, KYIV, (start, start + 15 * DAY))
    days = [
        missing_within(table, HOURLY, start, start + 15 * DAY, KYIV, (start + n * DAY, start + (n + 1) * DAY))
        for n in range(15)
    ]
    assert tuple(one for day in days for one in day) == whole
    early = start + 14 * DAY
    assert missing(table, HOURLY, start, early, KYIV) == tuple(one.label for one in whole if one.end <= early - HOUR / 2)
