"""Hourly runs with bad luck: failures, runs of hours, kills, sleep, a clock that is set; the books are checked after each."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from policies.scheduling import parser
from policies.scheduling.job_policy import JobPolicy, JobRetries
from policies.scheduling.jobs import Job
from tests.support.stage import StageClock
from tests.time.world import Luck, World

START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def life(folder: Path, seed: int, runs: int) -> World:
    """Until so many runs have ended."""
    luck, randomness = Luck(seed, failing=0.1, longest=3.5 * 3600), random.Random(seed)
    schedule = parser.read(every="hour at :05", zone=ZoneInfo("Europe/Kyiv"))
    policy = JobPolicy(jitter=10 * timedelta(minutes=1), timeout=2 * HOUR, retries=JobRetries(attempts=3))
    jobs = [
        Job("backup", "once", schedule, luck.work, policy),
        Job("backup", "all", schedule, luck.work, JobPolicy("all", retries=policy.retries)),
        Job("backup", "skip", schedule, luck.work, JobPolicy("skip", late=HOUR / 2)),
        Job("check", "once", parser.read(cron="*/20 * * * *", zone=ZoneInfo("UTC")), luck.work, policy),
    ]
    world = World(folder, StageClock(START), luck, jobs)
    while len(world.ended_runs) < runs:
        world.live(world.clock.now() + randomness.uniform(1, 40) * HOUR, step=randomness.uniform(30, 120))
        event = randomness.random()
        if event < 0.3:
            world.killed()
        elif event < 0.4:
            world.sleeps(randomness.uniform(0.1, 6) * HOUR)
        elif event < 0.5:
            assert world.runner.stop(4 * 3600.0) == []
    assert world.runner.stop(4 * 3600.0) == []
    world.history.close()
    assert luck.raised == set(), "a failure is not in the books"
    return world


@pytest.mark.parametrize(("seed", "runs"), [(1, 800), pytest.param(2, 10_000, marks=pytest.mark.slow)])
def test_the_books_are_right_after_each_of_many_runs_with_bad_luck(seed: int, runs: int, tmp_path: Path) -> None:
    world = life(tmp_path, seed, runs)
    assert world.endings.keys() == {"done", "problems", "failed", "timeout", "stopped", "aborted", "skipped"}
    assert world.endings["failed"] > runs / 20
    assert {text.partition("; ")[0].partition(": ")[2] for text in world.notices} == {
        "it has run longer than it may and does not stop"
    }
