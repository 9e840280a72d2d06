"""`strongroom export PROJECT [PATTERN…] --to DIR|FILE.zip`: a BagIt bag for an auditor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from msgspec.structs import replace
from typer.main import get_command

from cli import command_line, output, progress, prompts
from cli.command_classes import Command
from cli.commands import export_verify
from cli.option_groups import AccessOptions, ConversionOptions, PastItemOptions, grouped
from cli.options import (
    DESTINATION,
    EXIT_CODES,
    MOMENT,
    TABLES,
    Json,
    Patterns,
    Quiet,
    Source,
)
from cli.restore_output import show_tables
from cli.restore_request import RunOptions
from cli.restore_run import finish, selected_items, shown
from cli.table_formats import As
from strongroom.destinations import expanded
from strongroom.selection import parse_versions
from vault import wording
from vault.errors import UsageError
from vault.wording import counted

if TYPE_CHECKING:
    from strongroom.export import ExportResult

VERIFY = "verify"


class ExportCommand(Command):
    """The command, and another one below its name: `export verify BAG`. A project that is called so is exported by
    `export -- verify`."""

    invoke_without_command = True

    def __init__(self, name: str | None, **settings: Any) -> None:  # noqa: ANN401 (typer's own)
        super().__init__(name, **settings)
        self.commands = {VERIFY: _verify_command()}

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:  # noqa: ANN401
        """That of the command which is meant."""
        words = command_line.with_options_behind(args)
        if words[:1] == [VERIFY]:
            return self.commands[VERIFY].make_context(f"{info_name} {VERIFY}", words[1:], parent=parent, **extra)
        return super().make_context(info_name, args, parent=parent, **extra)


COMMAND_CLASS = ExportCommand


def _verify_command() -> Any:  # noqa: ANN401 (a class that typer keeps to itself)
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    alone.command(VERIFY, cls=Command, epilog=EXIT_CODES)(export_verify.verify)
    command: Any = get_command(alone)
    command.path = f"export {VERIFY}"
    return command


@grouped
def export(
    project: Annotated[str, typer.Argument(metavar="PROJECT")],
    patterns: Patterns = None,
    *,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="DIR|FILE.zip",
            help="A folder that is empty or not there yet, or a ZIP file.",
            rich_help_panel=DESTINATION,
        ),
    ] = "",
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why: a reason, a ticket's number. For the report.")
    ] = "",
    items: PastItemOptions,
    as_: Annotated[
        As | None,
        typer.Option(
            "--as",
            metavar="FORMAT",
            help="Tables as csv, xlsx, jsonl, json, parquet, feather, ods, sqlite, html.",
            rich_help_panel=TABLES,
        ),
    ] = None,
    conversion: ConversionOptions,
    versions: Annotated[
        str,
        typer.Option(
            "--versions",
            metavar="all|N",
            help="Of each file, the newest N contents that differ, or all; a deleted one is found too.",
            rich_help_panel=MOMENT,
        ),
    ] = "1",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and write nothing.")] = False,
    source: Source = None,
    access: AccessOptions,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Export items with proof: a BagIt bag (RFC 8493) with checksums, and a report of who asked for what and what came of it.

    Anybody can check it without Strongroom: `sha256sum -c manifest-sha256.txt`, or any BagIt tool, and the signature with
    ssh-keygen; `strongroom export verify BAG` does it all in one. What is missing or damaged is left out and told in the
    report, and the command exits 3. The same request makes the same bytes, but for who asked, when, and who signs.
    """
    tables = conversion.to_format(as_.value if as_ else None)
    if not to:
        raise UsageError("missing destination: use --to DIR or --to FILE.zip", hint="for example --to /srv/audit.zip")
    if to == "-" or to.lower().startswith("s3:"):
        raise UsageError(
            f"an export cannot be written to {to}: it is a folder or a ZIP file",
            hint="name one with --to, and copy it from there",
        )
    tables.check(periods=bool(items.periods))
    run = RunOptions(dry_run=dry_run, quiet=quiet, as_json=as_json)
    options = replace(items.selection(patterns, source), versions=parse_versions(versions))
    from strongroom.export import export as write_bag
    from strongroom.export import plan_export

    with access.opened_to_read() as opened:
        selected = selected_items(opened, prompts.project(opened, project), options, run)
        planned = plan_export(opened, selected, expanded(to), tables=tables, reason=reason)
        if not shown(planned, run):
            return
        with progress.shown(quiet=run.quiet, as_json=run.as_json, project=selected.project.name) as listener:
            result = write_bag(planned, progress=listener)
    if run.as_json:
        run.document("export/1", result.as_json())
    else:
        _show(result)
    finish(result.problems)


def _show(result: ExportResult) -> None:
    files, size, took = counted(result.files, "file"), wording.size(result.bytes), wording.duration(result.seconds)
    output.result(f"exported {files}, {size}, to the bag {result.path} in {took}")
    if result.outcomes is not None:
        show_tables(result.outcomes)
