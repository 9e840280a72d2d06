"""Sentences and tables on a narrow terminal: nothing is broken inside a word, and a command can be copied."""

from __future__ import annotations

import io

import pytest

from cli import terminal_layout
from cli.terminal_layout import aligned, fitting, records, width_of, wrapped

TEXT = "damage: snapshot 01JABCDEFGHJKMNPQRSTVWXYZ0 of project acme is gone; put it back, or accept the loss"
COMMAND = "accept the loss: `strongroom retention accept-loss acme 01JABCDEFGHJKMNPQRSTVWXYZ0 --reason 'a disk'`, then prune"


@pytest.mark.parametrize("width", [30, 60, 80])
def test_a_sentence_wraps_at_blanks_and_loses_nothing(width: int) -> None:
    lines = wrapped(f"  {TEXT}", width).split("\n")
    assert len(lines) > 1 and all(len(line) <= width for line in lines)
    assert " ".join(line.strip() for line in lines) == TEXT
    assert lines[0].startswith("  damage") and all(line.startswith("    ") for line in lines[1:])


def test_a_word_that_is_longer_than_a_line_stays_whole() -> None:
    path = "/srv/" + "x" * 90
    assert wrapped(f"written: {path} at last", 40).split("\n") == ["written:", f"  {path}", "  at last"]


def test_lines_that_fit_and_lines_of_no_terminal_are_left_as_they_are() -> None:
    aligned_text = "a    b\n  c      d"
    assert wrapped(aligned_text, 20) == aligned_text
    assert wrapped(TEXT, None) == TEXT


def test_a_command_is_kept_together_or_goes_on_behind_a_backslash() -> None:
    lines = wrapped(f"see what is left: `strongroom ls acme --deleted`, {TEXT}", 45).split("\n")
    assert "  `strongroom ls acme --deleted`," in lines[1]
    lines = wrapped(COMMAND, 50).split("\n")
    assert all(len(line) <= 50 for line in lines)
    pasted = "\n".join(lines).split("`")[1].replace("\\\n", "")
    assert pasted.split() == COMMAND.split("`")[1].split()


HEADS = ["  ID", "SIZE", "WHY", "NOTE"]
ROWS = [["  0123456789", "10 B", "it was asked for", ""], ["  abcdefghij", "2 KiB", "-", "late"]]


def test_a_table_leaves_out_the_least_important_columns_first() -> None:
    whole = len(next(aligned(ROWS, HEADS, (1,), range(4)))) + 2
    assert fitting(ROWS, HEADS, (3, 1), None) == fitting(ROWS, HEADS, (3, 1), whole + 10) == [0, 1, 2, 3]
    assert fitting(ROWS, HEADS, (3, 1), 38) == [0, 1, 2]
    assert fitting(ROWS, HEADS, (3, 1), 31) == [0, 2]
    assert fitting(ROWS, HEADS, (3, 1), 29) is None
    assert list(aligned(ROWS, HEADS, (1,), [0, 1])) == ["  ID           SIZE", "  0123456789   10 B", "  abcdefghij  2 KiB"]


def test_a_table_that_is_too_wide_all_the_same_is_shown_row_by_row() -> None:
    assert list(records(ROWS, HEADS, 22)) == [
        "  ID    0123456789",
        "  SIZE  10 B",
        "  WHY   it was asked\n    for",
        "",
        "  ID    abcdefghij",
        "  SIZE  2 KiB",
        "  NOTE  late",
    ]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("columns", "width"), [("80", 80), ("9", None), ("wide", None), ("", None)])
def test_the_width_is_what_the_terminal_says(columns: str, width: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert terminal_layout.width_of(Terminal()) == width
    assert width_of(io.StringIO()) is None
