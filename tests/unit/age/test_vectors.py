"""Every published vector: opened whole, opened by ranges, parsed and written again, sealed again."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.support.age import VECTOR_FOLDER, Vector, load_vectors
from tests.support.randomness import SeededChance
from vault.age import (
    SEGMENT,
    ArmorDamaged,
    HeaderDamaged,
    HeaderTampered,
    NoMatchingIdentity,
    PayloadDamaged,
    PayloadKey,
    PayloadReader,
    armor,
    open_sealed,
    parse_header,
    read_header,
    seal,
    sealed_length,
)
from vault.age.header import signed_part, write_header
from vault.errors import StrongroomError

VECTORS = load_vectors()
REFUSALS: dict[str, type[StrongroomError]] = {
    "no match": NoMatchingIdentity,
    "HMAC failure": HeaderTampered,
    "header failure": HeaderDamaged,
    "payload failure": PayloadDamaged,
    "armor failure": ArmorDamaged,
}
LESS_THAN_A_STREAM = {
    "armor_garbage_encoded",
    "stream_last_chunk_empty",
    "stream_no_final_full",
    "stream_no_final_two_chunks_full",
    "stream_short_second_chunk",
    "stream_trailing_garbage_long",
    "stream_trailing_garbage_short",
    "stream_two_final_chunks",
    "stream_two_final_chunks_full",
    "stream_two_final_chunks_second",
}
"""Files of which a reader of a stream gives out more than a reader of ranges, who knows the length beforehand."""


def those(*outcomes: str) -> pytest.MarkDecorator:
    chosen = [vector for vector in VECTORS if vector.expect in outcomes]
    return pytest.mark.parametrize("vector", chosen, ids=lambda vector: vector.name)


def binary(vector: Vector) -> bytes:
    return armor.decode(vector.data) if vector.armored else vector.data


def reader_of(vector: Vector) -> PayloadReader:
    """As a reader of ranges gets it: from the front of the file and from its size."""
    data = binary(vector)
    return read_header(data[:8192], vector.keys()).reader(len(data))


def read(reader: PayloadReader, data: bytes, start: int, length: int) -> bytes:
    offset, sealed_size = reader.sealed_span(start, length)
    return bytes(reader.open_span(data[offset : offset + sealed_size], start, length))


def odd_spans(size: int) -> Iterator[tuple[int, int]]:
    edges = sorted({0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 2 * SEGMENT, size // 2, size - SEGMENT, size - 1, size})
    inside = [edge for edge in edges if 0 <= edge <= size]
    yield from ((start, end - start) for start in inside for end in inside if start <= end <= start + 3 * SEGMENT)
    randomness = random.Random(size)
    for _ in range(8):
        start = randomness.randint(0, size)
        yield start, randomness.randint(0, min(size - start, 3 * SEGMENT))


def test_the_folder_holds_the_whole_published_set_and_each_file_is_a_vector() -> None:
    assert Counter(vector.expect for vector in VECTORS) == {
        "success": 26,
        "no match": 13,
        "HMAC failure": 1,
        "header failure": 62,
        "payload failure": 19,
        "armor failure": 22,
    }
    assert {vector.name for vector in VECTORS} | {"README.md"} == {path.name for path in VECTOR_FOLDER.iterdir()}


@those("success")
def test_a_good_file_opens_to_the_stated_payload(vector: Vector) -> None:
    assert hashlib.sha256(open_sealed(binary(vector), vector.keys())).hexdigest() == vector.payload


@those(*REFUSALS)
def test_a_bad_file_is_refused_for_the_stated_reason(vector: Vector) -> None:
    with pytest.raises(REFUSALS[vector.expect]):
        open_sealed(binary(vector), vector.keys())


@those("success")
def test_odd_ranges_of_a_good_file_are_slices_of_its_payload(vector: Vector) -> None:
    data, reader = binary(vector), reader_of(vector)
    plain = open_sealed(data, vector.keys())
    assert reader.plain_size == len(plain)
    for start, length in odd_spans(len(plain)):
        assert read(reader, data, start, length) == plain[start : start + length]


@those("payload failure")
def test_ranges_of_a_bad_payload_give_out_no_more_than_a_stream_reader_would(vector: Vector) -> None:
    data, given, refused = binary(vector), b"", False
    try:
        reader = reader_of(vector)
        for start in range(0, reader.plain_size, SEGMENT):
            given += read(reader, data, start, min(SEGMENT, reader.plain_size - start))
    except PayloadDamaged:
        refused = True
    assert refused
    assert (hashlib.sha256(given).hexdigest() == vector.payload) == (vector.name not in LESS_THAN_A_STREAM)


@those("success", "no match", "HMAC failure", "payload failure")
def test_an_accepted_header_is_written_again_as_it_was(vector: Vector) -> None:
    data = binary(vector)
    header = parse_header(data)
    assert signed_part(header.stanzas) == header.signed
    assert vector.file_key is not None
    if vector.expect != "HMAC failure":
        assert write_header(header.stanzas, vector.file_key) == data[: header.length]


@those("success")
def test_the_payload_sealed_again_under_the_same_keys_is_the_same_bytes(vector: Vector) -> None:
    data = binary(vector)
    plain = open_sealed(data, vector.keys())
    start = read_header(data, vector.keys()).length
    sealed = bytearray(sealed_length(len(plain)))
    assert vector.file_key is not None
    PayloadKey(vector.file_key, data[start - 16 : start]).seal_segments(memoryview(plain), memoryview(sealed))
    assert sealed == data[start:]


@those("success")
def test_what_is_sealed_to_the_same_recipients_opens_with_the_same_keys(vector: Vector) -> None:
    plain = open_sealed(binary(vector), vector.keys())
    for key, recipient in zip(vector.keys(), vector.recipients(), strict=True):
        assert open_sealed(seal(plain, [recipient], SeededChance(vector.name)).data, [key]) == plain


@pytest.mark.parametrize(
    "vector",
    [vector for vector in VECTORS if vector.armored and vector.expect != "armor failure"],
    ids=lambda vector: vector.name,
)
def test_accepted_armor_is_written_again_as_it_was_up_to_line_ends_and_blank_space(vector: Vector) -> None:
    assert armor.is_armored(vector.data)
    assert armor.encode(armor.decode(vector.data)) == vector.data.strip().replace(b"\r\n", b"\n") + b"\n"
