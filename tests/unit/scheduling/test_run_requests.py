"""A person asks for a run now: it starts like every other, once, and takes nothing from what is due."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from policies.scheduling.job_policy import JobPolicy, JobRetries
from policies.scheduling.jobs import Job, Outcome, Stop
from policies.scheduling.run_requests import FOLDER, RunRequests
from policies.scheduling.runner import Runner
from tests.support.stage import services
from tests.unit.scheduling.house import House, job
from vault.errors import StrongroomError

RUN = "00112233aabbccdd"
OTHER = "00112233aabbccde"


class Asked(House):
    """A house whose runner looks for requests."""

    def __init__(self, folder: Path, *jobs: Job, at_once: int = 4) -> None:
        self.requests = RunRequests(folder)
        super().__init__(folder, *jobs, at_once=at_once)
        self.runner = Runner(
            self.history,
            services(self.clock, 7),
            self.witness,
            at_once=at_once,
            launch=self.stage.launch,
            requests=self.requests,
        )
        self.runner.use(jobs)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Callable[..., Asked]]:
    built: list[Asked] = []

    def build(*jobs: Job, at_once: int = 4) -> Asked:
        built.append(Asked(tmp_path, *jobs, at_once=at_once))
        return built[-1]

    yield build
    for one in built:
        one.history.close()


def test_a_run_that_is_asked_for_starts_within_a_tick_under_its_id(house: Callable[..., Asked]) -> None:
    home = house(job())
    home.live(0.5)
    before = len(home.runs())
    home.requests.ask(RUN, "sdek", "backup")
    home.runner.tick()
    assert [run.id for run in home.runs()][before:] == [RUN] and not home.requests.is_pending(RUN)
    home.live(0.1)
    assert home.runs()[-1].ending == "done"


def test_what_is_due_later_runs_all_the_same(house: Callable[..., Asked]) -> None:
    home = house(job())
    home.live(0.75)  # 13:15
    home.requests.ask(RUN, "sdek", "backup")
    home.live(2)
    assert [f"{run.started:%H:%M}" for run in home.runs()] == ["12:30", "13:00", "13:15", "14:00", "15:00"]


def test_due_times_that_are_all_to_be_made_up_are_not_passed_over(house: Callable[..., Asked]) -> None:
    home = house(job(policy=JobPolicy(catch_up="all")))
    home.live(0.2)
    home.clock.sleep(3 * 3600)
    home.requests.ask(RUN, "sdek", "backup")
    home.live(0.5)
    assert [f"{run.planned:%H:%M}" for run in home.runs()] == ["12:00", "13:00", "14:00", "15:00", "16:00"][: len(home.runs())]
    assert len(home.runs()) >= 4


def test_a_job_that_is_running_runs_again_afterwards(house: Callable[..., Asked]) -> None:
    home = house(job())
    home.lasts["sdek/backup"] = 600.0
    home.runner.tick()
    home.requests.ask(RUN, "sdek", "backup")
    home.runner.tick()
    assert len(home.runs()) == 1 and home.requests.is_pending(RUN)
    home.live(0.4)
    first, second = home.runs()
    assert second.id == RUN and first.ended is not None and second.started >= first.ended


def test_it_goes_before_what_is_due_and_waits_for_a_free_place(house: Callable[..., Asked]) -> None:
    home = house(job("a"), job("b"), job("c"), at_once=1)
    home.requests.ask(RUN, "c", "backup")
    home.runner.tick()
    assert home.stage.launched == ["c/backup"]


def test_only_what_is_asked_for_starts_where_nothing_else_is_wanted(house: Callable[..., Asked]) -> None:
    home = house(job("a"), job("b"))
    home.requests.ask(RUN, "b", "backup")
    home.runner.tick(requested_only=True)
    assert home.stage.launched == ["b/backup"]


def test_a_run_that_was_asked_for_and_fails_is_tried_again(house: Callable[..., Asked]) -> None:
    def fails(_stop: Stop) -> Outcome:
        raise StrongroomError("no")

    home = house(job(run=fails, policy=JobPolicy(retries=JobRetries(2, timedelta(minutes=5)))))
    home.live(0.8)
    before = len(home.runs())
    home.requests.ask(RUN, "sdek", "backup")
    home.live(0.2)
    again = home.runs()[before:]
    assert [run.attempt for run in again] == [1, 2] and again[0].id == RUN


def test_a_request_for_what_is_no_job_is_taken_away_and_told(house: Callable[..., Asked]) -> None:
    home = house(job())
    home.requests.ask(RUN, "sdek", "chek")
    home.runner.tick()
    assert not home.requests.is_pending(RUN)
    assert any("sdek/chek" in notice for notice in home.witness.notices)


def test_requests_of_nobody_and_what_is_no_request_are_taken_away(tmp_path: Path) -> None:
    requests = RunRequests(tmp_path)
    requests.ask(RUN, "sdek", "backup")
    folder = tmp_path / FOLDER
    assert (folder.stat().st_mode & 0o777, (folder / f"{RUN}.json").stat().st_mode & 0o777) == (0o700, 0o600)
    dead = (folder / f"{RUN}.json").read_text().replace(RUN, OTHER)
    (folder / f"{OTHER}.json").write_text(dead[: dead.index('"process"')] + '"process": "gone 1 1"}')
    (folder / "ff.json").write_text("[" * 10_000)
    (folder / "fe.json").write_text('{"id": "../x", "project": 3}')
    (folder / "fd.json").symlink_to("/etc/passwd")
    assert list(requests.pending()) == [("sdek", "backup")]
    assert [file.name for file in folder.iterdir()] == [f"{RUN}.json"]
