"""What a backup and its worker processes say to each other, over two pipes and a piece of shared memory.

    pipe to the worker      its tools, then one request after another
    pipe back               that it is ready, then one reply for each, in the same order
    shared memory           slots: what a batch of small files gave; packs on their way to be sealed, and sealed

A message is a length and a value of `marshal`: numbers, texts, bytes, tuples and lists. It can make no object and call nothing,
and both ends are always of one program. Nothing that is as large as content passes through a pipe, but the bases of deltas,
which few files have.
"""

from __future__ import annotations

import marshal
import os
import struct
from array import array
from collections.abc import Sequence
from typing import Any, NamedTuple

from vault.backup.small_files import MOST_BYTES, BatchColumns, DeltaBase, FileNote
from vault.problems import Problem

READ, SEAL = "read", "seal"
READY = "ready"
DONE, DAMAGED, NO_MEMORY, FAULT = "done", "damaged", "no memory", "fault"

BATCH_SLOT = MOST_BYTES + 2 * 1024 * 1024
"""Bytes for what a batch gave: zstd makes 9 MiB that do not compress 36 KiB longer, and 256 files have 60 KiB of columns. Where
an odd repository cuts so finely that it is not enough, columns pass through the pipe."""

_LENGTH = struct.Struct("=Q")
_LONGEST = 1 << 28


class WorkerTools(NamedTuple):
    """What a worker gets before its first request.

    - `prefix`: of the paths
    - `key`: of chunk ids
    - `chunker`: smallest, average, largest, normalisation
    - `dictionaries`: by group; their bytes
    - `dictionary_groups`: by the chunk that holds the dictionary
    - `compression`, `inflates`: as for `SmallFileReader`
    - `memory_size`: of the shared memory in bytes
    - `stored_size`: bytes of sorted chunk ids in the other shared memory
    """

    prefix: bytes
    key: bytes
    chunker: tuple[int, int, int, int]
    dictionaries: dict[str, bytes]
    dictionary_groups: dict[bytes, str]
    compression: str
    inflates: bool
    memory_size: int
    stored_size: int


class SealRequest(NamedTuple):
    """A pack that lies in shared memory.

    - `at`, `plain_size`: where its memory begins, and bytes of its plain stream; the age file is to begin where the memory does
    - `front`, `file_key`: of the age file
    - `chunks`: ids, one after another; `stored_sizes`, `plain_sizes`: as 64-bit numbers
    - `dictionary`: the chunk that holds it
    - `forms`, `proofs`: as in `UnsealedPack`
    """

    at: int
    plain_size: int
    front: bytes
    file_key: bytes
    chunks: bytes
    stored_sizes: bytes
    plain_sizes: bytes
    dictionary: bytes | None
    forms: dict[bytes, bytes]
    proofs: Sequence[tuple[int, int, bytes]]


Message = tuple[Any, ...]


def send(descriptor: int, message: Message) -> None:
    """Raises OSError where nobody reads any more."""
    data = marshal.dumps(message)
    rest = memoryview(_LENGTH.pack(len(data)) + data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def receive(descriptor: int) -> Message | None:
    """The next message; None where there will be none. Raises OSError."""
    head = _read(descriptor, _LENGTH.size)
    if head is None:
        return None
    (length,) = _LENGTH.unpack(head)
    data = _read(descriptor, length) if length <= _LONGEST else None
    if data is None:
        return None
    message: Message = marshal.loads(data)  # noqa: S302 (of this program's own process; it makes plain values)
    return message


def _read(descriptor: int, length: int) -> bytes | None:
    data = bytearray()
    while len(data) < length:
        piece = os.read(descriptor, length - len(data))
        if not piece:
            return None
        data += piece
    return bytes(data)


_COLUMNS = ("i", "", "q", "", "h", "i", "", "q", "i", "h", "i", "")
"""The type of each column of `BatchColumns` that lies in shared memory, "" for bytes."""


def pack_batch(batch: BatchColumns, slot: memoryview) -> Message:
    """Put a batch's columns into a slot; gives what is to be said of them."""
    columns = [memoryview(column).cast("B") for column in _flat(batch)]
    fits, at = sum(map(len, columns)) <= len(slot), 0
    for column in columns if fits else ():
        slot[at : at + len(column)] = column
        at += len(column)
    passed: list[int | bytes] = [len(column) if fits else bytes(column) for column in columns]
    notes = [tuple(note) for note in batch.notes]
    others = [(place, problem and (problem.path, problem.what, problem.message)) for place, problem in batch.others]
    return passed, batch.format_names, batch.groups, [tuple(base) for base in batch.bases], notes, others, batch.proofs


def unpack_batch(reply: Sequence[Any], slot: memoryview) -> BatchColumns:
    """A batch's columns out of a slot. Its frames stay there, everything else is copied."""
    passed, format_names, groups, bases, notes, others, proofs = reply
    columns: list[Any] = []
    at = 0
    for kind, one in zip(_COLUMNS, passed, strict=True):
        data: memoryview | bytes
        if isinstance(one, bytes):
            data = one
        else:
            data, at = slot[at : at + one], at + one
        if kind:
            column = array(kind)
            column.frombytes(data)
            columns.append(column)
        else:
            columns.append(data if len(columns) == len(_COLUMNS) - 1 else bytes(data))
    places, statuses, file_sizes, digests, formats, counts, ids, lengths, frame_chunks, frame_groups, frame_sizes, frames = (
        columns
    )
    return BatchColumns(
        places, statuses, file_sizes, digests, formats, tuple(format_names), counts, ids, lengths, frame_chunks, frame_groups,
        tuple(groups), frame_sizes, frames, tuple(DeltaBase(*base) for base in bases),
        tuple(FileNote(*note) for note in notes),
        tuple((place, None if problem is None else Problem(*problem)) for place, problem in others), proofs,
    )  # fmt: skip


def _flat(batch: BatchColumns) -> tuple[Any, ...]:
    return (
        batch.places, batch.statuses, batch.sizes, batch.digests, batch.formats, batch.chunk_counts, batch.chunk_ids,
        batch.chunk_lengths, batch.frame_chunks, batch.frame_groups, batch.frame_sizes, batch.frames,
    )  # fmt: skip
