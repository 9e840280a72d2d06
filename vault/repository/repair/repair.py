"""Carrying out a repair. Every step looks again, right before it writes, whether it is still needed; each leaves the
repository as sound as it was or more, so that it may end anywhere. What is written over is kept on this machine, and nothing is
deleted but index segments and roll-ups that cannot be read, whose content others say, and claims as any prune would.

    whole copies     of notes, holds, index segments, roll-ups and packs, under their own names
    index            rows that no readable segment has, out of the packs
    moved packs      records of them, and of evictions, that can be had
    content          what bad packs held, in sound ones (see `lost_packs`); again, as long as more of the catalogue can be read
    records          of snapshots, once all that they need stands
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec.structs import replace

from vault.errors import StorageDenied
from vault.format import layout
from vault.format.snapshot_record import Record
from vault.format.tree import DEEPEST
from vault.repository import claims, object_proof
from vault.repository.chunk_index import ChunkIndex
from vault.repository.client_memory import ClientMemory
from vault.repository.index_segments import store_segments
from vault.repository.orphan_packs import orphan_rows
from vault.repository.project import Project
from vault.repository.repair import lost_packs, lost_records, planner, unrepaired_items
from vault.repository.repair.bad_objects import keep_replaced
from vault.repository.repair.lost_packs import MoveOptions
from vault.repository.repair.lost_records import FoundRecord
from vault.repository.repair.object_copies import ObjectCopies
from vault.repository.repair.plan import RepairPlan, RepairReport, RepairStep, Unrepaired
from vault.repository.repair.planner import Finding, RepairOptions
from vault.storage.caching import CachingStore, uncached

MOST_ROUNDS = DEEPEST + 2
"""Times that content is looked for: with each level of a manifest that can be read again more of it is known."""


def apply(project: Project, memory: ClientMemory, plan: RepairPlan, options: RepairOptions) -> RepairReport:
    """Carry out a plan, as far as it still holds. Raises `StorageError` where the store refuses it, `Busy` where this run's
    claim was evicted, `Interrupted`: what was done before stays, and the next repair goes on."""
    run = _Repair(project, memory, plan, options)
    if plan.steps:
        run.run()
    return RepairReport(tuple(run.done), tuple(run.failed), frozenset(run.packs), planner.plan_of(project, run.find()))


class _Repair:
    def __init__(self, project: Project, memory: ClientMemory, plan: RepairPlan, options: RepairOptions) -> None:
        self._project = project
        self._memory = memory
        self._plan = plan
        self._options = options
        self._copies = ObjectCopies(project, options.others)
        self.done: list[RepairStep] = []
        self.failed: list[Unrepaired] = []
        self.packs: set[bytes] = set()
        self._not_whole: set[str] = set()
        """Of which a copy seemed to be whole, and was not."""

    def find(self) -> Finding:
        """What is bad now."""
        options = replace(self._options, known_damaged=self._options.known_damaged - self.packs)
        return planner.find(self._project, self._memory, options, not_whole=self._not_whole)

    def run(self) -> None:
        """All steps."""
        steps = self._plan.steps
        back = [one for one in steps if one.what == "put-back"]
        self._options.progress.phase("putting whole copies back", items=len(back))
        for one in back:
            self._options.stop()
            self._note(one, self._put_back(one.object))
            self._options.progress.advance(items=1)
        self._write_index([one for one in steps if one.what == "index"])
        self._move_content([one for one in steps if one.what in ("content", "record")])
        for one in (one for one in steps if one.what in ("claim", "roll-up", "record-table", "head-chunks")):
            self._options.stop()
            self._note(one, self._evict(one) if one.what == "claim" else self._delete(one.object))

    def _note(self, step: RepairStep, why: str = "") -> None:
        """A step is done, or failed. why: in words."""
        if why:
            self.failed.append(Unrepaired("", step.object, why, ""))
        else:
            self.done.append(step)

    def _put_back(self, name: str) -> str:
        """Store a whole copy under its name; gives why that was not done, empty where it stands whole now."""
        project = self._project
        if object_proof.stands_whole(project, uncached(project.store), name):
            return ""
        copy = self._copies.find(name)
        if copy is None:
            self._not_whole.add(name)
            return "the copy of it is not whole, or is gone"
        keep_replaced(project, self._memory, name)
        sha256 = layout.pack_sha256(name) if layout.folder_of(name, project.id) in layout.TIERS.values() else None
        project.store.put(name, copy.data, sha256=sha256)
        if not project.stands_as(name, copy.data):
            return "the store has something else under its name"
        if isinstance(project.store, CachingStore):
            project.store.saved.discard(name)
        if sha256 is not None:
            self.packs.add(sha256)
        return ""

    def _write_index(self, steps: Sequence[RepairStep]) -> None:
        """Write rows of packs that no readable segment names, then take the damaged segments away."""
        import pyarrow as pa

        if not steps:
            return
        self._options.progress.phase("writing the index")
        rows = orphan_rows(self._project, ChunkIndex.load(self._project).packs())
        if rows:
            store_segments(self._project, pa.concat_tables(rows))
        for one in steps:
            damaged = one.object != self._project.folder("index")
            self._note(one, self._delete(one.object) if damaged else "")

    def _delete(self, name: str) -> str:
        """Delete an object that cannot be read and that others replace; gives why that was not done. One that is whole by now
        stays."""
        if keep_replaced(self._project, self._memory, name):
            try:
                self._project.store.delete(name)
            except StorageDenied as error:
                return f"it cannot be deleted: {error}"
        return ""

    def _evict(self, step: RepairStep) -> str:
        if keep_replaced(self._project, self._memory, step.object):
            claims.evict(self._project, step.object.rpartition("/")[2])
        return ""

    def _move_content(self, steps: Collection[RepairStep]) -> None:
        """What bad packs held, and the records that need it."""
        found = self.find()
        others = [one for one in found.records if not isinstance(one.value, Record)]
        if others:
            self._put_records_back(others, found)
            found = self.find()
        for _ in range(MOST_ROUNDS):
            back = [name for name in found.packs if not self._put_back(name)]
            moved = self._move(found)
            self.packs |= moved
            if not moved and not back:
                break
            found = self.find()
        self._put_records_back(found.records, found)
        for one in steps:
            pack = layout.pack_sha256(one.object)
            if one.what == "content":
                self._note(one, "" if pack in self.packs else "what it held could not be had after all")

    def _move(self, found: Finding) -> frozenset[bytes]:
        if not found.damage.bad:
            return frozenset()
        items = unrepaired_items.look(found.reader, found.damage, found.replacements.lost)
        _, given_up = unrepaired_items.without_given_up(items, found.given_up)
        options, sources = self._options, self._options.sources(self._project)
        return lost_packs.move(
            self._project, found.damage, MoveOptions(sources, given_up, options.stop, options.progress)
        ).packs

    def _put_records_back(self, records: Collection[FoundRecord], found: Finding) -> None:
        planned = {one.object: one for one in self._plan.steps if one.what == "record"}
        wanted = [one for one in records if one.bad.name in planned]
        done, reasons = lost_records.put_back(self._project, self._memory, wanted, planner.needed_by_standing(found))
        for one in done:
            self._note(planned[one.bad.name])
        for name, why in reasons.items():
            self._note(planned[name], f"it was not put back: {why}")
