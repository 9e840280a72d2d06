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


def pattern_regex(pattern: str, *, anywhere: bool = False, fold: bool = False) -> str:
    """A pattern as a regular expression (RE2, on bytes). anywhere: it may begin at any part of the path, and without wildcards
    it is looked for within names · fold: capitals and small letters are alike. Raises `UsageError` for a set of characters that
    is none."""
    clean = pattern.strip("/")
    if not clean:
        return "(?s)^"
    literal = _folded if fold else re.escape
    if anywhere and not set(clean) & set("*?["):
        return f"(?s){literal(clean)}"
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[!?\]?[^\]]*\])", clean)
    wild = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": f"(?:[^/\\x80-\\xff]|{_WIDE})"}
    out = []
    for part in parts:
        if part in wild:
            out.append(wild[part])
        elif part.startswith("[") and len(part) > 2:
            out.append(_set(part[1:-1], pattern, fold=fold))
        else:
            out.append(literal(part))
    # a path means itself too, whatever its characters mean in a pattern
    above = "(?:.*/)?" if anywhere else ""
    return f"(?s)^{above}(?:{''.join(out)}|{literal(clean)})(?:/|$)"


def _folded(text: str) -> str:
    """A text in capitals or small letters, character by character: RE2 on bytes folds ASCII alone."""
    return "".join(_either(char) for char in text)


def _either(char: str) -> str:
    forms = sorted({char, char.lower(), char.upper()})
    return re.escape(char) if len(forms) == 1 else f"(?:{'|'.join(map(re.escape, forms))})"


def _set(inner: str, pattern: str, *, fold: bool) -> str:
    """One character out of a set, or one that is not in it; in bytes, so that a character of several is an alternative."""
    negated = inner.startswith("!")
    members = _members(inner[negated:], pattern) - {"/"}
    if fold:
        members |= {form for char in members for form in (char.lower(), char.upper()) if len(form) == 1}
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
            raise UsageError(f"the pattern {pattern!r} holds an invalid range of characters", hint=SETS)
        members.update(map(chr, range(ord(first), ord(last) + 1)))
        at += step
    return members
