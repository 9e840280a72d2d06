"""Recipients and identities: their text, what they refuse, and that no secret shows."""

from __future__ import annotations

import pytest

from tests.support.age import CHEAP_WORK_FACTOR, Pair, pairs
from tests.support.randomness import SeededChance
from vault.age import (
    HeaderDamaged,
    HybridIdentity,
    HybridRecipient,
    KeyUnreadable,
    ScryptIdentity,
    ScryptRecipient,
    Stanza,
    X25519Identity,
    X25519Recipient,
    bech32,
    parse_identities,
    parse_identity,
    parse_recipient,
)
from vault.errors import KeyRefused, UsageError

FILE_KEY = bytes(range(16))
# The format's own examples (C2SP `age`).
SPEC_X25519_IDENTITY = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"
SPEC_X25519_RECIPIENT = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"
SPEC_HYBRID_IDENTITY = "AGE-SECRET-KEY-PQ-1XX76JRALNLXDMEW0CRK45QMCCH4X06SE84UN3VPM33W6HWDX0H3SK3ZQFR"
SPEC_HYBRID_RECIPIENT_ENDS = ("age1pq1x34nzsvr0rxjsgdn8zgyhfe8j7ceq5r9rdelkjuh3y235jzxshfg87pzf5", "fzv49zc0k")

every_pair = pytest.mark.parametrize("pair", pairs().values(), ids=pairs().keys())


@pytest.fixture
def hybrid() -> HybridIdentity:
    return HybridIdentity.generate(SeededChance("keys"))


@pytest.fixture
def x25519() -> X25519Identity:
    return X25519Identity.generate(SeededChance("keys"))


def test_the_formats_own_x25519_example_reads_and_writes() -> None:
    identity = X25519Identity.parse(SPEC_X25519_IDENTITY)
    assert identity.encode() == SPEC_X25519_IDENTITY
    assert identity.recipient.encode() == SPEC_X25519_RECIPIENT


def test_the_formats_own_hybrid_example_reads_and_writes() -> None:
    identity = HybridIdentity.parse(SPEC_HYBRID_IDENTITY)
    assert identity.encode() == SPEC_HYBRID_IDENTITY
    recipient = identity.recipient.encode()
    assert recipient.startswith(SPEC_HYBRID_RECIPIENT_ENDS[0])
    assert recipient.endswith(SPEC_HYBRID_RECIPIENT_ENDS[1])
    assert len(recipient) == 1959


def test_every_key_is_found_by_its_text(hybrid: HybridIdentity, x25519: X25519Identity) -> None:
    assert parse_recipient(f" {hybrid.recipient.encode()}\n") == hybrid.recipient
    assert parse_recipient(x25519.recipient.encode()) == x25519.recipient
    assert parse_identity(f"{hybrid.encode()}\r\n").recipient == hybrid.recipient
    assert parse_identity(x25519.encode()).recipient == x25519.recipient


@every_pair
def test_an_identity_unwraps_what_its_recipient_wrapped_and_a_stranger_does_not(pair: Pair) -> None:
    stanza = pair.recipient.wrap(FILE_KEY, SeededChance(1))
    assert pair.identity.unwrap([stanza]) == FILE_KEY
    assert pair.stranger.unwrap([stanza]) is None
    assert pair.identity.unwrap([Stanza("example.com/other", (), b"")]) is None


@every_pair
def test_wrapping_twice_shares_nothing(pair: Pair) -> None:
    randomness = SeededChance(2)
    one, two = pair.recipient.wrap(FILE_KEY, randomness), pair.recipient.wrap(FILE_KEY, randomness)
    assert one.arguments[0] != two.arguments[0]
    assert one.body != two.body


@every_pair
def test_a_stanza_with_an_argument_too_many_or_a_long_body_is_refused(pair: Pair) -> None:
    stanza = pair.recipient.wrap(FILE_KEY, SeededChance(3))
    for bad in (
        Stanza(stanza.type, (*stanza.arguments, "x"), stanza.body),
        Stanza(stanza.type, (), stanza.body),
        Stanza(stanza.type, (stanza.arguments[0][:-4], *stanza.arguments[1:]), stanza.body),
        Stanza(stanza.type, stanza.arguments, stanza.body + b"\0"),
    ):
        with pytest.raises(HeaderDamaged):
            pair.identity.unwrap([bad])


def test_no_repr_or_str_shows_a_secret(hybrid: HybridIdentity, x25519: X25519Identity) -> None:
    for identity in (hybrid, x25519):
        for shown in (repr(identity), str(identity), f"{identity}"):
            assert "SECRET" not in shown
            assert identity.encode()[20:40].lower() not in shown.lower()
    for guarded in (ScryptRecipient("hush", CHEAP_WORK_FACTOR), ScryptIdentity("hush")):
        assert "hush" not in repr(guarded) + str(guarded)


@pytest.mark.parametrize("cut", [1, 5, 20, 40])
def test_a_truncated_identity_is_refused_with_a_hint_and_without_an_echo(hybrid: HybridIdentity, cut: int) -> None:
    text = hybrid.encode()[:-cut]
    with pytest.raises(KeyUnreadable, match=r"checksum|cut off") as refusal:
        parse_identity(text)
    assert refusal.value.hint
    assert text[25:35] not in str(refusal.value)


def test_an_identity_file_may_have_comments_and_empty_lines(hybrid: HybridIdentity, x25519: X25519Identity) -> None:
    text = f"\ufeff# created: today\r\n\r\n{hybrid.encode()}\r\n  \n# the old one\n{x25519.encode()}\n"
    found = parse_identities(text)
    assert [identity.recipient for identity in found if isinstance(identity, HybridIdentity | X25519Identity)] == [
        hybrid.recipient,
        x25519.recipient,
    ]


def test_a_bad_line_of_an_identity_file_is_named_by_its_number_only(hybrid: HybridIdentity) -> None:
    secret = hybrid.encode()
    with pytest.raises(KeyUnreadable, match="line 3 of the identity file") as refusal:
        parse_identities(f"# mine\n{secret}\n{secret[:-3]}\n")
    assert secret[25:35] not in str(refusal.value)
    assert isinstance(refusal.value, KeyRefused)


@pytest.mark.parametrize("text", ["", "\n# nothing here\n\n"])
def test_an_identity_file_without_an_identity_is_refused(text: str) -> None:
    with pytest.raises(KeyUnreadable, match="holds no identity"):
        parse_identities(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SPEC_X25519_RECIPIENT, "is a recipient"),
        (SPEC_X25519_IDENTITY.lower(), "in capitals"),
        ("AGE-PLUGIN-YUBIKEY-1QQQ", "not an identity"),
        ("age-encryption.org/v1", "itself encrypted"),
        ("-----BEGIN AGE ENCRYPTED FILE-----", "itself encrypted"),
        (SPEC_X25519_IDENTITY.replace("1GFP", "1gfp"), "mixes"),
        (SPEC_X25519_IDENTITY.replace("1GFP", "1GF P"), "blank"),
        (SPEC_X25519_IDENTITY.replace("1GFP", "1GFB"), "no key has"),
        (SPEC_X25519_IDENTITY.replace("1GFP", "1GFQ"), "checksum"),
        (bech32.encode("age-secret-key-", bytes(31)).upper(), "has 32 bytes, this one 31"),
        (bech32.encode("age-secret-key-pq-", bytes(33)).upper(), "has 32 bytes, this one 33"),
        ("AGE-SECRET-KEY-1" + "Q" * 5000, "longer than"),
    ],
)
def test_what_is_not_an_identity_is_refused_with_the_reason(text: str, message: str) -> None:
    with pytest.raises(KeyUnreadable, match=message):
        parse_identity(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SPEC_X25519_IDENTITY, "is an identity"),
        (SPEC_HYBRID_IDENTITY, "is an identity"),
        (SPEC_X25519_RECIPIENT.upper(), "begin with `age1`"),
        ("age1tag1qt8lw0ual6avlwmwatk888yqnmdamm7xfd0wak53ut6elz5c4swx2yqdj4e", "not supported"),
        (bech32.encode("age1pq", bytes(1215)), "has 1216 bytes"),
        (bech32.encode("age1pq", b"\xff" * 1216), "ML-KEM half"),
        (bech32.encode("age", bytes(33)), "has 32 bytes"),
        ("ssh-ed25519 AAAA", "blank"),
        ("", "cut off"),
    ],
)
def test_what_is_not_a_recipient_is_refused_with_the_reason(text: str, message: str) -> None:
    with pytest.raises(KeyUnreadable, match=message):
        parse_recipient(text)


def test_nothing_is_sealed_to_a_point_of_low_order(hybrid: HybridIdentity) -> None:
    for recipient in (X25519Recipient(bytes(32)), HybridRecipient(hybrid.recipient.public[:-32] + bytes(32))):
        with pytest.raises(KeyUnreadable, match="low order"):
            recipient.wrap(FILE_KEY, SeededChance(4))


def test_a_work_factor_above_the_readers_bound_is_refused_before_any_work() -> None:
    stanza = ScryptRecipient("hush", CHEAP_WORK_FACTOR + 1).wrap(FILE_KEY, SeededChance(5))
    assert ScryptIdentity("hush", CHEAP_WORK_FACTOR + 1).unwrap([stanza]) == FILE_KEY
    with pytest.raises(HeaderDamaged, match="more work"):
        ScryptIdentity("hush", CHEAP_WORK_FACTOR).unwrap([stanza])
    absurd = Stanza("scrypt", (stanza.arguments[0], "9" * 10_000), stanza.body)
    with pytest.raises(HeaderDamaged, match="more work"):
        ScryptIdentity("hush").unwrap([absurd])


def test_a_passphrase_must_be_text_and_its_work_factor_sensible() -> None:
    with pytest.raises(UsageError, match="empty"):
        ScryptRecipient("")
    for factor in (0, 23):
        with pytest.raises(UsageError, match="work factor"):
            ScryptRecipient("hush", factor)
    with pytest.raises(KeyUnreadable, match="UTF-8") as refusal:
        ScryptIdentity("hu\udcffsh")
    assert "hu" not in str(refusal.value)
    assert refusal.value.__cause__ is None
