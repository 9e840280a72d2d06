"""Cutting by content: nothing is lost, a stream is cut as a whole is, and no upgrade of a library moves the cuts."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.places import TINY
from tests.support.randomness import SeededChance
from vault.backup import large_files
from vault.backup.read_results import HOLE
from vault.format import chunks
from vault.format.chunks import ChunkerParams, StreamCutter, chunk_id, content_hash, cut
from vault.format.descriptor import CONTENT_CUTTING, META_CUTTING
from vault.source.contract import Extent

usual = settings(derandomize=True, deadline=None, max_examples=150)
KEY = bytes(range(32))

cuttings = st.builds(
    lambda smallest, more, most, level: ChunkerParams(
        smallest, max(256, smallest * more), max(1024, smallest * more * most), level
    ),
    st.integers(64, 300),
    st.integers(1, 5),
    st.integers(1, 5),
    st.integers(0, 3),
)
contents = st.one_of(
    st.binary(max_size=6000),
    st.builds(lambda seed, size: SeededChance(seed).token(size), st.integers(0, 50), st.integers(0, 40_000)),
    st.builds(lambda part, times: part * times, st.binary(min_size=1, max_size=30), st.integers(0, 1500)),
)


@usual
@given(cutting=cuttings, content=contents)
def test_joining_undoes_cutting(cutting: ChunkerParams, content: bytes) -> None:
    pieces = list(cut(cutting.cutter(), content))
    assert b"".join(pieces) == content
    assert all(len(piece) <= cutting.largest for piece in pieces)
    assert all(len(piece) >= cutting.smallest for piece in pieces[:-1])


@usual
@given(cutting=cuttings, content=contents)
def test_cutting_is_the_same_every_time(cutting: ChunkerParams, content: bytes) -> None:
    cutter = cutting.cutter()
    once = [bytes(piece) for piece in cut(cutter, content)]
    assert [bytes(piece) for piece in cut(cutter, bytearray(content))] == once
    assert [bytes(piece) for piece in cut(cutting.cutter(), memoryview(content))] == once


@usual
@given(cutting=cuttings, content=contents, more=st.binary(max_size=50))
def test_all_cuts_but_the_last_stand_when_something_is_appended(cutting: ChunkerParams, content: bytes, more: bytes) -> None:
    shorter = [bytes(piece) for piece in cut(cutting.cutter(), content)]
    longer = [bytes(piece) for piece in cut(cutting.cutter(), content + more)]
    assert longer[: len(shorter) - 1] == shorter[:-1]


@usual
@given(cutting=cuttings, content=contents, ends=st.lists(st.integers(0, 40_000), max_size=8), waiting=st.integers(1, 5000))
def test_what_comes_piece_by_piece_is_cut_as_the_whole_is(
    cutting: ChunkerParams, content: bytes, ends: list[int], waiting: int
) -> None:
    pieces: list[bytes] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "CUT_AT_ONCE", waiting)
        cutter = StreamCutter(cutting, lambda piece: pieces.append(bytes(piece)))
        for start, end in itertools.pairwise([0, *sorted(min(end, len(content)) for end in ends), len(content)]):
            cutter.write(content[start:end])
        cutter.finish()
    assert pieces == [bytes(piece) for piece in cut(cutting.cutter(), content)]


@dataclass
class File:
    """A file in memory, some of whose extents are holes, as `vault.source.reader.LargeFile` offers one."""

    content: bytes
    holes: list[tuple[int, int]] = field(default_factory=list)

    @property
    def status(self) -> Any:
        return type("Status", (), {"st_size": len(self.content)})

    def extents(self) -> Iterator[Extent]:
        edges = [0, *itertools.chain.from_iterable(self.holes), len(self.content)]
        for start, end in zip(edges[::2], edges[1::2], strict=True):
            if end > start:
                yield Extent(start, end - start)

    def readinto(self, buffer: memoryview, offset: int) -> int:
        piece = self.content[offset : offset + len(buffer)]
        buffer[: len(piece)] = piece
        return len(piece)


class Writer:
    """Cuts, and keeps chunks, at once and in order."""

    def __init__(self, cutting: ChunkerParams) -> None:
        self._cutter = cutting.cutter()
        self.chunks: dict[bytes, bytes] = {}

    def cut(self, content: memoryview) -> list[memoryview]:
        return list(cut(self._cutter, content))

    def keep_chunk(self, plain: memoryview, _frames: object) -> tuple[bytes, int]:
        chunk = chunk_id(KEY, plain)
        self.chunks[chunk] = bytes(plain)
        return chunk, len(plain)

    def submit(self, work: Any, done: Any) -> None:
        work(self, None)
        done()


class Reading:
    """What a stream needs of a `vault.backup.file_reading.FileReading`."""

    def __init__(self, cutting: ChunkerParams) -> None:
        self.writer = Writer(cutting)
        self.progress = self

    def advance(self, **_: int) -> None:
        return

    def stop(self) -> None:
        return

    def within(self, _size: int) -> None:
        return


def stream(file: File, cutting: ChunkerParams) -> tuple[list[tuple[bytes, int]], bytes, dict[bytes, bytes]]:
    """References and digest of a file that is read as a stream, and the chunks that were kept."""
    work = Reading(cutting)
    refs, hashed = large_files.LargeFileStream(work, file, b"x").run()  # type: ignore[arg-type]  # both stand in for what they are named after
    return refs, hashed.digest, work.writer.chunks


@usual
@given(cutting=cuttings, content=contents, piece=st.integers(1024, 9000))
def test_a_stream_is_cut_as_the_whole_is(cutting: ChunkerParams, content: bytes, piece: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(large_files, "PIECE", max(piece, cutting.largest))
        refs, digest, _ = stream(File(content), cutting)
    assert refs == [(chunk_id(KEY, whole), len(whole)) for whole in cut(cutting.cutter(), content)]
    assert digest == content_hash(content)


@usual
@given(content=contents, edges=st.lists(st.integers(0, 40_000), max_size=6), piece=st.integers(1024, 9000))
def test_a_file_with_holes_comes_together_again(content: bytes, edges: list[int], piece: int) -> None:
    ordered = sorted(min(edge, len(content)) for edge in edges)[: len(edges) // 2 * 2]
    holes = list(zip(ordered[::2], ordered[1::2], strict=True))
    sparse = bytearray(content)
    for start, end in holes:
        sparse[start:end] = bytes(end - start)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(large_files, "PIECE", piece)
        refs, digest, chunks = stream(File(bytes(sparse), holes), TINY)
    assert b"".join(bytes(length) if chunk == HOLE else chunks[chunk] for chunk, length in refs) == sparse
    assert sum(length for chunk, length in refs if chunk == HOLE) == sum(end - start for start, end in holes)
    assert digest == blake3(sparse).digest()


# The cut points of 16 MiB, 1 MiB and 16 KiB of BLAKE3's output stream, fixed for ever: a repository that was cut in one way
# is deduplicated only by those who cut in the same way.
GOLDEN = {
    "content": (
        CONTENT_CUTTING,
        16 << 20,
        "980585 1724312 1785617 2621685 4093790 1093210 1269806 1180392 … 11 3012da8196bae1cc",
    ),
    "meta": (META_CUTTING, 1 << 20, "112868 119722 20877 112851 160842 152472 16722 17416 … 13 27107b8251171c7c"),
    "meta of few rows": (META_CUTTING.finer(16), 1 << 20, "4920 4246 6589 5439 4374 1885 6854 6088 … 215 69b64d9cd1e00b14"),
    "tiny": (TINY, 16 << 10, "369 474 776 299 306 360 281 430 … 51 85965714e52bf249"),
    "level 0": (ChunkerParams(64, 256, 1024, 0), 16 << 10, "119 200 161 166 533 309 351 81 … 50 81e7f1d0a09447a0"),
    "level 3": (ChunkerParams(64, 256, 1024, 3), 16 << 10, "76 286 269 268 271 274 326 329 … 60 361fb18490c77b0f"),
}


@pytest.mark.parametrize("case", GOLDEN)
def test_the_cut_points_are_those_of_the_first_version(case: str) -> None:
    cutting, size, expected = GOLDEN[case]
    content = blake3(b"strongroom golden cut points").digest(length=size)
    sizes = [len(piece) for piece in cut(cutting.cutter(), content)]
    assert " ".join(map(str, sizes[:8])) + f" … {len(sizes)} {blake3(repr(sizes).encode()).hexdigest()[:16]}" == expected


def test_the_parameters_of_a_new_repository_are_those_of_the_first_version() -> None:
    assert (CONTENT_CUTTING.smallest, CONTENT_CUTTING.average, CONTENT_CUTTING.largest) == (1 << 18, 1 << 20, 1 << 22)
    assert (META_CUTTING.smallest, META_CUTTING.average, META_CUTTING.largest) == (1 << 14, 1 << 16, 1 << 18)
    assert CONTENT_CUTTING.normalisation == META_CUTTING.normalisation == 1


def test_threads_with_cutters_of_their_own_cut_alike() -> None:
    content = SeededChance("threads").token(400_000)
    found: list[list[int]] = []

    def work() -> None:
        for _ in range(20):
            found.append([len(piece) for piece in cut(TINY.cutter(), content)])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 80
    assert all(one == found[0] for one in found)
