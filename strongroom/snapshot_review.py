"""Snapshots that were flagged as suspicious: what they changed, why they were flagged, and that a person accepts them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from strongroom import command_log, local_state, post_backup
from vault.errors import Damaged, UsageError
from vault.wording import quoted

if TYPE_CHECKING:
    from strongroom.context import Context
    from strongroom.snapshot_changes import SnapshotChanges
    from vault.format.hold import Hold
    from vault.format.snapshot_record import Record
    from vault.repository.project import Project


class FlaggedSnapshot(Struct, frozen=True):
    """A snapshot that nobody has accepted yet, so that retention of its project is frozen.

    snapshot: its id · hold: the id of what freezes retention · why: which snapshot it is, and what is wrong with it · record:
    None where it is gone or damaged · changes: against the newest one before it that is not flagged; None where there is none,
    or `trouble` says why it cannot be told.
    """

    project: str
    snapshot: str
    hold: str
    why: str
    record: Record | None = None
    changes: SnapshotChanges | None = None
    trouble: str = ""

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        record = self.record
        return {
            "snapshot": self.snapshot,
            "hold": self.hold,
            "why": self.why,
            "source": record and record.source,
            "taken_at": record and record.taken_at.isoformat(),
            "difference": self.changes and self.changes.as_json(),
            "trouble": self.trouble or None,
        }


class AcceptedSnapshots(Struct, frozen=True):
    """What a person has accepted. who: that person · reason: why all is well · frozen: why retention still is."""

    project: str
    accepted: tuple[FlaggedSnapshot, ...]
    who: str
    reason: str
    frozen: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        listed = [one.as_json() for one in self.accepted]
        named = {"project": self.project, "accepted": listed, "who": self.who, "reason": self.reason}
        return named | {"frozen": list(self.frozen)}


def flagged_snapshots(context: Context, project: Project, snapshots: Sequence[str] = ()) -> tuple[FlaggedSnapshot, ...]:
    """The flagged snapshots that nobody has accepted, the oldest first, and what each changed. snapshots: ids, their beginnings
    or `latest`; all where none is given. Raises `UsageError` where there is none, or one of these is not flagged,
    `StorageError`."""
    from policies.monitoring import retention_freeze
    from vault.repository import holds
    from vault.repository import snapshots as stored

    frozen = retention_freeze.freezing(holds.read_all(project).holds, project.services.clock.now())
    if not frozen:
        raise retention_freeze.not_frozen(project)
    found = [
        FlaggedSnapshot(project.name, snapshot, hold.id, retention_freeze.why(hold))
        for hold in frozen
        for snapshot in retention_freeze.flagged(hold)
    ]
    chosen = _chosen(context, project, found, snapshots)
    records = stored.committed(project).records
    by_id = {one.id: one for one in records}
    flagged_ids = {one.snapshot for one in found}
    good = [one for one in records if one.id not in flagged_ids]
    return tuple(_with_changes(project, one, by_id.get(one.snapshot), good) for one in chosen)


def _chosen(
    context: Context, project: Project, found: Sequence[FlaggedSnapshot], snapshots: Sequence[str]
) -> Sequence[FlaggedSnapshot]:
    from strongroom.snapshot_details import find_snapshot

    if not snapshots:
        return found
    wanted: dict[str, FlaggedSnapshot] = {}
    for text in snapshots:
        of_gone = [one for one in found if one.snapshot.startswith(text)]
        snapshot = of_gone[0].snapshot if len(of_gone) == 1 else find_snapshot(context, project, text).id
        one = next((one for one in found if one.snapshot == snapshot), None)
        if one is None:
            named = ", ".join(one.snapshot for one in found)
            raise UsageError(f"snapshot {snapshot} of project {project.name!r} is not flagged", hint=f"flagged are: {named}")
        wanted[snapshot] = one
    return tuple(wanted.values())


def _with_changes(project: Project, one: FlaggedSnapshot, record: Record | None, good: Sequence[Record]) -> FlaggedSnapshot:
    from strongroom.snapshot_changes import catalogue_reader, changes_between
    from vault.repository import snapshots

    if record is None:
        return replace(one, trouble="the snapshot is gone or damaged, so that what it changed cannot be told")
    before = next(iter(snapshots.earlier(good, record)), None)
    if before is None:
        return replace(one, record=record, trouble="no earlier snapshot is left that it could be compared with")
    try:
        return replace(one, record=record, changes=changes_between(catalogue_reader(project), before, record))
    except Damaged as error:
        return replace(one, record=record, trouble=f"what it changed cannot be told: {error}")


def accept_snapshots(
    context: Context, project: Project, flagged: Sequence[FlaggedSnapshot], *, reason: str
) -> AcceptedSnapshots:
    """Accept flagged snapshots: retention goes on once none is left. The reason is kept in the repository, with who gave it.
    Raises `UsageError` without a reason, and where somebody has accepted them meanwhile; `StorageError`."""
    from policies.monitoring import retention_freeze

    if not reason.strip():
        raise missing_reason(project.name)
    who = command_log.person()
    what = {"snapshots": [one.snapshot for one in flagged], "reason": reason.strip()}
    with command_log.recorded(context, "accept", [project], what) as entry:
        entry.begin(destructive=True)
        released = retention_freeze.accept(project, reason=reason, who=who, only={one.hold for one in flagged})
        entry.count(flags=len(released))
    with local_state.noted(context.settings) as state_store:
        if state_store is not None:
            post_backup.note_freeze(state_store, project)
    done = {hold.id for hold in released}
    return AcceptedSnapshots(
        project=project.name,
        accepted=tuple(one for one in flagged if one.hold in done),
        who=who,
        reason=reason.strip(),
        frozen=tuple(retention_freeze.why(hold) for hold in _still_frozen(project)),
    )


def missing_reason(project: str) -> UsageError:
    """That a snapshot is not accepted without a word."""
    hint = f"say what you found: `strongroom snapshot accept {quoted(project)} --reason 'they moved the archive'`"
    return UsageError("accepting a flagged snapshot needs a reason", hint=hint)


def _still_frozen(project: Project) -> tuple[Hold, ...]:
    from policies.monitoring import retention_freeze
    from vault.repository import holds

    return retention_freeze.freezing(holds.read_all(project).holds, project.services.clock.now())
