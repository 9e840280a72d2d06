"""Storing a manifest and the list of the packs that its snapshot needs.

The bytes of a million rows are 130 MB: they are cut and stored while they are made, so that they are never in memory as a
whole. `store_manifest` alone decides what is made and dropped in which order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

from vault.errors import Damaged
from vault.format import manifest
from vault.format.chunks import ID_SIZE
from vault.format.layout import META_TIER
from vault.format.snapshot_record import Record
from vault.format.tree import Tree
from vault.progress import release_memory
from vault.repository.catalog_chunks import MetaWriter
from vault.repository.chunk_index import ChunkIndex
from vault.repository.session import Session
from vault.repository.writer_view import CatalogueDamaged, UsableIndex, WriterView

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")

_ITEMS_AT_ONCE = 1 << 16
"""Whose chunks are looked up: what comes in between took 200 MB of a million items."""

MAX_OWN_PACK_CHUNKS = 50_000
"""Chunks of the catalogue, stored while a manifest is written, whose packs are named in the record itself."""


class StoredManifest(Struct, frozen=True):
    """What a record says of a manifest, and what the packs are that it needs.

    - `manifest`, `packs`, `own_packs`: as in the record
    - `needed`: every pack that the snapshot needs
    - `found`: those of them that were found in the index alone
    - `index`: every row that is known now
    """

    manifest: Tree
    packs: Tree
    own_packs: tuple[bytes, ...]
    needed: frozenset[bytes]
    found: frozenset[bytes]
    index: ChunkIndex


def store_manifest(
    target: ManifestTarget, build: Callable[[], tuple[pa.Table, T]], find_lost: Callable[[pa.Table, bool], frozenset[bytes]]
) -> tuple[StoredManifest, T]:
    """Build a manifest and store it.

    - `build`: makes the table, and drops what it was made of, while the last packs of the content are being stored; what it
      returns besides the table is returned
    - `find_lost`: is called with the table, and whether every chunk in it is stored; gives packs that the snapshot lists as
      well

    Raises `StorageError`, `PacksGone`, and what `build` and `find_lost` raise.
    """
    release_memory()
    table, facts = build()
    target.session.packs.finish_sealing()
    target.session.packs.drain()
    release_memory()
    writer = ManifestWriter(target, table["chunks"])
    writer.needed |= find_lost(table, writer.complete)
    release_memory()
    root = writer.write(table)
    del table
    release_memory()
    return writer.finish(root), facts


class ManifestTarget(Struct, frozen=True):
    """Where a manifest is stored. heads: the snapshots that the new one follows."""

    session: Session
    view: WriterView
    index: UsableIndex
    heads: Sequence[Record]


class ManifestWriter:
    """Stores a manifest and the list of the packs that its snapshot needs: `write`, then `finish`.

    - `chunks`: that column of the manifest, whose packs are stored
    - `needed`: the packs of the snapshot, complete after `finish`
    - `complete`: whether every chunk lies in one of them
    """

    def __init__(self, target: ManifestTarget, chunks: pa.ChunkedArray) -> None:
        self._target = target
        self._session = target.session
        self._meta = MetaWriter(self._session.project, target.index.usable.of_tier(META_TIER), self._session.packs)
        self._rows_before = self._session.index.rows().num_rows  # a long manifest fills packs while it is being written
        self._index = target.index.all_rows([self._session.index.rows()])
        self.needed, self.complete = needed_packs(chunks, self._index)

    def write(self, table: pa.Table) -> Tree:
        """Store a manifest."""
        stream = self._meta.stream(finer=manifest.finer(table.num_rows))
        manifest.encode_into(stream.write, table)
        root = stream.finish()
        self.needed |= self._meta.referenced
        self._meta.referenced.clear()
        return root

    def finish(self, root: Tree) -> StoredManifest:
        """Store the list of packs. root: of the manifest. Raises `PacksGone`, `CatalogueDamaged`, `Busy`, `StorageError`."""
        session, meta = self._session, self._meta
        session.packs.drain()
        if session.index.rows().num_rows - self._rows_before > MAX_OWN_PACK_CHUNKS:  # too many for the record
            meta.flush()
            session.packs.drain()
            self.needed |= self._new_packs()
            self._rows_before = session.index.rows().num_rows
        listed = "".join(f"{pack.hex()}\n" for pack in sorted(self.needed)).encode()
        packs = meta.write(listed)
        meta.flush()
        session.packs.drain()
        own = {*self._new_packs(), *meta.referenced}
        found = self._target.view.verify_found(frozenset(self.needed | meta.referenced), self._target.heads)
        self._refuse_damaged(found)
        index = self._index.with_rows([session.index.rows()])
        return StoredManifest(root, packs, tuple(sorted(own)), frozenset(self.needed | own), found, index)

    def _refuse_damaged(self, found: frozenset[bytes]) -> None:
        """Chunks of the catalogue that were found in the index alone are read: nobody else has in this run, and a manifest that
        lies in a damaged pack is none. Raises `CatalogueDamaged`, `StorageError`."""
        damaged = set()
        for pack in found & self._meta.reused.keys():
            try:
                self._target.view.catalogue.fetch(sorted(self._meta.reused[pack]), "the new manifest")
            except Damaged:
                damaged.add(pack)
        if damaged:
            raise CatalogueDamaged(frozenset(damaged))

    def _new_packs(self) -> set[bytes]:
        """The packs that were stored since `_rows_before`."""
        return set(self._session.index.rows().slice(self._rows_before)["pack"].unique().to_pylist())


def needed_packs(chunks: pa.ChunkedArray, index: ChunkIndex) -> tuple[set[bytes], bool]:
    """The packs that hold the content of a manifest's items, dictionaries included; and whether every chunk lies in one.
    chunks: that column of the manifest."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rows, dictionary, complete = index.table, index.table["dictionary"], True
    packs: set[bytes | None] = set()
    taught: set[bytes] = set()

    def parts() -> Iterator[pa.Array]:
        for part in chunks.chunks:
            for at in range(0, len(part), _ITEMS_AT_ONCE):
                yield part.slice(at, _ITEMS_AT_ONCE).flatten().field("id").drop_null()

    for found in index.rows_of(parts):
        complete = complete and not found.null_count
        used = found.drop_null()
        packs.update(pc.unique(rows["pack"].take(used)).to_pylist())
        taught.update(pc.unique(dictionary.take(used)).drop_null().to_pylist())
    dictionaries = index.locate(pa.array(sorted(taught), pa.binary(ID_SIZE)))
    packs.update(pc.unique(dictionaries["pack"]).to_pylist())
    complete = complete and not dictionaries["pack"].null_count
    return {pack for pack in packs if pack is not None}, complete
