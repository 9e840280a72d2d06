"""A console whose settings file is changed while people use it: the next page goes by the new one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.access.rights import Assignment, Person, Role
from tests.e2e.console.getting_back import plan, tick
from tests.support.console import ConsoleClient, live_console_of, person, text_of
from tests.support.desk import Desk, Place
from tests.support.tree_facts import write_files

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


def test_what_is_expected_from_now_on_is_missed_on_every_page_as_the_next_backup_alerts_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "desk", Place("repository"))
    write_files(desk.folder / "reports", {"2024-05.csv": b"a\n1\n", "2024-07.csv": b"a\n2\n", "2024-09.csv": b"a\n3\n"})
    desk.init()
    desk.add("acme", f"reports={desk.folder / 'reports'}")
    desk.call("backup")
    narrow = Person("narrow", assignments=(Assignment(Role.VIEWER, ("*",), paths=("reports/2024-0*",)),))
    with live_console_of(desk, person("anna", Role.VIEWER, Role.OPERATOR), narrow) as console:
        before = text_of(console.get("/projects/acme/periods?period=2024-Q3"))
        assert "gap" in before and "expected by" not in before, "inferred between neighbours"
        assert "gap" not in text_of(console.get("/projects/acme/periods?period=2024-Q4"))
        settings = desk.settings.read_text()
        desk.settings.write_text(settings.replace('kind = "reports"', 'kind = "reports"\nexpected = "monthly"'))
        page = text_of(console.get("/projects/acme/periods?period=2024-Q3"))
        assert "August 2024 gap expected by 9/1/24, 1:00 AM, monthly" in page
        after = console.call("/projects/acme/periods?period=2024-Q4").json()["parts"]
        assert [(one["gaps"], one["missing"][0]["every"]) for one in after] == [(["reports"], "month")] * 3
        card = text_of(console.get("/"))
        (number,) = re.findall(r"reports: (\d+) reports did not appear in time", card)
        assert f"{number} did not appear" in text_of(console.get("/projects/acme/watch"))
        desk.call("backup", exits=0)
        assert f"{number} reports did not appear" in desk.call("status", exits=3).text
        assert f"{number} reports did not appear" in text_of(console.get("/projects/acme/watch"))
        console.person = "narrow"
        assert "expected by" not in console.get("/projects/acme/periods?period=2024-Q3").text, "others may know what came"
        assert "did not appear" not in console.get("/").text
