"""What people read is plain English: every text of the source is looked at for the turns that the documents do not use."""

from __future__ import annotations

import re

import pytest

from tests.docs.test_hints import texts

INSTEAD = {
    r"where to\?|which project\?|from when\?|of which period\?": "say what is missing and which option names it",
    r"\bno UTF-8\b|\bnot UTF-8\b": "not valid UTF-8",
    r"sealed (to|with) a passphrase": "encrypted with a passphrase",
    r"\bnot sealed to\b|\bsealed to others\b": "encrypted with, or for",
    r"is not? a? ?(length|window|unit) of time": "invalid duration, unknown unit of time",
    r"\bmakes? no sense\b": "invalid",
    r"\bis not one$": "say what it is not",
    r"\bthe books\b": "the run history",
    r"\bnobody can be asked\b": "there is no terminal",
    r"\b(is|this is) no (JSON|workbook|table|place|period|moment|schedule|pattern)\b": "is not a …",
}


@pytest.mark.parametrize("turn", INSTEAD)
def test_messages_use_the_words_of_the_field(turn: str) -> None:
    pattern = re.compile(turn)
    wrong = [f"{text.place}: {text.value[:120]!r}" for text in texts() if not text.docstring and pattern.search(text.value)]
    assert not wrong, f"better: {INSTEAD[turn]}\n" + "\n".join(wrong)
