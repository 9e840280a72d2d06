"""What is ambiguous: a choice on a terminal, an error with the choices in a pipe; and older versions beside the newest one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.desk import Desk, refusal
from tests.support.terminal import Terminal
from tests.support.tree_facts import write_files


@pytest.fixture
def two(desk: Desk) -> Desk:
    """Two sources of one kind that share a path, and two projects with names that are alike."""
    write_files(desk.folder / "kyiv", {"a.csv": b"kyiv", "b.csv": b"only"})
    write_files(desk.folder / "lviv", {"a.csv": b"lviv"})
    desk.init()
    for project in ("parcelo-north", "parcelo-south"):
        desk.add(project, f"reports={desk.folder / 'kyiv'}")
    with desk.settings.open("a") as settings:
        settings.write(f'\n[[projects.parcelo-north.sources]]\nkind = "reports"\nname = "lviv"\npath = "{desk.folder}/lviv"\n')
    desk.call("backup")
    return desk


def test_in_a_pipe_the_choices_are_in_the_error(two: Desk) -> None:
    message = refusal(two.call("restore", "parcelo", "--to", "x", exits=2))
    assert "'parcelo-north' or 'parcelo-south'" in message
    message = refusal(two.call("restore", "parcelo-north", "--to", "x", exits=1))
    assert "--source lviv or --source reports" in message and "reports/a.csv" in message
    message = refusal(two.call("restore", "parcelo-south", "--to", "-", exits=2))
    assert "reports/a.csv, reports/b.csv" in message
    assert not (two.folder / "x").exists()
    (two.folder / "lviv/a.csv").rename(two.folder / "lviv/c.csv")  # now they share nothing but their folder
    two.call("backup")
    two.call("restore", "parcelo-north", "--to", "both")
    assert sorted(path.name for path in (two.folder / "both/reports").iterdir()) == ["a.csv", "b.csv", "c.csv"]


def test_on_a_terminal_project_and_source_are_chosen_by_number(two: Desk) -> None:
    terminal = Terminal(two, "restore", "parcelo", "--to", "x")
    terminal.wait_for(b"Which one: ")
    assert b" 1  parcelo-north" in terminal.shown and b" 2  parcelo-south" in terminal.shown
    terminal.type(b"7\r")
    terminal.wait_for(b"a number from 1 to 2")
    terminal.type(b"1\r")
    terminal.wait_for(b"Several sources")
    terminal.wait_for(b" 2  reports")
    terminal.type(b"1\r")
    assert terminal.end() == 0
    assert (two.folder / "x/reports/a.csv").read_bytes() == b"lviv"


def test_on_a_terminal_the_file_to_stream_is_chosen_and_nothing_else_is_written(two: Desk) -> None:
    terminal = Terminal(two, "restore", "parcelo-south", "--to", "-")
    terminal.wait_for(b"Which one: ")
    terminal.type(b"2\r")
    assert terminal.end() == 0 and terminal.shown.endswith(b"only")


def test_on_a_terminal_nobody_is_replaced_without_a_yes(two: Desk) -> None:
    write_files(two.folder / "x", {"reports/b.csv": b"mine"})
    command = ("restore", "parcelo-south", "--to", "x", "--existing", "replace")
    terminal = Terminal(two, *command)
    terminal.wait_for(b"Replace 1 item?")
    terminal.type(b"n\r")
    assert terminal.end() == 1 and (two.folder / "x/reports/b.csv").read_bytes() == b"mine"
    assert Terminal(two, *command, "--yes").end() == 0
    assert (two.folder / "x/reports/b.csv").read_bytes() == b"only"
    (two.folder / "x/reports/b.csv").write_bytes(b"mine again")
    message = refusal(two.call(*command, exits=2))
    assert "Replace 1 item?" in message and "--yes" in message, "the very question that a terminal shows"
    assert (two.folder / "x/reports/b.csv").read_bytes() == b"mine again"
    two.call(*command, "--yes")
    assert (two.folder / "x/reports/b.csv").read_bytes() == b"only"


@pytest.fixture
def history(desk: Desk) -> Desk:
    """a.csv had the contents 1, 2, 1, 3 and 4; b.csv never changed; c.csv is deleted."""
    source = desk.folder / "source"
    write_files(source, {"a.csv": b"1", "b.csv": b"b", "c.csv": b"c1"})
    desk.init()
    desk.add("acme", f"reports={source}")
    for number, content in enumerate((b"1", b"2", b"1", b"3", b"4")):
        (source / "a.csv").write_bytes(content)
        os.utime(source / "a.csv", (0, 1_650_000_000 + number))
        if number == 3:
            (source / "c.csv").write_bytes(b"c2")
        if number == 4:
            (source / "c.csv").unlink()
        desk.call("backup")
    return desk


def restored(folder: Path) -> dict[str, list[bytes]]:
    """Contents by the beginnings of names, in the order of the names."""
    found: dict[str, list[bytes]] = {}
    for path in sorted((folder / "reports").iterdir()):
        found.setdefault(path.name[0], []).append(path.read_bytes())
    return found


def test_older_versions_lie_beside_the_newest_one_each_content_once(history: Desk) -> None:
    history.call("restore", "acme", "--versions", "all", "--to", "all")
    found = restored(history.folder / "all")
    assert found["b"] == [b"b"] and sorted(found["a"]) == [b"1", b"2", b"3", b"4"]
    assert (history.folder / "all/reports/a.csv").read_bytes() == b"4"
    names = {path.name for path in (history.folder / "all/reports").iterdir()}
    assert all(name in ("a.csv", "b.csv") or name.startswith("a (as of 20") for name in names) and len(names) == 5
    history.call("restore", "acme", "reports/a.csv", "--versions", "2", "--to", "two")
    assert sorted(restored(history.folder / "two")["a"]) == [b"3", b"4"]
    history.call("restore", "acme", "--deleted", "--versions", "all", "--to", "deleted")
    assert sorted(restored(history.folder / "deleted")["c"]) == [b"c1", b"c2"]
    snapshots = history.call("list", "--json").document["projects"][0]["snapshots"]
    second = sorted(snapshots, key=lambda one: one["taken_at"])[1]["snapshot"]  # ids order seconds only
    history.call("restore", "acme", "reports/a.csv", "--versions", "all", "--at", second, "--to", "then")
    assert sorted(restored(history.folder / "then")["a"]) == [b"1", b"2"]
    for wrong in ("0", "-1", "many", ""):
        refusal(history.call("restore", "acme", "--versions", wrong, "--to", "x", exits=2))
