"""The values and roles that every part of an age file agrees on.

A file key encrypts one file and nothing else. A *recipient* wraps it into a stanza of the header; the *identity* that
belongs to the recipient takes it out again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from vault.randomness import Randomness

Buffer = bytes | bytearray | memoryview
"""Contiguous single bytes."""

FILE_KEY_SIZE = 16
"""Bytes of a file key, fixed by the format."""


class Stanza(Struct, frozen=True):
    """One recipient's share of a header.

    type: the first argument · arguments: those after it; all of them visible ASCII, none empty · body: raw bytes.
    """

    type: str
    arguments: tuple[str, ...]
    body: bytes


class Recipient(Protocol):
    """Somebody to seal to."""

    def wrap(self, file_key: bytes, randomness: Randomness) -> Stanza:
        """A stanza from which only this recipient's identity gets `file_key` (16 bytes) back."""
        ...


class Identity(Protocol):
    """Somebody who can open what was sealed to them."""

    def unwrap(self, stanzas: Sequence[Stanza]) -> bytes | None:
        """The file key (16 bytes), or None where no stanza of the header is for this identity.

        Raises `HeaderDamaged` for a malformed stanza of this identity's own type; those of other types are passed over.
        """
        ...
