"""Names: which are unsafe, which collide, which are free. Functions of paths as bytes; no I/O."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from datetime import date
from hashlib import blake2b

from vault.errors import UsageError
from vault.problems import printable

LONGEST_PART = 255
"""Bytes: the longest name of one file on every common POSIX file system."""

_TEMPORARY_HEAD, _TEMPORARY_TAIL = b".strongroom-", b".part"
_LONGEST_SUFFIX = 32


def unsafe_reason(path: bytes) -> str | None:
    """Why an item of this path must not be written below a target, or None where it may."""
    if not path:
        return "the path is empty"
    if b"\0" in path:
        return "the path holds a NUL"
    if path.startswith(b"/"):
        return "the path is absolute"
    for part in path.split(b"/"):
        if not part:
            return "a part of the path is empty"
        if part in {b".", b".."}:
            return f"the path leads through {part.decode()!r}"
        if len(part) > LONGEST_PART:
            return f"a part of the path is longer than {LONGEST_PART} bytes"
        if part.startswith(_TEMPORARY_HEAD) and part.endswith(_TEMPORARY_TAIL):
            return "the name is one that a restore uses for unfinished files"
    return None


def check_path(path: bytes) -> None:
    """Raise UsageError for an unsafe path: the plan should have stopped before."""
    reason = unsafe_reason(path)
    if reason is not None:
        raise UsageError(f"refused to write {printable(path)}: {reason}")


def temporary_name(path: bytes) -> bytes:
    """The name under which the item of this path is written; always the same, so that a later run finds it again."""
    return _TEMPORARY_HEAD + blake2b(path, digest_size=16).hexdigest().encode() + _TEMPORARY_TAIL


def colliding(paths: Iterable[bytes]) -> list[list[bytes]]:
    """Groups of paths, folders on the way included, that one name stands for where case or Unicode form does not count
    (canonical caseless matching, Unicode 3.13 D145). Groups and their members are sorted."""
    spellings: dict[str, set[bytes]] = {}
    seen: set[bytes] = set()
    for path in paths:
        while path and path not in seen:
            seen.add(path)
            spellings.setdefault(name_key(path), set()).add(path)
            path = path.rpartition(b"/")[0]
    return sorted(sorted(group) for group in spellings.values() if len(group) > 1)


def name_key(path: bytes) -> str:
    """What paths have in common that one name stands for where case or Unicode form does not count."""
    text = path.decode("utf-8", "surrogateescape")
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", text).casefold())


class FreeNames:
    """Names beside those that are taken, `a (restored 2026-11-22).txt`, with a number from the second on. None is given twice,
    nor one that differs from another in case or Unicode form alone."""

    def __init__(self, day: date, taken: Iterable[bytes], stands: Callable[[bytes], bool]) -> None:
        """taken: paths that are given away already · stands: whether something has a path at the target."""
        self._day = day
        self._taken = set(map(name_key, taken))
        self._stands = stands
        self._numbers: dict[bytes, int] = {}

    def beside(self, path: bytes) -> bytes:
        """A free one for this path; it is taken from now on."""
        first = restored_name(path, self._day, 1)
        number = self._numbers.get(first, 1)
        while True:
            name = restored_name(path, self._day, number)
            number += 1
            if name_key(name) not in self._taken and not self._stands(name):
                break
        self._numbers[first] = number
        self._taken.add(name_key(name))
        return name

    def take(self, path: bytes) -> bool:
        """Give this very name away; whether it was free."""
        key = name_key(path)
        free = key not in self._taken
        self._taken.add(key)
        return free


def restored_name(path: bytes, day: date, number: int) -> bytes:
    """The name to try at a number from 1 on: `a (restored 2026-11-22).txt`, then `a (restored 2026-11-22 2).txt`."""
    folder, slash, name = path.rpartition(b"/")
    stem, dot, suffix = name.rpartition(b".")
    if not stem or len(suffix) > _LONGEST_SUFFIX:
        stem, dot, suffix = name, b"", b""
    mark = f" (restored {day.isoformat()})" if number == 1 else f" (restored {day.isoformat()} {number})"
    tail = mark.encode() + dot + suffix
    return folder + slash + cut(stem, LONGEST_PART - len(tail)) + tail


def cut(stem: bytes, length: int) -> bytes:
    """At most `length` bytes, and no half of a UTF-8 character at the end."""
    if len(stem) <= length:
        return stem
    while length and stem[length] & 0b1100_0000 == 0b1000_0000:
        length -= 1
    return stem[:length]
