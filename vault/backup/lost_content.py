"""What the last snapshots need and the repository no longer has.

A pack that is gone, or known to be damaged, costs the items whose content lies in it alone. What the source still has of them
is read and stored again, changed or not; the rest is carried forward as it is, and named as lost in every run: it is whole
again should the pack come back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from vault.backup.comparison import Comparison
from vault.errors import Damaged, ObjectNotFound
from vault.format import layout
from vault.format.layout import META_TIER
from vault.format.snapshot_record import Record
from vault.problems import Problem
from vault.repository import snapshots
from vault.repository.catalog_chunks import MetaReader
from vault.repository.chunk_index import ChunkIndex
from vault.repository.project import Project
from vault.repository.writer_view import BasePacks, UsableIndex, WriterView
from vault.storage.caching import uncached
from vault.wording import counted

if TYPE_CHECKING:
    from datetime import datetime

    import pyarrow as pa

    from vault.backup.new_manifest import ItemRetirement

MOST_NAMED = 1000
"""Lost items that a run names; of more it says how many."""

PACKS_NAMED = 3


class LostContent(Struct, frozen=True):
    """Content that the last snapshots need and that cannot be read.

    - `packs`: gone, or known to be damaged
    - `unnamed`: in the store, but in no index segment, and this machine may not read what they hold
    - `available`: rows of every chunk that can be read
    - `index`: these rows and those of lost chunks
    """

    packs: frozenset[bytes]
    unnamed: frozenset[bytes]
    available: ChunkIndex
    index: ChunkIndex

    @property
    def listed(self) -> frozenset[bytes]:
        """The packs that a snapshot with a lost item goes on listing, so that no prune deletes what is left of them."""
        return self.packs | self.unnamed

    def rows(self, chunks: pa.ChunkedArray) -> pa.Array:
        """The numbers of a manifest's rows with lost content. chunks: that column of it."""
        import pyarrow.compute as pc

        flat = chunks.combine_chunks()
        ids = flat.flatten().field("id")
        had = pc.is_in(ids, value_set=self.available.table["chunk"].combine_chunks())
        return pc.unique(pc.list_parent_indices(flat).filter(pc.and_not(pc.is_valid(ids), had)))

    def given_up(self, table: pa.Table, give_up: ItemRetirement | None) -> pa.ChunkedArray | None:
        """Which rows of a manifest need not be carried on, since a person has given them up and their content cannot be had;
        None where there are none."""
        import pyarrow as pa
        import pyarrow.compute as pc

        lost = self.rows(table["chunks"])
        if give_up is None or not len(lost):
            return None
        numbers = pa.array(range(table.num_rows), lost.type)
        goes = pc.and_(give_up.retired(table), pc.is_in(numbers, value_set=lost))
        return goes if pc.any(goes).as_py() else None

    def problems(self, table: pa.Table, rows: pa.Array) -> Iterator[Problem]:
        """One for each of these rows of a manifest; of very many, how many more. table: its paths and chunks."""
        for row in rows[:MOST_NAMED].to_pylist():
            yield self._problem(table["path"][row].as_py(), table["chunks"][row].values.field("id"))
        if len(rows) > MOST_NAMED:
            yield Problem(b"", "lost-content", f"{counted(len(rows) - MOST_NAMED, 'more item')} cannot be restored either")

    def _problem(self, path: bytes, ids: pa.Array) -> Problem:
        import pyarrow.compute as pc

        lost = ids.drop_null()
        lost = lost.filter(pc.invert(pc.is_in(lost, value_set=self.available.table["chunk"].combine_chunks())))
        rows = self.index.locate(lost[:1])
        dictionaries = self.index.locate(pc.unique(rows["dictionary"]).drop_null())
        packs = {*rows["pack"].to_pylist(), *dictionaries["pack"].to_pylist()} & self.packs
        if not packs and self.unnamed:
            return Problem(
                path,
                "unindexed-content",
                f"no index segment says where its content lies, and this machine may not read {_named(self.unnamed)}; "
                "a backup that needs it, with an identity that may read, names it again",
            )
        where = _named(packs or self.packs) or "no pack that the index names"
        todo = (
            "it stays listed, and is whole again if the pack comes back; "
            "`strongroom check PROJECT --acknowledge REASON` gives it up"
        )
        return Problem(
            path,
            "lost-content",
            f"a part of its content is lost, and the source cannot give it again: {where} is gone or damaged; {todo}",
        )


def find(view: WriterView, index: UsableIndex, base: BasePacks, *, noted: bool = False) -> LostContent | None:
    """What the base snapshots need and that cannot be read; None where everything can. noted: whether content may be lost
    though no pack seems to be, as a person has given it up. Raises `StorageError`."""
    rows = index.all_rows()
    unnamed = (base.needed & view.stored.keys()) - rows.packs()
    if not base.lost and not unnamed and base.lists_read and not noted:
        return None
    return LostContent(base.lost, unnamed, rows.split(base.lost | view.gone_of_index())[0], rows)


def find_remaining(
    view: WriterView, index: UsableIndex, base: BasePacks, before: LostContent | None, new: pa.Table
) -> LostContent:
    """What cannot be read once this run has stored what it could. before: what could not until then · new: index rows of what
    the run has stored. Raises `StorageError`."""
    if before is None:
        rows = index.all_rows([new])
        return LostContent(base.lost, frozenset(), rows.split(base.lost | view.gone_of_index())[0], rows)
    return replace(before, available=before.available.with_rows([new]), index=before.index.with_rows([new]))


def damaged_catalogue(project: Project, snapshot: str) -> frozenset[bytes]:
    """The packs under a manifest that cannot be read which are not what their names say, as the store has them: nothing new may
    rely on these. Of a deep tree what lies under a damaged list is not looked at. Raises `StorageError`."""
    import pyarrow as pa

    below = replace(project, store=uncached(project.store))
    try:
        one = snapshots.read(below, snapshot)
        if one is None:
            return frozenset()
        reader = MetaReader(below, ChunkIndex.load(below, tier=META_TIER))
        chunks = {chunk for root in (one.manifest, one.packs) for chunk, _ in root.chunks}
        with suppress(Damaged):
            chunks |= {*reader.chunks_of(one.manifest, snapshot), *reader.chunks_of(one.packs, snapshot)}
    except Damaged:
        return frozenset()
    packs = reader.index.locate(pa.array(sorted(chunks), pa.binary(32)))["pack"].unique().drop_null().to_pylist()
    return frozenset(pack for pack in packs if not _is_whole(below, pack))


def _is_whole(project: Project, pack: bytes) -> bool:
    try:
        return sha256(project.store.get(layout.pack_name(project.id, META_TIER, pack))).digest() == pack
    except ObjectNotFound:
        return False


def catalogue_is_stored(view: WriterView, record: Record, base: BasePacks) -> bool:
    """Whether a snapshot's own manifest and list are in packs that the store has: a cache may still give what the store
    lost."""
    import pyarrow as pa
    import pyarrow.compute as pc

    reader = view.catalogue
    try:
        chunks = reader.chunks_of(record.manifest, record.id) + reader.chunks_of(record.packs, record.id)
    except Damaged:
        return False
    available = reader.index.of_tier(META_TIER).split(base.lost | view.gone_of_index())[0]
    stored = pc.is_in(pa.array(chunks, pa.binary(32)), value_set=available.table["chunk"].combine_chunks())
    return bool(pc.all(stored).as_py())


def read_again(difference: Comparison, rows: pa.Array) -> tuple[Comparison, int]:
    """The comparison with these rows of the last manifest among those that are read; and how many that adds."""
    import pyarrow as pa
    import pyarrow.compute as pc

    again = pc.is_in(difference.kept_from, value_set=rows.cast(difference.kept_from.type))
    added = difference.kept.filter(again)
    fresh = pa.concat_arrays([difference.fresh, added])
    stays = pc.invert(again)
    found = replace(
        difference,
        fresh=fresh.take(pc.sort_indices(fresh)),
        kept=difference.kept.filter(stays),
        kept_from=difference.kept_from.filter(stays),
    )
    return found, len(added)


def refuse_lost_new_rows(table: pa.Table, rows: pa.Array, taken_at: datetime) -> None:
    """Raises `Damaged` where one of the rows is of an item that this very run has read: what was just stored must be found."""
    import pyarrow as pa
    import pyarrow.compute as pc

    seen = table["seen_at"].combine_chunks().take(rows)
    if pc.any(pc.equal(seen, pa.scalar(taken_at, seen.type))).as_py():
        raise Damaged("content that was stored a moment ago is in no index segment; nothing was committed")


def _named(packs: frozenset[bytes] | set[bytes]) -> str:
    names = ", ".join(f"pack {pack.hex()}" for pack in sorted(packs)[:PACKS_NAMED])
    return f"{names} and {len(packs) - PACKS_NAMED} more" if len(packs) > PACKS_NAMED else names
