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

from vault.backup.compare import TYPES, Comparison
from vault.format.chunks import ID_SIZE
from vault.format.manifest import schema
from vault.source.attributes import Owners

if TYPE_CHECKING:
    import pyarrow as pa

Xattrs = tuple[tuple[bytes, bytes], ...]
HOLE = b""
"""In place of a chunk's id: a hole of that length."""

_STATUS = ("size", "mtime", "mtime_nanos", "ctime_ns", "inode", "mode", "uid", "gid", "nlink", "device")


@dataclass(frozen=True, slots=True)
class About:
    """What all items of a snapshot share."""

    source: str
    kind: str
    taken_at: datetime
    last_seen_at: datetime | None


class Status(NamedTuple):
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


class Results:
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

    def __len__(self) -> int:
        return len(self._rows)

    def add_file(
        self, row: int, status: os.stat_result, content: bytes, chunks: Sequence[tuple[bytes, int]], xattrs: Xattrs
    ) -> None:
        """A file that was read. row: of the scan · content: BLAKE3 of all of it · chunks: ids (or `HOLE`) and lengths."""
        self._add(row, status, xattrs)
        self._status["size"].append(status.st_size)
        self._hashes += content
        self._has_hash.append(1)
        for chunk, length in chunks:
            self._chunk_ids += chunk or bytes(ID_SIZE)
            self._is_hole.append(not chunk)
            self._chunk_lengths.append(length)
        self._chunk_ends.append(len(self._chunk_lengths))

    def add_other(self, row: int, status: Status, xattrs: Xattrs, target: bytes | None) -> None:
        """A folder, or a symbolic link with its target."""
        if target is not None:
            self._targets[len(self._rows)] = target
        self._add(row, status, xattrs)
        self._status["size"].append(0)
        self._hashes += bytes(ID_SIZE)
        self._has_hash.append(0)
        self._chunk_ends.append(len(self._chunk_lengths))

    def _add(self, row: int, status: os.stat_result | Status, xattrs: Xattrs) -> None:
        if xattrs:
            self._xattrs[len(self._rows)] = xattrs
        self._rows.append(row)
        values = self._status
        seconds, nanos = divmod(status.st_mtime_ns, 1_000_000_000)
        values["mtime"].append(seconds)
        values["mtime_nanos"].append(nanos)
        values["ctime_ns"].append(min(status.st_ctime_ns, (1 << 63) - 1))
        values["inode"].append(_signed(status.st_ino))
        values["mode"].append(status.st_mode & 0o7777)
        values["uid"].append(status.st_uid)
        values["gid"].append(status.st_gid)
        values["nlink"].append(status.st_nlink)
        values["device"].append(_signed(status.st_dev))

    def table(self, scan: pa.Table, about: About) -> pa.Table:
        """Rows of a manifest, in the order in which they were added. scan: the table that `row` counted in."""
        import pyarrow as pa
        import pyarrow.compute as pc

        count = len(self._rows)
        rows = pa.array(self._rows, pa.int64())
        types = scan["type"].combine_chunks().take(rows)
        words = pa.array([TYPES[code] for code in sorted(TYPES)])
        columns: dict[str, object] = {
            "path": scan["path"].combine_chunks().take(rows),
            "source": _same(about.source, count),
            "kind": _same(about.kind, count),
            "type": words.take(types.cast(pa.int64())),
            "link_group": self._link_groups(types),
            "link_target": _sparse(self._targets, count, schema().field("link_target").type),
            "xattrs": _sparse(
                {row: [{"name": n, "value": v} for n, v in values] for row, values in self._xattrs.items()},
                count,
                schema().field("xattrs").type,
            ),
            "blake3": self._blake3(),
            "seen_at": _same(about.taken_at, count),
            "chunks": self._chunks(),
        }
        for name in _STATUS[:8]:
            columns[name] = pa.array(self._status[name], schema().field(name).type)
        owners = Owners()
        columns["owner"] = _looked_up(columns["uid"], owners.user)
        columns["group"] = _looked_up(columns["gid"], owners.group)
        arrays = [columns.get(field.name, pa.nulls(count, field.type)) for field in schema()]
        casted = [pc.cast(column, field.type) for column, field in zip(arrays, schema(), strict=True)]
        return pa.Table.from_arrays(casted, schema=schema())

    def _link_groups(self, types: pa.Array) -> pa.Array:
        """Equal for names of one file: its inode, and above it which of the source's file systems it is on."""
        import pyarrow as pa

        status = self._status
        ranks = {device: rank for rank, device in enumerate(sorted(set(status["device"])))}
        groups = (
            _signed((inode & ((1 << 48) - 1)) | ranks[device] << 48) if links > 1 and code == 0 else None
            for inode, device, links, code in zip(
                status["inode"], status["device"], status["nlink"], types.to_pylist(), strict=True
            )
        )
        return pa.array(groups, pa.int64())

    def _blake3(self) -> pa.Array:
        import pyarrow as pa

        raw = pa.Array.from_buffers(pa.binary(ID_SIZE), len(self._rows), [None, pa.py_buffer(bytes(self._hashes))])
        return _nulled(raw, self._has_hash)

    def _chunks(self) -> pa.Array:
        import pyarrow as pa

        count = len(self._chunk_lengths)
        ids = pa.Array.from_buffers(pa.binary(ID_SIZE), count, [None, pa.py_buffer(bytes(self._chunk_ids))])
        ids = _nulled(ids, bytes(1 - hole for hole in self._is_hole))
        pair = schema().field("chunks").type.value_type
        items = pa.StructArray.from_arrays([ids, pa.array(self._chunk_lengths, pa.int64())], fields=list(pair))
        return pa.ListArray.from_arrays(pa.array(self._chunk_ends, pa.int32()), items, type=schema().field("chunks").type)


def merged(last: pa.Table, comparison: Comparison, news: pa.Table, spared: Spared, about: About) -> pa.Table:
    """The new manifest out of the last one and what was read."""
    import pyarrow as pa
    import pyarrow.compute as pc

    gone = last.take(comparison.gone)
    stays = spared.mask(gone["path"])
    failed = pc.is_in(last["path"], value_set=pa.array(sorted(spared.failed), pa.binary()))
    parts = [
        news,
        last.take(comparison.kept_from),
        last.take(comparison.old),
        last.filter(failed),
        gone.filter(stays),
        _vanished(gone.filter(pc.invert(stays)), about),
    ]
    return sort_by_path(pa.concat_tables(parts))


def sort_by_path(table: pa.Table) -> pa.Table:
    """In the order that a manifest has."""
    import pyarrow.compute as pc

    return table.take(pc.sort_indices(table["path"]))


@dataclass(frozen=True, slots=True)
class Spared:
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


def _vanished(gone: pa.Table, about: About) -> pa.Table:
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


def _nulled(values: pa.Array, valid: bytes | bytearray) -> pa.Array:
    """`values`, with null where `valid` has a zero."""
    import pyarrow as pa
    import pyarrow.compute as pc

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
