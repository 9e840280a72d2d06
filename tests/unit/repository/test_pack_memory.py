"""Packs are put together in memory that is lent, and sealed where they lie: it changes nothing in what is stored."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.support.places import identity
from tests.support.randomness import SeededChance
from vault.age.sealing import FileStart
from vault.age.stream import SEGMENT, PayloadKey, room_for_tags, room_in_place, sealed_length
from vault.errors import Damaged
from vault.format.chunks import chunk_id
from vault.format.frames import Compressor
from vault.format.pack import PLAIN_AT, PackBuilder, PackMemory, read_contents
from vault.repository.pack_sealing import OwnSealer, UnsealedPack, no_dictionary, pack_memory_size

KEY = b"k" * 32
START = FileStart.new([identity().recipient], SeededChance("seal"))
"""One for all packs here, so that they can be compared."""


def contents(number: int, size: int = 3000) -> list[bytes]:
    chance = random.Random(number)
    return [chance.randbytes(chance.randrange(1, size)) for _ in range(20)]


def filled(builder: PackBuilder, pieces: list[bytes], *, many: bool = False) -> PackBuilder:
    compressor = Compressor()
    frames = [compressor.frame(piece) for piece in pieces]
    ids = [chunk_id(KEY, piece) for piece in pieces]
    if many:
        builder.add_many(ids, b"".join(frames), map(len, frames), map(len, pieces))
    else:
        for one, frame, piece in zip(ids, frames, pieces, strict=True):
            builder.add(one, frame, len(piece))
    return builder


def sealed(sealer: OwnSealer, builder: PackBuilder) -> tuple[bytes, bytes, Callable[[], None]]:
    """The age file, its SHA-256, and what gives the memory back."""
    builder.finish()
    data, sha256, release = sealer.seal(UnsealedPack.of(builder, START, no_dictionary), KEY)
    return bytes(data), sha256, release


@pytest.mark.parametrize("many", [False, True])
def test_a_pack_is_the_same_in_lent_memory_in_used_memory_and_in_its_own(*, many: bool) -> None:
    sealer = OwnSealer(100_000, 1)
    whole = sealed(sealer, filled(PackBuilder(), contents(0)))[:2]
    for _ in range(3):  # the second time something else lies there
        lent = sealer.lend()
        assert lent is not None
        data, sha256, release = sealed(sealer, filled(PackBuilder(lent=lent), contents(0), many=many))
        assert (data, sha256) == whole
        release()
        other = sealer.lend()
        assert other is not None
        sealed(sealer, filled(PackBuilder(lent=other), contents(1, 4000)))[2]()


def test_no_more_memory_is_lent_than_may_be_and_what_is_given_back_is_lent_again() -> None:
    sealer = OwnSealer(1000, 2)
    first, second = sealer.lend(), sealer.lend()
    assert first is not None
    assert second is not None
    assert sealer.lend() is None
    first.release()
    again = sealer.lend()
    assert again is not None
    assert again.view.obj is first.view.obj
    assert OwnSealer().lend() is None


def test_a_pack_that_outgrows_its_memory_goes_on_in_its_own_and_gives_that_back() -> None:
    given_back: list[bool] = []
    lent = PackMemory(memoryview(bytearray(PLAIN_AT + 10_000)), lambda: given_back.append(True))
    pieces = contents(2, 9000)
    builder = filled(PackBuilder(lent=lent), pieces)
    assert given_back == [True]
    whole = filled(PackBuilder(), pieces)
    assert builder.finish() == whole.finish() == read_contents(bytes(builder.plain))
    assert bytes(builder.plain) == bytes(whole.plain)


def test_memory_of_a_pack_that_may_not_be_stored_is_given_back() -> None:
    sealer = OwnSealer(1000, 1)
    builder = PackBuilder(lent=sealer.lend())
    builder.add(chunk_id(KEY, b"something else"), Compressor().frame(b"content"), len(b"content"))
    with pytest.raises(Damaged):
        sealed(sealer, builder)
    assert sealer.lend() is not None


@pytest.mark.parametrize("size", [0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 5 * SEGMENT, 5 * SEGMENT + 7])
def test_what_is_sealed_in_place_is_what_is_sealed_elsewhere(size: int) -> None:
    plain, room = random.Random(size).randbytes(size), room_in_place(size)
    elsewhere = bytearray(sealed_length(size))
    PayloadKey(b"f" * 16, b"n" * 16).seal_segments(memoryview(plain), memoryview(elsewhere))
    place = bytearray(room) + plain
    used = PayloadKey(b"f" * 16, b"n" * 16).seal_segments_in_place(memoryview(place), room, size)
    assert bytes(place[:used]) == bytes(elsewhere)


def test_nothing_is_sealed_where_a_segment_would_be_written_over_while_it_is_read() -> None:
    size = 3 * SEGMENT
    for room in (0, room_for_tags(size), room_in_place(size) - 1):
        with pytest.raises(ValueError, match="no room"):
            PayloadKey(b"f" * 16, b"n" * 16).seal_segments_in_place(memoryview(bytearray(room + size)), room, size)


def test_the_room_before_a_plain_stream_is_enough_for_the_longest_header_and_pack() -> None:
    limit = 50_331_648
    assert pack_memory_size(limit) - PLAIN_AT > limit
    assert 64 * 1024 + room_in_place(64 * 1024 * 1024) <= PLAIN_AT
