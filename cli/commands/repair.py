"""`strongroom repair [PROJECT…]`: what is damaged or gone is mended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec.structs import replace

from cli import colour, output, progress
from cli.options import Config, Identity, Json, Quiet, Repository, Yes
from cli.prompts import confirm
from strongroom import repair_log, repair_repository
from strongroom.context import Context, opened
from strongroom.copies import stores_of_copies
from strongroom.repair import PlannedRepair, RepairLimits, RepairResult, apply_repair, drop_lost, plan_repair
from strongroom.repair_repository import FoundDescriptor, RepositoryRepair, found_descriptor
from vault.errors import Damaged, UsageError
from vault.problems import printable
from vault.wording import counted, moment

if TYPE_CHECKING:
    from vault.repository.project import Project
    from vault.repository.repair.plan import RepairPlan
    from vault.repository.repair.unrepaired_items import LostItem
    from vault.storage.contract import Store

SHOWN = 50
"""Lines of one sort; all of them with `--json`."""


def repair(
    projects: Annotated[list[str] | None, typer.Argument(metavar="PROJECT", help="Default: all.")] = None,
    read_data: Annotated[
        bool, typer.Option("--read-data", help="Read all packs first, not only those that checks have found damaged.")
    ] = False,
    drop: Annotated[
        bool, typer.Option("--drop", help="Give up what cannot be had anywhere, so that the rest is sound; needs --reason.")
    ] = False,
    reason: Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why it is given up; it is on record.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and change nothing.")] = False,
    yes: Yes = False,
    config: Config = None,
    repository: Repository = None,
    identity: Identity = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Mend what is damaged or gone, from wherever the truth still is: other packs, the cache, second copies, the live sources.

    The plan is shown first. It may be interrupted anywhere, and the next repair goes on with the rest; backups, restores and
    prunes may run beside it. What is written over is kept in this machine's state folder, and nothing is deleted but index
    segments and roll-ups that cannot be read, as the packs and manifests say the same.

    What cannot be mended is named, item by item, with its last good version, and the command ends with exit code 20. With
    --drop a person gives that up: a note says so, and checks do not call it damage any more.
    """
    reason = _reason(reason, drop=drop)
    limits = RepairLimits(read_data)
    with found_descriptor(config, repository, identity) as descriptor:
        whole = RepositoryRepair()
        _repair_descriptor(descriptor, whole, dry_run=dry_run, yes=yes, as_json=as_json)
        wrap = descriptor.overlaid if dry_run else None
        with (
            opened(config, identity, commits=not dry_run, address=repository, wrap=wrap) as context,
            stores_of_copies(context) as copies,
        ):
            chosen = context.projects(projects or [])
            limits = replace(limits, others=[copy.bare for copy in copies if copy.begun])
            # before this command's own entry is written behind those that stand
            logged = _repair_log(context, chosen, limits.others, dry_run=dry_run, yes=yes, as_json=as_json)
            whole.steps |= logged.steps
            whole.unrepaired |= logged.unrepaired
            work = _Work(context, reason, yes=yes, quiet=quiet, as_json=as_json)
            answers = [work.plan(project, limits) if dry_run else work.repair(project, limits) for project in chosen]
            # who is to have keys follows from the grants, which are mended by now
            _repair_repository(context, chosen, whole, limits.others, dry_run=dry_run, yes=yes, as_json=as_json)
    if as_json:
        values = {"repository": whole.as_json(), "projects": [one.as_json() for one in answers]}
        output.document(
            "repair-plan/1" if dry_run else "repair/1", values | {"refused": [one.as_json() for one in context.refused]}
        )
    if context.refused or whole.unrepaired or not all(map(_is_mended, answers)):
        raise typer.Exit(Damaged.exit_code)


def _reason(text: str | None, *, drop: bool) -> str | None:
    """Why something is given up; None where nothing is. Raises `UsageError`."""
    if drop != (text is not None) or (text is not None and not text.strip()):
        raise UsageError("--drop and --reason belong together", hint="write `strongroom repair PROJECT --drop --reason TEXT`")
    return None if text is None else text.strip()


def _is_mended(answer: PlannedRepair | RepairResult) -> bool:
    """Whether nothing is left, or will be."""
    if isinstance(answer, RepairResult):
        return answer.report.left.sound and not answer.report.failed
    return not answer.plan.lost and not answer.plan.unrepaired


def _repair_descriptor(
    descriptor: FoundDescriptor, whole: RepositoryRepair, *, dry_run: bool, yes: bool, as_json: bool
) -> None:
    """Without it nothing else can be looked at. Raises `Damaged` where nobody has the right one."""
    from vault.format import layout

    if descriptor.whole:
        return
    finding = descriptor.finding
    if finding.copy is None:
        raise Damaged(
            f"{finding.message}, and this machine has no copy of it that can be believed",
            hint="run the repair on a machine that has used the repository, or put strongroom.json back from a copy of it",
        )
    whole.steps[layout.DESCRIPTOR] = said = f"{finding.message}; it is put back from {finding.copy.origin}"
    if not as_json:
        output.result(f"repository: {said}")
    if dry_run:
        return
    if not yes:
        confirm("Put the descriptor back?")
    if not descriptor.put_back():
        raise Damaged(f"{finding.message}; the store has something else under its name after it was put back")


def _repair_repository(
    context: Context,
    chosen: Sequence[Project],
    whole: RepositoryRepair,
    others: Sequence[Store],
    *,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    planned = repair_repository.plan_repository(context, chosen, others)
    if not as_json:
        _show_lines("repository", list(planned.steps.values()), list(planned.unrepaired.values()))
    if planned.steps and not dry_run:
        if not yes:
            confirm("Repair the repository's objects?")
        planned = repair_repository.repair_repository(context, chosen, others)
    whole.steps |= planned.steps
    whole.unrepaired |= planned.unrepaired


def _repair_log(
    context: Context, chosen: Sequence[Project], others: Sequence[Store], *, dry_run: bool, yes: bool, as_json: bool
) -> RepositoryRepair:
    planned = repair_log.repair_log(context, chosen, others, write=False)
    if not as_json:
        _show_lines("the log", list(planned.steps.values()), list(planned.unrepaired.values()))
    if not planned.steps or dry_run:
        return planned
    if not yes:
        confirm("Repair the log?")
    return repair_log.repair_log(context, chosen, others, write=True)


class _Work:
    """Project by project."""

    def __init__(self, context: Context, reason: str | None, *, yes: bool, quiet: bool, as_json: bool) -> None:
        self._context = context
        self._reason = reason
        self._yes = yes
        self._quiet = quiet
        self._as_json = as_json

    def plan(self, project: Project, limits: RepairLimits) -> PlannedRepair:
        """Shown, and not done."""
        with progress.shown(quiet=self._quiet, as_json=self._as_json, project=project.name) as listener:
            planned = plan_repair(self._context, project, limits, progress=listener)
        if not self._as_json:
            _show_plan(planned.plan)
        return planned

    def repair(self, project: Project, limits: RepairLimits) -> RepairResult:
        """Shown, asked, and done."""
        planned = self.plan(project, limits)

        def ask() -> None:
            if not self._yes:
                gives_up = self._reason is not None and planned.droppable
                confirm(f"Repair {project.name}, and give up what cannot be mended?" if gives_up else f"Repair {project.name}?")

        with progress.shown(quiet=self._quiet, as_json=self._as_json, project=project.name) as listener:
            if self._reason is None:
                done = apply_repair(self._context, project, planned, confirm=ask, progress=listener)
            else:
                done = drop_lost(self._context, project, planned, reason=self._reason, confirm=ask, progress=listener)
        if not self._as_json:
            _show_result(done)
        return done


def _show_plan(plan: RepairPlan) -> None:
    if plan.sound:
        output.result(f"{plan.project}: nothing to repair", paint=("nothing to repair", colour.Style.GOOD))
        return
    left = [f"{one.message}{one.drop and f' (with --drop: {one.drop})'}" for one in plan.unrepaired]
    _show_lines(plan.project, [_with_origin(one.message, one.origin) for one in plan.steps], left)
    for item in plan.lost[:SHOWN]:
        output.result(f"  lost: {_lost(item)}", paint=("  lost:", colour.Style.BAD))
    _more(len(plan.lost))
    if not plan.reads:
        output.notice(f"{plan.project}: this identity may not read content, so what lies in packs could not be looked for")
    for line in plan.unreachable:
        output.notice(f"warning: {line}")


def _with_origin(message: str, origin: str) -> str:
    return f"{message} (from {origin})" if origin else message


def _lost(item: LostItem) -> str:
    where = counted(item.snapshots, "snapshot")
    good = "there is no good version of it"
    if item.good is not None:
        good = f"its last good version is that of {moment(item.good.seen_at)}, in snapshot {item.good.snapshot}"
    return f"{printable(item.path)} in {where}, the newest {item.newest}; {good}"


def _show_lines(what: str, steps: Sequence[str], left: Sequence[str]) -> None:
    for line in steps[:SHOWN]:
        output.result(f"{what}: {line}")
    _more(len(steps))
    for line in left[:SHOWN]:
        output.result(f"  stays: {line}", paint=("  stays:", colour.Style.BAD))
    _more(len(left))


def _more(count: int) -> None:
    if count > SHOWN:
        output.result(f"  … and {count - SHOWN} more (all of them with --json)")


def _show_result(done: RepairResult) -> None:
    name, report = done.planned.project, done.report
    for line in done.dropped[:SHOWN]:
        output.result(f"{name}: given up: {line}")
    _more(len(done.dropped))
    for one in report.failed[:SHOWN]:
        output.result(f"  failed: {one.object}: {one.message}", paint=("  failed:", colour.Style.BAD))
    if done.planned.plan.steps or done.dropped:
        left = len(report.left.unrepaired) + len(report.left.lost) + len(report.left.steps)
        verdict = "nothing is left to repair" if report.left.sound else f"{counted(left, 'thing')} could not be repaired"
        style = colour.Style.GOOD if report.left.sound else colour.Style.BAD
        output.result(f"{name}: {counted(len(report.done), 'repair')} done; {verdict}", paint=(verdict, style))
