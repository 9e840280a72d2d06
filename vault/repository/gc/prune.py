"""Deleting what no snapshot needs, while backups and other prunes run. No lock is taken and no clock is trusted for safety.

    mark      names the packs that may be deleted: writers that start later do not refer to them anew
    wait      for every claim that exists now: its writer may have referred to them before
    repack    what is needed of wasteful packs is stored in new ones, under a claim
    join      small packs are stored again, many as one, under a claim
    read      the records again: what they need stays, also where the snapshot was forgotten since the plan was made
    delete    records of forgotten snapshots, rows of the index, packs; then the mark
    tidy      records of moved packs that are many are joined; those that were go with the next prune

It may end anywhere. Until the first deletion nothing has happened; what is deleted after that is needed by no snapshot, and
the next prune continues with the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from msgspec.structs import replace

from vault.errors import StorageDenied
from vault.format import layout
from vault.format.forget_note import ForgottenSnapshot
from vault.format.mark import MAX_PACKS_IN_MARK
from vault.format.moved_packs import MovedPacks
from vault.progress import run_phase
from vault.repository import claims, forget_notes, head_chunks, record_gathering, rollups, snapshots, stored_packs
from vault.repository.gc import marks, move_records, reachability
from vault.repository.gc.chunk_order import ChunkOrder
from vault.repository.gc.forget import put_notes
from vault.repository.gc.join import JoinInputs, join
from vault.repository.gc.moved_packs import StayingPacks
from vault.repository.gc.prune_inputs import (
    Packs,
    PruneInputs,
    list_packs_twice,
    packs_stay_until,
    read_notes_twice,
    read_until_consistent,
)
from vault.repository.gc.prune_plan import PackBatch, PruneOptions, PrunePlan, StoredPack
from vault.repository.gc.prune_planner import deletable, locked_until, name_of
from vault.repository.gc.prune_report import PruneReport
from vault.repository.gc.reachability import NeededPacks, PackContents
from vault.repository.gc.repack import SOURCE, RepackInputs, repack
from vault.repository.index_compaction import compact
from vault.repository.index_segments import store_segments
from vault.repository.project import Project

T = TypeVar("T")

RECORDS_AT_ONCE = 100
"""Records that are deleted between two readings of the holds."""

LOCKS_AT_ONCE = 64
"""Objects of which the store is asked whether they are locked before the first of them is deleted."""


def refuse_without_rights(project: Project) -> None:
    """Raises `StorageDenied` where these credentials may delete nothing, before anything was done. Deleting what is not there
    is refused like any other deletion. Raises `KeyRefused` for auditors, who may change nothing."""
    project.capability.refuse_auditor()
    try:
        project.store.delete(layout.mark_name(project.id, layout.new_id(project.services.randomness.token(16))))
    except StorageDenied as error:
        raise StorageDenied(
            f"prune deletes objects, which these credentials may not; nothing was changed ({error})",
            hint="run prune with credentials that may delete, on a machine that takes no backups",
        ) from error


def apply(project: Project, plan: PrunePlan, options: PruneOptions) -> PruneReport:
    """Carry out a plan, as far as it still holds. Raises `Interrupted` from `options.stop`, `StorageError`, `Damaged`."""
    clock = project.services.clock
    began = clock.monotonic()
    run = _Prune(project, plan, options)
    try:
        run.run()
    finally:
        run.unmark()
    run.report.seconds = clock.monotonic() - began
    return run.report


class _Moves(NamedTuple):
    """records: of moved packs · reached: packs to which records of snapshots lead · there: that stand."""

    records: tuple[MovedPacks, ...]
    reached: frozenset[bytes]
    there: frozenset[bytes]


class _Prune:
    def __init__(self, project: Project, plan: PrunePlan, options: PruneOptions) -> None:
        self._project = project
        self._plan = plan
        self._options = options
        self._marks: list[str] = []
        self._in_doubt = False
        self._began = project.services.clock.monotonic()
        self.report = PruneReport(project.name)

    def run(self) -> None:
        """All steps. The marks stay until `unmark`."""
        plan = self._plan
        if plan.dead or plan.wasteful or plan.forgotten or plan.joins:
            self._mark()
            if not self._wait():
                return
            self._sweep()
        else:
            run_phase(lambda: self._read(self._name_unnamed))
        self._compact_index(frozenset())
        self.report.rollups_deleted = rollups.thin(self._project, frozenset(snapshots.ids(self._project)), self._options.stop)
        self.report.tables_deleted = record_gathering.delete_damaged(self._project)
        done = record_gathering.gather(self._project, record_gathering.OF_PRUNES, self._options.stop)
        self.report.records_gathered = done.records
        run_phase(self._refresh_heads)
        self._delete_old_marks()
        self.report.refused += claims.delete_committed(self._project, self._options.patience)

    def _refresh_heads(self) -> bool:
        records = snapshots.committed(self._project, rolled=True).records
        return head_chunks.refresh(self._project, reachability.catalogue_reader(self._project), records, self._options.stop)

    def _mark(self) -> None:
        """Mark every pack that may be deleted."""
        self._options.stop()
        plan = self._plan
        packs = [pack.sha256 for pack in (*plan.dead, *(waste.pack for waste in plan.wasteful), *plan.small)]
        for start in range(0, len(packs), MAX_PACKS_IN_MARK):
            self._marks.append(marks.write(self._project, packs[start : start + MAX_PACKS_IN_MARK]))

    def _wait(self) -> bool:
        """Wait for every writer that may have referred to a pack before it was marked; returns whether all are done."""
        options = self._options
        options.progress.phase("looking for backups under way")
        limits = [limit for limit in (self._time_left(), options.patience.altogether) if limit is not None]
        patience = replace(options.patience, altogether=min(limits, default=None))
        found = {claim: claims.describe(self._project, claim) for claim in claims.list_ids(self._project)}
        waiting = claims.wait(self._project, list(found), patience, options.stop, options.progress)
        self.report.waiting = waiting
        self.report.waiting_for = [found.get(claim, f"the evicted backup {claim}") for claim in waiting]
        return not waiting

    def _sweep(self) -> None:
        """Repack and delete. Every phase reads the index, so each releases its memory before the next begins."""
        moved = frozenset[bytes]()
        if self._plan.wasteful:
            moved |= run_phase(self._repack)
        if self._plan.joins:
            moved |= run_phase(self._join)
        if not self._plan.wasteful and not self._plan.joins:
            run_phase(lambda: self._read(self._name_unnamed))
        self._delete_records()
        dead, moves = run_phase(self._still_dead)
        named = self._compact_index(frozenset(pack.sha256 for pack in dead) | moved)
        self.report.refused += [pack.sha256.hex() for pack in dead if pack.sha256 in named]
        deleted = self._delete_packs([pack for pack in dead if pack.sha256 not in named])
        if moves is not None and not self._out_of_time():
            there = moves.there - deleted
            self.report.moves_joined = move_records.join_small(self._project, moves.records, moves.reached | there, there)

    def unmark(self) -> None:
        """Delete the marks, as nothing more will be deleted. Where a deletion was sent and its fate is unknown, it may still
        arrive: then the marks stay for a later prune."""
        if self._in_doubt:
            return
        for name in self._marks:
            self._delete(name)
        self._marks = []

    def _read(self, find: Callable[[PruneInputs, PackContents], T]) -> tuple[PruneInputs, T]:
        """The records and holds as they are now, and what `find` finds in them."""

        def find_in(inputs: PruneInputs) -> T:
            needs = reachability.needs(self._project, inputs.live.records, inputs.live.moved)
            return find(inputs, PackContents(self._project, inputs.live.records, needs, self._options.stop))

        return read_until_consistent(self._project, self._plan.known_forgotten, self._options, find_in)

    def _name_unnamed(self, _inputs: PruneInputs, contents: PackContents) -> PackContents:
        """Write rows for needed packs that no segment names: one is lost or damaged."""
        import pyarrow as pa

        if contents.unnamed:
            self.report.segments_written += len(store_segments(self._project, pa.concat_tables(contents.unnamed)))
        return contents

    def _repack(self) -> frozenset[bytes]:
        """Store what is needed of wasteful packs in new ones; returns the packs that have moved."""
        _, contents = self._read(self._name_unnamed)
        packs = [one.pack for one in self._plan.wasteful if one.pack.sha256 in contents.needs.now]
        if not packs or self._out_of_time() or contents.index.damaged:
            return frozenset()
        size = sum(one.size for one in packs)
        self._options.progress.phase("repacking", items=len(packs), size=size)
        done = repack(self._project, RepackInputs(packs, contents.live, contents.index), self._options, self._out_of_time)
        self.report.moved, self.report.stored = len(done.moved), done.stored
        self.report.damaged = [pack.hex() for pack in done.damaged]
        self.report.left += done.left
        return done.moved

    def _join(self) -> frozenset[bytes]:
        """Store small packs again, many as one; returns those that have moved."""
        if self._out_of_time():
            self.report.left += len(self._plan.small)
            return frozenset()
        inputs, contents = self._read(self._name_unnamed)
        batches = self._unmoved_batches(contents.needs)
        if not batches or contents.index.damaged:
            return frozenset()
        packs = [pack for batch in batches for pack in batch]
        self._options.progress.phase("joining small packs", items=len(packs), size=sum(one.size for one in packs))
        order = ChunkOrder(self._project, inputs.live.records, contents.index, contents.needs.origins)
        done = join(self._project, JoinInputs(batches, contents.index, order), self._options, self._out_of_time)
        self.report.joined, self.report.joined_into = len(done.moved), done.packs
        self.report.stored += done.stored
        self.report.damaged += [pack.hex() for pack in done.damaged]
        self.report.left += done.left
        return done.moved

    def _unmoved_batches(self, needs: NeededPacks) -> list[PackBatch]:
        """The batches of the plan, without packs that are needed no more or that another prune is joining: of two at once the
        one whose mark is older goes on. The marks of one that died are of yesterday at last, and keep nobody."""
        found = marks.read(self._project)
        now = self._project.services.clock.now()
        own = min(((found.by_name[name].started_at, name) for name in self._marks if name in found.by_name), default=(now, ""))
        others = [
            mark
            for name, mark in found.by_name.items()
            if name not in self._marks and now - mark.started_at < claims.STALE_AFTER and (mark.started_at, name) < own
        ]
        taken = frozenset[bytes]().union(*(mark.packs for mark in others))
        left = (tuple(pack for pack in batch if pack.sha256 in needs.now - taken) for batch in self._plan.joins)
        return [batch for batch in left if len(batch) > 1]

    def _delete_records(self) -> None:
        """Delete the records of forgotten snapshots. The holds are read again every so many: one may have been placed
        meanwhile."""
        for start in range(0, len(self._plan.forgotten), RECORDS_AT_ONCE):
            self._options.stop()
            some = self._plan.forgotten[start : start + RECORDS_AT_ONCE]
            held = self._options.held(snapshots.read_records(self._project, some).records)
            names = {layout.snapshot_name(self._project.id, one): one for one in some if one not in held}
            for name in self._not_locked(list(names)):
                self.report.forgotten += self._delete(name, named=names[name])

    def _still_dead(self) -> tuple[list[StoredPack], _Moves | None]:
        """The packs of the plan that may still be deleted, by the records, holds and listings of this moment. Also deletes
        records of moved packs that nobody needs; gives the others."""
        plan, stop = self._plan, self._options.stop
        if packs_stay_until(self._project, forget_notes.read_all(self._project)) is not None:
            self.report.spared = len(plan.dead)
            return [], None
        found, mine = marks.read(self._project), frozenset(self._marks)
        others = found.packs_except(mine, self._project.services.clock.now() - marks.PRUNES_LAST)
        unknown = bool(found.unreadable - mine)  # such a mark may name any pack: then none is known to stay

        def find(inputs: PruneInputs, contents: PackContents) -> tuple[frozenset[bytes], NeededPacks, Packs]:
            listed = list_packs_twice(self._project)

            def staying() -> StayingPacks:
                needed = frozenset() if unknown else contents.needs.now - others
                stays = {one: size for one, size in listed.items() if one[1] in needed}
                return StayingPacks(inputs.live.records, inputs.live.moved, contents.index, stays)

            dead = deletable(self._project, plan.dead, contents.needs, staying, whole=True, stop=stop)
            return dead - contents.unlisted([pack for _, pack in listed]), contents.needs, listed

        inputs, (dead, needs, listed) = self._read(find)
        there = frozenset(pack for _, pack in listed)
        moves = self._delete_moved_records(_Moves(tuple(inputs.live.moves), needs.reached, there))
        self.report.spared = len(plan.dead) - len(dead)
        return [one for one in plan.dead if one.sha256 in dead], moves

    def _delete_moved_records(self, moves: _Moves) -> _Moves:
        """Delete records of moved packs once no snapshot names these packs and the packs are gone, or once others say the same;
        returns those that are left."""
        used = moves.reached | moves.there
        over = [one for one in moves.records if not any(old in used for old in one.packs)]
        # what was let go of since the plan says nothing any more: another prune or a copy may have said the same anew
        let_go = read_notes_twice(self._project).by_id
        left = [one for one in moves.records if one not in over and one.id not in let_go]
        over += move_records.said_by_others(left, self._plan.moves, used, moves.there)
        claimed = frozenset(claims.list_ids(self._project)) if over else frozenset()
        over = [one for one in over if one.id not in claimed]  # a claim without its record would count as a backup under way
        names = self._not_locked([layout.snapshot_name(self._project.id, one.id) for one in over])
        over = [one for one in over if layout.snapshot_name(self._project.id, one.id) in names]
        moments = [(one.id, layout.moment_of(one.id) or self._project.services.clock.now()) for one in over]
        put_notes(
            self._project, [ForgottenSnapshot(snapshot, SOURCE, moment, ()) for snapshot, moment in moments], "nothing needs it"
        )
        for name in names:
            self._options.stop()
            self._delete(name)
        return moves._replace(records=tuple(one for one in moves.records if one not in over and one.id not in let_go))

    def _compact_index(self, gone: frozenset[bytes]) -> frozenset[bytes]:
        """Take the packs that are `gone` out of the index; returns those that are still named by segments that the store would
        not delete."""
        done = compact(self._project, gone, most_segments=self._options.most_segments, stop=self._options.stop)
        self.report.segments_written += done.written
        self.report.segments_replaced += done.replaced
        return done.refused

    def _delete_packs(self, packs: Sequence[StoredPack]) -> frozenset[bytes]:
        """Returns those that are gone."""
        gone: set[bytes] = set()
        self._options.progress.phase("deleting packs", items=len(packs), size=sum(one.size for one in packs))
        for start in range(0, len(packs), LOCKS_AT_ONCE):
            some = {name_of(self._project, one): one for one in packs[start : start + LOCKS_AT_ONCE]}
            for done, name in enumerate(self._not_locked(list(some))):
                self._options.stop()
                if self._out_of_time():
                    self.report.left += len(packs) - start - done
                    return frozenset(gone)
                self._in_doubt = True
                deleted = self._delete(name, named=some[name].sha256.hex())
                self._in_doubt = False
                if deleted:
                    gone.add(some[name].sha256)
                    self.report.deleted += 1
                    self.report.freed += some[name].size
                self._options.progress.advance(items=1, size=some[name].size)
        return frozenset(gone)

    def _not_locked(self, names: list[str]) -> list[str]:
        """Those of the objects that are not locked now: a versioned bucket would hide a locked one without an error."""
        locks = locked_until(self._options, names, lambda name: name)
        self.report.refused += [name.rpartition("/")[2] for name in locks]
        return [name for name in names if name not in locks]

    def _delete(self, name: str, *, named: str | None = None) -> bool:
        """Delete an object; returns whether the store allowed it. Otherwise it is reported, as `named` if that is given."""
        try:
            self._project.store.delete(name)
        except StorageDenied:
            self.report.refused.append(named or name)
            return False
        return True

    def _delete_old_marks(self) -> None:
        """Delete marks of prunes that died, once none of their packs exists."""
        others = {name: packs for name, packs in marks.read_by_name(self._project).items() if name not in self._marks}
        there = {pack for _, pack in list_packs_twice(self._project)} if others else set()
        for name, packs in others.items():
            if packs.isdisjoint(there) and stored_packs.all_missing(self._project, packs):
                self._delete(name)

    def _out_of_time(self) -> bool:
        left = self._time_left()
        return left is not None and left <= 0

    def _time_left(self) -> float | None:
        most = self._options.max_seconds
        return None if most is None else most - (self._project.services.clock.monotonic() - self._began)
