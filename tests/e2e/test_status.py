"""`status` says what it can, whatever is away, damaged, killed or not ours to write."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cli.commands import status
from strongroom import environment, status_facts
from strongroom.context import Context
from strongroom.project_status import running_backup
from strongroom.status_facts import RepositoryState
from tests.support.desk import Desk, Place, without_root_powers
from tests.support.stage import StageClock
from tests.support.terminal import Terminal
from tests.support.tree_facts import write_files
from vault.format.claim import Claim
from vault.repository.missing_objects import Missing
from vault.repository.project import Project

SCHEDULE = '\n[projects."two words".schedule]\nbackup = { every = "1 minute", retries = 100, back_off = "1 second" }\n'


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(tmp_path / "desk", Place("repository"))
    made.init()
    write_files(made.folder / "source", {f"{number}.csv": b"hour,calls\n1,%d\n" % number for number in range(5)})
    made.add("two words", f"reports={made.folder / 'source'}")
    return made


def state_folder(desk: Desk) -> Path:
    (found,) = {file.parent for file in (desk.folder / "home/.local/state/strongroom").rglob("findings.sqlite")}
    return found


def test_where_the_store_is_away_ages_and_alerts_are_shown_and_the_exit_code_says_so(desk: Desk) -> None:
    text = desk.settings.read_text()
    desk.settings.write_text(text.replace('[projects."two words"]\n', '[projects."two words"]\nrpo = "1 second"\n'))
    desk.call("backup")
    time.sleep(1.1)
    (desk.folder / "repository").rename(desk.folder / "away")
    shown = desk.call("status", "--all", exits=10)
    assert shown.text.startswith(
        "The repository was not reached; as far as this machine knows, the only source is not backed up as intended: "
        "two words/reports is late;"
    )
    assert "  late  " in shown.text and "CRITICAL two words/reports: no success" in shown.text
    assert "`strongroom backup 'two words' --source reports`" in shown.text
    assert "strongroom: error:" in shown.err
    document = desk.call("status", "--json", exits=10).document
    assert document["error"]["exit_code"] == 10 and document["sources"][0]["taken_at"]
    (desk.folder / "away").rename(desk.folder / "repository")


def test_a_machine_that_knows_nothing_gets_the_error_alone(desk: Desk) -> None:
    (desk.folder / "repository").rename(desk.folder / "away")
    assert desk.call("status", exits=10).out == b""


def test_while_the_store_takes_its_time_what_this_machine_knows_is_shown_at_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.call("backup")
    ask = status_facts.ask_repository

    def slowly(place: Context, project: Project) -> RepositoryState:
        time.sleep(0.6)
        return ask(place, project)

    monkeypatch.setattr(status_facts, "ask_repository", slowly)
    monkeypatch.setattr(status, "SHOW_AFTER", 0.01)
    shown = desk.call("status", "--all")
    assert "the store has not answered yet" in shown.err
    assert shown.text.index("store not reached") < shown.text.index("  ok  ")


def test_a_backup_that_failed_by_hand_leaves_a_trace_until_one_by_hand_is_clean(desk: Desk) -> None:
    desk.call("backup")
    (desk.folder / "source").rename(desk.folder / "elsewhere")
    desk.call("backup", exits=1)
    shown = desk.call("status", "--json", exits=3).document["sources"][0]
    assert shown["state"] == "failed" and "source" in shown["failed"]["message"]
    (desk.folder / "elsewhere").rename(desk.folder / "source")
    desk.call("backup")
    assert desk.call("status", "--json").document["sources"][0]["state"] == "ok"
    (desk.folder / "repository").rename(desk.folder / "away")
    desk.call("backup", exits=10)
    (desk.folder / "away").rename(desk.folder / "repository")
    assert "WARNING two words/reports: the last backup failed: " in desk.call("status", exits=3).text


def test_an_alerts_about_failing_runs_ends_after_a_clean_run_by_hand(desk: Desk) -> None:
    schedule = SCHEDULE + '[projects."two words".alerts]\nproblems_in_a_row = 1\n'
    desk.settings.write_text(desk.settings.read_text() + schedule)
    (desk.folder / "source").rename(desk.folder / "elsewhere")
    desk.run("daemon", "--once", exits=3)
    broken = desk.call("status", "--json", exits=3).document["alerts"]
    assert [one["promise"] for one in broken] == ["problems"]
    (desk.folder / "elsewhere").rename(desk.folder / "source")
    desk.call("backup")
    assert desk.call("status", "--json").document["alerts"] == []


def test_a_project_that_left_the_settings_alerts_nobody_and_its_damage_still_does(desk: Desk) -> None:
    text = desk.settings.read_text()
    desk.settings.write_text(text + '[projects."two words".schedule.drill]\nevery = "day"\n')
    desk.call("backup")
    desk.add("stays", f"reports={desk.folder / 'source'}")
    desk.call("backup")
    packs = [file for file in (desk.folder / "repository/projects").rglob("packs/*/*") if file.is_file()]
    for pack in packs:
        pack.chmod(0o600)
        pack.write_bytes(bytes(len(pack.read_bytes())))
    desk.call("drill", "two words", exits=20)
    whole = desk.settings.read_text()
    kept = whole[: whole.index('[projects."two words"]')] + whole[whole.index("[projects.stays]") :]
    desk.settings.write_text(kept)
    shown = desk.call("status", "--json").document
    rows = {row["project"]: row["state"] for row in shown["sources"]}
    assert rows == {"two words": "not in the settings", "stays": "ok"} and shown["alerts"] == []
    assert 20 in [desk.run("check", "two words", "--rolling", exits=(0, 20)).code for _ in range(4)], "one pack a time"
    assert [one["promise"] for one in desk.call("status", "--json", exits=3).document["alerts"]] == ["damage"]


@pytest.mark.parametrize("name", ["books.sqlite", "findings.sqlite"])
def test_damaged_state_is_told_and_everything_else_is_shown_and_nothing_is_changed(desk: Desk, name: str) -> None:
    desk.settings.write_text(desk.settings.read_text() + SCHEDULE)
    desk.run("daemon", "--once")
    file = state_folder(desk) / name
    file.write_bytes(b"this is no database" * 1000)
    for suffix in ("-wal", "-shm"):
        file.with_name(f"{name}{suffix}").unlink(missing_ok=True)
    shown = desk.call("status", "--json", exits=3).document
    assert shown["sources"][0]["state"] == "ok" and name in shown["alerts"][0]["message"]
    assert file.read_bytes() == b"this is no database" * 1000


def test_a_state_folder_that_may_not_be_written_or_not_be_read_stops_no_status(desk: Desk) -> None:
    desk.settings.write_text(desk.settings.read_text() + SCHEDULE)
    desk.run("daemon", "--once")
    folder = state_folder(desk)
    folder.chmod(0o500)
    try:
        shown = desk.run("status", "--json", preexec_fn=without_root_powers).document
        assert shown["sources"][0]["state"] == "ok" and shown["daemon"]["state"] == "ended"
        for file in folder.glob("*.sqlite*"):
            file.chmod(0)
        shown = desk.run("status", "--json", exits=3, preexec_fn=without_root_powers).document
    finally:
        folder.chmod(0o700)
    assert shown["sources"][0]["state"] == "ok" and shown["daemon"]["state"] == "unknown"
    assert [one["subject"] for one in shown["alerts"]] == ["state", "state"]


def test_a_daemon_that_lives_was_killed_or_ended_is_told_apart(desk: Desk) -> None:
    desk.settings.write_text(desk.settings.read_text() + SCHEDULE.replace("1 minute", "day"))
    desk.call("backup")
    assert desk.call("status", "--json").document["daemon"]["state"] == "none"
    for number, state in ((signal.SIGKILL, "killed"), (signal.SIGTERM, "ended")):
        daemon = desk.start("daemon", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 60
            while True:
                shown = desk.run("status", "--json", exits=(0, 3)).document
                if shown["daemon"]["state"] == "running" and shown["daemon"]["seen"] and "next_run" in shown["sources"][0]:
                    break
                assert time.monotonic() < deadline, shown
        finally:
            daemon.send_signal(number)
            daemon.wait(60)
        shown = desk.run("status", "--json", exits=(0, 3)).document
        assert shown["daemon"]["state"] == state, shown["daemon"]
        assert ("was killed" in json.dumps(shown["alerts"])) == (state == "killed")


def test_a_run_that_died_here_is_not_shown_as_running(desk: Desk) -> None:
    write_files(desk.folder / "source", {f"big{number}.bin": os.urandom(20_000_000) for number in range(4)})
    backup = desk.start("backup", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    claims = desk.folder / "repository/projects"
    deadline = time.monotonic() + 60
    while not [file for file in claims.glob("*/claims/*") if file.is_file()]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    backup.kill()
    backup.wait(60)
    assert [file for file in claims.glob("*/claims/*") if file.is_file()], "it was killed before its end"
    row = desk.call("status", "--json", exits=3).document["sources"][0]
    assert row["state"] == "never backed up" and "running" not in row


def test_a_newest_snapshot_that_is_dated_in_the_future_is_a_problem_until_there_is_a_right_one(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(environment, "SystemClock", lambda: StageClock(datetime.now(UTC) + timedelta(days=3)))
        desk.call("backup")
    shown = desk.call("status", exits=3)
    assert "dated in the future" in shown.text
    (row,) = desk.call("status", "--json", exits=3).document["sources"]
    assert row["state"] == "dated in the future"
    assert row["age_seconds"] < 0
    desk.call("backup")
    (row,) = desk.call("status", "--json").document["sources"]
    assert row["state"] == "ok"
    assert row["age_seconds"] >= 0


def test_nothing_is_accepted_without_a_reason(desk: Desk) -> None:
    assert "needs a reason" in desk.call("status", "--accept", "two words", exits=2).err
    assert "needs a reason" in desk.call("status", "--accept", "two words", "--reason", " ", exits=2).err


def test_a_run_that_has_gone_silent_is_not_called_running_and_a_large_file_shows_in_bytes() -> None:
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)

    def claim(silent: timedelta) -> Claim:
        return Claim("id", "reports", "desk", "strongroom/1", now - timedelta(hours=9), now - silent, "nonce", 0, 3 << 30)

    large = running_backup([claim(timedelta(seconds=40)), claim(timedelta(hours=5))], now)
    assert large is not None and not large.is_dead
    assert large.in_words() == "0 items done, 3.0 GiB read, on desk, last seen 40 s ago"
    as_json = large.as_json()
    assert (as_json["items"], as_json["bytes"], as_json["host"], as_json["seconds_silent"]) == (0, 3 << 30, "desk", 40.0)
    dead = running_backup([claim(timedelta(hours=5))], now)
    assert dead is not None and dead.is_dead
    assert dead.in_words() == "0 items done, 3.0 GiB read, on desk, no sign of life for 5 h 0 min"
    assert running_backup([], now) is None


def test_what_is_gone_from_the_store_is_a_critical_alert() -> None:
    gone = [Missing("snapshot", "20261122T120000Z-a"), Missing("hold", "x"), Missing("hold", "y")]
    found = list(status_facts.alerts_of_gone("two words", RepositoryState({}, [], damaged=[], missing=gone, frozen=())))
    assert [(one.promise, one.severity) for one in found] == [("damage", "critical")] * 2
    assert found[0].message.startswith("1 snapshot was here") and found[1].message.startswith("2 holds were here")
    assert "`strongroom check 'two words'`" in found[0].hint


def test_the_verdict_comes_first_and_the_tables_only_where_they_are_asked_for(desk: Desk) -> None:
    desk.call("backup")
    shown = desk.call("status").text
    assert shown == "The only source is backed up; the backup is a few seconds old; no restore was tested yet.\n"
    every = desk.call("status", "--all").text
    assert every.startswith(shown) and "LAST SNAPSHOT" in every and "READ AND CHECKED" in every
    verdict = desk.call("status", "--json").document["verdict"]
    assert verdict["text"] == shown.strip() and (verdict["level"], verdict["sources_total"], verdict["sources_backed_up"]) == (
        "ok",
        1,
        1,
    )


def test_only_the_projects_that_are_named_are_shown_and_decide_on_the_exit_code(desk: Desk) -> None:
    desk.call("backup")
    desk.add("new", f"reports={desk.folder / 'source'}")
    assert "new/reports: it was never backed up" in desk.call("status", exits=3).text
    assert desk.call("status", "two words").text.startswith("The only source is backed up;")
    rows = desk.call("status", "new", "--json", exits=3).document["sources"]
    assert [row["project"] for row in rows] == ["new"]
    assert "did you mean 'two words'?" in desk.call("status", "two wrds", exits=2).err
    (desk.folder / "repository").rename(desk.folder / "away")
    assert desk.call("status", "two words", exits=10).text.startswith("The repository was not reached;")


def test_a_page_for_people_without_a_terminal_is_written_whatever_the_verdict(desk: Desk) -> None:
    desk.call("status", "--html", "status.html", exits=3)
    page = (desk.folder / "status.html").read_text()
    assert "Critical." in page and "not backed up as intended: two words/reports was never backed up;" in page
    desk.call("backup")
    desk.call("status", "--html", "status.html", "--json")
    assert "All is well." in (desk.folder / "status.html").read_text()
    assert "cannot be written" in desk.call("status", "--html", "none/status.html", exits=1).err


def test_watching_needs_a_terminal_and_no_other_form(desk: Desk) -> None:
    desk.call("backup")
    assert "--watch needs a terminal" in desk.call("status", "--watch", exits=2).err
    assert "exclude" in desk.call("status", "--watch", "--json", exits=2).err


def test_watching_redraws_until_ctrl_c_which_ends_it_without_a_word(desk: Desk) -> None:
    desk.call("backup")
    terminal = Terminal(desk, "status", "--watch", "--interval", "1")
    terminal.wait_for(b"The only source is backed up")
    first, terminal.shown = terminal.shown, b""
    terminal.wait_for(b"The only source is backed up")
    assert first.count(b"Ctrl-C ends it") == 1
    terminal.type(b"\x03")
    assert terminal.end() == 0
    assert b"Traceback" not in terminal.shown and b"error" not in terminal.shown
