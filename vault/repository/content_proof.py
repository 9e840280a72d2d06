"""Whether keys open what is stored, shown on the newest snapshot: its record, its manifest, and one pack of content.

It is no check of the stored data: one pack is enough to show that the keys are the right ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from vault.errors import Damaged, ObjectNotFound, StrongroomError
from vault.format.layout import CONTENT_TIER
from vault.repository import snapshots
from vault.repository.catalog_chunks import MetaReader
from vault.repository.chunk_index import ChunkIndex
from vault.repository.orphan_packs import repaired_index
from vault.repository.pack_reader import PackReader, places
from vault.storage.caching import uncached

if TYPE_CHECKING:
    import pyarrow as pa

    from vault.repository.project import Project


class ContentProof(Struct, frozen=True):
    """What was opened. snapshot: None where the project has none · items: of its manifest · pack: SHA-256, None where the
    snapshot needs no content · chunks: of that pack, all compared with their names · bytes: of the pack, as stored."""

    snapshot: str | None = None
    items: int = 0
    pack: bytes | None = None
    chunks: int = 0
    bytes: int = 0


def prove(project: Project) -> ContentProof:
    """Open the newest snapshot, and the smallest pack of content that it needs, as the store has them. Raises `KeyRefused`
    where the keys may not read, `Damaged`, `StorageError`."""
    project.capability.reading()
    below = replace(project, store=uncached(project.store))
    committed = snapshots.committed(below, rolled=True)
    if not committed.records:
        if committed.damaged:
            raise Damaged(committed.damaged[0].message)
        return ContentProof()
    newest = committed.records[-1]
    index = repaired_index(below, ChunkIndex.load(below))
    reader = MetaReader(below, index)
    items = snapshots.read_manifest(reader, newest, columns=["path"]).num_rows
    rows = _smallest_pack(index, snapshots.needed_packs(reader, newest, committed.moved))
    if not rows.num_rows:
        return ContentProof(newest.id, items)
    pack, size = rows["pack"][0].as_py(), rows["pack_size"][0].as_py()
    chunks = 0
    try:
        for _, content in PackReader(below, index).chunks(places(rows)):
            if isinstance(content, Damaged):
                raise Damaged(f"the pack {pack.hex()} is damaged: {content}") from content
            if isinstance(content, StrongroomError):
                raise content
            chunks += 1
    except ObjectNotFound as error:
        raise Damaged(f"the pack {pack.hex()} is gone, and snapshot {newest.id} needs it") from error
    return ContentProof(newest.id, items, pack, chunks, size)


def _smallest_pack(index: ChunkIndex, needed: frozenset[bytes]) -> pa.Table:
    """The rows of that pack; none where no pack of content is needed."""
    import pyarrow as pa
    import pyarrow.compute as pc

    table = index.table
    wanted = pc.is_in(table["pack"], value_set=pa.array(sorted(needed), pa.binary(32)))
    content = table.filter(pc.and_(wanted, pc.equal(table["tier"], CONTENT_TIER)))
    if not content.num_rows:
        return content
    smallest = content["pack"][pc.index(content["pack_size"], pc.min(content["pack_size"])).as_py()]
    return content.filter(pc.equal(content["pack"], smallest))
