"""A principal: a person or a host that keys are granted to. Its age recipient opens what is granted, its Ed25519 key signs.

The signing key is derived from the identity, so that whoever has an identity file, a recovery kit or a passphrase has both, and
identities that were made before there was signing have one, too. Others learn the public half from what is printed with it.
"""

from __future__ import annotations

import base64
import hashlib

from blake3 import blake3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct

from vault.age import HybridIdentity, HybridRecipient
from vault.age.contract import Buffer
from vault.age.errors import KeyUnreadable
from vault.errors import Damaged
from vault.format import ssh_signature

SIGNING_CONTEXT = "strongroom 2026-11-30 signing key"
"""For BLAKE3's `derive_key`; the key material is the identity as text, `AGE-SECRET-KEY-PQ-1…`."""

FINGERPRINT_GROUPS = 4
"""Groups of four letters: 80 bits, which nobody finds a second key to while two people are on the telephone."""


class Principal(Struct, frozen=True):
    """The public half. recipient: what is sealed to it · signing_key: 32 bytes, verifies what it signs; None where only its
    recipient is known."""

    recipient: HybridRecipient
    signing_key: bytes | None = None

    @classmethod
    def of(cls, identity: HybridIdentity) -> Principal:
        """That of an identity."""
        return cls(identity.recipient, signing_key(identity).public_key().public_bytes_raw())

    @classmethod
    def parse(cls, text: str) -> Principal:
        """From `age1pq1…` and a line `ssh-ed25519 …`, in either order, on one line or two; the second may be missing. Lines
        that begin with `#` are passed over. Raises `KeyUnreadable`."""
        recipient, signing = None, None
        lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
        parts = " ".join(lines).split()
        for number, part in enumerate(parts):
            if part.startswith("age1") and recipient is None:
                recipient = HybridRecipient.parse(part)
            elif part == ssh_signature.KEY_TYPE and signing is None:
                signing = _parsed_key(" ".join(parts[number : number + 2]))
            elif part.upper().startswith("AGE-SECRET-KEY-"):
                raise KeyUnreadable(
                    "this is an identity (secret) where a recipient (public) is wanted",
                    hint="give the lines that were printed with it; if the secret was shown to others, make a new one",
                )
        if recipient is None:
            raise KeyUnreadable("this is not a recipient: those begin with `age1pq1`")
        return cls(recipient, signing)

    @property
    def fingerprint(self) -> str:
        """Short, to be compared by telephone: `K3QZ-77PA-…`. Of both keys, as far as they are known."""
        digest = hashlib.sha256(b"strongroom principal\0" + self.recipient.public + (self.signing_key or b"")).digest()
        letters = base64.b32encode(digest).decode()
        return "-".join(letters[start : start + 4] for start in range(0, 4 * FINGERPRINT_GROUPS, 4))

    def id(self, scope: str) -> str:
        """Its id within a project or a repository: 32 hex digits that only those who know the recipient can link to it."""
        return blake3(f"{self.recipient.encode()} {scope}".encode()).hexdigest(length=16)

    def as_text(self, comment: str = "") -> str:
        """The two lines that are given to whoever grants."""
        lines = [self.recipient.encode()]
        if self.signing_key is not None:
            lines.append(ssh_signature.public_line(self.signing_key, comment))
        return "\n".join(lines) + "\n"

    def as_line(self) -> str:
        """Both keys on one line, as settings name a recovery kit."""
        return " ".join(self.as_text().split())


def signing_key(identity: HybridIdentity) -> Ed25519PrivateKey:
    """The key with which the holder of an identity signs."""
    seed = blake3(identity.encode().encode(), derive_key_context=SIGNING_CONTEXT).digest()
    return Ed25519PrivateKey.from_private_bytes(seed)


def sign(identity: HybridIdentity, message: Buffer, namespace: str) -> str:
    """As `ssh_signature.sign`, with the key of an identity."""
    return ssh_signature.sign(signing_key(identity), message, namespace)


def _parsed_key(line: str) -> bytes:
    try:
        return ssh_signature.parse_public_line(line)
    except Damaged as error:
        raise KeyUnreadable(str(error)) from error
