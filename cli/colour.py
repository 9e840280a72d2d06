"""Colours on a terminal. They underline what the words say already: nothing is said by a colour alone.

None in a pipe or a file, on a terminal that calls itself dumb, or where NO_COLOR is set; FORCE_COLOR brings them into pipes
(https://no-color.org, https://force-color.org).
"""

from __future__ import annotations

from enum import StrEnum
from typing import TextIO

from strongroom import environment


class Style(StrEnum):
    """What a colour is for, as the parameters of ECMA-48's SGR."""

    GOOD = "32"
    DOUBTFUL = "33"
    BAD = "1;31"
    HEADING = "1"
    ADDED = "32"
    REMOVED = "31"
    CHANGED = "33"
    HINT = "36"


OPENINGS = {
    "strongroom: error:": Style.BAD,
    "error:": Style.BAD,
    "hint:": Style.HINT,
    "warning:": Style.DOUBTFUL,
    "problem:": Style.DOUBTFUL,
    "notice:": Style.HEADING,
}
"""How a line begins that says something beside the result."""

_GOOD = frozenset({"ok", "done", "running", "sound", "verified", "yes"})
_BAD = frozenset({"late", "failed", "damaged", "never backed up", "killed", "stuck", "gone"})


def wanted(stream: TextIO) -> bool:
    """Whether a stream gets colours."""
    if environment.variable("NO_COLOR") is not None:
        return False
    forced = environment.variable("FORCE_COLOR")
    if forced is not None:
        return forced != "0"
    try:
        return stream.isatty() and environment.variable("TERM") != "dumb"
    except (AttributeError, ValueError):  # it is closed
        return False


def painted(text: str, style: Style) -> str:
    """In that colour; nothing stays nothing."""
    return f"\x1b[{style.value}m{text}\x1b[0m" if text else ""


def opening(text: str) -> str:
    """A line whose first words say what it is, with these in their colour."""
    for words, style in OPENINGS.items():
        if text.startswith(words):
            return painted(words, style) + text[len(words) :]
    return text


def word(text: str, found: str, style: Style) -> str:
    """A text with a word of it in a colour: at its beginning where it begins with it, else the last one."""
    place = 0 if text.startswith(found) else text.rfind(found)
    return text if place < 0 or not found else text[:place] + painted(found, style) + text[place + len(found) :]


def state(text: str) -> Style | None:
    """The colour of a word that says how something is. What is neither good nor bad is doubtful; None for an empty one."""
    said = text.strip().lower()
    if said in _GOOD:
        return Style.GOOD
    if said in _BAD or said.endswith(("damaged", "are gone")):
        return Style.BAD
    return Style.DOUBTFUL if said else None
