"""A flagged snapshot freezes retention for its project, on every host, until a person accepts it.

The flag is a hold on the whole project, placed in the name of `FREEZER`: holds are stored in the repository, bind retention and
prune for everybody, and leave a record of who released them, when and why, which is all that a flag needs. It never stops
backups. A run that dies between its commit and its flag leaves it to the next one, which looks at the snapshot before its own,
too; a snapshot that was flagged once, and accepted, is not flagged again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from policies.promises import flags
from policies.promises.flags import Limits
from vault.errors import Damaged, UsageError
from vault.format.hold import Hold, Scope
from vault.format.layout import META_TIER
from vault.format.record import Record
from vault.repository import holds, snapshots
from vault.repository.adopt import healed
from vault.repository.chunk_index import ChunkIndex
from vault.repository.meta import MetaReader
from vault.repository.project import Project

FREEZER = "strongroom"
_BEGINS = "frozen by snapshot "


def watch(project: Project, record: Record, limits: Limits) -> list[str]:
    """Look at a snapshot that was just committed, and at the one before; flag them if they must be. Gives what is wrong with
    the new one. Raises `StorageError`, `Damaged`."""
    before = _parent(project, record)
    if before is None:
        return []
    wrong = list(_wrong(project, before, record, limits))
    earlier = _parent(project, before)
    suspects = [(record, wrong), (before, list(_wrong(project, earlier, before, limits)))]
    if any(why for _, why in suspects):
        flagged = {snapshot for hold in holds.read_all(project).holds for snapshot in _flagged(hold)}
        for one, why in suspects:
            if why and one.id not in flagged:
                reason = f"{_BEGINS}{one.id} of {one.source}: {'; '.join(why)}"
                holds.place(project, Scope(), reason=reason, who=FREEZER)
    return wrong


def freezing(placed: Iterable[Hold], now: datetime) -> tuple[Hold, ...]:
    """The flags among these holds that nobody has accepted."""
    return tuple(hold for hold in placed if hold.binds(now) and any(_flagged(hold)))


def why(hold: Hold) -> str:
    """Of such a hold: which snapshot it is about, and what is wrong with it."""
    return hold.reason.removeprefix(_BEGINS)


def accept(project: Project, *, reason: str, who: str) -> list[Hold]:
    """Let retention go on. Raises `UsageError` where it is not frozen."""
    found = freezing(holds.read_all(project).holds, project.services.clock.now())
    if not found:
        raise UsageError(
            f"retention of project {project.name!r} is not frozen",
            hint="see `strongroom status`; other holds end with `hold release`",
        )
    return [holds.release(project, hold.id, reason=reason, who=who) for hold in found]


def _flagged(hold: Hold) -> Iterator[str]:
    if hold.who == FREEZER and hold.reason.startswith(_BEGINS):
        yield hold.reason.removeprefix(_BEGINS).partition(" ")[0]


def _parent(project: Project, record: Record) -> Record | None:
    """The newest one that it supersedes; None for the first of a source, and where that was forgotten."""
    found = [one for parent in record.parents if (one := snapshots.read(project, parent)) is not None]
    return max(found, key=lambda one: (one.taken_at, one.id), default=None)


def _wrong(project: Project, before: Record | None, now: Record, limits: Limits) -> Iterator[str]:
    if before is None:
        return
    yield from flags.of_vanished(before.counts, now.counts, limits)
    if flags.worth_a_look(before.counts, now.counts, limits):
        reader = MetaReader(project, healed(project, ChunkIndex.load(project, tier=META_TIER)))
        base = _readable(project, reader, before)
        if base is not None:
            tables = [snapshots.read_manifest(reader, one, columns=flags.COLUMNS) for one in (base, now)]
            yield from flags.of_rewritten(base.counts, flags.rewritten(*tables), limits)


def _readable(project: Project, reader: MetaReader, one: Record) -> Record | None:
    """This snapshot, or where its manifest is lost the newest older one of its source that can be read."""
    try:
        snapshots.read_manifest(reader, one, columns=flags.COLUMNS)
    except Damaged:
        return snapshots.newest_readable(reader, snapshots.committed(project, rolled=True).records, one, ())
    return one
