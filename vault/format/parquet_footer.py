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
        groups = read_struct(footer[:-TAIL_SIZE])[0].get(4, [])
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


def read_struct(raw: bytes) -> tuple[dict[int, Any], int]:
    """The fields, by their numbers, of a struct in Thrift's compact protocol that the bytes begin with, and how many bytes it
    takes; as far as a footer needs it. Raises `NotThrift`, and IndexError at the end of the bytes."""
    return _struct(raw, 0, 0)


# A manifest's footer is some thousand values, and a prune reads one for each snapshot: the functions below return the position
# behind what they read, and numbers of one byte, which most are, are read where they are met. 0.63 ms a footer became 0.21.


def _struct(raw: bytes, at: int, depth: int) -> tuple[dict[int, Any], int]:
    if depth > _DEEPEST:
        raise NotThrift("too deep")
    fields: dict[int, Any] = {}
    number = 0
    while head := raw[at]:
        at += 1
        kind = head & 15
        if head >> 4:
            number += head >> 4
        else:
            number, at = _integer(raw, at)
        if kind in _INTEGERS:
            value = raw[at]
            at += 1
            if value > 127:
                value, at = _varint(raw, at - 1)
            fields[number] = (value >> 1) ^ -(value & 1)
        elif kind in {1, 2}:  # a field that is true or false has its value in its head
            fields[number] = kind == 1
        else:
            fields[number], at = _value(raw, at, kind, depth)
    return fields, at + 1


def _value(raw: bytes, at: int, kind: int, depth: int) -> tuple[Any, int]:
    if kind in {9, 10}:
        return _list(raw, at, depth)
    if kind == 12:
        return _struct(raw, at, depth + 1)
    if kind in _INTEGERS:
        return _integer(raw, at)
    if kind not in {1, 2, 8} and kind not in _SIZES:
        raise NotThrift(f"a value of kind {kind}")
    size, at = _varint(raw, at) if kind == 8 else (_SIZES.get(kind, 1), at)
    if size > len(raw) - at:
        raise NotThrift("a text longer than the bytes")
    return raw[at : at + size] if kind == 8 else None, at + size


def _list(raw: bytes, at: int, depth: int) -> tuple[list[Any], int]:
    head = raw[at]
    count, at = (head >> 4, at + 1) if head >> 4 < 15 else _varint(raw, at + 1)
    if depth > _DEEPEST or count > len(raw) - at:
        raise NotThrift("a list longer than the bytes")
    values = []
    for _ in range(count):
        value, at = _value(raw, at, head & 15, depth + 1)
        values.append(value)
    return values, at


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while (byte := raw[at]) > 127:
        number |= (byte & 127) << shift
        at += 1
        shift += 7
        if shift > 63:
            raise NotThrift("a number without an end")
    return number | byte << shift, at + 1


def _integer(raw: bytes, at: int) -> tuple[int, int]:
    number, at = _varint(raw, at)
    return (number >> 1) ^ -(number & 1), at
