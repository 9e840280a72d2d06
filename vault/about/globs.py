"""Patterns on paths, as the command line, holds and rules write them.

A pattern is matched on the item's path (KIND/relative/path) from its beginning. `*` and `?` stay within a part of the path,
`**` does not, `[…]` is a set of characters. A pattern that matches a folder means all that is in it.
"""

from __future__ import annotations

import re

from vault.errors import UsageError

SETS = "a set is written [a-z]; for a name that holds a [, write ? in its place"

_WIDE = "[\\xc0-\\xff][\\x80-\\xbf]*"
"""In a regular expression on bytes: a character of several."""

_MOST_IN_RANGE = 4096


def pattern_regex(pattern: str) -> str:
    """A pattern as a regular expression (RE2, on bytes). Raises `UsageError` for a set of characters that is none."""
    clean = pattern.strip("/")
    if not clean:
        return "(?s)^"
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[!?\]?[^\]]*\])", clean)
    wild = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": f"(?:[^/\\x80-\\xff]|{_WIDE})"}
    out = []
    for part in parts:
        if part in wild:
            out.append(wild[part])
        elif part.startswith("[") and len(part) > 2:
            out.append(_set(part[1:-1], pattern))
        else:
            out.append(re.escape(part))
    # a path means itself too, whatever its characters mean in a pattern
    return f"(?s)^(?:{''.join(out)}|{re.escape(clean)})(?:/|$)"


def _set(inner: str, pattern: str) -> str:
    """One character out of a set, or one that is not in it; in bytes, so that a character of several is an alternative."""
    negated = inner.startswith("!")
    members = _members(inner[negated:], pattern) - {"/"}
    narrow = "".join(f"\\x{ord(char):02x}" for char in sorted(members) if char.isascii())
    wide = [re.escape(char) for char in sorted(members) if not char.isascii()]
    if not members or (negated and wide):
        what = "leaves out characters beyond ASCII, which no pattern can" if members else "holds a set without characters"
        raise UsageError(f"the pattern {pattern!r} {what}", hint=SETS)
    if negated:
        return f"(?:[^/\\x80-\\xff{narrow}]|{_WIDE})"
    return f"(?:{'|'.join([f'[{narrow}]'] * bool(narrow) + wide)})"


def _members(chars: str, pattern: str) -> set[str]:
    members: set[str] = set()
    at = 0
    while at < len(chars):
        first, last, step = chars[at], chars[at], 1
        if chars[at + 1 : at + 2] == "-" and at + 2 < len(chars):
            last, step = chars[at + 2], 3
        if not 0 <= ord(last) - ord(first) < _MOST_IN_RANGE:
            raise UsageError(f"the pattern {pattern!r} holds a range of characters that makes no sense", hint=SETS)
        members.update(map(chr, range(ord(first), ord(last) + 1)))
        at += step
    return members
