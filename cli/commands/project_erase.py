"""`strongroom project erase NAME`: everything of a project is destroyed, as two people want it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import output, progress, prompts
from cli.options import Config, FromCopy, Identity, Json, Quiet
from strongroom.context import opened
from strongroom.destinations import expanded
from vault import wording
from vault.wording import counted, moment, quoted

if TYPE_CHECKING:
    from strongroom.erasure_plan import PlannedErasure
    from strongroom.project_erasure import ErasureResult

UNDONE = "nothing was erased"


def erase(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The project's name.")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it stays on record.")] = "",
    approve: Annotated[bool, typer.Option("--approve", help="Agree to what somebody else has asked for.")] = False,
    confirm: Annotated[
        str | None,
        typer.Option("--confirm", metavar="NAME", help="The project's name again, in place of typing it on a terminal."),
    ] = None,
    act: Annotated[
        Path | None,
        typer.Option(
            "--act", metavar="FOLDER", help="Once it is erased, write the act of destruction there: a page, and signed files."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and do nothing.")] = False,
    from_copy: FromCopy = None,
    quiet: Quiet = False,
    config: Config = None,
    identity: Identity = None,
    as_json: Json = False,
) -> None:
    """Destroy everything of a project for good: its keys first, then all that is stored.

    One person asks with --reason, another one approves with --approve from an identity of their own, then either runs the
    command once more. A request is open for some days, and only as long as grants and holds stay as they are. With
    erasure.approvals = 1 in the settings one person erases alone.

    Refused while a hold or a lock of the store stands against it, while the project is backed up, or its keys are rotated. What
    was begun has no way back; where it is cut off, the same command goes on. It leaves signed statements: machines that know
    the project say who erased it and when, and --act writes an act of destruction from them, also later.
    """
    from strongroom.erasure_plan import ErasureOptions, plan_erasure
    from strongroom.project_erasure import erase_project

    with opened(config, identity, commits=not dry_run, copy=from_copy) as context:
        with progress.shown(quiet=quiet, as_json=as_json, project=name) as listener:
            options = ErasureOptions(reason, approve, progress=listener)
            planned = plan_erasure(context, name, options)
        if not as_json:
            _show(planned)
        if dry_run:
            if as_json:
                output.document("project-erase-plan/1", planned.as_json())
            return
        if planned.step in ("ask", "approve", "erase"):
            prompts.confirm_by_name(_question(planned), name, confirm, undone=UNDONE)
        with progress.shown(quiet=quiet, as_json=as_json, project=name) as listener:
            done = erase_project(context, planned, ErasureOptions(reason, approve, progress=listener))
    if act is not None and done.erasure is not None:
        from strongroom.erasure_act import write_act

        written = write_act(done.erasure, expanded(str(act)).absolute())
        output.notice(f"wrote the act of destruction: {written[0]}")
    if as_json:
        output.document("project-erase/1", done.as_json())
    else:
        _show_done(done, act)
    output.finish(done.problems)


def _question(planned: PlannedErasure) -> str:
    if planned.step == "approve":
        return f"Approve that project {planned.name} is erased?"
    if planned.step == "ask" and planned.approvals > 1:
        return f"Ask for project {planned.name} to be erased?"
    return f"Erase project {planned.name} for good?"


def _show(planned: PlannedErasure) -> None:
    from strongroom.erasure_plan import contents_in_words

    if planned.step == "done":
        return
    output.result(f"{planned.name} ({planned.project}): plan")
    if planned.contents is not None:
        output.result(f"  everything goes: {contents_in_words(planned.contents)}")
    if planned.request is not None:
        one = planned.request
        output.result(f"  asked for by {one.by.name} on {moment(one.at)}: {one.reason}; open until {moment(one.until)}")
    if planned.approval is not None:
        output.result(f"  approved by {planned.approval.by.name} on {moment(planned.approval.at)}")
    if planned.step == "ask" and planned.approvals > 1:
        within = wording.rough_duration(planned.within.total_seconds())
        output.result(f"  another person approves it within {within} before anything is erased")
    if planned.step == "go-on":
        output.result("  it was begun already: this goes on to the end")
    if planned.feature:
        output.result("  the repository gets the feature `erasures`: update every machine that uses it first")
    for why in planned.flagged:
        output.result(f"  flagged: {why}")
    for one_place in planned.out_of_reach:
        output.result(f"  not reached: {one_place}")


def _show_done(done: ErasureResult, act: Path | None) -> None:
    from vault.repository.erasures import ErasedProject

    name = done.planned.name
    if done.erasure is None:
        _show_next(done)
        return
    output.result(ErasedProject.of(done.erasure).message)
    if done.destroyed is not None:
        one = done.destroyed
        output.result(
            f"{name}: {counted(one.key_objects, 'key object')} and {counted(one.objects, 'other object')} deleted, "
            f"{wording.size(one.bytes)}"
        )
        if done.old_versions:
            output.notice(
                f"{name}: {counted(done.old_versions, 'old version')} stay in the bucket until its own rule expires them; "
                "nobody can read them"
            )
        for place in done.planned.out_of_reach:
            output.notice(f"{name}: not reached: {place}")
    if act is None:
        output.result(f"Next: strongroom project erase {quoted(name)} --act FOLDER writes the act of destruction")


def _show_next(done: ErasureResult) -> None:
    name = quoted(done.planned.name)
    if done.approval is not None and done.request is not None:
        output.result(f"{done.planned.name}: the request of {done.request.by.name} is approved; nothing is erased yet")
        output.result(f"Next: strongroom project erase {name}")
    elif done.request is not None:
        output.result(f"{done.planned.name}: asked for; nothing is erased before another person approves it")
        output.result(f"Next, by another person until {moment(done.request.until)}: strongroom project erase {name} --approve")
