"""age's post-quantum hybrid recipient, `mlkem768x25519`: HPKE over ML-KEM-768 and X25519 together.

Whoever wants the file key must break both. A stanza has one argument, the encapsulated key (1120 bytes), and wraps
the file key in HPKE's base mode with HKDF-SHA-256 and ChaCha20-Poly1305. An identity is a seed of 32 bytes; SHAKE256
makes the two private keys of it.
Source: C2SP `age`, section "The MLKEM768-X25519 (i.e. X-Wing) hybrid post-quantum recipient type".
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, MLKEM768X25519PublicKey, Suite
from msgspec import Struct

from vault.age import bech32, unpadded
from vault.age.contract import Stanza
from vault.age.derivation import check_body
from vault.age.errors import HeaderDamaged, KeyUnreadable
from vault.randomness import Randomness

STANZA_TYPE: Final = "mlkem768x25519"
RECIPIENT_PREFIX: Final = "age1pq"
IDENTITY_PREFIX: Final = "age-secret-key-pq-"

_INFO = b"age-encryption.org/mlkem768x25519"
_SEED_SIZE = 32
_MLKEM_SEED_SIZE = 64
_MLKEM_PUBLIC_SIZE = 1184
_X25519_SIZE = 32
_PUBLIC_SIZE = _MLKEM_PUBLIC_SIZE + _X25519_SIZE
_ENCAPSULATED_SIZE = 1088 + _X25519_SIZE


def _suite() -> Suite:
    return Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)


class HybridRecipient(Struct, frozen=True):
    """The public half, 1216 bytes: ML-KEM-768's 1184, X25519's 32. Raises `KeyUnreadable` for bytes that are no key."""

    public: bytes

    def __post_init__(self) -> None:
        self._key()

    @classmethod
    def parse(cls, text: str) -> HybridRecipient:
        """From `age1pq1…`. Raises `KeyUnreadable`."""
        return cls(_public_of(text))

    def encode(self) -> str:
        """`age1pq1…`, 1959 letters."""
        return _text_of(self.public)

    def wrap(self, file_key: bytes, randomness: Randomness) -> Stanza:
        """As `Recipient.wrap`. The encapsulation takes the operating system's randomness instead of `randomness`: the HPKE
        library has no other door. Raises `KeyUnreadable` where the recipient's X25519 half is a point of low order."""
        try:
            sealed = _suite().encrypt(file_key, self._key(), info=_INFO)
        except ValueError as error:
            raise KeyUnreadable("the recipient's X25519 half is a point of low order") from error
        encapsulated, body = sealed[:_ENCAPSULATED_SIZE], sealed[_ENCAPSULATED_SIZE:]
        return Stanza(STANZA_TYPE, (unpadded.encode(encapsulated).decode("ascii"),), body)

    def _key(self) -> MLKEM768X25519PublicKey:
        if len(self.public) != _PUBLIC_SIZE:
            raise KeyUnreadable(f"a hybrid recipient has {_PUBLIC_SIZE} bytes, this one {len(self.public)}")
        lattice, curve = self.public[:_MLKEM_PUBLIC_SIZE], self.public[_MLKEM_PUBLIC_SIZE:]
        try:
            lattice_key = MLKEM768PublicKey.from_public_bytes(lattice)
        except ValueError as error:
            raise KeyUnreadable("the recipient's ML-KEM half is not a key") from error
        return MLKEM768X25519PublicKey(lattice_key, X25519PublicKey.from_public_bytes(curve))

    def __repr__(self) -> str:
        return f"HybridRecipient({self.encode()[:16]}…)"


@lru_cache(maxsize=256)  # a command writes the same few recipients a hundred times: names and fingerprints are made of them
def _text_of(public: bytes) -> str:
    return bech32.encode(RECIPIENT_PREFIX, public)


@lru_cache(maxsize=256)
def _public_of(text: str) -> bytes:
    prefix, public = bech32.decode(text)
    if prefix != RECIPIENT_PREFIX or not text.islower():
        raise KeyUnreadable("this is not a hybrid recipient: those begin with `age1pq1`")
    return public


class HybridIdentity:
    """The private half: a seed of 32 bytes, and the recipient that belongs to it."""

    __slots__ = ("_curve", "_key", "_seed", "recipient")

    def __init__(self, seed: bytes) -> None:
        if len(seed) != _SEED_SIZE:
            raise KeyUnreadable(f"a hybrid identity has {_SEED_SIZE} bytes, this one {len(seed)}")
        expanded = hashlib.shake_256(seed).digest(_MLKEM_SEED_SIZE + _X25519_SIZE)
        lattice = MLKEM768PrivateKey.from_seed_bytes(expanded[:_MLKEM_SEED_SIZE])
        self._seed = seed
        self._curve = X25519PrivateKey.from_private_bytes(expanded[_MLKEM_SEED_SIZE:])
        self._key = MLKEM768X25519PrivateKey(lattice, self._curve)
        public = lattice.public_key().public_bytes_raw() + self._curve.public_key().public_bytes_raw()
        self.recipient = HybridRecipient(public)

    @classmethod
    def generate(cls, randomness: Randomness) -> HybridIdentity:
        """A new one."""
        return cls(randomness.token(_SEED_SIZE))

    @classmethod
    def parse(cls, text: str) -> HybridIdentity:
        """From `AGE-SECRET-KEY-PQ-1…`. Raises `KeyUnreadable`."""
        prefix, seed = bech32.decode(text)
        if prefix != IDENTITY_PREFIX or not text.isupper():
            raise KeyUnreadable("this is not a hybrid identity: those begin with `AGE-SECRET-KEY-PQ-1`, in capitals")
        return cls(seed)

    @property
    def seed(self) -> bytes:
        """The 32 bytes of which both private keys are made: the secret itself."""
        return self._seed

    def encode(self) -> str:
        """`AGE-SECRET-KEY-PQ-1…`: the secret itself, for a key file and nowhere else."""
        return bech32.encode(IDENTITY_PREFIX, self._seed).upper()

    def unwrap(self, stanzas: Sequence[Stanza]) -> bytes | None:
        """As `Identity.unwrap`."""
        for stanza in stanzas:
            if stanza.type == STANZA_TYPE and (file_key := self._open(stanza)) is not None:
                return file_key
        return None

    def _open(self, stanza: Stanza) -> bytes | None:
        if len(stanza.arguments) != 1:
            raise HeaderDamaged(f"a {STANZA_TYPE} stanza has {len(stanza.arguments)} arguments instead of one")
        encapsulated = unpadded.decode(stanza.arguments[0].encode("ascii"))
        if encapsulated is None or len(encapsulated) != _ENCAPSULATED_SIZE:
            raise HeaderDamaged(f"a {STANZA_TYPE} stanza has no encapsulated key of {_ENCAPSULATED_SIZE} bytes")
        check_body(stanza.body)
        try:
            return _suite().decrypt(encapsulated + stanza.body, self._key, info=_INFO)
        except InvalidTag:
            # HPKE's library tells a low-order point and a stranger's stanza apart in no way; the format does.
            self._refuse_low_order(encapsulated[-_X25519_SIZE:])
            return None

    def _refuse_low_order(self, share: bytes) -> None:
        try:
            self._curve.exchange(X25519PublicKey.from_public_bytes(share))
        except ValueError as error:
            raise HeaderDamaged(f"a {STANZA_TYPE} stanza holds a point of low order") from error

    def __repr__(self) -> str:
        return f"HybridIdentity(of {self.recipient!r})"
