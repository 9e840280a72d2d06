"""Dates in figures within a name: 2024-05-17T14, 20240517_1400, 17.05.2024, 2024-05, 01-15.05.2024, 2023-2024, 2024.

One regular expression finds them; what it finds is then looked up in the calendar. A number is a date only where it stands by
itself and names a year from 1990 to 2100, and a short one only where no word before it says that it counts something else
(`ticket-2024`). In a name with several dates the first one counts, unless a later one is a part of it, or both are the ends of
a range.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from functools import lru_cache
from typing import Any

from vault.about import spans
from vault.about.spans import Span, Unit
from vault.about.vocabulary import BETWEEN, WORDS, YEAR, counts_something, word_before

_END = "(?![0-9])"


def _group(name: str, pattern: str) -> str:
    return f"(?P<{name}>{pattern})"


def _day(name: str) -> str:
    return _group(name, "3[01]|[12][0-9]|0[1-9]")


def _month(name: str) -> str:
    return _group(name, "1[0-2]|0[1-9]")


_NO_DATE = rf"(?!{YEAR}(?:[-._ ](?:0[1-9]|1[0-2])|[0-9]{{4}}(?![0-9]))|[0-9]{{2}}[-._ ][0-9]{{1,2}}[-._ ]{YEAR})"
"""After the first date of a range comes the second one, not a time."""


def _clock(of: str, separator: str) -> str:
    """An hour, perhaps with minutes, seconds and an offset, after a date."""
    hour = _NO_DATE + _group(f"hour_{of}", "[01][0-9]|2[0-3]")
    rest = rf"(?:[-_.:h ]?[0-5][0-9](?:[-_.:m ]?[0-5][0-9](?!:)(?:[.,]?[0-9]{{1,6}})?)?)?{_END}"
    offset = _group(f"ahead_{of}", rf"z(?![^\W_])|[+-][01][0-9](?::?[0-5][0-9])?{_END}")
    return f"(?:{_group(f'before_{of}', separator)}{hour}{rest}{offset}?)"


_APART = r"[ _-]{1,2}|[ _]?t[ _]?|[ _](?:at|в|о|об)[ _]"
_ONE_OR_TWO = "3[01]|[12][0-9]|0?[1-9]"

_DIGITS = re.compile("[0-9]+")
_YEAR_SOMEWHERE = re.compile(YEAR)

# Matched at the first of some figures. The alternatives end in an empty group each: its name says which one it was.
_NUMBERS = re.compile(
    rf"""(?<![0-9]\.)(?<![0-9][a-f])(?:
      {_group("year", YEAR)}
        (?: (?P<between>[-._ ]){_group("m1", "1[0-2]|0?[1-9]")}(?P=between){_group("d1", _ONE_OR_TWO)}{_END}
            {_clock("ymd", _APART)}?(?P<ymd>)
          | {_month("m2")}{_day("d2")}{_clock("packed", "[ _t-]{0,2}")}?{_END}(?P<packed>)
          | [-._ ]?{_month("m3")}{_END}(?P<ym>)
          | {_END}(?!(?!dec|feb)[a-f][0-9a-f]*[0-9])(?P<y>)
        )
    | {_day("d4")}-{_day("e4")}\.{_month("m4")}\.{_group("y4", YEAR)}{_END}(?P<days>)
    | {_day("d5")}\.{_month("m5")}\.?-{_day("e5")}\.{_month("n5")}\.{_group("y5", YEAR)}{_END}(?P<months>)
    | {_group("d6", _ONE_OR_TWO)}(?P<inside>[-._ ]){_group("m6", _ONE_OR_TWO)}(?P=inside){_group("y6", YEAR)}{_END}
      {_clock("dmy", _APART)}?(?P<dmy>)
    | {_day("d7")}\.{_month("m7")}\.(?P<y7>[0-9]{{2}})(?![0-9]|\.[0-9])(?P<short>)
    | {_day("d8")}{_day("m8")}{_group("y8", YEAR)}{_END}{_clock("packed_dmy", _APART)}?(?P<packed_dmy>)
    | {_month("m9")}[-._]{_group("y9", YEAR)}{_END}(?P<my>)
    )""",
    re.VERBOSE,
)


def find(text: str, *, day_first: bool) -> Span | None:
    """The date in a name, of any unit. text: in lower case · day_first: of 01.02.2024."""
    if _YEAR_SOMEWHERE.search(text) is None and text.count(".") < 2:  # most names without a date, at little cost
        return None
    chosen: Span | None = None
    end = 0
    figures = _DIGITS.search(text)
    while figures is not None:
        found = _NUMBERS.match(text, figures.start())
        span = None if found is None else _read(found, day_first=day_first)
        after = figures.end() if found is None else found.end()
        if span is not None:
            if chosen is None:
                chosen, end = span, after
            elif span.unit is chosen.unit and chosen.start < span.start and BETWEEN.fullmatch(text, end, figures.start()):
                return Span(Unit.RANGE, chosen.start, span.end)
            elif span.unit > chosen.unit and span.within(chosen):
                chosen, end = span, after
        figures = _DIGITS.search(text, after)
    return chosen


def _read(found: re.Match[str], *, day_first: bool) -> Span | None:
    """What a match means; None where the calendar has no such day, or the number counts something."""
    which = found.lastgroup or ""
    try:
        if which in _DAYS:
            return _day_or_hour(found.group(*_DAYS[which]), year_first=which in _YEAR_FIRST, day_first=day_first)
        return _OTHERS[which](found)
    except ValueError:
        return None


_YEAR_FIRST = ("ymd", "packed")
_DAYS = {
    which: tuple(_NUMBERS.groupindex[name] for name in names)
    for which, names in {
        "ymd": ("year", "m1", "d1", "hour_ymd", "ahead_ymd", "before_ymd"),
        "packed": ("year", "m2", "d2", "hour_packed", "ahead_packed", "before_packed"),
        "dmy": ("d6", "m6", "y6", "hour_dmy", "ahead_dmy", "before_dmy"),
        "packed_dmy": ("d8", "m8", "y8", "hour_packed_dmy", "ahead_packed_dmy", "before_packed_dmy"),
    }.items()
}
"""By the number of their groups, the quickest way to them: a day's three parts, an hour, its offset, what led to it."""


def _day_or_hour(parts: tuple[str | Any, ...], *, year_first: bool, day_first: bool) -> Span:
    first, second, third, hour, ahead, before = parts
    day = _day_of(first, second, third) if year_first else _year_last(first, second, third, day_first=day_first)
    if hour is None:
        return day
    span = spans.hour(day, int(hour))
    # a hyphen and figures are an offset only in ISO 8601's own form: elsewhere they are the next part of the name
    if ahead and (ahead[0] != "-" or "t" in before):
        return span._replace(ahead=_ahead(ahead))
    return span


@lru_cache(maxsize=4096)
def _day_of(year: str, month: str, day: str) -> Span:
    return spans.day(int(year), int(month), int(day))


def _year_last(first: str, second: str, year: str, *, day_first: bool) -> Span:
    """Where only one order of day and month makes a date, that one is meant."""
    day, month = (first, second) if day_first else (second, first)
    return _day_of(year, day, month) if int(month) > 12 else _day_of(year, month, day)


def _ahead(text: str) -> timedelta:
    digits = text[1:].replace(":", "").ljust(4, "0")
    length = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return -length if text[0] == "-" else length


def _year_and_month(found: re.Match[str]) -> Span | None:
    if found.end() - found.start() == len("202405") and counts_something(found.string, found.start()):
        return None
    return spans.month(int(found["year"]), int(found["m3"]))


def _month_and_year(found: re.Match[str]) -> Span:
    text, at = found.string, found.start()
    word = WORDS.get(word_before(text, at))
    if text[at - 1 : at].isalpha() or counts_something(text, at) or (word is not None and word.unit is not Unit.MONTH):
        return spans.year(int(found["y9"]))
    return spans.month(int(found["y9"]), int(found["m9"]))


def _year(found: re.Match[str]) -> Span | None:
    return None if counts_something(found.string, found.start()) else spans.year(int(found["year"]))


def _days(found: re.Match[str]) -> Span:
    """01-15.05.2024"""
    year, month = int(found["y4"]), int(found["m4"])
    return spans.joined(spans.day(year, month, int(found["d4"])), spans.day(year, month, int(found["e4"])))


def _days_of_months(found: re.Match[str]) -> Span:
    """28.04-05.05.2024"""
    year = int(found["y5"])
    first = spans.day(year, int(found["m5"]), int(found["d5"]))
    return spans.joined(first, spans.day(year, int(found["n5"]), int(found["e5"])))


def _short_year(found: re.Match[str]) -> Span:
    """17.05.24: no other order is written with points."""
    year = found["y7"]
    return _day_of(f"19{year}" if year >= "90" else f"20{year}", found["m7"], found["d7"])


_OTHERS: dict[str, Callable[[re.Match[str]], Span | None]] = {
    "ym": _year_and_month, "my": _month_and_year, "y": _year, "days": _days, "months": _days_of_months,
    "short": _short_year,
}  # fmt: skip
