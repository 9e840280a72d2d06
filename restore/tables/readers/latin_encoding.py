"""Which eight-bit encoding a text in Latin letters has: the one in which its letters are those of one language.

Windows has one encoding for the west and one for the middle of Europe, and DOS had two others. Bytes alone do not tell them
apart: what is `Połączenia` in the one is `Po³¹czenia` in the other. So every encoding is held against the alphabets that are
written in it.
"""

from __future__ import annotations

import re

WESTERN = "cp1252"

_WEST = (
    "äöüß",  # German
    "àâæçéèêëîïôœùûüÿ",  # French
    "áéíñóúüãâàçêôõ",  # Spanish, Portuguese
    "àèéìíîòóùú",  # Italian
    "åäöæøé",  # the Nordic languages
)
_MIDDLE = (
    "ąćęłńóśźż",  # Polish
    "áčďéěíňóřšťúůýž",  # Czech
    "áäčďéíĺľňóôŕšťúýž",  # Slovak
    "áéíóöőúüű",  # Hungarian
    "ăâîşţ",  # Romanian
    "čćđšž",  # Croatian, Slovene
    "äöüß",
)
_ALPHABETS = {WESTERN: _WEST, "cp1250": _MIDDLE, "iso8859-2": _MIDDLE, "cp852": _MIDDLE, "cp850": _WEST}
"""In the order in which a tie is decided."""

_WORD = re.compile(r"[^\W\d_]{2,}")
_NO_WORD = re.compile(
    r"(?<=[^\W\d_])[²³¹¿¡¼½¾ªº]|[²³¹](?=[^\W\d_])|(?<=[^\W\d_])[^\w\s\x00-\x7f’](?=[^\W\d_])|[\x80-\x9f\ufffd]"
)
"""Signs that stand in no word, within one: bytes of another encoding."""

_LEAD = 2
"""By so much another encoding must be more likely than the usual one."""


def latin_encoding(sample: bytes) -> str:
    """The encoding's name, as Python has it."""
    scores = {name: _likeness(sample.decode(name, "replace"), alphabets) for name, alphabets in _ALPHABETS.items()}
    best = max(scores, key=lambda name: scores[name])
    return best if scores[best] >= scores[WESTERN] + _LEAD else WESTERN


def _likeness(text: str, alphabets: tuple[str, ...]) -> int:
    """How many foreign letters of the text's words one language has, less those that it has not, and what stands in no word."""
    words = [word for word in _WORD.findall(text) if not word.isascii()]
    letters = [letter for letter in "".join(words).lower() if letter > "\x7f"]
    known = max(sum(letter in alphabet for letter in letters) for alphabet in alphabets)
    odd = sum(not (word.isupper() or word[1:].islower()) for word in words) + len(_NO_WORD.findall(text))
    return known - 2 * (len(letters) - known) - 2 * odd
