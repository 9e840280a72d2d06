"""On which line of a TOML file each key stands: what parsers throw away and people need.

    [projects.parcelo]              ("projects", "parcelo")                     line 1
    zone = "Europe/Kyiv"            ("projects", "parcelo", "zone")             line 2
    [[projects.parcelo.sources]]    ("projects", "parcelo", "sources", 0)       line 3

Only for texts that `tomllib` has accepted: nothing is checked here again.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections.abc import Mapping
from typing import Any, TypeAlias

Key: TypeAlias = tuple[str | int, ...]
"""The way to a value from the top of the file: names of keys, and numbers of elements."""

_BLANK = re.compile(r"[ \t]*")
_VOID = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_QUOTED = re.compile(r"'[^'\n]*'|\"(?:[^\"\\\n]|\\.)*\"")
_LONG = re.compile(r"'''.*?'''(?:'(?!''')){0,2}|\"\"\"(?:[^\\]|\\.)*?\"\"\"(?:\"(?!\"\"\")){0,2}", re.DOTALL)
_PLAIN = re.compile(r"[^,\]}#\n]+")


def places(text: str) -> dict[Key, int]:
    """The line of every table, key and element, from 1."""
    return _Walk(text).run()


def name_spans(text: str) -> list[tuple[Key, int, int]]:
    """Where each name of a key stands, in the order of the text: the key up to this name, and the name's begin and end."""
    walk = _Walk(text)
    walk.run()
    return walk.names


def line_of(known: Mapping[Key, int], key: Key) -> int | None:
    """The line of a key, or, where it is not written, of the nearest table around it; None at the top."""
    while key:
        if key in known:
            return known[key]
        key = key[:-1]
    return None


class _Walk:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._breaks = [found.start() for found in re.finditer("\n", text)]
        self._found: dict[Key, int] = {}
        self._lists: dict[Key, int] = {}
        self.names: list[tuple[Key, int, int]] = []

    def run(self) -> dict[Key, int]:
        table: Key = ()
        self._skip(_VOID)
        while self._at < len(self._text):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip(_VOID)
        return self._found

    def _header(self) -> Key:
        """A table begins, or the next element of a list of tables; gives its key."""
        several = self._text.startswith("[[", self._at)
        start = self._at
        self._at += 1 + several
        names = self._names()
        self._at += 1 + several
        key: Key = ()
        for number, (name, begin, end) in enumerate(names):
            key = (*key, name)
            self.names.append((key, begin, end))
            last = number == len(names) - 1
            if last and several:
                self._note(key, start)
                self._lists[key] = self._lists.get(key, -1) + 1
            elif last or key not in self._found:
                self._note(key, start)
            if key in self._lists:
                key = (*key, self._lists[key])
        self._note(key, start)
        return key

    def _pair(self, table: Key) -> None:
        start = self._at
        key = table
        for name, begin, end in self._names():
            key = (*key, name)
            self.names.append((key, begin, end))
            self._note(key, start)
        self._at += 1  # =
        self._skip(_BLANK)
        self._value(key)

    def _names(self) -> list[tuple[str, int, int]]:
        """The parts of a dotted key, up to the sign behind it, each with its begin and its end."""
        names = []
        while True:
            self._skip(_BLANK)
            begin = self._at
            bare = self._skip(_BARE)
            name = bare or next(iter(tomllib.loads(f"{self._skip(_QUOTED)} = 0")))
            names.append((name, begin, self._at))
            self._skip(_BLANK)
            if self._text[self._at] != ".":
                return names
            self._at += 1

    def _value(self, key: Key) -> None:
        sign = self._text[self._at]
        if sign == "[":
            self._elements(key)
        elif sign == "{":
            self._inline(key)
        elif sign in "\"'":
            self._skip(_LONG) or self._skip(_QUOTED)
        else:
            self._skip(_PLAIN)

    def _elements(self, key: Key) -> None:
        self._at += 1
        number = 0
        while True:
            self._skip(_VOID)
            if self._text[self._at] == "]":
                self._at += 1
                return
            if self._text[self._at] == ",":
                self._at += 1
                continue
            self._note((*key, number), self._at)
            self._value((*key, number))
            number += 1

    def _inline(self, key: Key) -> None:
        self._at += 1
        while True:
            self._skip(_VOID)
            if self._text[self._at] == "}":
                self._at += 1
                return
            if self._text[self._at] == ",":
                self._at += 1
                continue
            self._pair(key)

    def _skip(self, pattern: re.Pattern[str]) -> str:
        """Go on behind what matches here, if anything does; gives it."""
        found = pattern.match(self._text, self._at)
        if found is None:
            return ""
        self._at = found.end()
        return found[0]

    def _note(self, key: Key, at: int) -> None:
        self._found.setdefault(key, bisect_right(self._breaks, at - 1) + 1)


def at(value: Any, key: Key) -> Any:  # noqa: ANN401 (whatever TOML has)
    """What a parsed file has there; None where it has nothing."""
    for part in key:
        inside = isinstance(value, dict) and part in value
        element = isinstance(value, list) and isinstance(part, int) and part < len(value)
        if not inside and not element:
            return None
        value = value[part]
    return value
