"""Words of a private language that may not come back as parts of names: readers look for the field's words."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("classify", "vault", "restore", "policies", "strongroom", "console", "cli")

WORDS = {
    "apprises": "the channel is apprise",
    "consequences": "what follows a backup is post_backup",
    "forecast": "what a restore will cost is an estimate",
    "ice": "a frozen project has a freeze reason",
    "judge": "evaluate an alert, decide on a job or a snapshot",
    "judged": "evaluated or decided",
    "judgement": "a decision",
    "judgements": "decisions",
    "judges": "evaluates or decides",
    "judging": "an evaluation",
    "lane": "a job has a state",
    "lanes": "jobs have states",
    "lazily": "a plain attribute",
    "leans": "a snapshot references another",
    "looking": "inspect",
    "manner": "options",
    "manners": "options",
    "masks": "filters",
    "metronome": "a loop",
    "oddities": "settings are linted",
    "pen": "a writer",
    "pings": "the channel is healthchecks",
    "promises": "alerts are monitored",
    "recognise": "verify",
    "served": "a server",
    "tidying": "maintenance",
    "told": "an outcome, a loss, a text: what was told",
    "twins": "duplicates",
    "untold": "unreported",
    "walltime": "the wall clock",
    "wish": "a query, or options",
    "wishes": "queries, or options",
    "workplace": "a context",
}
"""What is said in its place."""

_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def parts(name: str) -> list[str]:
    """The words of a name: split at underscores, digits and capitals, in small letters."""
    return [part.lower() for part in _PART.findall(name)]


def unwanted(file: Path) -> Iterator[str]:
    """Where a file's names, and its own, have a word of the list."""
    for part in parts(file.stem):
        if part in WORDS:
            yield f"{file.relative_to(ROOT)}: {part!r}: {WORDS[part]}"
    with tokenize.open(file) as source:
        text = source.read()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NAME:
            for part in parts(token.string):
                if part in WORDS:
                    yield f"{file.relative_to(ROOT)}:{token.start[0]}: {token.string!r} has {part!r}: {WORDS[part]}"


@pytest.mark.parametrize("package", PACKAGES)
def test_no_name_has_a_word_of_the_private_language(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files, package
    assert not (found := [line for file in files for line in unwanted(file)]), "\n".join(found)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("_judged", ["judged"]),
        ("ClassifyOptions", ["classify", "options"]),
        ("S3Lane", ["s", "3", "lane"]),
        ("JSONWish", ["json", "wish"]),
        ("TELL_LANE_2", ["tell", "lane", "2"]),
        ("serving", ["serving"]),
    ],
)
def test_a_name_is_split_at_underscores_and_capitals(name: str, words: list[str]) -> None:
    assert parts(name) == words


def test_a_word_that_comes_back_is_named_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    file = tmp_path / "module.py"
    file.write_text(
        "# a lane in a comment, 'wish' in a text\nvalue = 'wish'\n\n\ndef of(wished: int, old_lane: str) -> None: ...\n"
    )
    assert list(unwanted(file)) == ["module.py:5: 'old_lane' has 'lane': a job has a state"]
