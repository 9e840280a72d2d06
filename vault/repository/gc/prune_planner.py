"""Making the plan of a prune: which packs are deleted, which are repacked, what of the index goes. Nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import accumulate
from typing import NamedTuple, TypeVar

from vault.errors import RefusedByRule
from vault.format import layout
from vault.progress import run_phase
from vault.repository import claims, missing_snapshots, snapshots
from vault.repository.gc import moved_packs, reachability
from vault.repository.gc.moved_packs import StayingPacks
from vault.repository.gc.prune_inputs import (
    PruneInputs,
    list_packs_twice,
    packs_stay_until,
    read_notes_twice,
    read_until_consistent,
)
from vault.repository.gc.prune_plan import PruneOptions, PrunePlan, Stop, StoredPack, WastefulPack, nothing_locked
from vault.repository.gc.reachability import NeededPacks, PackContents, PackUsage
from vault.repository.project import Project
from vault.wording import quoted

T = TypeVar("T")

LOCK_READERS = 8
"""Requests at once when the store is asked for locks."""


class _Usage(NamedTuple):
    """Which packs are needed.

    - `needs`: what the snapshots need
    - `deletable`: SHA-256 of packs of which nothing is needed
    - `by_pack`: how much of each pack is waste; empty where no pack is to be repacked
    """

    needs: NeededPacks
    deletable: frozenset[bytes]
    by_pack: dict[bytes, PackUsage]


def make_plan(project: Project, options: PruneOptions) -> PrunePlan:
    """Find out what a prune would do. Raises `Damaged` where a record cannot be read, or is missing, `RefusedByRule` where no
    snapshot would be left."""
    options.progress.phase("looking what is needed")
    notes = read_notes_twice(project)
    known_forgotten = frozenset(notes.by_id)
    until = packs_stay_until(project, notes)
    listed = list_packs_twice(project)
    stored = [StoredPack(tier, pack, listed[tier, pack]) for tier, pack in sorted(listed)]
    repacks = options.repack_above is not None and until is None

    def find(inputs: PruneInputs) -> _Usage:
        return _usage(project, inputs, stored, options.stop, repacks=repacks)

    inputs, usage = run_phase(lambda: read_until_consistent(project, known_forgotten, options, find))
    recorded = set(snapshots.stored_ids(project))
    if not options.allow_empty:
        _refuse_empty(project, inputs, recorded)
    needed = [pack for pack in stored if pack.sha256 in usage.needs.now]
    unneeded = [pack for pack in stored if pack.sha256 in usage.deletable]
    dead = unneeded if until is None else []
    wasteful = _wasteful(project, usage.by_pack, needed, options.repack_above or 0.0)
    records = sorted((inputs.gone if until is None else inputs.gone - notes.lost) & recorded)
    locks = locked_until(options, [*dead, *(waste.pack for waste in wasteful)], lambda pack: name_of(project, pack))
    record_locks = locked_until(options, records, lambda snapshot: layout.snapshot_name(project.id, snapshot))
    dead = [pack for pack in dead if pack not in locks]
    wasteful = [waste for waste in wasteful if waste.pack not in locks]
    deleted = _up_to(dead, [pack.size for pack in dead], options.max_bytes)
    rest = None if options.max_bytes is None else options.max_bytes - sum(pack.size for pack in deleted)
    repacked = _up_to(wasteful, [waste.pack.size for waste in wasteful], rest)
    return PrunePlan(
        project=project.name,
        known_forgotten=known_forgotten,
        forgotten=tuple(snapshot for snapshot in records if snapshot not in record_locks),
        held=inputs.held,
        dead=tuple(deleted),
        wasteful=tuple(repacked),
        later=(*dead[len(deleted) :], *(waste.pack for waste in wasteful[len(repacked) :])),
        locked=tuple(locks.items()),
        locked_records=tuple(record_locks.items()),
        needed=tuple(needed),
        unproven=tuple(pack for pack in stored if pack.sha256 not in usage.needs.now and pack.sha256 not in usage.deletable),
        claims=_claims(project, recorded),
        segments=sum(1 for _ in project.store.list(project.folder("index"))),
        after_loss=() if until is None else tuple(unneeded),
        packs_stay_until=until,
    )


def deletable(
    project: Project,
    packs: Sequence[StoredPack],
    needs: NeededPacks,
    staying: Callable[[], StayingPacks],
    *,
    whole: bool,
    stop: Stop,
) -> frozenset[bytes]:
    """Those of the packs that no snapshot needs: no record names them, or what is needed of them is proven to lie elsewhere.

    - `staying`: finds the packs that stay; called only where a pack is said to have moved
    - `whole`: what is needed is read where it is said to lie
    """
    moved = [pack for pack in packs if pack.sha256 in needs.reached - needs.now]
    unnamed = frozenset(pack.sha256 for pack in packs if pack.sha256 not in needs.reached)
    return unnamed | (moved_packs.proven(project, moved, staying(), whole=whole, stop=stop) if moved else frozenset())


def locked_until(options: PruneOptions, things: Sequence[T], name: Callable[[T], str]) -> dict[T, datetime]:
    """Those of the objects that the store keeps locked, and until when: one request an object, several at once. name: of an
    object in the store."""
    if options.locked is nothing_locked:
        return {}
    with ThreadPoolExecutor(min(LOCK_READERS, len(things)) or 1, thread_name_prefix="locked") as pool:
        moments = pool.map(lambda one: options.locked(name(one)), things)
        return {one: until for one, until in zip(things, moments, strict=True) if until is not None}


def name_of(project: Project, pack: StoredPack) -> str:
    """The name of a pack in the store."""
    return layout.pack_name(project.id, pack.tier, pack.sha256)


def _usage(project: Project, inputs: PruneInputs, stored: Sequence[StoredPack], stop: Stop, *, repacks: bool) -> _Usage:
    """Raises `Damaged`, `StorageError`."""
    stop()
    records, moved = inputs.live.records, inputs.live.moved
    needs = reachability.needs(project, records, moved)
    contents = PackContents(project, records, needs, stop)

    def staying() -> StayingPacks:
        kept = {(pack.tier, pack.sha256): pack.size for pack in stored if pack.sha256 in needs.now}
        return StayingPacks(records, moved, contents.index, kept)

    unneeded = [pack for pack in stored if pack.sha256 not in needs.now]
    free = deletable(project, unneeded, needs, staying, whole=False, stop=stop)
    free -= contents.unlisted([pack.sha256 for pack in stored])
    if not repacks or contents.index.damaged:
        return _Usage(needs, free, {})
    return _Usage(needs, free, reachability.pack_usage(contents.index, contents.live))


def _refuse_empty(project: Project, inputs: PruneInputs, recorded: Collection[str]) -> None:
    """Raises `RefusedByRule` where no snapshot is left. recorded: ids of the stored records."""
    left = {record.id for record in inputs.live.records} | (inputs.gone & set(recorded))
    if missing_snapshots.records_gone(project, left):
        raise RefusedByRule(
            f"nothing of {project.name} can be pruned: {missing_snapshots.RECORDS_GONE}",
            hint=f"bring the objects below {project.folder('snapshots')} back from an older version or a copy; if no snapshot "
            f"is to be left: `strongroom prune {quoted(project.name)} --allow-empty`",
        )


def _wasteful(project: Project, usage: dict[bytes, PackUsage], packs: Sequence[StoredPack], share: float) -> list[WastefulPack]:
    """The packs with at least that share of waste, the most wasteful first. Without a read capability only packs of the
    catalogue can be repacked."""
    known = [(pack, usage[pack.sha256]) for pack in packs if pack.sha256 in usage and moved_packs.readable(project, pack.tier)]
    partly_used = [(pack, inside) for pack, inside in known if 0 < inside.waste < inside.frames]
    found = [WastefulPack(pack, inside.waste) for pack, inside in partly_used if inside.waste >= share * inside.frames]
    return sorted(found, key=lambda waste: (-waste.waste, waste.pack.sha256))


def _claims(project: Project, recorded: Collection[str]) -> tuple[tuple[str, str], ...]:
    """The snapshots that are being written, and descriptions of their writers."""
    unfinished = claims.unfinished(project, claims.list_ids(project), recorded)
    return tuple((snapshot, claims.describe(project, snapshot)) for snapshot in unfinished)


def _up_to(things: list[T], sizes: list[int], max_bytes: int | None) -> list[T]:
    """The first of the things, as many as fit into `max_bytes`."""
    if max_bytes is None:
        return things
    return things[: sum(total <= max_bytes for total in accumulate(sizes))]
