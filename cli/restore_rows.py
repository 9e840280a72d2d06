"""Restores into databases, shown: the plan table by table, the question, what was done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli import output, prompts
from restore.planning.conflict_policy import ConflictPolicy
from vault.errors import UsageError
from vault.wording import counted

if TYPE_CHECKING:
    from cli.restore_request import RestoreRequest
    from restore.databases.row_plan import RowPlan
    from strongroom.context import Context
    from strongroom.database_restore import Database
    from strongroom.selection import SelectedItems


def restore_rows(context: Context, selected: SelectedItems, request: RestoreRequest, database: Database) -> None:
    """Put rows into a database, as `strongroom restore` does it. Raises what `planned_rows` and its plan raise."""
    from strongroom.database_restore import RowOptions, planned_rows

    if request.tables.wanted:
        raise UsageError(
            "--as, --merge and --rows-in-period exclude a database: its rows keep the types that they had",
            hint="leave them out, or restore to a folder",
        )
    if request.verify or request.incomplete or request.report is not None:
        raise UsageError(
            "--verify, --incomplete and --report are for files: rows are compared by themselves", hint="leave it out"
        )
    run = request.run
    with planned_rows(context, selected, database, RowOptions(on_conflict=request.existing, where=request.where)) as planned:
        if not run.as_json:
            _show(planned.plan)
        if run.dry_run:
            if run.as_json:
                run.document("restore-rows/1", {"done": False, **planned.plan.as_json()})
            return
        planned.plan.refuse()
        _confirm(planned.plan, yes=run.yes)
        done = planned.apply()
    if run.as_json:
        run.document("restore-rows/1", {"done": True, **done.as_json()})
    else:
        left = f", {done.left} left as they are" if done.left else ""
        output.result(f"{done.where}: {counted(done.inserted, 'row')} inserted, {done.replaced} replaced{left}")


def _show(plan: RowPlan) -> None:
    new = " (which will be made)" if plan.created else ""
    output.notice(f"plan: {counted(plan.rows, 'row')} of {counted(len(plan.tables), 'table')} to {plan.where}{new}")
    for one in plan.tables:
        replaced = one.replaced(plan.policy)
        parts = [f"{one.missing} to insert", f"{replaced} to replace", f"{one.equal} there already"]
        stays = one.differing - replaced
        if stays:
            parts.append(f"{stays} in the way" if plan.policy is ConflictPolicy.REFUSE else f"{stays} left as they are")
        output.notice(f"  {one.table}{' (new table)' if one.created else ''}: {', '.join(parts)}")
        for note in one.notes:
            output.notice(f"    {note}")


def _confirm(plan: RowPlan, *, yes: bool) -> None:
    """What is put into a database that is there is asked about, as what replaces files is."""
    if plan.created or not (plan.inserted or plan.replaced):
        return
    words = f"Insert {counted(plan.inserted, 'row')} into {plan.where}"
    if plan.replaced:
        words += f", and replace {counted(plan.replaced, 'row')}"
    prompts.confirm(f"{words}?", yes=yes, undone="nothing was written", hint="run it again with --yes")
