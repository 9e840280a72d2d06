"""Statements that people sign: JSON objects with a `signature` (OpenSSH's format) over the canonical form of all the rest.

Canonical is: compact, names sorted, UTF-8; what `jq -cjS 'del(.signature)'` prints. So `ssh-keygen -Y verify` checks one.
"""

from __future__ import annotations

import json
from typing import Any

from vault.age import HybridIdentity
from vault.errors import Damaged, Unstorable
from vault.format import principal, ssh_signature

FIELD = "signature"


def canonical(value: dict[str, Any]) -> bytes:
    """What is signed: the object without its signature. Raises `ValueError` for what is not JSON."""
    rest = {name: one for name, one in value.items() if name != FIELD}
    return json.dumps(rest, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def sign(identity: HybridIdentity, value: dict[str, Any], namespace: str) -> str:
    """The signature of an identity's holder under a statement. Raises `Unstorable` where it holds what JSON cannot."""
    try:
        return principal.sign(identity, canonical(value), namespace)
    except ValueError as error:
        raise Unstorable(f"a statement cannot be signed: {error}") from error


def verify(value: dict[str, Any], signature: str, signing_key: bytes, namespace: str, what: str) -> None:
    """Raises `Damaged` where the holder of a key (32 bytes) has not signed exactly this."""
    try:
        signer = ssh_signature.verify(signature, canonical(value), namespace)
    except (Damaged, ValueError) as error:
        raise Damaged(f"{what}: {error}") from error
    if signer != signing_key:
        raise Damaged(f"{what} is signed by another key than it says")
