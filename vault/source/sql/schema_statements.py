"""A schema as statements that can be run again, each with a line before it that says what it makes.

    -- strongroom {"kind":"table","of":"calls","bytes":123}
    CREATE TABLE …

The line has the statement's length in bytes, so that a reader need not understand SQL to take one out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from vault.errors import Damaged

_HEAD = b"-- strongroom "


class Statement(NamedTuple):
    """One statement, without the semicolon. kind: what it makes · of: the name of the table that it belongs to; of a schema and
    of a type its own."""

    kind: str
    of: str
    text: str


class _Head(msgspec.Struct, frozen=True):
    kind: str
    of: str
    bytes: int


def statements_text(statements: Iterable[Statement], hint: bytes) -> bytes:
    """The file. hint: its first line, for people."""
    lines = [b"-- %s\n" % hint]
    for one in statements:
        text = f"{one.text};\n".encode()
        head = json.dumps({"kind": one.kind, "of": one.of, "bytes": len(text)}, ensure_ascii=True, separators=(",", ":"))
        lines += [_HEAD, head.encode(), b"\n", text]
    return b"".join(lines)


def statements_of(data: bytes) -> list[Statement]:
    """The statements of a text that `statements_text` has made. Raises `Damaged` for another one."""
    found, rest = [], data.partition(b"\n")[2]
    while rest:
        line, _, rest = rest.partition(b"\n")
        try:
            head = msgspec.json.decode(line.removeprefix(_HEAD), type=_Head)
            text = rest[: head.bytes].decode()
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Damaged(f"the schema in the snapshot cannot be read: {error}") from error
        if not line.startswith(_HEAD) or not 0 < head.bytes <= len(rest) or not text.endswith(";\n"):
            raise Damaged("the schema in the snapshot is not one of statements")
        found.append(Statement(head.kind, head.of, text.removesuffix(";\n")))
        rest = rest[head.bytes :]
    return found
