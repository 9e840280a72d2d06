"""The words of a command line before typer reads them: options before the command, and old spellings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cli import output
from vault.errors import UsageError

FLAGS = frozenset({"--json", "--quiet", "--verbose", "--debug", "--yes"})
LETTERS = "qvy"
WITH_VALUE = frozenset({"--config", "--identity", "--repository", "--log-file", "--progress"})

_TIMES = {"--to": "--until"}
OLD_SPELLINGS: dict[str, dict[str, str]] = {
    "init": {"--profile": "--aws-profile"},
    "doctor": {"--profile": "--aws-profile"},
    "find": _TIMES,
    "history": _TIMES,
    "diff": {**_TIMES, "--tables": "--max-tables"},
    "export": {"--for": "--reason"},
}
"""By command: options that were renamed, and their names of today. They are taken for one version more."""


def with_options_behind(words: Sequence[str]) -> list[str]:
    """The options that stand before a command's name put behind it: `--json list` is `list --json`."""
    moved, rest = _in_front(words)
    return [rest[0], *moved, *rest[1:]] if rest and not rest[0].startswith("-") else rest


def command_words(words: Sequence[str]) -> list[str]:
    """The words from the command's name on."""
    return _in_front(words)[1]


def _in_front(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The options for every command at the beginning, and the rest."""
    at = 0
    while at < len(words):
        name, equals, _ = words[at].partition("=")
        if words[at] in FLAGS or (len(words[at]) > 1 and words[at][0] == "-" and not words[at][1:].strip(LETTERS)):
            at += 1
        elif name in WITH_VALUE and (equals or at + 1 < len(words)):
            at += 1 if equals else 2
        else:
            break
    return list(words[:at]), list(words[at:])


def with_present_names(command: Any, words: Sequence[str], *, silent: bool) -> list[str]:  # noqa: ANN401 (typer's own)
    """Options by the names that they have today; for each that was renamed a notice on stderr."""
    renamed = OLD_SPELLINGS.get(command.path, {})
    if not renamed:
        return list(words)
    options = [one for one in command.params if one.param_type_name == "option" and not one.is_flag]
    takes_value = {name for one in options for name in one.opts} | set(renamed)
    found: list[str] = []
    is_value = False
    for at, word in enumerate(words):
        if word == "--" and not is_value:
            return [*found, *words[at:]]
        name, equals, value = word.partition("=")
        if not is_value and name in renamed:
            found.append(f"{renamed[name]}{equals}{value}")
            if not silent:
                output.notice(f"notice: {name} is called {renamed[name]} now; the next version takes only that")
        else:
            found.append(word)
        is_value = not is_value and not equals and name in takes_value
    return found


def prefer_what_was_typed(context: Any) -> None:  # noqa: ANN401 (typer's own)
    """What was typed goes before what a variable says where the two exclude each other. Raises `UsageError`."""
    values = context.params
    for one, other in (("quiet", "verbose"), ("quiet", "debug"), ("repository", "config"), ("repository", "from_copy")):
        if not values.get(one) or not values.get(other):
            continue
        variables = [name for name in (one, other) if context.get_parameter_source(name).name == "ENVIRONMENT"]
        if len(variables) == 1:
            values[variables[0]] = None if one == "repository" else False
        elif one == "quiet":
            raise UsageError(f"--quiet and --{other} exclude each other", hint="leave one of them out")
