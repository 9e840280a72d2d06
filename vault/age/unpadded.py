"""Base64 as age writes it: the standard alphabet, no padding, one text for one value (RFC 4648, sections 3.5 and 4)."""

from __future__ import annotations

import base64
import binascii


def encode(data: bytes) -> bytes:
    """ASCII text without `=`."""
    return base64.b64encode(data).rstrip(b"=")


def decode(text: bytes) -> bytes | None:
    """The bytes that `text` encodes, or None unless `text` is exactly what `encode` gives for them."""
    try:
        data = base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        return None
    # Encoding again is the whole test of canonical form: it catches padding and stray trailing bits alike.
    return data if encode(data) == text else None
