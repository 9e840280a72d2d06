"""Where things are in a JSON document, found without reading its values: bounded memory, whatever its size or depth.

Only what stands outside strings counts: brackets, commas and colons, and of those only the outermost. The values between them
are bytes for `restore.tables.readers.json_values`, which sees whether they are JSON.

Strings, and values that are neither large nor deep, are passed many in one step. Any other value, such as one that goes on in
the next block, is gone into bracket by bracket, and what is within it is passed so. A step that was in vain has looked no
deeper than a few levels, so that no byte is looked at more often than that.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Iterator
from typing import NamedTuple

from restore.tables.readers.csv_rows import LARGEST_ROW
from restore.tables.readers.json_values import LARGEST_DEPTH, TooDeep
from vault.errors import Damaged

_LEVELS = 6
"""Lists and objects within each other that are passed in one step."""

_MOST = 1000
"""Strings and values of one level that are passed in one step: matching takes room for each, until the level is passed."""


def _value() -> bytes:
    string, plain = rb'"[^"]*+"', rb'[^"\[\]{}]*+'
    value = string
    for _ in range(_LEVELS):
        value = rb"%b|[\[{]%b(?>(?:(?:%b)%b){0,%d})[\]}]" % (string, plain, value, plain, _MOST)
    return value


def _up_to(signs: bytes) -> re.Pattern[bytes]:
    """Matches what lies before the next of the signs, and it, or the end; nothing of it is gone back on."""
    plain = rb"[^%b]*+" % signs
    return re.compile(rb"%b(?>(?:(?:%b)%b){0,%d})(?:([%b])|\Z)" % (plain, _value(), plain, _MOST, signs))


_OUTSIDE = re.compile(rb'(["\[\]{}])')
_OUTERMOST = _up_to(rb'"\[\]{},:')
_INSIDE = _up_to(rb'"\[\]{}')


class StructuralSign(NamedTuple):
    """at: its byte, from the start of what is scanned · sign: one of `[]{},:`."""

    at: int
    sign: str


class Scanner:
    """Finds the outermost value's own brackets, commas and colons in blocks that are fed one after another."""

    def __init__(self) -> None:
        self.depth = 0
        self._at = 0
        self._in_string = False
        self._escaped = False  # whether the next byte is a backslash's

    def feed(self, block: bytes) -> Iterator[StructuralSign]:
        """The marks of a block, which are all to be taken before the next one is fed. Raises `TooDeep` for a nest that nobody
        needs, give or take the few levels of a step: whoever reads a value knows its depth to the level."""
        start, self._at = self._at, self._at + len(block)
        signs = self._without_escapes(block)
        place = 0
        while place < len(signs):
            if self._in_string:
                quote = signs.find(b'"', place)
                self._in_string = quote < 0
                place = len(signs) if quote < 0 else quote + 1
            else:
                place = yield from self._step(signs, place, start)

    def _step(self, signs: bytes, place: int, start: int) -> Generator[StructuralSign, None, int]:
        """Tells the marks up to a bracket or a string that is not passed as a whole; returns where to go on."""
        pattern = _OUTERMOST if self.depth == 1 else _INSIDE if self.depth > 1 else _OUTSIDE
        for found in pattern.finditer(signs, place):
            sign: bytes | None = found[1]
            if sign is None:
                break
            place = found.end()
            if sign in (b",", b":"):
                yield StructuralSign(start + place - 1, chr(signs[place - 1]))
                continue
            if sign == b'"':
                self._in_string = True
                return place
            opens = sign in (b"[", b"{")
            self.depth += opens
            if self.depth > LARGEST_DEPTH:
                raise TooDeep(f"JSON that is nested deeper than {LARGEST_DEPTH}")
            if self.depth == 1:
                yield StructuralSign(start + place - 1, chr(signs[place - 1]))
            self.depth -= not opens
            return place
        return len(signs)

    def _without_escapes(self, block: bytes) -> bytes:
        """The block, as long, with other bytes in the place of escaped quotes."""
        if self._escaped and block[:1] in (b'"', b"\\"):
            block = b"_" + block[1:]
        if b"\\" not in block:
            self._escaped = False
            return block
        self._escaped = (len(block) - len(block.rstrip(b"\\"))) % 2 == 1
        return block.replace(b"\\\\", b"__").replace(b'\\"', b"__")


class Member(NamedTuple):
    """A member of an object, by bytes of the document. start: of its name · colon: behind the name · end: of its value."""

    start: int
    colon: int
    end: int


def elements(blocks: Iterable[bytes], *, alone: bool) -> Iterator[bytes]:
    """The elements of the list that the blocks begin with, spaces aside. alone: whether nothing may follow it."""
    scanner, opened, several = Scanner(), False, False
    pieces: list[bytes] = []
    size = at = 0
    blocks = iter(blocks)
    for block in blocks:
        cursor = 0
        for mark in scanner.feed(block):
            if opened:
                element = b"".join((*pieces, block[cursor : mark.at - at]))
                if mark.sign == "]":
                    if several or element.strip():
                        yield element
                    if alone:
                        _nothing_follows(block[mark.at - at + 1 :], blocks)
                    return
                if mark.sign != ",":
                    raise Damaged(f"the file is not valid JSON: {mark.sign!r} in a list")
                yield element
                pieces, size, several = [], 0, True
            opened, cursor = True, mark.at - at + 1
        pieces.append(block[cursor:])
        size += len(pieces[-1])
        if size > LARGEST_ROW:
            raise Damaged(f"a row is longer than {LARGEST_ROW} bytes")
        at += len(block)
    raise Damaged("the file breaks off inside a list")


def members(blocks: Iterable[bytes], most: int) -> list[Member]:
    """The members of the object that is all that the blocks hold; not looked at further than one more than `most`."""
    scanner = Scanner()
    found: list[Member] = []
    start, colon = -1, -1
    at = 0
    blocks = iter(blocks)
    for block in blocks:
        for mark in scanner.feed(block):
            if mark.sign == ":" and colon < 0:
                colon = mark.at
                continue
            if mark.sign in ",}" and colon >= 0:
                found.append(Member(start, colon, mark.at))
            elif start >= 0 and (mark.sign != "}" or found):
                raise Damaged(f"the file is not valid JSON: {mark.sign!r} in an object")
            if mark.sign == "}":
                _nothing_follows(block[mark.at - at + 1 :], blocks)
                return found
            if len(found) > most:
                return found
            start, colon = mark.at + 1, -1
        at += len(block)
    raise Damaged("the file breaks off inside an object")


def _nothing_follows(rest: bytes, blocks: Iterable[bytes]) -> None:
    if rest.strip() or any(block.strip() for block in blocks):
        raise Damaged("the file goes on behind its JSON value; if every line is a value, it is JSON Lines")
