"""Which lines of JSON Lines one version has and another has not, out of those chunks alone that differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from restore.history.records.changed_lines import ChunkNeighbours, changed_lines
from vault.errors import Damaged, StrongroomError


class Chunks:
    """Contents cut into chunks that are known by their content. cut: where, which depends on what is there alone."""

    def __init__(self, cut: int) -> None:
        self.cut = cut
        self.contents: dict[bytes, bytes] = {}
        self.read: list[bytes] = []

    def of(self, content: bytes) -> ChunkNeighbours:
        found: list[bytes] = []
        begin = 0
        for at in range(1, len(content) + 1):
            if at == len(content) or (sum(content[max(0, at - 4) : at]) % self.cut == 0 and at - begin >= 3):
                piece = content[begin:at]
                key = blake3(piece).digest()
                self.contents[key] = piece
                found.append(key)
                begin = at
        return ChunkNeighbours(found)

    def fetch(self, wanted: Sequence[bytes]) -> Iterator[tuple[bytes, bytes | StrongroomError]]:
        self.read += wanted
        yield from ((one, self.contents[one]) for one in wanted)


lines = st.integers(0, 400).flatmap(lambda number: st.sampled_from([b"%d-" % number + b"x" * (number % 23) + b";%d" % number]))
versions = st.lists(lines, max_size=40, unique=True)


@given(before=versions, after=versions, shared=versions, cut=st.sampled_from((2, 3, 7, 13)), end=st.sampled_from((b"", b"\n")))
@settings(max_examples=60, deadline=None)
def test_what_differs_is_found_whatever_the_chunks_are(
    before: list[bytes], after: list[bytes], shared: list[bytes], cut: int, end: bytes
) -> None:
    chunks = Chunks(cut)
    one, two = (list(dict.fromkeys([*shared[:20], *own, *shared[20:]])) for own in (before, after))
    old, new = chunks.of(b"\n".join(one) + end), chunks.of(b"\n".join(two) + end)
    gone = set(changed_lines(old, new, chunks.fetch)) - {b""}
    come = set(changed_lines(new, old, chunks.fetch)) - {b""}
    assert set(one) - set(two) <= gone <= set(one)
    assert set(two) - set(one) <= come <= set(two)
    assert gone - come == set(one) - set(two)  # a line that only lies in other chunks is among both


def test_equal_versions_are_not_read_and_a_change_costs_its_neighbourhood() -> None:
    chunks = Chunks(2)
    rows = [b"line %d\n" % number for number in range(2000)]
    names = [blake3(row).digest() for row in rows]
    chunks.contents = dict(zip(names, rows, strict=True))
    old, new = ChunkNeighbours(names), ChunkNeighbours([*names[:1000], *names[1001:]])
    assert list(changed_lines(old, old, chunks.fetch)) == [] and chunks.read == []
    gone, come = list(changed_lines(old, new, chunks.fetch)), list(changed_lines(new, old, chunks.fetch))
    assert gone == [b"line 1000", *come] and len(come) == 1  # the one behind it follows another chunk now
    assert len(chunks.read) < 10


def test_a_chunk_that_cannot_be_had_is_said() -> None:
    old = ChunkNeighbours([b"a"])

    def fetch(wanted: Sequence[bytes]) -> Iterator[tuple[bytes, bytes | StrongroomError]]:
        yield from ((one, Damaged("it is gone")) for one in wanted)

    with pytest.raises(Damaged, match="a part of its content cannot be had"):
        list(changed_lines(old, ChunkNeighbours([]), fetch))
