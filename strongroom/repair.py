"""Repair: what is damaged or gone of a project is mended from wherever the truth still is, and what cannot be is named or,
where a person asks for it, given up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from strongroom import cached_copies, command_log, environment, local_state, object_lock, sources
from strongroom.forget import Confirm, confirmed
from vault.progress import NoProgress, Progress, Stop, never

if TYPE_CHECKING:
    from strongroom.context import Context
    from vault.repository.project import Project
    from vault.repository.repair.chunk_sources import ContentSource
    from vault.repository.repair.plan import RepairPlan, RepairReport
    from vault.repository.repair.planner import RepairOptions
    from vault.storage.contract import Store


class RepairLimits(Struct, frozen=True):
    """What a repair looks at. read_data: whether all packs are read, and not only those that checks have found damaged ·
    others: stores with a copy of the repository."""

    read_data: bool = False
    others: Sequence[Store] = ()


class PlannedRepair(Struct, frozen=True):
    """What a repair of a project would do. options: under which it was planned, and is done."""

    project: str
    plan: RepairPlan
    options: RepairOptions

    @property
    def droppable(self) -> bool:
        """Whether there is anything that a person can give up."""
        return bool(self.plan.lost) or any(one.drop for one in self.plan.unrepaired)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {"project": self.project, "plan": self.plan.as_json()}


class RepairResult(Struct, frozen=True):
    """What a repair of a project did, and what it had planned. dropped: what a person has given up, in words."""

    planned: PlannedRepair
    report: RepairReport
    dropped: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return self.planned.as_json() | self.report.as_json() | {"dropped": list(self.dropped)}


def plan_repair(
    context: Context,
    project: Project,
    limits: RepairLimits | None = None,
    *,
    progress: Progress | None = None,
    stop: Stop = never,
) -> PlannedRepair:
    """What would be mended, from where, and what cannot be. Nothing in the store is changed. progress: hears how far it is ·
    stop: called often, raises to end it. Raises `StorageError`."""
    from vault.repository.repair.planner import RepairOptions, make_plan

    limits = limits or RepairLimits()
    options = RepairOptions(
        others=tuple(limits.others),
        cached=_cached(context, project),
        live=_live(context, project),
        known_damaged=local_state.damaged_packs(context.settings, project.name),
        read_data=limits.read_data,
        stop=stop,
        progress=progress or NoProgress(),
    )
    return PlannedRepair(project.name, make_plan(project, context.memory, options), options)


def apply_repair(
    context: Context,
    project: Project,
    planned: PlannedRepair,
    *,
    confirm: Confirm = confirmed,
    progress: Progress | None = None,
) -> RepairResult:
    """Do what a plan says, as far as it still holds: it may be interrupted anywhere, and the next repair goes on with the rest.
    The context must have been opened to commit (`opened(…, commits=True)`). confirm: not called where there is nothing to do ·
    progress: hears how far it is. Raises `Busy`, `Damaged`, `StorageError`, `TargetError` where this machine cannot keep what
    is replaced."""
    from vault.repository.repair.repair import apply

    with command_log.recorded(context, "repair", [project], {"steps": len(planned.plan.steps)}) as entry:
        if planned.plan.steps:
            confirm()
            entry.begin()
            object_lock.begun(context, project)
        report = apply(project, context.memory, planned.plan, replace(planned.options, progress=progress or NoProgress()))
        entry.count(packs=len(report.packs))
    return _noted(context, project, RepairResult(planned, report))


def drop_lost(
    context: Context,
    project: Project,
    planned: PlannedRepair,
    *,
    reason: str,
    confirm: Confirm = confirmed,
    progress: Progress | None = None,
) -> RepairResult:
    """As `apply_repair`, and give up what the plan says is lost; it is on record, with the person's name and the reason. Raises
    besides `UsageError` for a reason that is no reason, `KeyRefused` where content would be given up by an identity that may
    not read it."""
    from vault.repository.repair.dropping import drop

    with command_log.recorded(context, "repair", [project], {"drop": True, "reason": reason}) as entry:
        if planned.plan.steps or planned.droppable:
            confirm()
            entry.begin(destructive=True)
            object_lock.begun(context, project)
        options = replace(planned.options, progress=progress or NoProgress())
        done = drop(project, context.memory, planned.plan, options, reason=reason, who=environment.person())
        entry.count(packs=len(done.report.packs))
    return _noted(context, project, RepairResult(planned, done.report, done.dropped))


def mend_older_snapshots(context: Context, project: Project, packs: frozenset[bytes]) -> frozenset[bytes]:
    """After a backup has read lost content again: say where it lies now, for the older snapshots too, as far as nothing else of
    their packs is lost. Gives the packs that no snapshot needs any more. packs: that are gone or damaged. Raises
    `StorageError`, `Busy`, `Interrupted`."""
    from vault.repository.repair import lost_packs, pack_damage
    from vault.storage.caching import uncached

    below = replace(project, store=uncached(project.store))
    known = packs | local_state.damaged_packs(context.settings, project.name)
    damage = pack_damage.look(below, pack_damage.LookOptions(known_damaged=known))
    if not damage.bad:
        return frozenset()
    object_lock.begun(context, project)
    return lost_packs.move(project, damage, lost_packs.MoveOptions()).packs


def _noted(context: Context, project: Project, result: RepairResult) -> RepairResult:
    """Backups may rely on packs again that were put back."""
    cached_copies.note_whole(context, project, result.report.packs)
    return result


def _live(context: Context, project: Project) -> list[ContentSource]:
    """The sources that the settings name."""
    from vault.backup.source_contents import LiveSource

    own, surroundings = context.settings.project(project.name), sources.context_of(context.settings, project.name)
    return [LiveSource(project, sources.backup_source(own, one, surroundings)) for one in own.sources]


def _cached(context: Context, project: Project) -> list[ContentSource]:
    """What this machine's cache keeps of content."""
    from vault.backup.source_contents import KeptBases

    names = tuple(one.name for one in context.settings.project(project.name).sources)
    return [KeptBases(project, names, context.cache)]
