"""What a Feather file says of its record batches, looked at before Arrow believes it.

Each compressed buffer begins with its size to be, and Arrow takes as much memory as stands there: a file of a few kilobytes may
ask for terabytes. So the sizes are added up first. They lie where the footer's blocks and their metadata point; both are
flatbuffers, of which only the few tables and numbers on the way are read. And Arrow ends the whole process where a map's keys
claim to have nulls: that is looked for as well.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from vault.errors import Damaged

if TYPE_CHECKING:
    import pyarrow as pa

MAGIC = b"ARROW1"
LARGEST_BATCH = 1 << 30
"""Bytes of a record batch and of all dictionaries, which are in memory whole: writers make batches of some thousand rows."""

_CONTINUED = b"\xff\xff\xff\xff"
_BLOCK = 24
_RECORD_BATCH, _DICTIONARY = 3, 2


def check_claims(path: Path, schema: pa.Schema, hint: str) -> None:
    """Raises `Damaged` where a batch asks for more than `LARGEST_BATCH`, or where the file is not built as Feather is."""
    whole = [place for place, is_whole in enumerate(flag for field in schema for flag in _whole(field.type)) if is_whole]
    size = path.stat().st_size
    dictionaries = 0
    with path.open("rb") as file:
        try:
            for block in _blocks(file, size):
                kind, claimed = _claimed(file, size, block, whole)
                if dictionaries + claimed > LARGEST_BATCH:
                    claimed += dictionaries
                    raise Damaged(f"the Feather file has a batch of {claimed} bytes, more than is taken into memory", hint=hint)
                dictionaries += claimed if kind == _DICTIONARY else 0
        except (struct.error, IndexError, ValueError, OSError) as error:
            raise Damaged("the Feather file is broken: its footer cannot be read", hint=hint) from error


def _blocks(file: BinaryIO, size: int) -> Iterator[tuple[int, int, int]]:
    """Of dictionaries and record batches: where each begins, and how long its metadata and its body are."""
    tail = _read(file, size, size - 10, 10)
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != MAGIC or _read(file, size, 0, len(MAGIC)) != MAGIC:
        raise ValueError("no Feather file")
    footer = _Flat(_read(file, size, size - 10 - length, length))
    for field in (2, 3):
        for at in footer.vector(footer.root(), field, _BLOCK):
            yield footer.number("<q", at), footer.number("<i", at + 8), footer.number("<q", at + 16)


def _whole(type_: pa.DataType, *, whole: bool = False) -> Iterator[bool]:
    """For each array that a type is stored as, in the order in which a batch lists them, whether it may have no nulls: the
    entries and the keys of maps."""
    import pyarrow as pa

    yield whole
    is_map = pa.types.is_map(type_)
    for place in range(type_.num_fields):
        yield from _entries(type_) if is_map else _whole(type_.field(place).type)


def _entries(type_: pa.DataType) -> Iterator[bool]:
    yield True
    yield from _whole(type_.key_type, whole=True)
    yield from _whole(type_.item_type)


def _claimed(file: BinaryIO, size: int, block: tuple[int, int, int], whole: list[int]) -> tuple[int, int]:
    """A block's kind, and the bytes that its buffers take."""
    offset, metadata_length, body_length = block
    metadata = _read(file, size, offset, metadata_length)
    message = _Flat(metadata[8:] if metadata.startswith(_CONTINUED) else metadata[4:])
    root = message.root()
    place = message.field(root, 1)
    kind = 0 if place is None else message.number("<B", place)
    batch = message.child(root, 2)
    if kind not in {_RECORD_BATCH, _DICTIONARY}:
        raise ValueError("a block of another kind")
    if kind == _DICTIONARY:
        batch = message.child(batch, 1)
    else:
        nodes = message.vector(batch, 1, 16)
        if any(message.number("<q", nodes[node] + 8) for node in whole):
            raise ValueError("a map without a key")
    compressed = message.field(batch, 3) is not None
    claimed = 0
    for at in message.vector(batch, 2, 16):
        start, length = message.number("<q", at), message.number("<q", at + 8)
        if not compressed:
            claimed += length
        elif length:
            # the size that is to be, or -1 where the buffer is stored as it is
            to_be = int.from_bytes(_read(file, size, offset + metadata_length + start, 8), "little", signed=True)
            claimed += to_be if to_be >= 0 else length
    return kind, max(claimed, body_length)


def _read(file: BinaryIO, size: int, offset: int, length: int) -> bytes:
    if not 0 <= offset <= offset + length <= size:
        raise ValueError("beyond the file's end")
    file.seek(offset)
    return file.read(length)


class _Flat:
    """A flatbuffer."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def number(self, code: str, at: int) -> int:
        """A number of a kind that `struct` knows."""
        if at < 0:
            raise ValueError("before the beginning")
        (value,) = struct.unpack_from(code, self._raw, at)
        return int(value)

    def root(self) -> int:
        """Where the outermost table is."""
        return self.number("<I", 0)

    def field(self, table: int, place: int) -> int | None:
        """Where a table's field is, None where it has none."""
        about = table - self.number("<i", table)
        if 4 + 2 * place >= self.number("<H", about):
            return None
        offset = self.number("<H", about + 4 + 2 * place)
        return table + offset if offset else None

    def child(self, table: int, place: int) -> int:
        """Where a field's table is."""
        at = self.field(table, place)
        if at is None:
            raise ValueError("a table is missing")
        return at + self.number("<I", at)

    def vector(self, table: int, place: int, step: int) -> range:
        """Where the elements of a field's vector are; none where there is no such field."""
        if self.field(table, place) is None:
            return range(0)
        at = self.child(table, place)
        count = self.number("<I", at)
        if count * step > len(self._raw):
            raise ValueError("a vector longer than all")
        return range(at + 4, at + 4 + count * step, step)
