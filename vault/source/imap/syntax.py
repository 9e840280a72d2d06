"""Values of the protocol: read from lines with literals, written into commands.

A line comes as its pieces: text, literal, text, literal, text. What is read is nested lists of byte strings, with None for NIL.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

Value: TypeAlias = "bytes | list[Value] | None"

DEEPEST = 32
"""Lists in lists."""

_LITERAL_AHEAD = re.compile(rb"\{(\d{1,20})\+?\}\Z")
_PLAIN = re.compile(rb'[^\s(){%*"\\\]\x00-\x1f\x7f-\xff]+\Z')
_QUOTABLE = re.compile(rb"[\x20-\x7e]*\Z")
_CODE = re.compile(rb"\[([A-Za-z0-9-]+)(?: ([^\]]*))?\]")


class BadSyntax(ValueError):
    """A line that is none of the protocol's."""


class Status(NamedTuple):
    """What OK, NO, BAD, BYE or PREAUTH says. code: in capitals, empty where there is none · argument: of the code · text: for
    people."""

    word: str
    code: str
    argument: bytes
    text: str


def literal_ahead(text: bytes) -> int | None:
    """How many bytes a literal has that follows this text; None where none does."""
    found = _LITERAL_AHEAD.search(text) if text.endswith(b"}") else None
    return int(found[1]) if found else None


def status(line: bytes) -> Status | None:
    """A status response without its tag; None where it is something else."""
    word, _, rest = line.partition(b" ")
    name = word.upper()
    if name not in (b"OK", b"NO", b"BAD", b"BYE", b"PREAUTH"):
        return None
    found = _CODE.match(rest)
    code, argument = (found[1].upper().decode("ascii"), found[2] or b"") if found else ("", b"")
    return Status(name.decode("ascii"), code, argument, rest[found.end() if found else 0 :].strip().decode("utf-8", "replace"))


def values(pieces: Sequence[bytes]) -> list[Value]:
    """All values of a line. Raises `BadSyntax`."""
    return _Values(pieces).all()


def numbers(text: bytes, most: int) -> list[int]:
    """The numbers of a sequence set, such as `1:4,9`, in order. most: that may be meant. Raises `BadSyntax`."""
    found: list[int] = []
    for part in text.split(b",") if text else ():
        first, colon, last = part.partition(b":")
        begin = number(first)
        end = number(last) if colon else begin
        begin, end = min(begin, end), max(begin, end)
        if end - begin >= most - len(found):
            raise BadSyntax("a set of more numbers than there can be")
        found.extend(range(begin, end + 1))
    return found


def number(value: Value) -> int:
    """A whole number of at most 63 bits. Raises `BadSyntax`."""
    if not isinstance(value, bytes) or not value.isdigit() or len(value) > 19 or int(value) >> 63:
        raise BadSyntax("something else where a number should be")
    return int(value)


def text(value: Value) -> bytes:
    """A string. Raises `BadSyntax` for a list; NIL is the empty one."""
    if isinstance(value, list):
        raise BadSyntax("a list where a string should be")
    return value or b""


def strings(value: Value) -> list[bytes]:
    """A list of strings. Raises `BadSyntax`."""
    if not isinstance(value, list):
        raise BadSyntax("something else where a list should be")
    return [text(one) for one in value]


def written(value: bytes) -> list[bytes]:
    """A string as a command has it: text, or text and a literal (then two pieces, the first of which announces it)."""
    if _PLAIN.match(value) and value.upper() != b"NIL":
        return [value]
    if _QUOTABLE.match(value):
        return [b'"' + value.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"']
    return [b"{%d}" % len(value), value]


def number_set(found: Iterable[int]) -> bytes:
    """Numbers as a sequence set; neighbours are joined. found: in ascending order."""
    spans: list[list[int]] = []
    for one in found:
        if spans and spans[-1][1] == one - 1:
            spans[-1][1] = one
        else:
            spans.append([one, one])
    return b",".join(b"%d" % first if first == last else b"%d:%d" % (first, last) for first, last in spans)


class _Values:
    """Reads one line."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = pieces
        self._piece = 0
        self._at = 0

    def all(self) -> list[Value]:
        found: list[Value] = []
        while self._skip():
            found.append(self._value(0))
        return found

    @property
    def _text(self) -> bytes:
        return self._pieces[self._piece]

    def _skip(self) -> bool:
        """Over spaces; whether anything follows."""
        here = self._text
        while self._at < len(here) and here[self._at] == 0x20:
            self._at += 1
        return self._at < len(here)

    def _value(self, depth: int) -> Value:
        here, at = self._text, self._at
        sign = here[at : at + 1]
        if sign == b"(":
            return self._list(depth)
        if sign == b'"':
            return self._quoted()
        if sign == b"{" or here.startswith(b"~{", at):
            return self._literal()
        if sign == b")":
            raise BadSyntax("a list that ends and did not begin")
        return self._atom()

    def _list(self, depth: int) -> list[Value]:
        if depth >= DEEPEST:
            raise BadSyntax("too many lists in lists")
        self._at += 1
        found: list[Value] = []
        while self._skip():
            if self._text[self._at] == 0x29:
                self._at += 1
                return found
            found.append(self._value(depth + 1))
        raise BadSyntax("a list that does not end")

    def _quoted(self) -> bytes:
        here, at, found = self._text, self._at + 1, bytearray()
        while True:
            end = here.find(b'"', at)
            if end < 0:
                raise BadSyntax("a string that does not end")
            escape = here.find(b"\\", at, end)
            if escape < 0:
                self._at = end + 1
                return bytes(found + here[at:end])
            found += here[at:escape] + here[escape + 1 : escape + 2]
            at = escape + 2

    def _literal(self) -> bytes:
        if literal_ahead(self._text[self._at :].removeprefix(b"~")) is None or self._piece + 2 >= len(self._pieces):
            raise BadSyntax("a literal that is not there")
        found = self._pieces[self._piece + 1]
        self._piece, self._at = self._piece + 2, 0
        return found

    def _atom(self) -> bytes | None:
        here, at = self._text, self._at
        while at < len(here) and here[at] not in b' ()"{':
            if here[at] == 0x5B:  # BODY[HEADER.FIELDS (DATE FROM)]
                end = here.find(b"]", at)
                at = len(here) if end < 0 else end
            at += 1
        found = here[self._at : at]
        if not found:
            raise BadSyntax("a sign that stands alone")
        self._at = at
        return None if found.upper() == b"NIL" else bytes(found)
