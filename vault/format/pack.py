"""Packs: zstd frames one after another, and a last skippable frame with the table of contents.

    frame frame … frame | skippable frame: Parquet table, its length, "SRTC"

The whole is sealed as one age file, so the provider sees no boundaries, and `age -d | zstd -d` yields the concatenated
content: zstd passes over skippable frames. The table makes a pack self-describing: an index can be rebuilt from packs alone.
All frames of a pack use the same dictionary, or none, so that `zstd -d -D dictionary` opens all of them; with the feature
`inflated` each may have its own.
"""

from __future__ import annotations

import itertools
import os
import struct
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from io import FileIO
from typing import TYPE_CHECKING

from msgspec import Struct, field

from vault.age.header import LARGEST_HEADER
from vault.age.stream import NONCE_SIZE, room_in_place
from vault.errors import Damaged, Unstorable
from vault.format import parquet
from vault.format.chunks import ID_SIZE, LARGEST_CHUNK

if TYPE_CHECKING:
    import pyarrow as pa

SKIPPABLE_MAGIC = 0x184D2A5E
_HEAD = struct.Struct("<II")
_TAIL = struct.Struct("<I4s")
_TAIL_MARK = b"SRTC"
TAIL_SIZE = _TAIL.size
"""Bytes at the end of a pack's plain stream that say how long the table of contents is."""

MOST_CHUNKS = 1 << 20
LEAST_IN_ROW = 8
"""Bytes of a table of contents for each of its rows: a chunk's id of 32 bytes is like noise, so no honest one has fewer."""

LARGEST_CONTENTS = 48 * 1024 * 1024
LARGEST_FRAME = LARGEST_CHUNK + LARGEST_CHUNK // 128 + 1024
"""Bytes; zstd adds a little to what does not compress."""


PLACES = dict.fromkeys(("offset", "stored", "plain"), "DELTA_BINARY_PACKED")
"""How these columns are encoded, here and in the index: frames lie one behind another, so that offsets grow by the length of a
frame. 20,000 files: 780 KB in place of 834, and as much less in the tables of contents."""

PLAIN_AT = LARGEST_HEADER + NONCE_SIZE + room_in_place(1 << 26)
"""Bytes before the plain stream of a pack that is being made: it is sealed where it lies."""

Buffer = bytes | bytearray | memoryview


class PackMemory(Struct):
    """Memory for one pack, which somebody lends.

    - `view`: the age file will begin where it does, the plain stream lies at `PLAIN_AT`
    - `release`: to be called once nobody needs the pack any more; then another one is made there
    - `place`: of the view in shared memory; -1 where it is not shared
    - `file`: that the shared memory is, without a name
    """

    view: memoryview
    release: Callable[[], None]
    place: int = -1
    file: FileIO | None = None

    def put(self, at: int, data: Buffer) -> None:
        """Bytes into the view, from `at` on. Shared memory is written as a file: pages that are cleared first, and mapped one
        by one, take half a millisecond a MB. Raises MemoryError where the system has no room."""
        if self.file is None:
            self.view[at : at + len(data)] = data
            return
        rest = memoryview(data)
        try:
            while rest:
                count = os.pwrite(self.file.fileno(), rest, self.place + at)
                rest, at = rest[count:], at + count
        except OSError as error:
            raise MemoryError from error


@cache
def contents_schema() -> pa.Schema:
    """The table of contents: chunk, offset, stored, plain as in the index, and the dictionary."""
    import pyarrow as pa

    return pa.schema(
        [
            pa.field("chunk", pa.binary(ID_SIZE), nullable=False),
            pa.field("offset", pa.int32(), nullable=False),
            pa.field("stored", pa.int32(), nullable=False),
            pa.field("plain", pa.int32(), nullable=False),
            pa.field("dictionary", pa.binary(ID_SIZE)),
        ]
    )


class PackBuilder(Struct):
    """Collects frames until there are enough for a pack.

    - `dictionary`: id of the chunk that holds the zstd dictionary of the frames that come without one of their own
    - `lent`: memory for the pack; without it, or where it is too small, the builder has its own
    - `size`: bytes of the plain stream so far
    - `forms`: BLAKE3 of inflated forms that were found to be right, by chunk
    - `proofs`: of frames that were found to be right: the first one's place, how many they are, and what they were then
    """

    dictionary: bytes | None = None
    lent: PackMemory | None = None
    size: int = 0
    chunks: list[bytes] = field(default_factory=list)
    dictionaries: list[bytes | None] = field(default_factory=list)
    stored_sizes: list[int] = field(default_factory=list)
    plain_sizes: list[int] = field(default_factory=list)
    forms: dict[bytes, bytes] = field(default_factory=dict)
    proofs: list[tuple[int, int, bytes]] = field(default_factory=list)
    _own: bytearray = field(default_factory=bytearray)

    @property
    def plain(self) -> memoryview:
        """The plain stream so far; nothing can be added while it is held."""
        return self._memory[PLAIN_AT : PLAIN_AT + self.size]

    @property
    def _memory(self) -> memoryview:
        return memoryview(self._own) if self.lent is None else self.lent.view

    def take_memory(self) -> bytearray | PackMemory:
        """The memory that the plain stream lies in, from `PLAIN_AT` on. The builder is of no use afterwards."""
        taken, self.lent, self._own, self.size = self.lent or self._own, None, bytearray(), 0
        return taken

    def add(self, chunk: bytes, frame: Buffer, plain_size: int, dictionary: bytes | None = None) -> None:
        """One more frame. chunk: its id (32 bytes) · plain_size: bytes of its content · dictionary: its own."""
        self._append(frame)
        self.chunks.append(chunk)
        self.dictionaries.append(dictionary or self.dictionary)
        self.stored_sizes.append(len(frame))
        self.plain_sizes.append(plain_size)

    def add_many(
        self, chunks: Sequence[bytes], frames: Buffer, sizes: Iterable[int], plain_sizes: Iterable[int], proof: bytes = b""
    ) -> None:
        """Frames that lie one after another, with the builder's own dictionary or none. sizes: of each in bytes · proof: see
        `proofs`; b"" where they have none."""
        if proof:
            self.proofs.append((len(self.chunks), len(chunks), proof))
        self._append(frames)
        self.chunks += chunks
        self.dictionaries += [self.dictionary] * len(chunks)
        self.stored_sizes += sizes
        self.plain_sizes += plain_sizes

    def _append(self, data: Buffer) -> None:
        start, end = PLAIN_AT + self.size, PLAIN_AT + self.size + len(data)
        if self.lent is not None and end > len(self.lent.view):
            self._own = bytearray(self.lent.view[:start])
            self.lent.release()
            self.lent = None
        if self.lent is not None:
            self.lent.put(start, data)
        else:
            if not self._own:
                self._own += bytes(PLAIN_AT)
            self._own += data
        self.size += len(data)

    def finish(self) -> pa.Table:
        """Append the table of contents to the plain stream, which is whole then; gives the table. Raises `Unstorable` where no
        reader would take it."""
        import pyarrow as pa

        offsets = [0, *itertools.accumulate(self.stored_sizes)][:-1]
        columns = [self.chunks, offsets, self.stored_sizes, self.plain_sizes, self.dictionaries]
        contents = pa.Table.from_arrays(
            [pa.array(values, type=kind.type) for values, kind in zip(columns, contents_schema(), strict=True)],
            schema=contents_schema(),
        )
        table = parquet.write(
            contents,
            compression="zstd",
            use_dictionary=["dictionary"],
            column_encoding=PLACES,
            write_statistics=False,
        )
        length = len(table) + TAIL_SIZE
        sizes = (max(sizes, default=0) for sizes in (self.stored_sizes, self.plain_sizes))
        most = zip(
            (len(self.chunks), length, *sizes), (MOST_CHUNKS, LARGEST_CONTENTS, LARGEST_FRAME, LARGEST_CHUNK), strict=True
        )
        if any(found > bound for found, bound in most):
            raise Unstorable(f"a pack of {len(self.chunks)} chunks and {self.size} bytes is larger than any reader takes")
        self._append(b"".join([_HEAD.pack(SKIPPABLE_MAGIC, length), table, _TAIL.pack(length, _TAIL_MARK)]))
        return contents


class ContentsPlace(Struct, frozen=True):
    """Where the Parquet table lies in a pack's plain stream."""

    start: int
    length: int


def find_contents(tail: bytes | bytearray | memoryview, plain_size: int) -> ContentsPlace:
    """From the last `TAIL_SIZE` bytes of a pack's plain stream, which is `plain_size` bytes long. Raises `Damaged`."""
    if len(tail) != TAIL_SIZE:
        raise Damaged("it is too short to have a table of contents")
    length, mark = _TAIL.unpack(tail)
    start = plain_size - length
    if mark != _TAIL_MARK or length <= TAIL_SIZE or length > LARGEST_CONTENTS or start < _HEAD.size:
        raise Damaged("it has no table of contents")
    return ContentsPlace(start, length - TAIL_SIZE)


def decode_contents(table: bytes | bytearray | memoryview, frames_end: int) -> pa.Table:
    """The table of contents; frames must lie one after another from 0 and end before `frames_end`. Raises `Damaged`."""
    import pyarrow.compute as pc

    most = min(MOST_CHUNKS, len(table) // LEAST_IN_ROW)
    contents = parquet.read(table, contents_schema(), "its table of contents", most_rows=most)
    if contents.num_rows:
        ends = pc.add_checked(contents["offset"].cast("int64"), contents["stored"].cast("int64"))
        low = min(pc.min(contents[name]).as_py() for name in ("offset", "stored", "plain"))
        if low < 0 or pc.max(ends).as_py() > frames_end or pc.max(contents["plain"]).as_py() > LARGEST_CHUNK:
            raise Damaged("its table of contents points outside of it")
    return contents


def read_contents(plain: bytes | bytearray | memoryview) -> pa.Table:
    """The table of contents of a whole plain stream. Raises `Damaged`."""
    view = memoryview(plain)
    place = find_contents(view[-TAIL_SIZE:], len(view))
    return decode_contents(view[place.start : place.start + place.length], place.start - _HEAD.size)
