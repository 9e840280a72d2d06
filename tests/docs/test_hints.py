"""Commands and options in hints, alerts and documents are parsed by the command line itself, which takes all of them.

Every text of the source is looked at, by walking its syntax tree; what a text fills in stands as a word.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, get_args

import pytest
import typer
import typer.main

from cli.command_line import OLD_SPELLINGS, with_options_behind
from cli.main import app
from policies.daemon.job_config import Kind
from policies.monitoring.alerts import COMMANDS
from tests.docs.generated import commands, option_names
from tests.docs.pages import ROOT, blocks, pages

PACKAGES = ("classify", "cli", "console", "policies", "restore", "strongroom", "vault")
FILLED_IN = "42"
"""Stands for what a text fills in: a name, a number, an id."""

_COMMAND = re.compile(r"`(strongroom(?: [^`]*)?)`")
_PROMPT = re.compile(r"""^\$ (strongroom [a-z](?:"[^"\n]*"|'[^'\n]*'|[^|>\n"'])*)""", re.MULTILINE)
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*[a-z]")
_GROUPS = frozenset(name.split()[0] for name in commands() if " " in name)
_PARTS = frozenset(part for name in commands() for part in name.split())
_NO_COMMANDS = frozenset({*_GROUPS, "", "--help", "--version", "COMMAND"})
_CONTEXT = re.compile(r"strongroom \d{4}-\d\d-\d\d ")
"""Of keys that are derived."""
_ELSEWHERE = frozenset({"--version", "--now", "--no-data", "--schema-only"})
"""Options of `strongroom` itself, of systemctl, mariadb-dump and pg_dump."""

UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""What the command line raises for words that it does not take."""


class Text(NamedTuple):
    """A text of the source. docstring: of a function or class, which a command's help shows."""

    place: str
    value: str
    docstring: bool


@cache
def texts() -> tuple[Text, ...]:
    """Every text of the program's source."""
    files = [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]
    return tuple(text for file in files for text in _texts_of(file))


def _texts_of(file: Path) -> Iterator[Text]:
    tree = ast.parse(file.read_text("utf-8"))
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.body and isinstance(node.body[0], ast.Expr)
    }
    top = tree.body[0] if tree.body else None
    beginning = id(top.value) if isinstance(top, ast.Expr) else 0
    inner = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        place = f"{file.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.JoinedStr):
            parts = [str(part.value) if isinstance(part, ast.Constant) else FILLED_IN for part in node.values]
            yield Text(place, "".join(parts), docstring=False)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner | {beginning}:
            yield Text(place, node.value, docstring=id(node) in docstrings)


def shown() -> Iterator[tuple[str, str]]:
    """Where a command is shown, and the command."""
    for text in texts():
        for line in _COMMAND.findall(text.value):
            yield text.place, line
    for page in pages():
        inline = _COMMAND.findall(page.read_text("utf-8"))
        prompts = [line for block in blocks(page) for line in _PROMPT.findall(block.text)]
        for line in (*inline, *prompts):
            yield page.name, line


def parsed(line: str) -> Any:
    """What the command line makes of a command, without running it. Raises `UsageError`."""
    words = with_options_behind(shlex.split(line.replace("…", " "), comments=True)[1:])
    length = 2 if " ".join(words[:2]) in commands() else 1
    name, rest = " ".join(words[:length]), words[length:]
    if name not in commands():
        raise UsageError(f"no command {name!r}")
    return commands()[name].make_context(name, rest)


def only_named(line: str, error: Exception, *, prose: bool) -> bool:
    """Whether a command is named, and not shown to be run: `strongroom restore`, in prose also with options alone."""
    words = shlex.split(line.replace("…", " "))[1:]
    rest = [word for word in words if word not in _PARTS]
    named = not rest or (prose and all(word.startswith("-") for word in rest))
    return named and type(error).__name__ in ("MissingParameter", "BadOptionUsage")


def test_every_command_in_hints_alerts_and_documents_is_one_that_the_command_line_takes() -> None:
    wrong = []
    for place, line in shown():
        rest = line.removeprefix("strongroom").strip(" …")
        if rest in _NO_COMMANDS or _CONTEXT.match(line) or rest == f"{FILLED_IN} {FILLED_IN}":
            continue
        try:
            parsed(line)
        except (UsageError, ValueError) as error:
            if not only_named(line, error, prose=place.endswith(".md")):
                wrong.append(f"{place}: `{line}`: {error}")
    assert not wrong, "\n".join(wrong)


def test_every_job_whose_failure_raises_an_alerts_is_a_command_that_takes_a_project() -> None:
    for job in get_args(Kind):
        parsed(f"strongroom {COMMANDS.get(job, job)} 'a project'")


def test_every_option_that_a_text_names_exists() -> None:
    of_all = option_names(typer.main.get_command(app))
    known = {name for command in commands().values() for name in option_names(command)} | of_all | _ELSEWHERE
    known |= {old for spellings in OLD_SPELLINGS.values() for old in spellings}
    wrong = [
        f"{text.place}: {option}"
        for text in texts()
        if not text.docstring
        for option in _OPTION.findall(text.value)
        if option not in known
    ]
    assert not wrong, "\n".join(wrong)


def test_the_source_does_hint_at_commands_and_a_wrong_one_is_found() -> None:
    assert sum(place.partition("/")[0] in PACKAGES for place, _ in shown()) > 20
    for line in (
        "strongroom diff acme --sins x",
        "strongroom nonsense",
        "strongroom retention acme",
        "strongroom history",
    ):
        with pytest.raises(UsageError):
            parsed(line)
