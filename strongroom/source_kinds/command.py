"""`command:PROGRAM ARGUMENT…`: what a command prints, as one item."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from strongroom import environment, notices
from strongroom.source_kinds import options as option
from vault.errors import SettingsError

if TYPE_CHECKING:
    from strongroom.settings.projects import SourceSettings
    from strongroom.source_kinds.context import SourceContext
    from vault.source.command import CommandSource

WHAT = "a command"
EXAMPLE = "command:pg_dump -Fc crm"
OPTIONS = {
    "item": "the name of the item; where it is not said: the source's name",
    "timeout": "then the command is ended, and what it printed is no item (default: `1 hour`)",
    "may_be_empty": "whether no output is one: `yes` or `no` (default: `no`)",
}


def check(url: str, options: Mapping[str, str]) -> None:
    """See `registry.SourceKind`."""
    _words(url)
    if "item" in options:
        option.item_path(options["item"])
    option.seconds(options, "timeout", "1 hour")
    option.flag(options, "may_be_empty")


def make(source: SourceSettings, context: SourceContext) -> CommandSource:
    """See `registry.SourceKind`."""
    from vault.source.command import Command, CommandSource

    own = {"STRONGROOM_SOURCE": source.name, "STRONGROOM_SOURCE_KIND": source.kind}
    command = Command(
        _words(source.url or ""),
        context.folder,
        environment.for_hooks(own),
        option.seconds(source.options, "timeout", "1 hour"),
        option.flag(source.options, "may_be_empty"),
    )
    item = option.item_path(source.options.get("item", source.name))
    return CommandSource(command, source.kind.encode(), item, context.clock, partial(_say, source.name))


def _say(name: str, line: str) -> None:
    notices.notice(f"source {name}: the command said: {line}")


def _words(url: str) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(url.partition(":")[2]))
    except ValueError as error:
        raise SettingsError(f"is not a whole command: {error}", hint="close its quotation marks") from error
    if not words:
        raise SettingsError("names no program", hint=f"for example {EXAMPLE}")
    return words
