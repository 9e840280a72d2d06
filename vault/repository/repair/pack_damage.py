"""Which packs that snapshots need are gone or damaged, as the store has them.

Of packs of the catalogue each is read and compared with its name: they are small, and whatever else is to be known lies in
them. Of content those are read that a check of this machine has found damaged, or all where that is asked for; of the others
the lengths are compared.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct, field

from vault.errors import Damaged, ObjectNotFound, StrongroomError
from vault.format import layout
from vault.format.layout import CONTENT_TIER, META_TIER, TIERS
from vault.format.moved_packs import MovedPacks
from vault.format.snapshot_record import Record
from vault.progress import NoProgress, Progress, Stop, never
from vault.repository import snapshots, stored_packs
from vault.repository.catalog_chunks import MetaReader
from vault.repository.chunk_index import ChunkIndex, is_among
from vault.repository.gc.moved_packs import readable
from vault.repository.orphan_packs import orphan_rows
from vault.repository.pack_reader import PackReader, places
from vault.repository.project import Project
from vault.repository.snapshots import Committed
from vault.repository.writer_view import SMALLEST_PACK


class SnapshotGroup(NamedTuple):
    """Snapshots with one manifest and one list of packs, as those of hours in which nothing changed.

    - `records`: of all of them, by time
    - `packs`: that they need; where the list cannot be read, those that their records and the index name
    - `list_read`: whether it can be
    """

    records: tuple[Record, ...]
    packs: frozenset[bytes]
    list_read: bool

    @property
    def record(self) -> Record:
        """That of the newest of them."""
        return self.records[-1]


class PackDamage(Struct, frozen=True):
    """What a look at the packs has found.

    - `groups`: the snapshots, the newest last
    - `index`: rows of every pack that a segment names or that says itself what it holds
    - `unnamed`: needed packs that stand and that no segment names
    - `stored`: stored bytes of the packs that stand, by SHA-256
    - `meta`: those of them that are of the catalogue
    - `gone`, `damaged`: needed packs that do not stand, and that are not what they should be
    """

    committed: Committed
    groups: tuple[SnapshotGroup, ...]
    index: ChunkIndex
    unnamed: frozenset[bytes]
    stored: Mapping[bytes, int]
    meta: frozenset[bytes]
    gone: frozenset[bytes]
    damaged: frozenset[bytes]

    @property
    def bad(self) -> frozenset[bytes]:
        """Needed packs that cannot be relied on."""
        return self.gone | self.damaged

    @property
    def affected(self) -> list[SnapshotGroup]:
        """The snapshots that need such a pack, or of which nobody can tell what they need."""
        return [group for group in self.groups if group.packs & self.bad or not group.list_read]

    def tier(self, pack: bytes) -> int | None:
        """Of a pack; None where nothing says which."""
        if pack in self.stored:
            return META_TIER if pack in self.meta else CONTENT_TIER
        rows = self.index.table.filter(is_among(self.index.table["pack"], {pack}))
        return None if not rows.num_rows else rows["tier"][0].as_py()


class LookOptions(Struct, frozen=True):
    """known_damaged: packs that a check has found to be damaged, which are read · read_data: whether all others are, too."""

    known_damaged: frozenset[bytes] = frozenset()
    read_data: bool = False
    stop: Stop = never
    progress: Progress = field(default_factory=NoProgress)


def look(project: Project, options: LookOptions, also: Sequence[Record | MovedPacks] = ()) -> PackDamage:
    """Look at the packs. project: read below every cache · also: records that will be put back, as if they stood. Raises
    `StorageError`."""
    options.progress.phase("reading the index")
    segments = ChunkIndex.load(project)
    named = segments.packs()
    index = segments.with_rows(orphan_rows(project, named))
    committed = _with(snapshots.committed(project), also)
    by_tier = {tier: stored_packs.list_packs(project, tier) for tier in TIERS}
    stored = {pack: size for packs in by_tier.values() for pack, size in packs.items()}
    groups = tuple(_groups(project, committed, index, options.stop))
    needed = frozenset[bytes]().union(*(group.packs for group in groups))
    gone = stored_packs.missing(project, needed - stored.keys())
    wrong = needed & frozenset(pack for pack in index.mismatched(stored) | _short(stored) if pack in stored)
    looked_at = [(tier, pack) for tier, packs in by_tier.items() for pack in packs if pack in needed - wrong]
    damaged = wrong | frozenset(_damaged(project, index, looked_at, stored, options))
    meta = frozenset(by_tier[META_TIER])
    return PackDamage(committed, groups, index, (needed & stored.keys()) - named, stored, meta, gone, damaged)


def _with(committed: Committed, also: Sequence[Record | MovedPacks]) -> Committed:
    records = [*committed.records, *(one for one in also if isinstance(one, Record))]
    return committed._replace(
        records=sorted(records, key=lambda one: (one.taken_at, one.id)),
        moves=(*committed.moves, *(one for one in also if isinstance(one, MovedPacks))),
    )


def _short(stored: Mapping[bytes, int]) -> frozenset[bytes]:
    return frozenset(pack for pack, size in stored.items() if size < SMALLEST_PACK)


def _groups(project: Project, committed: Committed, index: ChunkIndex, stop: Stop) -> Iterator[SnapshotGroup]:
    alike: dict[object, list[Record]] = {}
    for one in committed.records:
        alike.setdefault((one.manifest, one.packs, one.own_packs), []).append(one)
    reader, moved = MetaReader(project, index.of_tier(META_TIER)), committed.moved
    for records in alike.values():
        stop()
        one = records[-1]
        try:
            listed, read = snapshots.listed_packs(reader, one), True
        except Damaged:
            listed, read = frozenset(one.own_packs) | _packs_of_roots(index, one), False
        yield SnapshotGroup(tuple(records), snapshots.current_packs(listed, moved), read)


def _packs_of_roots(index: ChunkIndex, one: Record) -> frozenset[bytes]:
    """The packs in which the index says that the manifest and the list begin."""
    import pyarrow as pa

    chunks = sorted({chunk for root in (one.manifest, one.packs) for chunk, _ in root.chunks})
    return frozenset(index.locate(pa.array(chunks, pa.binary(32)))["pack"].drop_null().to_pylist())


def _damaged(
    project: Project,
    index: ChunkIndex,
    packs: Iterable[tuple[int, bytes]],
    stored: Mapping[bytes, int],
    options: LookOptions,
) -> Iterator[bytes]:
    chosen = [(tier, pack) for tier, pack in packs if tier == META_TIER or options.read_data or pack in options.known_damaged]
    options.progress.phase("reading packs", items=len(chosen), size=sum(stored[pack] for _, pack in chosen))
    reader = PackReader(project, index)
    for tier, pack in chosen:
        options.stop()
        if not _is_named_right(project, tier, pack) or not _opens(project, reader, index, tier, pack):
            yield pack
        options.progress.advance(items=1, size=stored[pack])


def _is_named_right(project: Project, tier: int, pack: bytes) -> bool:
    """Whether a pack is what its name says. One that is not is read once more: an answer may be damaged, too."""
    name = layout.pack_name(project.id, tier, pack)
    for _ in range(2):
        try:
            if hashlib.sha256(project.store.get(name)).digest() == pack:
                return True
        except ObjectNotFound:
            return False
    return False


def _opens(project: Project, reader: PackReader, index: ChunkIndex, tier: int, pack: bytes) -> bool:
    """Whether every chunk that the index names in it is what its name says, as far as this machine may read it. A chunk whose
    dictionary is lost says nothing of its pack."""
    if not readable(project, tier):
        return True
    rows = index.table.filter(is_among(index.table["pack"], {pack}))
    try:
        bad = [place for place, content in reader.chunks(places(rows)) if isinstance(content, StrongroomError)]
        return all(_lacks_dictionary(reader, place.dictionary) for place in bad)
    except (Damaged, ObjectNotFound):
        return False


def _lacks_dictionary(reader: PackReader, dictionary: bytes | None) -> bool:
    try:
        return dictionary is not None and not reader.dictionary(dictionary)
    except (Damaged, ObjectNotFound):
        return True
