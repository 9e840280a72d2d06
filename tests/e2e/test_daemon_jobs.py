"""`daemon run`, `daemon logs` and `daemon jobs`: one job now, with and without a daemon, and what its runs have said."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from cli.commands.daemon_logs import complete_job, complete_project
from policies.daemon.child_processes import ProcessResult
from policies.daemon.run_output import MOST_BYTES, MOST_RUNS, RunOutput, text_of
from policies.scheduling import process_identity
from policies.scheduling.run import Run
from policies.scheduling.run_history import RunHistory
from strongroom.environment import host_name
from tests.e2e.test_daemon import has, home, running, settle, wait  # noqa: F401 (a fixture)
from tests.support.desk import Desk, refusal
from tests.support.json_documents import validate
from tests.support.tree_facts import tree_facts
from vault.clock import SystemClock
from vault.errors import StrongroomError

SCHEDULE = """
[projects.acme.schedule]
backup = { every = "day at 03:00" }
check = { every = "week" }
"""


def state(desk: Desk) -> Path:
    (folder,) = [file.parent for file in (desk.folder / "home/.local/state/strongroom").glob("*/books.sqlite")]
    return folder


def test_a_job_is_run_now_and_is_in_the_history_like_every_other(home: Desk) -> None:  # noqa: F811 (the fixture)
    settle(home, SCHEDULE)
    (home.folder / "source" / "gone.csv").symlink_to("nowhere")
    assert [(one["job"], one["last_run"]) for one in home.call("daemon", "jobs", "--json").document["jobs"]] == [
        ("backup reports", None),
        ("check", None),
    ]
    done = home.run("daemon", "run", "backup", "--json")
    (run,) = done.document["runs"]
    assert (run["project"], run["job"], run["ending"]) == ("acme", "backup reports", "done")
    assert "started" in done.err and not list(state(home).glob("requests/*"))
    assert len(home.call("list", "--json").document["projects"][0]["snapshots"]) == 1, "the check was not asked for"
    (listed, _) = home.call("daemon", "jobs", "--json").document["jobs"]
    assert listed["last_run"]["run"] == run["run"] and not listed["is_running"]
    assert home.call("daemon", "logs", "--json").document["runs"] == [run]
    home.call("restore", "acme", "--to", "back", "--quiet")
    assert tree_facts(home.folder / "back/reports") == tree_facts(home.folder / "source")


def test_a_daemon_that_is_running_starts_it_and_what_it_said_is_shown(home: Desk) -> None:  # noqa: F811
    settle(home, SCHEDULE)
    with running(home) as daemon:
        wait(
            lambda: has(home, "ended", "acme/backup reports: done") and has(home, "ended", "acme/check: done"), "no first runs"
        )
        assert "running" not in home.call("daemon", "jobs").text
        (home.folder / "source").rename(home.folder / "elsewhere")
        failed = home.run("daemon", "run", "acme/backup reports", exits=1)
        assert "the daemon is running and was asked" in failed.err
        assert "acme/backup reports: failed after" in failed.text
        (home.folder / "elsewhere").rename(home.folder / "source")
        again = home.run("daemon", "run", "backup reports", "acme")
        assert "acme/backup reports: done after" in again.text
        ids = [one["run"] for one in home.call("daemon", "logs", "backup", "--json").document["runs"]]
        assert len(ids) == 3
        told = {one.get("run") for one in map(json.loads, (home.folder / "log").read_text().splitlines())}
        assert set(ids) <= told, "the daemon logs them like every other"
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(60) == 0
    logs = home.call("daemon", "logs", "backup", "--lines", "1").text
    assert logs.count("\n") == 1 and "done after" in logs
    assert home.call("daemon", "logs", "check", "--since", "2000-01-01").text.count("acme/check") == 1
    assert home.call("daemon", "logs", "--since", "2199-01-01").text == ""


def test_new_runs_are_followed_until_somebody_ends_it(home: Desk) -> None:  # noqa: F811
    settle(home, SCHEDULE)
    home.run("daemon", "run", "check")
    with (home.folder / "followed").open("wb") as out:
        process = home.start("daemon", "logs", "--follow", "--json", stdout=out)
    try:
        wait(lambda: (home.folder / "followed").read_bytes().count(b"\n") == 1, "the past is not shown")
        home.run("daemon", "run", "backup")
        wait(lambda: b"backup reports" in (home.folder / "followed").read_bytes(), "nothing new is shown")
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == 130
    lines = [json.loads(line) for line in (home.folder / "followed").read_text().splitlines()]
    assert [one["job"] for one in lines][:2] == ["check", "backup reports"]
    for one in lines:
        validate(one)
    assert {one["schema"] for one in lines} == {"strongroom.daemon-run/1"}


def test_names_that_are_no_jobs_are_refused_with_the_nearest(home: Desk) -> None:  # noqa: F811
    settle(home, SCHEDULE)
    assert "did you mean 'check'" in refusal(home.call("daemon", "run", "chek", exits=2))
    assert "did you mean 'acme'" in refusal(home.call("daemon", "run", "check", "acmee", exits=2))
    assert "daemon jobs" in refusal(home.call("daemon", "logs", "zzzzzz", exits=2))
    assert "stand behind it" in refusal(home.call("daemon", "--once", "run", "check", exits=2))
    assert not list((home.folder / "home/.local/state/strongroom").glob("*/requests/*"))


def test_a_job_that_is_running_is_refused_and_nothing_is_asked_for(home: Desk) -> None:  # noqa: F811
    settle(home, SCHEDULE)
    home.run("daemon", "run", "check")
    clock = SystemClock()
    history = RunHistory.open(state(home) / "books.sqlite", clock, lambda _text: None)
    now = clock.now()
    history.write(
        Run("ab" * 8, "acme", "backup reports", now, now, 1, now, host=host_name(), process=process_identity.marker())
    )
    history.close()
    message = refusal(home.call("daemon", "run", "backup", exits=11))
    assert "acme/backup reports is running since" in message
    assert "strongroom daemon logs 'backup reports' acme --follow" in message and "--wait" in message
    assert not list(state(home).glob("requests/*"))
    assert "started, and running" in home.call("daemon", "logs", "backup").text
    (listed, _) = home.call("daemon", "jobs", "--json").document["jobs"]
    assert listed["is_running"]


def test_the_shell_is_offered_the_jobs_and_projects_of_the_settings(home: Desk) -> None:  # noqa: F811
    settle(home, SCHEDULE)
    with home.surroundings([]):
        assert complete_job("ba") == ["backup", "backup reports"] and complete_job("acme/c") == ["acme/check"]
        assert complete_project("a") == ["acme"]
    home.settings.write_text("nonsense")
    with home.surroundings([]):
        assert complete_job("") == [] == complete_project("")


def test_what_runs_said_is_bounded_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    kept = RunOutput(tmp_path)
    for number in range(MOST_RUNS + 3):
        kept.keep("acme", "check", f"{number:016x}", f"line {number}\n" * 4000)
        os.utime(next(tmp_path.glob(f"*/*/{number:016x}.txt")), ns=(number, number))
    files = list(tmp_path.glob("*/*/*"))
    assert len(files) == MOST_RUNS and kept.read("acme", "check", f"{0:016x}") is None
    assert all(file.stat().st_mode & 0o777 == 0o600 and file.stat().st_size <= MOST_BYTES + 100 for file in files)
    newest = kept.read("acme", "check", f"{MOST_RUNS + 2:016x}") or ""
    assert newest.startswith("… ") and newest.endswith(f"line {MOST_RUNS + 2}\n")
    assert kept.read("acme", "other", f"{MOST_RUNS + 2:016x}") is None


def test_no_secret_is_kept_of_what_a_run_said() -> None:
    said = (
        "read AGE-SECRET-KEY-PQ-1ABCDEF\nasked https://me:hunter2@example.org/x\npassword = hunter2\nkey AKIAABCDEFGHIJKLMNOP\n"
    )
    document = {
        "snapshots": [{"problem_list": [{"path": "reports/a.csv", "message": "token=hunter2 was refused"}]}],
        "projects": [{"damage": ["pack x"]}],
    }
    text = text_of(ProcessResult(3, document, said))
    assert not any(secret in text for secret in ("hunter2", "ABCDEF", "AKIA")), text
    assert "reports/a.csv: " in text and "damaged: pack x" in text and "example.org/x" in text


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "run-output").write_text("in the way")
    with pytest.raises(StrongroomError, match="cannot be kept"):
        RunOutput(tmp_path).keep("acme", "check", "00", "words")
