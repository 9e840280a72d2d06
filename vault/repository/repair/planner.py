"""Making the plan of a repair: what is bad, where the truth about it can be had, and what is left. Nothing is written to the
store; everything is looked at as it will be once the whole copies are back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from msgspec import Struct, field
from msgspec.structs import replace

from vault.format import layout
from vault.format.layout import CONTENT_TIER, META_TIER
from vault.format.moved_packs import MovedPacks
from vault.format.snapshot_record import Record
from vault.progress import NoProgress, Progress, Stop, never
from vault.repository import key_rotation, lost_items
from vault.repository.catalog_chunks import MetaReader
from vault.repository.claims import STALE_AFTER
from vault.repository.client_memory import ClientMemory
from vault.repository.gc import marks
from vault.repository.project import Project
from vault.repository.repair import bad_objects, grant_copies, lost_records, pack_damage, replacements, unrepaired_items
from vault.repository.repair.bad_objects import BadObject
from vault.repository.repair.chunk_sources import ContentSource, in_copy
from vault.repository.repair.lost_records import FoundRecord
from vault.repository.repair.object_copies import CopyStore, ObjectCopies
from vault.repository.repair.pack_damage import LookOptions, PackDamage
from vault.repository.repair.plan import RepairPlan, RepairStep, Unrepaired
from vault.repository.repair.replacements import Replacements
from vault.storage.caching import uncached
from vault.storage.contract import Store
from vault.storage.overlaid import OverlaidStore
from vault.wording import counted

BY_COPY = ("forgotten", "grants", "heads", "holds", "index", "records", "rollups")
"""Folders of which an object that is damaged goes back as it was, where there is a whole copy; without further ado, as it only
adds to what is known."""

GIVEN_UP = {
    "snapshots": "the snapshot is given up; no pack is deleted for seven days",
    "forgotten": "the note is written anew, with what is known",
    "holds": "a release says that it is gone",
    "grants": "it is forgotten, and taken away where it stands; whatever it said is to be granted or revoked anew",
    "marks": "the mark is written anew without packs: no prune of the project may be running on any machine",
}
"""What becomes of what cannot be mended when a person gives it up, by folder."""


class RepairOptions(Struct, frozen=True):
    """Where the truth may be had, and how much is looked at.

    - `others`: stores with a copy of the repository
    - `cached`, `live`: contents that this machine keeps, and those of the sources
    - `known_damaged`: packs that a check of this machine has found damaged · `read_data`: whether all are read
    - `stop`: called often, raises to end the run
    """

    others: Sequence[Store] = ()
    cached: Sequence[ContentSource] = ()
    live: Sequence[ContentSource] = ()
    known_damaged: frozenset[bytes] = frozenset()
    read_data: bool = False
    stop: Stop = never
    progress: Progress = field(default_factory=NoProgress)

    @property
    def look(self) -> LookOptions:
        """For looking at packs."""
        return LookOptions(self.known_damaged, self.read_data, self.stop, self.progress)

    def sources(self, project: Project) -> list[ContentSource]:
        """Of content, in the order in which they are asked."""
        return [*self.cached, *(in_copy(project, store) for store in self.others), *self.live]


class Finding(NamedTuple):
    """What is bad, and what was found for it.

    - `objects`: that are damaged or gone, packs aside
    - `copies`: where whole copies are
    - `records`: that can be had
    - `damage`: of packs, once whole copies and records are back
    - `packs`: bad ones of which there seems to be a whole copy, by their names
    - `replacements`: for the others
    - `given_up`: BLAKE3 of contents
    """

    objects: Sequence[BadObject]
    copies: ObjectCopies
    records: Sequence[FoundRecord]
    damage: PackDamage
    packs: dict[str, CopyStore]
    replacements: Replacements
    given_up: frozenset[bytes]
    reader: MetaReader


def find(project: Project, memory: ClientMemory, options: RepairOptions, *, not_whole: Collection[str] = ()) -> Finding:
    """Look at everything. not_whole: packs of which copies turned out to be damaged too, by their names. Raises `StorageError`,
    `Interrupted`, `Busy` where the keys were rotated meanwhile: what is encrypted to new ones must not be taken for damaged."""
    below = replace(project, store=uncached(project.store))
    objects = _bad_objects(project, memory, options.others)
    copies = ObjectCopies(project, options.others)
    records = lost_records.find(project, objects, copies)
    also = [one.value for one in records if isinstance(one.value, Record | MovedPacks)]
    damage = pack_damage.look(below, options.look, also)
    packs: dict[str, CopyStore] = {}
    bare = below.store
    while more := expected_copies(project, damage, copies, {*not_whole, *packs}):  # what can be read then needs further ones
        packs |= more
        below = replace(below, store=OverlaidStore(bare, {name: place.store for name, place in packs.items()}))
        damage = _without(pack_damage.look(below, options.look, also), packs)
    usable = replacements.usable_index(below, damage)
    found = replacements.look(below, damage, usable, options.sources(project))
    reader = MetaReader(below, damage.index.split(damage.bad)[0].of_tier(META_TIER))
    return Finding(objects, copies, records, damage, packs, found, lost_items.contents_given_up(below), reader)


def _bad_objects(project: Project, memory: ClientMemory, others: Sequence[Store]) -> list[BadObject]:
    """What is bad, packs aside; grants that only a copy has are gone, too. Raises `StorageError`, `Busy`."""
    objects = bad_objects.look(project, memory)
    if objects:
        key_rotation.refuse_outdated(replace(project, store=uncached(project.store)))
    if project.capability.grant is None:
        return objects
    known = {one.name for one in objects}
    text = "the grant, revocation or epoch {} is gone, which a copy of the repository has; none of them is ever deleted"
    lost = [name for name in grant_copies.only_in_copies(project, others) if name not in known]
    return [*objects, *(BadObject(name, "grants", gone=True, message=text.format(name.rpartition("/")[2])) for name in lost)]


def expected_copies(
    project: Project, damage: PackDamage, copies: ObjectCopies, not_whole: Collection[str]
) -> dict[str, CopyStore]:
    """The bad packs of which there seems to be a whole copy, by their names. not_whole: names that are passed over."""
    found: dict[str, CopyStore] = {}
    for pack in sorted(damage.bad):
        names = [name for name in pack_names(project, damage, pack) if name not in not_whole]
        places = ((name, copies.expect(name)) for name in names)
        found |= dict([(name, place) for name, place in places if place is not None][:1])
    return found


def pack_names(project: Project, damage: PackDamage, pack: bytes) -> list[str]:
    """The names that a bad pack may have: of one that is gone nobody may know of which tier it was."""
    tier = damage.tier(pack)
    return [layout.pack_name(project.id, one, pack) for one in (CONTENT_TIER, META_TIER) if tier in (None, one)]


def _without(damage: PackDamage, names: Collection[str]) -> PackDamage:
    """The damage without packs that another store seems to have whole: they were not read there."""
    back = frozenset(pack for pack in map(layout.pack_sha256, names) if pack is not None)
    return replace(damage, gone=damage.gone - back, damaged=damage.damaged - back)


def needed_by_standing(found: Finding) -> frozenset[bytes]:
    """The packs that snapshots need whose records stand."""
    away = {one.bad.leaf for one in found.records}
    groups = (group.packs for group in found.damage.groups if any(one.id not in away for one in group.records))
    return frozenset[bytes]().union(*groups)


def make_plan(project: Project, memory: ClientMemory, options: RepairOptions) -> RepairPlan:
    """What a repair would do. Raises `StorageError`, `Interrupted`."""
    return plan_of(project, find(project, memory, options))


def plan_of(project: Project, found: Finding) -> RepairPlan:
    """The same, of what was found."""
    return _Plan(project, found).make()


class _Plan:
    def __init__(self, project: Project, found: Finding) -> None:
        self._project = project
        self._found = found
        self._steps: list[RepairStep] = []
        self._left: list[Unrepaired] = []
        items = unrepaired_items.look(found.reader, found.damage, found.replacements.lost)
        self._items, self._given_up = unrepaired_items.without_given_up(items, found.given_up)
        self._all_items = len(items)

    @property
    def _reads(self) -> bool:
        return self._project.capability.content_identity is not None

    def make(self) -> RepairPlan:
        found = self._found
        for one in found.objects:
            if one.folder in BY_COPY:
                self._by_copy(one)
        for name, place in found.packs.items():
            self._step("put-back", name, place.origin, f"{name} is gone or damaged, and is put back")
        self._unnamed()
        moved = self._content()
        self._records(found.damage.bad - moved)
        self._unreadable_snapshots()
        for one in found.objects:
            if one.folder in ("claims", "marks"):
                self._claim_or_mark(one)
        return RepairPlan(
            project=self._project.name,
            steps=tuple(self._steps),
            unrepaired=tuple(self._left),
            lost=tuple(self._items),
            given_up=self._all_items - len(self._items),
            bad_packs=len(found.damage.bad) + len(found.packs),
            reads=self._reads,
            unreachable=tuple(f"{where}: {error}" for where, error in found.copies.unreachable.items()),
        )

    def _step(self, what: str, name: str, origin: str, message: str) -> None:
        self._steps.append(RepairStep(what, name, origin, message))  # type: ignore[arg-type]

    def _stays(self, one: BadObject, why: str = "", drop: str | None = None) -> None:
        said = f"{one.message}; {why}" if why else one.message
        self._left.append(Unrepaired(one.folder, one.name, said, GIVEN_UP.get(one.folder, "") if drop is None else drop))

    def _by_copy(self, one: BadObject) -> None:
        copy = self._found.copies.find(one.name)
        if copy is not None:
            gone = "gone" if one.gone else "damaged"
            self._step("put-back", one.name, copy.origin, f"{one.name} is {gone}, and is put back")
        elif one.folder == "rollups":
            self._step("roll-up", one.name, "the manifests", f"{one.message}; it is derived, and is deleted")
        elif one.folder == "heads":
            self._step("head-chunks", one.name, "packs of the catalogue", f"{one.message}; it is derived, and is deleted")
        elif one.folder == "records":
            self._step("record-table", one.name, "the records", f"{one.message}; it is derived, and is deleted")
        elif one.folder == "index" and self._reads:
            message = f"the index segment {one.leaf} is damaged; its rows are written anew out of the packs, and it is deleted"
            self._step("index", one.name, "the packs' own tables of contents", message)
        elif one.folder == "index":
            self._stays(one, "what it says, an identity that may read content can write anew out of the packs", "")
        else:
            self._stays(one, drop=None if one.folder != "holds" or one.gone else "")

    def _unnamed(self) -> None:
        """Packs that no segment names: one is missing."""
        damage = self._found.damage
        known = (damage.unnamed & damage.index.packs()) - damage.bad
        if known and not any(step.what == "index" for step in self._steps):
            many = counted(len(known), "pack that is", "packs that are")
            message = f"rows of {many} in no index segment are written anew out of the packs"
            self._step("index", self._project.folder("index"), "the packs' own tables of contents", message)
        opaque = damage.unnamed - damage.index.packs() - damage.bad
        if opaque:
            many = counted(len(opaque), "pack is", "packs are")
            message = f"{many} in no index segment, such as {min(opaque).hex()}; an identity that may read content can name "
            self._left.append(Unrepaired("index", self._project.folder("index"), f"{message}what lies there", ""))

    def _content(self) -> frozenset[bytes]:
        """Steps for the bad packs; gives those whose content will lie elsewhere."""
        moved = set[bytes]()
        for one in self._found.replacements.replacements:
            name = pack_names(self._project, self._found.damage, one.pack)[0]
            said = f"the pack {one.pack.hex()} is {'gone' if one.pack in self._found.damage.gone else 'damaged'}"
            had = len(one.reused) + len(one.found)
            if one.lost <= self._given_up and (had or self._has_stand_in(one.pack)):
                moved.add(one.pack)
                origins = _origins([*(replacements.OTHER_PACKS for _ in one.reused), *one.found.values()])
                kept = f"{counted(had, 'chunk')} of it will lie in other packs" if had else "no snapshot needs more of it"
                self._step("content", name, origins, f"{said}; {kept}")
                continue
            nowhere = "are nowhere to be had" if self._reads else "cannot be had without an identity that may read content"
            message = f"{said}, and {len(one.lost)} of {counted(had + len(one.lost), 'chunk')} of it {nowhere}"
            self._left.append(Unrepaired("packs", name, message, "the rest of it is mended" if self._reads else ""))
        return frozenset(moved)

    def _has_stand_in(self, pack: bytes) -> bool:
        return bool(replacements.stand_ins(self._found.damage, pack))

    def _records(self, bad: frozenset[bytes]) -> None:
        """bad: packs that stay so."""
        found, seen = self._found, marks.read(self._project)
        packs = {one.id: group.packs for group in found.damage.groups for one in group.records}
        had = {one.bad.name: one for one in found.records}
        for one in (one for one in found.objects if one.folder == "snapshots"):
            record, needs = had.get(one.name), packs.get(one.leaf, frozenset())
            if record is None:
                self._stays(one)
                continue
            why = lost_records.withheld_by_marks(self._project, record, seen, needs - needed_by_standing(found))
            lost = needs & bad & found.damage.gone
            if one.gone and lost:
                why = f"a pack of it is gone, {min(lost).hex()}"
            if why:
                self._stays(one, f"{record.origin} has it, but it is not put back: {why}")
            else:
                self._step("record", one.name, record.origin, f"{one.message}; it is put back")

    def _unreadable_snapshots(self) -> None:
        lost = self._found.replacements.lost
        standing = {one.bad.leaf for one in self._found.records}
        for group in self._found.damage.affected:
            if not self._found.replacements.missing.of_snapshot.get(group.record.id, set()) & lost:
                continue
            for one in (one for one in group.records if one.id not in standing):
                name = layout.snapshot_name(self._project.id, one.id)
                message = f"the manifest or the list of packs of snapshot {one.id} cannot be read"
                self._left.append(Unrepaired("snapshots", name, message, GIVEN_UP["snapshots"]))

    def _claim_or_mark(self, one: BadObject) -> None:
        moment = layout.moment_of(one.leaf) if one.folder == "claims" else None
        if moment is not None and self._project.services.clock.now() - moment > STALE_AFTER:
            self._step("claim", one.name, "", f"the claim {one.leaf} cannot be read, and is older than a day; it is taken away")
        elif one.folder == "claims":
            self._stays(one, "its backup may be under way", "")
        else:
            self._stays(one)


def _origins(names: Iterable[str]) -> str:
    """Where chunks are from, with how many."""
    count: dict[str, int] = {}
    for name in names:
        count[name] = count.get(name, 0) + 1
    return ", ".join(f"{name} ({number})" for name, number in _by_number(count))


def _by_number(count: dict[str, int]) -> Iterator[tuple[str, int]]:
    yield from sorted(count.items(), key=lambda one: (-one[1], one[0]))
