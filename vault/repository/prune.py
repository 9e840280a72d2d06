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

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from vault import memory
from vault.errors import StorageDenied
from vault.format import layout
from vault.format.housekeeping import MOST_IN_MARK, Forgotten
from vault.repository import claims, liveness, marks, rollups, snapshots
from vault.repository.adopt import healed, standing
from vault.repository.chunk_index import ChunkIndex
from vault.repository.forget import put_notes
from vault.repository.project import Project
from vault.repository.prune_plan import Plan, StoredPack, Wishes, World, name_of, steadily
from vault.repository.repack import SOURCE, Live, repack
from vault.repository.tidy import tidy


@dataclass(slots=True)
class Report:
    """What a prune did. waiting: claims that were still at work when its patience ran out; then it did nothing else · deleted,
    freed: packs and their bytes · spared: packs that a snapshot needs that was committed meanwhile · refused: packs and
    records that the store would not delete · left: packs that there was no time for · moved, stored: packs of which the
    rest was stored anew, and the bytes of that · damaged: such that could not be read whole · segments: written, in place
    of how many · rollups_deleted: of whose snapshots little was left."""

    project: str
    waiting: list[str] = field(default_factory=list)
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
        project.store.delete(layout.mark_name(project.id, layout.new_id(project.services.chance.token(16))))
    except StorageDenied as error:
        raise StorageDenied(
            f"prune deletes objects, which these credentials may not; nothing was changed ({error})",
            hint="run prune with credentials that may delete, on a machine that takes no backups",
        ) from error


def apply(project: Project, plan: Plan, wishes: Wishes) -> Report:
    """Do what a plan says, as far as it still holds. Raises `Interrupted` from `wishes.stop`, `StorageError`, `Damaged`."""
    clock = project.services.clock
    began = clock.monotonic()
    run = _Prune(project, plan, wishes)
    try:
        run.run()
    finally:
        run.unmark()
    run.report.seconds = clock.monotonic() - began
    return run.report


class _Prune:
    def __init__(self, project: Project, plan: Plan, wishes: Wishes) -> None:
        self._project = project
        self._plan = plan
        self._wishes = wishes
        self._marks: list[str] = []
        self._in_doubt = False
        self._began = project.services.clock.monotonic()
        self.report = Report(project.name)

    def run(self) -> None:
        """All steps. The mark stands until `unmark`."""
        wishes, plan = self._wishes, self._plan
        memory.give_back()
        meant = [*plan.dead, *(one.pack for one in plan.wasteful)]
        if meant or plan.forgotten:
            wishes.stop()
            for start in range(0, len(meant), MOST_IN_MARK):
                part = [one.sha256 for one in meant[start : start + MOST_IN_MARK]]
                self._marks.append(marks.write(self._project, part))
            wishes.progress.phase("looking for backups under way")
            standing_claims, patience = claims.standing(self._project), replace(wishes.patience, altogether=self._time_left())
            self.report.waiting = claims.wait(self._project, standing_claims, patience, wishes.stop, wishes.progress)
            if self.report.waiting:
                return
            world, (needs, live) = steadily(self._project, plan.known_forgotten, wishes.held, self._find)
            dead = [one for one in plan.dead if one.sha256 not in needs.now]
            self.report.spared = len(plan.dead) - len(dead)
            moved = self._repack(live)
            del live  # an index of everything: another one is read for tidying
            memory.give_back()
            self._delete_records(world)
            self._delete_moves(world, needs)
            named = self._tidy(frozenset(one.sha256 for one in dead) | moved)
            self.report.refused += [one.sha256.hex() for one in dead if one.sha256 in named]
            self._delete_packs(one for one in dead if one.sha256 not in named)
        self._tidy(frozenset())
        self.report.rollups_deleted = rollups.thin(self._project, frozenset(snapshots.ids(self._project)), wishes.stop)
        self._delete_old_marks()
        claims.clear(self._project, wishes.patience)

    def unmark(self) -> None:
        """Nothing more will be deleted. Where a deletion was sent and its fate is unknown, it may still arrive: then the marks
        stay, and go with a later prune."""
        if self._in_doubt:
            return
        for name in self._marks:
            self._project.store.delete(name)
        self._marks = []

    def _find(self, world: World) -> tuple[liveness.Needs, Live | None]:
        """What is needed, and what of the wasteful packs."""
        needs = liveness.needs(self._project, world.live.records, world.live.moved)
        packs = [one.pack for one in self._plan.wasteful if one.pack.sha256 in needs.now]
        if not packs or self._late():
            return needs, None
        index = healed(self._project, ChunkIndex.load(self._project))
        chunks = liveness.live_chunks(self._project, world.live.records, index, self._wishes.stop)
        return needs, Live(packs, chunks, index)

    def _repack(self, live: Live | None) -> frozenset[bytes]:
        if live is None:
            return frozenset()
        size = sum(one.size for one in live.packs)
        self._wishes.progress.phase("storing anew what is needed", items=len(live.packs), size=size)
        done = repack(self._project, live, self._wishes)
        self.report.moved, self.report.stored = len(done.moved), done.stored
        self.report.damaged = [pack.hex() for pack in done.damaged]
        return done.moved

    def _delete_records(self, world: World) -> None:
        for snapshot in self._plan.forgotten:
            if snapshot in world.gone:
                self._wishes.stop()
                try:
                    self._project.store.delete(layout.snapshot_name(self._project.id, snapshot))
                except StorageDenied:
                    self.report.refused.append(snapshot)
                    continue
                self.report.forgotten += 1

    def _delete_moves(self, world: World, needs: liveness.Needs) -> None:
        """Records of moved packs go once no snapshot names these packs and they are gone themselves."""
        there = frozenset().union(*(standing(self._project, tier) for tier in layout.TIERS))
        over = [one for one in world.live.moves if not any(old in needs.reached or old in there for old in one.packs)]
        over = [one for one in over if self._wishes.locked(layout.snapshot_name(self._project.id, one.id)) is None]
        moments = [(one.id, layout.moment_of(one.id) or self._project.services.clock.now()) for one in over]
        put_notes(self._project, [Forgotten(snapshot, SOURCE, moment, ()) for snapshot, moment in moments], "nothing needs it")
        for one in over:
            self._wishes.stop()
            self._project.store.delete(layout.snapshot_name(self._project.id, one.id))

    def _tidy(self, gone: frozenset[bytes]) -> frozenset[bytes]:
        """Gives the packs that segments go on naming which the store would not delete."""
        done = tidy(self._project, gone, most_segments=self._wishes.most_segments, stop=self._wishes.stop)
        self.report.segments_written += done.written
        self.report.segments_replaced += done.replaced
        return done.refused

    def _delete_packs(self, packs: Iterable[StoredPack]) -> None:
        packs = list(packs)
        self._wishes.progress.phase("deleting packs", items=len(packs), size=sum(one.size for one in packs))
        for done, pack in enumerate(packs):
            self._wishes.stop()
            if self._late():
                self.report.left = len(packs) - done
                return
            self._in_doubt = True
            try:
                self._project.store.delete(name_of(self._project, pack))
            except StorageDenied:
                self._in_doubt = False
                self.report.refused.append(pack.sha256.hex())
                continue
            self._in_doubt = False
            self.report.deleted += 1
            self.report.freed += pack.size
            self._wishes.progress.advance(items=1, size=pack.size)

    def _delete_old_marks(self) -> None:
        """Marks of prunes that died: a mark that names no pack that stands keeps nobody from anything."""
        others = {name: packs for name, packs in marks.by_name(self._project).items() if name not in self._marks}
        there = frozenset().union(*(standing(self._project, tier) for tier in layout.TIERS)) if others else frozenset()
        for name, packs in others.items():
            if packs.isdisjoint(there):
                self._project.store.delete(name)

    def _late(self) -> bool:
        left = self._time_left()
        return left is not None and left <= 0

    def _time_left(self) -> float | None:
        most = self._wishes.max_seconds
        return None if most is None else most - (self._project.services.clock.monotonic() - self._began)
