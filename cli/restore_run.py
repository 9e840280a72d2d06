"""Restores of one project, and of all projects one after another: planned, shown, asked about, done, shown."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from msgspec import Struct, field
from msgspec.structs import replace

from cli import output, progress, prompts
from cli.restore_output import Planned, show_plan, show_report, show_tables, show_verification, warn_of_shortage
from cli.restore_request import RestoreRequest, RunOptions
from strongroom import command_log, destinations, restore_report
from strongroom.destinations import Folder, InPlace, Stdout, TableFile
from vault import wording
from vault.errors import Interrupted, NothingFound, StrongroomError, UsageError
from vault.problems import Problem
from vault.wording import counted

if TYPE_CHECKING:
    from strongroom.context import Context
    from strongroom.destinations import Archive, Bucket, Dav, Mail
    from strongroom.remote_destinations import RemoteFolder
    from strongroom.restore_plan import PlannedRestore
    from strongroom.restore_proposal import Proposal
    from strongroom.restore_result import RestoreResult
    from strongroom.selection import SelectedItems, SelectionOptions
    from vault.repository.project import Project

DONE_WITH_PROBLEMS = 3


def selected_items(
    context: Context, project: Project, options: SelectionOptions, run: RunOptions, *, sources_apart: bool = False
) -> SelectedItems:
    """The items that are meant; where several sources have one path, those of the source that a person chooses. Raises what
    `strongroom.selection.select` raises."""
    from strongroom.selection import AmbiguousSource, select

    def chosen(options: SelectionOptions) -> SelectedItems:
        with progress.shown(quiet=run.quiet or options.versions == 1, as_json=run.as_json, project=project.name) as listener:
            return select(context, project, options, sources_apart=sources_apart, progress=listener)

    try:
        return chosen(options)
    except AmbiguousSource as error:
        return chosen(replace(options, source=prompts.source(error)))


def shown(planned: Planned, run: RunOptions, *, proposed: bool = False) -> bool:
    """Show a plan; whether it is to be carried out. proposed: its destination was; then its period is always shown."""
    if not run.as_json:
        show_plan(planned, always_periods=proposed)
    warn_of_shortage(planned.shortage)
    selected = planned.selected
    if run.dry_run:
        if run.as_json:
            run.document("plan/1", {"plan": planned.as_json(), "missing_snapshots": [*selected.missing_snapshots]})
        output.problems(selected.selection.damage)
    return not run.dry_run


def confirm(planned: PlannedRestore, *, proposed: bool, yes: bool) -> None:
    """Ask about a restore that replaces or alters anything that exists, or whose destination was proposed. Raises
    `typer.Abort` where a person says no, `UsageError` where nobody can be asked."""
    replacing, setting = planned.replacing, planned.attributes_only
    parts = [f"replace {counted(replacing, 'item')}"] if replacing else []
    parts += [f"set the attributes of {counted(setting, 'item')}"] if setting else []
    if proposed:
        what = f"{counted(planned.files, 'file')}, {wording.size(planned.bytes_to_write)},"
        parts.insert(0, f"restore {what} to {planned.where}")
    if parts:
        question, hint = " and ".join(parts), "run it again with --yes"
        if proposed:
            hint += ", or name the place with --to PATH or --in-place"
        prompts.confirm(f"{question[0].upper()}{question[1:]}?", yes=yes, undone="nothing was written", hint=hint)


def finish(problems: list[Problem]) -> None:
    """The problems, and the exit code that they deserve."""
    output.problems(problems)
    if problems:
        raise typer.Exit(DONE_WITH_PROBLEMS)


def restore_project(context: Context, project: Project, options: SelectionOptions, request: RestoreRequest) -> None:
    """Restore what is asked for of one project. Raises what the library raises, and `typer.Exit` after problems."""
    if request.undecided:
        proposal = _proposal(context, project, options, request)
        output.notice(f"no destination is named; proposed: {_where(proposal)}, as {proposal.why}")
        _restore_items(context, proposal.selected, proposal.destination, request, proposal)
        return
    selected = selected_items(context, project, options, request.run, sources_apart=request.in_place)
    if request.pages:
        from cli.restore_pages import restore_pages

        restore_pages(context, selected, request)
        return
    interface = request.interface(context, selected)
    if interface is not None:
        from cli.restore_records import restore_records

        restore_records(context, selected, request, interface)
        return
    database = request.database(context, selected)
    if database is not None:
        from cli.restore_rows import restore_rows

        restore_rows(context, selected, request, database)
        return
    destination = request.destination()
    if isinstance(destination, Stdout | TableFile) and not request.tables.merge:
        selected = replace(selected, selection=prompts.one_file(selected.selection))
    if isinstance(destination, Stdout):
        _to_stdout(context, selected, request)
    else:
        _restore_items(context, selected, destination, request)


def _restore_items(
    context: Context,
    selected: SelectedItems,
    destination: Folder | Archive | TableFile | Bucket | Dav | RemoteFolder | Mail | InPlace,
    request: RestoreRequest,
    proposal: Proposal | None = None,
) -> None:
    """Files to where they go: planned, shown, asked about, done. proposal: None where a person has named the destination."""
    from strongroom.restore import restore
    from strongroom.restore_plan import plan_restore

    run = request.run
    if request.report is not None:
        restore_report.refuse_unwritable(context, request.report)
    planned = plan_restore(context, selected, destination, request.options())
    if proposal is not None:
        run = replace(run, document=_with(run.document, {"proposed": proposal.as_json()}))
    going_on = shown(planned, run, proposed=proposal is not None)
    for loss in () if run.as_json else planned.not_put_back:
        output.notice(f"plan: not put back: {loss}")
    if request.report is not None:
        restore_report.write(request.report, planned)  # of a plan that is refused, too
    if not going_on:
        return
    planned.refuse()
    confirm(planned, proposed=proposal is not None, yes=run.yes)
    with progress.shown(quiet=run.quiet, as_json=run.as_json, project=selected.project.name) as listener:
        result = restore(planned, progress=listener)
    if request.report is not None:
        restore_report.write(request.report, planned, result)
    if run.as_json:
        run.document("restore/1", result.as_json())
    else:
        _show(result)
    finish(result.problems)


def _proposal(context: Context, project: Project, options: SelectionOptions, request: RestoreRequest) -> Proposal:
    from strongroom.restore_proposal import propose
    from strongroom.selection import AmbiguousSource

    def found(options: SelectionOptions) -> Proposal:
        selected = selected_items(context, project, options, request.run, sources_apart=True)
        return propose(context, selected, request.options())

    try:
        return found(options)
    except AmbiguousSource as error:
        return found(replace(options, source=prompts.source(error)))


def _where(proposal: Proposal) -> str:
    folder = proposal.destination
    return f"the new folder {folder.text}" if isinstance(folder, Folder) else "back in place"


def _with(document: Callable[[str, dict[str, Any]], None], more: dict[str, Any]) -> Callable[[str, dict[str, Any]], None]:
    return lambda schema, found: document(schema, found | more)


def _to_stdout(context: Context, selected: SelectedItems, request: RestoreRequest) -> None:
    from strongroom.restore import stream

    quiet = request.run.quiet or request.run.as_json or not request.tables.wanted
    with output.standard_output(), progress.shown(quiet=quiet, project=selected.project.name) as listener:
        result = stream(context, selected, sys.stdout.buffer, request.options(), progress=listener)
    if result.outcomes is not None:
        show_tables(result.outcomes)
    finish(result.problems)


def _show(result: RestoreResult) -> None:
    for part in result.parts:
        show_report(part.report, part.where)
        if part.verification is not None:
            show_verification(part.verification)
    if result.outcomes is not None:
        show_tables(result.outcomes)


class _ProjectOutcome(Struct):
    """What became of one project. found: whether it has anything of what was asked for · document: for `--json`, without the
    project's name."""

    exit_code: int = 0
    found: bool = True
    document: dict[str, Any] = field(default_factory=dict)

    def as_json(self, project: Project) -> dict[str, Any]:
        """For `--json`."""
        about = {"project": project.name, "project_id": project.id, "found": self.found, "exit_code": self.exit_code}
        return about | self.document


def restore_all(context: Context, options: SelectionOptions, request: RestoreRequest) -> None:
    """Restore what is asked for of every project that opens. One that fails does not stop the others. Raises `typer.Exit` with
    the greatest exit code, `NothingFound` where no project has any of it, `UsageError`."""
    if request.report is not None:
        raise UsageError(
            "--report excludes --all-projects: a report is about one project", hint="restore the projects one after another"
        )
    if request.pages:
        raise UsageError(
            "--as pages excludes --all-projects: an index is of one project", hint="restore the projects one after another"
        )
    if request.undecided or not isinstance(request.destination(), InPlace | Folder):
        raise UsageError(
            "--all-projects needs --to DIR or --in-place: each project is restored to a folder",
            hint="name a folder with --to, or say --in-place",
        )
    projects = context.available([])
    outcomes = []
    with command_log.recorded(context, "restore", projects, {"selection": options.as_json(), "to": request.to}):
        for project in projects:
            output.notice(f"project {project.name}:")
            folder = str(Path(request.to) / destinations.project_folder(project))
            own = request if request.in_place else replace(request, to=folder)
            outcomes.append(_one_of_all(context, project, options, own))
    worst = max([one.exit_code for one in outcomes] + [DONE_WITH_PROBLEMS if context.refused else 0])
    done = sum(one.found and "error" not in one.document for one in outcomes)
    if not done and not worst:
        raise NothingFound("no project has anything that was asked for", hint="see what there is: `strongroom list`")
    if request.run.as_json:
        found = [one.as_json(project) for project, one in zip(projects, outcomes, strict=True)]
        request.run.document("restore-all/1", {"projects": found, "refused": [one.as_json() for one in context.refused]})
    else:
        end = "would be restored" if request.run.dry_run else "restored"
        output.result(f"{counted(done, 'project')} of {len(projects)} {end}")
    if worst:
        raise typer.Exit(worst)


def _one_of_all(context: Context, project: Project, options: SelectionOptions, request: RestoreRequest) -> _ProjectOutcome:
    outcome = _ProjectOutcome()
    try:
        run = replace(request.run, document=lambda _schema, value: outcome.document.update(value))
        restore_project(context, project, options, replace(request, run=run))
    except typer.Exit as end:
        outcome.exit_code = end.exit_code
    except NothingFound as error:
        output.notice(f"nothing to restore: {error}")
        outcome.found = False
    except Interrupted:
        raise
    except StrongroomError as error:
        output.failure(error)
        outcome.exit_code = error.exit_code
        outcome.document["error"] = error.as_json()
    return outcome
