"""Prune: room that no snapshot of a project needs is given back, beside backups and restores, without a lock."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from strongroom import command_log, held_snapshots, local_state, notices, object_lock
from strongroom.forget import Confirm, confirmed
from vault.errors import Interrupted, StrongroomError
from vault.progress import NoProgress, Progress, Stop, never

if TYPE_CHECKING:
    from strongroom.context import Context
    from vault.repository.claims import WaitOptions
    from vault.repository.gc.prune_plan import PruneOptions, PrunePlan
    from vault.repository.gc.prune_report import PruneReport
    from vault.repository.project import Project


class PruneLimits(Struct, frozen=True):
    """How far a prune goes. max_bytes: deleted or repacked at most · max_seconds: after so many nothing new is begun,
    waiting included · wait: for backups under way, at most so long; None: an hour · repack_above: share of a pack (0 to 1)
    that is waste, from which on the rest is repacked · join: whether small packs are joined once enough have come together;
    not in a copy · allow_empty: that no record of a snapshot is left is meant."""

    max_bytes: int | None = None
    max_seconds: float | None = None
    wait: timedelta | None = None
    repack_above: float = 0.5
    join: bool = True
    allow_empty: bool = False


class PlannedPrune(Struct, frozen=True):
    """What a prune of a project would do. options: under which it was planned, and is done."""

    project: str
    plan: PrunePlan
    options: PruneOptions

    @property
    def reclaims(self) -> bool:
        """Whether there is anything to delete or to store anew."""
        return bool(self.plan.dead or self.plan.wasteful or self.plan.forgotten or self.plan.joins)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {"project": self.project, "plan": self.plan.as_json()}


class PruneResult(Struct, frozen=True):
    """What a prune of a project did, and what it had planned."""

    planned: PlannedPrune
    report: PruneReport

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return self.planned.as_json() | self.report.as_json()


def plan_prune(
    context: Context,
    project: Project,
    limits: PruneLimits | None = None,
    *,
    progress: Progress | None = None,
    stop: Stop = never,
) -> PlannedPrune:
    """What would go, what stays and why. Nothing is changed; which snapshots are gone is said as warnings. limits: none, if
    nothing is said · progress: hears how far it is · stop: called often, raises to end it.

    Raises `Damaged` where a record cannot be read, or is gone: what it needs nobody knows. Raises `RefusedByRule` where all
    records are gone, `StorageError`.
    """
    from vault.repository.gc.prune_planner import make_plan

    context.gone(project)
    options = prune_options(context, project, limits or PruneLimits(), progress=progress, stop=stop)
    return PlannedPrune(project.name, make_plan(project, options), options)


def prune_options(
    context: Context, project: Project, limits: PruneLimits, *, progress: Progress | None, stop: Stop
) -> PruneOptions:
    """How a prune of a project behaves: with its holds, its locks, and what this machine remembers."""
    from vault.repository.gc.prune_plan import PruneOptions
    from vault.repository.object_lock import locked

    return PruneOptions(
        held=held_snapshots.held(project),
        locked=locked(project),
        remembered=frozenset(context.memory.lines("snapshots", project.id)),
        max_bytes=limits.max_bytes,
        max_seconds=limits.max_seconds,
        repack_above=limits.repack_above,
        join=limits.join and context.first is None,  # packs that were joined in the first store are copied
        youngest_joined=_shortest_storage(context),
        allow_empty=limits.allow_empty,
        patience=_patience(limits.wait),
        stop=stop,
        progress=progress or NoProgress(),
    )


def apply_prune(
    context: Context,
    project: Project,
    planned: PlannedPrune,
    *,
    confirm: Confirm = confirmed,
    progress: Progress | None = None,
) -> PruneResult:
    """Do what a plan says, as far as it still holds: it may be interrupted anywhere, and the next prune goes on with the rest.
    The context must have been opened to commit (`opened(…, commits=True)`). confirm: not called where there is nothing to
    reclaim · progress: hears how far it is.

    Raises `StorageDenied` where these credentials may not delete, `RefusedByRule` where a hold is gone: then nothing was
    changed. Raises `Busy`, `Damaged`, `StorageError`.
    """
    from vault.repository.gc.prune import apply, refuse_without_rights

    with command_log.recorded(context, "prune", [project], _asked(planned)) as entry:
        refuse_without_rights(project)
        context.refuse_lost_holds(project)
        object_lock.begun(context, project)
        if planned.reclaims:
            confirm()
        entry.begin(destructive=planned.reclaims)
        report = apply(project, planned.plan, replace(planned.options, progress=progress or NoProgress()))
        entry.count(packs_deleted=report.deleted, bytes_freed=report.freed, packs_joined=report.joined)
        entry.problems(len(report.refused) + len(report.damaged))
    if report.done:
        local_state.note_run(context.settings, project.name, "prune")
        if context.first is None:  # roll-ups of the first store are copied as they are
            _join_rollups(project, planned.options.stop, progress or NoProgress())
    return PruneResult(planned, report)


def _asked(planned: PlannedPrune) -> dict[str, object]:
    """For the log."""
    plan, options = planned.plan, planned.options
    return {
        "packs_dead": len(plan.dead),
        "packs_wasteful": len(plan.wasteful),
        "forgotten_snapshots": list(plan.forgotten),
        "max_bytes": options.max_bytes,
        "allow_empty": options.allow_empty,
    }


def _shortest_storage(context: Context) -> timedelta:
    """How old an object must be before the store does not charge for deleting it."""
    from strongroom.settings import durations

    text = context.settings.document.repository.minimum_storage
    return timedelta(0) if text is None else durations.read(text)


def _patience(wait: timedelta | None) -> WaitOptions:
    from vault.repository.claims import WaitOptions

    if wait is None:
        return WaitOptions()
    return WaitOptions(seconds=wait.total_seconds(), altogether=wait.total_seconds())


def _join_rollups(project: Project, stop: Stop, progress: Progress) -> None:
    """A failure is no problem of the prune: they are derived, and a later one tries again."""
    from restore.history import rollup_joining
    from restore.history.update import UpdateOptions

    try:
        rollup_joining.join(project, UpdateOptions(stop, progress))
    except Interrupted:
        raise
    except StrongroomError as error:
        notices.notice(f"roll-ups of {project.name} were not joined, a later prune tries again: {error}")
