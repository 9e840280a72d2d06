"""Records of snapshots, of moved packs and of evictions that are damaged or gone: where they can be had, and whether they may
be put back.

    a whole copy     this machine's cache, another store
    a roll-up        holds the records of its snapshots, but for what these say of problems
    a table          of records holds the same of many snapshots, and records of moved packs

Nobody who has not seen such a record knows what it needs: a prune may be at work that deletes it. So it goes back under a
claim, for which every later prune waits, and one that is gone only where all of its packs stand and no mark names what it
needs, or may name it: else a prune may have taken it away. One that stands damaged goes back also where content of it is lost.
What somebody forgot stays away, and so does what a prune took the place of.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from msgspec.structs import replace

from vault.errors import Damaged, ObjectExists, StrongroomError
from vault.format.claim import Eviction
from vault.format.layout import META_TIER
from vault.format.moved_packs import MovedPacks
from vault.format.snapshot_record import Record
from vault.repository import forget_notes, object_proof, record_gathering, record_tables, rollups, snapshots, stored_packs
from vault.repository.catalog_chunks import MetaReader
from vault.repository.chunk_index import ChunkIndex
from vault.repository.client_memory import ClientMemory
from vault.repository.gc import marks
from vault.repository.gc.marks import Marks
from vault.repository.own_claim import OwnClaim
from vault.repository.project import Project
from vault.repository.repair.bad_objects import BadObject, keep_replaced
from vault.repository.repair.object_copies import ObjectCopies
from vault.storage.caching import uncached

ROLL_UP = "a roll-up"
TABLE = "a table of records"
SOURCE = "(repair)"
"""What the claim of a repair says in place of a source."""


class FoundRecord(NamedTuple):
    """A record that can be had. bad: what is in its place · stored: its bytes; None where it must be sealed anew · origin:
    where it is from, in words."""

    bad: BadObject
    value: Record | MovedPacks | Eviction
    stored: bytes | None
    origin: str


def find(project: Project, bad: Iterable[BadObject], copies: ObjectCopies) -> list[FoundRecord]:
    """The records among these objects that can be had, but for those that a note says were forgotten. Raises `StorageError`."""
    wanted = [one for one in bad if one.folder == "snapshots"]
    if not wanted:
        return []
    noted = forget_notes.read_all(project).by_id
    rolled = {one.id: one for records in rollups.rolled_up(project) for one in records}
    in_tables = record_tables.load(project).read(one.leaf for one in wanted if one.leaf not in rolled)
    found: list[FoundRecord] = []
    for one in wanted:
        copy = copies.find(one.name)
        if one.leaf in noted:
            continue
        if copy is not None:
            found.append(FoundRecord(one, object_proof.decoded(project, one.name, copy.data), copy.data, copy.origin))
        elif one.leaf in rolled:
            found.append(FoundRecord(one, rolled[one.leaf], None, ROLL_UP))
        elif one.leaf in in_tables:
            found.append(FoundRecord(one, in_tables[one.leaf], None, TABLE))
    return found


def withheld(project: Project, found: FoundRecord, seen: Marks, needed: frozenset[bytes]) -> str:
    """Why a record may not be put back, in words; empty where it may. needed: packs that snapshots need whose records stand.
    Raises `StorageError`."""
    try:
        packs = _packs_of(project, found.value)
    except Damaged as error:
        return f"what it needs cannot be told: {error}"
    lost = stored_packs.missing(project, packs) if found.bad.gone else frozenset()
    if lost:
        return f"the pack {min(lost).hex()} that it needs is gone"
    return withheld_by_marks(project, found, seen, packs - needed)


def withheld_by_marks(project: Project, found: FoundRecord, seen: Marks, packs: frozenset[bytes]) -> str:
    """The same, as far as marks say why. packs: that it needs and nobody else. Beside a record that stands damaged no prune
    deletes anything, whatever it has marked."""
    if found.bad.leaf in seen.evicted() and not isinstance(found.value, Eviction):
        return "a prune has evicted its writer"
    if not found.bad.gone or not packs:
        return ""
    marked = seen.packs_except((), project.services.clock.now() - marks.PRUNES_LAST)
    return "a prune may be about to delete what it needs" if seen.unreadable or packs & marked else ""


def put_back(
    project: Project, memory: ClientMemory, records: Collection[FoundRecord], needed: frozenset[bytes]
) -> tuple[list[FoundRecord], dict[str, str]]:
    """Put records back where that is safe; gives them, and why others stay away, by their names. needed: packs that snapshots
    need whose records stand. Raises `StorageError`."""
    if not records:
        return [], {}
    claim = OwnClaim.put(project, SOURCE)
    done: list[FoundRecord] = []
    reasons: dict[str, str] = {}
    try:
        seen = marks.read(project)
        below = replace(project, store=uncached(project.store))
        known = record_tables.load(project).ids
        for one in sorted(records, key=lambda one: isinstance(one.value, Record)):  # what has moved, snapshots follow
            claim.refresh_if_due()
            why = withheld(below, one, seen, needed)
            if not why and isinstance(one.value, Record) and one.value.id not in known:
                record_gathering.write_late(project, [one.value])  # tables may cover its name
            why = why or _store(project, memory, one)
            if why:
                reasons[one.bad.name] = why
            else:
                done.append(one)
    except (StrongroomError, KeyboardInterrupt):
        claim.delete()
        raise
    claim.delete()
    return done, reasons


def _store(project: Project, memory: ClientMemory, found: FoundRecord) -> str:
    """Store a record; gives why that was not done, empty where it was."""
    name = found.bad.name
    data = bytes(project.seal_record(name, found.value.as_json())) if found.stored is None else found.stored
    if found.bad.gone:
        if project.descriptor.trust.create_once:
            try:
                project.store.create(name, data)
            except ObjectExists:
                return "something stands under its name by now"
        elif stored_packs.exists(project, name):
            return "something stands under its name by now"
        else:
            project.store.put(name, data)
    else:
        if not keep_replaced(project, memory, name):
            return "what stands under its name is whole by now, or gone"
        project.store.put(name, data)
    return "" if project.stands_as(name, data) else "the store has another object under its name"


def _packs_of(project: Project, one: Record | MovedPacks | Eviction) -> frozenset[bytes]:
    if isinstance(one, Eviction):
        return frozenset()
    moved = snapshots.committed(project).moved
    if isinstance(one, MovedPacks):
        return snapshots.current_packs(frozenset[bytes]().union(*one.packs.values()), moved)
    reader = MetaReader(project, ChunkIndex.load(project, tier=META_TIER))
    snapshots.read_manifest(reader, one, columns=["path"])
    return snapshots.needed_packs(reader, one, moved)
