"""`strongroom prune [PROJECT…]`: room that nothing needs is given back."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import output, progress
from cli.commands.retention import ask
from cli.options import Config, Identity, Json, Quiet, Yes
from strongroom import context, local_state, object_lock, retention
from vault import wording
from vault.errors import Busy, UsageError
from vault.storage.object_locks import UNTIL_RELEASED
from vault.wording import counted

if TYPE_CHECKING:
    from vault.repository.claims import Patience
    from vault.repository.gc.prune import PruneReport
    from vault.repository.gc.prune_plan import PrunePlan

DONE_WITH_PROBLEMS = 3
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


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
        float, typer.Option("--repack-above", metavar="PERCENT", min=0, max=100, help="Waste from which a pack is stored anew.")
    ] = 50,
    allow_empty: Annotated[
        bool, typer.Option("--allow-empty", help="That no record of a snapshot is left is meant: all packs go.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and change nothing.")] = False,
    yes: Yes = False,
    config: Config = None,
    identity: Identity = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Delete what no snapshot needs, beside backups and restores, without a lock.

    The plan is shown first. It may be interrupted anywhere; the next run goes on with the rest.
    """
    from vault.repository.gc.prune import apply, refuse_without_rights
    from vault.repository.gc.prune_plan import PruneOptions, make_plan
    from vault.repository.object_lock import locked

    most = None if max_bytes is None else _bytes(max_bytes)
    patience = _patience(wait)
    answers: list[dict[str, Any]] = []
    done, busy = True, False
    with context.opened(config, identity, commits=not dry_run) as place:
        for project in place.projects(projects or []):
            place.gone(project)
            with progress.shown(quiet=quiet or as_json, project=project.name) as listener:
                prune_options = PruneOptions(
                    held=retention.held(project),
                    locked=locked(project),
                    remembered=frozenset(place.memory.recall("snapshots", project.id)),
                    max_bytes=most,
                    max_seconds=None if max_time is None else max_time * 60,
                    repack_above=repack_above / 100,
                    allow_empty=allow_empty,
                    patience=patience,
                    progress=listener,
                )
                plan = make_plan(project, prune_options)
            if not as_json:
                _show(plan)
            answer: dict[str, Any] = {"project": project.name, "plan": plan.as_json()}
            answers.append(answer)
            if dry_run:
                continue
            refuse_without_rights(project)
            place.refuse_lost_holds(project)
            object_lock.begun(place, project)
            if (plan.dead or plan.wasteful or plan.forgotten) and not yes:
                ask(f"Prune {project.name}?")
            with progress.shown(quiet=quiet or as_json, project=project.name) as listener:
                report = apply(project, plan, prune_options)
            answer |= report.as_json()
            busy = busy or bool(report.waiting)
            done = done and (report.done or bool(report.waiting))
            if report.done:
                local_state.note_run(place.settings, project.name, "prune")
            if not as_json:
                _tell(report)
    if as_json:
        output.document({"projects": answers})
    if place.refused or not done:
        raise typer.Exit(DONE_WITH_PROBLEMS)
    if busy:
        raise typer.Exit(Busy.exit_code)


def _patience(wait: str | None) -> Patience:
    from strongroom.settings import durations
    from vault.repository.claims import Patience

    if wait is None:
        return Patience()
    seconds = 0.0 if wait.strip() == "0" else durations.read(wait).total_seconds()
    return Patience(seconds=seconds, altogether=seconds)


def _bytes(text: str) -> int:
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"invalid size {text!r}", hint="write 500M, 10G or a number of bytes")
    return int(float(found[1]) * 1024 ** _POWERS[found[2].lower()])


def _show(plan: PrunePlan) -> None:
    told = plan.as_json()
    output.result(f"{plan.project}: plan")
    for name, text in (
        ("dead", f"that no snapshot needs go{', if no backup under way needs them' if plan.claims else ''}"),
        ("repack", "hold mostly waste: what is needed of them is stored anew, and they go with the next prune"),
        ("later", "wait for another time, as --max-bytes says"),
        ("needed", "stay, as snapshots need them"),
        ("unproven", "stay, as it cannot be proven here that their content lies elsewhere now"),
        (
            "after_loss",
            f"that no snapshot needs stay{_until(plan)}: the loss of a snapshot was accepted, whose packs nobody knows",
        ),
    ):
        if told[name]["packs"]:
            output.result(f"  {counted(told[name]['packs'], 'pack')} ({wording.size(told[name]['bytes'])}) {text}")
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
    if not (plan.dead or plan.wasteful or plan.forgotten):
        output.result("  nothing is to be reclaimed")


def _until(plan: PrunePlan) -> str:
    return "" if plan.packs_stay_until is None else f" until {wording.moment(plan.packs_stay_until)}"


def _kept(until: datetime) -> str:
    if until == UNTIL_RELEASED:
        return "is under a legal hold: it stays until the hold is released"
    return f"is locked by the store until {wording.moment(until)}"


def _tell(report: PruneReport) -> None:
    if report.waiting:
        output.notice(f"{report.project}: backups are still under way; nothing was deleted ({'; '.join(report.waiting_for)})")
    output.result(
        f"{report.project}: {counted(report.deleted, 'pack')} deleted, {wording.size(report.freed)} freed "
        f"in {wording.duration(report.seconds)}"
    )
    if report.refused:
        output.notice(f"{report.project}: the store refused to delete {counted(len(report.refused), 'object')}")
    if report.left:
        output.notice(f"{report.project}: {counted(report.left, 'pack')} left for the next run")
    if report.damaged:
        output.notice(f"{report.project}: {counted(len(report.damaged), 'damaged pack')} could not be stored anew")
