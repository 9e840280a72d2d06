"""Moments and time zones at the command line: what a date means, in whose time zone, and that it is said."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.desk import Desk, refusal
from tests.support.tree_facts import write_files


@pytest.fixture
def kyiv(desk: Desk) -> Desk:
    """A project in Kyiv with the summary of January."""
    source = desk.folder / "source"
    write_files(source, {"summary-2024-01.csv": b"a\n", "summary-2024-02.csv": b"b\n"})
    desk.init()
    desk.call("project", "add", "acme", "--source", f"reports={source}", "--zone", "Europe/Kyiv")
    desk.call("backup", "--quiet")
    return desk


def elsewhere(desk: Desk) -> None:
    """The settings of a machine that knows the repository, and nothing of the project."""
    text = desk.settings.read_text()
    desk.settings.write_text(text[: text.index("[projects.")])


def test_a_machine_without_the_projects_zone_counts_by_the_zone_of_its_snapshots(kyiv: Desk, tmp_path: Path) -> None:
    elsewhere(kyiv)
    command = ("restore", "acme", "--to", str(tmp_path / "out"), "--dry-run")
    lines = kyiv.call(*command, "--json").document["plan"]["by_period"]
    assert {line["period"] for line in lines if line["files"]} == {"2024-01", "2024-02"}
    assert [item["period"] for item in kyiv.call("ls", "acme", "**/*.csv", "-r", "--json").document["items"]] == [
        "2024-01",
        "2024-02",
    ]
    assert re.search(r"\d\d:\d\d:\d\d EES?T", kyiv.call(*command).err), "the plan names the zone"


@pytest.mark.parametrize(
    "command", [("list",), ("ls", "acme", "**/*.csv", "-r"), ("find", "acme"), ("history", "acme", "**/*01.csv")]
)
def test_every_time_that_is_printed_names_its_zone_and_one_line_has_one_zone(kyiv: Desk, command: tuple[str, ...]) -> None:
    lines = [line for line in kyiv.call(*command).text.splitlines() if re.search(r"\d\d:\d\d:\d\d", line)]
    assert lines
    for line in lines:
        times = re.findall(r"\d\d:\d\d:\d\d( \S+)?", line)
        assert set(times) <= {" EET", " EEST"}, line


def test_a_date_means_the_end_of_that_day_and_the_plan_says_so(kyiv: Desk, tmp_path: Path) -> None:
    told = kyiv.call("restore", "acme", "--to", str(tmp_path / "out"), "--at", "2199-03-08", "--dry-run").err
    assert "the end of 2199-03-08 (2199-03-08 23:59:59 EET)" in told
    assert "the end of 2199-03-08" in kyiv.call("ls", "acme", "--at", "2199-03-08").err
    assert "the end of 2020-03-08 (2020-03-08 23:59:59 EET)" in refusal(kyiv.call("ls", "acme", "--at", "2020-03-08", exits=1))


def test_before_is_strictly_before_a_moment_a_day_or_a_snapshot(kyiv: Desk, tmp_path: Path) -> None:
    first = kyiv.call("list", "--json").document["projects"][0]["snapshots"][0]["snapshot"]
    (kyiv.folder / "source" / "summary-2024-03.csv").write_bytes(b"c\n")
    second = kyiv.call("backup", "--json").document["snapshots"][0]["snapshot"]
    told = kyiv.call("ls", "acme", "**/*.csv", "--before", second, "-r", "--json").document
    assert [item["path"] for item in told["items"]] == ["reports/summary-2024-01.csv", "reports/summary-2024-02.csv"]
    assert "has no snapshot up to right before" in refusal(kyiv.call("ls", "acme", "--before", first, exits=1))
    assert len(kyiv.call("ls", "acme", "**/*.csv", "--before", "2199-03-08", "-r", "--json").document["items"]) == 3
    plan = kyiv.call("restore", "acme", "--to", str(tmp_path / "out"), "--before", "2199-03-08", "--dry-run").err
    assert "right before 2199-03-08 00:00:00 EET" in plan
    both = kyiv.call("restore", "acme", "--to", "x", "--before", "today", "--at", "today", exits=2)
    assert "exclude each other" in refusal(both)


def test_from_yesterday_and_from_today_begin_at_the_beginning_of_that_day(kyiv: Desk) -> None:
    for day in ("yesterday", "today"):
        assert len(kyiv.call("find", "acme", "**/*.csv", "--since", day, "--json").document["items"]) == 2
    assert "no item" in kyiv.call("find", "acme", "**/*.csv", "--until", "yesterday", exits=1).err
