"""Which commands there are. Each is imported when it is asked for: a command pays for what it needs itself, and no more.

To add one: a module in `cli/commands`, its line in `_PLACES` and in `GROUPS` here, and its examples in `cli.examples`.

Importing all of them costs 0.07 s of processor time, and reading all their options 0.03 s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Any

import typer
from typer.main import get_command, get_group

from cli.command_classes import Command, CommandGroup
from cli.options import EXIT_CODES

_PLACES = {
    "init": ("init", "init"),
    "join": ("join", "join"),
    "project": ("project", "app"),
    "source": ("source", "app"),
    "recover": ("recover", "recover"),
    "keys": ("keys", "app"),
    "backup": ("backup", "backup"),
    "list": ("listing", "list_"),
    "snapshot": ("snapshot", "app"),
    "ls": ("listing", "ls"),
    "find": ("history", "find"),
    "history": ("history", "history"),
    "diff": ("diff", "diff"),
    "restore": ("restore", "restore"),
    "query": ("query", "query"),
    "export": ("export", "export"),
    "publish": ("publish", "publish"),
    "settings": ("settings", "app"),
    "status": ("status", "status"),
    "retention": ("retention", "app"),
    "hold": ("hold", "app"),
    "forget": ("retention", "forget"),
    "prune": ("prune", "prune"),
    "copy": ("copy", "copy"),
    "check": ("check", "check"),
    "repair": ("repair", "repair"),
    "drill": ("drill", "drill"),
    "audit": ("audit", "app"),
    "evidence": ("evidence", "evidence"),
    "test-restore": ("test_restore", "test_restore"),
    "daemon": ("daemon", "app"),
    "console": ("console", "app"),
    "cache": ("cache", "app"),
    "support-bundle": ("support_bundle", "support_bundle"),
    "doctor": ("doctor", "doctor"),
    "demo": ("demo", "demo"),
    "completion": ("completion", "completion"),
    "schema": ("schema", "schema"),
    "help": ("help", "help_"),
}
"""By the name that is typed: the module below `cli.commands`, and what it has there."""

GROUPS: dict[str, dict[str, str]] = {
    "Everyday": {
        "status": "Is everything backed up, and what is wrong",
        "backup": "Take a snapshot of each source",
        "list": "List snapshots",
        "ls": "List the items of a project at a moment",
        "restore": "Bring items back: to a folder, an archive, a bucket, or in place",
    },
    "Look": {
        "find": "Find items in all snapshots, deleted ones too",
        "history": "Show every version of an item",
        "diff": "Show what changed between two moments",
        "query": "Ask tables of any moment in SQL, without restoring them",
        "export": "Export items as a bag with checksums, for an auditor",
        "publish": "Keep a folder or bucket at the current state, for Power BI",
        "snapshot": "Show one snapshot, accept a flagged one",
    },
    "Keep": {
        "retention": "Show and apply which snapshots stay and which go",
        "hold": "Place, list and release holds: what nobody may forget",
        "forget": "Forget snapshots by their ids",
        "prune": "Delete what no snapshot needs",
        "copy": "Bring second copies of the repository up to date",
        "check": "Check that everything is there and whole",
        "repair": "Mend what is damaged or gone",
        "drill": "Test a restore: restore a sample and compare every byte",
        "audit": "Show and verify the log of what was done, and by whom",
        "evidence": "Write what an auditor reads of a period, signed",
    },
    "Set up": {
        "init": "Make a repository, keys, a recovery kit and settings",
        "join": "Set another machine up for a repository that is there",
        "recover": "Bring a lost machine back, with the recovery kit",
        "project": "Add and list the clients whose data is kept",
        "source": "Add, list and test where items come from",
        "keys": "Make identities and kits, and say who may do what with a project",
        "settings": "Check, show and restore the settings file",
        "daemon": "Run backups, checks and retention by their schedules",
        "console": "Serve pages for people without a command line",
        "test-restore": "Back up sources to a throw-away repository and compare",
        "cache": "Show and clear what this machine keeps of repositories",
        "doctor": "Probe what a store can be trusted with",
        "support-bundle": "Pack what helps others to help, without secrets and names",
        "demo": "See a loss and its recovery, in a temporary folder",
        "completion": "Print the script for completion in bash, zsh or fish",
        "schema": "Print the JSON Schema of what a command prints with --json",
        "help": "Show the help of a command, or write man pages",
    },
}
"""The order of the help, and what each command does in one short line."""

OTHERS = "Others"


class CommandsByName(Mapping[str, object]):
    """The commands as typer wants them, by name; their class is one that typer keeps to itself."""

    def __getitem__(self, name: str) -> object:
        return _built(name, *_PLACES[name])

    def __iter__(self) -> Iterator[str]:
        return iter(_PLACES)

    def __len__(self) -> int:
        return len(_PLACES)


def groups() -> dict[str, dict[str, str]]:
    """The commands by group, each with its short line."""
    grouped = {name for group in GROUPS.values() for name in group}
    others = {name: "" for name in _PLACES if name not in grouped}
    return GROUPS | ({OTHERS: others} if others else {})


@cache
def _built(name: str, module: str, attribute: str) -> object:
    place = import_module(f"cli.commands.{module}")
    found = getattr(place, attribute)
    if not isinstance(found, typer.Typer):
        alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
        alone.command(name, cls=getattr(place, "COMMAND_CLASS", Command), epilog=EXIT_CODES)(found)
        command = get_command(alone)
        command.path = name  # type: ignore[attr-defined]  # typer does not say which class it makes
        return command
    found.info.cls = CommandGroup
    _with_our_classes(found)
    group = get_group(found)
    group.name = name
    _with_paths(group, name)
    return group


def _with_our_classes(found: typer.Typer) -> None:
    for one in found.registered_commands:
        one.cls = Command
    for inner in found.registered_groups:
        inner.cls = CommandGroup
        if inner.typer_instance is not None:
            inner.typer_instance.info.cls = CommandGroup
            _with_our_classes(inner.typer_instance)


def _with_paths(command: Any, path: str) -> None:  # noqa: ANN401 (typer does not say which classes it makes)
    command.path = path
    for name, inner in getattr(command, "commands", {}).items():
        _with_paths(inner, f"{path} {name}")
