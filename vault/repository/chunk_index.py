"""Which chunk lies where: all index segments of a project, as one table.

Two questions are asked of it. A reader asks for the places of many chunks at once, and a column operation answers. A writer
asks of each new chunk whether it is stored already; `KnownChunks` answers in a microsecond out of 40 bytes a chunk.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vault.errors import Damaged, ObjectNotFound, TransientStorageError
from vault.format import index as segments
from vault.format import strict_json
from vault.format.chunks import ID_SIZE
from vault.problems import Problem
from vault.repository.project import Project

if TYPE_CHECKING:
    import pyarrow as pa

READERS = 8
SMALL_SEGMENT = 1024 * 1024
"""Bytes; smaller segments, of which hourly snapshots make thousands, are fetched several at once, larger ones one by one."""

ROWS_IN_SEGMENT = 400_000
"""About 40 MB: a segment is one object, and an object has at most 64 MiB."""

RELISTINGS = 5
"""Times that a listing is made anew because a compaction took away a segment between LIST and GET."""


Kept = dict[str, "pa.Table"]
"""Small segments that were read, by name."""


@dataclass(frozen=True, slots=True)
class ChunkIndex:
    """The rows of all segments, of one tier or of both. table: of `vault.format.index.schema()` · damaged: segments that
    are not what a holder of the project's keys wrote, and are passed over."""

    table: pa.Table
    damaged: tuple[Problem, ...] = ()

    @classmethod
    def load(cls, project: Project, *, tier: int | None = None, kept: Kept | None = None) -> ChunkIndex:
        """Read every segment. tier: only its rows · kept: small segments that were read before, and are added to.

        A damaged segment, or one that somebody planted, must not cost what the others say; whoever uses the index tells it.
        """
        for _ in range(RELISTINGS):
            try:
                return cls(*_load_all(project, tier, {} if kept is None else kept))
            except ObjectNotFound:
                continue
        raise TransientStorageError(f"the index of project {project.name!r} keeps changing while it is read")

    def locate(self, chunks: pa.Array | pa.ChunkedArray) -> pa.Table:
        """The row of each of `chunks`, in their order; a row of nulls for a chunk that no segment knows."""
        import pyarrow.compute as pc

        near = self.table
        if len(chunks) < near.num_rows // 2:  # few names out of many are found sooner among their own
            near = near.filter(pc.is_in(near["chunk"], value_set=_plain(chunks)))
        return near.take(pc.index_in(_plain(chunks), value_set=_plain(near["chunk"])))

    def of_tier(self, tier: int) -> ChunkIndex:
        """The rows of one tier."""
        return ChunkIndex(_of_tier(self.table, tier), self.damaged)

    def with_rows(self, tables: Sequence[pa.Table]) -> ChunkIndex:
        """This index and some more rows."""
        import pyarrow as pa

        return ChunkIndex(pa.concat_tables([self.table, *tables]), self.damaged)

    def apart(self, avoided: frozenset[bytes]) -> tuple[ChunkIndex, pa.Table]:
        """The rows that lean on none of the `avoided` packs, neither by themselves nor by their dictionary, which must lie
        somewhere; and the others."""
        import pyarrow.compute as pc

        leans = is_among(self.table["pack"], avoided)
        dictionaries = pc.unique(self.table["dictionary"]).drop_null()
        if not avoided and not len(dictionaries):
            return self, self.table.slice(0, 0)
        safe = self.table.filter(pc.invert(leans)) if avoided else self.table
        taught = pc.is_in(dictionaries, value_set=_plain(safe["chunk"]))
        lost = dictionaries.filter(pc.invert(taught))
        if not avoided and not len(lost):
            return self, self.table.slice(0, 0)
        leans = pc.or_(leans, pc.is_in(self.table["dictionary"], value_set=lost))
        return ChunkIndex(self.table.filter(pc.invert(leans)), self.damaged), self.table.filter(leans)

    def unlike(self, stored: Mapping[bytes, int]) -> frozenset[bytes]:
        """The packs that rows name and that are not among the `stored` ones (SHA-256 and length), or have another length."""
        named = self.table.group_by(["pack", "pack_size"]).aggregate([])
        pairs = zip(named["pack"].to_pylist(), named["pack_size"].to_pylist(), strict=True)
        return frozenset(pack for pack, size in pairs if stored.get(pack) != size)

    def others(self, chunks: Collection[bytes], packs: Collection[bytes]) -> pa.Table:
        """Every row of these chunks but those in these packs."""
        import pyarrow.compute as pc

        rows = self.table.filter(is_among(self.table["chunk"], chunks))
        return rows.filter(pc.invert(is_among(rows["pack"], packs)))

    def packs(self) -> frozenset[bytes]:
        """Every pack that a row names."""
        return frozenset(self.table["pack"].unique().to_pylist())


def _load_all(project: Project, tier: int | None, kept: Kept) -> tuple[pa.Table, tuple[Problem, ...]]:
    import pyarrow as pa

    listed = list(project.store.list(project.folder("index")))
    small = [info.name for info in listed if info.size <= SMALL_SEGMENT]
    fresh = [name for name in small if name not in kept]
    with ThreadPoolExecutor(min(READERS, len(fresh)) or 1, thread_name_prefix="index") as pool:
        found = list(pool.map(lambda name: _segment_or_problem(project, name, None), fresh))
    kept.update((name, one) for name, one in zip(fresh, found, strict=True) if not isinstance(one, Problem))
    found += [_segment_or_problem(project, info.name, tier) for info in listed if info.size > SMALL_SEGMENT]
    others = pa.concat_tables([segments.schema().empty_table(), *(kept[name] for name in small if name in kept)])
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


def load_segment(project: Project, name: str, tier: int | None = None) -> pa.Table:
    """The rows of one segment. Raises `ObjectNotFound`, `Damaged`."""
    segment_id = strict_json.from_hex(name.rpartition("/")[2], ID_SIZE, f"the name {name}")
    key = project.capability.index_key
    return project.read_sealed(name, lambda plain: segments.decode(plain, key, segment_id, tier=tier))


def is_among(column: pa.ChunkedArray, names: Iterable[bytes]) -> pa.ChunkedArray:
    """Which of a column's values (32 bytes each) are among `names`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.is_in(column, value_set=pa.array(sorted(names), pa.binary(ID_SIZE)))


def _sorted(ids: pa.Array) -> pa.Array:
    import pyarrow.compute as pc

    return pc.sort_indices(ids)


def _plain(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """One contiguous array."""
    import pyarrow as pa

    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


class SortedIds:
    """Chunk ids, sorted, in flat memory: 40 bytes a chunk, and a microsecond to find one."""

    def __init__(self, ids: pa.Array) -> None:
        self._ids = ids.take(_sorted(ids)).buffers()[1].to_pybytes() if len(ids) else b""
        self._prefixes = array("Q")
        self._prefixes.frombytes(memoryview(self._ids).cast("Q")[:: ID_SIZE // 8].tobytes())
        if sys.byteorder == "little":
            self._prefixes.byteswap()

    def find(self, chunk: bytes) -> int | None:
        """Where the first such id stands in the sorted order."""
        prefix = int.from_bytes(chunk[:8], "big")
        place = bisect_left(self._prefixes, prefix)
        while place < len(self._prefixes) and self._prefixes[place] == prefix:
            if self._ids[place * ID_SIZE : (place + 1) * ID_SIZE] == chunk:
                return place
            place += 1
        return None


class SortedIndex:
    """The rows of an index for who asks it a thousand times for a few chunks each."""

    def __init__(self, index: ChunkIndex) -> None:
        ids = _plain(index.table["chunk"])
        self._ids = SortedIds(ids)
        self._table = index.table.take(_sorted(ids)).combine_chunks()  # stable: of a chunk's rows the first stays the first
        self._packs = _plain(self._table["pack"])

    def locate(self, chunks: pa.Array) -> pa.Table:
        """As that of `ChunkIndex`."""
        import pyarrow as pa

        return self._table.take(pa.array(map(self._ids.find, chunks.to_pylist()), pa.int64()))

    def pack_of(self, chunk: bytes) -> bytes | None:
        """Where one chunk lies (SHA-256 of the pack), if anywhere."""
        row = self._ids.find(chunk)
        return None if row is None else self._packs[row].as_py()


class KnownChunks:
    """A set of chunk ids: those that are stored, and those that this run adds in a Python set."""

    def __init__(self, stored: ChunkIndex) -> None:
        self._stored = SortedIds(_plain(stored.table["chunk"]))
        self._added: set[bytes] = set()

    def __contains__(self, chunk: bytes) -> bool:
        return chunk in self._added or self._stored.find(chunk) is not None

    def add(self, chunks: Iterable[bytes]) -> None:
        """From now on these are known."""
        self._added.update(chunks)


def rows_of_pack(contents: pa.Table, pack: bytes, pack_size: int, tier: int) -> pa.Table:
    """Index rows for a pack's table of contents."""
    import pyarrow as pa

    count = contents.num_rows
    columns = {
        "chunk": contents["chunk"],
        "pack": pa.repeat(pa.scalar(pack, pa.binary(ID_SIZE)), count),
        "tier": pa.repeat(pa.scalar(tier, pa.uint8()), count),
        "pack_size": pa.repeat(pa.scalar(pack_size, pa.int32()), count),
        "offset": contents["offset"],
        "stored": contents["stored"],
        "plain": contents["plain"],
        "dictionary": contents["dictionary"],
    }
    return pa.table(columns, schema=segments.schema())


def store_segment(project: Project, tables: Sequence[pa.Table]) -> str:
    """Write the rows as one segment; gives its name."""
    import pyarrow as pa

    from vault.format.layout import index_name

    nonce = project.services.randomness.token(segments.NONCE_SIZE)
    plain = segments.encode(pa.concat_tables(tables).combine_chunks(), nonce)
    name = index_name(project.id, segments.name(plain, project.capability.index_key))
    project.store.put(name, project.seal_catalogue(plain))
    return name


def store_segments(project: Project, rows: pa.Table) -> list[str]:
    """Write the rows as segments, usually one; gives their names."""
    starts = range(0, rows.num_rows, ROWS_IN_SEGMENT)
    return [store_segment(project, [rows.slice(start, ROWS_IN_SEGMENT)]) for start in starts]
