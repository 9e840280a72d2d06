"""What people read is plain English: every text of the source is looked at for the turns that the documents do not use."""

from __future__ import annotations

import ast
import re

import pytest

from tests.docs.messages import KINDS, PACKAGES, error_names, messages
from tests.docs.pages import ROOT
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
    r"\bmend (its|the rights|what|the line)\b": "correct",
    r"\bmade to harm\b": "a decompression bomb",
    r"\bhas not the form of one\b": "is malformed: what is missing",
    r"\bbroke its promise\b": "what the store did",
    r"\bnobody knows\b.*\?|how old it is nobody knows": "is not known",
    r"\) for one\b|\} for one\b": "such as …",
    r"\b(is|this is) no (JSON|workbook|table|place|period|moment|schedule|pattern)\b": "is not a …",
}


@pytest.mark.parametrize("turn", INSTEAD)
def test_messages_use_the_words_of_the_field(turn: str) -> None:
    pattern = re.compile(turn)
    wrong = [f"{text.place}: {text.value[:120]!r}" for text in texts() if not text.docstring and pattern.search(text.value)]
    assert not wrong, f"better: {INSTEAD[turn]}\n" + "\n".join(wrong)


def test_all_messages_are_found_for_review() -> None:
    found = list(messages())
    assert len(found) > 600 and {one.place.partition("/")[0] for one in found} == set(PACKAGES)
    kinds = {one.kind for one in found}
    assert {"UsageError", "Damaged", "StorageError", "problem", "alert", "notice", "warning"} <= kinds
    (missing,) = [one for one in found if one.text.startswith("--all-projects needs --to DIR or --in-place")]
    assert missing.place.startswith("cli/restore_run.py:") and missing.hint.startswith("name a folder with --to")


def test_what_a_message_names_in_braces_is_filled_in() -> None:
    said = error_names() | KINDS.keys()
    wrong = [
        f"{file.relative_to(ROOT)}:{one.lineno}: {one.value[:80]}"
        for package in PACKAGES
        for file in sorted((ROOT / package).rglob("*.py"))
        for call in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(call, ast.Call) and ast.unparse(call.func).rpartition(".")[2] in said
        for one in [*call.args, *(word.value for word in call.keywords)]
        if isinstance(one, ast.Constant) and isinstance(one.value, str) and re.search(r"\{[a-z_.]+\}", one.value)
    ]
    assert not wrong, "\n".join(wrong)
