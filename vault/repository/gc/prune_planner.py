"""Making the plan of a prune: which packs are deleted, which are repacked, what of the index goes. Nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import accumulate
from typing import NamedTuple, TypeVar

from msgspec.structs import replace

from vault.errors import RefusedByRule
from vault.format import layout
from vault.format.descriptor import INFLATED
from vault.format.layout import TIERS
from vault.format.moved_packs import MovedPacks
from vault.progress import Stop, run_phase
from vault.repository import claims, missing_snapshots, snapshots
from vault.repository.chunk_index import ChunkIndex
from vault.repository.gc import moved_packs, reachability
from vault.repository.gc.moved_packs import StayingPacks
from vault.repository.gc.prune_inputs import (
    PruneInputs,
    list_packs_twice,
    packs_stay_until,
    read_notes_twice,
    read_until_consistent,
)
from vault.repository.gc.prune_plan import PruneOptions, PrunePlan, StoredPack, WastefulPack, nothing_locked
from vault.repository.gc.reachability import NeededPacks, PackContents, PackUsage
from vault.repository.gc.small_packs import (
    FAN_IN,
    LONGEST_LOCK,
    Group,
    Joins,
    SmallPackLimits,
    first_of,
    plan_joins,
    size_class,
)
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
    - `groups`: what shares a pack with what, of the needed packs; empty where no pack is to be joined
    """

    needs: NeededPacks
    deletable: frozenset[bytes]
    by_pack: dict[bytes, PackUsage]
    groups: dict[StoredPack, Group]


def make_plan(project: Project, options: PruneOptions) -> PrunePlan:
    """Find out what a prune would do. Raises `Damaged` where a record cannot be read, or is missing, `RefusedByRule` where no
    snapshot would be left."""
    options.progress.phase("looking what is needed")
    notes = read_notes_twice(project)
    known_forgotten = frozenset(notes.by_id)
    until = packs_stay_until(project, notes)
    listed = list_packs_twice(project)
    stored = [StoredPack(tier, pack, listed[tier, pack]) for tier, pack in sorted(listed)]
    changes = options if until is None else replace(options, repack_above=None, join=False)

    def find(inputs: PruneInputs) -> _Usage:
        return _usage(project, inputs, stored, changes)

    inputs, usage = run_phase(lambda: read_until_consistent(project, known_forgotten, options, find))
    recorded = set(snapshots.stored_ids(project))
    if not options.allow_empty:
        _refuse_empty(project, inputs, recorded)
    needed = [pack for pack in stored if pack.sha256 in usage.needs.now]
    unneeded = [pack for pack in stored if pack.sha256 in usage.deletable]
    dead = unneeded if until is None else []
    wasteful = _wasteful(project, usage.by_pack, needed, options.repack_above or 0.0)
    wasteful += _anew(needed, frozenset(waste.pack for waste in wasteful), options) if until is None else []
    records = sorted((inputs.gone if until is None else inputs.gone - notes.lost) & recorded)
    locks = locked_until(options, [*dead, *(waste.pack for waste in wasteful)], lambda pack: name_of(project, pack))
    record_locks = locked_until(options, records, lambda snapshot: layout.snapshot_name(project.id, snapshot))
    dead = [pack for pack in dead if pack not in locks]
    wasteful = [waste for waste in wasteful if waste.pack not in locks]
    deleted = _up_to(dead, [pack.size for pack in dead], options.max_bytes)
    rest = None if options.max_bytes is None else options.max_bytes - sum(pack.size for pack in deleted)
    repacked = _up_to(wasteful, [waste.pack.size for waste in wasteful], rest)
    rest = None if rest is None else rest - sum(waste.pack.size for waste in repacked)
    joins = _joins(project, usage, frozenset(waste.pack for waste in wasteful), options, inputs.live.moves)
    joined = list(first_of(joins.batches, rest))
    small = frozenset(pack for batch in joined for pack in batch)
    return PrunePlan(
        project=project.name,
        known_forgotten=known_forgotten,
        forgotten=tuple(snapshot for snapshot in records if snapshot not in record_locks),
        held=inputs.held,
        dead=tuple(deleted),
        wasteful=tuple(repacked),
        later=(
            *dead[len(deleted) :],
            *(waste.pack for waste in wasteful[len(repacked) :]),
            *(pack for batch in joins.batches for pack in batch if pack not in small),
        ),
        locked=tuple(locks.items()),
        locked_records=tuple(record_locks.items()),
        needed=tuple(needed),
        unproven=tuple(pack for pack in stored if pack.sha256 not in usage.needs.now and pack.sha256 not in usage.deletable),
        claims=_claims(project, recorded),
        segments=sum(1 for _ in project.store.list(project.folder("index"))),
        after_loss=() if until is None else tuple(unneeded),
        packs_stay_until=until,
        joins=tuple(joined),
        young=joins.young,
        unreadable=joins.unreadable,
        moves=frozenset(one.id for one in inputs.live.moves),
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


def _usage(project: Project, inputs: PruneInputs, stored: Sequence[StoredPack], options: PruneOptions) -> _Usage:
    """Raises `Damaged`, `StorageError`."""
    options.stop()
    records, moved = inputs.live.records, inputs.live.moved
    needs = reachability.needs(project, records, moved)
    contents = PackContents(project, records, needs, options.stop)

    def staying() -> StayingPacks:
        kept = {(pack.tier, pack.sha256): pack.size for pack in stored if pack.sha256 in needs.now}
        return StayingPacks(records, moved, contents.index, kept)

    unneeded = [pack for pack in stored if pack.sha256 not in needs.now]
    free = deletable(project, unneeded, needs, staying, whole=False, stop=options.stop)
    free -= contents.unlisted([pack.sha256 for pack in stored])
    usage, groups = {}, {}
    if options.join and _may_be_joined(project, [pack for pack in stored if pack.sha256 in needs.now]):
        groups = _groups(project, contents.index, stored, needs.now)
    if options.repack_above is not None and not contents.index.damaged:
        usage = reachability.pack_usage(contents.index, contents.live)
    return _Usage(needs, free, usage, groups)


def _may_be_joined(project: Project, packs: Iterable[StoredPack]) -> bool:
    """Whether there are enough small packs, so that it pays to read the index."""
    full = project.descriptor.limits.pack
    return len([pack for pack in packs if size_class(pack.size, full) is not None]) >= FAN_IN


def _groups(
    project: Project, index: ChunkIndex, stored: Sequence[StoredPack], needed: frozenset[bytes]
) -> dict[StoredPack, Group]:
    """What may lie in one pack with what. Not where a segment is damaged: it might name what lies in a pack."""
    if index.damaged:
        return {}
    if INFLATED in project.descriptor.features:
        named = index.packs()
        return {pack: (pack.tier, None) for pack in stored if pack.sha256 in needed and pack.sha256 in named}
    pairs = index.table.group_by(["pack", "dictionary"]).aggregate([])
    dictionaries = dict(zip(pairs["pack"].to_pylist(), pairs["dictionary"].to_pylist(), strict=True))
    return {
        pack: (pack.tier, dictionaries[pack.sha256]) for pack in stored if pack.sha256 in needed and pack.sha256 in dictionaries
    }


def _joins(
    project: Project, usage: _Usage, wasteful: frozenset[StoredPack], options: PruneOptions, moves: Sequence[MovedPacks]
) -> Joins:
    """What is joined of the packs that are not wasteful."""
    full, origins = project.descriptor.limits.pack, usage.needs.origins
    packs = {pack: group for pack, group in usage.groups.items() if pack not in wasteful}
    unreadable = frozenset(tier for tier in TIERS if not moved_packs.readable(project, tier))
    young = _young(project, packs, usage.needs, options.youngest_joined, moves)
    planned = plan_joins(packs, origins, SmallPackLimits(young, frozenset(), unreadable), full)
    now = project.services.clock.now()
    chosen = [pack for batch in planned.batches for pack in batch]
    locks = locked_until(options, chosen, lambda pack: name_of(project, pack))
    kept = frozenset(pack for pack, until in locks.items() if until > now + LONGEST_LOCK)
    return plan_joins(packs, origins, SmallPackLimits(young, kept, unreadable), full) if kept else planned


def _young(
    project: Project, packs: Iterable[StoredPack], needs: NeededPacks, youngest: timedelta, moves: Sequence[MovedPacks]
) -> frozenset[StoredPack]:
    """Those of the packs that were stored too short a while ago: by the snapshot that brought them, or by the record that says
    what has moved to them."""
    if not youngest:
        return frozenset()
    since = project.services.clock.now() - youngest
    stored = {pack: origin.taken_at for pack, origin in needs.origins.items()}
    for one in moves:
        moment = layout.moment_of(one.id)
        for new in (pack for targets in one.packs.values() for pack in targets if moment is not None and pack in stored):
            stored[new] = max(stored[new], moment or stored[new])
    return frozenset(pack for pack in packs if stored.get(pack.sha256, since) > since)


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


def _anew(needed: Sequence[StoredPack], wasteful: frozenset[StoredPack], options: PruneOptions) -> list[WastefulPack]:
    """The packs that are repacked though nothing of them is waste."""
    chosen = frozenset() if options.anew is None else options.anew(needed)
    return [WastefulPack(pack, 0) for pack in needed if pack.sha256 in chosen and pack not in wasteful]


def _claims(project: Project, recorded: Collection[str]) -> tuple[tuple[str, str], ...]:
    """The snapshots that are being written, and descriptions of their writers."""
    unfinished = claims.unfinished(project, claims.list_ids(project), recorded)
    return tuple((snapshot, claims.describe(project, snapshot)) for snapshot in unfinished)


def _up_to(things: Sequence[T], sizes: list[int], max_bytes: int | None) -> Sequence[T]:
    """The first of the things, as many as fit into `max_bytes`."""
    if max_bytes is None:
        return things
    return things[: sum(total <= max_bytes for total in accumulate(sizes))]
