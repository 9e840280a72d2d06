"""`strongroom keys rotate` and `keys upgrade`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli import output, progress, prompts
from cli.options import Config, Identity, Json, Quiet, Yes
from strongroom.context import opened
from strongroom.prune import PruneLimits
from vault import wording
from vault.errors import Busy, UsageError
from vault.wording import counted, quoted

if TYPE_CHECKING:
    from strongroom.context import Context
    from strongroom.key_rotation import RepositoryUpgrade, RotatedKeys, RotationPlan
    from strongroom.reseal import PlannedReseal, Resealed
    from vault.repository.project import Project

DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and do nothing.")]


def rotate(
    projects: Annotated[list[str], typer.Argument(metavar="PROJECT")],
    reseal: Annotated[
        bool, typer.Option("--reseal", help="Re-encrypt what former keys have encrypted. Rotates first only where that is due.")
    ] = False,
    max_bytes: Annotated[
        str | None, typer.Option("--max-bytes", metavar="SIZE", help="With --reseal: re-encrypt at most so much, such as 50G.")
    ] = None,
    max_time: Annotated[
        float | None,
        typer.Option("--max-time", metavar="MINUTES", min=0, help="With --reseal: begin nothing new after so many minutes."),
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    quiet: Quiet = False,
    config: Config = None,
    identity: Identity = None,
    as_json: Json = False,
) -> None:
    """Begin a new epoch: what is stored from then on is encrypted with new keys, for those who hold some by now.

    What is stored already stays readable for them, and deduplication goes on. The command may be interrupted anywhere; run
    again, it completes what it has begun.

    With --reseal what former keys have encrypted is re-encrypted, a part at a time if you like: run it again until it says that
    nothing is left. A new epoch then begins only where a grant has ended since the last one, or none has begun yet. Packs that
    were re-encrypted are deleted by the next run, or by the next prune.
    """
    limits = _limits(max_bytes, max_time, reseal=reseal)
    with opened(config, identity, commits=not dry_run) as context:
        chosen = context.projects(projects)
        due = _due(context, chosen, reseal=reseal)
        if dry_run:
            _dry_run(context, chosen, due, limits, as_json=as_json)
            return
        for one in due:
            _show(one)
        if due:
            prompts.confirm(
                f"Rotate the keys of {', '.join(one.project for one in due)}?", yes=yes, undone="nothing was rotated"
            )
        rotated = _rotated(context, chosen, due, as_json=as_json)
        if limits is None:
            if as_json:
                output.document("keys-rotate/1", {"projects": [one.as_json() for one in rotated]})
            return
        done = [_resealed(context, name, limits, yes=yes, quiet=quiet, as_json=as_json) for name in projects]
    if as_json:
        document = {"rotated": [one.as_json() for one in rotated], "projects": [one.as_json() for one in done]}
        output.document("keys-reseal/1", document)
    if any(one.report.waiting for one in done):
        raise typer.Exit(Busy.exit_code)


def upgrade(
    dry_run: DryRun = False,
    yes: Yes = False,
    config: Config = None,
    identity: Identity = None,
    as_json: Json = False,
) -> None:
    """Bring a repository of an earlier version up to grants, rotation and an authenticated descriptor.

    Your identity becomes the one that grants in every project that it reads. Data is not touched. The command may be
    interrupted anywhere; run again, it completes what it has begun. Give the recovery kit with --identity as well, and it can
    grant, too.
    """
    from strongroom.key_rotation import plan_upgrade
    from strongroom.key_rotation import upgrade as bring_up

    with opened(config, identity, commits=True) as context:
        plan = plan_upgrade(context)
        if not as_json:
            _show_upgrade(plan)
        if not dry_run and not plan.empty:
            prompts.confirm("Upgrade the repository?", yes=yes, undone="nothing was changed")
            bring_up(context, plan)
    if as_json:
        output.document("keys-upgrade/1", {"done": not dry_run, **plan.as_json()})
    elif not dry_run and not plan.empty:
        output.result("The repository is upgraded. See who holds keys: strongroom keys list")


def _limits(max_bytes: str | None, max_time: float | None, *, reseal: bool) -> PruneLimits | None:
    if not reseal:
        if max_bytes is not None or max_time is not None:
            raise UsageError("--max-bytes and --max-time are for --reseal", hint="add it, or leave them out")
        return None
    size = None if max_bytes is None else wording.size_in_bytes(max_bytes)
    if max_bytes is not None and size is None:
        raise UsageError(f"invalid size {max_bytes!r}", hint="write 500M, 10G or a number of bytes")
    return PruneLimits(max_bytes=size, max_seconds=None if max_time is None else max_time * 60)


def _due(context: Context, chosen: list[Project], *, reseal: bool) -> list[RotationPlan]:
    from strongroom.key_rotation import plan_rotation

    plans = [plan_rotation(context, project) for project in chosen]
    return [one for one in plans if one.needed or not reseal]


def _dry_run(
    context: Context, chosen: list[Project], due: list[RotationPlan], limits: PruneLimits | None, *, as_json: bool
) -> None:
    from strongroom.reseal import plan_reseal

    plans = [] if limits is None else [plan_reseal(context, project, limits) for project in chosen]
    if as_json:
        found = {"projects": [one.as_json() for one in due], "reseal": [one.as_json() for one in plans]}
        output.document("keys-rotate-plan/1", found)
        return
    for one in due:
        _show(one)
    for left in plans:
        _show_left(left)


def _rotated(context: Context, chosen: list[Project], due: list[RotationPlan], *, as_json: bool) -> list[RotatedKeys]:
    from strongroom.key_rotation import rotate_keys

    names = {one.project for one in due}
    done = [rotate_keys(context, project) for project in chosen if project.name in names]
    for one in done if not as_json else ():
        holders = counted(len(one.holders), "holder")
        output.result(f"{one.project}: epoch {one.epoch} of its keys has begun, for {holders}.")
    return done


def _resealed(context: Context, name: str, limits: PruneLimits, *, yes: bool, quiet: bool, as_json: bool) -> Resealed:
    """name: of a project, which is opened anew: its keys may have been rotated just now."""
    from strongroom.reseal import plan_reseal, reseal

    project = context.project(name)
    with progress.shown(quiet=quiet, as_json=as_json, project=project.name) as listener:
        planned = plan_reseal(context, project, limits, progress=listener)
    if not as_json:
        _show_left(planned)
    if planned.prune.reclaims or planned.objects.former:
        prompts.confirm(
            f"Re-encrypt what former keys of {project.name} have encrypted?", yes=yes, undone="nothing was re-encrypted"
        )
    with progress.shown(quiet=quiet, as_json=as_json, project=project.name) as listener:
        done = reseal(context, project, planned, progress=listener)
    if not as_json:
        _show_resealed(done)
    return done


def _show(one: RotationPlan) -> None:
    from strongroom.key_rotation import in_words

    begun = "completes epoch" if one.resumes else "begins epoch"
    output.notice(f"{one.project}: {begun} {one.epoch} of its keys for {in_words(one.holders)}")
    if one.left_out:
        output.notice(f"  left out, with the keys of before: {in_words(one.left_out)}")
    if one.unknown:
        many = counted(len(one.unknown), "key object")
        output.notice(f"  left out: {many} of nobody who was granted anything: {', '.join(one.unknown)}")
    if one.backups:
        output.notice(f"  {counted(one.backups, 'backup')} under way may go on with the keys of before until they end")


def _show_left(one: PlannedReseal) -> None:
    if one.done:
        output.result(f"{one.project}: nothing is left that former keys have encrypted.")
        return
    _show_runs(one)
    output.result(
        f"{one.project}: former keys have encrypted {counted(one.packs, 'pack')} ({wording.size(one.bytes)}) and "
        f"{counted(len(one.objects.former), 'small object')}"
    )
    plan = one.prune.plan
    if plan.wasteful:
        size = wording.size(sum(it.pack.size for it in plan.wasteful))
        output.result(f"  {counted(len(plan.wasteful), 'pack')} ({size}) are re-encrypted now, and go with the next run")
    if plan.dead:
        output.result(f"  {counted(len(plan.dead), 'pack')} ({wording.size(sum(it.size for it in plan.dead))}) go now")
    if plan.locked:
        output.result(f"  {counted(len(plan.locked), 'pack')} are locked by the store, and stay until that is over")
    if one.objects.unreadable:
        output.notice(f"  {counted(len(one.objects.unreadable), 'object')} cannot be opened: see `strongroom check`")


def _show_resealed(done: Resealed) -> None:
    report, left = done.report, done.left
    if report.waiting:
        output.notice(
            f"{left.project}: backups are still under way; no pack was re-encrypted ({'; '.join(report.waiting_for)})"
        )
    output.result(
        f"{left.project}: {counted(report.moved, 'pack')} re-encrypted ({wording.size(report.stored)}), "
        f"{counted(report.deleted, 'pack')} deleted, {counted(done.objects, 'small object')} encrypted anew"
    )
    if left.done:
        output.result(f"{left.project}: nothing is left that former keys have encrypted.")
        return
    _show_runs(left)
    again = f"run `strongroom keys rotate {quoted(left.project)} --reseal` again"
    packs = f"{counted(left.packs, 'pack')} ({wording.size(left.bytes)})"
    objects = f"{counted(len(left.objects.former), 'small object')}"
    output.result(f"{left.project}: {packs} and {objects} of former keys are left: {again}")


def _show_runs(one: PlannedReseal) -> None:
    """Of whom nobody can say whether it is at work still, or was killed."""
    if one.objects.under_way:
        many = counted(len(one.objects.under_way), "run that began", "runs that began")
        output.notice(f"{one.project}: {many} before the keys were rotated may be at work, and store more with the former ones")


def _show_upgrade(plan: RepositoryUpgrade) -> None:
    if plan.empty:
        output.result("There is nothing to upgrade.")
        return
    if plan.feature:
        output.notice(
            "The repository will have the feature `epochs`: earlier versions of Strongroom refuse it by name from then on, so "
            "update every machine that uses it first."
        )
    for one in plan.projects:
        output.notice(f"{one.project}: grants for {', '.join(one.holders)}; new key objects in two places")
        if not one.kits_sign:
            output.notice("  the signing key of a recovery kit is not known: with it nobody can be granted anything")
        if one.unknown:
            output.notice(
                f"  {counted(len(one.unknown), 'key object')} of somebody who is not known stay as they are: grant them anew "
                f"before you rotate ({', '.join(one.unknown)})"
            )
