"""Rows of a table, one at a time, without an object a row: Arrow's own memory, looked at.

Restoring works through chunks in the order in which they lie in packs, and needs the item of each: 300,000 Python objects
for them would cost more than all buffers together.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from restore.local_fs import Attributes, TargetItem
from vault.source.contract import NO_OWNER

if TYPE_CHECKING:
    import pyarrow as pa

_NUMBERS = ["size", "mtime", "mtime_nanos", "mode", "uid", "gid"]


def numbers(column: pa.ChunkedArray | pa.Array) -> memoryview[int]:
    """A column of whole numbers without nulls, int32 or int64, as a sequence of ints."""
    import pyarrow as pa

    flat = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not len(flat):
        return memoryview(b"").cast("q")
    plain = memoryview(flat.buffers()[1]).cast("B")
    whole = plain.cast("q") if flat.type == pa.int64() else plain.cast("i")
    return whole[flat.offset : flat.offset + len(flat)]


def taken(table: pa.Table, rows: Iterable[int]) -> pa.Table:
    """Some rows of a table, by their numbers; none of them is a table, too, which `Table.take([])` refuses to make."""
    import pyarrow as pa

    return table.take(pa.array(rows, pa.int64()))


class _Names:
    """A column of bytes without nulls, read without an object of Arrow's a value."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        flat = column.combine_chunks()
        _, offsets, data = flat.buffers() if len(flat) else (None, None, None)
        self._ends = memoryview(offsets).cast("B").cast("i")[flat.offset :] if offsets else memoryview(b"").cast("i")
        self._data = memoryview(data or b"").cast("B")
        self._length = len(flat)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, row: int) -> bytes:
        return bytes(self._data[self._ends[row] : self._ends[row + 1]])


class Rows:
    """The items of a table of `vault.format.manifest.schema()`."""

    def __init__(self, table: pa.Table) -> None:
        self.size, self._mtime, self._nanos, self._mode, self._uid, self._gid = (numbers(table[name]) for name in _NUMBERS)
        self._paths = _Names(table["path"])
        self._xattrs = table["xattrs"].combine_chunks()
        self._no_xattrs = self._xattrs.null_count == len(self._xattrs)
        self._table = table

    def __len__(self) -> int:
        return len(self._paths)

    def path(self, row: int) -> bytes:
        """Of an item."""
        return self._paths[row]

    def mtime_ns(self, row: int) -> int:
        """Nanoseconds since 1970."""
        return self._mtime[row] * 1_000_000_000 + self._nanos[row]

    def attributes(self, row: int) -> Attributes:
        """What to set beside the content."""
        uid, gid = self._uid[row], self._gid[row]
        owner = uid if uid != NO_OWNER else None, gid if gid != NO_OWNER else None
        return Attributes(self._mode[row], self.mtime_ns(row), *owner, self._extended(row))

    def item(self, row: int) -> TargetItem:
        """What should stand at its path."""
        kind, points_to, digest = (self._table[name][row].as_py() for name in ("type", "link_target", "blake3"))
        return TargetItem(self.path(row), kind, self.attributes(row), self.size[row], digest, points_to or b"")

    def _extended(self, row: int) -> tuple[tuple[bytes, bytes], ...]:
        if self._no_xattrs:
            return ()
        return tuple((pair["name"], pair["value"]) for pair in self._xattrs[row].as_py() or ())
