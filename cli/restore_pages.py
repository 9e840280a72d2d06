"""Restores of records as pages for people, shown: the plan, what was written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli import output, progress, prompts
from cli.restore_run import finish, shown
from vault.wording import counted, duration, size

if TYPE_CHECKING:
    from cli.restore_request import RestoreRequest
    from strongroom.context import Context
    from strongroom.record_pages import PagesResult
    from strongroom.selection import SelectedItems


def restore_pages(context: Context, selected: SelectedItems, request: RestoreRequest) -> None:
    """Write pages, as `strongroom restore --as pages` does it. Raises what the library raises, `typer.Exit` after problems."""
    from restore.execution.executor import refuse
    from strongroom.record_pages import PageOptions, plan_pages, write_record_pages

    run = request.run
    options = PageOptions(records=request.records, key=request.key, on_conflict=request.existing, incomplete=request.incomplete)
    planned = plan_pages(context, selected, request.destination(), options)
    if not shown(planned, run):
        return
    refuse(planned.plan)
    if planned.replacing:
        hint = "run it again with --yes"
        prompts.confirm(f"Replace {planned.where}?", yes=run.yes, undone="nothing was written", hint=hint)
    with progress.shown(quiet=run.quiet, as_json=run.as_json, project=selected.project.name) as listener:
        result = write_record_pages(planned, progress=listener)
    if run.as_json:
        run.document("restore-pages/1", result.as_json())
    else:
        _show(result)
    finish(result.problems)


def _show(result: PagesResult) -> None:
    report, counts = result.report, result.counts
    deleted = f", {counts.deleted} of them marked as deleted" if counts.deleted else ""
    written = f"{counted(report.files, 'file')}, {size(report.bytes)}"
    output.result(
        f"{counted(result.records, 'record')} as pages{deleted}; {written}, written to {result.planned.where} in "
        f"{duration(report.seconds)}; begin with index.html"
    )
    for count, one, many in (
        (report.already_there, "was there already", "were there already"),
        (report.skipped, "was in the way and was skipped", "were in the way and were skipped"),
        (report.newer, "was there and newer, and stayed as it was", "were there and newer, and stayed as they were"),
    ):
        if count:
            output.result(f"{counted(count, one, many)}")
