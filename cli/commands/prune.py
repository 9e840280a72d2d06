"""`strongroom prune [PROJECT…]`: room that nothing needs is given back."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from cli import output, progress
from cli.options import Config, FromCopy, Identity, Json, Quiet, Yes
from cli.prompts import confirm
from strongroom import command_log
from strongroom.context import Context, opened
from strongroom.prune import PlannedPrune, PruneLimits, PruneResult, apply_prune, plan_prune
from vault import wording
from vault.errors import Busy, UsageError
from vault.storage.object_locks import UNTIL_RELEASED
from vault.wording import counted

if TYPE_CHECKING:
    from vault.repository.gc.prune_plan import PrunePlan
    from vault.repository.gc.prune_report import PruneReport
    from vault.repository.project import Project


def prune(
    projects: Annotated[list[str] | None, typer.Argument(metavar="PROJECT", help="Default: all.")] = None,
    max_bytes: Annotated[
        str | None, typer.Option("--max-bytes", metavar="SIZE", help="Delete or store anew at most so much, such as 10G.")
    ] = None,
    max_time: Annotated[
        float | None,
        typer.Option("--max-time", metavar="MINUTES", min=0, help="Begin nothing new after so many minutes, waiting included."),
    ] = None,
    wait: Annotated[
        str | None,
        typer.Option("--wait", metavar="DURATION", help="Wait so long for backups under way, such as '10 min' or 0: 1 hour."),
    ] = None,
    repack_above: Annotated[
        float, typer.Option("--repack-above", metavar="PERCENT", min=0, max=100, help="Waste from which a pack is repacked.")
    ] = 50,
    join: Annotated[
        bool, typer.Option("--join/--no-join", help="Join small packs of many backups, once enough have come together.")
    ] = True,
    allow_empty: Annotated[
        bool, typer.Option("--allow-empty", help="That no record of a snapshot is left is meant: all packs go.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and change nothing.")] = False,
    yes: Yes = False,
    from_copy: FromCopy = None,
    config: Config = None,
    identity: Identity = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Delete what no snapshot needs, and join small packs, beside backups and restores, without a lock.

    The plan is shown first. It may be interrupted anywhere; the next run goes on with the rest. Packs that were joined or
    repacked go with the next prune: who is reading them now can go on.
    """
    limits = PruneLimits(
        max_bytes=None if max_bytes is None else size_in_bytes(max_bytes),
        max_seconds=None if max_time is None else max_time * 60,
        wait=_wait(wait),
        repack_above=repack_above / 100,
        join=join,
        allow_empty=allow_empty,
    )
    answers: list[PlannedPrune | PruneResult] = []
    with opened(config, identity, commits=not dry_run, copy=from_copy) as context:
        chosen = context.projects(projects or [])
        with command_log.recorded(context, "prune", chosen):
            for project in chosen:
                with progress.shown(quiet=quiet, as_json=as_json, project=project.name) as listener:
                    planned = plan_prune(context, project, limits, progress=listener)
                if not as_json:
                    _show(planned.plan)
                if dry_run:
                    answers.append(planned)
                    continue
                done = _applied(context, project, planned, yes=yes, quiet=quiet, as_json=as_json)
                answers.append(done)
                if not as_json:
                    _show_report(done.report)
    if as_json:
        output.document("prune-plan/1" if dry_run else "prune/1", {"projects": [one.as_json() for one in answers]})
    reports = [one.report for one in answers if isinstance(one, PruneResult)]
    if context.refused or not all(one.done or one.waiting for one in reports):
        raise typer.Exit(output.DONE_WITH_PROBLEMS)
    if any(one.waiting for one in reports):
        raise typer.Exit(Busy.exit_code)


def _applied(
    context: Context, project: Project, planned: PlannedPrune, *, yes: bool, quiet: bool, as_json: bool
) -> PruneResult:
    def ask() -> None:
        if not yes:
            confirm(f"Prune {project.name}?")

    with progress.shown(quiet=quiet, as_json=as_json, project=project.name) as listener:
        return apply_prune(context, project, planned, confirm=ask, progress=listener)


def _wait(text: str | None) -> timedelta | None:
    from strongroom.settings import durations

    if text is None:
        return None
    return timedelta(0) if text.strip() == "0" else durations.read(text)


def size_in_bytes(text: str) -> int:
    """A size as an option has it. Raises `UsageError`."""
    found = wording.size_in_bytes(text)
    if found is None:
        raise UsageError(f"invalid size {text!r}", hint="write 500M, 10G or a number of bytes")
    return found


def _show(plan: PrunePlan) -> None:
    sums = plan.as_json()
    output.result(f"{plan.project}: plan")
    for name, text in (
        ("dead", f"that no snapshot needs go{', if no backup under way needs them' if plan.claims else ''}"),
        ("repack", "hold mostly waste: what is needed of them is repacked, and they go with the next prune"),
        ("join", f"are small and are joined into at most {plan.new_packs}; they go with the next prune"),
        ("unreadable", "are small and wait for somebody with a read capability, who can open and join them"),
        (
            "young",
            "are small and too young to be joined: the store would charge for deleting them (repository.minimum_storage)",
        ),
        ("later", "wait for another time, as --max-bytes says"),
        ("needed", "stay, as snapshots need them"),
        ("unproven", "stay, as it cannot be proven here that their content lies elsewhere now"),
        (
            "after_loss",
            f"that no snapshot needs stay{_until(plan)}: the loss of a snapshot was accepted, whose packs nobody knows",
        ),
    ):
        if sums[name]["packs"]:
            output.result(f"  {counted(sums[name]['packs'], 'pack')} ({wording.size(sums[name]['bytes'])}) {text}")
    if plan.forgotten:
        output.result(f"  {counted(len(plan.forgotten), 'record')} of forgotten snapshots go")
    for snapshot, why in plan.held:
        output.result(f"  forgotten snapshot {snapshot} stays: {why}")
    for pack, until in plan.locked[:5]:
        output.result(f"  pack {pack.sha256.hex()[:16]} {_kept(until)}")
    if len(plan.locked) > len(plan.locked[:5]):
        output.result(f"  … and {len(plan.locked) - 5} more locked packs")
    if plan.locked_records:
        count = counted(len(plan.locked_records), "record")
        last = max(until for _, until in plan.locked_records)
        output.result(f"  {count} of forgotten snapshots stay: the last of them {_kept(last)}")
    for _, whose in plan.claims:
        output.result(f"  waits for a backup under way: {whose}")
    if not (plan.dead or plan.wasteful or plan.forgotten or plan.joins):
        output.result("  nothing is to be reclaimed")


def _until(plan: PrunePlan) -> str:
    return "" if plan.packs_stay_until is None else f" until {wording.moment(plan.packs_stay_until)}"


def _kept(until: datetime) -> str:
    if until == UNTIL_RELEASED:
        return "is under a legal hold: it stays until the hold is released"
    return f"is locked by the store until {wording.moment(until)}"


def _show_report(report: PruneReport) -> None:
    if report.waiting:
        output.notice(f"{report.project}: backups are still under way; nothing was deleted ({'; '.join(report.waiting_for)})")
    output.result(
        f"{report.project}: {counted(report.deleted, 'pack')} deleted, {wording.size(report.freed)} freed "
        f"in {wording.duration(report.seconds)}"
    )
    if report.joined:
        output.result(
            f"{report.project}: {counted(report.joined, 'small pack')} joined into {report.joined_into}; "
            "they go with the next prune"
        )
    if report.refused:
        output.notice(f"{report.project}: the store refused to delete {counted(len(report.refused), 'object')}")
    if report.left:
        output.notice(f"{report.project}: {counted(report.left, 'pack')} left for the next run")
    if report.damaged:
        output.notice(f"{report.project}: {counted(len(report.damaged), 'damaged pack')} could not be repacked")
