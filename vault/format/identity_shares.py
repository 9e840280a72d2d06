"""An identity in shares: so many of them give it back, fewer tell nothing. They are word lists by SLIP-39.

What is shared is the identity's seed of 32 bytes, as one group, without a passphrase. A share is 33 words of a list of 1024,
three of which are a checksum; four letters of each are enough. Any program that knows SLIP-39 recovers the seed from them.
Source: SLIP-0039, "Shamir's Secret-Sharing for Mnemonic Codes".

    texts = split(identity, 3, 2)
    shares = [Share.parse(text, "share-1.txt") for …]
    (identity,) = combined(shares)

Messages name the share and the place of a word, and never quote a word: it may be a part of a secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vault.age import HybridIdentity, KeyUnreadable
from vault.errors import KeyRefused, UsageError
from vault.hidden_fields import HidesFields
from vault.wording import counted

MOST = 16
"""Shares of one identity: what SLIP-39 can number."""

LEAST_NEEDED = 2
"""One share that opens everything would be the identity itself."""

WORDS = 33
"""Of a share: 4 say which, 26 hold the share's 32 bytes, 3 are the checksum."""

_MOST_ITERATIONS = 5
"""The exponent of the work that another program may have asked for: some 0.3 seconds. Ours is 1."""

_CHECKSUM_WORDS, _BITS = 3, 10
_CHECKSUM_NAMES = (b"shamir", b"shamir_extendable")
"""What the checksum begins with, by the flag in the second word."""

_NUMBER = re.compile(r"\d{1,3}[.):]?\Z")
_ENOUGH_FOR_A_SHARE = 10
_COPY = "compare it with the paper, word by word; four letters of each are enough"


class Share(HidesFields, frozen=True):
    """A share as it was read. where: its file, or what it is called in messages · number: from 1 on · needed: so many give the
    identity · set_id: shares of one identity that were made together have the same · value: the share as the library has it."""

    where: str
    number: int
    needed: int
    set_id: tuple[int, ...]
    value: Any

    @classmethod
    def parse(cls, text: str, where: str) -> Share:
        """Of the words, in any number of lines; numbers before words and lines that begin with `#` are passed over. Raises
        `KeyUnreadable`."""
        from shamir_mnemonic import MnemonicError
        from shamir_mnemonic import Share as Slip39Share

        words = _full_words(_words_of(text), where)
        if len(words) != WORDS:
            why = {WORDS - 1: ": one word is missing", WORDS + 1: ": one word is too many"}.get(len(words), "")
            count = f"{counted(len(words), 'word')} where a share of a recovery kit has {WORDS}"
            raise KeyUnreadable(f"{where} has {count}{why}", hint=_COPY)
        try:
            found = Slip39Share.from_mnemonic(" ".join(words))
        except MnemonicError as error:
            place = _wrong_word(words)
            likely = f"most likely word {place} is wrong" if place else "words are wrong, missing, or in another order"
            raise KeyUnreadable(f"the checksum of {where} does not fit: {likely}", hint=_COPY) from error
        if found.group_count != 1 or found.iteration_exponent > _MOST_ITERATIONS or found.member_threshold < LEAST_NEEDED:
            raise KeyUnreadable(f"{where} is a share by SLIP-39, and not one of a recovery kit", hint="name the kit's shares")
        return cls(where, found.index + 1, found.member_threshold, tuple(found.group_parameters()), found)


def check_words(text: str, where: str) -> int:
    """How many words of a share there are so far. Raises `KeyUnreadable` with the places of those that are in no list."""
    return len(_full_words(_words_of(text), where))


def split(identity: HybridIdentity, shares: int, needed: int) -> tuple[str, ...]:
    """The words of each share, one blank between two. The library takes the operating system's randomness. Raises `UsageError`
    for numbers that cannot be."""
    from shamir_mnemonic import generate_mnemonics

    check_numbers(shares, needed)
    (texts,) = generate_mnemonics(1, [(needed, shares)], identity.seed)
    return tuple(texts)


def check_numbers(shares: int, needed: int) -> None:
    """Raises `UsageError` where an identity cannot be split so."""
    if not LEAST_NEEDED <= needed <= shares <= MOST:
        raise UsageError(
            f"{needed} of {shares} shares are not possible: at least {LEAST_NEEDED} are needed, and there are at most {MOST}",
            hint="for example --shares 3 --threshold 2: any two of three open everything",
        )


def is_share(text: str) -> bool:
    """Whether a text is meant as a share: at least half of its words are in the list."""
    if "AGE-SECRET-KEY-" in text or "BEGIN AGE" in text:
        return False
    words = _words_of(text)
    if len(words) < _ENOUGH_FOR_A_SHARE:
        return False
    known = _by_beginning()
    return sum(word[:4] in known for word in words) * 2 >= len(words)


def combined(shares: Iterable[Share]) -> list[HybridIdentity]:
    """The identities that the shares give, of each set one. Raises `KeyRefused` where too few of a set are there,
    `KeyUnreadable` where they do not fit each other."""
    sets: dict[tuple[int, ...], list[Share]] = {}
    for share in shares:
        sets.setdefault(share.set_id, []).append(share)
    distinct = {set_id: _distinct(found) for set_id, found in sets.items()}
    for set_id, found in distinct.items():
        if len(found) < found[0].needed:
            raise _too_few(sets[set_id], found, [one for other, all_of in sets.items() if other != set_id for one in all_of])
    return [_identity(found) for found in distinct.values()]


def _distinct(shares: Sequence[Share]) -> list[Share]:
    """Each number once. Raises `KeyUnreadable` where two of one number differ."""
    found: dict[int, Share] = {}
    for share in shares:
        known = found.setdefault(share.number, share)
        if known.value != share.value:
            message = f"{known.where} and {share.where} are both share {share.number}, and differ"
            raise KeyUnreadable(message, hint="they are of two kits: give the shares of one")
    return list(found.values())


def _too_few(given: Sequence[Share], found: Sequence[Share], others: Sequence[Share]) -> KeyRefused:
    """given: of this set, as they were named · found: without those that were given twice · others: of other sets."""
    needed, there = found[0].needed, ", ".join(f"{one.where} is share {one.number}" for one in given)
    missing = needed - len(found)
    if others:
        message = f"the shares are of different kits: {given[0].where} is of another one than {others[0].where}"
        return KeyRefused(message, hint=f"give {needed} shares of one kit: their first two words are the same")
    twice = "; the same share was given twice" if len(given) > len(found) else ""
    message = f"{needed} shares are needed, and there {'is' if len(found) == 1 else 'are'} {len(found)} ({there}{twice})"
    return KeyRefused(message, hint=f"add {counted(missing, 'other share')} of the same kit")


def _identity(shares: Sequence[Share]) -> HybridIdentity:
    """Of one set, of which there are enough. Each that is there beyond the needed ones must give the same. Raises
    `KeyUnreadable`."""
    needed = shares[0].needed
    first, more = shares[:needed], shares[needed:]
    seed = _seed(first)
    for one in more:
        if _seed([*first[1:], one]) != seed:
            raise _unfitting([*first, one])
    return HybridIdentity(seed)


def _seed(shares: Sequence[Share]) -> bytes:
    from shamir_mnemonic import MnemonicError, recover_ems
    from shamir_mnemonic.shamir import ShareGroup

    group = ShareGroup()
    try:
        for one in shares:
            group.add(one.value)
        seed: bytes = recover_ems({one.value.group_index: group for one in shares}).decrypt(b"")
    except MnemonicError as error:
        raise _unfitting(shares) from error
    return seed


def _unfitting(shares: Sequence[Share]) -> KeyUnreadable:
    named = ", ".join(one.where for one in shares)
    return KeyUnreadable(f"these shares do not fit each other: {named}", hint="one of them is of another kit, or was changed")


def _words_of(text: str) -> list[str]:
    lines = [line for line in text.lstrip("\ufeff").splitlines() if not line.lstrip().startswith("#")]
    return [part.lower() for line in lines for part in line.split() if not _NUMBER.match(part)]


def _full_words(words: Sequence[str], where: str) -> list[str]:
    """Each as the list has it, by its first four letters. Raises `KeyUnreadable` with the places of those that it has not."""
    known = _by_beginning()
    full = [known.get(word[:4], "") for word in words]
    pairs = enumerate(zip(words, full, strict=True), 1)
    wrong = [place for place, (word, whole) in pairs if not whole or not whole.startswith(word)]
    if wrong:
        places = ", ".join(map(str, wrong[:5])) + (" and more" if len(wrong) > 5 else "")
        are = "word {} is not a word" if len(wrong) == 1 else "words {} are not words"
        raise KeyUnreadable(f"{where}: {are.format(places)} of SLIP-39's list", hint=_COPY)
    return full


def _by_beginning() -> dict[str, str]:
    """The words of the list, by their first four letters, which are different in all of them."""
    from shamir_mnemonic.wordlist import WORDLIST

    return {word[:4]: word for word in WORDLIST}


def _wrong_word(words: Sequence[str]) -> int | None:
    """The place, from 1, of the one word that is wrong if all others are right; None where no one word explains it.

    The checksum is linear over bits: what it is off by must be a sum of what the ten bits of that word make it change.
    """
    from shamir_mnemonic.rs1024 import create_checksum
    from shamir_mnemonic.wordlist import WORD_INDEX_MAP

    indices = [WORD_INDEX_MAP[word] for word in words]
    data, name = indices[:-_CHECKSUM_WORDS], _CHECKSUM_NAMES[indices[1] >> 4 & 1]
    right = _joined(create_checksum(data, name))
    off = right ^ _joined(indices[-_CHECKSUM_WORDS:])

    def changes(place: int) -> list[int]:
        if place >= len(data):
            return [1 << _BITS * (len(words) - 1 - place) + bit for bit in range(_BITS)]
        others = ([*data[:place], data[place] ^ 1 << bit, *data[place + 1 :]] for bit in range(_BITS))
        return [_joined(create_checksum(one, name)) ^ right for one in others]

    found = [place for place in range(len(words)) if _is_sum_of(off, changes(place))]
    return found[0] + 1 if len(found) == 1 else None


def _joined(words: Sequence[int]) -> int:
    return words[0] << 2 * _BITS | words[1] << _BITS | words[2]


def _is_sum_of(value: int, parts: Sequence[int]) -> bool:
    """Whether some of the parts, added without carry, give the value."""
    by_length: dict[int, int] = {}
    for part in parts:
        rest = _reduced(part, by_length)
        if rest:
            by_length[rest.bit_length()] = rest
    return not _reduced(value, by_length)


def _reduced(value: int, by_length: Mapping[int, int]) -> int:
    while value and value.bit_length() in by_length:
        value ^= by_length[value.bit_length()]
    return value
