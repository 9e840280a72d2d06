"""Rows of the new manifest: those of what was read, beside those of the last manifest that stay.

Results are collected in flat buffers, not as an object an item: 300,000 small files must not cost 300 MB.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from vault.backup import unreadable_items
from vault.backup.comparison import TYPES, Comparison
from vault.format.chunks import ID_SIZE
from vault.format.manifest import schema
from vault.source.attributes import Owners
from vault.source.scan_columns import bounded_ctime

if TYPE_CHECKING:
    import pyarrow as pa

Xattrs = tuple[tuple[bytes, bytes], ...]
HOLE = b""
"""In place of a chunk's id: a hole of that length."""

_STATUS = ("size", "mtime", "mtime_nanos", "ctime_ns", "inode", "mode", "uid", "gid", "nlink", "device")


@dataclass(frozen=True, slots=True)
class SharedColumns:
    """What all items of a snapshot share."""

    source: str
    kind: str
    taken_at: datetime
    last_seen_at: datetime | None


class ContentFacts(NamedTuple):
    """What the content of a file is. digest: BLAKE3 of all of it · size: its bytes, holes included · format: told by its first
    bytes, if by anything · consistency: what the manifest says of it, see `vault.format.manifest.schema`."""

    digest: bytes
    size: int
    format: str | None
    consistency: str | None = None


class ScannedStatus(NamedTuple):
    """What a scan saw of an item, under the names that `os.stat_result` has."""

    st_size: int
    st_mtime_ns: int
    st_ctime_ns: int
    st_ino: int
    st_dev: int
    st_mode: int
    st_uid: int
    st_gid: int
    st_nlink: int


class ReadResults:
    """What became of the rows of the scan that were looked at: content, status, attributes."""

    def __init__(self) -> None:
        self._rows = array("q")
        self._status = {name: array("q") for name in _STATUS}
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
        self, row: int, status: os.stat_result, content: ContentFacts, chunks: Sequence[tuple[bytes, int]], xattrs: Xattrs
    ) -> None:
        """A file that was read. row: of the scan · chunks: ids (or `HOLE`) and lengths."""
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
        """A folder, or a symbolic link with its target."""
        if target is not None:
            self._targets[len(self._rows)] = target
        self._add(row, status, xattrs)
        self._status["size"].append(0)
        self._hashes += bytes(ID_SIZE)
        self._has_hash.append(0)
        self._chunk_ends.append(len(self._chunk_lengths))

    def _add(self, row: int, status: os.stat_result | ScannedStatus, xattrs: Xattrs, format_: str | None = None) -> None:
        if xattrs:
            self._xattrs[len(self._rows)] = xattrs
        self._rows.append(row)
        codes = self._format_codes
        self._formats.append(codes.setdefault(format_, len(codes) - 1))
        values = self._status
        seconds, nanos = divmod(status.st_mtime_ns, 1_000_000_000)
        values["mtime"].append(seconds)
        values["mtime_nanos"].append(nanos)
        values["ctime_ns"].append(bounded_ctime(status.st_ctime_ns))
        values["inode"].append(_signed(status.st_ino))
        values["mode"].append(status.st_mode & 0o7777)
        values["uid"].append(status.st_uid)
        values["gid"].append(status.st_gid)
        values["nlink"].append(status.st_nlink)
        values["device"].append(_signed(status.st_dev))

    def table(self, scan: pa.Table, about: SharedColumns) -> pa.Table:
        """Rows of a manifest, by path. scan: the table that `row` counted in, which is sorted by path.

        The results are spent afterwards: a million of them must not lie in memory twice.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        count = len(self._rows)
        rows = _flat(self._rows)
        types = scan["type"].combine_chunks().take(rows).cast(pa.int64())
        order = pc.sort_indices(rows)
        kinds = {field.name: field.type for field in schema()}
        columns: dict[str, pa.Array] = {
            "path": scan["path"].combine_chunks().take(rows),
            "source": _same(about.source, count),
            "kind": _same(about.kind, count),
            "type": pa.array([TYPES[code] for code in sorted(TYPES)]).take(types),
            "link_group": self._link_groups(types),
            "link_target": _sparse(self._targets, count, kinds["link_target"]),
            "xattrs": self._all_xattrs(count, kinds["xattrs"]),
            "blake3": self._blake3(),
            "format": self._all_formats(),
            "seen_at": _same(about.taken_at, count),
            "chunks": self._chunks(kinds["chunks"]),
            "consistency": _sparse(self._consistency, count, kinds["consistency"]),
        }
        for name in _STATUS[:8]:
            columns[name] = _flat(self._status.pop(name)).cast(kinds[name])
        self._status.clear()
        owners = Owners()
        columns["owner"] = _looked_up(columns["uid"], owners.user)
        columns["group"] = _looked_up(columns["gid"], owners.group)
        arrays = []
        for name, kind in kinds.items():  # one at a time: the unsorted column goes before the next one is copied
            column = columns.pop(name, None)
            arrays.append(pa.nulls(count, kind) if column is None else column.take(order))
            del column
        return pa.Table.from_arrays(arrays, schema=schema())

    def _link_groups(self, types: pa.Array) -> pa.Array:
        """Equal for names of one file: its inode, and above it which of the source's file systems it is on."""
        import pyarrow as pa
        import pyarrow.compute as pc

        links = _flat(self._status["nlink"])
        several = pc.and_(pc.greater(links, 1), pc.equal(types, 0))
        inodes, devices = self._status["inode"], self._status["device"]
        ranks = {device: rank for rank, device in enumerate(sorted(set(devices)))}
        groups = {
            row: _signed((inodes[row] & ((1 << 48) - 1)) | ranks[devices[row]] << 48)
            for row in pc.indices_nonzero(several).to_pylist()
        }
        return _sparse(groups, len(types), pa.int64())

    def _all_xattrs(self, count: int, kind: pa.DataType) -> pa.Array:
        pairs = {row: [{"name": n, "value": v} for n, v in values] for row, values in self._xattrs.items()}
        return _sparse(pairs, count, kind)

    def formats(self) -> pa.Table:
        """What was read so far: `row` of the scan, and `format`."""
        import pyarrow as pa

        return pa.table({"row": _flat(self._rows), "format": self._all_formats()})

    def _all_formats(self) -> pa.Array:
        import pyarrow as pa
        import pyarrow.compute as pc

        codes = pa.array(self._formats, pa.int16())
        names = pa.array([name for name in self._format_codes if name is not None], pa.string())
        return names.take(pc.if_else(pc.less(codes, 0), pa.scalar(None, pa.int16()), codes))

    def _blake3(self) -> pa.Array:
        import pyarrow as pa

        hashes, self._hashes = self._hashes, bytearray()
        raw = pa.Array.from_buffers(pa.binary(ID_SIZE), len(self._rows), [None, pa.py_buffer(hashes)])
        return _nulled(raw, self._has_hash)

    def _chunks(self, kind: pa.DataType) -> pa.Array:
        import pyarrow as pa

        count = len(self._chunk_lengths)
        chunk_ids, self._chunk_ids = self._chunk_ids, bytearray()
        ids = pa.Array.from_buffers(pa.binary(ID_SIZE), count, [None, pa.py_buffer(chunk_ids)])
        ids = _nulled(ids, bytes(1 - hole for hole in self._is_hole))
        items = pa.StructArray.from_arrays([ids, _flat(self._chunk_lengths)], fields=list(kind.value_type))
        return pa.ListArray.from_arrays(_flat(self._chunk_ends), items, type=kind)


def merged(last: pa.Table, comparison: Comparison, news: pa.Table, spared: Unvanished, about: SharedColumns) -> pa.Table:
    """The new manifest out of the last one and what was read."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not last.num_rows:
        return news
    gone = last.take(comparison.gone)
    stays = spared.mask(gone["path"])
    news, unread_paths = unreadable_items.settled(news, last, spared.failed)
    failed = pc.is_in(last["path"], value_set=pa.array(sorted(unread_paths), pa.binary()))
    parts = [
        news,
        last.take(comparison.kept_from),
        last.take(comparison.old),
        last.filter(failed),
        gone.filter(stays),
        _vanished(gone.filter(pc.invert(stays)), about),
    ]
    return sort_by_path(pa.concat_tables(parts))


def joined(table: pa.Table, other: pa.Table, spared: Unvanished, about: SharedColumns) -> pa.Table:
    """A new manifest, and what only `other` has: after two runs at once, the manifest of the one that is not carried on."""
    import pyarrow as pa
    import pyarrow.compute as pc

    only = other.filter(pc.invert(pc.is_in(other["path"], value_set=table["path"].combine_chunks())))
    failed = pc.is_in(only["path"], value_set=pa.array(sorted(spared.failed), pa.binary()))
    stays = pc.or_(pc.is_valid(only["vanished_at"]), pc.or_(failed, spared.mask(only["path"])))
    return sort_by_path(pa.concat_tables([table, only.filter(stays), _vanished(only.filter(pc.invert(stays)), about)]))


def missed_at(table: pa.Table, moment: datetime) -> int:
    """How many of a manifest's items its own run was the first to miss."""
    import pyarrow as pa
    import pyarrow.compute as pc

    vanished = table["vanished_at"]
    return pc.sum(pc.equal(vanished, pa.scalar(moment, vanished.type))).as_py() or 0


def sort_by_path(table: pa.Table) -> pa.Table:
    """In the order that a manifest has."""
    import pyarrow.compute as pc

    return table.take(pc.sort_indices(table["path"]))


@dataclass(frozen=True, slots=True)
class Unvanished:
    """What has not vanished though it was not read. failed: paths that the scan has but that could not be read ·
    unseen: paths that could not be looked at, folders with all that is below them."""

    failed: frozenset[bytes]
    unseen: frozenset[bytes]

    def mask(self, paths: pa.ChunkedArray) -> pa.Array:
        """Which of `paths` are at or below one of `unseen`."""
        import pyarrow as pa

        if not self.unseen:
            return pa.repeat(pa.scalar(value=False), len(paths))
        return pa.array((self._below(path) for path in paths.to_pylist()), pa.bool_())

    def _below(self, path: bytes) -> bool:
        while path and path not in self.unseen:
            path = path.rpartition(b"/")[0]
        return bool(path)


def _vanished(gone: pa.Table, about: SharedColumns) -> pa.Table:
    """The rows of items that the source no longer has: last seen by the snapshot before, found missing by this one."""
    for name, moment in (("last_seen_at", about.last_seen_at), ("vanished_at", about.taken_at)):
        place = gone.schema.get_field_index(name)
        gone = gone.set_column(place, gone.schema.field(place), _same(moment, gone.num_rows, gone.schema.field(place).type))
    return gone


def _same(value: object, count: int, kind: pa.DataType | None = None) -> pa.Array:
    import pyarrow as pa

    if kind is None and isinstance(value, datetime):
        kind = schema().field("seen_at").type
    return pa.repeat(pa.scalar(value, kind), count)


def _sparse(values: Mapping[int, object], count: int, kind: pa.DataType) -> pa.Array:
    """An array of nulls but for a few values."""
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


def _looked_up(numbers: object, name_of: Callable[[int], str | None]) -> pa.Array:
    """A name for each number, each different one looked up once."""
    import pyarrow as pa
    import pyarrow.compute as pc

    different = pc.unique(numbers)
    names = pa.array([name_of(number) for number in different.to_pylist()], pa.string())
    return names.take(pc.index_in(numbers, value_set=different))


def _signed(number: int) -> int:
    """The same 64 bits as a signed number, which is what Parquet columns hold."""
    return number - (1 << 64) if number >= 1 << 63 else number
