"""Ed25519 signatures in OpenSSH's format (SSHSIG), so that `ssh-keygen -Y verify` checks what Strongroom has signed.

Source: OpenSSH's PROTOCOL.sshsig, version 1; keys as in RFC 8709. What is signed is not the message but its SHA-512, under a
namespace, so that a signature of one use is none of another.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import textwrap

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from vault.age.contract import Buffer
from vault.errors import Damaged

KEY_SIZE = 32
"""Bytes of a public key."""

KEY_TYPE = "ssh-ed25519"
HASH = "sha512"
LARGEST_SIGNATURE = 4096
"""Bytes of an armored signature; a real one has some 300."""

_MAGIC = b"SSHSIG"
_VERSION = 1
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_WHAT = "the signature"


def sign(key: Ed25519PrivateKey, message: Buffer, namespace: str) -> str:
    """The armored signature of a message, as `ssh-keygen -Y sign -n NAMESPACE` makes it."""
    public = key.public_key().public_bytes_raw()
    signature = key.sign(_signed(hashlib.sha512(message).digest(), namespace))
    body = (
        _MAGIC
        + _VERSION.to_bytes(4, "big")
        + _text(_public_blob(public))
        + _text(namespace.encode())
        + _text(b"")
        + _text(HASH.encode())
        + _text(_text(KEY_TYPE.encode()) + _text(signature))
    )
    return "\n".join([_BEGIN, *textwrap.wrap(base64.b64encode(body).decode(), 70), _END, ""])


def verify(armored: str, message: Buffer, namespace: str) -> bytes:
    """The public key (32 bytes) whose holder has signed this message under this namespace: the caller must know whose it is.
    Raises `Damaged` for everything else."""
    public, signature = _read(armored, namespace)
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, _signed(hashlib.sha512(message).digest(), namespace))
    except (InvalidSignature, ValueError) as error:
        raise Damaged(f"{_WHAT} does not fit what it is said to sign") from error
    return public


def public_line(public: bytes, comment: str = "") -> str:
    """A public key (32 bytes) as in a file `id_ed25519.pub`, or behind the name in a list of allowed signers."""
    return f"{KEY_TYPE} {base64.b64encode(_public_blob(public)).decode()} {comment}".rstrip()


def parse_public_line(text: str) -> bytes:
    """The public key (32 bytes) of such a line. Raises `Damaged`."""
    parts = text.split()
    if len(parts) < 2 or parts[0] != KEY_TYPE:
        raise Damaged(f"this is not a line of an OpenSSH key: those begin with {KEY_TYPE}")
    return _public_of(_decoded(parts[1], "the OpenSSH key"), "the OpenSSH key")


def _read(armored: str, namespace: str) -> tuple[bytes, bytes]:
    """Public key and signature."""
    lines = armored.strip().splitlines()
    if len(armored) > LARGEST_SIGNATURE or len(lines) < 3 or lines[0] != _BEGIN or lines[-1] != _END:
        raise Damaged(f"{_WHAT} is not in OpenSSH's format")
    body = _decoded("".join(lines[1:-1]), _WHAT)
    if body[: len(_MAGIC)] != _MAGIC or body[len(_MAGIC) :][:4] != _VERSION.to_bytes(4, "big"):
        raise Damaged(f"{_WHAT} is not one of OpenSSH's, version {_VERSION}")
    rest = body[len(_MAGIC) + 4 :]
    fields = []
    for _ in range(5):
        one, rest = _take(rest, _WHAT)
        fields.append(one)
    key, found_namespace, reserved, algorithm, signature = fields
    if rest or reserved or algorithm != HASH.encode():
        raise Damaged(f"{_WHAT} is of a form that Strongroom does not write")
    if found_namespace != namespace.encode():
        raise Damaged(f"{_WHAT} is of another use: {found_namespace[:40]!r} instead of {namespace!r}")
    kind, rest = _take(signature, _WHAT)
    raw, rest = _take(rest, _WHAT)
    if kind != KEY_TYPE.encode() or rest:
        raise Damaged(f"{_WHAT} is not of an Ed25519 key")
    return _public_of(key, _WHAT), raw


def _signed(digest: bytes, namespace: str) -> bytes:
    return _MAGIC + _text(namespace.encode()) + _text(b"") + _text(HASH.encode()) + _text(digest)


def _public_blob(public: bytes) -> bytes:
    return _text(KEY_TYPE.encode()) + _text(public)


def _public_of(blob: bytes, what: str) -> bytes:
    kind, rest = _take(blob, what)
    public, rest = _take(rest, what)
    if kind != KEY_TYPE.encode() or len(public) != KEY_SIZE or rest:
        raise Damaged(f"{what} is not of an Ed25519 key")
    return public


def _text(value: bytes) -> bytes:
    """A string of the SSH protocol (RFC 4251): its length in four bytes, and its bytes."""
    return len(value).to_bytes(4, "big") + value


def _take(data: bytes, what: str) -> tuple[bytes, bytes]:
    """The first string of the SSH protocol, and what comes behind it."""
    length = int.from_bytes(data[:4], "big")
    if len(data) < 4 or len(data) - 4 < length:
        raise Damaged(f"{what} is cut off")
    return data[4 : 4 + length], data[4 + length :]


def _decoded(text: str, what: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Damaged(f"{what} is not valid Base64") from error
