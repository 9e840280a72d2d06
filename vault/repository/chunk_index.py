"""Which chunk lies in which pack: all index segments of a project, as one table.

A reader asks for the locations of many chunks at once, which a column operation answers. For single look-ups, such as a
writer's question whether a chunk is stored already, see `sorted_index`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from vault.errors import Damaged, ObjectNotFound, TransientStorageError
from vault.format import index as segments
from vault.format.chunks import ID_SIZE
from vault.problems import Problem
from vault.repository.index_segments import load_segment
from vault.repository.project import Project
from vault.threads import parallel_map

if TYPE_CHECKING:
    import pyarrow as pa

READERS = 8
SMALL_SEGMENT = 1024 * 1024
"""Bytes; smaller segments, of which hourly snapshots make thousands, are fetched several at once, larger ones one by one."""

RELISTINGS = 5
"""Times that the segments are listed again because a compaction deleted one between LIST and GET."""


SegmentCache = dict[str, "pa.Table"]
"""Small segments that were read, by name."""


class ChunkIndex(Struct, frozen=True):
    """The rows of all segments, of one tier or of both.

    - `table`: in the schema `vault.format.index.schema()`
    - `damaged`: segments that no holder of the project's keys wrote, or that were changed since; their rows are not in `table`
    """

    table: pa.Table
    damaged: tuple[Problem, ...] = ()

    @classmethod
    def load(cls, project: Project, *, tier: int | None = None, cache: SegmentCache | None = None) -> ChunkIndex:
        """Read every segment. Damaged ones do not stop that: the caller reports them.

        - `tier`: only its rows
        - `cache`: small segments that were read before; those that are read now are added

        Raises `StorageError`.
        """
        for _ in range(RELISTINGS):
            try:
                return cls(*_load_all(project, tier, {} if cache is None else cache))
            except ObjectNotFound:
                continue
        raise TransientStorageError(f"the index of project {project.name!r} keeps changing while it is read")

    def locate(self, chunks: pa.Array | pa.ChunkedArray) -> pa.Table:
        """The row of each of `chunks`, in their order; a row of nulls for a chunk that is in no segment."""
        import pyarrow.compute as pc

        rows = self.table
        if len(chunks) < rows.num_rows // 2:  # a hash table of few chunks is built sooner than one of the whole index
            rows = rows.filter(pc.is_in(rows["chunk"], value_set=contiguous(chunks)))
        return rows.take(pc.index_in(contiguous(chunks), value_set=contiguous(rows["chunk"])))

    def rows_of(self, parts: Callable[[], Iterable[pa.Array]]) -> Iterator[pa.Array]:
        """The number of a row of each chunk, null for one that is in no segment. parts: gives their ids, none of them null, in
        as many parts as come back; it is called twice. For a million of them: they are looked up by their first eight bytes,
        which takes a third of the memory, and compared as a whole then."""
        import pyarrow as pa
        import pyarrow.compute as pc

        known = self.table["chunk"]
        none = pa.array([], pa.uint64())
        prefixes = pa.concat_arrays([none, *(_prefixes(part) for part in known.chunks if len(part))])
        rows = pc.index_in(pa.concat_arrays([none, *map(_prefixes, parts())]), value_set=prefixes)
        del prefixes
        end = 0
        for some in parts():
            places = rows.slice(end, len(some))
            end += len(some)
            differ = pc.fill_null(pc.not_equal(contiguous(known.take(places)), some), fill_value=False)
            if pc.any(differ).as_py():  # two with the same first bytes
                places = pc.if_else(differ, pc.index_in(some, value_set=contiguous(known)), places)
            yield places

    def of_tier(self, tier: int) -> ChunkIndex:
        """The rows of one tier."""
        return ChunkIndex(_of_tier(self.table, tier), self.damaged)

    def with_rows(self, tables: Sequence[pa.Table]) -> ChunkIndex:
        """This index and some more rows."""
        import pyarrow as pa

        return ChunkIndex(pa.concat_tables([self.table, *tables]), self.damaged)

    def split(self, avoided: frozenset[bytes]) -> tuple[ChunkIndex, pa.Table]:
        """The rows that need none of the `avoided` packs, and the others. A row needs its pack, and its dictionary, which must
        be in the index."""
        import pyarrow.compute as pc

        needs_avoided = is_among(self.table["pack"], avoided)
        dictionaries = pc.unique(self.table["dictionary"]).drop_null()
        if not avoided and not len(dictionaries):
            return self, self.table.slice(0, 0)
        safe = self.table.filter(pc.invert(needs_avoided)) if avoided else self.table
        usable = pc.is_in(dictionaries, value_set=contiguous(safe["chunk"]))
        lost = dictionaries.filter(pc.invert(usable))
        if not avoided and not len(lost):
            return self, self.table.slice(0, 0)
        needs_avoided = pc.or_(needs_avoided, pc.is_in(self.table["dictionary"], value_set=lost))
        return ChunkIndex(self.table.filter(pc.invert(needs_avoided)), self.damaged), self.table.filter(needs_avoided)

    def mismatched(self, stored: Mapping[bytes, int]) -> frozenset[bytes]:
        """The packs that rows name and that are not among the `stored` ones, or have another length there. stored: bytes of
        each pack, by its SHA-256."""
        named = self.table.group_by(["pack", "pack_size"]).aggregate([])
        pairs = zip(named["pack"].to_pylist(), named["pack_size"].to_pylist(), strict=True)
        return frozenset(pack for pack, size in pairs if stored.get(pack) != size)

    def rows_elsewhere(self, chunks: Collection[bytes], packs: Collection[bytes]) -> pa.Table:
        """Every row of these chunks that is not in one of these packs."""
        import pyarrow.compute as pc

        rows = self.table.filter(is_among(self.table["chunk"], chunks))
        return rows.filter(pc.invert(is_among(rows["pack"], packs)))

    def without_packs(self, packs: frozenset[bytes]) -> pa.Table:
        """Every row that is in none of these packs."""
        import pyarrow.compute as pc

        return self.table.filter(pc.invert(is_among(self.table["pack"], packs)))

    def packs(self) -> frozenset[bytes]:
        """Every pack that a row names."""
        return frozenset(self.table["pack"].unique().to_pylist())


def _load_all(project: Project, tier: int | None, cache: SegmentCache) -> tuple[pa.Table, tuple[Problem, ...]]:
    import pyarrow as pa

    listed = list(project.store.list(project.folder("index")))
    small = [info.name for info in listed if info.size <= SMALL_SEGMENT]
    fresh = [name for name in small if name not in cache]
    found = parallel_map(fresh, lambda name: _segment_or_problem(project, name, None), most=READERS, name="index")
    cache.update((name, one) for name, one in zip(fresh, found, strict=True) if not isinstance(one, Problem))
    found += [_segment_or_problem(project, info.name, tier) for info in listed if info.size > SMALL_SEGMENT]
    others = pa.concat_tables([segments.schema().empty_table(), *(cache[name] for name in small if name in cache)])
    tables = [one for one in found[len(fresh) :] if not isinstance(one, Problem)]
    damaged = tuple(one for one in found if isinstance(one, Problem))
    return pa.concat_tables([others if tier is None else _of_tier(others, tier), *tables]), damaged


def _of_tier(table: pa.Table, tier: int) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    return table.filter(pc.equal(table["tier"], pa.scalar(tier, pa.uint8())))


def _segment_or_problem(project: Project, name: str, tier: int | None) -> pa.Table | Problem:
    try:
        return load_segment(project, name, tier)
    except Damaged as error:
        return Problem(name.encode(), "damaged-index", f"an index segment cannot be used: {error}")


def _prefixes(ids: pa.Array) -> pa.Array:
    """The first eight bytes of each id, as a number."""
    import pyarrow as pa

    if not len(ids):
        return pa.array([], pa.uint64())
    words = memoryview(ids.buffers()[1]).cast("B").cast("Q")
    step = ID_SIZE // 8
    picked = words[ids.offset * step : (ids.offset + len(ids)) * step : step].tobytes()
    return pa.Array.from_buffers(pa.uint64(), len(ids), [None, pa.py_buffer(picked)])


def is_among(column: pa.ChunkedArray, names: Iterable[bytes]) -> pa.ChunkedArray:
    """Which of a column's values (32 bytes each) are among `names`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.is_in(column, value_set=pa.array(sorted(names), pa.binary(ID_SIZE)))


def contiguous(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """The column as one array."""
    import pyarrow as pa

    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
