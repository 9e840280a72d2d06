"""Waiting for the writers of a project until they are done or evicted.

A claim is done when it is gone, or when its record exists: then it is committed. One whose process has ended on this machine is
withdrawn at once; one without progress for a day is evicted. A mark says so first, and stays: the writer looks for it after its
commit. Where the store can create once, a record under the snapshot's own name follows: a writer that wakes up late finds it
taken. Elsewhere the claim is taken away and a grace period follows, for a commit that was sent and has not arrived.

A claim with an *evicted* record is not done before it is gone: on a store that only seems to create once, its writer may yet
commit over that record. Where the prune that evicted it has died, the next one deletes the claim, once it is stale by then.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from vault.clock import Clock
from vault.errors import Busy, Damaged, ObjectExists, ObjectNotFound, StorageDenied
from vault.format import layout
from vault.format.claim import Claim, Eviction
from vault.format.snapshot_record import decode_stored
from vault.progress import NoProgress, Progress, Stop
from vault.repository import snapshots, stored_packs
from vault.repository.gc import marks
from vault.repository.project import Project
from vault.wording import counted

STALE_AFTER = timedelta(days=1)
GRACE = timedelta(hours=1)
LOOK_EVERY = 10.0
"""Seconds between two looks at the claims."""

STOP_EVERY = 1.0
"""Seconds of waiting between two calls of `stop`."""


class WaitOptions(Struct, frozen=True):
    """How long claims are waited for.

    - `seconds`: at most
    - `stale_after`: how long a claim may show no progress before it is evicted
    - `grace`: to wait after evictions, where the store cannot create once
    - `look_every`: seconds between two looks at the claims
    - `altogether`: seconds, the grace period included; None: no such limit
    """

    seconds: float = 3600.0
    stale_after: timedelta = STALE_AFTER
    grace: timedelta = GRACE
    look_every: float = LOOK_EVERY
    altogether: float | None = None


def evicted_error(snapshot: str) -> Busy:
    """The error of a run whose claim was taken away."""
    return Busy(
        f"this run (snapshot {snapshot}) made no progress for so long that a prune took its claim away; nothing was committed",
        hint="run the backup again: what was stored and is still there is used",
    )


def list_ids(project: Project) -> list[str]:
    """The ids of all claims, readable or not, that one of two listings names."""
    listed = (info.name.rpartition("/")[2] for _ in range(2) for info in project.store.list(project.folder("claims")))
    return sorted({name for name in listed if layout.is_snapshot_id(name)})


def unfinished(project: Project, ids: Iterable[str], recorded: Container[str]) -> list[str]:
    """Those of these claims that a prune waits for as long as they exist: nothing was committed under their ids. recorded: the
    ids of all records in the store."""
    return [one for one in ids if one not in recorded or is_evicted(project, one)]


def wait(
    project: Project,
    ids: Sequence[str],
    patience: WaitOptions,
    stop: Stop,
    progress: Progress | None = None,
) -> list[str]:
    """Wait for these claims; gives those that were still at work, or evicted too short a while ago, when patience ran out.
    stop: called every second, it raises to end the waiting · progress: hears whom is waited for."""
    clock, progress = project.services.clock, progress or NoProgress()
    began = clock.monotonic()
    seconds = patience.seconds if patience.altogether is None else min(patience.seconds, patience.altogether)
    withdraw_dead(project)
    ids = _at_work(project, ids)
    reported: list[str] = []
    kept: set[str] = set()  # such a claim must not end all prunes
    gone_since: dict[str, datetime] = {}
    while ids:
        claims = {one: _read(project, one) for one in ids}
        for one, claim in claims.items():
            if claim is not None and has_ended(project, claim):  # it was killed while this waits
                _withdraw(project, claim)
            elif _is_stale(project, one, claim, patience):
                if not evict(project, one):
                    kept.add(one)
                gone_since[one] = clock.now()
        ids = [one for one in _at_work(project, ids) if one not in kept]
        if not ids or clock.monotonic() - began >= seconds:
            break
        if ids != reported:
            reported = ids
            progress.phase(f"waiting for {_described(ids, claims)}")
        _pause(clock, patience.look_every, stop)
        ids = _at_work(project, ids)
    return ids or _grace(project, patience, began, gone_since, stop, progress)


def evict(project: Project, claim: str) -> bool:
    """Take a claim away, so that its writer cannot commit any more, or takes back what it commits; one that has committed
    keeps what it has. Returns False where an *evicted* record exists and the store would not delete the claim. Raises
    `PromiseBroken`, `StorageDenied`."""
    once = project.descriptor.trust.create_once
    if not (once and is_evicted(project, claim)):  # whoever put it there has said so before
        marks.write_evictions(project, [claim])
        if once and not (_shut(project, claim) or is_evicted(project, claim)):
            return True
    try:
        project.store.delete(layout.claim_name(project.id, claim))
    except StorageDenied:
        if not is_evicted(project, claim):
            raise
        return False
    return True


def is_evicted(project: Project, claim: str) -> bool:
    """Whether an *evicted* record is stored under the snapshot's name. One that cannot be read is none."""
    name = layout.snapshot_name(project.id, claim)
    try:
        return isinstance(decode_stored(project.read_record(name, f"the record of snapshot {claim}"), claim), Eviction)
    except (ObjectNotFound, Damaged):
        return False


def withdraw_dead(project: Project) -> list[str]:
    """Take away the claims of writers that have ended on this very machine; gives their ids. Where the store cannot create
    once, one that may have sent its commit stays: its request may still be on its way."""
    if project.services.processes.own() is None:
        return []
    return [one.id for one in snapshots.claims(project) if has_ended(project, one) and _withdraw(project, one)]


def has_ended(project: Project, claim: Claim) -> bool:
    """Whether the writer of a claim has ended for certain: it ran on this machine, and its process is there no more."""
    return claim.process is not None and project.services.processes.ended(claim.process)


def delete_committed(project: Project, patience: WaitOptions) -> list[str]:
    """Delete the claims of snapshots that were committed long ago: writers that may delete nothing leave theirs. One that was
    rewritten today stays, whose writer may still look at it. What was said of writers that were evicted goes after a month.
    Gives the names of what the store would not delete."""
    left = list_ids(project)
    committed = frozenset(snapshots.stored_ids(project)) if left else frozenset()
    before = project.services.clock.now() - patience.stale_after
    old = [one for one in left if one in committed and (moment := layout.moment_of(one)) is not None and moment < before]
    old = [one for one in old if _shows_no_progress(project, one, patience)]
    refused = []
    for name in [*(layout.claim_name(project.id, one) for one in old), *marks.old_evictions(project)]:
        try:
            project.store.delete(name)
        except StorageDenied:
            refused.append(name)
    return refused


def _withdraw(project: Project, claim: Claim) -> bool:
    if project.descriptor.trust.create_once:
        _shut(project, claim.id)
    elif claim.committing:
        return False
    project.store.delete(layout.claim_name(project.id, claim.id))
    return True


def _shut(project: Project, claim: str) -> bool:
    """Put an *evicted* record where the claim's snapshot would be committed; returns whether nothing was there. That is
    looked up first: a store that is only believed to create once would put this over a committed record."""
    name = layout.snapshot_name(project.id, claim)
    if stored_packs.exists(project, name):
        return False
    try:
        project.create_record(name, Eviction(claim).as_json())
    except ObjectExists:
        return False
    return True


def _at_work(project: Project, ids: Sequence[str]) -> list[str]:
    claimed, recorded = set(list_ids(project)), set(snapshots.stored_ids(project))
    left = unfinished(project, ids, recorded)
    return [one for one in left if one in claimed or stored_packs.exists(project, layout.claim_name(project.id, one))]


def _read(project: Project, claim: str) -> Claim | None:
    """None where it is gone or cannot be read."""
    try:
        return Claim.from_json(project.read_record(layout.claim_name(project.id, claim), f"the claim {claim}"))
    except (ObjectNotFound, Damaged):
        return None


def _shows_no_progress(project: Project, name: str, patience: WaitOptions) -> bool:
    return _is_stale(project, name, _read(project, name), patience)


def _is_stale(project: Project, name: str, claim: Claim | None, patience: WaitOptions) -> bool:
    """Whether a claim shows no progress. Of one that cannot be read, its name says the age. One from the future is of a clock
    that was wrong: nothing would end it before that day comes."""
    last: datetime | None = layout.moment_of(name) if claim is None else claim.updated_at
    return last is None or abs(project.services.clock.now() - last) > patience.stale_after


def _grace(
    project: Project,
    patience: WaitOptions,
    began: float,
    gone_since: dict[str, datetime],
    stop: Stop,
    progress: Progress,
) -> list[str]:
    """Where the store cannot create once: wait until whatever an evicted writer has sent has arrived or never will, whoever
    evicted it. Gives those writers for whom there is no time. gone_since: when this prune took claims away, which may have been
    long after it marked that it would."""
    if project.descriptor.trust.create_once:
        return []
    clock = project.services.clock
    found = marks.read(project)
    moments = found.evicted()
    moments |= {one: max(moment, moments.get(one, moment)) for one, moment in gone_since.items()}
    now = clock.now()
    moments |= dict.fromkeys(found.unreadable, now)  # it may name a writer that was evicted just now
    left = {
        one: min(patience.grace, moment + patience.grace - now)
        for one, moment in moments.items()
        if moment + patience.grace > now
    }
    if not left:
        return []
    longest = max(left.values()).total_seconds()
    if patience.altogether is not None and clock.monotonic() - began + longest > patience.altogether:
        return sorted(left)
    progress.phase(
        f"waiting {counted(math.ceil(longest / 60), 'minute')} for whatever an evicted backup has sent and has not arrived"
    )
    _pause(clock, longest, stop)
    return []


def _pause(clock: Clock, seconds: float, stop: Stop) -> None:
    steps = max(1, math.ceil(seconds / STOP_EVERY))
    for _ in range(steps):
        stop()
        clock.sleep(seconds / steps)
    stop()


def describe(project: Project, claim: str) -> str:
    """A claim by whose it is and how old."""
    return _in_words(claim, _read(project, claim))


def _in_words(name: str, claim: Claim | None) -> str:
    if claim is None:
        return f"the backup {name}"
    begun, last = (f"{moment:%Y-%m-%d %H:%M} UTC" for moment in (claim.started_at, claim.updated_at))
    return f"{claim.source} of {claim.host}, begun {begun}, last progress {last}"


def _described(ids: Sequence[str], claims: dict[str, Claim | None]) -> str:
    """The first of the claims, and how many others."""
    what = _in_words(ids[0], claims.get(ids[0]))
    return what if len(ids) == 1 else f"{what}, and {counted(len(ids) - 1, 'other backup')}"
