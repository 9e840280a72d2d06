"""What all commands have: help with examples first, `-h`, options before or after the command, and how much is said.

typer makes the commands from functions; these are the classes that it makes of them. Those of click are typed as Any: typer
keeps them to itself.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from inspect import signature
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from cli import command_line, help_format, help_pages, logs, plain_values
from cli.options import Config, Debug, Identity, Json, LogFile, Quiet, Repository, ShowProgress, Verbose, Yes
from strongroom import environment

HELP_NAMES = ["-h", "--help"]
EVERYWHERE = ("quiet", "verbose", "debug", "log_file")


class Command(TyperCommand):
    """A command that can be run. path: its words, as `settings check`."""

    path: str = ""

    def __init__(self, name: str | None, **settings: Any) -> None:  # noqa: ANN401 (typer's own)
        super().__init__(name, **(settings | {"context_settings": _with_short_help(settings)}))
        known = {name for one in self.params for name in one.opts}
        self.params = [*self.params, *(one for one in everywhere() if known.isdisjoint(one.opts))]

    def page(self) -> help_pages.HelpPage:
        """Its help."""
        return help_pages.of_command(self)

    def get_params(self, ctx: Any) -> list[Any]:  # noqa: ANN401
        """As the parent does; ordinary values of them are taken as they are."""
        return plain_values.taken_by(super().get_params(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401
        """As the parent does; old spellings of options are taken too."""
        return super().parse_args(ctx, command_line.with_present_names(self, args, silent=ctx.resilient_parsing))

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401
        """As the parent does, saying as much as was asked for."""
        command_line.prefer_what_was_typed(ctx)
        _use_style_of_progress(ctx)
        asked = logs.Verbosity(*(ctx.params[name] for name in EVERYWHERE))
        for one in everywhere():
            if one in self.params:  # the command's function does not know it
                del ctx.params[one.name]
        with logs.shown(asked, self.path):
            return super().invoke(ctx)

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401
        """Our own form of it."""
        formatter.write(help_format.as_text(self.page(), help_format.terminal_width()))


class CommandGroup(TyperGroup):
    """Commands under one word, which may be a command itself. path: that word, empty for `strongroom` itself."""

    path: str = ""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401
        super().__init__(**(settings | {"context_settings": _with_short_help(settings), "no_args_is_help": False}))
        if self.invoke_without_command:
            self.params = [*self.params, *everywhere()]

    def page(self) -> help_pages.HelpPage:
        """Its help: its commands, each with a short line; its own options where it is a command itself."""
        found = {name: help_pages.paragraphs(one.help)[0] for name, one in self.commands.items() if not one.hidden}
        return help_pages.of_group(self, {"Commands": found}, self.params if self.invoke_without_command else ())

    def get_params(self, ctx: Any) -> list[Any]:  # noqa: ANN401
        """As the parent does; ordinary values of them are taken as they are."""
        return plain_values.taken_by(super().get_params(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401
        """As the parent does; what every command takes may stand before its name. Without a name the help is shown, unless
        this is a command itself."""
        behind = command_line.with_options_behind(args)
        if self.invoke_without_command:
            return super().parse_args(ctx, behind if behind and behind[0] in self.commands else args)
        if not behind and not ctx.resilient_parsing:
            typer.echo(ctx.get_help(), err=True)
            raise typer.Exit(2)
        return super().parse_args(ctx, behind)

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401
        """As the parent does; where it is a command itself, saying as much as was asked for."""
        if not self.invoke_without_command:
            return super().invoke(ctx)
        command_line.prefer_what_was_typed(ctx)
        _use_style_of_progress(ctx)
        del ctx.params["progress_style"]
        asked = logs.Verbosity(*(ctx.params.pop(name) for name in EVERYWHERE))
        if ctx._protected_args or ctx.args:  # noqa: SLF001 (a subcommand is named; there is no public word for it)
            return super().invoke(ctx)
        with logs.shown(asked, self.path):
            return super().invoke(ctx)

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401
        """Our own form of it."""
        formatter.write(help_format.as_text(self.page(), help_format.terminal_width()))


def _use_style_of_progress(ctx: Any) -> None:  # noqa: ANN401
    """Whatever shows progress later finds what was typed where the variable is."""
    style = ctx.params["progress_style"]
    if style is not None:
        environment.assign(environment.PROGRESS, style.value)


def _with_short_help(settings: dict[str, Any]) -> dict[str, Any]:
    return {"help_option_names": HELP_NAMES, **(settings.get("context_settings") or {})}


def _everywhere(
    quiet: Quiet = False,  # noqa: FBT002 (typer's form, here and below)
    verbose: Verbose = False,  # noqa: FBT002
    debug: Debug = False,  # noqa: FBT002
    log_file: LogFile = None,
    progress_style: ShowProgress = None,
) -> None:
    """Nothing: its parameters are the options that every command takes."""


def _in_most(
    config: Config = None,
    repository: Repository = None,
    identity: Identity = None,
    as_json: Json = False,  # noqa: FBT002
    yes: Yes = False,  # noqa: FBT002
) -> None:
    """Nothing: its parameters are the options of one meaning that most commands take."""


@cache
def everywhere() -> tuple[Any, ...]:
    """The options that every command takes, as typer makes them."""
    return _options(_everywhere)


def global_options() -> tuple[Any, ...]:
    """The options that may stand before a command's name."""
    return (*_options(_in_most), *everywhere())


def _options(declared: Callable[..., None]) -> tuple[Any, ...]:
    made = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    made.command()(declared)
    return tuple(one for one in get_command(made).params if one.name in signature(declared).parameters)
