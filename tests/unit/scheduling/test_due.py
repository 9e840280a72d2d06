"""Whether a job is due: what follows from its runs, its policy and the moment, and from nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from policies.scheduling import due, parser
from policies.scheduling.due import DueDecision, Skip, Start, Wait
from policies.scheduling.job_policy import JobPolicy, JobRetries, read_window
from policies.scheduling.run import Ending, Run

HOURLY = parser.read(every="hour at :05", zone=ZoneInfo("Europe/Kyiv"))
NIGHTLY = parser.read(every="day at 02:30", zone=ZoneInfo("UTC"))
DAY = datetime(2026, 5, 5, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def at(text: str, *, day: int = 0) -> datetime:
    hours, minutes = text.split(":")
    return DAY + timedelta(days=day, hours=int(hours), minutes=int(minutes))


def ran(planned: datetime, ending: Ending | None = "done", *, attempt: int = 1, lasted: timedelta = MINUTE) -> Run:
    end = planned + lasted if ending is not None else None
    return Run("a run", "sdek", "backup", planned, planned, attempt, planned, ended=end, ending=ending)


def judged(runs: Sequence[Run], now: datetime, policy: JobPolicy | None = None) -> DueDecision:
    return due.decide("sdek/backup", HOURLY, policy or JobPolicy(), runs, now)


def test_a_job_waits_for_its_next_due_time() -> None:
    assert judged([ran(at("9:05"))], at("9:40")).verdict == Wait(at("10:05"), "it is not due yet")


def test_a_due_time_that_has_come_starts_a_run() -> None:
    assert judged([ran(at("9:05"))], at("10:05")).verdict == Start(at("10:05"), at("10:05"), 1, at("10:05"))


def test_a_job_without_any_runs_starts_at_once() -> None:
    assert judged([], at("9:40")).verdict == Start(at("9:05"), at("9:05"), 1, at("9:05"))


def test_a_long_run_never_overlaps_itself() -> None:
    runs = [ran(at("9:05"), None), ran(at("8:05"))]
    assert judged(runs, at("11:45")).verdict == Wait(at("10:05"), "it is running")


def test_after_three_days_of_sleep_one_run_stands_for_all_that_was_missed() -> None:
    verdict = judged([ran(at("9:05"))], at("9:40", day=3)).verdict
    assert verdict == Start(at("10:05"), at("9:05", day=3), 1, at("10:05"))


def test_after_three_days_of_sleep_every_missed_run_is_made_up_for_one_after_another() -> None:
    runs, now, planned = [ran(at("9:05"))], at("9:40", day=3), []
    while isinstance(verdict := judged(runs, now, JobPolicy("all")).verdict, Start):
        assert verdict.since == verdict.planned
        planned.append(verdict.planned)
        runs.insert(0, replace(ran(verdict.planned), started=now, ended=now))
    assert planned == list(HOURLY.due_between(at("9:05"), now))
    assert len(planned) == 72


def test_after_three_days_of_sleep_missed_runs_can_be_passed_over() -> None:
    policy = JobPolicy("skip")
    missed = judged([ran(at("9:05"))], at("9:40", day=3), policy).verdict
    assert missed == Skip(at("10:05"), at("9:05", day=3), "it could not start in time")
    skipped = replace(ran(missed.planned, "skipped"), since=missed.since)
    assert judged([skipped], at("9:40", day=3), policy).verdict == Wait(at("10:05", day=3), "it is not due yet")


def test_what_comes_just_in_time_after_missed_ones_still_runs() -> None:
    policy, now = JobPolicy("skip"), at("9:10", day=3)
    missed = judged([ran(at("9:05"))], now, policy).verdict
    assert missed == Skip(at("10:05"), at("8:05", day=3), "it could not start in time")
    skipped = replace(ran(missed.planned, "skipped"), since=missed.since)
    assert judged([skipped], now, policy).verdict == Start(at("9:05", day=3), at("9:05", day=3), 1, at("9:05", day=3))


@pytest.mark.parametrize("ending", ["failed", "timeout"])
def test_a_failed_run_is_tried_again_after_a_wait_that_doubles(ending: Ending) -> None:
    policy = JobPolicy(retries=JobRetries(attempts=4, first=5 * MINUTE, most=15 * MINUTE))
    ended = at("9:06")
    for attempt, wait in ((1, 5), (2, 10), (3, 15)):
        run = replace(ran(at("9:05"), ending, attempt=attempt), ended=ended)
        assert judged([run], ended, policy).verdict == Wait(ended + wait * MINUTE, f"try {attempt + 1} of 4 comes next")
        again = judged([run], ended + wait * MINUTE, policy).verdict
        assert again == Start(run.since, run.planned, attempt + 1, ended + wait * MINUTE)
    last = replace(ran(at("9:05"), ending, attempt=4), ended=ended)
    assert judged([last], at("9:50"), policy).verdict == Wait(at("10:05"), "it is not due yet")


def test_a_wait_for_another_try_ends_when_a_newer_run_is_due() -> None:
    policy = JobPolicy(retries=JobRetries(first=HOUR * 3, most=HOUR * 3))
    failed = ran(at("9:05"), "failed")
    assert judged([failed], at("9:10"), policy).verdict == Wait(at("10:05"), "try 2 of 3 comes next")
    assert judged([failed], at("10:05"), policy).verdict == Start(at("10:05"), at("10:05"), 1, at("10:05"))
    every_one = replace(policy, catch_up="all")
    assert judged([failed], at("10:05"), every_one).verdict == Wait(at("12:06"), "try 2 of 3 comes next")
    assert judged([failed], at("12:06"), every_one).verdict == Start(at("9:05"), at("9:05"), 2, at("12:06"))


def test_a_run_that_was_cut_off_is_tried_again_at_once_and_counted() -> None:
    assert judged([ran(at("9:05"), "aborted")], at("9:06")).verdict == Start(at("9:05"), at("9:05"), 2, at("9:06"))
    assert isinstance(judged([ran(at("9:05"), "aborted", attempt=3)], at("9:06")).verdict, Wait)


def test_a_run_that_was_asked_to_stop_is_tried_again_at_once_and_not_counted() -> None:
    for attempt in (1, 3):
        run = ran(at("9:05"), "stopped", attempt=attempt)
        assert judged([run], at("9:06")).verdict == Start(at("9:05"), at("9:05"), attempt, at("9:06"))


@pytest.mark.parametrize("ending", ["done", "problems", "skipped"])
def test_a_run_that_did_its_work_is_not_tried_again(ending: Ending) -> None:
    assert isinstance(judged([ran(at("9:05"), ending)], at("9:06")).verdict, Wait)


def test_jitter_shifts_every_start_by_the_same_and_misses_none() -> None:
    policy = JobPolicy(jitter=6 * HOUR)  # longer than from one due time to the next
    share = policy.delay_of("sdek/backup")
    assert HOUR < share < 6 * HOUR
    runs, now, planned = [ran(at("0:05"))], at("0:05"), []
    while now < at("0:00", day=2):
        verdict = judged(runs, now, policy).verdict
        if isinstance(verdict, Start):
            assert now == verdict.planned + share
            planned.append(verdict.planned)
            runs = [replace(ran(verdict.planned), started=now, ended=now)]
        now = verdict.until if isinstance(verdict, Wait) else now
    assert planned == list(HOURLY.due_between(at("0:05"), now - share - MINUTE))


def test_a_run_starts_only_while_its_window_is_open() -> None:
    policy = JobPolicy(window=read_window("22:00-06:00"))  # in Kyiv: 19:00 to 03:00 UTC
    runs = [ran(at("2:05"))]
    assert judged(runs, at("2:59"), policy).verdict == Wait(at("19:00"), "it is not due yet")
    assert judged(runs, at("9:00"), policy).verdict == Wait(at("19:00"), "its window is closed")
    assert judged(runs, at("19:00"), policy).verdict == Start(at("3:05"), at("18:05"), 1, at("19:00"))
    late = ran(at("2:05"), "failed", lasted=53 * MINUTE)
    assert judged([late], at("2:59"), policy).verdict == Wait(at("19:00"), "try 2 of 3 comes next")


def test_the_clock_set_back_by_a_day_runs_nothing_twice_and_starves_nothing() -> None:
    now, noon = at("12:00", day=1), at("12:00")
    runs = [ran(moment) for moment in HOURLY.due_between(at("0:00"), now)][::-1]
    judgement = judged(runs, noon)
    assert judgement.verdict == Wait(at("12:05"), "it is not due yet")
    assert [run.planned for run in judgement.ahead] == list(HOURLY.due_between(noon, now))[::-1]
    aside = [replace(run, set_aside=run in judgement.ahead) for run in runs]
    assert judged(aside, at("12:05")) == DueDecision(Start(at("12:05"), at("12:05"), 1, at("12:05")))


def test_a_clock_that_is_put_right_by_minutes_runs_nothing_twice() -> None:
    run = due.decide("sdek/backup", NIGHTLY, JobPolicy(), [ran(at("2:30"))], at("2:25"))
    assert run == DueDecision(Wait(at("2:30", day=1), "it is not due yet"))
    assert judged([ran(at("9:05")), ran(at("8:05"))], at("8:55")) == DueDecision(Wait(at("10:05"), "it is not due yet"))


def test_a_success_under_a_clock_that_was_ahead_counts_for_what_was_due_until_it_was_put_right() -> None:
    ahead = ran(at("9:05", day=400))
    judgement = judged([ahead, ran(at("6:05"))], at("9:40"))
    assert judgement == DueDecision(Skip(at("7:05"), at("9:05"), "the clock was set back after a later run"), (ahead,))
    first = judged([ahead], at("9:40"))
    assert first == DueDecision(Skip(at("9:05"), at("9:05"), "the clock was set back after a later run"), (ahead,))


def test_a_failure_under_a_clock_that_was_ahead_counts_for_nothing() -> None:
    ahead = ran(at("9:05", day=400), "failed")
    assert judged([ahead, ran(at("6:05"))], at("9:40")) == DueDecision(Start(at("7:05"), at("9:05"), 1, at("7:05")), (ahead,))


def test_a_run_under_way_is_not_doubled_when_the_clock_is_set_back() -> None:
    judgement = judged([ran(at("9:05", day=1), None), ran(at("8:05", day=1))], at("9:40"))
    assert isinstance(judgement.verdict, Wait)
    assert [run.planned for run in judgement.ahead] == [at("8:05", day=1)]


def test_a_failure_that_lies_in_the_future_does_not_put_the_next_try_off() -> None:
    run = replace(ran(at("9:05"), "failed"), ended=at("9:07"))
    assert judged([run], at("9:06")).verdict == Start(at("9:05"), at("9:05"), 2, at("9:06"))


def test_people_are_told_when_a_job_will_start_next() -> None:
    def told(runs: Sequence[Run], now: datetime, policy: JobPolicy | None = None) -> datetime:
        return due.next_run("sdek/backup", HOURLY, policy or JobPolicy(), runs, now)

    assert told([ran(at("9:05"))], at("9:40")) == at("10:05")
    assert told([ran(at("9:05"))], at("10:06")) == at("10:06")
    assert told([ran(at("9:05"), None)], at("9:40")) == at("10:05")
    assert told([ran(at("9:05"))], at("11:40"), JobPolicy("skip")) == at("12:05")
    assert told([ran(at("9:05"), "failed")], at("9:07")) == at("9:11")
