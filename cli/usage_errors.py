"""What typer says of a command line that makes no sense, in the form of all our errors: what is wrong, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

import typer

from vault.errors import StrongroomError, UsageError

UNKNOWN_COMMAND = "No such command "


def as_error(error: typer.TyperException) -> StrongroomError:
    """Our error for one of typer's."""
    context: Any = getattr(error, "ctx", None)
    message = error.format_message().rstrip(".")
    if context is None:
        return UsageError(message[:1].lower() + message[1:])
    path = context.command_path
    option = getattr(error, "option_name", None)
    if option is not None and hasattr(error, "possibilities"):
        return UsageError(f"`{path}` has no option {option}", hint=_hint(path, similar_options(context.command, option)))
    if message.startswith(UNKNOWN_COMMAND):
        name = message.removeprefix(UNKNOWN_COMMAND).partition("'. ")[0].strip("'\"")
        near = [f"`{path} {one}`" for one in similar(name, context.command.commands)]
        return UsageError(f"there is no command {name!r}", hint=_hint(path, near, what="commands"))
    return UsageError(f"{message[:1].lower()}{message[1:]}", hint=f"see `{path} --help`")


def similar_options(command: Any, name: str) -> list[str]:  # noqa: ANN401 (a class that typer keeps to itself)
    """Options of a command whose names are nearly the same, or begin so."""
    known = [one for option in command.params if not getattr(option, "hidden", False) for one in option.opts]
    return similar(name, [one for one in known if one.startswith("--")])


def similar(name: str, known: Iterable[str]) -> list[str]:
    """Those that begin so, then those that are nearly so; at most three."""
    names = list(known)
    begins = [one for one in names if len(name.strip("-")) > 1 and one.startswith(name)]
    return list(dict.fromkeys([*begins, *difflib.get_close_matches(name, names, n=3, cutoff=0.7)]))[:3]


def _hint(path: str, near: list[str], what: str = "options") -> str:
    shown = f"`{path} --help` lists all {what}"
    return f"did you mean {' or '.join(near)}? {shown}" if near else shown
