"""Every look at content is in the log with its person's name, before the content leaves; and many of them are few entries."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from console.access.rights import Role
from strongroom.view_log import WITHIN, ViewLog
from tests.e2e.console.getting_back import log_of
from tests.support.clock import StillClock
from tests.support.console import ConsoleClient, console_of, person
from tests.support.desk import Desk
from vault.repository.audit.own_chain import OwnChain

ITEMS = ("reports/2024-05.csv", "reports/logo.png", "tickets/2024-05.jsonl", "tickets/logo.png")
ROOT = Path(__file__).parents[3]
KILLED = """
import os, signal, sys
import strongroom
from strongroom import command_log
from strongroom.item_content import item_content
from strongroom.selection import SelectionOptions
from strongroom.view_log import ViewLog
from vault.clock import SystemClock
views = ViewLog(SystemClock())
with command_log.acting_as("killed", "console"), strongroom.open_repository(sys.argv[1]) as repository:
    project = repository.project("acme")
    for path in sys.argv[2:]:
        with item_content(project.context, project.stored, path.encode(), SelectionOptions(), views=views) as found:
            assert found.read(0, 10)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def console(two_projects: Desk, clock: StillClock) -> Iterator[ConsoleClient]:
    people = (person("vera", Role.VIEWER), person("oleg", Role.VIEWER), person("aud", Role.AUDITOR))
    with console_of(two_projects, *people, views=ViewLog(clock)) as made:
        yield made


def look(console: ConsoleClient, path: str, more: str = "") -> None:
    assert console.get(f"/projects/acme/item/preview?path={path.replace('/', '%2F')}{more}").status_code == 200


def views(desk: Desk, who: str) -> list[tuple[list[str], Mapping[str, int]]]:
    """Somebody's entries, with the paths that each is about."""
    entries = [one.entry for one in log_of(desk) if one.entry.action == "view" and one.entry.who.user == who]
    return [
        ([item["path"] for item in one.what.get("items", [one.what])], {} if one.outcome is None else one.outcome.counts)
        for one in entries
    ]


def drafts(desk: Desk) -> str:
    """What is under way on this machine, as it stands on its disk."""
    return "".join(file.read_text() for file in (desk.folder / "home").rglob("*.draft"))


def test_looks_of_ten_minutes_are_two_entries_and_each_is_on_the_disk_before_its_page(
    console: ConsoleClient, two_projects: Desk, clock: StillClock
) -> None:
    for number, path in enumerate(ITEMS):
        look(console, path)
        look(console, path, "&first=1")
        assert (path in drafts(two_projects)) == (number > 0), "the first one is in the log"
    console.person = "oleg"
    look(console, ITEMS[0])
    assert [paths for paths, _ in views(two_projects, "vera")] == [[ITEMS[0]]]
    assert [paths for paths, _ in views(two_projects, "oleg")] == [[ITEMS[0]]]
    clock.sleep(WITHIN + 1)
    look(console, ITEMS[0])
    assert drafts(two_projects) == ""
    (_, first), (paths, counts) = views(two_projects, "vera")
    assert paths == [*ITEMS[1:]] and counts["files"] == 3 and first["files"] == 1
    assert len(views(two_projects, "oleg")) == 2
    assert two_projects.call("audit", "verify", "--json").document["sound"]


def test_whoever_reads_the_log_in_the_console_reads_all_of_it(console: ConsoleClient, two_projects: Desk) -> None:
    console.person = "oleg"
    known = len(views(two_projects, "oleg"))
    for path in ITEMS[:3]:
        look(console, path)
    assert len(views(two_projects, "oleg")) == known + 1
    console.person = "aud"
    page = console.get("/projects/acme/log?user=oleg&action=view").text
    assert ITEMS[1] in page and ITEMS[2] in page and "bytes" in page
    console.person = "oleg"
    look(console, ITEMS[1])
    assert drafts(two_projects) == "", "it is in the log already"
    look(console, ITEMS[3])
    assert ITEMS[3] in drafts(two_projects)


def test_looks_of_a_console_that_is_killed_are_an_entry_with_the_next_one(console: ConsoleClient, two_projects: Desk) -> None:
    command = [sys.executable, "-c", KILLED, str(two_projects.settings), *ITEMS]
    environment = {**two_projects.environment, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=two_projects.folder, env=environment, capture_output=True, timeout=120, check=False)
    assert done.returncode == -9, done.stderr.decode()
    assert [paths for paths, _ in views(two_projects, "killed")] == [[ITEMS[0]]]
    look(console, ITEMS[0])
    assert [paths for paths, _ in views(two_projects, "killed")] == [[ITEMS[0]], [*ITEMS[1:]]]
    assert two_projects.call("audit", "verify", "--json").document["sound"]


def test_where_the_disk_takes_no_draft_each_look_is_an_entry(
    console: ConsoleClient, two_projects: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    known = len(views(two_projects, "vera"))
    monkeypatch.setattr(OwnChain, "write_draft", full)
    for path in ITEMS:
        look(console, path)
    assert [paths for paths, _ in views(two_projects, "vera")][known:] == [[path] for path in ITEMS]
