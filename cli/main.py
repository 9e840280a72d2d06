"""The command `strongroom`: which commands there are, and what becomes of errors.

Every command returns its exit code, or raises; this is the only place that turns errors into exit codes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping
from typing import Annotated, Any, cast

import typer
from typer.core import TyperGroup

from cli import output, parent, progress, resources, runtime, signals, unexpected
from cli.registry import CommandsByName
from strongroom import environment
from strongroom.context import VERSION
from vault.errors import Damaged, StrongroomError, UsageError


class _Commands(TyperGroup):
    """The commands; typer itself would make a wordless exit of a signal."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 (what typer makes of the application's own)
        super().__init__(**settings)
        self.commands = cast("MutableMapping[str, Any]", CommandsByName())  # it is only read

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


def _version(wanted: bool) -> None:  # noqa: FBT001 (typer's form of a callback)
    if wanted:
        output.result(f"strongroom {VERSION}")
        raise typer.Exit


@app.callback()
def everything(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it and stop.")] = False,  # noqa: FBT002
    progress_style: Annotated[
        progress.Style | None,
        typer.Option("--progress", metavar="bar|plain|json|none", help="How progress is shown, for $STRONGROOM_PROGRESS."),
    ] = None,
) -> None:
    """Backup and recovery for contact centres: sealed snapshots of reports, tickets and raw data, and the way back."""
    output.show_library_notices()
    if progress_style is not None:
        environment.assign(progress.VARIABLE, progress_style.value)


def run() -> None:
    """The console script.

    It leaves without the usual farewell: threads may still be sending after an interruption (what they send is whole or not
    at all, and nobody waits for it), and Arrow's own threads, taken down by the C++ runtime, abort one process in fifty.
    """
    output.ensure_streams()
    runtime.ensure_utf8()
    runtime.set_up()
    signals.listen()
    parent.follow()
    code = _exit_code()
    output.flush()
    os._exit(code)


def _exit_code() -> int:
    """Run the command. Whatever is no error of ours is a bug: it is reported in one line, and its traceback is in a file."""
    try:
        app(prog_name="strongroom")
    except StrongroomError as error:
        _report(error)
        return error.exit_code
    except Exception as error:  # noqa: BLE001 (nothing is above this to hear of it)
        known = resources.shortage(error) or unexpected.fault_as_error(error)
        _report(known)
        return known.exit_code
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else int(left.code is not None)
        if code == UsageError.exit_code and "--json" in sys.argv:  # typer has said on stderr what is wrong with the words
            words = UsageError("invalid command line; stderr says what is wrong", hint="see --help")
            output.document("error/1", {"error": words.as_json()})
        return code
    return 0


def _report(error: StrongroomError) -> None:
    if sys.argv[1:2] == ["check"] and error.hint == Damaged.hint:  # no command tells people to run itself
        error.hint = "put an older version of the object back, or one from a copy of the repository"
    if "--json" in sys.argv:
        output.document("error/1", {"error": error.as_json()})
    output.failure(error)
