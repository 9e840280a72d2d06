"""ASCII armor: an age file as text, for mail and paper.

Strict PEM (RFC 7468, figure 3): 64 columns, canonical padded base64, nothing inside but that. Blank space around the
whole and CRLF line ends are taken, because mail programs make them.
"""

from __future__ import annotations

import base64
import binascii

from vault.age.contract import Buffer
from vault.age.errors import ArmorDamaged

_BEGIN = b"-----BEGIN AGE ENCRYPTED FILE-----"
_END = b"-----END AGE ENCRYPTED FILE-----"
_COLUMNS = 64
_FURTHEST_BEGIN = 1024
"""Bytes of blank space before the armor that `is_armored` looks past."""


def is_armored(data: Buffer) -> bool:
    """Whether a file is to be read with `decode` rather than as it is; looks at its beginning only."""
    return bytes(memoryview(data)[: _FURTHEST_BEGIN + len(_BEGIN)]).lstrip().startswith(_BEGIN)


def encode(data: Buffer) -> bytes:
    """Armored text with LF line ends, the last one included."""
    text = base64.b64encode(data)
    rows = [text[at : at + _COLUMNS] for at in range(0, len(text), _COLUMNS)]
    return b"\n".join([_BEGIN, *rows, _END, b""])


def decode(text: Buffer) -> bytes:
    """The binary age file. Raises `ArmorDamaged` for all but the one form that `encode` writes, line ends and blank
    space around it aside."""
    stripped = bytes(text).strip()
    first, *rows = stripped.split(b"\r\n" if b"\r\n" in stripped else b"\n")
    if first != _BEGIN:
        raise ArmorDamaged("the armor has no BEGIN line, or there is something before it")
    if not rows or rows.pop() != _END:
        raise ArmorDamaged("the armor has no END line, or there is something after it")
    if not all(len(row) == _COLUMNS for row in rows[:-1]) or not all(0 < len(row) <= _COLUMNS for row in rows[-1:]):
        raise ArmorDamaged(f"a line of the armor is not of {_COLUMNS} characters")
    joined = b"".join(rows)
    try:
        data = base64.b64decode(joined, validate=True)
    except binascii.Error as error:
        raise ArmorDamaged("the armor is not base64") from error
    if base64.b64encode(data) != joined:
        raise ArmorDamaged("the armor is not base64 in its one strict form")
    return data
