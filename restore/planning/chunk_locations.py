"""Which chunks the files of a plan are made of, where these lie, and what getting them costs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from vault.errors import ObjectNotFound
from vault.format import layout
from vault.format.layout import CONTENT_TIER
from vault.problems import Problem
from vault.repository.chunk_index import ChunkIndex
from vault.repository.orphan_packs import with_orphans
from vault.repository.pack_reader import FRONT, GAP, PackReader
from vault.repository.project import Project
from vault.repository.stored_packs import exists
from vault.storage.fallback import others_of

if TYPE_CHECKING:
    import pyarrow as pa

HEADERS_INSTEAD_OF_A_LISTING = 16
"""Packs up to which the header of each is read, which reading may take anyhow; a listing answers for a thousand."""

ROWS_LIKE_A_HEADER = 50
"""Packs in a listing that take as long to read as the header of one: 3 ms."""

READERS = 8
"""Headers that are read at once: each waits for a round trip."""


def locate(items: pa.Table, index: ChunkIndex) -> pa.Table:
    """A row for each chunk of each file: row (of `items`), position (in the file, bytes), length, and where it lies. By row.

    Holes are left out; a chunk that no index segment knows has nulls for its place. period: of the item, where any has one.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    chunks = items["chunks"].combine_chunks()
    pairs = chunks.flatten()
    parents = pc.list_parent_indices(chunks)
    ids, lengths = pairs.field("id"), pairs.field("length")
    table = pa.table({"row": parents, "position": _positions(chunks, parents, lengths), "length": lengths, "chunk": ids})
    if items["period_start"].null_count < len(items):
        table = table.append_column("period", items["period_start"].cast(pa.int64()).take(parents))
    if ids.null_count:
        table = table.filter(pc.is_valid(table["chunk"]))
    places = index.locate(table["chunk"])
    for name in places.column_names:
        if name not in ("chunk", "tier"):
            table = table.append_column(name, places[name])
    return table


def _positions(chunks: pa.Array, parents: pa.Array, lengths: pa.Array) -> pa.Array:
    """Where in its file each chunk begins: counted from the start of the file's first one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    counts = pc.fill_null(pc.list_value_length(chunks), 0).cast(pa.int64())
    first = pc.subtract(pc.cumulative_sum(counts), counts).take(parents)
    starts = pc.subtract(pc.cumulative_sum(lengths), lengths)
    return pc.subtract(starts, starts.take(first))


def locate_standing(
    project: Project, items: pa.Table, index: ChunkIndex, reader: PackReader | None = None
) -> tuple[pa.Table, ChunkIndex]:
    """As `locate`, but in packs that the store has, and the index without the others: of a chunk in several packs any will do,
    and the index may name one that was deleted a moment ago. Where a chunk is in no segment, the packs that none names are
    looked into; the index that is given then says so under `damaged`; at last the index of copies that stand behind the store.
    reader: for what is read afterwards."""
    whole, looked, looked_in_copies = index, False, False
    reader = reader or PackReader(project, index)
    while True:
        references = locate(items, index)
        if references["pack"].null_count and not looked:
            looked, before = True, index
            index = with_orphans(project, index, CONTENT_TIER, named=whole.packs())
            if index is not before:
                continue
        taught = index.locate(_different(references["dictionary"]))
        if (references["pack"].null_count or taught["pack"].null_count) and not looked_in_copies:
            looked_in_copies, others = True, reader.index_of_others(CONTENT_TIER)
            if others is not None:
                index = index.with_rows([others.table])
                continue
        sizes = _pack_sizes(references) | _pack_sizes(taught)
        listed = len(sizes) > HEADERS_INSTEAD_OF_A_LISTING or _is_listing_cheaper(references, taught, index)
        gone = _unlisted(project, sizes) if listed else _unopened(sizes, reader)
        if not gone:
            reader.index = index
            return references, index
        index = index.split(frozenset(gone))[0]


def find_missing(items: pa.Table, references: pa.Table, index: ChunkIndex) -> Iterable[Problem]:
    """Items whose content is not there: chunks, or the dictionaries that they need, in no pack. As `locate_standing` gives
    them."""
    import pyarrow.compute as pc

    dictionaries = _different(references["dictionary"])
    lost_dictionaries = dictionaries.filter(pc.is_null(index.locate(dictionaries)["pack"].combine_chunks()))
    lost = pc.or_(pc.is_null(references["pack"]), pc.is_in(references["dictionary"], value_set=lost_dictionaries))
    for row in pc.unique(references.filter(lost)["row"]).to_pylist():
        yield Problem(items["path"][row].as_py(), "missing", "a part of its content is gone from the repository")


def with_dictionaries(references: pa.Table, index: ChunkIndex) -> pa.Table:
    """`pack`, `offset` and `stored` of these chunks, and of the dictionaries that their frames need."""
    import pyarrow as pa

    places = references.select(["pack", "offset", "stored"])
    needed = index.locate(_different(references["dictionary"])).select(places.column_names)
    return pa.concat_tables([places, needed.cast(places.schema)])


def _different(ids: pa.ChunkedArray | pa.Array) -> pa.Array:
    import pyarrow.compute as pc

    return pc.unique(ids).drop_null()


def _pack_sizes(rows: pa.Table) -> dict[bytes, int]:
    """The packs that these rows name, with their stored bytes."""
    import pyarrow.compute as pc

    packs, sizes = (rows[name].combine_chunks() for name in ("pack", "pack_size"))
    different = _different(packs)
    first = sizes.take(pc.index_in(different, value_set=packs))
    return dict(zip(different.to_pylist(), first.to_pylist(), strict=True))


def _is_listing_cheaper(references: pa.Table, taught: pa.Table, index: ChunkIndex) -> bool:
    """Than headers that are read only to see whether the packs are there: where something near its front is wanted of a pack,
    its header comes with that."""
    import pyarrow.compute as pc

    near = [rows["pack"].filter(pc.less_equal(rows["offset"], FRONT)) for rows in (references, taught)]
    spared = sum(len(_different(packs)) for packs in near)
    return spared > 1 and len(index.packs()) <= spared * ROWS_LIKE_A_HEADER


def _unlisted(project: Project, packs: Collection[bytes]) -> set[bytes]:
    """Which of these content packs the store does not have, by one listing."""
    there = {layout.pack_sha256(info.name) for info in project.store.list(project.folder("packs"))}
    gone = set(packs) - there
    if gone and others_of(project.store):  # which are asked by name
        gone = {pack for pack in gone if not exists(project, layout.pack_name(project.id, CONTENT_TIER, pack))}
    return gone


def _unopened(packs: Mapping[bytes, int], reader: PackReader) -> set[bytes]:
    """Which of these content packs (with their stored bytes) the store does not have, by the header of each, which is open
    afterwards."""

    def is_missing(pack: bytes) -> bool:
        try:
            reader.open_header(pack, CONTENT_TIER, packs[pack])
        except ObjectNotFound:
            return True
        return False

    if not packs:
        return set()
    with ThreadPoolExecutor(min(READERS, len(packs)), thread_name_prefix="headers") as pool:
        return {pack for pack, missing in zip(packs, pool.map(is_missing, packs), strict=True) if missing}


def count_requests(references: pa.Table, *, gap: int = GAP) -> int:
    """Requests for these chunks: one a run of neighbours, and one for the header of a pack of which nothing near its front is
    needed."""
    import pyarrow as pa
    import pyarrow.compute as pc

    pack, offset, stored = _as_they_lie(references)
    if not len(pack):
        return 0
    same = pc.equal(pack[1:], pack[:-1])
    near = pc.less_equal(pc.subtract(offset[1:], pc.add(offset, stored)[:-1]), gap)
    breaks = pc.sum(pc.invert(pc.and_(same, near))).as_py() or 0
    first = pa.concat_arrays([pa.array([True]), pc.invert(same)])
    headers = pc.sum(pc.greater(offset.filter(first), FRONT)).as_py() or 0
    return int(headers + breaks + 1)


def count_bytes(references: pa.Table) -> int:
    """Stored bytes of these chunks, each once."""
    import pyarrow.compute as pc

    pack, offset, stored = _as_they_lie(references)
    again = pc.and_(pc.equal(pack[1:], pack[:-1]), pc.equal(offset[1:], offset[:-1]))
    return (pc.sum(stored).as_py() or 0) - (pc.sum(stored[1:].filter(again)).as_py() or 0)


def _as_they_lie(references: pa.Table) -> tuple[pa.Array, pa.Array, pa.Array]:
    """Packs (as numbers), offsets and stored lengths of what lies anywhere, pack by pack, by offset."""
    import pyarrow as pa
    import pyarrow.compute as pc

    places = references.select(["pack", "offset", "stored"])
    if places["pack"].null_count:
        places = places.filter(pc.is_valid(places["pack"]))
    pack = pc.index_in(places["pack"], value_set=pc.unique(places["pack"])).combine_chunks()
    offset, stored = (places[name].combine_chunks().cast(pa.int64()) for name in ("offset", "stored"))
    keys = pa.table({"pack": pack, "offset": offset})
    order = pc.sort_indices(keys, sort_keys=[("pack", "ascending"), ("offset", "ascending")])
    return pack.take(order), offset.take(order), stored.take(order)
