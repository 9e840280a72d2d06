"""What typer says of a command line that makes no sense, in the form of all our errors: what is wrong, and what to do."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any

import typer

from vault.errors import StrongroomError, UsageError

UNKNOWN_COMMAND = "no such command "
VALUE_ERROR = "Value error, "
_REFUSED = re.compile(r"'([^']*)' is not one of ")


def as_error(error: typer.TyperException) -> StrongroomError:
    """Our error for one of typer's."""
    context: Any = getattr(error, "ctx", None)
    message = error.format_message().rstrip(".").replace(VALUE_ERROR, "").replace("Input should be", "it must be")
    message = message[:1].lower() + message[1:]
    if context is None:
        return UsageError(message, hint="`strongroom help COMMAND` shows how it is written")
    path = context.command_path
    option = getattr(error, "option_name", None)
    if option is not None and hasattr(error, "possibilities"):
        return UsageError(f"`{path}` has no option {option}", hint=_hint(path, similar_options(context.command, option)))
    if message.startswith(UNKNOWN_COMMAND):
        name = message.removeprefix(UNKNOWN_COMMAND).partition("'. ")[0].strip("'\"")
        near = [f"`{path} {one}`" for one in similar(name, context.command.commands)]
        return UsageError(f"there is no command {name!r}", hint=_hint(path, near, what="commands"))
    if message.startswith("missing "):
        return UsageError(message, hint=f"usage: {context.command.page().usage}")
    return UsageError(message, hint=_hint(path, _similar_choices(error), what="values"))


def _similar_choices(error: Any) -> list[str]:  # noqa: ANN401 (typer's own)
    """Values that an option takes which are nearly what was typed."""
    parameter = getattr(error, "param", None)
    choices = [one.value for one in parameter.type_descriptor.choices or ()] if parameter is not None else []
    typed = _REFUSED.search(error.format_message())
    return similar(typed[1], choices) if typed and choices else []


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
