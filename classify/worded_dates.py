"""Periods in words within a name: май 2024, 17 травня 2024, May 17, 2024, за январь-март 2024, III квартал 2024, Q3'24,
2024-W20, первое полугодие 2024, 9 місяців 2024.

The year may stand beside the word, with four figures or with two, anywhere else in the name, or in a folder above: the caller
says which it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from classify import calendar_spans
from classify.calendar_spans import Span, Unit
from classify.date_ranges import LIST, SIGN, of_month_before
from classify.name_dates import DateMark, union
from classify.vocabulary import ORDINALS, WORDS, YEAR, Word, counts_something

_WORD = re.compile(r"[^\W\d_]+")
_NEAR = 40
"""How many characters before a word may belong to it."""

_ORDINAL = r"(?:[-']?(?:st|nd|rd|th|й|ий|ій|я|го|ого|ое|е|а|ше|ге|тє))?"
_JOINED = rf"(?:{SIGN}|{LIST})"
_NUMBER_BEFORE = re.compile(
    rf"(?<![0-9])(?<![0-9]\.)(?P<others>(?:[0-9]{{1,2}}{_ORDINAL}\.?{_JOINED}){{0,8}})(?P<last>[0-9]{{1,2}}){_ORDINAL}"
    r"(?:\.(?![0-9]))?[\s_.-]{0,3}(?:of[\s_])?\Z"
)
_ROMAN_BEFORE = re.compile(
    rf"(?<![^\W_])(?:(?P<others>[iі]{{1,3}}|[iі]v){_JOINED})?(?P<last>[iі]{{1,3}}|[iі]v){_ORDINAL}[\s_.-]{{0,3}}\Z"
)
_WORD_BEFORE = re.compile(rf"(?<![^\W_])(?:(?P<other>[^\W\d_]{{3,12}}){_JOINED})?(?P<word>[^\W\d_]{{3,12}})[\s_]\Z")
_NUMBER_AFTER = re.compile(
    rf"[\s_.=№-]{{0,3}}(?P<first>[0-9]{{1,2}})(?![0-9])(?P<others>(?:{_JOINED}[qhw]?[0-9]{{1,2}}(?![0-9])){{0,8}})"
)
_DAY_AFTER = re.compile(
    rf"[\s_.-]{{0,2}}(?P<first>[0-9]{{1,2}})(?:st|nd|rd|th)?(?![0-9])(?P<others>(?:{_JOINED}[0-9]{{1,2}}(?:st|nd|rd|th)?(?![0-9])){{0,8}})"
)
_YEAR_AFTER = re.compile(rf"(?:[\s_.,'’-]{{0,3}}|[\s_.,]of[\s_])({YEAR})(?![0-9]|([-._])[0-9]{{1,2}}\2[0-9]{{1,2}}(?![0-9]))")
_YEAR_AT_END = re.compile(rf"(?<![0-9])({YEAR})[\s_.-]{{0,3}}\Z")
_SHORT_YEAR = re.compile(
    r"(?P<parted>[\s_.'’ʼ`´-]{0,2})(?P<year>[0-9]{2})(?![0-9]|[.:][0-9])(?P<word>[\s_]?(?:г|год|года|р|року|рік|r|roku|fy)(?![^\W_]))?"
)
_APOSTROPHES = frozenset("'’ʼ`´")
_FIGURES = re.compile("[0-9]{1,2}")

_MAKE: dict[Unit, Callable[[int, int], Span]] = {
    Unit.QUARTER: calendar_spans.quarter,
    Unit.HALF: calendar_spans.half,
    Unit.WEEK: calendar_spans.week,
}


class _Year(NamedTuple):
    """A year that stands beside a word, and what of the name they take up together. first: whether it stands before."""

    year: int
    begin: int
    end: int
    first: bool = False


def any_in(text: str) -> bool:
    """Whether a name has a word that may say a period."""
    return not WORDS.keys().isdisjoint(_WORD.findall(text))


def find(text: str, years: tuple[int, ...], *, named: bool, dates: Sequence[int] = ()) -> list[DateMark]:
    """What the words of a name say. text: in lower case · years: those that are meant where none stands beside a word, the
    first and the last · named: whether the name itself holds them; where it does not, an abbreviation counts only as the whole
    name · dates: where figures that say a day or a month end; beside them words count that can hardly mean anything else."""
    if not any_in(text):
        return []
    marks = _marks(text, years, named=named, dates=dates)
    own = sorted({year for one in marks for year in (one.span.start.year, one.span.end.year)}) if marks and not years else []
    if own and own[0] in (own[-1], own[-1] - 1):  # 1 сент - 15 окт 24: the year beside one word is the others' too
        marks = _marks(text, (marks[-1].span.start.year,), named=True, dates=dates)
    return _in_order(text, marks)


def _marks(text: str, years: tuple[int, ...], *, named: bool, dates: Sequence[int]) -> list[DateMark]:
    """What each word says, in the order of the words."""
    marks: list[DateMark] = []
    words = list(_WORD.finditer(text))
    for found in words:
        word = WORDS.get(found[0])
        if word is None:
            continue
        alone = not word.short or word.unit is not Unit.MONTH or (named and not dates) or len(words) == 1
        floor = max([one.end for one in marks[-1:]] + [end for end in dates if end <= found.start()], default=0)
        mark = _mark(text, found, word, years if alone else (), floor, dated=bool(dates))
        if mark is not None:
            marks.append(mark)
    return marks


def _in_order(text: str, marks: list[DateMark]) -> list[DateMark]:
    """28 December - 5 January 2024: the first one is of the year before."""
    for at in range(len(marks) - 1):
        first, last = marks[at], marks[at + 1]
        own = re.search(YEAR, text[first.begin : first.end]) is not None
        later = first.span.start > last.span.start and first.span.start.year - last.span.start.year in (0, 1)
        if later and not own and re.fullmatch(SIGN, text[first.end : last.begin]):
            try:
                marks[at] = first._replace(span=_year_before(first.span))
            except ValueError:  # a 29 February
                marks[at] = first._replace(span=union([first.span, last.span]), doubtful=True)
    return marks


def _year_before(span: Span) -> Span:
    if span.unit is Unit.WEEK:
        year, number, _ = span.start.isocalendar()
        return calendar_spans.week(year - 1, number)
    return Span(span.unit, span.start.replace(year=span.start.year - 1), span.end.replace(year=span.end.year - 1))


def _mark(text: str, found: re.Match[str], word: Word, years: tuple[int, ...], floor: int, *, dated: bool) -> DateMark | None:
    make = _month if word.unit is Unit.MONTH else _numbered
    try:
        return make(text, found, word, years, floor, dated=dated)
    except ValueError:
        return None


def _month(text: str, found: re.Match[str], word: Word, years: tuple[int, ...], floor: int, *, dated: bool) -> DateMark | None:
    """A month, a day of it, or some days."""
    days, begin, end = _days_beside(text, found, word, years, floor)
    own = _own_year(text, begin, end, floor)
    doubtful = False
    if own is None and (not days or end == found.end()):
        short = _short_year(text, end, touching=not days)
        if short is not None and (not years or short.year in years or text[end] in _APOSTROPHES):
            own, doubtful = short, not days and text[end] not in _APOSTROPHES
    if own is not None:
        years, begin, end = (own.year,), min(begin, own.begin), own.end
    elif dated and not days and (word.short or word.of or not word.plain):
        return None
    if not years:
        return None
    parts = [_days_or_month(year, word.number, days) for year in years]
    return DateMark(union(parts), begin, end, doubtful or len(years) > 1)


def _days_beside(text: str, found: re.Match[str], word: Word, years: tuple[int, ...], floor: int) -> tuple[list[int], int, int]:
    """The days that a name says before or after a month, and what the month takes up with them."""
    begin, end = found.span()
    near = max(floor, begin - _NEAR)
    before = _NUMBER_BEFORE.search(text[near:begin])
    if before is not None and counts_something(text, near + before.start("last")):
        before = None
    if before is not None:
        if int(before["last"]) <= 31 and _is_day(int(before["last"]), word, _YEAR_AFTER.match(text, end)):
            return _figures(before["others"] + before["last"]), near + before.start(), end
    elif word.english:
        after = _DAY_AFTER.match(text, end)
        if after is not None and _is_no_year(after, years, text[:begin]):
            return _figures(after[0]), begin, after.end()
    return [], begin, end


def _days_or_month(year: int, month: int, days: list[int]) -> Span:
    if not days:
        return calendar_spans.month(year, month)
    parts = [calendar_spans.day(year, month, min(days)), calendar_spans.day(year, month, max(days))]
    if days[0] > days[-1]:  # 28 по 3 января: from the month before
        parts.append(of_month_before(parts[0], days[0]))
    return union(parts)


def _is_day(number: int, word: Word, beside: re.Match[str] | None) -> bool:
    """Whether a number before a month is a day of it, and not the month's own number as in `05-May`."""
    return number != word.number or word.of or (word.english and beside is not None)


def _is_no_year(after: re.Match[str], years: tuple[int, ...], before: str) -> bool:
    """Whether a number after a month is a day of it: `May 24` of 2024 may mean either."""
    beside = _YEAR_AFTER.match(after.string, after.end())
    if beside is not None or _YEAR_AT_END.search(before) is not None:
        return True
    return bool(years) and int(after["first"]) not in [year % 100 for year in years]


def _own_year(text: str, begin: int, end: int, floor: int) -> _Year | None:
    """The year of four figures right before or after a word and its numbers. floor: where what stands before ends."""
    before = _YEAR_AT_END.search(text, max(floor, begin - 8), begin)
    if before is not None and before.start() >= floor:
        return _Year(int(before[1]), before.start(), end, first=True)
    after = _YEAR_AFTER.match(text, end)
    return None if after is None else _Year(int(after[1]), begin, after.end())


def _short_year(text: str, end: int, *, touching: bool) -> _Year | None:
    """A year of two figures after a word: sep24, Sep-24, Q3'24. touching: a number after a blank may be a day."""
    found = _SHORT_YEAR.match(text, end)
    if found is None:
        return None
    year = int(found["year"])
    sure = found["word"] is not None or any(sign in _APOSTROPHES for sign in found["parted"])
    if touching and not sure and (found["parted"] not in ("", "-", ".") or not 20 <= year < 40):
        return None
    if not sure and 60 <= year < 90:
        return None
    return _Year(1900 + year if year >= 90 else 2000 + year, end, found.end())


def _numbered(
    text: str, found: re.Match[str], word: Word, years: tuple[int, ...], floor: int, *, dated: bool
) -> DateMark | None:
    """A quarter, half, week or run of months. A single letter must touch its number: Q3, 3q, W20."""
    begin, end = found.span()
    before, at = _numbers_before(text, begin, word, floor)
    after = _NUMBER_AFTER.match(text, end) if word.unit is not Unit.RANGE else None
    if word.short and after is not None and after.start("first") != end:
        after = None
    numbers = before
    year = None
    if after is not None and not (before and _valid(word.unit, before)):
        numbers, to = _figures(after["first"] + after["others"]), after.end()
        if not _valid(word.unit, numbers):
            numbers, to = _figures(after["first"]), after.end("first")
        if before and text[at:begin].isdigit() and len(text[at:begin]) == 2:  # 24Q3
            year = _Year(2000 + before[-1], at, to)
        begin_at, end_at = begin, to
    else:
        begin_at, end_at = at, end
    if not numbers or not _valid(word.unit, numbers):
        return None
    own = _own_year(text, begin_at, end_at, floor) or year
    if own is None:
        short = _short_year(text, end_at, touching=False)
        if short is not None and (not years or short.year in years or text[end_at] in _APOSTROPHES):
            own = short
    if own is not None:
        years, end_at = (own.year,), own.end
        begin_at = min(begin_at, own.begin)
    if not years or (word.unit is Unit.RANGE and word.short and numbers[-1] not in (3, 6, 9)):
        return None
    known_of = (True, False) if own is None else (own.first,)
    parts = [part for year_ in years for part in _parts(word, year_, numbers, known_of)]
    doubtful = word.other is not None or len(years) > 1 or _is_over_new_year(word, numbers)
    return DateMark(union(parts), begin_at, end_at, doubtful)


def _is_over_new_year(word: Word, numbers: list[int]) -> bool:
    """W52-W02, Q4-Q1."""
    return numbers[0] > numbers[-1] and word.unit is not Unit.RANGE


def _numbers_before(text: str, begin: int, word: Word, floor: int) -> tuple[list[int], int]:
    near = max(floor, begin - _NEAR)
    head = text[near:begin]
    found = _NUMBER_BEFORE.search(head)
    if found is not None:
        if word.short and found.end("last") != len(head):
            return [], begin
        if counts_something(text, near + found.start("last")):
            return [], begin
        return _figures(found["others"] + found["last"]), near + found.start()
    found = _ROMAN_BEFORE.search(head)
    if found is not None and not word.short:
        return [_roman(one) for one in (found["others"], found["last"]) if one], near + found.start()
    found = _WORD_BEFORE.search(head)
    if found is not None and not word.short:
        numbers = [number for number in map(_ordinal, (found["other"] or "", found["word"])) if number]
        if _ordinal(found["word"]):
            return numbers, near + found.start("word" if len(numbers) == 1 else 0)
    return [], begin


def _ordinal(word: str) -> int:
    """The number that a word says; 0 for none."""
    return next((number for form, number in ORDINALS.items() if word.startswith(form)), 0)


_MOST = {Unit.QUARTER: 4, Unit.HALF: 2, Unit.WEEK: 53, Unit.RANGE: 12}


def _valid(unit: Unit, numbers: list[int]) -> bool:
    return all(1 <= number <= _MOST[unit] for number in numbers)


def _parts(word: Word, year: int, numbers: list[int], known_of: Sequence[bool]) -> list[Span]:
    """What numbers of a unit mean in a year, with the other unit that the word may mean. known_of: whether the year is that of
    the first number, or of the last, where they go on into another."""
    if word.unit is Unit.RANGE:
        return [union([calendar_spans.month(year, 1), calendar_spans.month(year, max(numbers))])]
    if word.other is Unit.YEAR:
        return [calendar_spans.year(year)]
    out = [_MAKE[word.unit](year, number) for number in numbers]
    if word.other is not None and _valid(word.other, numbers):
        out += [_MAKE[word.other](year, number) for number in numbers]
    for first in known_of if _is_over_new_year(word, numbers) else ():
        out.append(_MAKE[word.unit](year + 1, numbers[-1]) if first else _MAKE[word.unit](year - 1, numbers[0]))
    return out


def _figures(text: str) -> list[int]:
    return [int(one) for one in _FIGURES.findall(text)]


def _roman(text: str) -> int:
    """A Roman number up to four, typed with Latin or Cyrillic letters."""
    return {"i": 1, "ii": 2, "iii": 3, "iv": 4}[text.replace("і", "i")]
