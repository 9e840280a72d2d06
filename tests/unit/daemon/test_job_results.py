"""What the answers of runs mean."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from policies.daemon import job_results
from policies.daemon.child_processes import ProcessResult
from policies.daemon.job_config import JobConfig, ProjectConfig
from policies.daemon.job_results import RunFailed, outcome
from policies.scheduling import parser
from policies.scheduling.job_policy import JobPolicy
from policies.scheduling.jobs import Outcome, Stop
from strongroom import schemas
from tests.support.stage import StageClock
from vault.errors import Interrupted

HOURLY = parser.read(every="hour", zone=ZoneInfo("UTC"))
SNAPSHOT = {"snapshot": "x", "added": 3, "changed": 2, "vanished": 1, "problems": 0, "problem_list": []}


def test_a_success_tells_its_counts() -> None:
    assert outcome(ProcessResult(0, {"snapshots": [SNAPSHOT]}, "")) == Outcome(0, "snapshot x: 3 new, 2 changed, 1 vanished")
    assert outcome(ProcessResult(0, {}, "")) == Outcome()


def test_problems_are_counted_and_the_first_is_named() -> None:
    problem = {"path": "reports/a.csv", "what": "unreadable", "message": "it cannot be read"}
    found = outcome(ProcessResult(3, {"snapshots": [SNAPSHOT | {"problems": 2, "problem_list": [problem]}]}, ""))
    assert found == Outcome(2, "reports/a.csv: it cannot be read")
    assert outcome(ProcessResult(3, {}, "something odd")) == Outcome(1, "something odd")


def test_a_copy_and_a_publication_tell_what_they_did_by_the_names_that_their_documents_have() -> None:
    problem = {"path": "reports/a.csv", "what": "unreadable", "message": "it cannot be read"}
    copied = {"project": "acme", "snapshots_copied": 2, "bytes_copied": 3_000_000}
    told = {"copy_list": [{"copy_name": "offsite", "projects": [copied]}]}
    assert outcome(ProcessResult(0, told, "")) == Outcome(0, "2 snapshots copied, 3.0 MB")
    copied["problem_list"] = [problem]
    assert outcome(ProcessResult(3, told, "")) == Outcome(1, "reports/a.csv: it cannot be read")
    assert all(any(name in schemas.load(one)["properties"] for one in schemas.names()) for name in job_results.DOCUMENTS)


@pytest.mark.parametrize(
    ("ended", "message", "hint"),
    [
        (ProcessResult(30, {"error": {"message": "no answer", "hint": "wait", "exit_code": 30}}, ""), "no answer", "wait"),
        (
            ProcessResult(1, {"snapshots": [{"error": {"message": "the source is gone", "hint": "mount it"}}]}, ""),
            "the source is gone",
            "mount it",
        ),
        (ProcessResult(20, {"projects": [{"damage": ["pack ab"]}]}, ""), "damaged: pack ab", None),
        (ProcessResult(-9, {}, ""), "it was killed by SIGKILL", "was there enough memory?"),
        (ProcessResult(-99, {}, ""), "it was killed by signal 99", "was there enough memory?"),
        (ProcessResult(2, {}, "usage\nstrongroom: error: no such project\nhint: look"), "no such project", None),
        (ProcessResult(7, {}, ""), "it ended with exit code 7", None),
    ],
)
def test_whatever_else_is_a_failure_with_a_reason(ended: ProcessResult, message: str, hint: str | None) -> None:
    with pytest.raises(RunFailed) as failed:
        outcome(ended)
    assert (str(failed.value), failed.value.hint) == (message, hint)


def test_a_run_that_withdrew_is_interrupted_and_not_failed() -> None:
    with pytest.raises(Interrupted):
        outcome(ProcessResult(130, {}, "strongroom: error: interrupted by SIGTERM"))


def test_every_source_has_a_backup_of_its_own_and_every_job_its_command() -> None:
    planned = [
        JobConfig("backup", HOURLY, JobPolicy(), "reports"),
        JobConfig("backup", HOURLY, JobPolicy(), "tickets"),
        JobConfig("check", HOURLY, JobPolicy()),
    ]
    seen: list[list[str]] = []

    def run(command: object, _stop: Stop) -> ProcessResult:
        seen.append(list(command))  # type: ignore[call-overload] # words
        return ProcessResult(0, {}, "")

    jobs = list(
        job_results.jobs(
            [ProjectConfig("sdek", ("reports", "tickets"), tuple(planned))], lambda name, job: [name, job.kind, job.source], run
        )
    )
    clock = StageClock(datetime(2026, 1, 1, tzinfo=UTC))

    for job in jobs:
        job.run(Stop(clock, clock.monotonic() + timedelta(hours=1).total_seconds()))
    assert [job.key for job in jobs] == [("sdek", "backup reports"), ("sdek", "backup tickets"), ("sdek", "check")]
    assert seen == [["sdek", "backup", "reports"], ["sdek", "backup", "tickets"], ["sdek", "check", ""]]


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"snapshots": [SNAPSHOT | {"stored_bytes": 2_500_000}]}, "snapshot x: 3 new, 2 changed, 1 vanished, 2.5 MB stored"),
        (
            {"projects": [{"snapshots": 12, "packs_read": 3, "bytes_read": 96_000_000, "damage": []}]},
            "12 snapshots checked, 3 packs read (96.0 MB)",
        ),
        ({"drills": [{"items": 51, "bytes": 4_000_000, "compared": 51}]}, "51 files (4.0 MB) restored, 51 compared"),
        ({"drills": [{"project": "sdek", "trouble": "nothing to restore"}]}, ""),
        ({"projects": [{"name": "sdek", "forgotten": ["a", "b"]}]}, "2 snapshots forgotten"),
        ({"projects": [{"plan": {}, "deleted": 2, "freed": 64_000_000, "forgotten": 1}]}, "2 packs deleted, 64.0 MB freed"),
        ({"projects": "nonsense"}, ""),
    ],
)
def test_each_job_says_what_it_did(document: dict[str, object], told: str) -> None:
    assert outcome(ProcessResult(0, document, "")).message == told


def test_a_prune_that_gave_way_to_a_backup_says_so_and_is_tried_again() -> None:
    with pytest.raises(RunFailed, match=r"^1 backup is still under way; nothing was deleted$"):
        outcome(ProcessResult(11, {"projects": [{"waiting": ["x"], "deleted": 0, "freed": 0}]}, ""))


@pytest.mark.parametrize("killed", [True, False])
def test_what_the_daemon_itself_ended_is_no_failure_and_is_told_as_that(killed: bool) -> None:  # noqa: FBT001
    with pytest.raises(Interrupted, match="the daemon killed it" if killed else "was ended by the daemon"):
        outcome(ProcessResult(-9 if killed else -15, {}, "", asked=True, killed=killed))
    with pytest.raises(RunFailed, match="killed by SIGKILL") as failed:
        outcome(ProcessResult(-9, {}, ""))
    assert failed.value.hint == "was there enough memory?"
