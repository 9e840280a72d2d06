"""Storing anew, under the current keys of a project, what former ones have encrypted. It takes the time and the traffic of a
restore and a backup of all that is old; it may be limited and interrupted, and goes on where it stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from strongroom import command_log
from strongroom.prune import PlannedPrune, PruneLimits, apply_prune, prune_options
from vault.progress import NoProgress, Progress, Stop, never

if TYPE_CHECKING:
    from strongroom.context import Context
    from vault.repository.gc.former_epochs import FormerObjects
    from vault.repository.gc.prune_report import PruneReport
    from vault.repository.project import Project


class PlannedReseal(Struct, frozen=True):
    """What is left of former epochs. project: its name · prune: stores needed packs anew, and deletes those that nothing needs
    any more · objects: small ones · packs: of former epochs that stand, needed or not."""

    project: str
    epoch: int
    prune: PlannedPrune
    objects: FormerObjects
    packs: int
    bytes: int

    @property
    def done(self) -> bool:
        """Whether nothing of a former epoch is left, and nobody is at work who may still store something of it."""
        return not self.packs and not self.objects.former and not self.objects.under_way

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        plan = self.prune.plan
        return {
            "project": self.project,
            "epoch": self.epoch,
            "packs": self.packs,
            "bytes": self.bytes,
            "packs_to_reencrypt": len(plan.wasteful),
            "bytes_to_reencrypt": sum(one.pack.size for one in plan.wasteful),
            "packs_deleted": len(plan.dead),
            "packs_locked": len(plan.locked),
            "small_objects": len(self.objects.former),
            "small_objects_unreadable": len(self.objects.unreadable),
            "runs_under_way": len(self.objects.under_way),
            "nothing_left": self.done,
        }


class Resealed(Struct, frozen=True):
    """What was done, and what is left: as a plan."""

    report: PruneReport
    objects: int
    left: PlannedReseal

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "project": self.left.project,
            "packs_reencrypted": self.report.moved,
            "stored_bytes": self.report.stored,
            "packs_deleted": self.report.deleted,
            "freed_bytes": self.report.freed,
            "waiting": list(self.report.waiting),
            "small_objects_reencrypted": self.objects,
            "remaining": self.left.as_json(),
        }


def plan_reseal(
    context: Context,
    project: Project,
    limits: PruneLimits | None = None,
    *,
    progress: Progress | None = None,
    stop: Stop = never,
) -> PlannedReseal:
    """What former epochs have sealed, and how much of it this run would store anew. limits: of bytes and time; the others do
    not apply. Raises as `plan_prune`, `KeyRefused` where content cannot be read."""
    from vault.repository.gc.former_epochs import KnownCurrent, former_objects, former_packs
    from vault.repository.gc.prune_inputs import list_packs_twice
    from vault.repository.gc.prune_plan import StoredPack
    from vault.repository.gc.prune_planner import make_plan

    project.capability.reading()
    known = KnownCurrent(project, context.memory)
    progress = progress or NoProgress()
    listed = list_packs_twice(project)
    stored = [StoredPack(tier, pack, listed[tier, pack]) for tier, pack in sorted(listed)]
    former = former_packs(project, stored, known, stop, progress)
    context.gone(project)
    options = prune_options(context, project, limits or PruneLimits(), progress=progress, stop=stop)
    options = replace(options, repack_above=None, join=False, anew=lambda _: former)
    prune = PlannedPrune(project.name, make_plan(project, options), options)
    old = [one for one in stored if one.sha256 in former]
    objects = former_objects(project, known, stop)
    return PlannedReseal(project.name, project.capability.epoch, prune, objects, len(old), sum(one.size for one in old))


def reseal(
    context: Context,
    project: Project,
    planned: PlannedReseal,
    *,
    progress: Progress | None = None,
    stop: Stop = never,
) -> Resealed:
    """Do what a plan says, and look what is left. Packs that were re-encrypted are deleted by the next run, so that whoever
    reads them now can go on. Raises as `apply_prune`."""
    from vault.repository.gc.former_epochs import KnownCurrent, seal_anew

    with command_log.recorded(context, "reseal", [project], {"epoch": planned.epoch}) as entry:
        entry.begin(destructive=True)
        report = apply_prune(context, project, planned.prune, progress=progress).report
        sealed = seal_anew(project, planned.objects.former, KnownCurrent(project, context.memory), stop)
        entry.count(objects=sealed)
    return Resealed(report, sealed, plan_reseal(context, project, PruneLimits(), progress=progress, stop=stop))
