"""`strongroom publish PROJECT … --to DIR|s3://…`: a folder or bucket that is kept at the current state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from msgspec.structs import replace

from cli import output, progress, prompts
from cli.option_groups import AccessOptions, ByteOrderMark, Delimiter, MomentOptions, Profile, grouped
from cli.options import (
    DESTINATION,
    ITEMS,
    TABLES,
    Header,
    Json,
    Patterns,
    Quiet,
    Sheets,
    Source,
)
from cli.restore_output import show_tables
from cli.restore_request import RunOptions
from cli.restore_run import selected_items
from cli.table_formats import As
from strongroom.table_options import TableOptions
from vault import wording
from vault.errors import Interrupted, StrongroomError, UsageError
from vault.wording import counted

if TYPE_CHECKING:
    from restore.publishing.changes import PublicationChanges
    from strongroom.context import Context
    from strongroom.publications import NamedPublication
    from strongroom.publish import PlannedPublication, PublicationResult
    from vault.problems import Problem
    from vault.repository.project import Project


@grouped
def publish(
    project: Annotated[str, typer.Argument(metavar="PROJECT")],
    patterns: Patterns = None,
    *,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="DIR|s3://…",
            help="A folder or a bucket. Default: the publications that the settings name.",
            rich_help_panel=DESTINATION,
        ),
    ] = "",
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="Only this publication of the settings.", rich_help_panel=DESTINATION),
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option("--endpoint", metavar="URL", help="Of the bucket's server.", rich_help_panel=DESTINATION)
    ] = None,
    region: Annotated[
        str | None, typer.Option("--region", metavar="NAME", help="Of the bucket.", rich_help_panel=DESTINATION)
    ] = None,
    items: MomentOptions,
    include_deleted: Annotated[
        bool,
        typer.Option(
            "--include-deleted",
            help="Rows of deleted items and records too; a column `strongroom_deleted_at` tells them apart.",
            rich_help_panel=ITEMS,
        ),
    ] = False,
    as_: Annotated[
        As | None,
        typer.Option(
            "--as",
            metavar="FORMAT",
            help="Tables as csv, xlsx, jsonl, json, parquet, feather, ods, sqlite, html.",
            rich_help_panel=TABLES,
        ),
    ] = None,
    profile: Profile = None,
    delimiter: Delimiter = None,
    bom: ByteOrderMark = False,
    header: Header = None,
    sheets: Sheets = None,
    keep_removed: Annotated[
        bool,
        typer.Option("--keep-removed", help="Leave the files of what is no longer selected.", rich_help_panel=DESTINATION),
    ] = False,
    adopt: Annotated[
        bool,
        typer.Option(
            "--adopt",
            help="Take over files that others have put there, or changed, under the same names.",
            rich_help_panel=DESTINATION,
        ),
    ] = False,
    switch: Annotated[
        bool,
        typer.Option(
            "--switch", help="Publish this in place of another selection that was published there.", rich_help_panel=DESTINATION
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and write nothing.")] = False,
    source: Source = None,
    access: AccessOptions,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Keep a folder or bucket at the current state of a project, for Power BI and others: only what changed is written.

    Each file stands there as a whole or not at all; files of what is gone are deleted; files that others have put there are
    left alone. A run that was interrupted is continued by the next one. `--before TIME` publishes a past state.
    """
    run = RunOptions(dry_run=dry_run, quiet=quiet, as_json=as_json)
    tables = TableOptions(
        format=as_.value if as_ else None,
        profile=profile,
        delimiter=delimiter,
        bom=bom,
        header=header,
        sheets=tuple(sheets or ()),
    )
    options = replace(items.selection(patterns, source), with_deleted=include_deleted)
    from strongroom import publications
    from strongroom.publish import PublishOptions, parse_place

    own = PublishOptions(tables=tables, keep_removed=keep_removed, adopt=adopt, switch=switch)
    if to and name is not None:
        raise UsageError("--to and --name exclude each other", hint="the settings say where the publication NAME goes")
    if not to and (options.as_json() or tables != TableOptions() or keep_removed or endpoint or region):
        raise UsageError(
            "missing destination: use --to DIR or --to s3://bucket/prefix",
            hint="what the settings publish is said there; --name takes no selection",
        )
    with access.opened_to_read() as opened:
        found = prompts.project(opened, project)
        if to:
            destination = parse_place(to, endpoint=endpoint, region=region)
            wanted: Sequence[NamedPublication] = [publications.NamedPublication("", options, destination, own)]
        else:
            wanted = publications.of_project(opened.settings, project, name)
        _Publishing(opened, found, run, adopt=adopt, switch=switch).all(wanted)


class _Publishing:
    """One publication after another. One that fails does not stop the others."""

    def __init__(self, context: Context, project: Project, run: RunOptions, *, adopt: bool, switch: bool) -> None:
        self._context = context
        self._project = project
        self._run = run
        self._adopt = adopt
        self._switch = switch
        self._documents: list[dict[str, Any]] = []
        self._problems: list[Problem] = []
        self._failed: list[StrongroomError] = []

    def all(self, wanted: Sequence[NamedPublication]) -> None:
        """Raises `typer.Exit` where not all went well."""
        for one in wanted:
            try:
                self._one(one)
            except Interrupted:
                raise
            except StrongroomError as error:
                if len(wanted) == 1:
                    raise
                output.failure(error)
                self._failed.append(error)
                self._documents.append({"publication": one.name, "to": one.destination.text, "error": error.as_json()})
        if self._run.as_json:
            first = {"error": self._failed[0].as_json()} if self._failed else {}
            document = {"publication_list": self._documents, "problems": len(self._problems)} | first
            dry_run = self._run.dry_run
            output.document("publish-plan/1" if dry_run else "publish/1", document)
        output.problems(self._problems)
        if self._failed:
            raise typer.Exit(self._failed[0].exit_code)
        if self._problems:
            raise typer.Exit(output.DONE_WITH_PROBLEMS)

    def _one(self, one: NamedPublication) -> None:
        from strongroom.publish import plan_publication
        from strongroom.publish import publish as write

        options = replace(one.options, adopt=self._adopt, switch=self._switch)
        selected = selected_items(self._context, self._project, one.selection, self._run)
        planned = plan_publication(self._context, selected, one.destination, options)
        if self._run.dry_run or not (self._run.quiet or self._run.as_json):
            found = planned.changes()
            self._show_plan(planned, found)
            if self._run.dry_run:
                self._documents.append(planned.as_json(found))
                self._problems += [*found.problems, *selected.selection.damage]
                return
        with progress.shown(quiet=self._run.quiet, as_json=self._run.as_json, project=self._project.name) as listener:
            result = write(planned, progress=listener)
        self._documents.append(result.as_json())
        self._problems += result.problems
        if not self._run.as_json:
            self._show(result)

    def _show_plan(self, planned: PlannedPublication, found: PublicationChanges) -> None:
        if self._run.as_json:
            return
        files = f"{found.new} new, {found.changed} changed, {found.unchanged} unchanged"
        gone = f"; {counted(len(found.removed), 'file')} to delete" if found.removed else ""
        stay = f"; {counted(found.left, 'file')} of what is gone stay" if found.left else ""
        line = f"{planned.where}: {files}, {wording.size(found.size)} to read{gone}{stay}"
        if self._run.dry_run:
            output.result(line)
        else:
            output.notice(line)

    def _show(self, result: PublicationResult) -> None:
        report, where = result.report, result.planned.where
        removed = f", {counted(report.removed, 'file')} deleted" if report.removed else ""
        output.result(
            f"published to {where}: {counted(report.files, 'file')} written ({wording.size(report.bytes)}), "
            f"{counted(report.unchanged, 'item')} unchanged{removed} in {wording.duration(report.seconds)}"
        )
        if result.planned.request.conversion is not None and report.outcomes:
            show_tables(report.outcomes)
