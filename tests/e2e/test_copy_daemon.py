"""The daemon's jobs about copies, the promise `copy_within`, and what `status` says of how far a copy is behind."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from strongroom import environment
from tests.e2e.test_copy import name_copy
from tests.e2e.test_story import Calendar
from tests.support.desk import Desk, Place
from tests.support.tree_facts import write_files

SCHEDULE = """
[projects.acme.schedule]
copy = { every = "hour" }

[copies.offsite.schedule]
retention = { every = "day at 02:30" }
prune = { every = "day at 02:40" }
"""


@pytest.fixture
def scheduled(used: Desk) -> Desk:
    name_copy(used, Place("second"), more=SCHEDULE)
    text = used.settings.read_text("utf-8").replace("[projects.acme]", '[projects.acme]\ncopy_within = "2 hours"', 1)
    used.settings.write_text(text, "utf-8")
    return used


def copies(desk: Desk, exits: tuple[int, ...] = (0, 3)) -> dict[str, object]:
    (project,) = desk.call("status", "--json", exits=exits).document["projects"]
    (found,) = project["copy_list"]
    return dict(found)


def test_the_daemon_copies_forgets_and_prunes_by_schedule(scheduled: Desk) -> None:
    jobs = scheduled.call("daemon", "jobs", "--json").document["jobs"]
    assert {one["job"] for one in jobs} == {"copy offsite", "retention offsite", "prune offsite"}
    scheduled.run("daemon", "--once", exits=(0, 3))
    done = {one["job"]: one["last_run"] for one in scheduled.call("daemon", "jobs", "--json").document["jobs"]}
    assert done["copy offsite"]["ending"] == "done"
    assert {one["ending"] for one in done.values()} <= {"done", "failed"}
    assert copies(scheduled)["snapshots_lacking"] == 0


def test_status_says_how_far_a_copy_is_behind(scheduled: Desk) -> None:
    assert copies(scheduled)["snapshots_lacking"] == 1
    assert "The copy offsite of acme: lacks 1 snapshot, the oldest of" in scheduled.call("status", exits=(0, 3)).text
    scheduled.call("copy")
    found = copies(scheduled)
    assert found["snapshots_lacking"] == 0 and found["behind_seconds"] == 0 and found["promised_seconds"] == 7200
    assert "The copy offsite is up to date." in scheduled.call("status", exits=(0, 3)).text
    write_files(scheduled.folder / "source", {"new.csv": b"new"})
    scheduled.call("backup")
    assert copies(scheduled)["snapshots_lacking"] == 1
    shown = scheduled.call("status", "--all", "--html", "page.html", exits=(0, 3)).text
    assert "lacks 1 snapshot" in shown and "offsite" in (scheduled.folder / "page.html").read_text("utf-8")


def test_status_says_that_a_copy_is_not_reached(scheduled: Desk) -> None:
    """What this machine knows of it is shown beside."""
    scheduled.call("copy")
    assert copies(scheduled)["unreached"] is None
    (scheduled.folder / "second").rename(scheduled.folder / "away")
    found = copies(scheduled)
    assert found["snapshots_lacking"] == 0 and "there is no folder" in str(found["unreached"])
    shown = scheduled.call("status", "--all", exits=(0, 3)).text
    assert "The copy offsite of acme: not reached (there is no folder" in shown and "; as far as known: up to date." in shown
    (scheduled.folder / "repository").rename(scheduled.folder / "away as well")
    known = scheduled.call("status", exits=10)
    assert "The copy offsite of acme: complete up to" in known.text and "--from offsite" in known.err
    (scheduled.folder / "away").rename(scheduled.folder / "second")
    scheduled.call("restore", "acme", "--to", "back", exits=3)


def test_a_machine_that_does_not_copy_asks_the_copy(scheduled: Desk, tmp_path: Path) -> None:
    scheduled.call("copy")
    shutil.rmtree(scheduled.folder / "home/.local/state")
    assert copies(scheduled)["snapshots_lacking"] == 0
    write_files(scheduled.folder / "source", {"new.csv": b"new"})
    scheduled.call("backup")
    assert copies(scheduled)["snapshots_lacking"] == 1
    shutil.rmtree(scheduled.folder / "second")
    assert copies(scheduled)["snapshots_lacking"] == 2


def test_a_copy_that_fails_and_falls_behind_raises_an_alert(scheduled: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    calendar = Calendar(timedelta())
    monkeypatch.setattr(environment, "SystemClock", lambda: calendar)
    scheduled.call("copy")
    shutil.rmtree(scheduled.folder / "second")
    write_files(scheduled.folder / "source", {"new.csv": b"new"})
    scheduled.call("backup")
    scheduled.call("copy", exits=10)
    calendar.ahead = timedelta(hours=3)
    alerts = scheduled.call("status", "--json", exits=3).document["alerts"]
    (alert,) = [one for one in alerts if one["promise"] == "copy"]
    assert alert["subject"] == "offsite" and "there is no folder" in alert["message"]
    scheduled.call("copy", "--again")


def test_settings_that_promise_copies_that_nobody_makes_look_odd(used: Desk) -> None:
    name_copy(used, Place("second"))
    assert "has no copy, so the copies are only made by hand" in used.call("settings", "check", exits=(0, 3)).text
