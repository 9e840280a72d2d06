"""A flagged snapshot freezes retention for its project, on every host, until a person accepts it.

The flag is a hold on the whole project, placed in the name of `FREEZER`: holds are stored in the repository, bind retention and
prune for everybody, and leave a record of who released them, when and why, which is all that a flag needs. It never stops
backups. A run that dies between its commit and its flag leaves it to the next one, which looks at the snapshot before its own,
too; a snapshot that was flagged once, and accepted, is not flagged again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from policies.monitoring import anomalies
from policies.monitoring.anomalies import Anomalies, AnomalyLimits
from policies.monitoring.baseline import DAY, WEEK, PastSnapshot
from vault.errors import UsageError
from vault.format.changes import Changes
from vault.format.hold import Hold, Scope
from vault.format.snapshot_record import Record
from vault.repository import holds, snapshots
from vault.repository.project import Project

FREEZER = "strongroom"
_BEGINS = "frozen by snapshot "
_SUSPICIOUS = ("vanished", "went", "unformed", "unreadable", "emptied", "columns")
_MOST_STEPS = 400
"""Snapshots that are looked at first."""


def watch(project: Project, record: Record, limits: AnomalyLimits, zone: ZoneInfo) -> Anomalies:
    """Look at a snapshot that was just committed, and at the one before; flag them if they must be. zone: of the project's
    days. Gives what is wrong with the new one. Raises `StorageError`, `Damaged`."""
    before = _parent(project, record)
    if before is None:
        return Anomalies()
    earlier = _parent(project, before)
    suspects = [
        (one, parent, verdict)
        for one, parent in ((record, before), (before, earlier))
        if parent is not None
        for verdict in [_evaluate(project, one, parent, limits, zone)]
    ]
    if any(verdict.reasons for *_, verdict in suspects):
        flagged = flags_of(holds.read_all(project).holds)
        for one, parent, verdict in suspects:
            if verdict.reasons and one.id not in flagged:
                reason = f"{_BEGINS}{one.id} of {one.source} (after {parent.id}): {'; '.join(verdict.reasons)}"
                holds.place(project, Scope(), reason=_cut(reason), who=FREEZER)
    return suspects[0][2]


def _evaluate(project: Project, one: Record, parent: Record, limits: AnomalyLimits, zone: ZoneInfo) -> Anomalies:
    """Look at what the day before says first, and at the weeks before only where that is suspicious."""
    now = _seen(one, {})
    if not any(getattr(now.changes, name) for name in _SUSPICIOUS):
        return Anomalies()
    span = WEEK if now.changes.unformed or now.changes.unreadable else DAY
    if not anomalies.suspicious(now, [_seen(other, {}) for other in _before(project, one, parent, span)], limits):
        return Anomalies()
    flags = flags_of(holds.read_all(project).holds)
    known = snapshots.committed(project, rolled=True).records
    past = [_seen(other, flags) for other in known if other.source == one.source and other.taken_at < one.taken_at]
    return anomalies.find_anomalies(now, past, limits, zone)


def _before(project: Project, one: Record, parent: Record, span: timedelta) -> list[Record]:
    """The snapshots that this one follows, of so long before it, by time."""
    found: list[Record] = []
    step: Record | None = parent
    while step is not None and step.taken_at > one.taken_at - span and len(found) < _MOST_STEPS:
        found.append(step)
        step = _parent(project, step)
    return found[::-1]


def _seen(one: Record, flags: Mapping[str, bool]) -> PastSnapshot:
    """flags: the flagged snapshots, and whether they were accepted."""
    counts = one.counts
    changes = one.changes or Changes(files=counts.files + counts.vanished, vanished=counts.vanished)
    accepted = flags.get(one.id)
    return PastSnapshot(one.taken_at, changes, accepted=accepted is True, flagged=accepted is False)


def flags_of(placed: Iterable[Hold]) -> dict[str, bool]:
    """The snapshots that were flagged, and whether a person has accepted them."""
    return {snapshot: hold.release is not None for hold in placed for snapshot in _flagged(hold)}


def _cut(reason: str) -> str:
    return reason if len(reason) <= holds.LONGEST_TEXT else f"{reason[: holds.LONGEST_TEXT - 1]}…"


def freezing(placed: Iterable[Hold], now: datetime) -> tuple[Hold, ...]:
    """The flags among these holds that nobody has accepted."""
    return tuple(hold for hold in placed if hold.binds(now) and any(_flagged(hold)))


def why(hold: Hold) -> str:
    """Of such a hold: which snapshot it is about, and what is wrong with it."""
    return hold.reason.removeprefix(_BEGINS)


def accept(project: Project, *, reason: str, who: str, only: Collection[str] | None = None) -> list[Hold]:
    """Let retention go on. only: the ids of the flags (see `freezing`) that are accepted; None for all. Raises `UsageError`
    where it is not frozen by any of them."""
    found = freezing(holds.read_all(project).holds, project.services.clock.now())
    chosen = [hold for hold in found if only is None or hold.id in only]
    if not chosen:
        raise not_frozen(project)
    return [holds.release(project, hold.id, reason=reason, who=who) for hold in chosen]


def not_frozen(project: Project) -> UsageError:
    """That nothing is there to be accepted."""
    return UsageError(
        f"no snapshot of project {project.name!r} is flagged: its retention is not frozen",
        hint="see `strongroom status`; other holds end with `hold release`",
    )


def flagged(hold: Hold) -> tuple[str, ...]:
    """The snapshots that such a hold is about."""
    return tuple(_flagged(hold))


def _flagged(hold: Hold) -> Iterator[str]:
    if hold.who == FREEZER and hold.reason.startswith(_BEGINS):
        yield hold.reason.removeprefix(_BEGINS).partition(" ")[0]


def _parent(project: Project, record: Record) -> Record | None:
    """The newest one that it supersedes; None for the first of a source, and where that was forgotten or cannot be read."""
    found = snapshots.read_records(project, record.parents).records
    return max(found, key=lambda one: (one.taken_at, one.id), default=None)
