"""What people write for schedules, and the moments that it means."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from policies.scheduling import parser
from policies.scheduling.job_policy import read_window
from policies.scheduling.parser import Schedule
from vault.errors import SettingsError

KYIV = ZoneInfo("Europe/Kyiv")


def every(text: str, zone: str = "UTC") -> Schedule:
    return parser.read(every=text, zone=ZoneInfo(zone))


def walls(schedule: Schedule, start: str, count: int) -> list[str]:
    """The next due times as a clock on the wall shows them."""
    moment, found = datetime.fromisoformat(start).replace(tzinfo=schedule.zone), []
    for _ in range(count):
        moment = schedule.next_after(moment)
        found.append(f"{moment.astimezone(schedule.zone):%a %Y-%m-%d %H:%M}")
    return found


@pytest.mark.parametrize(
    ("text", "printed", "first", "second"),
    [
        ("hour", "hour", "Thu 2026-01-01 10:00", "Thu 2026-01-01 11:00"),
        ("every hour", "hour", "Thu 2026-01-01 10:00", "Thu 2026-01-01 11:00"),
        ("60 minutes", "hour", "Thu 2026-01-01 10:00", "Thu 2026-01-01 11:00"),
        ("hour at :05", "hour at :05", "Thu 2026-01-01 10:05", "Thu 2026-01-01 11:05"),
        ("15 minutes", "15 minutes", "Thu 2026-01-01 09:45", "Thu 2026-01-01 10:00"),
        ("minute", "minute", "Thu 2026-01-01 09:32", "Thu 2026-01-01 09:33"),
        ("2 hours", "2 hours", "Thu 2026-01-01 10:00", "Thu 2026-01-01 12:00"),
        ("7 hours at :30", "7 hours at :30", "Thu 2026-01-01 14:30", "Thu 2026-01-01 21:30"),
        ("day", "day at 00:00", "Fri 2026-01-02 00:00", "Sat 2026-01-03 00:00"),
        ("Day AT 02:30", "day at 02:30", "Fri 2026-01-02 02:30", "Sat 2026-01-03 02:30"),
        ("day at 18:00 and 9:00", "day at 09:00, 18:00", "Thu 2026-01-01 18:00", "Fri 2026-01-02 09:00"),
        ("weekday at 20:00", "weekday at 20:00", "Thu 2026-01-01 20:00", "Fri 2026-01-02 20:00"),
        ("week", "week on monday at 00:00", "Mon 2026-01-05 00:00", "Mon 2026-01-12 00:00"),
        ("week on sunday at 04:00", "week on sunday at 04:00", "Sun 2026-01-04 04:00", "Sun 2026-01-11 04:00"),
        ("monday, thursday at 06:00", "week on monday, thursday at 06:00", "Mon 2026-01-05 06:00", "Thu 2026-01-08 06:00"),
        ("thu and mon at 06:00", "week on monday, thursday at 06:00", "Mon 2026-01-05 06:00", "Thu 2026-01-08 06:00"),
        ("month on 1 at 03:00", "month on 1 at 03:00", "Sun 2026-02-01 03:00", "Sun 2026-03-01 03:00"),
        ("month on last at 03:00", "month on last at 03:00", "Sat 2026-01-31 03:00", "Sat 2026-02-28 03:00"),
        ("month on 30, 15", "month on 15, 30 at 00:00", "Thu 2026-01-15 00:00", "Fri 2026-01-30 00:00"),
        ("quarter", "quarter on 1 at 00:00", "Wed 2026-04-01 00:00", "Wed 2026-07-01 00:00"),
        ("quarter on last at 23:00", "quarter on last at 23:00", "Tue 2026-03-31 23:00", "Tue 2026-06-30 23:00"),
        ("year", "year on 01-01 at 00:00", "Fri 2027-01-01 00:00", "Sat 2028-01-01 00:00"),
        ("year on 02-29 at 12:00", "year on 02-29 at 12:00", "Sat 2026-02-28 12:00", "Sun 2027-02-28 12:00"),
    ],
)
def test_what_people_write_means_what_they_expect(text: str, printed: str, first: str, second: str) -> None:
    schedule = every(text)
    assert walls(schedule, "2026-01-01 09:31", 2) == [first, second]
    assert schedule.as_settings() == {"every": printed}
    assert parser.read(every=printed, zone=schedule.zone) == schedule


def test_a_day_that_a_month_lacks_means_its_last_so_that_february_is_not_missed() -> None:
    assert walls(every("month on 30"), "2028-01-30 12:00", 2) == ["Tue 2028-02-29 00:00", "Thu 2028-03-30 00:00"]
    assert walls(every("month on 29, last"), "2027-02-01 12:00", 2) == ["Sun 2027-02-28 00:00", "Mon 2027-03-29 00:00"]
    assert walls(every("year on 02-29"), "2027-12-01 12:00", 1) == ["Tue 2028-02-29 00:00"]


@pytest.mark.parametrize("schedule", [every("day at 03:30", "Europe/Kyiv"), parser.read(cron="30 3 * * *", zone=KYIV)])
def test_a_job_at_half_past_three_runs_once_on_both_odd_nights(schedule: Schedule) -> None:
    spring = list(schedule.due_between(datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 3, 30, 12, tzinfo=UTC)))
    assert spring == [datetime(2026, 3, 29, 1, 0, tzinfo=UTC), datetime(2026, 3, 30, 0, 30, tzinfo=UTC)]  # the gap's end
    autumn = list(schedule.due_between(datetime(2026, 10, 24, 12, tzinfo=UTC), datetime(2026, 10, 26, 12, tzinfo=UTC)))
    assert autumn == [datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 26, 1, 30, tzinfo=UTC)]  # the first coming


@pytest.mark.parametrize("schedule", [every("day at 03:30", "Europe/Kyiv"), parser.read(cron="30 3 * * *", zone=KYIV)])
def test_in_an_hours_second_coming_what_was_due_in_its_first_is_past(schedule: Schedule) -> None:
    second_ten_past_three = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)
    assert schedule.next_after(second_ten_past_three) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)
    assert schedule.last_until(second_ten_past_three) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_two_times_in_the_missing_hour_are_one_run() -> None:
    for schedule in (every("day at 03:10, 03:40", "Europe/Kyiv"), parser.read(cron="10,40 3 * * *", zone=KYIV)):
        assert walls(schedule, "2026-03-29 00:00", 2) == ["Sun 2026-03-29 04:00", "Mon 2026-03-30 03:10"]


@pytest.mark.parametrize("schedule", [every("hour at :05", "Europe/Kyiv"), parser.read(cron="5 * * * *", zone=KYIV)])
def test_an_hourly_job_runs_every_real_hour_of_the_odd_nights(schedule: Schedule) -> None:
    for day in (datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 10, 24, 12, tzinfo=UTC)):
        due = list(schedule.due_between(day, day + timedelta(days=1)))
        assert [later - sooner for sooner, later in itertools.pairwise(due)] == [timedelta(hours=1)] * 23


def test_an_interval_is_not_exceeded_where_the_clock_moves_by_half_an_hour() -> None:
    schedule = every("hour at :05", "Australia/Lord_Howe")
    for day in (datetime(2026, 4, 4, tzinfo=UTC), datetime(2026, 10, 3, tzinfo=UTC)):
        due = list(schedule.due_between(day, day + timedelta(days=2)))
        assert max(later - sooner for sooner, later in itertools.pairwise(due)) == timedelta(hours=1)


def test_cron_with_a_star_follows_the_wall_where_the_clock_moves_by_half_an_hour() -> None:
    schedule = parser.read(cron="0 */2 * * *", zone=ZoneInfo("Australia/Lord_Howe"))
    # at two the clock is set back to half past one, and two comes again
    assert walls(schedule, "2024-04-06 23:00", 4) == [
        "Sun 2024-04-07 00:00", "Sun 2024-04-07 02:00", "Sun 2024-04-07 04:00", "Sun 2024-04-07 06:00",
    ]  # fmt: skip
    half_hourly = parser.read(cron="*/30 * * * *", zone=ZoneInfo("Australia/Lord_Howe"))
    assert walls(half_hourly, "2024-04-07 00:59", 4)[0:4] == [
        "Sun 2024-04-07 01:00", "Sun 2024-04-07 01:30", "Sun 2024-04-07 01:30", "Sun 2024-04-07 02:00",
    ]  # fmt: skip


def test_a_day_that_a_whole_country_left_out_is_made_up_for_at_its_end() -> None:
    # Samoa went over the date line: after 29 December 2011 came the 31st
    schedule = every("day at 12:00", "Pacific/Apia")
    assert walls(schedule, "2011-12-29 11:00", 3) == ["Thu 2011-12-29 12:00", "Sat 2011-12-31 00:00", "Sat 2011-12-31 12:00"]


def test_the_last_due_time_is_found_however_long_ago() -> None:
    now = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)
    assert every("hour").last_until(now) == datetime(2026, 11, 22, 8, tzinfo=UTC)
    assert every("day at 08:30").last_until(now) == now
    assert every("year on 11-23").last_until(now) == datetime(2025, 11, 23, tzinfo=UTC)
    assert parser.read(cron="0 0 29 2 *", zone=KYIV).last_until(now) == datetime(2024, 2, 28, 22, tzinfo=UTC)
    assert every("quarter").last_until(now) == datetime(2026, 10, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("houre", "did you mean 'hour'"),
        ("daily", "did you mean 'day'"),
        ("nightly", "did you mean 'day at 02:30'"),
        ("hourly at :05", "did you mean 'hour'"),
        ("week on sonday at 04:00", "did you mean 'sunday'"),
        ("weekend", "did you mean 'saturday, sunday'"),
        ("fnord", "write one of 'hour at :05'"),
        ("", "write one of 'hour at :05'"),
        ("13 hours", "'day'"),
        ("0 minutes", "'15 minutes'"),
        ("hour at :60", "fewer than"),
        ("15 minutes at :15", "fewer than"),
        ("hour at 02:30", "day at 02:30"),
        ("day at 24:00", "hours and minutes"),
        ("day at six", "hours and minutes"),
        ("day on 3", "month on 1"),
        ("month on 0", "1 to 31"),
        ("month on 32", "1 to 31"),
        ("month on second", "1 to 31"),
        ("quarter on 1, last", "two schedules"),
        ("year on 02-30", "month and day"),
        ("year on 1 april", "month and day"),
    ],
)
def test_what_is_no_schedule_is_refused_with_a_way_out(text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=r"invalid (schedule|duration)") as refused:
        every(text)
    assert repr(text) in str(refused.value) or repr(text.split(" at ")[0]) in str(refused.value)
    assert said in str(refused.value.hint)


@pytest.mark.parametrize(
    "text", ["", "hourly", "* * * *", "0 * * * * *", "60 * * * *", "0 0 30 2 *", "0 0 * * FOO", "*/0 * * * *"]
)
def test_a_cron_expression_that_never_comes_due_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="invalid schedule") as refused:
        parser.read(cron=text, zone=KYIV)
    assert refused.value.hint


def test_a_cron_expression_is_printed_as_it_was_written() -> None:
    schedule = parser.read(cron=" 5  */2 * * MON-FRI ", zone=KYIV)
    assert str(schedule) == 'cron = "5 */2 * * MON-FRI"'
    assert parser.read(**schedule.as_settings(), zone=KYIV) == schedule


def test_a_schedule_has_one_of_the_two_forms() -> None:
    for both in ({}, {"every": "day", "cron": "5 * * * *"}):
        with pytest.raises(SettingsError, match="either"):
            parser.read(**both, zone=KYIV)


def test_a_window_over_midnight_opens_and_closes_by_the_wall() -> None:
    window = read_window("22:00-06:00")
    assert str(window) == "22:00-06:00"
    for wall, opening in (("12:00", "22:00"), ("22:00", "22:00"), ("23:59", "23:59"), ("05:59", "05:59"), ("06:00", "22:00")):
        now = datetime.fromisoformat(f"2026-05-05 {wall}").replace(tzinfo=KYIV)
        assert f"{window.opening(now.astimezone(UTC), KYIV).astimezone(KYIV):%H:%M}" == opening


def test_a_window_in_the_missing_hour_opens_on_the_next_night() -> None:
    opening = read_window("03:10-03:50").opening(datetime(2026, 3, 28, 12, tzinfo=UTC), KYIV)
    assert opening == datetime(2026, 3, 30, 0, 10, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "22:00", "22:00-25:00", "22-06", "06:00-06:00"])
def test_what_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="invalid window of time"):
        read_window(text)
