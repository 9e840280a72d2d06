"""Long catalogue data as chunks: a manifest, or the list of packs that a snapshot needs.

The bytes are cut by content into meta chunks. Their list (id and length, one a line) is cut in the same way while it is long,
so that a record stays small however large the manifest is, and an unchanged manifest costs nothing but its root again.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from vault.errors import Damaged, Unstorable
from vault.format import strict_json
from vault.format.chunks import ID_SIZE, LARGEST_CHUNK

MOST_IN_RECORD = 8
"""Chunks that a record lists itself; more are listed in a chunk of their own."""

FETCHED_AT_ONCE = 256
"""Chunks; a manifest of a million items must not lie in memory twice."""

DEEPEST = 6
LONGEST = 1 << 36

_LIST = re.compile(rb"(?:[0-9a-f]{%d} [1-9][0-9]{0,9}\n)*" % (2 * ID_SIZE))

Buffer = bytes | bytearray | memoryview

ChunkRef = tuple[bytes, int]
"""A chunk's id and the length of its content."""


class Tree(Struct, frozen=True):
    """The root: `depth` lists lie between it and the data; `length` is that of the data in bytes."""

    depth: int
    length: int
    chunks: tuple[ChunkRef, ...]

    def as_json(self) -> dict[str, Any]:
        """As a record holds it."""
        return {
            "depth": self.depth,
            "length": self.length,
            "chunks": [[chunk.hex(), length] for chunk, length in self.chunks],
        }

    @classmethod
    def from_json(cls, value: dict[str, Any], what: str) -> Tree:
        """Read back. Raises `Damaged`."""
        depth, length = strict_json.count(value, "depth", what), strict_json.count(value, "length", what)
        listed = strict_json.field(value, "chunks", list, what)
        if depth > DEEPEST or length > LONGEST or len(listed) > MOST_IN_RECORD:
            raise Damaged(f"{what}: a tree of chunks is out of bounds")
        return cls(depth, length, tuple(_ref(item, what) for item in listed))


def build(data: Buffer, store: Callable[[Buffer], list[ChunkRef]]) -> Tree:
    """Cut `data` and its lists. store: cuts bytes, keeps the chunks, gives their references in order. Raises `Unstorable` where
    no reader would take the tree."""
    refuse_long(len(data))
    return above(store(data), store)


def refuse_long(length: int) -> None:
    """Raises `Unstorable` where no reader would take data of so many bytes."""
    if length > LONGEST:
        raise Unstorable(f"a manifest or list of {length} bytes is longer than any reader takes ({LONGEST})")


def above(chunks: list[ChunkRef], store: Callable[[Buffer], list[ChunkRef]]) -> Tree:
    """A tree over data that was cut into `chunks`, which are stored. store, and what is raised: as for `build`."""
    depth, whole = 0, sum(length for _, length in chunks)
    refuse_long(whole)
    while len(chunks) > MOST_IN_RECORD:
        if depth == DEEPEST:
            raise Unstorable(f"a manifest or list of {whole} bytes has more chunks than any reader takes")
        depth, chunks = depth + 1, store(_write_list(chunks))
    if any(not 0 < length <= LARGEST_CHUNK for _, length in chunks):
        raise Unstorable("a manifest or list was cut into chunks of lengths that no reader takes")
    return Tree(depth, whole, tuple(chunks))


def read(tree: Tree, fetch: Callable[[list[ChunkRef]], list[bytes]], what: str) -> bytearray:
    """The data of a tree. fetch: contents for references, in order, verified. Raises `Damaged`."""
    refs = leaves(tree, fetch, what)
    data = bytearray(tree.length)  # growing it would copy it
    end = 0
    for start in range(0, len(refs), FETCHED_AT_ONCE):
        for chunk in fetch(refs[start : start + FETCHED_AT_ONCE]):
            data[end : end + len(chunk)] = chunk
            end += len(chunk)
    return data


def leaves(tree: Tree, fetch: Callable[[list[ChunkRef]], list[bytes]], what: str) -> list[ChunkRef]:
    """The chunks that the data itself consists of, in order. fetch: as for `read`. Raises `Damaged`."""
    refs = list(tree.chunks)
    for _ in range(tree.depth):
        refs = _read_list(b"".join(fetch(refs)), what)
    if sum(length for _, length in refs) != tree.length:
        raise Damaged(f"{what}: its chunks do not add up to its length")
    return refs


def reachable(tree: Tree, fetch: Callable[[list[ChunkRef]], list[bytes]], what: str) -> list[ChunkRef]:
    """Every chunk that belongs to a tree, lists included. Raises `Damaged`."""
    refs = list(tree.chunks)
    found = list(refs)
    for _ in range(tree.depth):
        refs = _read_list(b"".join(fetch(refs)), what)
        found.extend(refs)
    return found


def _write_list(chunks: list[ChunkRef]) -> bytes:
    return b"".join(b"%s %d\n" % (chunk.hex().encode(), length) for chunk, length in chunks)


def _read_list(data: bytes, what: str) -> list[ChunkRef]:
    if not _LIST.fullmatch(data):
        raise Damaged(f"{what}: a list of chunks is not readable")
    words = data.decode("ascii").split()
    return [(bytes.fromhex(chunk), _length(int(length), what)) for chunk, length in zip(words[::2], words[1::2], strict=True)]


def _ref(item: object, what: str) -> ChunkRef:
    if not isinstance(item, list) or len(item) != 2 or not isinstance(item[0], str) or type(item[1]) is not int:
        raise Damaged(f"{what}: a list of chunks is not readable")
    return strict_json.from_hex(item[0], ID_SIZE, what), _length(item[1], what)


def _length(length: int, what: str) -> int:
    if not 0 < length <= LARGEST_CHUNK:
        raise Damaged(f"{what}: a chunk's length is out of bounds")
    return length
