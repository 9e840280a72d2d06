"""Bech32 (BIP 173), in which age writes its keys, without that standard's limit on length.

A key is `prefix` + "1" + data in 32 letters + a checksum of 6 letters that finds any mistyped four. It is all capitals
or all small letters; the checksum is made over the small ones.
"""

from __future__ import annotations

import base64

from vault.age.errors import KeyUnreadable

ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
CHECKSUM_LETTERS = 6
LONGEST = 4096
"""Letters; the longest key that we read, a hybrid recipient, has 1959."""

_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)

# base32 of RFC 4648 and the digits of `int(…, 32)` say the same words of five bits in other letters; both are made in C
_LETTERS_OF_BASE32 = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", ALPHABET.encode("ascii"))
_DIGITS = bytes.maketrans(ALPHABET.encode("ascii"), b"0123456789abcdefghijklmnopqrstuv")
_WORDS = bytes.maketrans(ALPHABET.encode("ascii"), bytes(range(32)))


def _step(state: int, word: int) -> int:
    """The checksum's state after one more word of five bits."""
    top, state = state >> 25, (state & 0x1FFFFFF) << 5 ^ word
    for place, term in enumerate(_GENERATOR):
        if top >> place & 1:
            state ^= term
    return state


_SUMS = tuple(_step(_step(top << 20, 0), 0) for top in range(1024))
"""For the ten bits that leave the state with two words. A hybrid recipient has two thousand letters, and every command reads
and writes several."""


def encode(prefix: str, data: bytes) -> str:
    """`data` under `prefix`, in small letters (`prefix` too must be in them)."""
    letters = base64.b32encode(data).translate(_LETTERS_OF_BASE32, b"=")
    check = _checksum(prefix, letters.translate(_WORDS) + bytes(CHECKSUM_LETTERS)) ^ 1
    sums = (ALPHABET[check >> 5 * (CHECKSUM_LETTERS - 1 - place) & 31] for place in range(CHECKSUM_LETTERS))
    return f"{prefix}1{letters.decode('ascii')}{''.join(sums)}"


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
    if not set(ALPHABET) >= set(rest):
        raise KeyUnreadable("the key holds a letter that no key has (`b`, `i`, `o` or a sign)")
    letters = rest.encode("ascii")
    if _checksum(prefix, letters.translate(_WORDS)) != 1:
        raise KeyUnreadable("the key's checksum does not fit: a character is wrong, missing or too many")
    letters = letters[:-CHECKSUM_LETTERS]
    size, spare = divmod(len(letters) * 5, 8)
    number = int(b"0" + letters.translate(_DIGITS), 32)
    if spare >= 5 or number & (1 << spare) - 1:
        raise KeyUnreadable("the key's last character holds bits that belong to nothing")
    return prefix, (number >> spare).to_bytes(size, "big")


def _checksum(prefix: str, words: bytes) -> int:
    """words: of five bits, one a byte."""
    codes = prefix.encode("ascii")
    words = bytes([*(code >> 5 for code in codes), 0, *(code & 31 for code in codes)]) + words
    state, sums = 1, _SUMS
    if len(words) % 2:
        state, words = _step(state, words[0]), words[1:]
    for first, second in zip(words[::2], words[1::2], strict=True):
        state = (state & 0xFFFFF) << 10 ^ first << 5 ^ second ^ sums[state >> 20]
    return state
