"""The key derivation and the wrapping of a file key that several parts of the format share."""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from vault.age.contract import FILE_KEY_SIZE
from vault.age.errors import HeaderDamaged

TAG_SIZE = 16
"""Bytes that ChaCha20-Poly1305 adds to what it encrypts."""

WRAPPED_SIZE = FILE_KEY_SIZE + TAG_SIZE

_ZERO_NONCE = bytes(12)


def derive(secret: bytes, *, salt: bytes, info: bytes) -> bytes:
    """32 bytes of HKDF-SHA-256 (RFC 5869)."""
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(secret)


def wrap_file_key(file_key: bytes, wrap_key: bytes) -> bytes:
    """A stanza's body. `wrap_key` (32 bytes) must be fresh: the nonce is all zeros, as the format wants it."""
    return ChaCha20Poly1305(wrap_key).encrypt(_ZERO_NONCE, file_key, None)


def unwrap_file_key(body: bytes, wrap_key: bytes) -> bytes | None:
    """The file key, or None where `wrap_key` is not the one. `body` has passed `check_body`."""
    try:
        return ChaCha20Poly1305(wrap_key).decrypt(_ZERO_NONCE, body, None)
    except InvalidTag:
        return None


def check_body(body: bytes) -> None:
    """Refuse a body that cannot hold a file key, *before* it is decrypted: a longer one could be made to open under
    many keys, and so tell its author which one we tried (a partitioning oracle)."""
    if len(body) != WRAPPED_SIZE:
        raise HeaderDamaged(f"a stanza wraps {len(body)} bytes where a file key takes {WRAPPED_SIZE}")
