"""`prune` joins the small packs of many backups: on the command line, by the real settings, and as the daemon runs it."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from policies.daemon.job_config import JobConfig
from policies.scheduling import parser
from policies.scheduling.job_policy import JobPolicy
from strongroom.daemon_config import Commands
from tests.support.desk import Desk
from tests.support.json_documents import validate
from tests.support.tree_facts import tree_facts, write_files

HOURS = 9


@pytest.fixture
def hourly(desk: Desk) -> Desk:
    """A new report an hour."""
    write_files(desk.folder / "source", {"read me": b"reports of calls"})
    desk.init()
    desk.add("acme", f"reports={desk.folder / 'source'}")
    for hour in range(HOURS):
        write_files(desk.folder / "source", {f"2026-05/calls-2026-05-17-{hour:02}.csv": f"agent,calls\na,{hour}\n".encode()})
        desk.call("backup", "-q")
    return desk


def packs(desk: Desk) -> int:
    with desk.store() as store:
        return sum(1 for one in store.list("projects") if re.search("/(packs|meta)/", one.name))


def test_small_packs_are_shown_joined_and_gone_with_the_next_prune(hourly: Desk, tmp_path: Path) -> None:
    assert packs(hourly) == 2 * HOURS
    shown = hourly.call("prune", "--dry-run").text
    assert "18 packs" in shown and "are small and are joined into at most 3" in shown
    assert packs(hourly) == 2 * HOURS
    planned = hourly.call("prune", "--dry-run", "--json").document
    validate(planned)
    assert planned["projects"][0]["plan"]["join"] | {"bytes": 0} == {"packs": 18, "bytes": 0, "new_packs": 3}
    assert "nothing is to be reclaimed" in hourly.call("prune", "--no-join", "--yes").text
    assert "18 small packs joined into 3" in hourly.call("prune", "--yes").text
    done = hourly.call("prune", "--yes", "--json").document
    validate(done)
    assert (done["projects"][0]["packs_deleted"], packs(hourly)) == (18, 3)
    assert "nothing is to be reclaimed" in hourly.call("prune", "--yes").text
    hourly.call("check", "--read-data")
    restored = hourly.call("restore", "acme", "--to", str(tmp_path / "back"), "--json").document
    assert tree_facts(tmp_path / "back/reports") == tree_facts(hourly.folder / "source")
    assert restored["requests"] <= 4


def test_packs_younger_than_the_store_charges_for_are_left_alone(hourly: Desk) -> None:
    text = hourly.settings.read_text()
    hourly.settings.write_text(text.replace("[repository]\n", '[repository]\nminimum_storage = "30 days"\n', 1))
    shown = hourly.call("prune", "--yes").text
    assert "too young to be joined" in shown and "nothing is to be reclaimed" in shown
    assert packs(hourly) == 2 * HOURS


def test_a_scheduled_prune_begins_nothing_new_when_most_of_its_time_is_over() -> None:
    schedule = parser.read(every="week on sunday at 04:00", zone=ZoneInfo("Europe/Kyiv"))
    job = JobConfig("prune", schedule, JobPolicy(timeout=timedelta(hours=6)))
    words = Commands(Path("/etc/strongroom.toml"), [])("acme", job)
    assert words[words.index("--max-time") + 1] == "288"
