"""For each bad pack: where what is missing of it can be had, and in which packs it will lie.

reused    it lies in another sound pack as well, to which new content may refer: nothing is stored
found     a source has it (see `chunk_sources`): it is stored anew
lost      nobody has it
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from vault.errors import Damaged, ObjectNotFound, StrongroomError
from vault.format.chunks import ID_SIZE
from vault.format.layout import META_TIER
from vault.repository.catalog_chunks import MetaReader
from vault.repository.chunk_index import ChunkIndex, is_among
from vault.repository.gc import marks
from vault.repository.gc.moved_packs import readable
from vault.repository.pack_reader import ChunkPlace, PackReader, places
from vault.repository.project import Project
from vault.repository.repair import missing_chunks
from vault.repository.repair.chunk_sources import ContentFinder, ContentSource, PackedContent
from vault.repository.repair.missing_chunks import MissingChunks
from vault.repository.repair.pack_damage import PackDamage
from vault.storage.caching import uncached

if TYPE_CHECKING:
    import pyarrow as pa

OTHER_PACKS = "other packs of this repository"


class Replacement(Struct, frozen=True):
    """Of one bad pack.

    - `reused`: the sound packs that each chunk needs which lies there
    - `found`: the source of each chunk that is stored anew, in words
    - `lost`: chunks that nobody has
    """

    pack: bytes
    reused: Mapping[bytes, frozenset[bytes]]
    found: Mapping[bytes, str]
    lost: frozenset[bytes]

    @property
    def whole(self) -> bool:
        """Whether nothing of it is lost."""
        return not self.lost


class Replacements(Struct, frozen=True):
    """replacements: of each bad pack · missing: what they are for · finder: gives the contents that are found."""

    replacements: tuple[Replacement, ...]
    missing: MissingChunks
    finder: ContentFinder

    @property
    def lost(self) -> frozenset[bytes]:
        """The chunks that nobody has."""
        return frozenset[bytes]().union(*(one.lost for one in self.replacements))


def usable_index(project: Project, damage: PackDamage) -> ChunkIndex:
    """The rows to which a writer that began now might refer: of packs that stand, that no prune is about to delete, and whose
    content has not moved. For a plan: a writer has a claim before it looks."""
    seen = marks.read(project)
    under_marks = frozenset(damage.stored) if seen.damaged else seen.packs
    avoided = under_marks | damage.committed.moved.keys() | damage.bad
    return damage.index.split(avoided | damage.index.mismatched(damage.stored))[0]


def look(project: Project, damage: PackDamage, usable: ChunkIndex, sources: Sequence[ContentSource]) -> Replacements:
    """Find out what can be had. project: read below every cache · usable: rows to which new content may refer, none of which
    is of a bad pack. Raises `StorageError`, `Interrupted`."""
    project = replace(project, store=uncached(project.store))
    reader = MetaReader(project, damage.index.split(damage.bad)[0].of_tier(META_TIER))
    usable = usable.split(damage.bad)[0]
    own = PackedContent(OTHER_PACKS, project, lambda: damage.index)
    finder = ContentFinder(project, [own, *sources], lambda wanted: missing_chunks.item_places(reader, damage, wanted))
    missing = missing_chunks.find(reader, damage)
    if missing.dictionaries:
        reused, found = _had(project, usable, finder, missing.dictionaries)
        missing = missing_chunks.find(reader, damage, regained=reused.keys() | found.keys())
    reused, found = _had(project, usable, finder, missing.chunks)
    had = reused.keys() | found.keys()
    return Replacements(
        tuple(
            Replacement(
                pack,
                {chunk: reused[chunk] for chunk in chunks if chunk in reused},
                {chunk: found[chunk] for chunk in chunks if chunk in found},
                frozenset(chunks - had),
            )
            for pack, chunks in sorted(missing.of_pack.items())
        ),
        missing,
        finder,
    )


def _had(
    project: Project, usable: ChunkIndex, finder: ContentFinder, wanted: Collection[bytes]
) -> tuple[dict[bytes, frozenset[bytes]], dict[bytes, str]]:
    """Which of the chunks lie in packs that may be referred to, and which a source has."""
    reused = _reusable(project, usable, wanted)
    return reused, {one.chunk: one.origin for one in finder.find(frozenset(wanted) - reused.keys())}


def _reusable(project: Project, usable: ChunkIndex, wanted: Collection[bytes]) -> dict[bytes, frozenset[bytes]]:
    """The packs that a snapshot must reach to read each of these chunks where it lies. What can be read is read."""
    import pyarrow as pa

    rows = usable.table.filter(is_among(usable.table["chunk"], wanted))
    good = _readable_rows(project, usable, rows)
    located = ChunkIndex(good).locate(pa.array(sorted(wanted), pa.binary(ID_SIZE)))
    dictionaries = usable.locate(located["dictionary"])["pack"].to_pylist()
    columns = (located["chunk"].to_pylist(), located["pack"].to_pylist(), dictionaries)
    return {
        chunk: frozenset({pack, dictionary} - {None})
        for chunk, pack, dictionary in zip(*columns, strict=True)
        if chunk is not None
    }


def _readable_rows(project: Project, usable: ChunkIndex, rows: pa.Table) -> pa.Table:
    """Those of the rows whose chunks are what their names say; of content that this machine may not read, all."""
    import pyarrow as pa

    reader, bad = PackReader(project, usable), set[tuple[bytes, bytes]]()
    by_pack: dict[bytes, list[ChunkPlace]] = {}
    for place in places(rows):
        if readable(project, place.tier):
            by_pack.setdefault(place.pack, []).append(place)
    for some in by_pack.values():
        try:
            bad |= {(one.chunk, one.pack) for one, found in reader.chunks(some) if isinstance(found, StrongroomError)}
        except (Damaged, ObjectNotFound):
            bad |= {(one.chunk, one.pack) for one in some}
    if not bad:
        return rows
    pairs = zip(rows["chunk"].to_pylist(), rows["pack"].to_pylist(), strict=True)
    return rows.filter(pa.array([pair not in bad for pair in pairs], pa.bool_()))


def stand_ins(damage: PackDamage, pack: bytes) -> frozenset[bytes]:
    """Packs to which a bad pack may be said to have moved of which no snapshot needs anything more: a record of moved packs
    must name some. Of each snapshot that lists it one that it goes on needing."""
    found = set[bytes]()
    for group in damage.groups:
        if pack in group.packs and not found & (group.packs - damage.bad):
            found |= set(sorted(group.packs - damage.bad - damage.committed.moved.keys())[:1])
    return frozenset(found)
