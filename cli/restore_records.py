"""Records back into an interface, shown: the plan, the question, what was created and what was not."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cli import output, progress, prompts
from vault.errors import UsageError
from vault.wording import counted

if TYPE_CHECKING:
    from cli.restore_request import RestoreRequest
    from restore.interfaces.plan import Created, CreationPlan, ResourcePlan
    from strongroom.context import Context
    from strongroom.record_restore import RestPlace
    from strongroom.selection import SelectedItems

DONE_WITH_PROBLEMS = 3


def restore_records(context: Context, selected: SelectedItems, request: RestoreRequest, place: RestPlace) -> None:
    """Create records in an interface, as `strongroom restore` does it. Raises what `planned_records` and its plan raise, and
    `typer.Exit` after problems."""
    from strongroom.record_restore import RecordOptions, planned_records

    _check(request)
    run = request.run
    options = RecordOptions(only=frozenset(request.records), id_map=request.id_map)
    name = selected.project.name
    with ExitStack() as stack:
        with progress.shown(quiet=run.quiet, as_json=run.as_json, project=name) as listener:
            planned = stack.enter_context(planned_records(context, selected, place, options, progress=listener))
        plan = planned.plan
        if not run.as_json:
            _show(plan)
        if run.dry_run:
            if run.as_json:
                run.document("restore-records/1", {"done": False, **plan.as_json(), **_nothing(plan)})
            output.problems([*plan.problems])
            return
        _confirm(plan, yes=run.yes)
        with progress.shown(quiet=run.quiet, as_json=run.as_json, project=name) as listener:
            done = planned.apply(listener)
    problems = [*plan.problems, *done.problems]
    if run.as_json:
        found = {"done": True, **plan.as_json(), **done.as_json(), "problem_list": [one.as_json() for one in problems]}
        run.document("restore-records/1", found)
    else:
        _show_done(plan, done, request.id_map)
    output.problems(problems)
    if problems:
        raise typer.Exit(DONE_WITH_PROBLEMS)


def _check(request: RestoreRequest) -> None:
    """Raises `UsageError` for options that are for files."""
    if request.tables.wanted:
        raise UsageError(
            "--as, --merge and --rows-in-period exclude an interface: records go there as they are",
            hint="leave them out, or restore to a folder",
        )
    if request.existing is not None or request.where is not None:
        raise UsageError(
            "--existing and --where are for files and rows: a record that is there already stays as it is", hint="leave it out"
        )
    if request.verify or request.incomplete or request.report is not None:
        raise UsageError(
            "--verify, --incomplete and --report are for files: records are compared by themselves",
            hint="leave it out; --id-map FILE lists what could not be set",
        )


def _show(plan: CreationPlan) -> None:
    output.notice(f"plan: {counted(plan.missing, 'record')} to create in {plan.where} ({plan.title})")
    for one in plan.resources:
        _show_resource(one)


def _show_resource(one: ResourcePlan) -> None:
    parts = [f"{one.missing} to create", f"{one.there} there already"]
    parts += [f"{one.unfinished} to complete"] if one.unfinished else []
    parts += [f"{one.left_out} left out"] if one.left_out else []
    parts += [f"{one.unknown} of which nobody knows"] if one.unknown else []
    parts += [f"{one.children} with them"] if one.children else []
    parts += [counted(one.files, "file")] if one.files else []
    output.notice(f"  {one.resource}: {', '.join(parts)}")
    for loss in one.losses:
        output.notice(f"    will be lost: {loss}")
    for text in one.unresolved:
        output.notice(f"    leads nowhere: {text}")
    for note in one.notes:
        output.notice(f"    {note}")


def _confirm(plan: CreationPlan, *, yes: bool) -> None:
    if not plan.missing and not plan.unfinished:
        return
    parts = [f"create {counted(plan.missing, 'record')}"] if plan.missing else []
    parts += [f"complete {counted(plan.unfinished, 'record')}"] if plan.unfinished else []
    words = f"{' and '.join(parts)} in {plan.where}"
    prompts.confirm(f"{words[0].upper()}{words[1:]}?", yes=yes, undone="nothing was written", hint="run it again with --yes")


def _show_done(plan: CreationPlan, done: Created, file: Path | None) -> None:
    parts = [f"{counted(done.created, 'record')} created", f"{done.there} there already"]
    parts += [f"{done.completed} completed"] if done.completed else []
    output.result(f"{plan.where}: {', '.join(parts)}, {done.children} with them, {counted(done.files, 'file')}")
    if file is not None:
        output.result(f"ids: {file}")


def _nothing(plan: CreationPlan) -> dict[str, object]:
    """What was done of a plan that is only shown."""
    from restore.interfaces.plan import Created

    return {**Created().as_json(), "problem_list": [one.as_json() for one in plan.problems]}
