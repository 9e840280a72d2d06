"""Whole files and ranges of them: sizes, ends, what is refused and why."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.pretty import Pretty

from tests.support.age import CHEAP_WORK_FACTOR, Pair, pairs
from tests.support.randomness import SeededChance
from vault.age import (
    ENOUGH_FOR_A_HEADER,
    LARGEST_HEADER,
    SEGMENT,
    ArmorDamaged,
    HeaderDamaged,
    HeaderIncomplete,
    HeaderTampered,
    HybridIdentity,
    NoMatchingIdentity,
    PayloadDamaged,
    Recipient,
    ScryptIdentity,
    ScryptRecipient,
    Stanza,
    X25519Identity,
    armor,
    open_sealed,
    parse_header,
    plain_length,
    read_header,
    seal,
    sealed_length,
    write_header,
)
from vault.age.sealing import FileStart
from vault.errors import Damaged, UsageError
from vault.format.capability import Capability

SIZES = [0, 1, 15, SEGMENT - 1, SEGMENT, SEGMENT + 1, 2 * SEGMENT, 2 * SEGMENT + 1, 5 * SEGMENT - 7]
randomness = SeededChance("sealing")
HYBRID = HybridIdentity.generate(randomness)
OTHER = HybridIdentity.generate(randomness)
CLASSIC = X25519Identity.generate(randomness)

every_pair = pytest.mark.parametrize("pair", pairs().values(), ids=pairs().keys())


@every_pair
@pytest.mark.parametrize("size", SIZES)
def test_what_was_sealed_opens(pair: Pair, size: int) -> None:
    plain = SeededChance(size).token(size)
    sealed = seal(plain, [pair.recipient], SeededChance(1))
    assert open_sealed(sealed.data, [pair.stranger, pair.identity]) == plain
    assert sealed.reopen() == plain
    with pytest.raises(NoMatchingIdentity):
        open_sealed(sealed.data, [pair.stranger])


def test_any_contiguous_buffer_may_be_sealed_and_opened() -> None:
    plain = b"report " * 20_000
    for buffer in (plain, bytearray(plain), memoryview(plain), memoryview(bytearray(plain)).toreadonly()):
        sealed = seal(buffer, [HYBRID.recipient], SeededChance(2)).data
        for given in (bytes(sealed), sealed, memoryview(sealed)):
            assert open_sealed(given, [HYBRID]) == plain


def test_a_sealed_buffer_belongs_to_its_holder_alone() -> None:
    sealed = seal(b"plain", [HYBRID.recipient], SeededChance(2))
    sealed.reopen()
    # A bytearray that somebody still looks at cannot change its length.
    sealed.data.clear()


def test_every_recipient_of_several_opens_the_file() -> None:
    sealed = seal(b"both", [HYBRID.recipient, OTHER.recipient], SeededChance(3)).data
    assert open_sealed(sealed, [HYBRID]) == open_sealed(sealed, [OTHER]) == b"both"


def test_two_files_share_neither_key_nor_nonce() -> None:
    randomness = SeededChance(4)
    one, two = (bytes(seal(bytes(64), [HYBRID.recipient], randomness).data) for _ in range(2))
    assert one[-80:] != two[-80:]


def test_recipients_that_must_not_share_a_file_are_refused() -> None:
    passphrase = ScryptRecipient("hush", CHEAP_WORK_FACTOR)
    refused: list[tuple[list[Recipient], str]] = [
        ([], "nobody"),
        ([passphrase, passphrase], "only recipient"),
        ([passphrase, HYBRID.recipient], "only recipient"),
        ([CLASSIC.recipient, HYBRID.recipient], "weaker"),
        ([HYBRID.recipient] * 45, "recipients make a header"),
    ]
    for recipients, message in refused:
        with pytest.raises(UsageError, match=message):
            seal(b"", recipients, SeededChance(5))


def test_the_refusal_says_what_is_missing() -> None:
    to_key = seal(b"", [HYBRID.recipient], SeededChance(6)).data
    to_passphrase = seal(b"", [ScryptRecipient("hush", CHEAP_WORK_FACTOR)], SeededChance(6)).data
    with pytest.raises(NoMatchingIdentity, match=r"none of the identities at hand \(1\)"):
        open_sealed(to_key, [OTHER])
    with pytest.raises(NoMatchingIdentity, match="passphrase is wrong"):
        open_sealed(to_passphrase, [HYBRID, ScryptIdentity("loud")])
    with pytest.raises(NoMatchingIdentity, match="none was given"):
        open_sealed(to_passphrase, [HYBRID])


def test_the_front_of_a_file_is_enough_to_open_its_header_and_less_says_so() -> None:
    sealed = bytes(seal(bytes(100_000), [HYBRID.recipient], SeededChance(7)).data)
    length = read_header(sealed[:ENOUGH_FOR_A_HEADER], [HYBRID]).length
    assert length < 2048
    assert read_header(sealed[:length], [HYBRID]).length == length
    for short in (0, 1, 21, 22, 30, 1500, length - 17, length - 1):
        with pytest.raises(HeaderIncomplete):
            read_header(sealed[:short], [HYBRID])


def test_a_header_without_end_is_refused_and_not_read_for_ever() -> None:
    endless = b"age-encryption.org/v1\n-> endless\n" + b"A" * 64
    with pytest.raises(HeaderDamaged, match="longer than") as refusal:
        parse_header(endless + b"A" * LARGEST_HEADER)
    assert refusal.type is HeaderDamaged
    rows = b"age-encryption.org/v1\n-> endless\n" + (b"A" * 64 + b"\n") * 2000
    with pytest.raises(HeaderDamaged, match="longer than"):
        parse_header(rows)


def test_what_is_no_age_file_is_called_so() -> None:
    with pytest.raises(HeaderDamaged, match="not an age file"):
        parse_header(b"PAR1 and so on, for a while")
    with pytest.raises(HeaderDamaged, match="another version"):
        parse_header(b"age-encryption.org/v2\n-> x\n\n--- ")
    with pytest.raises(HeaderDamaged, match="no recipient"):
        parse_header(b"age-encryption.org/v1\n--- " + b"A" * 43 + b"\n")


def test_a_stanza_added_by_somebody_else_is_noticed() -> None:
    sealed = bytes(seal(b"plain", [HYBRID.recipient], SeededChance(8)).data)
    header = parse_header(sealed)
    forged = write_header([Stanza("grease", (), b""), *header.stanzas], bytes(16))
    with pytest.raises(HeaderTampered):
        open_sealed(forged + sealed[header.length :], [HYBRID])


@pytest.mark.parametrize("size", SIZES)
def test_a_file_cut_off_or_added_to_is_refused_whole(size: int) -> None:
    sealed = bytes(seal(bytes(size), [HYBRID.recipient], SeededChance(9)).data)
    for cut in (1, 15, 16, 17, SEGMENT + 16):
        if size > cut:
            with pytest.raises(Damaged):
                open_sealed(sealed[:-cut], [HYBRID])
    for extra in (b"\0", bytes(16), bytes(17), bytes(SEGMENT + 16)):
        with pytest.raises(PayloadDamaged):
            open_sealed(sealed + extra, [HYBRID])


def test_segments_cannot_change_places() -> None:
    sealed = seal(bytes(3 * SEGMENT), [HYBRID.recipient], SeededChance(10)).data
    start, size = read_header(sealed, [HYBRID]).length, SEGMENT + 16
    one, two = sealed[start : start + size], sealed[start + size : start + 2 * size]
    with pytest.raises(PayloadDamaged, match="segment 1 of 3"):
        open_sealed(sealed[:start] + two + one + sealed[start + 2 * size :], [HYBRID])


def test_a_damaged_segment_costs_only_the_ranges_that_touch_it() -> None:
    plain = SeededChance(11).token(3 * SEGMENT)
    sealed = seal(plain, [HYBRID.recipient], SeededChance(11)).data
    reader = read_header(sealed, [HYBRID]).reader(len(sealed))
    sealed[reader.start + SEGMENT + 16 + 5] ^= 1
    for start, length in ((0, SEGMENT), (2 * SEGMENT, SEGMENT)):
        offset, size = reader.sealed_span(start, length)
        assert reader.open_span(sealed[offset : offset + size], start, length) == plain[start : start + length]
    offset, size = reader.sealed_span(SEGMENT - 1, 2)
    with pytest.raises(PayloadDamaged, match="segment 2 of 3"):
        reader.open_span(sealed[offset : offset + size], SEGMENT - 1, 2)


def test_a_range_needs_only_the_segments_that_hold_it() -> None:
    sealed = seal(bytes(2 * SEGMENT + 10), [HYBRID.recipient], SeededChance(12)).data
    reader = read_header(sealed, [HYBRID]).reader(len(sealed))
    front, size = reader.start, SEGMENT + 16
    assert reader.plain_size == 2 * SEGMENT + 10
    assert reader.sealed_span(0, 1) == reader.sealed_span(0, SEGMENT) == (front, size)
    assert reader.sealed_span(SEGMENT - 1, 2) == (front, 2 * size)
    assert reader.sealed_span(SEGMENT, SEGMENT) == (front + size, size)
    assert reader.sealed_span(2 * SEGMENT, 10) == (front + 2 * size, 26)
    assert reader.sealed_span(2 * SEGMENT + 10, 0)[1] == 0
    assert bytes(reader.open_span(b"", 5, 0)) == b""


@pytest.mark.parametrize(("start", "length"), [(-1, 1), (0, -1), (0, 11), (10, 1), (11, 0)])
def test_a_range_outside_the_payload_is_refused(start: int, length: int) -> None:
    sealed = seal(bytes(10), [HYBRID.recipient], SeededChance(13)).data
    reader = read_header(sealed, [HYBRID]).reader(len(sealed))
    with pytest.raises(PayloadDamaged, match="of a payload of 10"):
        reader.sealed_span(start, length)


def test_a_short_read_is_refused_before_it_is_opened() -> None:
    sealed = seal(bytes(10), [HYBRID.recipient], SeededChance(14)).data
    reader = read_header(sealed, [HYBRID]).reader(len(sealed))
    offset, size = reader.sealed_span(0, 10)
    with pytest.raises(PayloadDamaged, match="25 sealed bytes came where 26"):
        reader.open_span(sealed[offset : offset + size - 1], 0, 10)


@pytest.mark.parametrize("size", [-1, 0, 15, SEGMENT + 16 + 1, SEGMENT + 16 + 16])
def test_a_size_that_no_payload_has_is_refused(size: int) -> None:
    with pytest.raises(PayloadDamaged):
        plain_length(size)


@pytest.mark.parametrize("size", SIZES)
def test_the_two_sizes_follow_from_each_other(size: int) -> None:
    assert plain_length(sealed_length(size)) == size


def test_bad_memory_shows_when_a_sealed_file_is_reopened() -> None:
    sealed = seal(bytes(SEGMENT + 1), [HYBRID.recipient], SeededChance(15))
    for at in (0, 40, 1600, len(sealed.data) // 2, len(sealed.data) - 1):
        sealed.data[at] ^= 1
        with pytest.raises(Damaged):
            sealed.reopen()
        sealed.data[at] ^= 1
    assert sealed.reopen() == bytes(SEGMENT + 1)


def test_keys_of_files_do_not_show_in_a_repr() -> None:
    sealed = seal(b"", [HYBRID.recipient], SeededChance(16))
    opened = read_header(sealed.data, [HYBRID])
    assert repr(opened) == f"OpenedHeader(key=PayloadKey(…), length={opened.length})"
    assert repr(sealed) == "Sealed()"
    capability = Capability.generate("0" * 32, "1" * 32, "acme", SeededChance(17))
    for secret in (sealed, FileStart.new([HYBRID.recipient], SeededChance(18)), capability):
        out = io.StringIO()
        Console(file=out, width=10_000).print(Pretty(secret), repr(secret))
        assert not [name for name in ("file_key", "chunk_id_key", "identity", "catalogue") if name in out.getvalue()]


def test_armor_is_told_from_a_binary_file() -> None:
    sealed = seal(b"text", [HYBRID.recipient], SeededChance(17)).data
    text = armor.encode(sealed)
    assert armor.is_armored(b"\r\n " + text)
    assert not armor.is_armored(sealed)
    assert open_sealed(armor.decode(text), [HYBRID]) == b"text"
    with pytest.raises(ArmorDamaged, match="BEGIN"):
        armor.decode(sealed)
