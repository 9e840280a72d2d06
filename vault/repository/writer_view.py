"""What a writer sees of a project: its snapshots, and the stored packs that new content may refer to.

It is read in this order, once the writer's claim is in the store:

    marks, then records    a prune that has moved packs commits a record of that before it deletes its mark, so whoever reads
                           in this order sees one or the other
    catalogue              the index rows of the meta tier, and a listing of the packs: enough to read manifests, and for a
                           run that finds nothing changed
    index                  all rows (`read_index`), for a run that has something to store
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from vault.errors import Damaged
from vault.format.layout import META_TIER
from vault.format.snapshot_record import Record
from vault.problems import Problem
from vault.repository import forget_notes, listed_range, snapshots, stored_packs
from vault.repository.catalog_chunks import MetaReader
from vault.repository.chunk_index import ChunkIndex, SegmentCache
from vault.repository.claims import evicted_error
from vault.repository.gc import marks
from vault.repository.gc.marks import Marks
from vault.repository.orphan_packs import missing_segment_problem, orphan_rows
from vault.repository.session import Dependencies, Session
from vault.repository.snapshots import Committed
from vault.repository.stored_packs import list_all_packs
from vault.wording import counted

if TYPE_CHECKING:
    import pyarrow as pa

SMALLEST_PACK = 1120
"""Bytes: the header of a sealed object alone has so many."""


class PacksGone(Damaged):
    """Packs that the index names are gone, and the new snapshot would need them. packs: their SHA-256."""

    hint = "run `strongroom prune`, which takes them out of the index, then the backup again"

    def __init__(self, packs: frozenset[bytes]) -> None:
        super().__init__(f"the index names {counted(len(packs), 'pack that is', 'packs that are')} gone; nothing was committed")
        self.packs = packs


class CatalogueDamaged(Damaged):
    """Packs of the catalogue are damaged in which chunks of the new manifest lie. packs: their SHA-256."""

    hint = "run `strongroom repair`, then the backup again"

    def __init__(self, packs: frozenset[bytes]) -> None:
        super().__init__(f"{counted(len(packs), 'pack')} of the catalogue cannot be read; nothing was committed")
        self.packs = packs


class UsableIndex(Struct, frozen=True):
    """The index, split by whether new content may refer to a row.

    - `usable`: the rows that it may refer to
    - `avoided`: the other rows; what is carried forward from a committed snapshot may stay there
    - `mismatched`: the packs that the index names and that the store does not list, or lists with another length
    """

    usable: ChunkIndex
    avoided: pa.Table
    mismatched: frozenset[bytes]

    def all_rows(self, new: Sequence[pa.Table] = ()) -> ChunkIndex:
        """Every row, with `new` ones before the avoided: of the locations of a chunk the first one is used."""
        return self.usable.with_rows([*new, self.avoided])


class BasePacks(Struct, frozen=True):
    """The packs of the snapshots that a new one follows.

    - `snapshots`: the ids of these snapshots
    - `needed`: every pack that their lists name, as far as the lists can be read
    - `lists_read`: whether all lists could be read
    - `lost`: those of `needed` that are gone, or damaged as far as this machine knows
    """

    snapshots: frozenset[str] = frozenset()
    needed: frozenset[bytes] = frozenset()
    lists_read: bool = True
    lost: frozenset[bytes] = frozenset()


class WriterView:
    """Use `read`.

    - `marks`, `committed`, `moved`: the marks of prunes, the snapshots, and where packs have moved to
    - `stored`: stored bytes of each pack that the store lists, by SHA-256
    - `avoided`: the packs that new content must not refer to, whatever the index says of them: those under marks (every pack
      while a mark cannot be read), those whose content has moved, those that are known to be gone or damaged
    - `catalogue`: reads the manifests of earlier snapshots
    - `reference`: of all that is listed and noted (see `listed_range`)
    """

    reference: datetime | None = None

    def __init__(self, session: Session, known_gone: frozenset[bytes], seen: Marks, committed: Committed) -> None:
        self._session = session
        self.project = session.project
        self._known_gone = known_gone
        self.marks = seen
        self.committed = committed
        self.moved = committed.moved
        small_segments: SegmentCache = {}
        meta = ChunkIndex.load(self.project, tier=META_TIER, cache=small_segments)
        self.stored = list_all_packs(self.project)
        under_marks = frozenset(self.stored) if seen.damaged else seen.packs
        self.avoided = under_marks | self.moved.keys() | known_gone
        self._small_segments = small_segments
        self._current = self._split(meta)
        self._index = self._load_index(BasePacks(), catalogue_has_orphans=False) if meta.damaged else None
        self.catalogue = MetaReader(self.project, self._current.all_rows())

    @classmethod
    def read(cls, session: Session, *, known_gone: frozenset[bytes] = frozenset()) -> WriterView:
        """Read marks, records and catalogue. known_gone: packs that are gone or damaged, whatever the index says. Raises
        `StorageError`."""
        project = session.project
        seen = marks.read(project)
        gone = forget_notes.read_all(project)
        listed = snapshots.stored_ids(project)
        view = cls(session, known_gone, seen, snapshots.remaining(project, listed, gone, rolled=True))
        view.reference = listed_range.reference({*listed, *gone.by_id})
        return view

    def read_index(self, base: BasePacks) -> UsableIndex:
        """The whole index, read once. Where a segment is damaged or missing, or another run may have died, packs that no
        segment names are looked into, and the session's next segment names those that can be read.

        base: its packs must be named by some segment. Raises `StorageError`.
        """
        if self._index is None:
            self._index = self._load_index(base, catalogue_has_orphans=self.catalogue.found_orphans)
        return self._index

    def base_packs(self, heads: Sequence[Record]) -> BasePacks:
        """The packs that these snapshots need. Packs that the listing lacks are asked for by name. Raises `StorageError`."""
        listed: set[bytes] = set()
        lists_read = True
        for head in heads:
            try:
                listed |= snapshots.needed_packs(self.catalogue, head, self.moved)
            except Damaged:  # the manifest says as well what the snapshot needs
                lists_read = False
        needed = frozenset(listed)
        present = needed & self.stored.keys()
        too_short = frozenset(pack for pack in present if self.stored[pack] < SMALLEST_PACK)
        damaged = needed & ((self._current.mismatched & self.stored.keys()) | self._known_gone)
        lost = stored_packs.missing(self.project, needed - present) | too_short | damaged
        return BasePacks(frozenset(head.id for head in heads), needed, lists_read, lost)

    def gone_of_index(self) -> frozenset[bytes]:
        """The packs that the index names and that are gone (they were asked for by name), or have another length."""
        mismatched = self._current.mismatched
        return stored_packs.missing(self.project, mismatched - self.stored.keys()) | (mismatched & self.stored.keys())

    def dependencies(self, base: BasePacks, found: frozenset[bytes]) -> Dependencies:
        """What a commit that carries `base` forward needs. found: packs that were found in the index alone."""
        return Dependencies(frozenset(self.marks.by_name) | self.marks.unreadable, base.snapshots, base.lost, found)

    def verify_found(self, packs: frozenset[bytes], heads: Sequence[Record]) -> frozenset[bytes]:
        """Those of `packs` that were found in the index alone: this run did not store them, and none of `heads`, the snapshots
        that it follows, needs them. Each is asked for: a writer whose claim was evicted may have named packs after they were
        deleted. Raises `PacksGone`, `Busy` where this run's own claim was evicted, `StorageError`."""
        carried: set[bytes] = set()
        for head in heads:
            with suppress(Damaged):  # its list is lost; its packs are asked for like others
                carried |= snapshots.needed_packs(self.catalogue, head, self.moved)
                carried |= snapshots.listed_packs(self.catalogue, head)
        found = packs.difference(self._session.index.packs(), carried, self._known_gone)
        gone = stored_packs.missing(self.project, found)
        if gone and not self._session.claim_exists():
            raise evicted_error(self._session.id)
        if gone:
            raise PacksGone(gone)
        return found

    def damage(self) -> list[Problem]:
        """Marks, records and index segments that cannot be used, of those that were read."""
        index = self._index.usable.damaged if self._index is not None else ()
        found = [*self.marks.damaged, *self.committed.damaged, *self.catalogue.index.damaged, *index]
        return list({(problem.path, problem.what): problem for problem in found}.values())

    def _split(self, index: ChunkIndex) -> UsableIndex:
        mismatched = index.mismatched(self.stored)
        usable, avoided = index.split(self.avoided | mismatched)
        return UsableIndex(usable, avoided, mismatched)

    def _load_index(self, base: BasePacks, *, catalogue_has_orphans: bool) -> UsableIndex:
        index = self._split(ChunkIndex.load(self.project, cache=self._small_segments))
        self._small_segments = {}
        self._current = self._with_orphans(index, base, catalogue_has_orphans=catalogue_has_orphans)
        return self._current

    def _with_orphans(self, index: UsableIndex, base: BasePacks, *, catalogue_has_orphans: bool) -> UsableIndex:
        named = index.usable.packs() | frozenset(index.avoided["pack"].unique().to_pylist()) | self.avoided
        unnamed = base.needed - named - index.mismatched
        missing = bool(unnamed & self.stored.keys()) or catalogue_has_orphans
        if not index.usable.damaged and not missing and not self._others_at_work():
            return index
        orphans = orphan_rows(self.project, named)
        if not orphans:
            return index
        self._session.index.add(orphans)
        usable, _ = index.usable.with_rows(orphans).split(self.avoided | index.mismatched)  # their dictionary may be lost
        if missing:
            usable = replace(usable, damaged=(*usable.damaged, missing_segment_problem(self.project, len(orphans))))
        return replace(index, usable=usable)

    def _others_at_work(self) -> bool:
        folder = self.project.folder("claims")
        return any(not info.name.endswith(self._session.id) for info in self.project.store.list(folder))
