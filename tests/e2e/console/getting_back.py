"""What the tests of getting things back share: a project from which a folder was deleted, forms of pages, and waiting."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Mapping, Sequence
from html import unescape
from pathlib import Path
from typing import Any

import httpx2 as httpx

from strongroom import audit
from strongroom.audit import FoundEntry
from strongroom.audited_projects import AuditedProject
from strongroom.repository import open_repository
from tests.support.console import ConsoleClient, text_of
from tests.support.desk import Desk, Place
from tests.support.tree_facts import write_files

REPORTS = {
    "2024/05.csv": b"agent,calls\nolena,17\n",
    "2024/06.csv": b"agent,calls\nivan,23\n",
    "2025/01.csv": b"agent,calls\nolena,19\n",
}
TICKETS = {"2024-05.jsonl": b'{"id": 1}\n'}
PATIENCE = 60.0


def make_desk(folder: Path) -> Desk:
    """Reports and tickets, backed up; then the reports of 2024 are deleted, and backed up again."""
    made = Desk(folder / "desk", Place("repository"))
    write_files(made.folder / "reports", REPORTS)
    write_files(made.folder / "tickets", TICKETS)
    made.init()
    made.add("acme", f"reports={made.folder / 'reports'}", f"tickets={made.folder / 'tickets'}")
    made.call("backup")
    shutil.rmtree(made.folder / "reports/2024")
    made.call("backup")
    return made


def fields_of(page: httpx.Response, action: str = "") -> dict[str, str]:
    """The hidden fields of the form that is sent with POST. action: what its address ends with."""
    forms = re.findall(r'<form method="post" action="([^"]*)">(.*?)</form>', page.text, re.DOTALL)
    (inside,) = [body for address, body in forms if address.endswith(action)]
    found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', inside)
    return {name: unescape(value) for name, value in found if name != "csrf"}


def tick(console: ConsoleClient, project: str = "acme", **fields: str | Sequence[str]) -> httpx.Response:
    """Put ticks into the basket."""
    return console.post(f"/projects/{project}/basket", fields)


def plan(console: ConsoleClient, goal: str, project: str = "acme", **asked: str) -> httpx.Response:
    """The page of the plan."""
    words = "&".join(f"{name}={value}" for name, value in {"goal": goal, **asked}.items())
    return console.get(f"/projects/{project}/get-back?{words}")


def confirm(console: ConsoleClient, page: httpx.Response, project: str = "acme", **more: str) -> httpx.Response:
    """Do what a plan says."""
    return console.post(f"/projects/{project}/get-back", {**fields_of(page, "get-back"), **more})


def get_back(console: ConsoleClient, goal: str, project: str = "acme", **asked: str) -> str:
    """From the basket to a task; gives its address."""
    page = plan(console, goal, project, **asked)
    assert page.status_code == 200, text_of(page)
    begun = confirm(console, page, project)
    assert begun.status_code == 303, text_of(begun)
    return begun.headers["location"]


def until(console: ConsoleClient, address: str, words: str) -> httpx.Response:
    """The page of a task once it says something."""
    deadline = time.monotonic() + PATIENCE
    while True:
        page = console.get(address)
        if words in text_of(page):
            return page
        assert time.monotonic() < deadline, text_of(page)
        time.sleep(0.05)


def fetched(console: ConsoleClient, task: str) -> httpx.Response:
    """The download of a task."""
    page = console.get(task)
    (address,) = re.findall(r'<a class="button" href="([^"]*)" download>', page.text)
    return console.get(unescape(address))


def log_of(desk: Desk, project: str = "acme") -> list[FoundEntry]:
    """What the log says of a project, as an auditor reads it."""
    with desk.surroundings(["audit"]), open_repository(desk.settings) as repository:
        found = repository.project(project)
        return list(audit.read_log(repository.context, [AuditedProject.of_project(found.stored)]).entries)


def acts(desk: Desk, person: str) -> list[tuple[str, Mapping[str, Any]]]:
    """Actions of a person in the log, with what they asked for."""
    return [(one.entry.action, one.entry.what) for one in log_of(desk) if one.entry.who.user == person]
