"""The runner: who starts, who waits, what is written down, and that nobody's trouble is another's."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from policies.scheduling import parser
from policies.scheduling.job_policy import JobPolicy, JobRetries
from policies.scheduling.jobs import Job, Outcome, Stop, in_a_thread
from policies.scheduling.run import Run
from policies.scheduling.run_history import RunHistory, RunHistoryReader
from policies.scheduling.runner import Runner
from tests.support.stage import HERE, NOON, StageClock, Witness, services
from tests.support.watchdog import no_hang
from tests.unit.scheduling.house import HOUR, House, job, work
from vault.errors import Interrupted, StorageError


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Callable[..., House]]:
    built: list[House] = []

    def build(*jobs: Job, at_once: int = 4) -> House:
        built.append(House(tmp_path, *jobs, at_once=at_once))
        return built[-1]

    yield build
    for one in built:
        one.history.close()


def test_an_hourly_job_runs_at_once_and_then_every_hour(house: Callable[..., House]) -> None:
    home = house(job())
    home.live(5)
    runs = home.runs()
    assert [run.planned for run in runs] == [NOON + number * HOUR for number in range(6)]
    assert [run.ending for run in runs] == ["done"] * 6
    assert runs[0].started == NOON + HOUR / 2
    assert all(run.started - run.planned <= timedelta(seconds=10) for run in runs[1:])
    assert home.witness.over == runs


def test_what_a_job_tells_is_written_down(house: Callable[..., House]) -> None:
    def troubled(_stop: Stop) -> Outcome:
        return Outcome(3, "three files could not be read")

    home = house(job(run=troubled))
    home.live(0.1)
    assert [(run.ending, run.problems, run.message) for run in home.runs()] == [
        ("problems", 3, "three files could not be read")
    ]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (StorageError("the store said 500", hint="look at its log"), "the store said 500; look at its log"),
        (Interrupted("somebody stopped it", hint="run it again"), "somebody stopped it; run it again"),
        (KeyError("sdek"), "a mistake in Strongroom itself: KeyError: 'sdek'"),
        (SystemExit(3), "a mistake in Strongroom itself: SystemExit: 3"),
    ],
)
def test_whatever_a_job_raises_is_a_failure_that_is_tried_again(
    house: Callable[..., House], error: BaseException, message: str
) -> None:
    def fails(_stop: Stop) -> Outcome:
        raise error

    home = house(job(run=fails), job("other"))
    home.live(0.45)
    assert [(run.ending, run.attempt, run.message) for run in home.runs()] == [("failed", one, message) for one in (1, 2, 3)]
    waits = [later.started - sooner.started for sooner, later in zip(home.runs(), home.runs()[1:], strict=False)]
    assert [round(wait / timedelta(minutes=1)) for wait in waits] == [6, 11]  # a minute's run, then the wait
    assert [run.ending for run in home.runs("other")] == ["done"]


def test_a_long_run_never_overlaps_itself_and_the_missed_hours_are_one_run(house: Callable[..., House]) -> None:
    home = house(job())
    home.lasts["sdek/backup"] = 2.5 * 3600
    home.live(8)
    runs = home.runs()
    assert all(sooner.ended is not None and later.started >= sooner.ended for sooner, later in itertools.pairwise(runs))
    assert [((run.since - NOON) / HOUR, (run.planned - NOON) / HOUR) for run in runs] == [(0, 0), (1, 3), (4, 5), (6, 8)]


def test_one_projects_slow_runs_never_take_all_places(house: Callable[..., House]) -> None:
    slow = [job("slow", f"backup {number}") for number in range(6)]
    home = house(*slow, job("quick"), at_once=4)
    for one in slow:
        home.lasts[one.title] = 100 * 3600
    home.live(10)
    assert len(home.runs("quick")) == 11
    assert all(run.started - run.planned <= timedelta(seconds=20) for run in home.runs("quick")[1:])
    assert len([title for title in home.stage.launched if title.startswith("slow")]) == 2


def test_no_more_runs_at_once_than_allowed_and_the_longest_waiting_first(house: Callable[..., House]) -> None:
    jobs = [job(f"project {number:02}") for number in range(12)]
    home = house(*jobs, at_once=2)
    for one in jobs:
        home.lasts[one.title] = 900  # two at once need an hour and a half for all twelve
    most = 0
    for _ in range(12 * 60):
        home.runner.tick()
        most = max(most, len(home.runner.running()))
        home.clock.sleep(60)
    assert most == 2
    turns = [len(home.runs(one.project)) for one in jobs]
    assert max(turns) - min(turns) <= 1, turns
    first_round = home.stage.launched[:12]
    assert home.stage.launched[12:24] == first_round


def test_a_run_whose_time_is_over_is_asked_to_stop_and_written_down_as_that(house: Callable[..., House]) -> None:
    def patient(stop: Stop) -> Outcome:
        if stop():
            raise Interrupted(f"stopped: {stop.reason}")
        return Outcome()

    home = house(job(run=patient, policy=JobPolicy(timeout=HOUR / 2, retries=JobRetries(attempts=1))))
    home.lasts["sdek/backup"] = 1801
    home.live(0.6)
    assert [(run.ending, run.message.partition(";")[0]) for run in home.runs()][:1] == [("timeout", "stopped: timeout")]


def test_a_run_that_finishes_although_its_time_is_over_has_done_its_work(house: Callable[..., House]) -> None:
    home = house(job(policy=JobPolicy(timeout=HOUR / 4)))
    home.lasts["sdek/backup"] = 1200
    home.live(0.4)
    assert [run.ending for run in home.runs()] == ["done"]


def test_a_run_that_does_not_stop_loses_its_place_and_keeps_its_job(house: Callable[..., House]) -> None:
    home = house(job("stuck", policy=JobPolicy(timeout=HOUR)), job("other"), at_once=1)
    home.lasts["stuck/backup"] = 50 * 3600
    home.clock.sleep(1800)
    home.runner.use([home.jobs[0]])
    home.runner.tick()  # stuck takes the only place
    home.runner.use(home.jobs)
    home.live(6)
    assert [run.ending for run in home.runs("stuck")] == [None]
    assert home.runs("other")[0].started - (NOON + 2 * HOUR) < timedelta(minutes=2)
    assert len(home.runs("other")) == 5
    assert [text for text in home.witness.notices if "does not stop" in text] == [
        "stuck/backup: it has run longer than it may and does not stop; other jobs start beside it"
    ]


def test_after_kill_nine_a_run_is_seen_as_aborted_and_made_up_for(house: Callable[..., House]) -> None:
    home = house(job())
    home.runner.tick()
    assert [run.ending for run in home.runs()] == [None]
    home.killed()
    home.live(0.2)
    assert [(run.ending, run.attempt) for run in home.runs()] == [("aborted", 1), ("done", 2)]


def test_a_job_that_kills_the_process_is_not_tried_for_ever(house: Callable[..., House]) -> None:
    home = house(job())
    for _ in range(6):
        home.runner.tick()
        home.clock.sleep(1)
        home.killed()
    assert [(run.ending, run.attempt) for run in home.runs()] == [("aborted", 1), ("aborted", 2), ("aborted", 3)]
    home.live(1)
    assert home.runs()[-1].planned == NOON + HOUR


def test_a_graceful_stop_waits_for_those_that_listen_and_names_those_that_do_not(house: Callable[..., House]) -> None:
    def listens(stop: Stop) -> Outcome:
        if stop.reason == "stopped":
            raise Interrupted("asked to stop")
        return Outcome()

    home = house(job("listens", run=listens), job("finishes"), job("deaf"))
    home.lasts = {"listens/backup": 5.0, "finishes/backup": 10.0, "deaf/backup": 3600.0}
    home.runner.tick()
    home.clock.sleep(1)
    before = home.clock.monotonic()
    left = home.runner.stop(30.0)
    assert 30.0 <= home.clock.monotonic() - before < 31.0
    assert [run.project for run in left] == ["deaf"]
    assert [home.runs(project)[-1].ending for project in ("listens", "finishes", "deaf")] == ["stopped", "done", None]
    home.killed()
    home.live(0.1)
    assert [(run.ending, run.attempt) for run in home.runs("listens")] == [("stopped", 1), ("done", 1)]
    assert [(run.ending, run.attempt) for run in home.runs("deaf")][:1] == [("aborted", 1)]
    assert [run.ending for run in home.runs("finishes")] == ["done"]


def test_a_failure_that_comes_after_a_stop_was_asked_for_is_still_a_failure(house: Callable[..., House]) -> None:
    def fails(_stop: Stop) -> Outcome:
        raise StorageError("no room is left")

    home = house(job(run=fails))
    home.runner.tick()
    assert home.runner.stop(3600.0) == []
    assert [(run.ending, run.message) for run in home.runs()] == [("failed", "no room is left")]


def test_a_graceful_stop_ends_as_soon_as_all_runs_have(house: Callable[..., House]) -> None:
    home = house(job())
    home.runner.tick()
    before = home.clock.monotonic()
    assert home.runner.stop(3600.0) == []
    assert home.clock.monotonic() - before < 61


def test_skipped_due_times_are_in_the_books(house: Callable[..., House]) -> None:
    home = house(job(policy=JobPolicy("skip")))
    home.live(1)
    home.clock.set(home.clock.now() + timedelta(days=3))
    home.live(1)
    skipped = [run for run in home.runs() if run.ending == "skipped"]
    assert [((run.since - NOON) / HOUR, (run.planned - NOON) / HOUR) for run in skipped] == [(0, 0), (2, 73)]
    assert all(later.since == sooner.planned + HOUR for sooner, later in zip(home.runs(), home.runs()[1:], strict=False))


def test_a_clock_set_back_by_a_day_is_said_once_and_the_hours_go_on(house: Callable[..., House]) -> None:
    home = house(job())
    home.live(30)
    home.clock.set(home.clock.now() - timedelta(days=1))
    before = len(home.stage.launched)
    home.live(30)
    assert len(home.stage.launched) - before == 30
    assert [text for text in home.witness.notices if "set back" in text] == [
        "sdek/backup: the clock was set back: runs for times up to 2026-03-15 18:00 UTC are set aside"
    ]
    reader = RunHistoryReader.open(home.file, HERE)
    runs = reader.recent("sdek", "backup", 1000)[::-1]
    reader.close()
    gaps = [later.started - sooner.started for sooner, later in itertools.pairwise(runs[1:])]
    assert sorted(gaps)[1] >= HOUR - timedelta(seconds=20)
    assert len([run for run in runs if run.set_aside]) == 24


def test_books_that_cannot_be_written_hold_up_no_run_and_are_caught_up_with(house: Callable[..., House]) -> None:
    home = house(job())
    home.live(1)
    home.history._disconnect()
    aside = home.file.with_name("elsewhere")
    home.file.rename(aside)
    home.file.mkdir()  # neither to be opened nor to be written
    home.live(3)
    assert len(home.stage.launched) == 5
    assert len([text for text in home.witness.notices if "written down later" in text]) == 1
    home.file.rmdir()
    aside.rename(home.file)
    home.live(1)
    assert [run.planned for run in home.runs()] == [NOON + number * HOUR for number in range(6)]
    assert [run.ending for run in home.runs()] == ["done"] * 6


@pytest.mark.parametrize("what", ["deleted", "damaged"])
def test_what_is_in_memory_goes_into_books_that_are_begun_anew(house: Callable[..., House], what: str) -> None:
    home = house(job(), job("other"))
    home.live(3)
    if what == "deleted":
        home.file.unlink()
    else:
        home.history._connected().execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
        home.history._disconnect()
        home.file.write_bytes(b"x" * 5000)
    home.live(2)
    assert [run.planned for run in home.runs()] == [NOON + number * HOUR for number in range(6)]
    home.killed()
    launched = len(home.stage.launched)
    home.live(0.2)
    assert len(home.stage.launched) == launched, "nothing is due that was done"


def test_new_settings_keep_the_past_of_a_job_and_let_go_of_jobs_that_are_gone(house: Callable[..., House]) -> None:
    home = house(job("goes"), job("stays"))
    home.lasts["goes/backup"] = 1000
    home.runner.tick()
    daily = Job("backup", "stays", parser.read(every="day at 18:00", zone=ZoneInfo("UTC")), work)
    home.runner.use([daily, job("comes")])
    assert sorted(run.project for run in home.runner.running()) == ["goes", "stays"]
    home.live(8)
    assert [run.ending for run in home.runs("goes")] == ["done"]
    assert [(run.planned - NOON) / HOUR for run in home.runs("stays")] == [0, 6]
    assert len(home.runs("comes")) == 9


def test_one_schedule_that_cannot_be_judged_keeps_no_other_from_its_turn(house: Callable[..., House]) -> None:
    broken = job("broken", policy=JobPolicy(jitter=timedelta.max))
    home = house(broken, job("fine"))
    home.live(2)
    assert len(home.runs("fine")) == 3
    assert home.runs("broken") == []
    assert {text.partition(":")[0] for text in home.witness.notices} == {"broken/backup"}
    assert len(home.witness.notices) < 130  # once a minute


def test_a_watcher_that_fails_keeps_no_run_from_its_start_and_hears_the_rest_later(house: Callable[..., House]) -> None:
    class Deaf(Witness):
        fails = True

        def started(self, run: Run) -> None:
            if self.fails:
                raise OSError("no room for a line of the log")
            super().started(run)

    home = house(job(), job("other"))
    home.witness = deaf = Deaf()
    home.runner = home.make()
    home.live(1)
    assert sorted(home.stage.launched) == ["other/backup"] * 2 + ["sdek/backup"] * 2
    deaf.fails = False
    home.live(1)
    assert [run.ending for run in home.runs()] == ["done"] * 3 and home.runner.running() == []
    assert len(deaf.over) == 6


def test_a_sentence_that_is_no_text_is_written_down_all_the_same(house: Callable[..., House]) -> None:
    home = house(job(run=lambda _stop: Outcome(1, "\udcff could not be read")))
    home.live(1)
    assert [run.message for run in home.runs()] == ["? could not be read"] * 2


def test_runs_that_get_no_thread_are_failures(house: Callable[..., House]) -> None:
    home = house(job())

    def no_thread(_title: str, _work: Callable[[], None]) -> None:
        raise RuntimeError("can't start new thread")

    home.runner = home.make(no_thread)
    home.live(0.02)
    assert [run.ending for run in home.runs()] == ["failed"]
    assert "can't start new thread" in home.runs()[0].message


def test_runs_on_real_threads_run_beside_each_other_and_beside_the_runner(tmp_path: Path) -> None:
    clock, witness = StageClock(), Witness()
    together, over = threading.Barrier(3), threading.Semaphore(0)

    def meets(_stop: Stop) -> Outcome:
        together.wait(30)
        return Outcome(message=threading.current_thread().name)

    def launch(title: str, piece: Callable[[], None]) -> None:
        def whole() -> None:
            piece()
            over.release()

        in_a_thread(title, whole)

    history = RunHistory.open(tmp_path / "books.sqlite", clock, witness.notice)
    runner = Runner(history, services(clock), witness, launch=launch)
    runner.use([job("one", run=meets), job("two", run=meets)])
    with no_hang():
        runner.tick()
        assert len(runner.running()) == 2
        together.wait(30)
        over.acquire()
        over.acquire()
        runner.tick()
    assert {run.project: run.message for run in witness.over} == {"one": "one/backup", "two": "two/backup"}
    assert runner.running() == []
    history.close()
