"""`strongroom keys …`: who may open what."""

from __future__ import annotations

import typer

from cli.commands import recovery
from cli.options import EXIT_CODES

app = typer.Typer(help="Who may open what: recovery kits.", no_args_is_help=True, rich_markup_mode=None)

app.command("kit", epilog=EXIT_CODES)(recovery.kit)
app.command("check", epilog=EXIT_CODES)(recovery.check)
