"""What the answers of runs mean."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from policies.daemon import work
from policies.daemon.child import Ended
from policies.daemon.plan import PlannedJob, ProjectPlan
from policies.daemon.work import RunFailed, outcome
from policies.schedule import forms
from policies.schedule.jobs import Outcome, Stop
from policies.schedule.policy import Policy
from tests.support.stage import StageClock
from vault.errors import Interrupted

HOURLY = forms.read(every="hour", zone=ZoneInfo("UTC"))
SNAPSHOT = {"snapshot": "x", "added": 3, "changed": 2, "vanished": 1, "problems": 0, "problem_list": []}


def test_a_success_tells_its_counts() -> None:
    assert outcome(Ended(0, {"snapshots": [SNAPSHOT]}, "")) == Outcome(0, "snapshot x: 3 new, 2 changed, 1 vanished")
    assert outcome(Ended(0, {}, "")) == Outcome()


def test_problems_are_counted_and_the_first_is_named() -> None:
    problem = {"path": "reports/a.csv", "what": "unreadable", "message": "it cannot be read"}
    found = outcome(Ended(3, {"snapshots": [SNAPSHOT | {"problems": 2, "problem_list": [problem]}]}, ""))
    assert found == Outcome(2, "reports/a.csv: it cannot be read")
    assert outcome(Ended(3, {}, "something odd")) == Outcome(1, "something odd")


@pytest.mark.parametrize(
    ("ended", "message", "hint"),
    [
        (Ended(30, {"error": {"message": "no answer", "hint": "wait", "exit_code": 30}}, ""), "no answer", "wait"),
        (Ended(1, {"snapshots": [{"error": "the source is gone", "hint": "mount it"}]}, ""), "the source is gone", "mount it"),
        (Ended(20, {"projects": [{"damage": ["pack ab"]}]}, ""), "damaged: pack ab", None),
        (Ended(-9, {}, ""), "it was killed by SIGKILL", "was there enough memory?"),
        (Ended(-99, {}, ""), "it was killed by signal 99", "was there enough memory?"),
        (Ended(2, {}, "usage\nstrongroom: error: no such project\nhint: look"), "no such project", None),
        (Ended(7, {}, ""), "it ended with exit code 7", None),
    ],
)
def test_whatever_else_is_a_failure_with_a_reason(ended: Ended, message: str, hint: str | None) -> None:
    with pytest.raises(RunFailed) as failed:
        outcome(ended)
    assert (str(failed.value), failed.value.hint) == (message, hint)


def test_a_run_that_withdrew_is_interrupted_and_not_failed() -> None:
    with pytest.raises(Interrupted):
        outcome(Ended(130, {}, "strongroom: error: interrupted by SIGTERM"))


def test_every_source_has_a_backup_of_its_own_and_every_job_its_command() -> None:
    planned = [
        PlannedJob("backup", HOURLY, Policy(), "reports"),
        PlannedJob("backup", HOURLY, Policy(), "tickets"),
        PlannedJob("check", HOURLY, Policy()),
    ]
    seen: list[list[str]] = []

    def run(command: object, _stop: Stop) -> Ended:
        seen.append(list(command))  # type: ignore[call-overload] # words
        return Ended(0, {}, "")

    jobs = list(
        work.jobs(
            [ProjectPlan("sdek", ("reports", "tickets"), tuple(planned))], lambda name, job: [name, job.kind, job.source], run
        )
    )
    clock = StageClock(datetime(2026, 1, 1, tzinfo=UTC))

    for job in jobs:
        job.run(Stop(clock, clock.monotonic() + timedelta(hours=1).total_seconds()))
    assert [job.key for job in jobs] == [("sdek", "backup reports"), ("sdek", "backup tickets"), ("sdek", "check")]
    assert seen == [["sdek", "backup", "reports"], ["sdek", "backup", "tickets"], ["sdek", "check", ""]]
