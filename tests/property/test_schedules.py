"""Due times against a scan of every minute, in zones that do odd things, by oracles that know nothing of the code.

times on the wall   a minute is due when the wall shows a due time for the first time, or has just jumped over one
intervals           minutes are counted from each local midnight
cron with stars     a minute is due when the wall matches
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from policies.scheduling import parser
from policies.scheduling.job_policy import JobPolicy, TimeWindow
from policies.scheduling.rules import WEEKDAYS
from vault.errors import SettingsError

ZONES = ("Europe/Kyiv", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "UTC")
MINUTE = timedelta(minutes=1)
SCANNED = timedelta(hours=30)
usual = settings(derandomize=True, deadline=None, max_examples=30)
deep = settings(derandomize=True, deadline=None, max_examples=1000)

Wall = Callable[[datetime], bool]
"""Whether a wall time (naive) is a due one."""


def _nights_of_changes() -> dict[str, list[datetime]]:
    """For each zone, noon before each day of 2024 to 2028 on which its clock is moved."""
    nights: dict[str, list[datetime]] = {}
    for zone in ZONES:
        noon = datetime(2024, 1, 1, 12, tzinfo=UTC)
        days = [noon + timedelta(days=number) for number in range(1826)]
        offsets = [day.astimezone(ZoneInfo(zone)).utcoffset() for day in days]
        nights[zone] = [days[n] for n in range(len(days) - 1) if offsets[n] != offsets[n + 1]] or [noon]
    return nights


NIGHTS = _nights_of_changes()


@st.composite
def moments(draw: st.DrawFn, zone: str) -> datetime:
    """Any second of those years; every other one is close to a change of the clock."""
    if draw(st.booleans()):
        start = draw(st.sampled_from(NIGHTS[zone]))
        return start + timedelta(seconds=draw(st.integers(0, 48 * 3600)))
    return datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=draw(st.integers(0, 1826 * 86_400)))


times = st.lists(st.times().map(lambda at: at.replace(second=0, microsecond=0, fold=0)), min_size=1, max_size=3, unique=True)
weekdays = st.lists(st.integers(0, 6), min_size=1, max_size=7, unique=True)
month_days = st.lists(st.integers(1, 31), min_size=1, max_size=3, unique=True)


@st.composite
def on_days(draw: st.DrawFn) -> tuple[str, Wall]:
    """Days of the week or the month at times, and what that means."""
    at = draw(times)
    text = ", ".join(f"{one:%H:%M}" for one in at)
    if draw(st.booleans()):
        days = draw(weekdays)
        names = ", ".join(WEEKDAYS[day] for day in days)
        return f"week on {names} at {text}", lambda wall: wall.weekday() in days and wall.time() in at
    of_month = draw(month_days)

    def is_due(wall: datetime) -> bool:
        last = (wall + timedelta(days=1)).day == 1
        return wall.time() in at and (wall.day in of_month or (last and any(day > wall.day for day in of_month)))

    return f"month on {', '.join(map(str, of_month))} at {text}", is_due


@st.composite
def cron_at_times(draw: st.DrawFn) -> tuple[str, Wall]:
    """Fixed hours and minutes."""
    minutes = draw(st.lists(st.integers(0, 59), min_size=1, max_size=3, unique=True))
    hours = draw(st.lists(st.integers(0, 23), min_size=1, max_size=3, unique=True))
    days = draw(weekdays)
    text = f"{','.join(map(str, minutes))} {','.join(map(str, hours))} * * {','.join(str((day + 1) % 7) for day in days)}"
    return text, lambda wall: wall.minute in minutes and wall.hour in hours and wall.weekday() in days


@st.composite
def cron_with_stars(draw: st.DrawFn) -> tuple[str, Wall]:
    """Every so many minutes or hours."""
    step = draw(st.integers(1, 30))
    if draw(st.booleans()):
        return f"*/{step} * * * *", lambda wall: wall.minute % step == 0
    minute, hours = draw(st.integers(0, 59)), draw(st.integers(1, 12))
    return f"{minute} */{hours} * * *", lambda wall: wall.minute == minute and wall.hour % hours == 0


intervals = st.integers(1, 720).flatmap(lambda every: st.tuples(st.just(every), st.integers(0, min(every - 1, 59))))


def once_on_the_wall(is_due: Wall, zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[datetime]:
    minute = start.replace(second=0)
    before = minute.astimezone(zone)
    while (minute := minute + MINUTE) <= end:
        wall = minute.astimezone(zone)
        shown = wall.replace(tzinfo=None, fold=0)
        jumped_over = before.replace(tzinfo=None, fold=0) + MINUTE
        while jumped_over < shown and not is_due(jumped_over):
            jumped_over += MINUTE
        if (wall.fold == 0 and is_due(shown)) or jumped_over < shown:
            yield minute
        before = wall


def while_the_wall_matches(is_due: Wall, zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[datetime]:
    minute = start.replace(second=0)
    while (minute := minute + MINUTE) <= end:
        if is_due(minute.astimezone(zone).replace(tzinfo=None)):
            yield minute


def counted_from_midnight(every: int, offset: int, zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[datetime]:
    minute = start.replace(second=0) - timedelta(hours=50)
    day, since_midnight, count = minute.astimezone(zone).date(), 0, 0
    while (minute := minute + MINUTE) <= end:
        here = minute.astimezone(zone).date()
        since_midnight, day = (0 if here != day else since_midnight + 1), here
        count = 0 if since_midnight == offset else count + 1
        if minute > start and count % every == 0:
            yield minute


EVEN_HOURS = ("0 */2 * * *", lambda wall: wall.minute == 0 and wall.hour % 2 == 0)
places = st.sampled_from(ZONES).flatmap(lambda zone: st.tuples(st.just(ZoneInfo(zone)), moments(zone)))
Place = tuple[ZoneInfo, datetime]


def check_times_on_the_wall(place: Place, said: tuple[str, Wall], form: str) -> None:
    (zone, start), (text, is_due) = place, said
    schedule, end = parser.read(**{form: text}, zone=zone), start + SCANNED
    assert list(schedule.due_between(start, end)) == list(once_on_the_wall(is_due, zone, start, end))


def check_intervals(place: Place, said: tuple[int, int]) -> None:
    (zone, start), (every, offset) = place, said
    schedule, end = parser.read(every=f"{every} minutes at :{offset:02}", zone=zone), start + SCANNED
    found = list(schedule.due_between(start, end))
    assert found == list(counted_from_midnight(every, offset, zone, start, end))
    assert all(later - sooner <= every * MINUTE for sooner, later in pairwise(found))


def check_stars(place: Place, said: tuple[str, Wall]) -> None:
    (zone, start), (text, is_due) = place, said
    schedule, end = parser.read(cron=text, zone=zone), start + SCANNED
    assert list(schedule.due_between(start, end)) == list(while_the_wall_matches(is_due, zone, start, end))


@usual
@given(place=places, said=on_days())
def test_days_and_times_match_a_scan_of_every_minute(place: Place, said: tuple[str, Wall]) -> None:
    check_times_on_the_wall(place, said, "every")


@usual
@given(place=places, said=cron_at_times())
def test_cron_at_fixed_times_matches_a_scan_of_every_minute(place: Place, said: tuple[str, Wall]) -> None:
    check_times_on_the_wall(place, said, "cron")


@usual
@given(place=places, said=cron_with_stars())
@example(place=(ZoneInfo("Australia/Lord_Howe"), datetime(2024, 4, 6, 12, tzinfo=UTC)), said=EVEN_HOURS)
def test_cron_with_stars_matches_a_scan_of_every_minute(place: Place, said: tuple[str, Wall]) -> None:
    check_stars(place, said)


@usual
@given(place=places, said=intervals)
def test_intervals_match_a_scan_of_every_minute_and_are_never_exceeded(place: Place, said: tuple[int, int]) -> None:
    check_intervals(place, said)


@pytest.mark.slow
@deep
@given(place=places, days=on_days(), fixed=cron_at_times(), stars=cron_with_stars(), interval=intervals)
def test_thousands_of_schedules_match_a_scan_of_every_minute(
    place: Place, days: tuple[str, Wall], fixed: tuple[str, Wall], stars: tuple[str, Wall], interval: tuple[int, int]
) -> None:
    check_times_on_the_wall(place, days, "every")
    check_times_on_the_wall(place, fixed, "cron")
    check_stars(place, stars)
    check_intervals(place, interval)


TEXTS = st.one_of(
    on_days().map(lambda said: ("every", said[0])),
    cron_at_times().map(lambda said: ("cron", said[0])),
    cron_with_stars().map(lambda said: ("cron", said[0])),
    intervals.map(lambda said: ("every", f"{said[0]} minutes at :{said[1]:02}")),
    st.sampled_from([("every", "quarter on last at 01:30"), ("every", "year on 02-29 at 03:00"), ("cron", "0 3 29 2 *")]),
)


@settings(usual, max_examples=100)
@given(place=places, said=TEXTS, seconds=st.integers(1, 200_000))
def test_the_next_due_time_is_later_and_never_goes_back(place: Place, said: tuple[str, str], seconds: int) -> None:
    (zone, moment), (form, text) = place, said
    schedule = parser.read(**{form: text}, zone=zone)
    first, later = schedule.next_after(moment), schedule.next_after(moment + timedelta(seconds=seconds))
    assert moment < first <= later
    assert schedule.next_after(first - timedelta(microseconds=1)) == first
    assert schedule.last_until(first) == first
    before = schedule.last_until(first - timedelta(microseconds=1))
    assert before is not None
    assert schedule.next_after(before) == first


@settings(usual, max_examples=100)
@given(place=places, said=TEXTS)
def test_a_schedule_reads_back_as_it_is_printed(place: Place, said: tuple[str, str]) -> None:
    schedule = parser.read(**{said[0]: said[1]}, zone=place[0])
    again = parser.read(**schedule.as_settings(), zone=place[0])
    assert again == schedule
    assert str(again) == str(schedule)


@settings(usual, max_examples=300)
@given(text=st.text(alphabet="0123456789*/-,#L: aehilmnorstuwy²", max_size=20), form=st.sampled_from(["every", "cron"]))
@example(text="²² minutes", form="every")
@example(text="* * L * *", form="cron")
def test_whatever_is_written_is_read_or_refused_with_a_hint(text: str, form: str) -> None:
    try:
        schedule = parser.read(**{form: text}, zone=ZoneInfo("Europe/Kyiv"))
    except SettingsError as error:
        assert error.hint
    else:
        assert schedule.next_after(datetime(2026, 1, 1, tzinfo=UTC)) > datetime(2026, 1, 1, tzinfo=UTC)


@settings(usual, max_examples=100)
@given(place=places, opens=st.times(), closes=st.times())
def test_a_window_opens_within_itself_and_not_before_it_must(place: Place, opens: time, closes: time) -> None:
    zone, moment = place
    window = TimeWindow(opens.replace(second=0, microsecond=0), closes.replace(second=0, microsecond=0))
    if window.opens == window.closes:
        return
    opening = window.opening(moment, zone)
    assert opening >= moment
    assert window.opening(opening, zone) == opening
    assert opening - moment < timedelta(days=2)


@settings(usual, max_examples=100)
@given(name=st.text(), minutes=st.integers(0, 10_000))
def test_a_jobs_share_of_the_jitter_is_within_it_and_always_the_same(name: str, minutes: int) -> None:
    policy = JobPolicy(jitter=minutes * MINUTE)
    assert timedelta() <= policy.delay_of(name) <= policy.jitter
    assert policy.delay_of(name) == JobPolicy(jitter=minutes * MINUTE).delay_of(name)


def test_the_shares_of_many_jobs_are_spread() -> None:
    policy = JobPolicy(jitter=timedelta(hours=1))
    quarters = [int(policy.delay_of(f"project {number}/backup").total_seconds() // 900) for number in range(400)]
    assert all(70 < quarters.count(quarter) < 130 for quarter in range(4))
