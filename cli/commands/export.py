"""`strongroom export PROJECT [PATTERN…] --to DIR|FILE.zip`: a BagIt bag for an auditor."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import output, progress, prompts
from cli.options import (
    At,
    Before,
    Config,
    Deleted,
    Formats,
    Header,
    Identity,
    Json,
    Kinds,
    Overlapping,
    Paths,
    Patterns,
    Periods,
    Quiet,
    Repository,
    Sheets,
    Source,
)
from cli.restoring import showing
from cli.restoring.destinations import expanded
from cli.restoring.giving_runs import merged_name
from cli.restoring.request import As, RestoreRequest, TableOptions
from cli.restoring.selecting import selected, versions_of, with_versions
from cli.restoring.work import RestoreJob, ShownTarget, agreed, end
from cli.selection_options import SelectionOptions, tell_beyond, tell_consistency
from restore.local_fs.syscalls import is_folder, stands
from restore.planning.conflict_policy import ConflictPolicy
from restore.tables.write_options import Audience
from strongroom import context, environment, own_paths
from vault import wording
from vault.errors import TargetError, UsageError
from vault.wording import counted

if TYPE_CHECKING:
    from restore.export.report import Exported
    from restore.export.request import ExportRequest as ExportRequest
    from restore.planning.plan import RestorePlan


def export(
    project: Annotated[str, typer.Argument(metavar="PROJECT")],
    patterns: Patterns = None,
    to: Annotated[
        str, typer.Option("--to", metavar="DIR|FILE.zip", help="A folder that is empty or not there yet, or a ZIP file.")
    ] = "",
    for_: Annotated[str, typer.Option("--for", metavar="TEXT", help="Why: a reason, a ticket's number. For the report.")] = "",
    paths: Paths = None,
    kinds: Kinds = None,
    periods: Periods = None,
    formats: Formats = None,
    overlapping: Overlapping = False,
    at: At = None,
    before: Before = None,
    deleted: Deleted = False,
    as_: Annotated[
        As | None,
        typer.Option("--as", metavar="FORMAT", help="Tables as csv, xlsx, jsonl, json, parquet, feather, ods, sqlite, html."),
    ] = None,
    profile: Annotated[
        Audience | None,
        typer.Option("--profile", metavar="exact|people", help="For machines (the default), or safe to open in a spreadsheet."),
    ] = None,
    delimiter: Annotated[str | None, typer.Option("--delimiter", metavar="CHAR", help="Between the columns of a CSV.")] = None,
    bom: Annotated[bool, typer.Option("--bom", help="Begin a CSV with a byte order mark.")] = False,
    rows_in_period: Annotated[
        bool, typer.Option("--rows-in-period", help="Of tables, only the rows of the period, by their column of times.")
    ] = False,
    time_column: Annotated[str | None, typer.Option("--time-column", metavar="NAME", help="That column, if not found.")] = None,
    header: Header = None,
    sheets: Sheets = None,
    merge: Annotated[bool, typer.Option("--merge", help="One table out of all of them, with a column `source`.")] = False,
    versions: Annotated[
        str,
        typer.Option(
            "--versions",
            metavar="all|N",
            help="Of each file, the newest N contents that differ, or all; a deleted one is found too.",
        ),
    ] = "1",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and write nothing.")] = False,
    source: Source = None,
    config: Config = None,
    repository: Repository = None,
    identity: Identity = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Export items with proof: a BagIt bag (RFC 8493) with checksums, and a report of who asked for what and what came of it.

    Anybody can check it without Strongroom: `sha256sum -c manifest-sha256.txt`, or any BagIt tool. What is missing or
    damaged is left out and told in the report, and the command exits 3. The same request makes the same bytes, but for who
    asked and when.
    """
    tables = TableOptions(
        format=as_.value if as_ else None,
        profile=profile,
        delimiter=delimiter,
        bom=bom,
        rows_in_period=rows_in_period,
        time_column=time_column,
        header=header,
        sheets=tuple(sheets or ()),
        merge=merge,
    )
    if not to:
        raise UsageError("missing destination: use --to DIR or --to FILE.zip", hint="for example --to /srv/audit.zip")
    if to == "-" or to.lower().startswith("s3:"):
        raise UsageError(
            "an export cannot be written to {to}: it is a folder or a ZIP file",
            hint="name one with --to, and copy it from there",
        )
    tables.check(periods=bool(periods))
    request = RestoreRequest(to=to, tables=tables, incomplete=True, dry_run=dry_run, quiet=quiet, as_json=as_json)
    asked = SelectionOptions(patterns, paths, kinds, periods, formats, overlapping, at, deleted, source, before)
    wanted = versions_of(versions)
    with context.opened(config, identity, address=repository) as place:
        found = prompts.project(place, project)
        found.capability.reading()
        missing = place.gone(found)
        selection, query = selected(found, replace(asked.query(place, found), versions=wanted))
        tell_beyond(selection, periods)
        tell_consistency(selection.table)
        selection = with_versions(place, selection, query, quiet=quiet or as_json)
        typed = asked.as_json() | ({} if wanted == 1 else {"versions": versions})
        _run(RestoreJob(place, selection, query, request, typed, missing), for_)


def _run(work: RestoreJob, reason: str) -> None:
    from restore.export import folder
    from restore.export.write import ExportOptions, to_folder, to_zip
    from restore.planning.destination import EmptyDestination
    from restore.planning.plan import make_plan

    path = expanded(work.request.to).absolute()
    plan = make_plan(work.selection, EmptyDestination(), ConflictPolicy.REFUSE, work.today)
    merged = merged_name(work) if work.request.tables.merge else None
    order = ExportOptions(_wanted(work, reason), work.selection, plan, work.conversion, merged)
    zipped = path.suffix.lower() == ".zip" and not is_folder(path)
    own_paths.refuse_target(work.place.settings, path, folder=not zipped)
    if zipped and stands(path):
        raise TargetError(f"{path} is there already", hint="nothing was written; name another file, or remove that one first")
    if not zipped and folder.look(path, order.fingerprint) is folder.State.UNFINISHED:
        output.notice(f"{path} holds an interrupted export of the same request: it is begun anew")
    if not agreed(work, [plan], ShownTarget(str(path), path.parent if zipped else path)):
        return
    with progress.shown(quiet=work.request.quiet or work.request.as_json, project=work.project) as listener:
        exported = (to_zip if zipped else to_folder)(order, path, progress=listener)
    _tell(work, plan, exported, path)


def _wanted(work: RestoreJob, reason: str) -> ExportRequest:
    from restore.export.request import ExportRequest as ExportRequest
    from restore.export.request import Requester
    from restore.export.selection_text import in_words

    return ExportRequest(
        asker=Requester(environment.person(), work.selection.project.services.clock.now(), reason),
        words=in_words(work.project, work.query),
        selection=work.asked,
        tables=work.request.tables.as_json(),
        zone=work.place.zone(work.project),
        moment=work.query.at,
        software=f"strongroom/{context.VERSION}",
    )


def _tell(work: RestoreJob, plan: RestorePlan, exported: Exported, path: Path) -> None:
    from restore.export.bag import done

    report = done(exported)
    document = {"plan": plan.as_json(), **report.as_json(), "bag": str(path), "by": exported.request.asker.as_json()}
    if not work.request.as_json:
        files = counted(report.files, "file")
        size, took = wording.size(report.bytes), wording.duration(report.seconds)
        output.result(f"exported {files}, {size}, to the bag {path} in {took}")
        if work.conversion is not None:
            showing.tell_tables(exported.outcome.told)
    end(work, report.problems, document)
