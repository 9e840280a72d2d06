"""The time stamp of an entry of the log (RFC 3161), as it lies (sealed) beside the chain: one line of JSON.

What is stamped is the SHA-256 of the entry's stored bytes, so that `openssl ts -verify -data ENTRY -in RESPONSE` verifies it.
"""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Any

from msgspec import Struct

from vault.errors import Damaged, Unstorable
from vault.format import strict_json
from vault.format.log_head import LogHead

LARGEST_RESPONSE = 64 * 1024
"""Bytes of an authority's answer, which holds its certificates."""

LARGEST = 128 * 1024
"""Bytes of a stamp before it is sealed."""


class LogStamp(Struct, frozen=True):
    """id: the last part of its name · head: the entry that is stamped · at: when it was asked for, by this machine's clock ·
    authority: the URL that was asked · response: a TimeStampResp in DER."""

    id: str
    repository: str
    head: LogHead
    at: datetime
    authority: str
    response: bytes

    def encode(self) -> bytes:
        """As stored, before it is sealed. Raises `Unstorable`."""
        value: dict[str, Any] = {
            "record": "stamp",
            "id": self.id,
            "repository": self.repository,
            "head": self.head.as_json(),
            "at": strict_json.write_moment(self.at),
            "authority": self.authority,
            "response": base64.b64encode(self.response).decode(),
        }
        try:
            data = strict_json.dump(value) + b"\n"
        except ValueError as error:
            raise Unstorable(f"a time stamp cannot be written: {error}") from error
        if len(data) > LARGEST or len(self.response) > LARGEST_RESPONSE:
            raise Unstorable(f"a time stamp would have {len(data)} bytes; more than {LARGEST} are never read")
        return data

    @classmethod
    def decode(cls, data: bytes | bytearray, principal: str, stamp: str, repository: str) -> LogStamp:
        """Read back what was found under a name. What the authority has signed is not looked at. Raises `Damaged`."""
        what = f"the time stamp {stamp} of the log of {principal}"
        value = strict_json.load(data, what, largest=LARGEST)
        if strict_json.field(value, "record", str, what) != "stamp":
            raise Damaged(f"{what} is another kind of record")
        try:
            response = base64.b64decode(strict_json.field(value, "response", str, what), validate=True)
        except (binascii.Error, ValueError) as error:
            raise Damaged(f"{what} is not valid Base64") from error
        found = cls(
            id=strict_json.field(value, "id", str, what),
            repository=strict_json.field(value, "repository", str, what),
            head=LogHead.from_json(strict_json.field(value, "head", dict, what), what),
            at=strict_json.moment(value, "at", what),
            authority=strict_json.field(value, "authority", str, what),
            response=response,
        )
        if len(response) > LARGEST_RESPONSE:
            raise Damaged(f"{what} is too large")
        if found.repository != repository or found.head.principal != principal or found.id != stamp:
            raise Damaged(f"{what} belongs to another repository or chain, or was swapped for another")
        return found
