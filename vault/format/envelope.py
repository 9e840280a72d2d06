"""Records, claims and marks: one line of JSON, and a second line with a keyed tag over it.

Sealing to a public key says nothing about who wrote. The tag does: BLAKE3, keyed from the project's chunk-id key, over the
object's name, the project's id and the first line's bytes. A forged record, one of another project, and one under another's
name are all refused, and no canonical form of JSON is needed.
"""

from __future__ import annotations

import hmac
from typing import Any

from blake3 import blake3

from vault.errors import Damaged, Unstorable
from vault.format import strict_json

LARGEST = 4 * 1024 * 1024
"""Bytes of a record; what grows with the repository lies in meta chunks, not here."""


def encode(value: dict[str, Any], key: bytes, name: str, project: str) -> bytes:
    """Two lines. key: the capability's tag key · name: under which it will be stored. Raises `Unstorable` where no reader would
    take it."""
    try:
        body = strict_json.dump(value)
    except ValueError as error:  # text that is no Unicode, a number that is none
        raise Unstorable(f"a record cannot be written: {error}") from error
    data = body + b"\n" + strict_json.dump({"tag": tag(body, key, name, project).hex()}) + b"\n"
    if len(data) > LARGEST:
        raise Unstorable(
            f"a record would be {len(data)} bytes long, and more than {LARGEST} are never read; it was not written"
        )
    return data


def decode(data: bytes | bytearray, key: bytes, name: str, project: str, what: str) -> dict[str, Any]:
    """The value, once its tag is found to be right. Raises `Damaged`."""
    if len(data) > LARGEST:
        raise Damaged(f"{what} is {len(data)} bytes long; more than {LARGEST} is never written")
    lines = bytes(data).split(b"\n")
    if len(lines) != 3 or lines[2]:
        raise Damaged(f"{what} is not a line of JSON and a tag")
    stated = strict_json.hexadecimal(strict_json.load(lines[1], what, largest=LARGEST), "tag", 32, what)
    if not hmac.compare_digest(stated, tag(lines[0], key, name, project)):
        raise Damaged(f"{what} was not written with this project's keys, or was swapped for another")
    return strict_json.load(lines[0], what, largest=LARGEST)


def untagged(data: bytes | bytearray, what: str) -> dict[str, Any]:
    """The value of a record for somebody who cannot check its tag, as it bears a signature. Raises `Damaged`."""
    if len(data) > LARGEST:
        raise Damaged(f"{what} is {len(data)} bytes long; more than {LARGEST} is never written")
    return strict_json.load(bytes(data).split(b"\n")[0], what, largest=LARGEST)


def tag(body: bytes | bytearray | memoryview, key: bytes, name: str, project: str) -> bytes:
    """32 bytes: BLAKE3(key, name NUL project NUL body)."""
    return blake3(b"\0".join([name.encode(), project.encode(), b""]), key=key).update(body).digest()
