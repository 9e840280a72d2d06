"""What may come next on a command line: `strongroom __complete WORD… INCOMPLETE`, which the scripts of the shells call.

The first line of the answer is `files` where the shell is to offer files, else `words`; each of the others is a candidate, a
tab, and a word on it. Nobody is asked for anything, the store is not asked either, whatever goes wrong is silent, and after a
second there is no answer.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from cli.command_classes import global_options
from cli.command_line import OLD_SPELLINGS
from cli.help_pages import paragraphs

if TYPE_CHECKING:
    from strongroom.known_names import KnownNames

SECONDS = 1.5
MOST_SNAPSHOTS = 50
FILES = ("FILE", "DIR", "PLACE", "DIR|FILE.zip", "ADDRESS", "KIND=PATH")


class Position(Struct):
    """Where a command line has come to. command: as typer made it · option: the one whose value comes next · arguments: those
    that were given · values: of options, by their parameter's name · used: names of options · literal: `--` was given."""

    command: Any
    option: Any = None
    arguments: list[str] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    literal: bool = False

    @property
    def is_group(self) -> bool:
        """Whether the name of a command comes next."""
        return hasattr(self.command, "commands")

    def options(self) -> Iterator[Any]:
        """Those that may be given here."""
        own = [one for one in self.command.params if one.param_type_name == "option" and not one.hidden]
        return iter([*global_options(), *own] if self.is_group else own)

    def argument(self) -> Any:  # noqa: ANN401
        """The parameter that the next word belongs to; None where there is none."""
        taken = len(self.arguments)
        for one in self.command.params:
            if one.param_type_name == "argument":
                if taken == 0 or one.nargs == -1:
                    return one
                taken -= 1
        return None

    def step(self, word: str) -> None:
        """One more word is complete."""
        if self.option is not None:
            self.values[self.option.name] = word
            self.option = None
        elif not self.literal and word == "--":
            self.literal = True
        elif not self.literal and word.startswith("-") and len(word) > 1:
            self._take_option(*word.partition("="))
        elif self.is_group:
            self.command = self.command.commands[word]
        else:
            self.arguments.append(word)

    def _take_option(self, name: str, equals: str, value: str) -> None:
        present = OLD_SPELLINGS.get(self.command.path, {}).get(name, name)
        for one in self.options():
            if present in (*one.opts, *one.secondary_opts):
                self.used.add(one.name)
                if equals:
                    self.values[one.name] = value
                elif not one.is_flag:
                    self.option = one


def answer(root: Any, words: Sequence[str]) -> list[str]:  # noqa: ANN401 (a class that typer keeps to itself)
    """The lines for the shell. words: those behind `strongroom`; the last one is incomplete, and may be empty. Raises
    `KeyError` for a command that does not exist."""
    *before, last = _split_at_equals(words) or [""]
    position = Position(root)
    for word in before:
        position.step(word)
    prefix = ""
    if not position.literal and position.option is None and last.startswith("-") and "=" in last:
        name, _, last = last.partition("=")
        prefix = f"{name}="
        position.step(name)
    if position.option is not None:
        kind, found = _values(position.option, position)
    elif not position.literal and last.startswith("-"):
        kind, found = "words", list(_option_names(position))
    elif position.is_group:
        kind, found = "words", _command_names(position.command)
    else:
        argument = position.argument()
        kind, found = ("words", []) if argument is None else _values(argument, position)
    return [kind, *(f"{prefix}{one}\t{about}" for one, about in found if one.startswith(last))]


def run(root: Any, words: Sequence[str]) -> None:  # noqa: ANN401
    """Write the answer, and end the process."""
    signal.signal(signal.SIGALRM, lambda _number, _frame: os._exit(0))
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    try:
        lines = answer(root, words)
    except Exception:  # noqa: BLE001 (a person is typing: nothing may be said in between)
        lines = ["words"]
    with suppress(OSError):
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
    os._exit(0)


def _split_at_equals(words: Sequence[str]) -> list[str]:
    """bash gives `--kind=rep` as three words."""
    found: list[str] = []
    for number, word in enumerate(words):
        if word == "=" and found and found[-1].startswith("--"):
            if number == len(words) - 1:
                found.append("")
            continue
        found.append(word)
    return found


def _command_names(group: Any) -> list[tuple[str, str]]:  # noqa: ANN401
    from cli.registry import groups

    if not group.path:
        return [(name, about) for commands in groups().values() for name, about in commands.items()]
    return [(name, paragraphs(one.help)[0]) for name, one in group.commands.items() if not one.hidden]


def _option_names(position: Position) -> Iterator[tuple[str, str]]:
    for one in position.options():
        if one.multiple or one.name not in position.used:
            yield from ((name, paragraphs(one.help)[0]) for name in (*one.opts, *one.secondary_opts) if name.startswith("--"))
    yield "--help", "Show this help."


def _values(parameter: Any, position: Position) -> tuple[str, list[tuple[str, str]]]:  # noqa: ANN401
    """What a parameter takes: whether the shell is to offer files, and the candidates that are known here."""
    word = (parameter.metavar or "").removesuffix("…")
    if word in FILES:
        return "files", []
    choices = parameter.type_descriptor.choices or ()
    if choices:
        return "words", [(str(getattr(one, "value", one)), "") for one in choices]
    if word == "COMMAND":
        return "words", _command_names(_named(position))
    if word == "FORMAT":
        from restore.tables.formats import FORMATS

        return "words", [(one, "") for one in FORMATS]
    if word == "PERIOD":
        return "words", [(one, "") for one in ("today", "yesterday", "this-month", "last-month", "last-quarter", "last-year")]
    return "words", [(one, about) for one, about in _dynamic(parameter, word, position) if one not in position.arguments]


def _named(position: Position) -> Any:  # noqa: ANN401
    """The group whose commands come next behind `strongroom help`. Raises `KeyError`."""
    import typer.main

    from cli.main import app

    group: Any = typer.main.get_command(app)
    for word in position.arguments:
        group = group.commands[word]
    return group


def _dynamic(parameter: Any, word: str, position: Position) -> Iterable[tuple[str, str]]:  # noqa: ANN401
    """Names that this machine knows of the repository that is meant."""
    project = position.arguments[0] if position.arguments else None
    names = _known(position)
    if word == "PROJECT" or word.startswith("PROJECT|"):
        return [(one, "a project") for one in names.projects()]
    if word == "NAME" and "--source" in parameter.opts:
        return [(one, "a source") for one in names.sources(project)]
    if word == "KIND":
        return [(one, "a kind") for one in names.kinds(project)]
    if word in ("PATTERN", "PATH", "GLOB"):
        return [(f"{one}/", "a kind") for one in names.kinds(project)]
    if word in ("SNAPSHOT", "ID", "TIME"):
        days = [("today", ""), ("yesterday", "")] if word == "TIME" else []
        return days + [(one, "a snapshot") for one in names.snapshots(project)[:MOST_SNAPSHOTS]]
    if word == "COPY":
        return [(one, "a copy of the repository") for one in names.copies()]
    if word == "HOLD":
        return [(one, "a hold") for one in names.holds(project)]
    return []


def _known(position: Position) -> KnownNames:
    from strongroom import environment
    from strongroom.known_names import known_names

    config = position.values.get("config")
    address = position.values.get("repository") or (environment.variable("STRONGROOM_REPOSITORY") if config is None else None)
    return known_names(None if config is None else Path(config).expanduser(), address)
