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
from vault.format.frames import Compressor, Dictionary, train
from vault.format.pack import PLAIN_AT, PackBuilder, PackMemory, read_contents
from vault.repository.pack_sealing import OwnSealer, UnsealedPack, no_dictionary, pack_memory_size, proof

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


def proven(builder: PackBuilder, pieces: list[bytes], dictionary: Dictionary | None = None) -> None:
    """Frames with the proof that they gave their content."""
    compressor = Compressor(dictionary)
    frames, ids = [compressor.frame(piece) for piece in pieces], [chunk_id(KEY, piece) for piece in pieces]
    sizes, plain_sizes = [len(frame) for frame in frames], [len(piece) for piece in pieces]
    found = proof(frames, ids, sizes, plain_sizes)
    builder.add_many(ids, b"".join(frames), sizes, plain_sizes, found)


def of_several_segments() -> tuple[OwnSealer, PackBuilder]:
    """A pack with frames that have a proof, between others that have none."""
    sealer = OwnSealer(4_000_000, 1)
    builder = filled(PackBuilder(lent=sealer.lend()), contents(3))
    for number in range(4, 7):
        proven(builder, contents(number, 90_000))
    return sealer, filled(builder, contents(7))


def test_frames_with_a_proof_are_sealed_as_others_are() -> None:
    sealer, builder = of_several_segments()
    assert len(builder.proofs) == 3
    assert sum(builder.stored_sizes) > 30 * SEGMENT
    plain = PackBuilder()
    for chunks in (contents(3), *(contents(number, 90_000) for number in range(4, 7)), contents(7)):
        filled(plain, chunks)
    assert sealed(sealer, builder)[:2] == sealed(OwnSealer(), plain)[:2]


@pytest.mark.parametrize("seed", range(12))
def test_a_frame_that_changes_after_its_proof_is_not_stored(seed: int) -> None:
    sealer, builder = of_several_segments()
    assert builder.lent is not None
    at = PLAIN_AT + random.Random(seed).randrange(builder.size)
    builder.lent.view[at] ^= 1 << seed % 8
    with pytest.raises(Damaged):
        sealed(sealer, builder)


@pytest.mark.parametrize("column", ["chunks", "stored_sizes", "plain_sizes"])
def test_frames_with_a_proof_are_not_stored_as_others_than_they_are(column: str) -> None:
    sealer, builder = of_several_segments()
    values = getattr(builder, column)
    values[30], values[31] = values[31], values[30]
    with pytest.raises(Damaged):
        sealed(sealer, builder)


def test_a_proof_is_not_enough_where_the_dictionary_is_another_one() -> None:
    made = [train([b"%d,a row of a table,%d\n" % (n, n * k) * 30 for n in range(300)], 4000) for k in (1, 7)]
    used, other = [one for one in made if one is not None]
    for dictionary in (used, other):
        name = chunk_id(KEY, dictionary.as_bytes())
        builder = PackBuilder(name)
        proven(builder, [b"some,a row of a table,more\n" * 9], used)
        builder.finish()
        unsealed = UnsealedPack.of(builder, START, {name: dictionary}.__getitem__)
        if dictionary is used:
            OwnSealer().seal(unsealed, KEY)
        else:
            with pytest.raises(Damaged):
                OwnSealer().seal(unsealed, KEY)


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
