"""The scan's table while it grows: packed rows, turned into Arrow columns block by block.

A Python object per file would cost half a kilobyte each. A row is eleven 64-bit numbers packed into one `bytearray` (half
the time of as many appends to as many arrays); every 65,536 rows they are dealt out to columns of the width they need.
"""

from __future__ import annotations

import stat
import struct
from array import array
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from vault.errors import SourceError

if TYPE_CHECKING:
    import os

    import pyarrow as pa

FILE, FOLDER, LINK = 0, 1, 2
"""The values of the column `type`."""

BLOCK_ROWS = 65_536

LONGEST = 2**31 - 1 - 16 * 1024 * 1024
"""Bytes of paths that one table holds: Arrow's `binary` has offsets of 32 bits, and the last path needs room."""

# mode, size, mtime's seconds and nanoseconds, ctime, inode, device, uid, gid, links, blocks; inode and device may use the
# top bit; nanoseconds since 1970 would not hold a time after 2262, which a file may have
_ROW = struct.Struct("=qqqqqQQqqqq")
_FIELDS = _ROW.size // 8
pack_row = _ROW.pack
BLOCK_BYTES = BLOCK_ROWS * _ROW.size

BILLION = 1_000_000_000
STATUS = ("mtime", "mtime_nanos", "ctime_ns", "inode", "mode", "uid", "gid", "nlink", "device")
"""The numbers of `pack_status`, in order."""
_STATUS = struct.Struct("=qqqQqqqqQ")
_pack_status = _STATUS.pack
_EARLIEST, _LATEST = -(1 << 63), (1 << 63) - 1


def schema() -> pa.Schema:
    """The columns of a scan: see `vault.source.scan.scan`."""
    import pyarrow as pa

    wide = ("ctime_ns", "inode", "device", "uid", "gid", "nlink", "blocks")
    fields = [("path", pa.binary()), ("type", pa.uint8()), ("size", pa.int64()), ("mtime", pa.int64())]
    fields += [("mtime_nanos", pa.int32()), ("ctime_ns", pa.int64()), ("mode", pa.int32())]
    fields += [(name, pa.int64()) for name in wide[1:]]
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in fields])


class ScannedStatus(NamedTuple):
    """The status of an item when it was scanned, with the names of `os.stat_result`."""

    st_size: int
    st_mtime_ns: int
    st_ctime_ns: int
    st_ino: int
    st_dev: int
    st_mode: int
    st_uid: int
    st_gid: int
    st_nlink: int


class Columns:
    """Collects rows. The scan's inner loop fills `paths`, `ends` and `rows` itself, and calls `flush` as `add` does.

    paths: all paths one after another, one run of memory that Arrow uses as it is · ends: where each ends, after a 0 ·
    rows: packed rows, at most a block of them.
    """

    def __init__(self) -> None:
        self.paths = bytearray()
        self.ends = array("i", [0])
        self.rows = bytearray()
        self._chunks: dict[str, list[pa.Array]] = {}

    def add(self, path: bytes, status: os.stat_result | ScannedStatus) -> None:
        """One row: `path` as the table shall have it, and its lstat."""
        self.paths += path
        self.ends.append(len(self.paths))
        self.rows += packed(status)
        if len(self.rows) >= BLOCK_BYTES or len(self.paths) > LONGEST:
            self.flush()

    def flush(self) -> None:
        """Deal the packed rows out to columns. Raises SourceError where one table cannot hold them all."""
        import pyarrow as pa

        self.refuse_too_long()
        count = len(self.rows) // _ROW.size
        numbers = array("q")
        numbers.frombytes(self.rows)
        fields = [pa.Array.from_buffers(pa.int64(), count, [None, pa.py_buffer(numbers[at::_FIELDS])]) for at in range(_FIELDS)]
        for name, column in _dealt(fields).items():
            self._chunks.setdefault(name, []).append(column)
        self.rows.clear()  # in place: the scan's loop holds on to this very object

    def refuse_too_long(self) -> None:
        """Raises `SourceError` where one table cannot hold all paths."""
        if len(self.paths) > LONGEST:
            raise SourceError(
                "the source has more than 2 GiB of file names", hint="split it into several sources of the project"
            )

    def table(self) -> pa.Table:
        """All rows sorted bytewise by path; the collector is spent afterwards."""
        import pyarrow as pa
        import pyarrow.compute as pc

        self.flush()
        kinds = schema()
        buffers = [None, pa.py_buffer(self.ends), pa.py_buffer(self.paths)]
        paths = pa.Array.from_buffers(pa.binary(), len(self.ends) - 1, buffers)
        order = pc.sort_indices(paths)
        # Taken in slices as large as the blocks, and one column after another, so that the memory of a column that is
        # done with serves the next one; whole columns in one piece would need half as much again. From one piece: for every
        # slice that is taken out of several, Arrow joins them all.
        slices = [order.slice(at, BLOCK_ROWS) for at in range(0, len(order), BLOCK_ROWS)]
        columns = {"path": pa.chunked_array([paths.take(part) for part in slices], pa.binary())}
        del paths, buffers
        self.paths, self.ends = bytearray(), array("i", [0])
        for name in kinds.names[1:]:
            unsorted = pa.concat_arrays(self._chunks.pop(name))
            columns[name] = pa.chunked_array([unsorted.take(part) for part in slices], kinds.field(name).type)
            del unsorted
        return pa.table(columns, schema=kinds)


def packed(status: os.stat_result | ScannedStatus) -> bytes:
    """The row of any status."""
    st = status
    return pack_row(
        st.st_mode, st.st_size, st.st_mtime_ns // BILLION, st.st_mtime_ns % BILLION, bounded_ctime(st.st_ctime_ns),
        st.st_ino, st.st_dev, st.st_uid, st.st_gid, st.st_nlink, getattr(st, "st_blocks", 0),
    )  # fmt: skip


def pack_status(status: os.stat_result | ScannedStatus) -> bytes:
    """What a manifest says of a status: nine numbers of 64 bits, `STATUS`."""
    seconds, nanos = divmod(status.st_mtime_ns, BILLION)
    return _pack_status(
        seconds, nanos, bounded_ctime(status.st_ctime_ns), status.st_ino, status.st_mode & 0o7777,
        status.st_uid, status.st_gid, status.st_nlink, status.st_dev,
    )  # fmt: skip


def unpack_status(packed: bytes | bytearray | memoryview, sizes: Iterable[int]) -> Iterator[ScannedStatus]:
    """Statuses out of rows of `pack_status`, which have no size. sizes: of the items, in order."""
    for size, (seconds, nanos, ctime, inode, mode, uid, gid, nlink, device) in zip(
        sizes, _STATUS.iter_unpack(packed), strict=True
    ):
        yield ScannedStatus(size, seconds * BILLION + nanos, ctime, inode, device, mode, uid, gid, nlink)


def bounded_ctime(nanoseconds: int) -> int:
    """The same, or the nearest that 64 bits hold: a clock that was wrong, or a file system made up by a program, may say 2446.
    What is that late counts as changed in every comparison."""
    return max(_EARLIEST, min(nanoseconds, _LATEST))


def _dealt(fields: list[pa.Array]) -> dict[str, pa.Array]:
    """Columns of the scan's schema from the raw fields of one block."""
    import pyarrow as pa
    import pyarrow.compute as pc

    def number(value: int) -> object:
        return pa.scalar(value, pa.int64())

    def owned(column: pa.Array) -> pa.Array:
        # a copy in Arrow's own memory, which is used again for the next column; Python's stays in pieces once it is freed
        return pc.add(column, number(0))

    mode, size, mtime, mtime_nanos, ctime, inode, device, uid, gid, nlink, blocks = fields
    kind = pc.bit_wise_and(mode, number(stat.S_IFMT(0o177777)))
    is_file = pc.equal(kind, number(stat.S_IFREG))
    types = pc.if_else(pc.equal(kind, number(stat.S_IFDIR)), number(FOLDER), number(LINK))
    return {
        "type": pc.if_else(is_file, number(FILE), types).cast(pa.uint8()),
        "size": pc.if_else(is_file, size, number(0)),
        "mtime": owned(mtime),
        "mtime_nanos": mtime_nanos.cast(pa.int32()),
        "ctime_ns": owned(ctime),
        "mode": pc.bit_wise_and(mode, number(0o7777)).cast(pa.int32()),
        "inode": owned(inode),
        "device": owned(device),
        "uid": owned(uid),
        "gid": owned(gid),
        "nlink": owned(nlink),
        "blocks": pc.multiply(blocks, number(512)),
    }


class SourceTotals(Struct, frozen=True):
    """Of the source: its items, its files, and bytes of their content."""

    items: int
    files: int
    size: int

    @classmethod
    def of(cls, scan: pa.Table) -> SourceTotals:
        """Counted in the table of a scan."""
        import pyarrow as pa
        import pyarrow.compute as pc

        files = pc.sum(pc.equal(scan["type"], pa.scalar(FILE, pa.uint8()))).as_py() or 0
        return cls(len(scan), files, pc.sum(scan["size"]).as_py() or 0)
