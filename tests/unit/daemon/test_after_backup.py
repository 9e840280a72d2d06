"""Jobs that follow backups are asked for once a backup, whatever became of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from msgspec import Struct, field

from policies.daemon import after_backup
from policies.daemon.job_config import JobConfig, ProjectConfig
from policies.scheduling import parser
from policies.scheduling.due import Start, decide, requested
from policies.scheduling.job_policy import JobPolicy, JobRetries
from policies.scheduling.run import Ending, Run
from policies.scheduling.run_requests import RunRequests
from tests.support.stage import StageClock
from vault.randomness import SystemRandomness
from vault.repository.services import Services

ZONE = ZoneInfo("UTC")
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
BACKUPS = [JobConfig("backup", parser.read(every="hour", zone=ZONE), JobPolicy(), name) for name in ("reports", "raw")]
PUBLISH = JobConfig("publish", parser.on_request(ZONE), JobPolicy(), publication="bi", after_backup=True)
PROJECT = ProjectConfig("acme", ("reports", "raw"), (*BACKUPS, PUBLISH))


class Runs(Struct):
    """By job, the newest first."""

    found: dict[str, list[Run]] = field(default_factory=dict)

    def add(self, job: str, began: int, ending: Ending | None = "done") -> None:
        """A run of a minute, so many minutes after noon."""
        at = NOON + began * MINUTE
        run = Run(f"{began:016x}", "acme", job, at, at, 1, at, None if ending is None else at + MINUTE, ending)
        self.found.setdefault(job, []).insert(0, run)

    def recent(self, project: str, job: str) -> Sequence[Run]:
        return self.found.get(job, [])


def asked(runs: Runs, folder: Path, minutes: int = 60) -> list[str]:
    """The jobs that are asked for so many minutes after noon; they count as started then."""
    services = Services(clock=StageClock(NOON + minutes * MINUTE), randomness=SystemRandomness(), host="host", writer="test")
    requests = RunRequests(folder)
    after_backup.ask([PROJECT], runs, requests, services)
    found = requests.pending()
    for request in found.values():
        requests.withdraw(request.id)
    return [job for _, job in found]


def test_a_publication_follows_the_newest_backup_of_any_source(tmp_path: Path) -> None:
    runs = Runs()
    assert asked(runs, tmp_path) == []
    runs.add("backup reports", 0)
    assert asked(runs, tmp_path) == ["publish bi"]
    runs.add("publish bi", 2)
    assert asked(runs, tmp_path) == []
    runs.add("backup raw", 5, "problems")
    assert asked(runs, tmp_path) == ["publish bi"]


def test_a_failed_backup_is_followed_by_nothing_and_a_failed_publication_waits_for_the_next_backup(tmp_path: Path) -> None:
    runs = Runs()
    runs.add("backup reports", 0, "failed")
    assert asked(runs, tmp_path) == []
    runs.add("backup reports", 5)
    runs.add("publish bi", 7, "failed")
    assert asked(runs, tmp_path) == []


def test_one_that_began_before_the_backup_ended_runs_again_once_it_has_ended(tmp_path: Path) -> None:
    runs = Runs()
    runs.add("publish bi", 4, None)
    runs.add("backup reports", 5)
    assert asked(runs, tmp_path) == []
    runs.found["publish bi"].clear()
    runs.add("publish bi", 4)
    assert asked(runs, tmp_path) == ["publish bi"]


def test_a_run_of_a_clock_that_was_ahead_counts_for_nothing(tmp_path: Path) -> None:
    runs = Runs()
    runs.add("backup reports", 0)
    runs.add("publish bi", 100_000)
    assert asked(runs, tmp_path) == ["publish bi"]


def test_each_request_is_a_due_time_of_its_own_and_a_failed_one_is_tried_again() -> None:
    runs = Runs()
    policy = JobPolicy(retries=JobRetries(attempts=2))
    verdict = decide("acme/publish bi", PUBLISH.schedule, policy, [], NOON).verdict
    assert requested(verdict, [], NOON).planned == NOON
    runs.add("publish bi", 0, "failed")
    later = NOON + 90 * MINUTE
    again = decide("acme/publish bi", PUBLISH.schedule, policy, runs.recent("acme", "publish bi"), later).verdict
    assert isinstance(again, Start) and again.attempt == 2
    runs.add("publish bi", 85)
    verdict = decide("acme/publish bi", PUBLISH.schedule, policy, runs.recent("acme", "publish bi"), later).verdict
    assert requested(verdict, runs.recent("acme", "publish bi"), later).planned == later


def test_its_next_run_is_that_of_the_next_backup() -> None:
    runs = Runs()
    for job in ("backup reports", "backup raw"):
        runs.add(job, 0)
    runs.add("publish bi", 2)
    assert PROJECT.next_run(PUBLISH, runs.recent, NOON + 10 * MINUTE) == NOON + 60 * MINUTE
