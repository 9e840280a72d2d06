"""What became of the items that were read, in flat buffers instead of an object an item: 300,000 small files must not cost 300
MB."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from vault.backup.comparison import TYPES
from vault.backup.manifest_rows import SharedColumns, repeated
from vault.backup.small_files import BatchColumns, Xattrs
from vault.format import parquet
from vault.format.chunks import ID_SIZE
from vault.format.manifest import schema
from vault.source.attributes import Owners
from vault.source.contract import Status
from vault.source.scan_columns import BLOCK_ROWS, STATUS, ScannedStatus, pack_status

if TYPE_CHECKING:
    import pyarrow as pa

HOLE = b""
"""Takes the place of a chunk's id where a file has a hole."""


class ContentFacts(NamedTuple):
    """The content of a file.

    - `digest`: its BLAKE3
    - `size`: its bytes, holes included
    - `format`: by its first bytes; None where they say nothing
    - `consistency`: see `vault.format.manifest.schema`
    """

    digest: bytes
    size: int
    format: str | None
    consistency: str | None = None


class ReadResults:
    """Content, status and attributes of the rows of a scan that were read."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._rows = array("q")
        self._status = {name: NumberColumn() for name in ("size", *STATUS)}
        self._hashes = bytearray()
        self._has_hash = bytearray()
        self._chunk_ids = bytearray()
        self._chunk_lengths = array("q")
        self._is_hole = bytearray()
        self._chunk_ends = array("i", [0])
        self._targets: dict[int, bytes] = {}
        self._xattrs: dict[int, Xattrs] = {}
        self._consistency: dict[int, str] = {}
        self._formats = array("h")
        self._format_codes: dict[str | None, int] = {None: -1}

    def __len__(self) -> int:
        return len(self._rows)

    def add_file(
        self, row: int, status: Status, content: ContentFacts, chunks: Sequence[tuple[bytes, int]], xattrs: Xattrs
    ) -> None:
        """Add a file. row: of the scan · chunks: ids (or `HOLE`) and lengths in bytes."""
        self._add(row, status, xattrs, content.format)
        self._status["size"].append(content.size)
        if content.consistency is not None:
            self._consistency[len(self._rows) - 1] = content.consistency
        self._hashes += content.digest
        self._has_hash.append(1)
        for chunk, length in chunks:
            self._chunk_ids += chunk or bytes(ID_SIZE)
            self._is_hole.append(not chunk)
            self._chunk_lengths.append(length)
        self._chunk_ends.append(len(self._chunk_lengths))

    def add_other(self, row: int, status: ScannedStatus, xattrs: Xattrs, target: bytes | None) -> None:
        """Add a folder, or a symbolic link with its target."""
        if target is not None:
            self._targets[len(self._rows)] = target
        self._add(row, status, xattrs)
        self._status["size"].append(0)
        self._hashes += bytes(ID_SIZE)
        self._has_hash.append(0)
        self._chunk_ends.append(len(self._chunk_lengths))

    def _add(self, row: int, status: Status, xattrs: Xattrs, format_: str | None = None) -> None:
        if xattrs:
            self._xattrs[len(self._rows)] = xattrs
        self._rows.append(row)
        codes = self._format_codes
        self._formats.append(codes.setdefault(format_, len(codes) - 1))
        self._add_statuses(pack_status(status))

    def _add_statuses(self, packed: bytes | bytearray | memoryview) -> None:
        numbers = array("q")  # inodes and devices above its range come out negative, which is what Parquet columns hold
        numbers.frombytes(packed)
        for place, name in enumerate(STATUS):
            self._status[name].extend(numbers[place :: len(STATUS)])

    def add_batch(self, rows: Sequence[int], batch: BatchColumns) -> None:
        """Add what was read of a batch of small files. rows: of the scan, by place in the batch."""
        first, first_chunk = len(self._rows), len(self._chunk_lengths)
        self._rows.extend(rows if len(batch.places) == len(rows) else [rows[place] for place in batch.places])
        codes = self._format_codes
        new_codes = [codes.setdefault(name, len(codes) - 1) for name in batch.format_names]
        self._formats.extend([new_codes[code] for code in batch.formats])
        self._add_statuses(batch.statuses)
        self._status["size"].extend(batch.sizes)
        self._hashes += batch.digests
        self._has_hash += bytes([1]) * len(batch.places)
        self._chunk_ids += batch.chunk_ids
        self._is_hole += bytes(len(batch.chunk_lengths))
        self._chunk_lengths.extend(batch.chunk_lengths)
        self._chunk_ends.extend(accumulate(batch.chunk_counts, initial=first_chunk))
        del self._chunk_ends[-len(batch.places) - 1]  # where the first begins: the one before ended there
        for note in batch.notes:
            if note.xattrs:
                self._xattrs[first + note.row] = note.xattrs
            if note.consistency is not None:
                self._consistency[first + note.row] = note.consistency

    def take_table(self, scan: pa.Table, shared: SharedColumns) -> pa.Table:
        """The results as rows of a manifest, by path. They are empty afterwards: a million of them must not be in memory twice.

        scan: the table that `row` counts in, sorted by path.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        count = len(self._rows)
        order = pc.sort_indices(_flat(self._rows))
        rows = _flat(self._rows).take(order)
        kinds = {field.name: field.type for field in schema()}
        types = _taken(scan["type"], rows).cast(pa.int64())
        columns: dict[str, pa.Array | pa.ChunkedArray] = {
            "path": _taken(scan["path"], rows),
            "source": repeated(shared.source, count),
            "kind": repeated(shared.kind, count),
            "type": pa.array([TYPES[code] for code in sorted(TYPES)]).take(types),
            "seen_at": repeated(shared.taken_at, count),
        }
        del rows
        for name, column in self._unsorted_columns(types, order, kinds):  # each goes before the next one is made
            columns[name] = parquet.spared(column if column.null_count == count else column.take(order))
            del column
        owners = shared.owners or Owners()
        columns["owner"] = _names(columns["uid"], owners.user)
        columns["group"] = _names(columns["gid"], owners.group)
        self._reset()
        given = [columns.pop(name, None) for name in kinds]
        arrays = [repeated(None, count, kind) if one is None else one for one, kind in zip(given, kinds.values(), strict=True)]
        return pa.Table.from_arrays(arrays, schema=schema())

    def _unsorted_columns(
        self, types: pa.Array, order: pa.Array, kinds: Mapping[str, pa.DataType]
    ) -> Iterator[tuple[str, pa.Array]]:
        """What was read, by name, in the order in which it was. types: sorted."""
        import pyarrow.compute as pc

        count = len(self._rows)
        yield "link_group", self._link_group_column(types.take(pc.sort_indices(order)))
        yield "link_target", _sparse(self._targets, count, kinds["link_target"])
        yield "xattrs", self._xattr_column(count, kinds["xattrs"])
        yield "consistency", _sparse(self._consistency, count, kinds["consistency"])
        yield "format", self._format_column()
        yield "blake3", self._hash_column()
        yield "chunks", self._chunk_column(kinds["chunks"])
        for name in ("size", *STATUS[:-2]):
            yield name, self._status.pop(name).column().cast(kinds[name])

    def _link_group_column(self, types: pa.Array) -> pa.Array:
        """Equal for names of one file: its inode in the lower 48 bits, the number of its file system in the upper ones."""
        import pyarrow as pa
        import pyarrow.compute as pc

        inodes, devices, links = (self._status[name].column() for name in ("inode", "device", "nlink"))
        rows = pc.indices_nonzero(pc.and_(pc.greater(links, 1), pc.equal(types, 0)))
        ranks = {device: rank for rank, device in enumerate(sorted(pc.unique(devices).to_pylist()))}
        linked = zip(rows.to_pylist(), inodes.take(rows).to_pylist(), devices.take(rows).to_pylist(), strict=True)
        groups = {row: _signed((inode & ((1 << 48) - 1)) | ranks[device] << 48) for row, inode, device in linked}
        return _sparse(groups, len(types), pa.int64())

    def _xattr_column(self, count: int, kind: pa.DataType) -> pa.Array:
        pairs = {row: [{"name": n, "value": v} for n, v in values] for row, values in self._xattrs.items()}
        return _sparse(pairs, count, kind)

    def formats(self) -> pa.Table:
        """Of everything read so far: `row` of the scan, and `format`."""
        import pyarrow as pa

        return pa.table({"row": _flat(self._rows), "format": self._format_column()})

    def _format_column(self) -> pa.Array:
        import pyarrow as pa
        import pyarrow.compute as pc

        codes = pa.array(self._formats, pa.int16())
        names = pa.array([name for name in self._format_codes if name is not None], pa.string())
        return names.take(pc.if_else(pc.less(codes, 0), pa.scalar(None, pa.int16()), codes))

    def _hash_column(self) -> pa.Array:
        import pyarrow as pa

        hashes, self._hashes = self._hashes, bytearray()
        raw = pa.Array.from_buffers(pa.binary(ID_SIZE), len(self._rows), [None, pa.py_buffer(hashes)])
        return _nulled(raw, self._has_hash)

    def _chunk_column(self, kind: pa.DataType) -> pa.Array:
        import pyarrow as pa

        count = len(self._chunk_lengths)
        chunk_ids, self._chunk_ids = self._chunk_ids, bytearray()
        ids = pa.Array.from_buffers(pa.binary(ID_SIZE), count, [None, pa.py_buffer(chunk_ids)])
        ids = _nulled(ids, bytes(1 - hole for hole in self._is_hole))
        items = pa.StructArray.from_arrays([ids, _flat(self._chunk_lengths)], fields=list(kind.value_type))
        return pa.ListArray.from_arrays(_flat(self._chunk_ends), items, type=kind)


class NumberColumn:
    """Numbers of 64 bits; blocks of a single one, as most are of owners and modes, take no room."""

    def __init__(self) -> None:
        self._blocks: list[pa.Array | pa.ChunkedArray] = []
        self._last = array("q")

    def append(self, number: int) -> None:
        """One more."""
        self._last.append(number)
        self._close_full()

    def extend(self, numbers: array[int] | Sequence[int]) -> None:
        """Some more."""
        self._last.extend(numbers)
        self._close_full()

    def _close_full(self) -> None:
        if len(self._last) >= BLOCK_ROWS:
            self._blocks.append(parquet.spared(_flat(self._last)))
            self._last = array("q")

    def column(self) -> pa.ChunkedArray:
        """All of them."""
        import pyarrow as pa

        blocks = [*self._blocks, _flat(self._last)]
        return pa.chunked_array([part for one in blocks for part in ([one] if isinstance(one, pa.Array) else one.chunks)])


def _taken(column: pa.ChunkedArray, rows: pa.Array) -> pa.Array | pa.ChunkedArray:
    """Rows of a column, in rising order and each once; all of them are the column itself."""
    return column if len(rows) == len(column) else column.combine_chunks().take(rows)


def _sparse(values: Mapping[int, object], count: int, kind: pa.DataType) -> pa.Array:
    """A column of nulls except for `values`, by row."""
    import pyarrow as pa

    if not values:
        return pa.nulls(count, kind)
    return pa.array((values.get(row) for row in range(count)), kind, size=count)


def _flat(numbers: array[int]) -> pa.Array:
    """The same memory, of 64 or 32 bits a number, as an array."""
    import pyarrow as pa

    kind = pa.int64() if numbers.typecode == "q" else pa.int32()
    return pa.Array.from_buffers(kind, len(numbers), [None, pa.py_buffer(numbers)])


def _nulled(values: pa.Array, valid: bytes | bytearray) -> pa.Array:
    """`values`, with null where `valid` has a zero."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if all(valid):
        return values
    mask = pa.Array.from_buffers(pa.uint8(), len(values), [None, pa.py_buffer(bytes(valid))])
    return pc.if_else(pc.equal(mask, pa.scalar(1, pa.uint8())), values, pa.scalar(None, values.type))


def _names(numbers: pa.Array | pa.ChunkedArray, name_of: Callable[[int], str | None]) -> pa.Array | pa.ChunkedArray:
    """The name of each number; each distinct number is looked up once."""
    import pyarrow as pa
    import pyarrow.compute as pc

    different = pc.unique(numbers)
    names = pa.array([name_of(number) for number in different.to_pylist()], pa.string())
    if len(names) == 1:
        return parquet.repeated(names[0], len(numbers))
    return names.take(pc.index_in(numbers, value_set=different))


def _signed(number: int) -> int:
    """The same 64 bits as a signed number, which is what Parquet columns hold."""
    return number - (1 << 64) if number >= 1 << 63 else number
