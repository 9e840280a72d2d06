"""What fits a terminal: sentences wrap at blanks, tables that are too wide leave out columns or are shown row by row.

Nothing of this is done in a pipe or a file. A word that is longer than a line (an id, a path) is never broken here, and a
command between backticks goes on behind a backslash, so that it can be copied whole.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from typing import TextIO

from strongroom import environment

NARROWEST = 20
"""Columns of a terminal for which nothing is laid out any more."""

GAP = "  "
KEY_SHOWN = 12
_KEY = re.compile(r"age1[a-z0-9]+")
_WORD = re.compile(r"( *)(\S+)")


def width_of(stream: TextIO) -> int | None:
    """Columns of a terminal, as $COLUMNS or the terminal itself says; None for what is none, and where nobody knows."""
    try:
        if not stream.isatty():
            return None
        said = environment.variable("COLUMNS") or ""
        width = int(said) if said.isascii() and said.isdigit() else os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError, AttributeError):
        return None
    return width if width >= NARROWEST else None


def wrapped(text: str, width: int | None) -> str:
    """Lines that are too long, in several."""
    if width is None:
        return text
    return "\n".join("\n".join(_lines(line, width)) if len(line) > width else line for line in text.split("\n"))


def shortened(text: str, width: int | None) -> str:
    """Keys that are longer than two lines, by their ends."""
    if width is None:
        return text
    return _KEY.sub(lambda key: key[0] if len(key[0]) <= 2 * width else f"{key[0][:KEY_SHOWN]}…{key[0][-KEY_SHOWN:]}", text)


def _lines(text: str, width: int) -> Iterator[str]:
    indent = " " * min(len(text) - len(text.lstrip(" ")) + 2, width // 2)
    line = ""
    for found in _WORD.finditer(text):
        gap, word = found.groups()
        in_command = _opened(text[: found.start(2)])
        ends_in_command = _opened(text[: found.end()])
        need = len(line) + len(gap) + len(word) + (2 if ends_in_command else 0)
        whole = _command_at(text, found.start(2)) if ends_in_command and not in_command else 0
        fits_below = len(indent) + whole <= width
        if line.strip() and (need > width or (whole and fits_below and len(line) + len(gap) + whole > width)):
            yield f"{line} \\" if in_command else line
            line = indent + word
        else:
            line += gap + word
    yield line


def _opened(text: str) -> bool:
    """Whether a command between backticks has begun and not ended."""
    return text.count("`") % 2 == 1


def _command_at(text: str, start: int) -> int:
    """The length of the command whose first word stands there, with what hangs behind it."""
    opening = text.index("`", start)
    closing = text.find("`", opening + 1)
    end = text.find(" ", closing) if closing >= 0 else -1
    return (end if end >= 0 else len(text)) - start


def fitting(rows: Sequence[Sequence[str]], heads: Sequence[str], spare: Sequence[int], width: int | None) -> list[int] | None:
    """The numbers of the columns to be shown: all, or without the first of those that may be left out; None where even the
    others are too wide. rows: of cells, without the heads."""
    kept = list(range(len(heads)))
    if width is None:
        return kept
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in kept]
    for left_out in (None, *spare):
        kept = [column for column in kept if column != left_out]
        if sum(widths[column] for column in kept) + len(GAP) * (len(kept) - 1) <= width:
            return kept
    return None


def aligned(
    rows: Sequence[Sequence[str]],
    heads: Sequence[str],
    right: Sequence[int],
    kept: Sequence[int],
    paint: Callable[[int, int, str], str] | None = None,
) -> Iterator[str]:
    """The lines of a table. right: columns of numbers · kept: columns that are shown · paint: gives a cell its colour, by the
    numbers of its row (0: the heads) and column."""
    everything = [heads, *rows]
    widths = {column: max(len(row[column]) for row in everything) for column in kept}
    for number, row in enumerate(everything):
        cells = []
        for column in kept:
            margin = " " * (widths[column] - len(row[column]))
            cell = paint(number, column, row[column]) if paint is not None else row[column]
            cells.append(margin + cell if column in right else cell + margin)
        yield GAP.join(cells).rstrip()


def records(rows: Sequence[Sequence[str]], heads: Sequence[str], width: int) -> Iterator[str]:
    """The rows one by one: each cell on a line of its own behind its head; those that say nothing are left out."""
    margin = " " * (len(heads[0]) - len(heads[0].lstrip(" ")))
    labels = [head.strip() for head in heads]
    longest = max(map(len, labels))
    for number, row in enumerate(rows):
        if number:
            yield ""
        for label, cell in zip(labels, row, strict=True):
            if cell.strip() not in ("", "-"):
                yield wrapped(f"{margin}{label.ljust(longest)}{GAP}{cell.strip()}", width)
