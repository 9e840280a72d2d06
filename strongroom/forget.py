"""Forgetting snapshots by their ids, giving up those that are lost, and the log that tells of both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from strongroom import command_log, environment, held_snapshots, object_lock

if TYPE_CHECKING:
    from strongroom.context import Context
    from vault.format.forget_note import ForgetNote, ForgottenSnapshot
    from vault.format.snapshot_record import Record
    from vault.problems import Problem
    from vault.repository.project import Project

Confirm = Callable[[], None]
"""Called once, after all that may refuse and before anything is changed; raises where a person does not want it."""

GRACE = timedelta(days=7)
"""How long no prune deletes a pack after a loss was accepted, if nothing else is said."""


def confirmed() -> None:
    """Whoever calls has decided already."""


class ForgottenSnapshots(Struct, frozen=True):
    """Snapshots of a project that were just forgotten."""

    project: str
    snapshots: tuple[Record, ...]

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {"project": self.project, "forgotten": [one.id for one in self.snapshots]}


class AcceptedLoss(Struct, frozen=True):
    """Snapshots of a project that were just noted as lost."""

    project: str
    snapshots: tuple[ForgottenSnapshot, ...]

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {"project": self.project, "accepted": [{"snapshot": one.id, **one.as_json()} for one in self.snapshots]}


class ForgetLog(Struct, frozen=True):
    """Which snapshots of a project were forgotten or given up as lost. notes: oldest first · damage: notes that cannot be
    used."""

    project: str
    notes: tuple[ForgetNote, ...]
    damage: tuple[Problem, ...]

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        named = [(note, snapshots_of(note)) for note in self.notes]
        return {
            "project": self.project,
            "notes": [
                note.as_json() | {"snapshots": [{"snapshot": one.id, **one.as_json()} for one in some]}
                for note, some in named
                if some or note.items or note.contents
            ],
            "damage": [problem.as_json() for problem in self.damage],
        }


def forget_snapshots(
    context: Context,
    project: Project,
    snapshots: Sequence[str],
    *,
    reason: str,
    newest_too: bool = False,
    confirm: Confirm = confirmed,
) -> ForgottenSnapshots:
    """Forget snapshots by their ids. What only they needed stays in the store until a prune. reason: in words; it is kept with
    the note · newest_too: even the newest one of a source.

    Raises `UsageError` where there is no such snapshot, `RefusedByRule` where a hold is on one, a hold is gone, or one is the
    newest of its source: then none is forgotten. Raises `StorageError`.
    """
    from vault.repository.gc.forget import forget

    what = {"snapshots": list(snapshots), "reason": reason, "newest_too": newest_too}
    with command_log.recorded(context, "forget", [project], what) as entry:
        context.refuse_lost_holds(project)
        object_lock.begun(context, project)
        confirm()
        entry.begin(destructive=True)
        held, who = held_snapshots.held(project), environment.person()
        gone = forget(project, snapshots, reason=reason, who=who, held=held, newest_too=newest_too)
        entry.count(snapshots=len(gone))
    context.memory.drop_snapshots(project.id, [one.id for one in gone])
    return ForgottenSnapshots(project.name, tuple(gone))


def accept_loss(
    context: Context,
    project: Project,
    snapshots: Sequence[str],
    *,
    reason: str,
    grace: timedelta = GRACE,
    confirm: Confirm = confirmed,
) -> AcceptedLoss:
    """Note that missing or damaged snapshots are lost: from then on nobody misses them. reason: in words; it is kept with the
    note · grace: so long no prune deletes a pack.

    Raises `UsageError` for one that nobody knows of, `RefusedByRule` for one that is there and can be read: then nothing is
    noted. Raises `StorageError`.
    """
    from vault.repository import missing_snapshots

    context.gone(project)
    confirm()
    remembered, who = context.memory.lines("snapshots", project.id), environment.person()
    what = {"snapshots": list(snapshots), "reason": reason, "grace_seconds": int(grace.total_seconds())}
    with command_log.recorded(context, "accept-loss", [project], what) as entry:
        entry.begin(destructive=True)
        lost = missing_snapshots.accept(project, snapshots, reason=reason, who=who, remembered=remembered, packs_stay=grace)
        entry.count(snapshots=len(lost))
    context.memory.drop_snapshots(project.id, [one.id for one in lost])
    return AcceptedLoss(project.name, tuple(lost))


def forget_log(project: Project) -> ForgetLog:
    """Who forgot which snapshots, or gave them up, when and why. Raises `StorageError`."""
    from vault.repository import forget_notes

    notes, problems = forget_notes.read_notes(project)
    return ForgetLog(project.name, tuple(notes), tuple(problems))


def snapshots_of(note: ForgetNote) -> list[ForgottenSnapshot]:
    """The snapshots that a note names, without what prunes write for themselves."""
    from vault.repository.gc.repack import SOURCE

    return [one for one in note.snapshots if one.source != SOURCE]
