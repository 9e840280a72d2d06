"""Whole copies, in this machine's cache, of objects that are damaged or gone in the store.

Whoever finds that the store's object is not the one that the cache has saves that copy (`storage.saved_copies`). A copy is
whole where it proves itself: a catalogue pack by its name, a record, a note or a grant by its tag. Where the store's proves
itself as well, the copy is discarded. What a backup puts back:

    notes            always: what was forgotten stays forgotten
    grants           always: grants, revocations and epochs are never deleted
    catalogue packs  that a snapshot needs whose record stands
    records          that stand damaged, that no note names, and whose packs all stand. Who cannot read one prunes nothing, and
                     who can knows what it needs; and where the store creates once, no eviction can have taken its place. One
                     that is gone may have been taken away on purpose, and a prune that never heard of it may be at work: a
                     person decides, and has the file
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from vault.errors import Damaged, ObjectNotFound
from vault.format import layout
from vault.format.claim import Eviction
from vault.format.forget_note import ForgetNote
from vault.format.grant import EpochStatement, Grant, Revocation, Statement
from vault.format.moved_packs import MovedPacks
from vault.format.snapshot_record import Record, StoredRecord
from vault.repository import forget_notes, object_proof, snapshots, stored_packs
from vault.repository.project import Project
from vault.storage.caching import CachingStore, uncached
from vault.storage.contract import Store
from vault.storage.readonly import ReadOnlyStore
from vault.storage.saved_copies import SavedCopies

if TYPE_CHECKING:
    from vault.repository.catalog_chunks import MetaReader


class CachedCopy(NamedTuple):
    """name: of the object · file: where the copy lies · gone: whether the store has none; else a damaged one · withheld: why
    no backup puts it back by itself; empty where the next one does."""

    name: str
    file: Path
    gone: bool
    withheld: str

    @property
    def message(self) -> str:
        """In words."""
        said = f"{self.name} is {'gone' if self.gone else 'damaged'}, and this machine has a whole copy of it in its cache: "
        if not self.withheld:
            return f"{said}its next backup puts it back"
        return f"{said}{self.file}; to have it back, store that file under this name ({self.withheld})"


def look(project: Project) -> list[CachedCopy]:
    """The copies that are better than what the store has; others are discarded. Raises `StorageError`."""
    return [one for one, _ in _Copies(project).found()]


def put_back(project: Project) -> list[str]:
    """Store them again where that is safe; gives the names. Raises `StorageError` where the store refuses it."""
    copies, done = _Copies(project), []
    for one, data in copies.found():
        if one.withheld:
            continue
        project.store.put(one.name, data)
        if project.stands_as(one.name, data):
            copies.discard(one.name)
            done.append(one.name)
    return done


def save(project: Project, name: str) -> None:
    """Save what the cache has of an object that is gone."""
    if isinstance(project.store, CachingStore):
        project.store.save(name)


def _catalogue_reader(project: Project) -> MetaReader:
    from vault.repository.catalog_chunks import MetaReader  # hardly ever needed, and most commands look for copies

    return MetaReader(project)


def read_all_of(reader: MetaReader, one: Record) -> None:
    """Read the manifest of a snapshot and its list of packs, for the sake of what is found below the cache on the way."""
    with suppress(Damaged):
        snapshots.listed_packs(reader, one)
    with suppress(Damaged):
        snapshots.read_manifest(reader, one, columns=["path"])


class _Mended(ReadOnlyStore):
    """A store as it will be once these are put back. whole: bytes by name."""

    def __init__(self, inner: Store, whole: Mapping[str, bytes]) -> None:
        super().__init__(inner)
        self._whole = whole

    def get(self, name: str) -> bytes:
        return self._whole[name] if name in self._whole else super().get(name)

    def get_range(self, name: str, start: int, length: int) -> bytes:
        if name not in self._whole:
            return super().get_range(name, start, length)
        return self._whole[name][start : start + length]


class _Copies:
    def __init__(self, project: Project) -> None:
        self._project = project
        self._below = replace(project, store=uncached(project.store))
        self._whole: dict[str, bytes] = {}
        self._mended = replace(project, store=_Mended(project.store, self._whole))
        self._needed: tuple[frozenset[bytes] | None, ...] = ()  # one, once it was asked for

    def found(self) -> Iterator[tuple[CachedCopy, bytes]]:
        """Each copy that the store lacks, with its bytes: notes, catalogue packs, then records, which need those."""
        store = self._project.store
        if not isinstance(store, CachingStore):
            return
        folder = layout.project_folder(self._project.id)
        self._look_below(store.saved, store.saved.names(folder))
        for name in store.saved.names(folder):
            data = store.saved.read(name)
            if data is None:
                continue
            try:
                stored = self._below.store.get(name)
            except ObjectNotFound:
                stored = None
            whole = self._proves(name, data) and not (stored is not None and self._proves(name, stored))
            why = self._withheld(name, data, gone=stored is None) if whole else None
            if why is None:
                store.saved.discard(name)
            else:
                if not why and layout.pack_sha256(name):
                    self._whole[name] = data
                yield CachedCopy(name, store.saved.file(name), stored is None, why), data

    def _look_below(self, saved: SavedCopies, names: Iterable[str]) -> None:
        """What a damaged record names nobody has looked at: now it is, so that copies of it are saved as well."""
        reader = _catalogue_reader(self._below) if any("/snapshots/" in name for name in names) else None
        for name in names:
            data = saved.read(name)
            if reader is not None and "/snapshots/" in name and data is not None and self._proves(name, data):
                one = self._decoded(name, data)
                if isinstance(one, Record):
                    read_all_of(reader, one)

    def discard(self, name: str) -> None:
        """The store has it whole by now."""
        if isinstance(self._project.store, CachingStore):
            self._project.store.saved.discard(name)

    def _proves(self, name: str, data: bytes) -> bool:
        """Whether the bytes are what may stand under this name."""
        return object_proof.proves(self._project, name, data)

    def _decoded(self, name: str, data: bytes) -> ForgetNote | StoredRecord | Statement:
        found: ForgetNote | StoredRecord | Statement = object_proof.decoded(self._project, name, data)
        return found

    def _withheld(self, name: str, data: bytes, *, gone: bool) -> str | None:
        """Why it is not put back; empty where it may be; None where nobody needs it."""
        sha256 = layout.pack_sha256(name)
        if sha256 is not None:
            needed = self._needed_packs()
            return "" if needed is None or sha256 in needed else None
        one = self._decoded(name, data)
        if isinstance(one, ForgetNote | Grant | Revocation | EpochStatement):
            return ""
        if name.rpartition("/")[2] in forget_notes.read_all(self._project).by_id:
            return None
        if gone:
            return "if nobody took it away on purpose"
        if not self._project.descriptor.trust.create_once:
            return "if no prune has evicted it: this store does not create once"
        return self._lacks(one)

    def _lacks(self, one: StoredRecord) -> str:
        try:
            packs = self._packs_of(one)
        except Damaged as error:
            return f"what it needs cannot be told: {error}"
        lost = stored_packs.missing(self._project, packs - {layout.pack_sha256(name) for name in self._whole})
        return f"the pack {min(lost).hex()} that it needs is gone" if lost else ""

    def _packs_of(self, one: StoredRecord) -> frozenset[bytes]:
        if isinstance(one, Eviction):
            return frozenset()
        moved = snapshots.committed(self._project).moved
        if isinstance(one, MovedPacks):
            return snapshots.current_packs(frozenset[bytes]().union(*one.packs.values()), moved)
        return snapshots.needed_packs(_catalogue_reader(self._mended), one, moved)

    def _needed_packs(self) -> frozenset[bytes] | None:
        """The packs that the snapshots need, forgotten ones included, since a hold may be on them; None where something that
        says it cannot be read."""
        if not self._needed:
            self._needed = (self._read_needed(),)
        return self._needed[0]

    def _read_needed(self) -> frozenset[bytes] | None:
        standing = snapshots.read_records(self._project, snapshots.stored_ids(self._project))
        if standing.damaged:
            return None
        reader, found = _catalogue_reader(self._mended), frozenset[bytes]()
        try:
            for one in standing.records:
                found |= snapshots.needed_packs(reader, one, standing.moved)
        except Damaged:
            return None
        return found
