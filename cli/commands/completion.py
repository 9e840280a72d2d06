"""`strongroom completion bash|zsh|fish`: the script that teaches a shell what may come next."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from cli import output
from cli.completion_scripts import SCRIPTS

Shell = Enum("Shell", {name: name for name in SCRIPTS})  # type: ignore[misc]  # made from the scripts there are


def completion(shell: Annotated[Shell, typer.Argument(metavar="bash|zsh|fish", help="The shell.")]) -> None:
    """Print a script for a shell, which then completes commands, options, projects, sources, kinds and snapshots.

    What it offers is what this machine knows: from the settings, and of the snapshots that were seen here before. The store is
    not asked, nobody is asked for a passphrase, and after a second nothing is offered.
    """
    with output.standard_output():
        typer.echo(SCRIPTS[shell.value], nl=False)
