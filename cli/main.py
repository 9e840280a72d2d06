"""The command `strongroom`: which commands there are, and what becomes of errors.

Every command returns its exit code, or raises; this is the only place that turns errors into exit codes.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from cli import output, parent, runtime, signals
from cli.commands import (
    backup,
    check,
    daemon,
    demo,
    diff,
    doctor,
    drill,
    export,
    history,
    hold,
    init,
    listing,
    project,
    prune,
    query,
    restore,
    retention,
    settings,
    status,
)
from cli.options import EXIT_CODES
from cli.workplace import VERSION
from vault.errors import StrongroomError, UsageError


class _Commands(TyperGroup):
    """The commands; typer itself would make a wordless exit of a signal."""

    def invoke(self, ctx: Any) -> object:  # noqa: ANN401 (a class that typer keeps to itself)
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, typer.Abort) as end:
            signalled = end if isinstance(end, KeyboardInterrupt) else end.__context__  # at a prompt
            if isinstance(signalled, KeyboardInterrupt):
                raise signals.error_of(signalled) from end
            raise


app = typer.Typer(
    cls=_Commands,
    name="strongroom",
    help="Backup and recovery for contact centres: sealed snapshots of reports, tickets and raw data, and the way back.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

app.command("init", epilog=EXIT_CODES)(init.init)
app.add_typer(project.app, name="project")
app.command("backup", epilog=EXIT_CODES)(backup.backup)
app.command("list", epilog=EXIT_CODES)(listing.list_)
app.command("ls", epilog=EXIT_CODES)(listing.ls)
app.command("find", epilog=EXIT_CODES)(history.find)
app.command("history", epilog=EXIT_CODES)(history.history)
app.command("diff", epilog=EXIT_CODES)(diff.diff)
app.command("restore", epilog=EXIT_CODES)(restore.restore)
app.command("query", epilog=EXIT_CODES)(query.query)
app.command("export", epilog=EXIT_CODES)(export.export)
app.add_typer(settings.app, name="settings")
app.command("status", epilog=EXIT_CODES)(status.status)
app.add_typer(retention.app, name="retention")
app.add_typer(hold.app, name="hold")
app.command("forget", epilog=EXIT_CODES)(retention.forget)
app.command("prune", epilog=EXIT_CODES)(prune.prune)
app.command("check", epilog=EXIT_CODES)(check.check)
app.command("drill", epilog=EXIT_CODES)(drill.drill)
app.command("daemon", epilog=EXIT_CODES)(daemon.daemon)
app.command("doctor", epilog=EXIT_CODES)(doctor.doctor)
app.command("demo", epilog=EXIT_CODES)(demo.demo)


def _version(wanted: bool) -> None:  # noqa: FBT001 (typer's form of a callback)
    if wanted:
        output.result(f"strongroom {VERSION}")
        raise typer.Exit


@app.callback()
def everything(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it and stop.")] = False,  # noqa: FBT002
) -> None:
    """Backup and recovery for contact centres: sealed snapshots of reports, tickets and raw data, and the way back."""


def run() -> None:
    """The console script.

    It leaves without the usual farewell: threads may still be sending after an interruption (what they send is whole or not
    at all, and nobody waits for it), and Arrow's own threads, taken down by the C++ runtime, abort one process in fifty.
    """
    runtime.set_up()
    signals.listen()
    parent.follow()
    code = _exit_code()
    output.flush()
    os._exit(code)


def _exit_code() -> int:
    """Run the command. Whatever is no error of ours is a bug, and is left to show its traceback."""
    try:
        app(prog_name="strongroom")
    except StrongroomError as error:
        _tell(error)
        return error.exit_code
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else int(left.code is not None)
        if code == UsageError.exit_code and "--json" in sys.argv:  # typer has said on stderr what is wrong with the words
            told = {"message": "the command line makes no sense; stderr says what is wrong", "hint": "see --help"}
            output.document({"error": told | {"exit_code": code}})
        return code
    return 0


def _tell(error: StrongroomError) -> None:
    if "--json" in sys.argv:
        output.document({"error": {"message": str(error), "hint": error.hint, "exit_code": error.exit_code}})
    output.failure(error)
