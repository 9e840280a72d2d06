"""Two years in seconds: odd nights in both directions, a leap day, three days of sleep, a clock set back by a day."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from policies.scheduling import due, parser
from policies.scheduling.due import Skip, Start, Wait
from policies.scheduling.job_policy import CatchUp, JobPolicy, JobRetries, read_window
from policies.scheduling.jobs import Job
from policies.scheduling.parser import Schedule
from policies.scheduling.run import Run
from tests.support.stage import StageClock
from tests.time.world import Luck, World

START, END = datetime(2027, 1, 1, tzinfo=UTC), datetime(2029, 1, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
KYIV = ZoneInfo("Europe/Kyiv")
MORE_ZONES = [pytest.param(zone, marks=pytest.mark.slow) for zone in ("America/New_York", "Africa/Casablanca")]
ZONES = ["Europe/Kyiv", "Australia/Lord_Howe", *MORE_ZONES]


def pure_life(schedule: Schedule, policy: JobPolicy) -> list[Run]:
    """Two years of the judge alone; every run succeeds within a minute, ticks come exactly when they were asked for."""
    runs: list[Run] = []
    now = START
    while now < END:
        verdict = due.decide("sdek/backup", schedule, policy, runs[:-4:-1], now).verdict
        if isinstance(verdict, Wait):
            assert verdict.until > now
            now = verdict.until
            continue
        assert isinstance(verdict, Start), verdict
        ended = now + timedelta(minutes=1)
        runs.append(
            Run("a run", "sdek", "backup", verdict.since, verdict.planned, verdict.attempt, now, ended=ended, ending="done")
        )
        now = ended
    return runs


@pytest.mark.parametrize("zone", ZONES)
def test_an_hourly_job_runs_every_hour_of_two_years(zone: str) -> None:
    schedule = parser.read(every="hour at :05", zone=ZoneInfo(zone))
    runs = pure_life(schedule, JobPolicy())
    assert [run.planned for run in runs[1:]] == list(schedule.due_between(runs[0].planned, runs[-1].planned))
    assert max(later.started - sooner.started for sooner, later in pairwise(runs[1:])) == HOUR
    assert 0 <= len(runs) - (END - START) // HOUR <= 4  # half an hour's move costs Lord Howe a run more


@pytest.mark.parametrize("zone", ZONES)
def test_a_nightly_job_runs_once_on_every_date_of_two_years(zone: str) -> None:
    for wall in ("01:45", "02:30", "03:30"):
        schedule = parser.read(every=f"day at {wall}", zone=ZoneInfo(zone))
        runs = pure_life(schedule, JobPolicy(jitter=timedelta(minutes=20)))
        dates = Counter(run.planned.astimezone(schedule.zone).date() for run in runs[1:])
        assert set(dates.values()) == {1}
        assert len(dates) in (730, 731)  # 2028 has a leap day
        assert max(later.planned - sooner.planned for sooner, later in pairwise(runs[1:])) <= 25 * HOUR


def test_a_window_at_night_gathers_the_hours_of_the_day() -> None:
    schedule = parser.read(every="hour", zone=KYIV)
    runs = pure_life(schedule, JobPolicy(window=read_window("22:00-06:00")))[1:]
    for sooner, later in pairwise(runs):
        assert later.since == schedule.next_after(sooner.planned)
        wall = later.started.astimezone(KYIV).time()
        assert wall.hour >= 22 or wall.hour < 6
    assert max(later.started - sooner.started for sooner, later in pairwise(runs)) <= 17 * HOUR


@pytest.mark.parametrize("catch_up", ["once", "all", "skip"])
@pytest.mark.parametrize("years", [0.12, pytest.param(2, marks=pytest.mark.slow)])
def test_a_daemons_two_years_lose_no_due_time_and_run_none_twice(catch_up: CatchUp, years: float, tmp_path: Path) -> None:
    luck = Luck(7, failing=0.05, longest=5 * 3600)
    policy = JobPolicy(catch_up, late=HOUR, timeout=3 * HOUR, retries=JobRetries(attempts=2))
    texts = ["hour at :05", "day at 03:30", "week on sunday at 04:00", "month on last at 23:00", "quarter"]
    jobs = [Job(text, "sdek", parser.read(every=text, zone=KYIV), luck.work, policy) for text in texts]
    jobs.append(Job("windowed", "other", jobs[0].schedule, luck.work, JobPolicy(catch_up, window=read_window("22:00-06:00"))))
    start = datetime(2028, 2, 25, tzinfo=UTC)  # a leap day and a spring night come soon
    end = start + years * 365 * DAY
    world = World(tmp_path, StageClock(start), luck, jobs)
    world.live(start + 20 * DAY)
    world.sleeps(3 * DAY)
    world.live(start + 30 * DAY)
    world.clock_is_set_back(DAY)
    while world.clock.now() < end:
        world.live(min(end, world.clock.now() + 15 * DAY))
        world.killed()
    world.history.close()
    hourly = [run for run in world.ended_runs if run.job == texts[0] and run.attempt == 1]
    stood_for = sum(1 for run in hourly for _ in jobs[0].schedule.due_between(run.since - HOUR / 60, run.planned))
    real_hours = (end - start) / HOUR - 72 + 24 + 72  # asleep they were missed, and made up for or passed over
    assert abs(stood_for - real_hours) <= 8
    told = [text.partition(": ")[0] for text in world.notices if "set back" in text]
    assert len(set(told)) == len(told)
    assert jobs[0].title in told


def test_no_wait_is_longer_than_to_the_next_due_time_whatever_the_clock_does() -> None:
    schedule, policy = parser.read(every="hour", zone=KYIV), JobPolicy()
    runs: list[Run] = []
    for hours in range(0, 24 * 365, 7):
        for back in (timedelta(), timedelta(minutes=5), HOUR, DAY, 30 * DAY):
            now = START + hours * HOUR - back
            judgement = due.decide("sdek/backup", schedule, policy, runs, now)
            verdict = judgement.verdict
            if isinstance(verdict, Wait):
                assert now < verdict.until <= now + 2 * HOUR
            if isinstance(verdict, Skip):
                assert judgement.ahead
                assert verdict.planned <= now
        now = START + hours * HOUR
        runs = [Run("a run", "sdek", "backup", now, now, 1, now, ended=now, ending="done"), *runs[:15]]
