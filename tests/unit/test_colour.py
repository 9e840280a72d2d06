"""Colours: where there are some, where there are none, and that they take no words away."""

from __future__ import annotations

import io
import re

import pytest

from cli import colour, output
from cli.colour import Style
from vault.errors import Damaged

ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")


@pytest.mark.parametrize(
    ("stream", "variables", "expected"),
    [
        (Tty(), {}, True),
        (io.StringIO(), {}, False),
        (Tty(), {"NO_COLOR": "1"}, False),
        (Tty(), {"NO_COLOR": ""}, True),
        (Tty(), {"TERM": "dumb"}, False),
        (io.StringIO(), {"FORCE_COLOR": "1"}, True),
        (Tty(), {"FORCE_COLOR": "0"}, False),
        (io.StringIO(), {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_colours_are_for_terminals_and_for_who_forces_them(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, variables: dict[str, str], *, expected: bool
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert colour.wanted(stream) is expected


def shown(monkeypatch: pytest.MonkeyPatch, *, coloured: bool) -> str:
    """A result, a table, an error: all that is printed."""
    monkeypatch.setattr("sys.stdout", screen := Tty())
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("NO_COLOR", "" if coloured else "1")
    output.result("acme: 3 snapshots: DAMAGED", paint=("DAMAGED", Style.BAD))
    output.table([("acme", "ok", "12"), ("odd", "late", "3")], ["PROJECT", "STATE", "ITEMS"], right=(2,))
    output.failure(Damaged("the pack is not what was stored"))
    output.notice("warning: 3 objects can be deleted")
    return screen.getvalue()


def test_colours_say_nothing_alone_and_move_no_column(monkeypatch: pytest.MonkeyPatch) -> None:
    coloured, plain = shown(monkeypatch, coloured=True), shown(monkeypatch, coloured=False)
    assert ESCAPES.sub("", coloured) == plain and "\x1b" not in plain
    for words, style in (
        ("DAMAGED", Style.BAD),
        ("PROJECT", Style.HEADING),
        ("ok", Style.GOOD),
        ("late", Style.BAD),
        ("strongroom: error:", Style.BAD),
        ("hint:", Style.HINT),
        ("warning:", Style.DOUBTFUL),
    ):
        assert colour.painted(words, style) in coloured, words


def test_a_word_is_painted_where_it_stands_and_a_text_without_it_stays() -> None:
    assert colour.word("+ ++ a+b", "+", Style.ADDED) == "\x1b[32m+\x1b[0m ++ a+b"
    assert colour.word("sound: sound", "nothing", Style.GOOD) == "sound: sound"
    assert colour.word("x: sound", "sound", Style.GOOD) == "x: \x1b[32msound\x1b[0m"
    assert colour.opening("no opening: hint:") == "no opening: hint:"
