"""`strongroom help [COMMAND…]`: the help of a command, or man pages of all."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli import help_format, output, usage_errors
from vault.errors import UsageError
from vault.wording import counted


def help_(
    context: typer.Context,
    words: Annotated[
        list[str] | None, typer.Argument(metavar="COMMAND", help="A command, as `restore` or `settings check`. Default: all.")
    ] = None,
    man: Annotated[
        Path | None, typer.Option("--man", metavar="DIR", help="Write a man page of every command to this folder instead.")
    ] = None,
) -> None:
    """Show the help of a command, or which commands there are. With --man write man pages."""
    root = context.find_root().command
    if man is None:
        page = _found(root, words or []).page()
        with output.standard_output():
            typer.echo(help_format.as_text(page, help_format.terminal_width()))
        return
    if words:
        raise UsageError("--man writes the pages of all commands", hint="leave the command's name out")
    from cli.man_pages import write

    files = write(root, man)
    output.result(f"{counted(len(files), 'man page')} written to {man}; read one with `man {files[0]}`")


def _found(command: Any, words: list[str]) -> Any:  # noqa: ANN401 (a class that typer keeps to itself)
    """The command of these words. Raises `UsageError`."""
    for number, word in enumerate(words):
        commands = getattr(command, "commands", {})
        if word not in commands:
            near = [f"`strongroom help {' '.join([*words[:number], one])}`" for one in usage_errors.similar(word, commands)]
            hint = f"did you mean {' or '.join(near)}?" if near else "`strongroom help` lists all commands"
            raise UsageError(f"there is no command {' '.join(words)!r}", hint=hint)
        command = commands[word]
    return command
