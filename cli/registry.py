"""Which commands there are. Each is imported when it is asked for: a command pays for what it needs itself, and no more.

Importing all of them costs 0.07 s of processor time, and reading all their options 0.03 s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

import typer
from typer.main import get_command, get_group

from cli.options import EXIT_CODES

_PLACES = {
    "init": ("init", "init"),
    "project": ("project", "app"),
    "backup": ("backup", "backup"),
    "list": ("listing", "list_"),
    "ls": ("listing", "ls"),
    "find": ("history", "find"),
    "history": ("history", "history"),
    "diff": ("diff", "diff"),
    "restore": ("restore", "restore"),
    "query": ("query", "query"),
    "export": ("export", "export"),
    "settings": ("settings", "app"),
    "status": ("status", "status"),
    "retention": ("retention", "app"),
    "hold": ("hold", "app"),
    "forget": ("retention", "forget"),
    "prune": ("prune", "prune"),
    "check": ("check", "check"),
    "drill": ("drill", "drill"),
    "daemon": ("daemon", "daemon"),
    "doctor": ("doctor", "doctor"),
    "demo": ("demo", "demo"),
    "schema": ("schema", "schema"),
}
"""By the name that is typed, in the order of the help: the module below `cli.commands`, and what it has there."""


class CommandsByName(Mapping[str, object]):
    """The commands as typer wants them, by name; their class is one that typer keeps to itself."""

    def __init__(self) -> None:
        self._built: dict[str, object] = {}

    def __getitem__(self, name: str) -> object:
        if name not in self._built:
            self._built[name] = _built(name, *_PLACES[name])
        return self._built[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_PLACES)

    def __len__(self) -> int:
        return len(_PLACES)


def _built(name: str, module: str, attribute: str) -> object:
    found = getattr(import_module(f"cli.commands.{module}"), attribute)
    if isinstance(found, typer.Typer):
        group = get_group(found)
        group.name = name
        return group
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    alone.command(name, epilog=EXIT_CODES)(found)
    return get_command(alone)
