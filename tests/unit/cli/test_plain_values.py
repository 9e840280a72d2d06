"""Ordinary values of options are taken without typer's own look at them; what comes out is what typer would have made of them,
and so is what is said of others."""

from __future__ import annotations

import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.core import TyperCommand
from typer.main import get_command

from cli.command_classes import Command


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


def everything(
    word: str,
    more: Annotated[list[str] | None, typer.Argument()] = None,
    place: Path | None = None,
    places: Annotated[list[Path] | None, typer.Option()] = None,
    count: Annotated[int, typer.Option(min=1, max=20)] = 3,
    share: Annotated[float, typer.Option(min=0)] = 0.5,
    colour: Colour | None = None,
    loud: bool = False,  # noqa: FBT001, FBT002 (typer's form)
) -> None:
    """Takes one of each kind."""


def command(cls: type[TyperCommand]) -> Any:
    made = typer.Typer(add_completion=False, rich_markup_mode=None)
    made.command(cls=cls)(everything)
    return get_command(made)


def values(cls: type[TyperCommand], words: list[str]) -> dict[str, Any] | str:
    """What the function gets, or what is said instead."""
    try:
        found: dict[str, Any] = command(cls).make_context("x", list(words)).params
    except typer.TyperException as error:
        return str(error.format_message())
    return {name: value for name, value in found.items() if name in everything.__annotations__}


NUMBERS = [["--count", one] for one in ("1", "20", "007", "0", "21", "-1", "1.5", "one", "", "²", "9" * 30)]
SHARES = [["--share", one] for one in ("1", "0.25", "1e3", "-1", "nan", "x")]
PLACES = [["--place", one] for one in ("a", "/tmp/../b", "", "~", "-")] + [["--places", "a", "--places", "b"]]
COLOURS = [["--colour", one] for one in ("red", "green", "RED", "blue", "")]


@pytest.mark.parametrize("words", [[], ["a", "b"], ["--loud"], *NUMBERS, *SHARES, *PLACES, *COLOURS], ids=" ".join)
def test_values_and_refusals_are_those_of_typer(words: list[str]) -> None:
    assert values(Command, ["word", *words]) == values(TyperCommand, ["word", *words])


def test_a_path_that_nobody_may_read_is_refused_as_typer_refuses_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "shut"
    place.touch()
    monkeypatch.setattr("os.access", lambda *_: False)
    assert "is not readable" in str(values(Command, ["word", "--place", str(place)]))


def test_a_word_that_is_missing_is_missed() -> None:
    assert values(Command, []) == values(TyperCommand, [])


def test_only_an_odd_value_has_what_looks_at_values_imported() -> None:
    code = f"import sys; from {__name__} import Command, values; {{}}; print('typer._adapters' in sys.modules)"
    ordinary = "values(Command, ['word', 'x', '--place', 'p', '--places', 'q', '--count', '7', '--colour', 'red', '--loud'])"
    for tried, expected in ((ordinary, "False\n"), ("values(Command, ['word', '--count', '21'])", "True\n")):
        assert subprocess.run([sys.executable, "-c", code.format(tried)], capture_output=True, text=True).stdout == expected
