"""A console whose settings file is changed while people use it: the next page goes by the new one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from console.access.rights import Role
from tests.e2e.console.getting_back import plan, tick
from tests.support.console import ConsoleClient, live_console_of, person, text_of
from tests.support.desk import Desk

ITEM = "/projects/acme/item/preview?path=reports%2F2024-05.csv"


@pytest.fixture
def console(two_projects: Desk) -> Iterator[ConsoleClient]:
    before = two_projects.settings.read_text()
    try:
        with live_console_of(two_projects, person("anna", Role.RESTORER, Role.EXPORTER, Role.OPERATOR)) as made:
            yield made
    finally:
        two_projects.settings.write_text(before)


def add(desk: Desk, *lines: str) -> None:
    """Write a table [console] into the settings."""
    desk.settings.write_text("\n".join([desk.settings.read_text(), "[console]", *lines]))


def test_columns_folders_and_second_persons_are_those_of_the_settings_now(console: ConsoleClient, two_projects: Desk) -> None:
    file, aside = two_projects.folder / "reports/2024-05.csv", two_projects.folder / "aside.csv"
    file.rename(aside)
    try:
        _ask(console, two_projects)
    finally:
        aside.rename(file)


def _ask(console: ConsoleClient, two_projects: Desk) -> None:
    tick(console, folder="reports")
    assert "olena" in text_of(console.get(ITEM))
    assert "/srv/handover" not in console.get("/projects/acme/basket").text
    assert "second person" not in text_of(plan(console, "place"))
    lines = ('masked_columns = ["agent"]', 'restore_folders = ["/srv/handover"]', 'approvals = ["restore-in-place"]')
    add(two_projects, *lines)
    shown = text_of(console.get(ITEM))
    assert "olena" not in shown and "17" in shown
    assert "/srv/handover" in console.get("/projects/acme/basket").text
    assert "second person" in text_of(plan(console, "place"))


def test_another_time_zone_of_a_project_and_of_the_console_is_that_of_the_next_page(
    console: ConsoleClient, two_projects: Desk
) -> None:
    assert "UTC" in text_of(console.get("/projects/parcelo/watch"))
    assert "/projects/parcelo" in console.get("/").text
    before = two_projects.settings.read_text()
    two_projects.settings.write_text(before.replace('zone = "UTC"', 'zone = "Asia/Tokyo"'))
    assert "Asia/Tokyo" in text_of(console.get("/projects/parcelo/watch"))
    assert console.call("/projects/parcelo/periods?period=2024").json()["parts"][0]["start"].endswith("+09:00")
