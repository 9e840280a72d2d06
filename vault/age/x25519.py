"""age's classic recipient, `X25519`: an ephemeral Diffie-Hellman exchange on Curve25519.

A stanza has one argument, the ephemeral share (32 bytes). Strongroom seals to hybrid recipients; this one is here for
people's existing keys, and because every age implementation has it.
Source: C2SP `age`, section "The X25519 recipient type".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from msgspec import Struct

from vault.age import bech32, unpadded
from vault.age.contract import Stanza
from vault.age.derivation import check_body, derive, unwrap_file_key, wrap_file_key
from vault.age.errors import HeaderDamaged, KeyUnreadable
from vault.randomness import Randomness

STANZA_TYPE: Final = "X25519"
RECIPIENT_PREFIX: Final = "age"
IDENTITY_PREFIX: Final = "age-secret-key-"

_INFO = b"age-encryption.org/v1/X25519"
_SIZE = 32


def _wrap_key(secret: bytes, share: bytes, public: bytes) -> bytes:
    return derive(secret, salt=share + public, info=_INFO)


class X25519Recipient(Struct, frozen=True):
    """The public half: 32 bytes. Raises `KeyUnreadable` for another number of them."""

    public: bytes

    def __post_init__(self) -> None:
        if len(self.public) != _SIZE:
            raise KeyUnreadable(f"an X25519 recipient has {_SIZE} bytes, this one {len(self.public)}")

    @classmethod
    def parse(cls, text: str) -> X25519Recipient:
        """From `age1…`. Raises `KeyUnreadable`."""
        prefix, public = bech32.decode(text)
        if prefix != RECIPIENT_PREFIX or not text.islower():
            raise KeyUnreadable("this is not an X25519 recipient: those begin with `age1`")
        return cls(public)

    def encode(self) -> str:
        """`age1…`, 62 letters."""
        return bech32.encode(RECIPIENT_PREFIX, self.public)

    def wrap(self, file_key: bytes, randomness: Randomness) -> Stanza:
        """As `Recipient.wrap`. Raises `KeyUnreadable` where the recipient is a point that no identity has."""
        ephemeral = X25519PrivateKey.from_private_bytes(randomness.token(_SIZE))
        share = ephemeral.public_key().public_bytes_raw()
        try:
            secret = ephemeral.exchange(X25519PublicKey.from_public_bytes(self.public))
        except ValueError as error:
            raise KeyUnreadable("the recipient is a point of low order: anybody could open what is encrypted for it") from error
        body = wrap_file_key(file_key, _wrap_key(secret, share, self.public))
        return Stanza(STANZA_TYPE, (unpadded.encode(share).decode("ascii"),), body)

    def __repr__(self) -> str:
        return f"X25519Recipient({self.encode()})"


class X25519Identity:
    """The private half: a scalar of 32 bytes, and the recipient that belongs to it."""

    __slots__ = ("_key", "recipient")

    def __init__(self, scalar: bytes) -> None:
        if len(scalar) != _SIZE:
            raise KeyUnreadable(f"an X25519 identity has {_SIZE} bytes, this one {len(scalar)}")
        self._key = X25519PrivateKey.from_private_bytes(scalar)
        self.recipient = X25519Recipient(self._key.public_key().public_bytes_raw())

    @classmethod
    def generate(cls, randomness: Randomness) -> X25519Identity:
        """A new one."""
        return cls(randomness.token(_SIZE))

    @classmethod
    def parse(cls, text: str) -> X25519Identity:
        """From `AGE-SECRET-KEY-1…`. Raises `KeyUnreadable`."""
        prefix, scalar = bech32.decode(text)
        if prefix != IDENTITY_PREFIX or not text.isupper():
            raise KeyUnreadable("this is not an X25519 identity: those begin with `AGE-SECRET-KEY-1`, in capitals")
        return cls(scalar)

    def encode(self) -> str:
        """`AGE-SECRET-KEY-1…`: the secret itself, for a key file and nowhere else."""
        return bech32.encode(IDENTITY_PREFIX, self._key.private_bytes_raw()).upper()

    def unwrap(self, stanzas: Sequence[Stanza]) -> bytes | None:
        """As `Identity.unwrap`."""
        for stanza in stanzas:
            if stanza.type == STANZA_TYPE and (file_key := self._open(stanza)) is not None:
                return file_key
        return None

    def _open(self, stanza: Stanza) -> bytes | None:
        if len(stanza.arguments) != 1:
            raise HeaderDamaged(f"an {STANZA_TYPE} stanza has {len(stanza.arguments)} arguments instead of one")
        share = unpadded.decode(stanza.arguments[0].encode("ascii"))
        if share is None or len(share) != _SIZE:
            raise HeaderDamaged(f"an {STANZA_TYPE} stanza has no share of {_SIZE} bytes")
        check_body(stanza.body)
        try:
            secret = self._key.exchange(X25519PublicKey.from_public_bytes(share))
        except ValueError as error:
            raise HeaderDamaged(f"an {STANZA_TYPE} stanza holds a point of low order") from error
        return unwrap_file_key(stanza.body, _wrap_key(secret, share, self.recipient.public))

    def __repr__(self) -> str:
        return f"X25519Identity(of {self.recipient!r})"
