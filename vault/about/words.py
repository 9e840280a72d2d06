"""Periods in words within a name: май 2024, 17 травня 2024, May 17, 2024, за январь-март 2024, III квартал 2024, Q3, 2024-W20.

The year may stand beside the word, anywhere else in the name, or in a folder above: the caller says which it is.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from vault.about import spans
from vault.about.spans import Span, Unit
from vault.about.vocabulary import BETWEEN, WORDS, YEAR, Word

_WORD = re.compile(r"[^\W\d_]+")
_NEAR = 24
"""How many characters before a word may belong to it."""

_ORDINAL = r"(?:[-']?(?:st|nd|rd|th|й|ий|ій|я|го|ого|е|а))?"
_NUMBER_BEFORE = re.compile(
    rf"(?<![0-9])(?<![0-9]\.)(?:([0-9]{{1,2}}){_ORDINAL}[\s_]?(?:-|–|—|по|до|to)[\s_]?)?([0-9]{{1,2}}){_ORDINAL}[\s_.-]{{0,3}}(?:of[\s_])?\Z"
)
_ROMAN_BEFORE = re.compile(r"(?<![^\W_])([iі]{1,3}|[iі]v)[\s_.-]{0,3}\Z")
_NUMBER_AFTER = re.compile(r"[\s_.=№-]{0,3}([0-9]{1,2})(?![0-9])")
_DAY_AFTER = re.compile(r"[\s_.-]{0,2}([0-9]{1,2})(?:st|nd|rd|th)?(?![0-9])")
_YEAR_AFTER = re.compile(rf"[\s_.,'’-]{{0,3}}({YEAR})(?![0-9])")
_YEAR_AT_END = re.compile(rf"(?<![0-9]){YEAR}[\s_.-]{{0,3}}\Z")


class _Mark(NamedTuple):
    """A word with what belongs to it: a span, and where in the text it begins and ends."""

    span: Span
    begin: int
    end: int


def find(text: str, year: int, *, named: bool) -> Span | None:
    """What the words of a name say. text: in lower case · year: the one that is meant where none stands beside the word ·
    named: whether the name itself holds that year; where it does not, an abbreviation counts only as the whole name."""
    if WORDS.keys().isdisjoint(_WORD.findall(text)):
        return None
    marks: list[_Mark] = []
    words = list(_WORD.finditer(text))
    for found in words:
        word = WORDS.get(found[0])
        if word is None or (word.short and word.unit is Unit.MONTH and not named and len(words) > 1):
            continue
        mark = _month(text, found, word, year) if word.unit is Unit.MONTH else _numbered(text, found, word, year)
        if mark is not None:
            marks.append(mark)
    if not marks:
        return None
    first = marks[0].span
    if len(marks) > 1:
        second = marks[1].span
        alike = first.unit is second.unit and first.start < second.start
        if alike and BETWEEN.fullmatch(text, marks[0].end, marks[1].begin):
            return spans.joined(first, second)
    return first


def _month(text: str, found: re.Match[str], word: Word, year: int) -> _Mark | None:
    """A month, a day of it, or some days."""
    begin, end = found.span()
    beside = _YEAR_AFTER.match(text, end)
    near = max(0, begin - _NEAR)
    before = _NUMBER_BEFORE.search(text[near:begin])
    day, last = 0, 0
    if before is not None and _is_day(int(before[2]), word, beside):
        day, last = int(before[1] or before[2]), int(before[2])
        begin = near + before.start()
    elif word.english and before is None:
        after = _DAY_AFTER.match(text, end)
        if after is not None and _is_no_year(after, year, text[:begin]):
            day = last = int(after[1])
            end = after.end()
            beside = _YEAR_AFTER.match(text, end)
    if beside is not None:
        year, end = int(beside[1]), beside.end()
    try:
        if not day:
            return _Mark(spans.month(year, word.number), begin, end)
        return _Mark(spans.joined(spans.day(year, word.number, day), spans.day(year, word.number, last)), begin, end)
    except ValueError:
        return None


def _is_day(number: int, word: Word, beside: re.Match[str] | None) -> bool:
    """Whether a number before a month is a day of it, and not the month's own number as in `05-May`."""
    return number != word.number or word.of or (word.english and beside is not None)


def _is_no_year(after: re.Match[str], year: int, before: str) -> bool:
    """Whether a number after a month is a day of it: `May 24` of 2024 may mean either."""
    beside = _YEAR_AFTER.match(after.string, after.end())
    return int(after[1]) != year % 100 or beside is not None or _YEAR_AT_END.search(before) is not None


def _numbered(text: str, found: re.Match[str], word: Word, year: int) -> _Mark | None:
    """A quarter, half or week. A single letter must touch its number: Q3, 3q, W20."""
    begin, end = found.span()
    near = max(0, begin - _NEAR)
    before = _NUMBER_BEFORE.search(text[near:begin]) or _ROMAN_BEFORE.search(text[near:begin])
    after = _NUMBER_AFTER.match(text, end)
    if word.short:
        before = before if before is not None and before.end(before.lastindex or 0) == begin - near else None
        after = after if after is not None and after.start(1) == end else None
    first = last = 0
    if before is not None:
        last = _figure(before[before.lastindex or 0])
        first = _figure(before[1]) if before[1] else last
        begin = near + before.start()
    elif after is not None:
        first = last = int(after[1])
        end = after.end()
    else:
        return None
    beside = _YEAR_AFTER.match(text, end)
    if beside is not None:
        year, end = int(beside[1]), beside.end()
    make = {Unit.QUARTER: spans.quarter, Unit.HALF: spans.half, Unit.WEEK: spans.week}[word.unit]
    try:
        return _Mark(spans.joined(make(year, first), make(year, last)), begin, end)
    except ValueError:
        return None


def _figure(text: str) -> int:
    """A number in figures, or a Roman one up to four, typed with Latin or Cyrillic letters."""
    return int(text) if text.isdigit() else {"i": 1, "ii": 2, "iii": 3, "iv": 4}[text.replace("і", "i")]
