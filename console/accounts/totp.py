"""One-time passwords that change every half minute (RFC 6238: SHA-1, six figures, as all apps have them)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from urllib.parse import quote

STEP = 30
SIZE = 20
"""Bytes of a secret."""
AROUND = 1
"""So many steps before and after count, too: telephones' clocks are not ours."""


def code(secret: bytes, step: int) -> str:
    """The six figures of a step."""
    digest = hmac.digest(secret, step.to_bytes(8, "big"), hashlib.sha1)
    offset = digest[-1] & 15
    return f"{(int.from_bytes(digest[offset : offset + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06}"


def matching_step(secret: bytes, typed: str, seconds: float, after: int) -> int | None:
    """The step whose code was typed; None where there is none. seconds: now, since 1970 · after: the last step that was used:
    a code counts once."""
    now = int(seconds) // STEP
    plain = "".join(typed.split())
    found = None
    for step in range(now - AROUND, now + AROUND + 1):
        if step > after and hmac.compare_digest(code(secret, step).encode(), plain.encode()):
            found = step
    return found


def address(secret: bytes, name: str, host: str) -> str:
    """What apps read from a QR code."""
    label = quote(f"Strongroom {host}:{name}", safe="")
    return f"otpauth://totp/{label}?secret={text(secret)}&issuer={quote(f'Strongroom {host}', safe='')}"


def text(secret: bytes) -> str:
    """To type where no QR code can be read."""
    return base64.b32encode(secret).decode()
