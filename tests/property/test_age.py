"""What holds for age files of any content: they open, they cannot be bent, and nothing but our errors comes out."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.age import pairs
from tests.support.randomness import SeededChance
from vault.age import (
    SEGMENT,
    HybridIdentity,
    KeyUnreadable,
    ScryptIdentity,
    Stanza,
    X25519Identity,
    armor,
    bech32,
    open_sealed,
    parse_header,
    parse_identities,
    parse_recipient,
    read_header,
    seal,
    unpadded,
    write_header,
)
from vault.age.header import signed_part
from vault.errors import Damaged, StrongroomError

PAIRS = pairs()
IDENTITIES = [pair.identity for pair in PAIRS.values()]
usual = settings(derandomize=True, deadline=None, max_examples=60)
deep = settings(derandomize=True, deadline=None, max_examples=2000)

arguments = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)
stanzas = st.lists(
    st.builds(Stanza, type=arguments, arguments=st.lists(arguments, max_size=3).map(tuple), body=st.binary(max_size=200)),
    min_size=1,
    max_size=4,
)
# Sizes that crowd around the ends of segments, filled cheaply.
sizes = st.one_of(
    st.integers(0, 300),
    st.builds(lambda count, off: max(0, count * SEGMENT + off), st.integers(1, 3), st.integers(-2, 2)),
)


def plain_of(size: int) -> bytes:
    return SeededChance(size).token(size)


@usual
@given(kind=st.sampled_from(sorted(PAIRS)), size=sizes)
def test_open_undoes_seal(kind: str, size: int) -> None:
    sealed = seal(plain_of(size), [PAIRS[kind].recipient], SeededChance(size))
    assert open_sealed(sealed.data, [PAIRS[kind].identity]) == sealed.reopen() == plain_of(size)


@usual
@given(size=sizes, data=st.data())
def test_any_range_is_the_slice_of_the_plain_bytes(size: int, data: st.DataObject) -> None:
    plain = plain_of(size)
    sealed = seal(plain, [PAIRS["x25519"].recipient], SeededChance(size)).data
    reader = read_header(sealed[:4096], IDENTITIES).reader(len(sealed))
    start = data.draw(st.integers(0, size))
    length = data.draw(st.integers(0, size - start))
    offset, sealed_size = reader.sealed_span(start, length)
    assert reader.open_span(sealed[offset : offset + sealed_size], start, length) == plain[start : start + length]


def refuses_a_flipped_bit(kind: str, plain: bytes, where: int) -> None:
    sealed = seal(plain, [PAIRS[kind].recipient], SeededChance(1)).data
    at = where % (len(sealed) * 8)
    sealed[at // 8] ^= 1 << at % 8
    # A flip in the header may also leave nobody's stanza, or a stanza of another type: refused all the same.
    with pytest.raises(StrongroomError):
        open_sealed(sealed, [PAIRS[kind].identity])


@usual
@given(kind=st.sampled_from(sorted(PAIRS)), size=sizes, where=st.integers(0, 2**32))
def test_any_flipped_bit_is_refused(kind: str, size: int, where: int) -> None:
    refuses_a_flipped_bit(kind, plain_of(size), where)


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(PAIRS))
def test_every_single_flipped_bit_of_a_small_file_is_refused(kind: str) -> None:
    for where in range(len(seal(b"plain", [PAIRS[kind].recipient], SeededChance(1)).data) * 8):
        refuses_a_flipped_bit(kind, b"plain", where)


@usual
@given(stanzas, st.binary(min_size=16, max_size=16), st.binary(max_size=100))
def test_parse_undoes_write_for_any_header(parts: list[Stanza], file_key: bytes, payload: bytes) -> None:
    written = write_header(parts, file_key)
    header = parse_header(written + payload)
    assert list(header.stanzas) == parts
    assert header.length == len(written)
    header.check(file_key)


def writes_what_it_accepts(text: bytes) -> None:
    with contextlib.suppress(Damaged):
        header = parse_header(text)
        assert signed_part(header.stanzas) + b" " + unpadded.encode(header.mac) + b"\n" == text[: header.length]


@usual
@given(stanzas, st.data())
def test_a_header_that_is_accepted_after_damage_is_still_in_its_one_form(parts: list[Stanza], data: st.DataObject) -> None:
    text = bytearray(write_header(parts, bytes(16)))
    for _ in range(data.draw(st.integers(1, 3))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.sampled_from(b"\n\r -=>A/z0\x00\xff"))
    writes_what_it_accepts(bytes(text))


LINES = [b"-> scrypt AAAA 1", b"-> X25519 AAAA", b"-> mlkem768x25519 AA", b"A" * 64, b"", b"--- " + b"A" * 43]
headers = st.one_of(
    st.binary(max_size=400),
    st.binary(max_size=400).map(lambda tail: b"age-encryption.org/v1\n" + tail),
    st.lists(st.sampled_from(LINES)).map(lambda lines: b"\n".join([b"age-encryption.org/v1", *lines, b""])),
)


def raises_only_our_errors(junk: bytes) -> None:
    writes_what_it_accepts(junk)
    for attempt in (lambda: open_sealed(junk, IDENTITIES), lambda: armor.decode(junk)):
        with contextlib.suppress(StrongroomError):
            attempt()


@usual
@given(headers)
def test_arbitrary_bytes_raise_only_our_errors(junk: bytes) -> None:
    raises_only_our_errors(junk)


@pytest.mark.slow
@deep
@given(headers)
def test_arbitrary_bytes_raise_only_our_errors_at_length(junk: bytes) -> None:
    raises_only_our_errors(junk)


@usual
@given(st.sampled_from(["X25519", "mlkem768x25519", "scrypt"]), st.lists(arguments, max_size=3), st.binary(max_size=40))
def test_arbitrary_stanzas_raise_only_our_errors(kind: str, words: list[str], body: bytes) -> None:
    for identity in IDENTITIES:
        with contextlib.suppress(StrongroomError):
            assert identity.unwrap([Stanza(kind, tuple(words), body)]) is None


@usual
@given(st.text(max_size=120))
def test_arbitrary_text_is_refused_as_a_key_and_nothing_else(text: str) -> None:
    for attempt in (parse_recipient, parse_identities, lambda line: ScryptIdentity(line or "x")):
        with contextlib.suppress(KeyUnreadable):
            attempt(text)


@usual
@given(st.binary(min_size=32, max_size=32))
def test_the_text_of_an_identity_reads_back_as_the_same(secret: bytes) -> None:
    for kind in (HybridIdentity, X25519Identity):
        identity = kind(secret)
        again = kind.parse(identity.encode())
        assert again.encode() == identity.encode()
        assert again.recipient == parse_recipient(identity.recipient.encode()) == identity.recipient


@usual
@given(st.text("abcdefghijklmnop-1", min_size=1, max_size=20), st.binary(max_size=80), st.data())
def test_bech32_reads_what_it_wrote_and_finds_a_mistyped_letter(prefix: str, content: bytes, data: st.DataObject) -> None:
    text = bech32.encode(prefix, content)
    assert bech32.decode(text) == bech32.decode(text.upper()) == (prefix, content)
    at = data.draw(st.integers(len(prefix) + 1, len(text) - 1))
    wrong = data.draw(st.sampled_from([letter for letter in bech32.ALPHABET if letter != text[at]]))
    with pytest.raises(KeyUnreadable, match="checksum"):
        bech32.decode(text[:at] + wrong + text[at + 1 :])


@usual
@given(st.binary(max_size=300))
def test_armor_and_unpadded_base64_undo_themselves(content: bytes) -> None:
    assert armor.decode(armor.encode(content)) == content
    assert armor.decode(armor.encode(content).replace(b"\n", b"\r\n")) == content
    assert unpadded.decode(unpadded.encode(content)) == content


@usual
@given(st.binary(max_size=60))
def test_unpadded_base64_has_one_text_for_one_value(text: bytes) -> None:
    data = unpadded.decode(text)
    assert data is None or unpadded.encode(data) == text
