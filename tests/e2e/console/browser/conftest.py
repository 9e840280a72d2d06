"""A console that runs, with people of several roles."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import chromium
from tests.support.console_login import PASSWORD
from tests.support.console_process import Running, running
from tests.support.desk import Desk

ROLES = """
[[console.roles]]
role = "viewer"
people = ["olena", "admin"]
projects = ["acme"]

[[console.roles]]
role = "restorer"
people = ["olena"]
projects = ["acme"]

[[console.roles]]
role = "operator"
people = ["admin"]

[[console.roles]]
role = "auditor"
people = ["admin"]

[[console.roles]]
role = "exporter"
people = ["admin"]

[[console.roles]]
role = "administrator"
people = ["admin"]
"""


@pytest.fixture(scope="session", autouse=True)
def browser() -> None:
    """Before anything is made for it."""
    chromium.require()


@pytest.fixture(scope="module")
def console(two_projects: Desk) -> Iterator[Running]:
    """Over two projects: `olena` gets back what is acme's, `admin` has all roles."""
    before = two_projects.settings.read_text()
    two_projects.settings.write_text(before + ROLES)
    file = two_projects.folder / "password"
    file.write_text(f"{PASSWORD}\n")
    for name in ("olena", "admin"):
        two_projects.call("console", "user", "add", name, "--title", name.title(), "--password-file", str(file))
    try:
        with running(two_projects) as made:
            yield made
    finally:
        two_projects.settings.write_text(before)
        for name in ("olena", "admin"):
            two_projects.call("console", "user", "remove", name, "--yes")
