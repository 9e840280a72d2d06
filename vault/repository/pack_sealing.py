"""A pack's plain stream becomes an age file, which is opened and compared again before it is stored.

Reading back is not an option that can be turned off: bad memory and our own bugs are part of the threat model, and a pack
that does not open is found now, while the source still has its content.

What is here needs neither Arrow nor a store: worker processes do it as well, see `vault.backup.worker_process`.
"""

from __future__ import annotations

import hashlib
import mmap
import threading
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from blake3 import blake3
from msgspec import Struct, field

from vault.age.sealing import FileStart
from vault.age.stream import PayloadReader
from vault.errors import Damaged
from vault.format.chunks import chunk_id
from vault.format.frames import Dictionary, Expanders
from vault.format.pack import PLAIN_AT, PackBuilder, PackMemory

OPENED_AT_ONCE = 1024 * 1024
"""Bytes of a pack that are read back together."""

Buffer = bytes | bytearray | memoryview

Row = tuple[bytes, int, int, int, bytes | None]
"""A chunk's id, offset, stored length, plain length and dictionary."""

FAILING_MACHINE = "this machine's memory or processor may be failing: test them before you rely on it"


class PackRows(NamedTuple):
    """The frames of a pack, in the order in which they lie. forms, proofs: as in `UnsealedPack`."""

    chunks: Sequence[bytes]
    stored_sizes: Sequence[int]
    plain_sizes: Sequence[int]
    dictionaries: Sequence[bytes | None]
    forms: Mapping[bytes, bytes]
    proofs: Sequence[tuple[int, int, bytes]]

    def rows(self, start: int, stop: int, offset: int) -> Iterator[Row]:
        """Some of them, of which the first one lies at `offset`."""
        some = slice(start, stop)
        for chunk, stored, plain, dictionary in zip(
            self.chunks[some], self.stored_sizes[some], self.plain_sizes[some], self.dictionaries[some], strict=True
        ):
            yield chunk, offset, stored, plain, dictionary
            offset += stored

    def proof(self, frames: Iterable[Buffer], start: int, stop: int) -> bytes:
        """What `proof` makes of some of them. frames: as they are found."""
        some = slice(start, stop)
        return proof(frames, self.chunks[some], self.stored_sizes[some], self.plain_sizes[some])


def proof(frames: Iterable[Buffer], chunks: Iterable[bytes], stored_sizes: Iterable[int], plain_sizes: Iterable[int]) -> bytes:
    """A BLAKE3 over frames, whose chunks they hold, and their sizes. frames: pieces of what they are together."""
    digest = blake3()
    for piece in frames:
        digest.update(piece)
    digest.update(b"".join(chunks)).update(array("q", stored_sizes).tobytes()).update(array("q", plain_sizes).tobytes())
    return digest.digest()


def no_dictionary(_chunk: bytes) -> Dictionary:
    """Where every frame is without one."""
    raise Damaged("a frame needs a dictionary that is not at hand")


class UnsealedPack(Struct):
    """A whole plain stream, and what it takes to seal it.

    - `memory`: in which it lies, from `PLAIN_AT` on
    - `size`: bytes of the plain stream
    - `start`: of the age file
    - `chunks`, `stored_sizes`, `plain_sizes`, `dictionaries`: of each frame, in the order in which they lie
    - `dictionary_of`: the dictionary that a chunk holds
    - `forms`: BLAKE3 of inflated forms, by chunk, that gave their content when they were made
    - `proofs`: of frames that gave their content when they were made: the first one's place, how many, and their `proof`
    """

    memory: bytearray | PackMemory
    size: int
    start: FileStart
    chunks: list[bytes]
    stored_sizes: list[int]
    plain_sizes: list[int]
    dictionaries: list[bytes | None]
    dictionary_of: Callable[[bytes], Dictionary]
    forms: Mapping[bytes, bytes] = field(default_factory=dict)
    proofs: Sequence[tuple[int, int, bytes]] = ()

    @classmethod
    def of(cls, builder: PackBuilder, start: FileStart, dictionary_of: Callable[[bytes], Dictionary]) -> UnsealedPack:
        """Of a builder that is finished, which is of no use afterwards."""
        size = builder.size
        return cls(
            builder.take_memory(),
            size,
            start,
            builder.chunks,
            builder.stored_sizes,
            builder.plain_sizes,
            builder.dictionaries,
            dictionary_of,
            builder.forms,
            builder.proofs,
        )

    def release(self) -> None:
        """Nobody needs its memory any more."""
        if isinstance(self.memory, PackMemory):
            self.memory.release()


class SealedPack(NamedTuple):
    """The age file, its SHA-256, and what is to be called once it is stored: its memory may be used again then."""

    data: Buffer
    sha256: bytes
    release: Callable[[], None]


class Sealer(Protocol):
    """Seals packs. From several threads."""

    def lend(self) -> PackMemory | None:
        """Memory in which a pack may be put together, to be sealed there; None where there is no more."""
        ...

    def seal(self, pack: UnsealedPack, key: bytes) -> SealedPack:
        """Seal it, and read it back. key: of chunk ids. Raises `Damaged`; then nothing may be stored."""
        ...

    def close(self) -> None:
        """No further pack comes."""
        ...


class OwnSealer:
    """Seals in the calling thread, in the memory of the plain stream: a pack takes its size once, not twice. It lends memory
    that is used again and again: what the kernel gives anew for each pack it clears before, page by page.

    limit: bytes of frames in a pack · most: that are lent at once.
    """

    def __init__(self, limit: int = 0, most: int = 0) -> None:
        self._size = pack_memory_size(limit)
        self._may_be_made = most if hasattr(mmap, "MAP_ANONYMOUS") else 0
        self._free: list[memoryview] = []
        self._lock = threading.Lock()

    def lend(self) -> PackMemory | None:
        """See `Sealer`."""
        with self._lock:
            if not self._free:
                if not self._may_be_made:
                    return None
                self._may_be_made -= 1
                try:
                    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
                    self._free.append(memoryview(mmap.mmap(-1, self._size, flags=flags)))
                except (OSError, MemoryError):
                    return None
            view = self._free.pop()
        return PackMemory(view, lambda: self._free.append(view))

    def seal(self, pack: UnsealedPack, key: bytes) -> SealedPack:
        """See `Sealer`."""
        try:
            whole = pack.memory.view if isinstance(pack.memory, PackMemory) else memoryview(pack.memory)
            data = whole[: seal_in_place(pack.start, whole, pack.size)]
            rows = PackRows(pack.chunks, pack.stored_sizes, pack.plain_sizes, pack.dictionaries, pack.forms, pack.proofs)
            verify(pack.start.reader(data), data, rows, key, Expanders(pack.dictionary_of))
            return SealedPack(data, hashlib.sha256(data).digest(), pack.release)
        except BaseException:
            pack.release()
            raise

    def close(self) -> None:
        """Nothing is held."""


def pack_memory_size(limit: int) -> int:
    """Bytes of memory that hold a pack whose frames have `limit` bytes, with its table of contents, and room to seal it."""
    return PLAIN_AT + limit + limit // 16 + 1024 * 1024


def seal_in_place(start: FileStart, view: memoryview, plain_size: int) -> int:
    """Make the age file, at the beginning of `view`, of the plain stream that lies in it from `PLAIN_AT` on. Gives the file's
    bytes."""
    front = len(start.front)
    with view[front:] as payload:
        sealed = start.payload_key().seal_segments_in_place(payload, PLAIN_AT - front, plain_size)
    view[:front] = start.front
    return front + sealed


def verify(reader: PayloadReader, sealed: Buffer, rows: PackRows, key: bytes, expanders: Expanders) -> None:
    """Open a pack that was just made and compare every chunk with its name, or its inflated form with its BLAKE3: to deflate it
    once more would take as long as everything else that is done to it. Frames with a proof gave their content when they were
    made: they must be the same bytes, and the first of them is expanded, too. Raises `Damaged`; then nothing may be stored."""
    at, offset = 0, 0
    with memoryview(sealed) as stored:
        opened = _Opened(reader, stored)
        for first, count, expected in (*rows.proofs, (len(rows.chunks), 0, b"")):
            _verify_each(opened, rows.rows(at, first, offset), rows.forms, key, expanders)
            offset += sum(rows.stored_sizes[at:first])
            at, end = first + count, offset + sum(rows.stored_sizes[first : first + count])
            if count:
                _verify_each(opened, rows.rows(first, first + 1, offset), rows.forms, key, expanders)
                if rows.proof(opened.pieces(offset, end), first, at) != expected:
                    raise _changed(rows.chunks[first])
            offset = end


class _Opened(NamedTuple):
    """A sealed pack that is read back."""

    reader: PayloadReader
    sealed: memoryview

    def span(self, start: int, end: int) -> memoryview:
        """Bytes of the plain stream. Raises `Damaged`."""
        place, size = self.reader.sealed_span(start, end - start)
        with self.sealed[place : place + size] as span:
            return self.reader.open_span(span, start, end - start)

    def pieces(self, start: int, end: int) -> Iterator[memoryview]:
        """The same, in pieces that stay in the processor's cache."""
        while start < end:
            stop = min(end, start // OPENED_AT_ONCE * OPENED_AT_ONCE + OPENED_AT_ONCE)  # at the bounds of segments
            yield self.span(start, stop)
            start = stop


def _verify_each(opened: _Opened, rows: Iterable[Row], forms: Mapping[bytes, bytes], key: bytes, expanders: Expanders) -> None:
    for group in _groups(rows):
        start = group[0][1]
        plain = opened.span(start, group[-1][1] + group[-1][2])
        for chunk, offset, frame_size, plain_size, dictionary in group:
            frame, expander = plain[offset - start : offset - start + frame_size], expanders.of(dictionary)
            if chunk in forms:
                same = blake3(expander.form(frame)).digest() == forms[chunk]
            else:
                same = chunk_id(key, expander.expand(frame, plain_size)) == chunk
            if not same:
                raise _changed(chunk)


def _changed(chunk: bytes) -> Damaged:
    return Damaged(f"chunk {chunk.hex()} changed while it was being encrypted; the pack was not stored", hint=FAILING_MACHINE)


def _groups(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Neighbours of about a megabyte together: opened into memory that stays in the processor's cache."""
    group: list[Row] = []
    for row in rows:
        group.append(row)
        if row[1] + row[2] - group[0][1] >= OPENED_AT_ONCE:
            yield group
            group = []
    if group:
        yield group
