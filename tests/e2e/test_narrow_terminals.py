"""Everyday commands on terminals of 80 and 60 columns: no line is too long, and no word or id is broken."""

from __future__ import annotations

import pytest

from cli import terminal_layout
from tests.support.desk import Desk
from tests.support.terminal import Terminal
from tests.support.tree_facts import write_files

COMMANDS = [
    "list",
    "ls acme reports -l",
    "ls acme -r",
    "status",
    "status --all",
    "snapshot show acme",
    "find acme *.csv",
    "history acme reports",
    "settings show",
    "settings show --origin",
    "retention plan acme",
]


@pytest.fixture
def kept(desk: Desk) -> Desk:
    files = {f"hourly reports of every agent/2024/05/{hour:02}.csv": b"a\n" * hour for hour in range(3)}
    write_files(desk.folder / "source", files)
    desk.init()
    desk.add("acme", f"reports={desk.folder / 'source'}")
    desk.call("backup")
    write_files(desk.folder / "source", {"hourly reports of every agent/2024/05/01.csv": b"b\n"})
    desk.call("backup")
    return desk


@pytest.mark.parametrize("width", [80, 60])
def test_no_line_is_too_long_and_no_word_is_broken(kept: Desk, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [one["snapshot"] for one in kept.call("list", "--json").document["projects"][0]["snapshots"]]
    for command in COMMANDS:
        piped = kept.call(*command.split(), exits=(0, 3))
        with monkeypatch.context() as patched:
            patched.setattr(terminal_layout, "width_of", lambda _stream: width)
            shown = kept.call(*command.split(), exits=(0, 3))
        lines = [*shown.text.splitlines(), *shown.err.splitlines()]
        long = [line for line in lines if len(line) > width and len(line.split()) > 1]
        assert not long, command
        if not command.startswith(("settings", "retention")):
            assert any(len(line) > width for line in piped.text.splitlines()) or width == 80, command
        words = set(shown.text.split())
        assert {one for one in ids if one in piped.text} <= words, command
        keys = {one for one in piped.text.split() if "age1" in one}
        if command.split()[0] in ("ls", "settings", "history", "retention") and "-l" not in command:
            assert set(piped.text.split()) - {"-"} - keys <= words, command
        if command == "ls acme -r":
            assert "  reports/hourly reports of every agent/2024/05/01.csv" in lines
        if command.startswith("settings"):
            assert keys and max(map(len, lines)) < 200
            assert "recipients are shown by their ends; --json has them whole" in " ".join(shown.err.split())
            assert "shown by their ends" not in piped.err


def test_a_column_that_is_left_out_is_named_and_a_pipe_has_them_all(kept: Desk) -> None:
    terminal = Terminal(kept, "list", columns=80)
    assert terminal.end() == 0
    shown = terminal.text.replace("\r\n", "\n")
    words = " ".join(shown.split())
    assert "left out on this narrow terminal: SOURCE, STORED, PROBLEMS; --json has everything" in words
    assert all(len(line) <= 80 for line in shown.splitlines())
    assert "STORED" in kept.call("list").text.splitlines()[1] and "left out" not in kept.call("list").err


@pytest.mark.parametrize("command", ["restore", "list", "query", "check", "ls"])
def test_usage_lines_have_single_brackets(desk: Desk, command: str) -> None:
    usage = desk.call(command, "--help").text.splitlines()[0]
    assert "[[" not in usage and "]]" not in usage and "…" not in usage
