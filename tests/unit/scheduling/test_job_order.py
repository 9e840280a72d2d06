"""Whose turn it is: backups before the rest, the latest first, and nobody waits for maintenance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from policies.scheduling.jobs import Job, Outcome, Stop
from tests.unit.scheduling.house import HOUR, House, job
from vault.errors import StorageError

Make = Callable[..., House]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    built: list[House] = []

    def build(*jobs: Job, at_once: int = 2) -> House:
        built.append(House(tmp_path, *jobs, at_once=at_once))
        return built[-1]

    yield build
    for one in built:
        one.history.close()


def test_no_backup_waits_for_maintenance_however_long_that_takes(make: Make) -> None:
    others = [job("sdek", name, slot="maintenance") for name in ("check", "drill", "retention", "prune")]
    home = make(job("sdek"), job("mobifon"), *others, job("mobifon", "prune", slot="maintenance"))
    for one in others:
        home.lasts[one.title] = 20 * 3600
    home.live(10)
    assert len(home.runs("sdek")) == len(home.runs("mobifon")) == 11
    assert len([title for title in home.stage.launched if title in home.lasts]) == 1, "one at a time beside them"


def test_no_maintenance_waits_for_backups_that_never_end(make: Make) -> None:
    home = make(job("sdek"), job("mobifon"), job("sdek", "check", slot="maintenance"))
    home.lasts = {"sdek/backup": 100 * 3600, "mobifon/backup": 100 * 3600}
    home.live(5)
    assert len(home.runs("sdek", "check")) == 6


def test_after_an_outage_the_backup_that_is_latest_against_its_promise_goes_first(make: Make) -> None:
    away = False

    def work(_stop: Stop) -> Outcome:
        if away:
            raise StorageError("the store does not answer")
        return Outcome()

    promises = {"a": None, "b": 40 * HOUR, "c": 6 * HOUR, "d": HOUR, "e": 2 * HOUR}
    jobs = [job(name, run=work, rpo=rpo) for name, rpo in promises.items()]
    home = make(*jobs, job("a", "check", slot="maintenance"), at_once=1)
    home.live(2)
    away = True
    home.live(8)
    away = False
    home.killed()
    home.clock.sleep(3600)
    before = len(home.stage.launched)
    home.live(0.3)
    order = [title for title in home.stage.launched[before:] if title.endswith("backup")]
    assert order[:3] == ["d/backup", "e/backup", "c/backup"] and sorted(order[3:5]) == ["a/backup", "b/backup"]


def test_at_the_first_start_what_has_a_promise_goes_before_what_has_none(make: Make) -> None:
    home = make(*(job(name) for name in "abc"), job("z", rpo=timedelta(days=1)), at_once=1)
    home.live(0.1)
    assert home.stage.launched[0] == "z/backup"


def test_a_job_that_is_due_and_has_no_place_says_whom_it_waits_for_once(make: Make) -> None:
    home = make(job("slow"), job("quick"), at_once=1)
    home.live(0.2)
    home.lasts["slow/backup"] = 2.5 * 3600
    home.live(4)
    waits = [text for text in home.witness.notices if "waits until" in text]
    assert waits and waits[0] == "quick/backup: is due and waits until one of these ends: slow/backup"
    assert len([text for text in waits if text.startswith("quick/")]) <= len(home.runs("slow")), "once for each wait"
