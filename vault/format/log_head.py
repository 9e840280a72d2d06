"""The head of a principal's chain in the log: how many entries it has, and the SHA-256 of the newest one.

Whoever knows a head notices that a chain was cut short, or written anew, since.
"""

from __future__ import annotations

import re
from typing import Any, Self

from msgspec import Struct

from vault.errors import Damaged, UsageError
from vault.format import layout, strict_json

_TEXT = re.compile(r"([0-9a-f]{32})/([1-9][0-9]{0,11})/([0-9a-f]{64})\Z")


class LogHead(Struct, frozen=True, order=True):
    """principal: its id in the repository · sequence: the entry's number, from 1 · sha256: of its stored bytes, in hex."""

    principal: str
    sequence: int
    sha256: str

    def as_json(self) -> dict[str, Any]:
        """As a snapshot's record holds it."""
        return {name: getattr(self, name) for name in self.__struct_fields__}

    @classmethod
    def from_json(cls, value: dict[str, Any], what: str) -> Self:
        """Read back. Raises `Damaged`."""
        found = cls(
            principal=strict_json.field(value, "principal", str, what),
            sequence=strict_json.count(value, "sequence", what),
            sha256=strict_json.hexadecimal(value, "sha256", 32, what).hex(),
        )
        if not layout.is_id(found.principal) or not 1 <= found.sequence <= layout.LAST_SEQUENCE:
            raise Damaged(f"{what} names no entry of a log")
        return found

    def as_text(self) -> str:
        """In a line, for people to keep: `PRINCIPAL/12/SHA-256`."""
        return f"{self.principal}/{self.sequence}/{self.sha256}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """As `as_text` wrote it. Raises `UsageError`."""
        found = _TEXT.match(text.strip())
        if found is None:
            raise UsageError(
                f"invalid head {text!r}", hint="it has the form PRINCIPAL/NUMBER/SHA-256, as a notification has it"
            )
        return cls(found[1], int(found[2]), found[3])
