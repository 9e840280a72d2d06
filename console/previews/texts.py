"""The beginning of a text, for people: decoded as well as can be, with its unprintable characters as numbers; and two of them
side by side."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import zip_longest

from msgspec import Struct

MOST_LINES = 1000
LONGEST_LINE = 2000
"""Characters."""

MOST_COMPARED = 200
"""Lines, between those at the beginning and the end that are the same, in which it is looked for what goes with what: the time
for it grows faster than they do."""

AROUND = 3
"""Lines that are the same, shown before and after what differs."""


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


class LinePair(Struct, frozen=True):
    """A line of two texts. before, after: numbers from 1 and texts; None where one of them has no such line · skipped: how many
    lines that are the same are left out before it."""

    before: tuple[int, str] | None
    after: tuple[int, str] | None
    skipped: int = 0

    @property
    def is_same(self) -> bool:
        """Whether both have it."""
        return self.before is not None and self.after is not None and self.before[1] == self.after[1]


def side_by_side(before: str, after: str) -> tuple[LinePair, ...]:
    """Two texts, line by line: what differs, with a few lines around it. Empty where nothing differs."""
    pairs = list(_pairs(before.split("\n"), after.split("\n")))
    differs = [number for number, one in enumerate(pairs) if not one.is_same]
    shown = sorted({near for one in differs for near in range(max(0, one - AROUND), min(len(pairs), one + AROUND + 1))})
    found, previous = [], -1
    for number in shown:
        found.append(LinePair(pairs[number].before, pairs[number].after, number - previous - 1))
        previous = number
    return tuple(found)


def _pairs(old: list[str], new: list[str]) -> Iterator[LinePair]:
    """All lines of both. Those at the beginning and the end that are the same go together at once."""
    start = next(
        (number for number, (one, two) in enumerate(zip(old, new, strict=False)) if one != two), min(len(old), len(new))
    )
    most = min(len(old), len(new)) - start
    tail = next((number for number in range(most) if old[-1 - number] != new[-1 - number]), most)
    middle = old[start : len(old) - tail], new[start : len(new) - tail]
    blocks = [(0, start, 0, start), *_blocks(*middle, start), (len(old) - tail, len(old), len(new) - tail, len(new))]
    for old_start, old_end, new_start, new_end in blocks:
        for one, two in zip_longest(range(old_start, old_end), range(new_start, new_end)):
            yield LinePair(None if one is None else (one + 1, old[one]), None if two is None else (two + 1, new[two]))


def _blocks(old: list[str], new: list[str], start: int) -> Iterator[tuple[int, int, int, int]]:
    """Stretches of both that go together, as half-open numbers of lines. start: of both in the whole texts."""
    if max(len(old), len(new)) > MOST_COMPARED:
        yield start, start + len(old), start, start + len(new)
        return
    for _, one, two, three, four in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        yield start + one, start + two, start + three, start + four


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
