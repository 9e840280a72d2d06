"""The command `strongroom`: which commands there are, and what becomes of errors.

Every command returns its exit code, or raises; this is the only place that turns errors into exit codes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping
from functools import cache
from typing import Annotated, Any, cast

import typer
from typer.main import get_command

from cli import (
    command_line,
    crash_report,
    daemon_parent,
    help_pages,
    output,
    registry,
    resource_errors,
    runtime,
    signals,
    usage_errors,
)
from cli.command_classes import CommandGroup, global_options
from cli.options import GLOBAL
from strongroom import __version__, environment
from vault.errors import Damaged, StrongroomError

COMPLETE = "__complete"
"""The word with which the scripts of shells ask what may come next."""


class _Commands(CommandGroup):
    """The commands; typer itself would make a wordless exit of a signal."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 (what typer makes of the application's own)
        super().__init__(**settings)
        self.commands = cast("MutableMapping[str, Any]", registry.CommandsByName())  # it is only read

    def page(self) -> help_pages.HelpPage:
        """The commands in groups; none of them is imported for that."""
        return help_pages.of_group(self, registry.groups(), [*global_options(), *self.params])

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
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:  # noqa: FBT001 (typer's form of a callback)
    if wanted:
        output.result(f"strongroom {__version__}")
        raise typer.Exit


@app.callback()
def everything(
    version: Annotated[  # noqa: FBT002
        bool,
        typer.Option("--version", "-V", callback=_version, is_eager=True, help="Show the version.", rich_help_panel=GLOBAL),
    ] = False,
) -> None:
    """Backup and recovery for contact centres: sealed snapshots of reports, tickets and raw data, and the way back."""


def run() -> None:
    """The console script.

    It leaves without the usual farewell: threads may still be sending after an interruption (what they send is whole or not
    at all, and nobody waits for it), and Arrow's own threads, taken down by the C++ runtime, abort one process in fifty.
    """
    output.ensure_streams()
    runtime.ensure_utf8()
    runtime.set_up()
    if sys.argv[1:2] == [COMPLETE]:
        from cli import completion

        completion.run(_command(), sys.argv[2:])
    signals.listen()
    daemon_parent.follow()
    code = _exit_code()
    if _has_unstored_entries() and not code:
        code = output.DONE_WITH_PROBLEMS
    output.flush()
    os._exit(code)


@cache
def _command() -> Any:  # noqa: ANN401 (a class that typer keeps to itself)
    return get_command(app)


def _exit_code() -> int:
    """Run the command. Whatever is no error of ours is a bug: it is reported in one line, and its traceback is in a file."""
    try:
        left = _command()(prog_name="strongroom", standalone_mode=False)
    except typer.TyperException as error:
        return _report(usage_errors.as_error(error))
    except typer.Abort:
        output.notice("Aborted!")
        return 1
    except StrongroomError as error:
        return _report(error)
    except Exception as error:  # noqa: BLE001 (nothing is above this to hear of it)
        return _report(resource_errors.shortage(error) or crash_report.fault_as_error(error))
    except SystemExit as end:
        left = end.code
    return left if isinstance(left, int) else int(left is not None)


def _has_unstored_entries() -> bool:
    """Whether an entry of the log waits on this machine, which was said already. Who has recorded nothing imports nothing."""
    command_log = sys.modules.get("strongroom.command_log")
    return command_log is not None and bool(command_log.take_unstored())


def _report(error: StrongroomError) -> int:
    """Show an error; gives its exit code."""
    if command_line.command_words(sys.argv[1:])[:1] == ["check"] and error.hint == Damaged.hint:
        error.hint = "put an older version of the object back, or one from a copy of the repository"  # not to run itself again
    if "--json" in sys.argv or environment.switched_on("STRONGROOM_JSON"):
        output.document("error/1", {"error": error.as_json()})
    output.failure(error)
    return error.exit_code
