"""The inside of elements, as newer and as older Pythons are told to find it."""

from __future__ import annotations

import random
import re

import pytest

from restore.tables.workbook.patterns import POSSESSIVE, repeated, up_to

PIECES = ["<c>", "</c>", "<c r='A1'>", "<v>", "</v>", "<col>", "text", " ", "<", ">", "a='<'", '"', "'", '"x"', "'y'", "\n"]
FORMS = [
    lambda possessive: r"<c\b[^<>]*+>(" + up_to(r"/?c[\s/>]", possessive=possessive) + r")</c>",
    lambda possessive: "<(" + repeated("""[^<>"']""", """"[^"<]*+"|'[^'<]*+'""", possessive=possessive) + ")>",
]


@pytest.mark.parametrize("form", FORMS)
def test_both_ways_match_the_same(form: object) -> None:
    assert callable(form)
    ways = [re.compile(form(possessive)) for possessive in ([False, True] if POSSESSIVE else [False])]
    randomness, found = random.Random("patterns"), 0
    for _ in range(3000):
        text = "".join(randomness.choices(PIECES, k=12))
        matches = [[match.span(1) for match in way.finditer(text)] for way in ways]
        assert matches[0] == matches[-1]
        found += len(matches[0])
    assert found > 500


def test_an_element_ends_before_the_next_of_its_name() -> None:
    pattern = re.compile(r"<c>(" + up_to(r"/?c[\s/>]", possessive=False) + r")</c>")
    assert pattern.findall("<c><v>1</v></c><c>a<c>b</c></c>") == ["<v>1</v>", "b"]
