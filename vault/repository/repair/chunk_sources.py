"""Where the content of chunks can be had that no sound pack holds: other packs of this repository or of a copy of it, and
whatever implements `ContentSource`, such as the live source.

Whoever finds a content need not be believed: it is compared with the chunk's keyed name.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, Protocol

from vault.errors import Damaged, StorageError, StrongroomError
from vault.format.chunks import chunk_id
from vault.format.layout import CONTENT_TIER
from vault.repository.chunk_index import ChunkIndex, is_among
from vault.repository.orphan_packs import orphan_rows
from vault.repository.pack_reader import ChunkPlace, PackReader, places
from vault.repository.project import Project
from vault.repository.repair.object_copies import origin_of
from vault.storage.contract import Store

if TYPE_CHECKING:
    import pyarrow as pa


class ItemPlace(NamedTuple):
    """Where a chunk lies in an item of a snapshot. source: its name · path: as in the manifest · offset, length: bytes."""

    chunk: bytes
    source: str
    path: bytes
    offset: int
    length: int


FindPlaces = Callable[[Collection[bytes]], Iterable[ItemPlace]]
"""In which items chunks lie, by the manifests: asked only by who needs it."""


class ContentSource(Protocol):
    """Has content of chunks. origin: what it is, in words."""

    @property
    def origin(self) -> str: ...

    def find(self, wanted: frozenset[bytes], find_places: FindPlaces) -> Iterator[tuple[bytes, bytes]]:
        """The contents of those of the chunks that it has, by their ids. What it cannot read it leaves out."""
        ...


class FoundContent(NamedTuple):
    """origin: of the source that had it."""

    chunk: bytes
    content: bytes
    origin: str


class PackedContent:
    """Chunks in packs, sound or not: what of them can be read."""

    def __init__(self, origin: str, project: Project, load_index: Callable[[], ChunkIndex]) -> None:
        self._origin = origin
        self._project = project
        self._load_index = load_index

    @property
    def origin(self) -> str:
        """See `ContentSource`."""
        return self._origin

    def find(self, wanted: frozenset[bytes], find_places: FindPlaces) -> Iterator[tuple[bytes, bytes]]:
        """See `ContentSource`."""
        try:
            index = self._load_index()
        except StorageError:
            return
        rows = index.table.filter(is_among(index.table["chunk"], wanted))
        if self._project.capability.content_identity is None:
            rows = _without_content(rows)
        reader, found = PackReader(self._project, index), set[bytes]()
        for pack in _by_pack(places(rows)):
            with suppress(Damaged, StorageError):
                for place, content in reader.chunks([place for place in pack if place.chunk not in found]):
                    if not isinstance(content, StrongroomError):
                        found.add(place.chunk)
                        yield place.chunk, content


def in_copy(project: Project, store: Store) -> PackedContent:
    """Packs of another store that holds a copy of the repository, whose packs may have been joined otherwise."""
    from msgspec.structs import replace

    there = replace(project, store=store)

    def load() -> ChunkIndex:
        index = ChunkIndex.load(there)
        return index.with_rows(orphan_rows(there, index.packs()))

    return PackedContent(origin_of(store), there, load)


class ContentFinder:
    """Asks one source after another."""

    def __init__(self, project: Project, sources: Sequence[ContentSource], find_places: FindPlaces) -> None:
        self._key = project.capability.chunk_id_key
        self._sources = sources
        self._find_places = find_places

    def find(self, wanted: Collection[bytes]) -> Iterator[FoundContent]:
        """Each of the chunks that one of the sources has, once."""
        left = frozenset(wanted)
        for source in self._sources:
            if not left:
                return
            found = set[bytes]()
            for chunk, content in source.find(left, self._find_places):
                if chunk in left and chunk not in found and chunk_id(self._key, content) == chunk:
                    found.add(chunk)
                    yield FoundContent(chunk, content, source.origin)
            left -= found


def _by_pack(rows: Iterable[ChunkPlace]) -> list[list[ChunkPlace]]:
    found: dict[bytes, list[ChunkPlace]] = {}
    for place in rows:
        found.setdefault(place.pack, []).append(place)
    return list(found.values())


def _without_content(rows: pa.Table) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    return rows.filter(pc.not_equal(rows["tier"], pa.scalar(CONTENT_TIER, pa.uint8())))
