"""Waiting for the writers of a project: those whose claims stand, until they are done or evicted.

A claim is done when it is gone, or when its record stands: then it is committed. One without progress for a day is evicted.
Where the store can create once, that is done by a record under the snapshot's own name: a writer that wakes up late finds it
taken. Elsewhere the claim is taken away and a grace period follows, for a writer that looked at its claim just before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from vault.errors import Damaged, ObjectExists, ObjectNotFound
from vault.format import layout
from vault.format.housekeeping import Evicted
from vault.format.record import Claim
from vault.repository import snapshots
from vault.repository.project import Project

STALE_AFTER = timedelta(days=1)
GRACE = timedelta(hours=1)
LOOK_EVERY = 10.0
"""Seconds between two looks at the claims."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How claims are waited for. seconds: at most so long · stale_after: without progress, until a claim is evicted · grace:
    after evictions, where the store cannot create once · look_every: seconds."""

    seconds: float = 3600.0
    stale_after: timedelta = STALE_AFTER
    grace: timedelta = GRACE
    look_every: float = LOOK_EVERY


def standing(project: Project) -> list[str]:
    """The ids of all claims that stand, readable or not."""
    names = (info.name.rpartition("/")[2] for info in project.store.list(project.folder("claims")))
    return sorted(name for name in names if layout.is_snapshot_id(name))


def wait(project: Project, ids: list[str], patience: Patience, stop: Callable[[], None]) -> list[str]:
    """Wait for these claims; gives those that were still at work when patience ran out."""
    clock = project.services.clock
    until = clock.monotonic() + patience.seconds
    evicted = False
    while True:
        ids = _at_work(project, ids)
        for one in [one for one in ids if _is_stale(project, one, patience)]:
            evict(project, one)
            evicted = True
        ids = _at_work(project, ids)
        if not ids or clock.monotonic() >= until:
            break
        stop()
        clock.sleep(patience.look_every)
    if evicted and not project.descriptor.trust.create_once:
        clock.sleep(patience.grace.total_seconds())
    return ids


def evict(project: Project, claim: str) -> None:
    """Take a claim away, so that its writer cannot commit any more; one that has committed keeps what it has."""
    if project.descriptor.trust.create_once:
        try:
            project.create_record(layout.snapshot_name(project.id, claim), Evicted(claim).as_json())
        except ObjectExists:
            return
    project.store.delete(layout.claim_name(project.id, claim))


def clear(project: Project, patience: Patience) -> None:
    """Delete the claims of snapshots that were committed long ago: writers that may delete nothing leave theirs. One of today
    stays, whose writer may still look at it."""
    left = standing(project)
    committed = frozenset(snapshots.stored_ids(project)) if left else frozenset()
    before = project.services.clock.now() - patience.stale_after
    for claim in left:
        moment = layout.moment_of(claim)
        if claim in committed and moment is not None and moment < before:
            project.store.delete(layout.claim_name(project.id, claim))


def _at_work(project: Project, ids: list[str]) -> list[str]:
    claimed, recorded = set(standing(project)), set(snapshots.stored_ids(project))
    return [one for one in ids if one in claimed and one not in recorded]


def _is_stale(project: Project, claim: str, patience: Patience) -> bool:
    """Whether a claim shows no progress. Of one that cannot be read, its name tells the age."""
    last: datetime | None
    try:
        value = project.read_record(layout.claim_name(project.id, claim), f"the claim {claim}")
        last = Claim.from_json(value).updated_at
    except ObjectNotFound:
        return False
    except Damaged:
        last = layout.moment_of(claim)
    return last is None or project.services.clock.now() - last > patience.stale_after
