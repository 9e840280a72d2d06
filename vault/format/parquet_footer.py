"""A Parquet file's footer, read by ourselves: which bytes hold which columns, and to how much they expand.

Arrow's own view of a column's place ends the whole process where its metadata is missing, so a forged file must not
get that far.

A footer is a struct in Thrift's compact protocol
(https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md). It is read into dicts by field number; the
numbers used here are those of parquet.thrift (https://github.com/apache/parquet-format): FileMetaData, RowGroup, ColumnChunk,
ColumnMetaData.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from vault.errors import Damaged

TAIL_SIZE = 8
"""Bytes at the end of a file that say how long its footer is."""

LONGEST = 4 * 1024 * 1024
"""Bytes of a footer; ours of the longest manifest has a tenth of that."""

_MARK = b"PAR1"
_DEEPEST = 16
_INTEGERS = {4, 5, 6}
_SIZES = {3: 1, 7: 8, 13: 16}


class NotThrift(ValueError):
    """The bytes are not what Thrift would write."""


class ColumnChunk(NamedTuple):
    """A leaf column in a row group. column: its name, of a nested one that of the outermost · start, end: its bytes in the
    file · size: to what they expand."""

    column: str
    start: int
    end: int
    size: int


def footer_size(tail: bytes, what: str) -> int:
    """Bytes of the footer, those of its length included. tail: the file's end, at least `TAIL_SIZE` bytes. Raises `Damaged`."""
    if len(tail) < TAIL_SIZE or not tail.endswith(_MARK):
        raise Damaged(f"{what} does not end as Parquet does")
    return int.from_bytes(tail[-TAIL_SIZE : -len(_MARK)], "little") + TAIL_SIZE


def parts(footer: bytes, what: str) -> list[ColumnChunk]:
    """The columns of all row groups. footer: of `footer_size` bytes. Raises `Damaged`."""
    if len(footer) > LONGEST:
        raise Damaged(f"{what} has a footer of {len(footer)} bytes; more than {LONGEST} are never written")
    try:
        groups = Compact(footer[:-TAIL_SIZE]).struct().get(4, [])
        return [_part(column[3]) for group in groups for column in group[1]]
    except (NotThrift, IndexError, KeyError, TypeError, AttributeError) as error:
        raise Damaged(f"{what} is not readable as Parquet: its footer is broken") from error


def spans(footer: bytes, columns: Collection[str], what: str) -> list[tuple[int, int]]:
    """Where (start, end) the columns of these names lie. footer: of `footer_size` bytes. Raises `Damaged`."""
    return [(part.start, part.end) for part in parts(footer, what) if part.column in columns]


def _part(column: dict[int, Any]) -> ColumnChunk:
    """Raises `NotThrift` for sizes below zero."""
    start, dictionary = column[9], column.get(11, 0)
    if 0 < dictionary < start:
        start = dictionary
    if min(start, column[7], column[6]) < 0:
        raise NotThrift("a size below zero")
    return ColumnChunk(column[3][0].decode("utf-8", "replace"), start, start + column[7], column[6])


class Compact:
    """Thrift's compact protocol, as far as a footer needs it. Raises `NotThrift`, and IndexError at the end of the bytes."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self.at = 0

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """A struct's fields by their numbers."""
        if depth > _DEEPEST:
            raise NotThrift("too deep")
        fields: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._integer()
            kind = head & 15
            # a field that is true or false has its value in its head
            fields[number] = kind == 1 if kind in {1, 2} else self._value(kind, depth)
        return fields

    def _value(self, kind: int, depth: int) -> int | bytes | list[Any] | dict[int, Any] | None:
        if kind in _INTEGERS:
            return self._integer()
        if kind == 8:
            return self._bytes(self._varint())
        if kind in {9, 10}:
            return self._list(depth)
        if kind == 12:
            return self.struct(depth + 1)
        if kind not in {1, 2} and kind not in _SIZES:
            raise NotThrift(f"a value of kind {kind}")
        self._bytes(_SIZES.get(kind, 1))
        return None

    def _list(self, depth: int) -> list[Any]:
        head = self._byte()
        count = head >> 4 if head >> 4 < 15 else self._varint()
        if depth > _DEEPEST or count > len(self._raw) - self.at:
            raise NotThrift("a list longer than the bytes")
        return [self._value(head & 15, depth + 1) for _ in range(count)]

    def _byte(self) -> int:
        self.at += 1
        return self._raw[self.at - 1]

    def _varint(self) -> int:
        number = shift = 0
        while True:
            byte = self._byte()
            number |= (byte & 127) << shift
            if byte < 128:
                return number
            shift += 7
            if shift > 63:
                raise NotThrift("a number without an end")

    def _integer(self) -> int:
        number = self._varint()
        return (number >> 1) ^ -(number & 1)

    def _bytes(self, size: int) -> bytes:
        if size > len(self._raw) - self.at:
            raise NotThrift("a text longer than the bytes")
        self.at += size
        return self._raw[self.at - size : self.at]
