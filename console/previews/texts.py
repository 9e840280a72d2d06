"""The beginning of a text, for people: decoded as well as can be, with its unprintable characters as numbers."""

from __future__ import annotations

from msgspec import Struct

MOST_LINES = 1000
LONGEST_LINE = 2000
"""Characters."""


class ShownText(Struct, frozen=True):
    """text: at most `MOST_LINES` lines · cut: whether the item goes on, or lines were shortened."""

    text: str
    cut: bool


def shown(head: bytes, size: int) -> ShownText:
    """head: the first bytes of an item · size: of all of it. Raises nothing."""
    lines = _decoded(head).splitlines()
    kept = [_line(one) for one in lines[:MOST_LINES]]
    cut = size > len(head) or len(lines) > MOST_LINES or any(len(one) > LONGEST_LINE for one in lines[:MOST_LINES])
    return ShownText("\n".join(kept), cut)


def _decoded(head: bytes) -> str:
    for mark, name in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if head.startswith(mark):
            return head.decode(name, "replace")
    try:
        return head.decode("utf-8")
    except UnicodeDecodeError as error:
        # cut within a character at the end, it is UTF-8 all the same
        return head.decode("utf-8" if error.start >= len(head) - 3 else "cp1251", "replace")


def _line(line: str) -> str:
    cut = line[:LONGEST_LINE]
    whole = cut if len(line) <= LONGEST_LINE else f"{cut}…"
    return "".join(char if char.isprintable() or char == "\t" else _number(char) for char in whole)


def _number(char: str) -> str:
    """Also what turns the direction of text round, so that nobody is shown another order than is there."""
    return f"\\u{ord(char):04x}"
