"""Reclaiming what nothing needs, beside whatever else is going on. No lock is taken and no clock is trusted for safety.

    mark      names the packs that may go: who starts later leans on none of them anew
    wait      for every claim that stands now: its writer may have leaned on them before
    look      at the records again, and spare what they need, those forgotten since the plan was made included
    repack    what is needed of wasteful packs is stored anew, under a claim
    delete    records of forgotten snapshots, rows of the index, packs; then the mark

It may end anywhere. Until the first deletion nothing has happened; after that, what was deleted was not needed by anybody, and
the next prune goes on with the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from vault.errors import StorageDenied
from vault.format import layout
from vault.format.forget_note import ForgottenSnapshot
from vault.format.mark import MAX_PACKS_IN_MARK
from vault.progress import release_memory
from vault.repository import claims, forget_notes, presence, rollups, snapshots
from vault.repository.gc import marks, reachability
from vault.repository.gc.forget import put_notes
from vault.repository.gc.moved_packs import StayingPacks
from vault.repository.gc.prune_plan import (
    Packs,
    PruneInputs,
    PruneOptions,
    PrunePlan,
    StoredPack,
    locked_ones,
    may_go,
    name_of,
    standing_twice,
    staying_until,
    steadily,
)
from vault.repository.gc.reachability import Needs, PackContents
from vault.repository.gc.repack import SOURCE, RepackInputs, repack
from vault.repository.index_compaction import compact
from vault.repository.index_segments import store_segments
from vault.repository.project import Project

T = TypeVar("T")

RECORDS_AT_ONCE = 100
"""Of forgotten snapshots, that are deleted between two readings of the holds."""

LOCKS_AT_ONCE = 64
"""Objects of which the store is asked whether they are locked before the first of them is deleted."""


@dataclass(slots=True)
class PruneReport:
    """What a prune did. waiting: claims that were still at work when its patience ran out; then it did nothing else ·
    waiting_for: whose they are · deleted,
    freed: packs and their bytes · spared: packs that a snapshot needs that was committed meanwhile · refused: packs and
    records that the store would not delete · left: packs that there was no time for · moved, stored: packs of which the
    rest was stored anew, and the bytes of that · damaged: such that could not be read whole · segments: written, in place
    of how many · rollups_deleted: of whose snapshots little was left."""

    project: str
    waiting: list[str] = field(default_factory=list)
    waiting_for: list[str] = field(default_factory=list)
    forgotten: int = 0
    deleted: int = 0
    freed: int = 0
    spared: int = 0
    refused: list[str] = field(default_factory=list)
    left: int = 0
    moved: int = 0
    stored: int = 0
    damaged: list[str] = field(default_factory=list)
    segments_written: int = 0
    segments_replaced: int = 0
    rollups_deleted: int = 0
    seconds: float = 0.0

    @property
    def done(self) -> bool:
        """Whether everything was done that was planned."""
        return not (self.waiting or self.refused or self.left or self.damaged)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {name: getattr(self, name) for name in self.__slots__} | {"done": self.done}


def refuse_without_rights(project: Project) -> None:
    """Raises `StorageDenied` where these credentials may delete nothing, before anything was done. Deleting what is not there
    is refused like any other deletion."""
    try:
        project.store.delete(layout.mark_name(project.id, layout.new_id(project.services.randomness.token(16))))
    except StorageDenied as error:
        raise StorageDenied(
            f"prune deletes objects, which these credentials may not; nothing was changed ({error})",
            hint="run prune with credentials that may delete, on a machine that takes no backups",
        ) from error


def apply(project: Project, plan: PrunePlan, options: PruneOptions) -> PruneReport:
    """Do what a plan says, as far as it still holds. Raises `Interrupted` from `wishes.stop`, `StorageError`, `Damaged`."""
    clock = project.services.clock
    began = clock.monotonic()
    run = _Prune(project, plan, options)
    try:
        run.run()
    finally:
        run.unmark()
    run.report.seconds = clock.monotonic() - began
    return run.report


class _Prune:
    def __init__(self, project: Project, plan: PrunePlan, options: PruneOptions) -> None:
        self._project = project
        self._plan = plan
        self._wishes = options
        self._marks: list[str] = []
        self._in_doubt = False
        self._began = project.services.clock.monotonic()
        self.report = PruneReport(project.name)

    def run(self) -> None:
        """All steps. The mark stands until `unmark`."""
        options, plan = self._wishes, self._plan
        release_memory()
        meant = [*plan.dead, *(one.pack for one in plan.wasteful)]
        if meant or plan.forgotten:
            options.stop()
            for start in range(0, len(meant), MAX_PACKS_IN_MARK):
                part = [one.sha256 for one in meant[start : start + MAX_PACKS_IN_MARK]]
                self._marks.append(marks.write(self._project, part))
            options.progress.phase("looking for backups under way")
            limits = [one for one in (self._time_left(), options.patience.altogether) if one is not None]
            patience = replace(options.patience, altogether=min(limits, default=None))
            met = {one: claims.described(self._project, one) for one in claims.standing(self._project)}
            self.report.waiting = claims.wait(self._project, list(met), patience, options.stop, options.progress)
            if self.report.waiting:
                self.report.waiting_for = [met.get(one, f"the evicted backup {one}") for one in self.report.waiting]
                return
            moved = self._store_anew()
            release_memory()
            self._delete_records()
            dead = self._still_dead()
            release_memory()
            named = self._tidy(frozenset(one.sha256 for one in dead) | moved)
            self.report.refused += [one.sha256.hex() for one in dead if one.sha256 in named]
            self._delete_packs([one for one in dead if one.sha256 not in named])
        else:
            self._look(self._name_unnamed)
        self._tidy(frozenset())
        self.report.rollups_deleted = rollups.thin(self._project, frozenset(snapshots.ids(self._project)), options.stop)
        self._delete_old_marks()
        self.report.refused += claims.clear(self._project, options.patience)

    def unmark(self) -> None:
        """Nothing more will be deleted. Where a deletion was sent and its fate is unknown, it may still arrive: then the marks
        stay, and go with a later prune."""
        if self._in_doubt:
            return
        for name in self._marks:
            self._delete(name)
        self._marks = []

    def _look(self, find: Callable[[PruneInputs, PackContents], T]) -> tuple[PruneInputs, T]:
        """What stands now, what holds keep now, and what follows from that."""

        def look(world: PruneInputs) -> T:
            needs = reachability.needs(self._project, world.live.records, world.live.moved)
            return find(world, PackContents(self._project, world.live.records, needs, self._wishes.stop))

        return steadily(self._project, self._plan.known_forgotten, self._wishes, look)

    def _name_unnamed(self, _world: PruneInputs, inside: PackContents) -> PackContents:
        """Write anew what a lost or damaged index segment said of packs that are needed."""
        import pyarrow as pa

        if inside.unnamed:
            self.report.segments_written += len(store_segments(self._project, pa.concat_tables(inside.unnamed)))
        return inside

    def _store_anew(self) -> frozenset[bytes]:
        """What is needed of wasteful packs; gives those that have moved."""
        _, inside = self._look(self._name_unnamed)
        packs = [one.pack for one in self._plan.wasteful if one.pack.sha256 in inside.needs.now]
        if not packs or self._late() or inside.index.damaged:
            return frozenset()
        size = sum(one.size for one in packs)
        self._wishes.progress.phase("storing anew what is needed", items=len(packs), size=size)
        done = repack(self._project, RepackInputs(packs, inside.live, inside.index), self._wishes, self._late)
        self.report.moved, self.report.stored = len(done.moved), done.stored
        self.report.damaged = [pack.hex() for pack in done.damaged]
        self.report.left += done.left
        return done.moved

    def _delete_records(self) -> None:
        """Of forgotten snapshots. The holds are asked again every so many: one may have been placed while this waited."""
        for start in range(0, len(self._plan.forgotten), RECORDS_AT_ONCE):
            self._wishes.stop()
            some = self._plan.forgotten[start : start + RECORDS_AT_ONCE]
            held = self._wishes.held(snapshots.read_those(self._project, some).records)
            names = {layout.snapshot_name(self._project.id, one): one for one in some if one not in held}
            for name in self._unlocked(list(names)):
                self.report.forgotten += self._delete(name, says=names[name])

    def _still_dead(self) -> list[StoredPack]:
        """The packs of the plan that may go by all that is known now, right before they go: records, holds, listings; and
        records of moved packs go that nobody needs."""
        plan, stop = self._plan, self._wishes.stop
        if staying_until(self._project, forget_notes.read_all(self._project)) is not None:
            self.report.spared = len(plan.dead)
            return []
        met, mine = marks.read(self._project), frozenset(self._marks)
        others = met.packs_beside(mine)
        unknown = bool(met.unreadable - mine)  # such a mark may name any pack: then none is known to stay

        def find(world: PruneInputs, inside: PackContents) -> tuple[frozenset[bytes], Needs, Packs]:
            listed = standing_twice(self._project)

            def staying() -> StayingPacks:
                needed = frozenset() if unknown else inside.needs.now - others
                stays = {one: size for one, size in listed.items() if one[1] in needed}
                return StayingPacks(world.live.records, world.live.moved, inside.index, stays)

            dead = may_go(self._project, plan.dead, inside.needs, staying, whole=True, stop=stop)
            return dead - inside.unlisted([pack for _, pack in listed]), inside.needs, listed

        world, (dead, needs, listed) = self._look(find)
        self._delete_moves(world, needs, listed)
        self.report.spared = len(plan.dead) - len(dead)
        return [one for one in plan.dead if one.sha256 in dead]

    def _delete_moves(self, world: PruneInputs, needs: Needs, listed: Packs) -> None:
        """Records of moved packs go once no snapshot names these packs and they are gone themselves."""
        there = {pack for _, pack in listed}
        over = [one for one in world.live.moves if not any(old in needs.reached or old in there for old in one.packs)]
        names = self._unlocked([layout.snapshot_name(self._project.id, one.id) for one in over])
        over = [one for one in over if layout.snapshot_name(self._project.id, one.id) in names]
        moments = [(one.id, layout.moment_of(one.id) or self._project.services.clock.now()) for one in over]
        put_notes(
            self._project, [ForgottenSnapshot(snapshot, SOURCE, moment, ()) for snapshot, moment in moments], "nothing needs it"
        )
        for name in names:
            self._wishes.stop()
            self._delete(name)

    def _tidy(self, gone: frozenset[bytes]) -> frozenset[bytes]:
        """Gives the packs that segments go on naming which the store would not delete."""
        done = compact(self._project, gone, most_segments=self._wishes.most_segments, stop=self._wishes.stop)
        self.report.segments_written += done.written
        self.report.segments_replaced += done.replaced
        return done.refused

    def _delete_packs(self, packs: Sequence[StoredPack]) -> None:
        self._wishes.progress.phase("deleting packs", items=len(packs), size=sum(one.size for one in packs))
        for start in range(0, len(packs), LOCKS_AT_ONCE):
            some = {name_of(self._project, one): one for one in packs[start : start + LOCKS_AT_ONCE]}
            for done, name in enumerate(self._unlocked(list(some))):
                self._wishes.stop()
                if self._late():
                    self.report.left += len(packs) - start - done
                    return
                self._in_doubt = True
                deleted = self._delete(name, says=some[name].sha256.hex())
                self._in_doubt = False
                if deleted:
                    self.report.deleted += 1
                    self.report.freed += some[name].size
                self._wishes.progress.advance(items=1, size=some[name].size)

    def _unlocked(self, names: list[str]) -> list[str]:
        """Those that the store does not keep, asked once more: a versioned bucket hides what is locked and says nothing."""
        locks = locked_ones(self._wishes, names, lambda name: name)
        self.report.refused += [name.rpartition("/")[2] for name in locks]
        return [name for name in names if name not in locks]

    def _delete(self, name: str, *, says: str | None = None) -> bool:
        """Whether the store let it be deleted; else it is told, as `says`."""
        try:
            self._project.store.delete(name)
        except StorageDenied:
            self.report.refused.append(says or name)
            return False
        return True

    def _delete_old_marks(self) -> None:
        """Marks of prunes that died: a mark that names no pack that stands keeps nobody from anything."""
        others = {name: packs for name, packs in marks.by_name(self._project).items() if name not in self._marks}
        there = {pack for _, pack in standing_twice(self._project)} if others else set()
        for name, packs in others.items():
            if packs.isdisjoint(there) and presence.all_gone(self._project, packs):
                self._delete(name)

    def _late(self) -> bool:
        left = self._time_left()
        return left is not None and left <= 0

    def _time_left(self) -> float | None:
        most = self._wishes.max_seconds
        return None if most is None else most - (self._project.services.clock.monotonic() - self._began)
