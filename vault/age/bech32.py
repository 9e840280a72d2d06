"""Bech32 (BIP 173), in which age writes its keys, without that standard's limit on length.

A key is `prefix` + "1" + data in 32 letters + a checksum of 6 letters that finds any mistyped four. It is all capitals
or all small letters; the checksum is made over the small ones.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable

from vault.age.errors import KeyUnreadable

ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
CHECKSUM_LETTERS = 6
LONGEST = 4096
"""Letters; the longest key that we read, a hybrid recipient, has 1959."""

_VALUES = {letter: value for value, letter in enumerate(ALPHABET)}
_BASE32 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
"""The letters of RFC 4648, for the same groups of five bits: the standard library has those."""
_FROM_BASE32, _TO_BASE32 = (bytes.maketrans(*pair) for pair in ((_BASE32, ALPHABET.encode()), (ALPHABET.encode(), _BASE32)))
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def _sum_of(top: int) -> int:
    found = 0
    for place, term in enumerate(_GENERATOR):
        if top >> place & 1:
            found ^= term
    return found


_SUMS = tuple(_sum_of(top) for top in range(32))
"""For the five bits that leave the state. A hybrid recipient has two thousand letters, and every command reads several."""


def encode(prefix: str, data: bytes) -> str:
    """`data` under `prefix`, in small letters (`prefix` too must be in them)."""
    letters = base64.b32encode(data).rstrip(b"=").translate(_FROM_BASE32).decode("ascii")
    check = _checksum([*_spread(prefix), *(_VALUES[letter] for letter in letters), *[0] * CHECKSUM_LETTERS]) ^ 1
    tail = (check >> 5 * (CHECKSUM_LETTERS - 1 - place) & 31 for place in range(CHECKSUM_LETTERS))
    return prefix + "1" + letters + "".join(ALPHABET[word] for word in tail)


def decode(text: str) -> tuple[str, bytes]:
    """The prefix in small letters, and the data. Raises `KeyUnreadable`, which never quotes `text`."""
    if len(text) > LONGEST:
        raise KeyUnreadable(f"the key is longer than {LONGEST} characters")
    if not text.isascii() or not text.isprintable() or " " in text:
        raise KeyUnreadable("the key holds a blank or a character that no key has")
    if text not in (text.lower(), text.upper()):
        raise KeyUnreadable("the key mixes capitals and small letters")
    prefix, mark, rest = text.lower().rpartition("1")
    if not mark or not prefix or len(rest) < CHECKSUM_LETTERS:
        raise KeyUnreadable("the key is cut off, or is not a key at all")
    if not _VALUES.keys() >= set(rest):
        raise KeyUnreadable("the key holds a letter that no key has (`b`, `i`, `o` or a sign)")
    words = [_VALUES[letter] for letter in rest]
    if _checksum([*_spread(prefix), *words]) != 1:
        raise KeyUnreadable("the key's checksum does not fit: a character is wrong, missing or too many")
    letters, words = rest[:-CHECKSUM_LETTERS], words[:-CHECKSUM_LETTERS]
    spare = len(words) * 5 % 8
    if spare >= 5 or (spare and words[-1] & (1 << spare) - 1):
        raise KeyUnreadable("the key's last character holds bits that belong to nothing")
    return prefix, base64.b32decode(letters.encode("ascii").translate(_TO_BASE32) + b"=" * (-len(letters) % 8))


def _spread(prefix: str) -> list[int]:
    codes = prefix.encode("ascii")
    return [*(code >> 5 for code in codes), 0, *(code & 31 for code in codes)]


def _checksum(words: Iterable[int]) -> int:
    state, sums = 1, _SUMS
    for word in words:
        top = state >> 25
        state = (state & 0x1FFFFFF) << 5 ^ word ^ sums[top]
    return state
