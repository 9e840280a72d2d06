"""Numbers in sentences."""

from __future__ import annotations

import shlex


def counted(number: int, one: str, many: str | None = None) -> str:
    """1 item, 2 items; thousands apart. many: where it is not `one` with an s."""
    return f"{number:,} {one if number == 1 else many or one + 's'}".replace(",", " ")


def quoted(name: str) -> str:
    """A name as a command in a hint has it: in quotes where a shell would take it apart."""
    return shlex.quote(name)
