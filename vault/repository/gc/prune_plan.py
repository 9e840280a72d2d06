"""What a prune would do, as a value: nothing is written to find it out.

forgotten records   go, unless a hold covers their snapshot
dead packs          no snapshot needs them by its record's list, or what it needs of them is proven to lie elsewhere: they go
wasteful packs      hold more waste than what a snapshot needs: that is stored anew, and they go with the next prune
index               rows of packs that are gone are dropped, segments are joined when there are too many
locked              whatever the store keeps is left for another time, and it is said until when
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from itertools import accumulate
from typing import Any, NamedTuple, TypeVar

from vault.errors import Busy, Damaged, RefusedByRule
from vault.format import layout
from vault.format.layout import TIERS
from vault.problems import printable
from vault.progress import Progress, Silence
from vault.repository import claims, forget_notes, missing_snapshots, snapshots
from vault.repository.claims import Patience
from vault.repository.gc import moved_packs, reachability
from vault.repository.gc.forget import Held, nothing_held
from vault.repository.gc.moved_packs import StayingPacks
from vault.repository.gc.reachability import Needs
from vault.repository.index_compaction import MOST_SEGMENTS
from vault.repository.orphan_packs import standing
from vault.repository.project import Project
from vault.repository.snapshots import Committed
from vault.wording import quoted

T = TypeVar("T")

LOOKS = 3
"""Times that the records are read anew because one of them could not be followed."""

LOOKERS = 8
"""Requests under way when the store is asked what it keeps."""

REPACK_ABOVE = 0.5
"""Share of a pack that is waste, from which on it is worth storing the rest anew."""

Packs = dict[tuple[int, bytes], int]
"""Stored bytes of packs, by tier and SHA-256."""

Stop = Callable[[], None]
"""Called often; raises to end the run."""

Locked = Callable[[str], datetime | None]
"""Until when the store keeps an object from being deleted, by its name; None where it does not."""


def nothing_locked(_name: str) -> datetime | None:
    """Where the store locks no objects."""
    return None


@dataclass(frozen=True, slots=True)
class PruneOptions:
    """How a prune shall behave. held: asks the holds, again before each deletion · remembered: the snapshots that this machine
    has seen · max_bytes: deleted or stored anew at most · max_seconds: from the mark on · repack_above: share of waste; None:
    no pack is stored anew, which spares reading every manifest · allow_empty: that no snapshot is left is
    meant · stop: called often, raises to end the run."""

    held: Held = nothing_held
    locked: Locked = nothing_locked
    remembered: frozenset[str] = frozenset()
    max_bytes: int | None = None
    max_seconds: float | None = None
    repack_above: float | None = REPACK_ABOVE
    allow_empty: bool = False
    most_segments: int = MOST_SEGMENTS
    patience: Patience = field(default_factory=Patience)
    stop: Stop = lambda: None
    progress: Progress = field(default_factory=Silence)


class StoredPack(NamedTuple):
    """A pack in the store. size: stored bytes."""

    tier: int
    sha256: bytes
    size: int


class WastefulPack(NamedTuple):
    """A pack of which only a part is needed. waste: stored bytes of chunks that no snapshot needs."""

    pack: StoredPack
    waste: int


@dataclass(frozen=True, slots=True)
class PrunePlan:
    """What would happen. known_forgotten: every snapshot that was forgotten when the plan was made · forgotten: those of them
    whose records go · held: those that stay, and why · dead, wasteful: packs that go, and that are stored anew · later: of
    both, what `max_bytes` leaves for another time · locked, locked_records: packs that would be among them and records of
    forgotten snapshots, which the store keeps, and until when · needed: packs that stay because a snapshot needs them ·
    unproven: packs that stay though a record says that their content has moved, since that could not be proven, or though no
    record names them, since what is needed lies nowhere else · after_loss: packs that no snapshot needs and that stay until
    `packs_stay_until`, as the loss of snapshots was accepted that may have needed them · claims:
    snapshots that are being written, which a prune waits for, and whose they are · segments: of the index, as it is."""

    project: str
    known_forgotten: frozenset[str]
    forgotten: tuple[str, ...]
    held: tuple[tuple[str, str], ...]
    dead: tuple[StoredPack, ...]
    wasteful: tuple[WastefulPack, ...]
    later: tuple[StoredPack, ...]
    locked: tuple[tuple[StoredPack, datetime], ...]
    locked_records: tuple[tuple[str, datetime], ...]
    needed: tuple[StoredPack, ...]
    unproven: tuple[StoredPack, ...]
    claims: tuple[tuple[str, str], ...]
    segments: int
    after_loss: tuple[StoredPack, ...] = ()
    packs_stay_until: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "project": self.project,
            "forgotten": list(self.forgotten),
            "held": [{"snapshot": snapshot, "why": why} for snapshot, why in self.held],
            "dead": _sums(self.dead),
            "repack": _sums([one.pack for one in self.wasteful]) | {"waste": sum(one.waste for one in self.wasteful)},
            "later": _sums(self.later),
            "locked": [{"pack": one.sha256.hex(), "bytes": one.size, "until": until.isoformat()} for one, until in self.locked],
            "locked_records": [{"snapshot": one, "until": until.isoformat()} for one, until in self.locked_records],
            "needed": _sums(self.needed),
            "unproven": _sums(self.unproven),
            "after_loss": _sums(self.after_loss)
            | {"until": None if self.packs_stay_until is None else self.packs_stay_until.isoformat()},
            "claims": [{"snapshot": snapshot, "of": whose} for snapshot, whose in self.claims],
            "segments": self.segments,
        }


def _sums(packs: Iterable[StoredPack]) -> dict[str, int]:
    sizes = [one.size for one in packs]
    return {"packs": len(sizes), "bytes": sum(sizes)}


class PruneInputs(NamedTuple):
    """What stands in the store. gone: the forgotten snapshots that no hold covers · live: records of the others · held:
    forgotten ones that a hold covers, and why."""

    gone: frozenset[str]
    live: Committed
    held: tuple[tuple[str, str], ...]


def look(project: Project, known_forgotten: frozenset[str], options: PruneOptions) -> PruneInputs:
    """The records, going by who was forgotten at some moment, and the holds as they are now. Raises `Damaged` where a record
    cannot be read, and `SnapshotsMissing` where one is gone: what it needs nobody knows, so nothing may be deleted.

    They are listed twice: a listing is no picture of one moment, and of two records, the second of which was written before
    the first was deleted, one listing may miss both. What no listing names though it must be there is asked for by name.
    """
    ids = dict.fromkeys([*snapshots.stored_ids(project), *snapshots.stored_ids(project)])
    found = snapshots.read_those(project, list(ids))
    while (absent := missing_snapshots.absent(project, ids, found.records, options.remembered - known_forgotten)).hidden:
        ids |= dict.fromkeys(absent.hidden)
        found = snapshots.read_those(project, list(ids))
    if absent.gone:
        raise missing_snapshots.SnapshotsMissing(project, absent.gone)
    problems = [one for one in found.damaged if one.path.decode().rpartition("/")[2] not in known_forgotten]
    if problems:
        which = printable(problems[0].path)
        raise Damaged(
            f"nothing can be pruned, as nobody knows what {which} needs: {problems[0].message}",
            hint=f"`strongroom check {quoted(project.name)}` says what else is damaged; put an older version of the object "
            f"back, or accept the loss: {missing_snapshots.acceptance(project, which.rpartition('/')[2])}",
        )
    lost = forget_notes.read_all(project).lost  # what is in them nobody can say, and a person knows
    reasons = options.held([one for one in found.records if one.id in known_forgotten - lost])
    gone = known_forgotten - reasons.keys()
    live = found._replace(records=[one for one in found.records if one.id not in gone])
    return PruneInputs(gone, live, tuple(sorted(reasons.items())))


def steadily(
    project: Project, known_forgotten: frozenset[str], options: PruneOptions, find: Callable[[PruneInputs], T]
) -> tuple[PruneInputs, T]:
    """Look, and find something out about what is seen. Where that fails it is done anew from the start: another prune may have
    taken a record away whose snapshot somebody has carried forward since, and nobody must be missed. Raises `Damaged`, and
    `Busy` where one was forgotten meanwhile: its writer may have taken it back after its packs were deleted."""
    for _ in range(LOOKS - 1):
        try:
            world = look(project, known_forgotten, options)
            return world, find(world)
        except Damaged:
            continue
    try:
        world = look(project, known_forgotten, options)
        return world, find(world)
    except Damaged as error:
        since = noted_twice(project).by_id.keys() - known_forgotten
        if not since:
            raise
        raise Busy(
            f"snapshot {min(since)} was forgotten while this prune was at work, and what is needed cannot be read: {error}",
            hint="run the prune again: it then counts as forgotten",
        ) from error


def noted_twice(project: Project) -> forget_notes.Notes:
    """What the notes of two listings say together: one may leave a note out, and what it says is forgotten may be gone
    already."""
    listed = [forget_notes.each(project) for _ in range(2)]
    damaged = {problem.path: problem for _, problems in listed for problem in problems}
    return forget_notes.joined((note for notes, _ in listed for note in notes), damaged.values())


def standing_twice(project: Project) -> Packs:
    """The packs of both tiers (tier and SHA-256) with their stored bytes, as two listings together name them."""
    listed = (standing(project, tier) for _ in range(2) for tier in TIERS)
    return {(tier, pack): size for tier, found in zip([*TIERS, *TIERS], listed, strict=True) for pack, size in found.items()}


def may_go(
    project: Project, packs: Sequence[StoredPack], needs: Needs, staying: Callable[[], StayingPacks], *, whole: bool, stop: Stop
) -> frozenset[bytes]:
    """Those of the packs that no snapshot needs: no record names them, or what is needed of them is proven to lie elsewhere
    (whole: by reading it there). staying: asked only where that matters."""
    moved = [one for one in packs if one.sha256 in needs.reached - needs.now]
    unnamed = {one.sha256 for one in packs if one.sha256 not in needs.reached}
    return frozenset(
        unnamed | (moved_packs.proven(project, moved, staying(), whole=whole, stop=stop) if moved else frozenset())
    )


def make_plan(project: Project, options: PruneOptions) -> PrunePlan:
    """Find out what a prune would do. Raises `Damaged` where a record cannot be read, or is missing."""
    options.progress.phase("looking what is needed")
    notes = noted_twice(project)
    noted = frozenset(notes.by_id)
    until = staying_until(project, notes)
    listed = standing_twice(project)
    stored = [StoredPack(tier, pack, listed[tier, pack]) for tier, pack in sorted(listed)]

    def find(world: PruneInputs) -> tuple[Needs, frozenset[bytes], dict[bytes, reachability.PackUsage]]:
        options.stop()
        needs = reachability.needs(project, world.live.records, world.live.moved)
        inner = reachability.PackContents(project, world.live.records, needs, options.stop)

        def staying() -> StayingPacks:
            kept = {(one.tier, one.sha256): one.size for one in stored if one.sha256 in needs.now}
            return StayingPacks(world.live.records, world.live.moved, inner.index, kept)

        dead = may_go(
            project, [one for one in stored if one.sha256 not in needs.now], needs, staying, whole=False, stop=options.stop
        )
        dead -= inner.unlisted([one.sha256 for one in stored])
        if options.repack_above is None or inner.index.damaged or until is not None:
            return needs, dead, {}
        return needs, dead, reachability.pack_usage(inner.index, inner.live)

    world, (needs, free_to_go, filled) = steadily(project, noted, options, find)
    unneeded = [one for one in stored if one.sha256 in free_to_go]
    dead = unneeded if until is None else []
    stays = [one for one in stored if one.sha256 in needs.now]
    wasteful = _wasteful(project, filled, stays, options.repack_above or 0.0)
    recorded = set(snapshots.stored_ids(project))
    snapshots_left = {one.id for one in world.live.records} | (world.gone & recorded)
    if not options.allow_empty and missing_snapshots.records_gone(project, snapshots_left):
        raise RefusedByRule(
            f"nothing of {project.name} can be pruned: {missing_snapshots.RECORDS_GONE}",
            hint=f"bring the objects below {project.folder('snapshots')} back from an older version or a copy; if no snapshot "
            f"is to be left: `strongroom prune {quoted(project.name)} --allow-empty`",
        )
    going_records = sorted((world.gone if until is None else world.gone - notes.lost) & recorded)
    locks = locked_ones(options, [*dead, *(one.pack for one in wasteful)], lambda one: name_of(project, one))
    record_locks = locked_ones(options, going_records, lambda one: layout.snapshot_name(project.id, one))
    free = [one for one in dead if one not in locks]
    wasteful = [one for one in wasteful if one.pack not in locks]
    going = within(free, [one.size for one in free], options.max_bytes)
    rest = None if options.max_bytes is None else options.max_bytes - sum(one.size for one in going)
    moving = within(wasteful, [one.pack.size for one in wasteful], rest)
    return PrunePlan(
        project=project.name,
        known_forgotten=noted,
        forgotten=tuple(one for one in going_records if one not in record_locks),
        held=world.held,
        dead=tuple(going),
        wasteful=tuple(moving),
        later=(*free[len(going) :], *(one.pack for one in wasteful[len(moving) :])),
        locked=tuple(locks.items()),
        locked_records=tuple(record_locks.items()),
        needed=tuple(stays),
        unproven=tuple(one for one in stored if one.sha256 not in needs.now and one.sha256 not in free_to_go),
        claims=tuple(
            (one, claims.described(project, one)) for one in claims.unfinished(project, claims.standing(project), recorded)
        ),
        segments=sum(1 for _ in project.store.list(project.folder("index"))),
        after_loss=() if until is None else tuple(unneeded),
        packs_stay_until=until,
    )


def staying_until(project: Project, notes: forget_notes.Notes) -> datetime | None:
    """Until when no pack may go, as the loss of snapshots was accepted; None where that is over, or none was."""
    until = notes.packs_stay_until
    return until if until is not None and until > project.services.clock.now() else None


def locked_ones(options: PruneOptions, things: Sequence[T], name: Callable[[T], str]) -> dict[T, datetime]:
    """Those of the things that the store keeps, and until when: a request each, several at once."""
    if options.locked is nothing_locked:
        return {}
    with ThreadPoolExecutor(min(LOOKERS, len(things)) or 1, thread_name_prefix="locked") as pool:
        moments = pool.map(lambda one: options.locked(name(one)), things)
        return {one: until for one, until in zip(things, moments, strict=True) if until is not None}


def _wasteful(
    project: Project, filled: dict[bytes, reachability.PackUsage], packs: Sequence[StoredPack], share: float
) -> list[WastefulPack]:
    """The packs of which so much is waste that the rest is worth storing anew, the most wasteful first. Without a read
    capability only those of the catalogue can be."""
    inside = [(one, filled[one.sha256]) for one in packs if one.sha256 in filled and moved_packs.readable(project, one.tier)]
    partly = [(one, inner) for one, inner in inside if 0 < inner.waste < inner.frames]
    found = [WastefulPack(one, inner.waste) for one, inner in partly if inner.waste >= share * inner.frames]
    return sorted(found, key=lambda one: (-one.waste, one.pack.sha256))


def within(things: list[T], sizes: list[int], most: int | None) -> list[T]:
    """As many of the things, from the first on, as fit into `most` bytes."""
    if most is None:
        return things
    return things[: sum(total <= most for total in accumulate(sizes))]


def name_of(project: Project, pack: StoredPack) -> str:
    """Its name in the store."""
    return layout.pack_name(project.id, pack.tier, pack.sha256)
