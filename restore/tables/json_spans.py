"""Where things are in a JSON document, found without reading its values: bounded memory, whatever its size or depth.

Only what stands outside strings counts: brackets, commas and colons, and of those only the outermost. The values between them
are bytes for `restore.tables.json_values`, which sees whether they are JSON.

A value that is not nested deeply is passed in one step. In one that is, or that goes on in the next block, brackets alone are
looked at: whether one stands in a string is told by how many quotes stand before it, and counting those is much faster than
visiting them; a string that has brackets is left by its closing quote. No byte is looked at more than a few times either way.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Iterator
from typing import NamedTuple

from restore.tables.csv_rows import LARGEST_ROW
from restore.tables.json_values import LARGEST_DEPTH, TooDeep
from vault.errors import Damaged

_BRACKET = re.compile(rb"[\[\]{}]")


def _next_sign(levels: int, most: int) -> re.Pattern[bytes]:
    """Matches up to the next sign or the end, with a value before it as a whole if that has so few levels, and at each of them
    so few strings and values (what matching takes room for). Nothing is gone back on but the whole value."""
    string, plain = rb'"[^"]*+"', rb'[^"\[\]{}]*+'
    value = string
    for _ in range(levels):
        value = rb"%b|[\[{]%b(?>(?:(?:%b)%b){0,%d})[\]}]" % (string, plain, value, plain, most)
    blank = rb'[^"\[\]{},:]*+'
    return re.compile(rb'%b(?:(?:%b)%b)?(?:(["\[\]{},:])|\Z)' % (blank, value, blank))


_NEXT_SIGN = _next_sign(levels=6, most=1000)


class Mark(NamedTuple):
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

    def feed(self, block: bytes) -> Iterator[Mark]:
        """The marks of a block, which are all to be taken before the next one is fed. Raises `Damaged` for a nest that is too
        deep."""
        start, self._at = self._at, self._at + len(block)
        signs = self._without_escapes(block)
        place = 0
        while place < len(signs):
            if self._in_string:
                quote = signs.find(b'"', place)
                self._in_string = quote < 0
                place = len(signs) if quote < 0 else quote + 1
            elif self.depth == 1:
                place = yield from self._outermost(signs, place, start)
            else:
                place = self._to_bracket(signs, place)
                if self.depth == 1 and signs[place - 1] in b"[{":
                    yield Mark(start + place - 1, chr(signs[place - 1]))

    def _outermost(self, signs: bytes, place: int, start: int) -> Generator[Mark, None, int]:
        """Tells the marks up to the value's end, or into one that is not passed in one step; returns where to go on."""
        for found in _NEXT_SIGN.finditer(signs, place):
            sign: bytes | None = found[1]
            if sign is None:
                break
            place = found.end()
            if sign in (b",", b":"):
                yield Mark(start + place - 1, chr(signs[place - 1]))
                continue
            if sign == b'"':
                self._in_string = True
            elif sign in (b"[", b"{"):
                self.depth += 1
            else:
                yield Mark(start + place - 1, chr(signs[place - 1]))
                self.depth -= 1
            return place
        return len(signs)

    def _to_bracket(self, signs: bytes, place: int) -> int:
        """Goes behind the next bracket, which may be in a string; returns where to go on."""
        found = _BRACKET.search(signs, place)
        end = len(signs) if found is None else found.end()
        self._in_string = signs.count(b'"', place, end) % 2 == 1
        if found is not None and not self._in_string:
            self.depth += 1 if found[0] in b"[{" else -1
            if self.depth > LARGEST_DEPTH:
                raise TooDeep(f"JSON that is nested deeper than {LARGEST_DEPTH}")
        return end

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
                    raise Damaged(f"this is no JSON: {mark.sign!r} in a list")
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
                raise Damaged(f"this is no JSON: {mark.sign!r} in an object")
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
