"""Dates in figures within a name: 2024-05-17T14, 20240517_1400, 17.05.2024, 2024-05, 01-15.05.2024, 2023-2024, 2024.

One regular expression finds them; what it finds is then looked up in the calendar. A number is a date only where it stands by
itself and names a year from 1990 to 2100, and a short one only where no word before it says that it counts something
(`ticket-2024`). Numbers beside a date that share its month or its day (`01-15.05.2024`, `08.00-20.00`) belong to it. What can
be read in two ways, such as `2024-05-01-15` (the hour, or the days), is a span that covers both, and doubtful.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import lru_cache
from typing import Any

from classify import calendar_spans, date_ranges, zone_words
from classify.calendar_spans import Span, Unit
from classify.name_dates import DateMark, union
from classify.vocabulary import ANNUAL, WORDS, YEAR, YEAR_WORD, counts_something, word_before

_END = "(?![0-9])"


def _group(name: str, pattern: str) -> str:
    return f"(?P<{name}>{pattern})"


def _day(name: str) -> str:
    return _group(name, "3[01]|[12][0-9]|0[1-9]")


def _month(name: str) -> str:
    return _group(name, "1[0-2]|0[1-9]")


def _clock(of: str, separator: str) -> str:
    """An hour, perhaps with minutes, seconds, half of the day and an offset, after a date."""
    hour = date_ranges.NO_DATE + _group(f"hour_{of}", r"[01][0-9]|2[0-3]|[0-9](?=[.:][0-5][0-9][.:][0-5][0-9])")
    seconds = rf"(?:(?P=parted_{of})|m)[0-5][0-9](?!:)(?:[.,][0-9]{{1,9}}|(?<=[0-9]{{6}})[0-9]{{3}}(?:[0-9]{{3}})?(?![0-9]))?"
    rest = rf"(?:(?P<parted_{of}>[-_.:h ]?)[0-5][0-9](?:{seconds})?)?{_END}(?:[\s_.]?(?P<half_{of}>[ap])\.?m(?![^\W_]))?"
    offset = _group(f"ahead_{of}", rf"z(?![^\W_])|[+-][01][0-9](?::?[0-5][0-9])?{_END}|{zone_words.ZONE}")
    return f"(?:{_group(f'before_{of}', separator)}{hour}{rest}{offset}?)"


_APART = r"[ _–-]{1,2}|[ _]?t[ _]?|[ _](?:at|в|о|об|um|o)[ _]"
_ONE_OR_TWO = "3[01]|[12][0-9]|0?[1-9]"

_DAY_FIRST = rf"[0-9]{{2}}[-._ ][0-9]{{1,2}}[-._ ]{YEAR}|[0-9]{{2}}\.[0-9]{{2}}\.[0-9]{{2}}{_END}"
_DIGITS = re.compile("[0-9]+")
_YEAR_SOMEWHERE = re.compile(YEAR)

# Matched at the first of some figures. The alternatives end in an empty group each: its name says which one it was.
_NUMBERS = re.compile(
    rf"""(?<![0-9]\.)(?<![0-9][a-f])(?:
      {_group("year", YEAR)}
        (?: (?P<between>[-._ ]){_group("m1", "1[0-2]|0?[1-9]")}(?P=between){_group("d1", _ONE_OR_TWO)}{_END}
            {_clock("ymd", _APART)}?(?P<ymd>)
          | {_month("m2")}{_day("d2")}{_clock("packed", "[ _t–-]{0,2}")}?{_END}(?P<packed>)
          | (?:[-._ ](?!{_DAY_FIRST}))?{_month("m3")}{_END}(?P<ym>)
          | {_END}(?!(?!dec|feb)[a-f][0-9a-f]*[0-9]|x[0-9])(?P<y>)
        )
    | {_group("d6", _ONE_OR_TWO)}(?P<inside>[-._ ]){_group("m6", _ONE_OR_TWO)}(?P=inside){_group("y6", YEAR)}{_END}
      {_clock("dmy", _APART)}?(?P<dmy>)
    | {_day("d7")}\.{_day("m7")}\.(?P<y7>[0-9]{{2}})(?![0-9]|\.[0-9]{{2}}[^0-9]|\.[0-9]{{1,3}}(?:\.|\Z))
      {_clock("short", "[ _]")}?(?P<short>)
    | {_day("d8")}{_day("m8")}{_group("y8", YEAR)}{_END}{_clock("packed_dmy", _APART)}?(?P<packed_dmy>)
    | {_month("m9")}[-._]{_group("y9", YEAR)}{_END}(?P<my>)
    | [0-9]{{1,2}}\.{_group("y10", YEAR)}{_END}(?!\.[0-9])(?P<numbered>)
    )""",
    re.VERBOSE,
)


def find(text: str, *, day_first: bool) -> list[DateMark]:
    """The dates in a name, of any unit, in order. text: in lower case · day_first: of 01.02.2024."""
    if _YEAR_SOMEWHERE.search(text) is None and text.count(".") < 2:  # most names without a date, at little cost
        return []
    marks, orders = _all(text, day_first=day_first)
    if len(orders) == 2 and (not day_first) in orders:  # one date has one reading only, and the others follow it
        return _all(text, day_first=not day_first)[0]
    return marks


def _all(text: str, *, day_first: bool) -> tuple[list[DateMark], set[bool | None]]:
    """The dates, and which came first in those that name the year last: the day, the month, or None for either."""
    marks: list[DateMark] = []
    orders: set[bool | None] = set()
    figures = _DIGITS.search(text)
    while figures is not None:
        begin = figures.start()
        found = _NUMBERS.match(text, begin)
        after = figures.end()
        if found is not None:
            after = found.end()
            mark = _read(found, day_first=day_first, orders=orders)
            if mark is not None:
                marks.append(mark)
                after = mark.end
        figures = _DIGITS.search(text, after)
    return marks, orders


def _read(found: re.Match[str], *, day_first: bool, orders: set[bool | None]) -> DateMark | None:
    """What a match means; None where the calendar has no such day, or the number counts something."""
    which = found.lastgroup or ""
    try:
        if which in _DAYS:
            return _day_or_hour(found, which, day_first=day_first, orders=orders)
        span = _OTHERS[which](found)
    except ValueError:
        return None
    if span is None:
        return None
    mark = DateMark(span, found.start(), found.end(), bare=span.unit is Unit.YEAR)
    if mark.bare:
        said = YEAR_WORD.match(found.string, mark.end) is not None or ANNUAL.search(found.string) is not None
        return date_ranges.years(found.string, mark._replace(bare=not said))
    return date_ranges.months(found.string, mark, year_first=which == "ym")


_YEAR_FIRST = ("ymd", "packed")
_CLOCK = ("hour", "half", "ahead", "before")
_DAYS = {
    which: tuple(_NUMBERS.groupindex[name] for name in (*date, *(f"{name}_{which}" for name in _CLOCK)))
    for which, date in {
        "ymd": ("year", "m1", "d1"),
        "packed": ("year", "m2", "d2"),
        "dmy": ("d6", "m6", "y6"),
        "short": ("d7", "m7", "y7"),
        "packed_dmy": ("d8", "m8", "y8"),
    }.items()
}  # fmt: skip
"""By the number of their groups, the quickest way to them: a day's three parts, an hour, its half of the day, its offset, and
what led to it."""
_HOURS = {which: groups[3] for which, groups in _DAYS.items()}


def _day_or_hour(found: re.Match[str], which: str, *, day_first: bool, orders: set[bool | None]) -> DateMark:
    first, second, third, hour, half, ahead, before = found.group(*_DAYS[which])
    if which in _YEAR_FIRST:
        day = _day_of(first, second, third)
    else:
        order = True if int(first) > 12 else False if int(second) > 12 else None
        orders.add(order)
        day_first = day_first if order is None else order
        day = _day_of(_four(third), second, first) if day_first else _day_of(_four(third), first, second)
    begin, end, text = found.start(), found.end(), found.string
    if hour is None:
        return date_ranges.days(text, DateMark(day, begin, end), year_first=which in _YEAR_FIRST, day_first=day_first)
    at_hour = found.end(_HOURS[which])
    span = calendar_spans.hour(day, date_ranges.hour_of(int(hour), half))
    # a hyphen and figures are an offset only in ISO 8601's own form: elsewhere they are the next part of the name
    if ahead and ahead[-1] != "z" and any(map(str.isalpha, ahead)):
        span, several = zone_words.at_zone(span, ahead)
        return DateMark(span, begin, end, several)
    if ahead and (ahead[0] != "-" or "t" in before):
        away = _ahead(ahead)
        if away is not None:
            return DateMark(span._replace(ahead=away), begin, end)
    mark = DateMark(span, begin, found.start(f"ahead_{which}") if ahead else end)
    if mark.end - at_hour <= len(".05.24") and not half:
        signs = before, text[found.end(_DAYS[which][0])]
        order = None if which in _YEAR_FIRST else day_first
        other = _other_reading(text[at_hour : mark.end], day, int(hour), signs, day_first=order)
        if other is not None:
            mark = mark._replace(span=union([span, other]), doubtful=True)
    mark = date_ranges.hours(text, mark, span)
    return mark if which in _YEAR_FIRST else date_ranges.days_before(text, mark, day, day_first=day_first)


def _other_reading(clock: str, day: Span, hour: int, signs: tuple[str, str], *, day_first: bool | None) -> Span | None:
    """What an hour and minutes after a date may mean besides: the last day of a range, or the last hour of one. signs: before
    the hour, and within the date · day_first: None where the date names the year first."""
    before, inside = signs
    dash = before in ("-", "–", " - ", "--")
    if not clock:  # 2024-05-01-15
        return calendar_spans.joined(day, _in_month(day, hour)) if dash and hour > day.start.day else None
    if clock[0] == "." and clock.count(".") == 2:  # 2024-05-01_02.05.24
        return _short_date(clock, day, hour)
    figures = clock.lstrip("-._: ")
    if len(figures) != 2 or len(clock) > 3:
        return None
    second, parted = int(figures), clock[:-2]
    if not parted and before == inside and abs(hour * 100 + second - day.start.year) <= 1:  # 2020-01-06-2020
        return union([day, *_year_last(day, hour * 100 + second)])
    # 2024-05-01_05-15, 2024.05.01-05.15, 01.05.2024-15.05, 20240501-0515
    if (inside == parted and (dash or day_first is None)) or (not parted and inside.isdigit() and dash):
        last = _near(day, second, hour) if day_first else _near(day, hour, second)
        if last is not None:
            return calendar_spans.joined(day, last)
    if parted == "-" and hour < second <= 24:  # 2024-05-17_08-20
        return calendar_spans.joined(
            calendar_spans.hour(day, hour), calendar_spans.hour(day, second - 1 if second == 24 else second)
        )
    return None


def _short_date(clock: str, day: Span, hour: int) -> Span | None:
    """What an hour, minutes and seconds mean as a date with points, near another."""
    _, month, year = clock.split(".")
    try:
        other = _day_of(_four(year), month, str(hour))
    except ValueError:
        return None
    return union([day, other]) if abs(other.start - day.start) <= timedelta(days=366) else None


def _year_last(day: Span, year: int) -> list[Span]:
    """What month and day of a date mean with the year behind them, whichever of them comes first."""
    found = []
    for month, number in ((day.start.day, day.start.month), (day.start.month, day.start.day)):
        with suppress(ValueError):
            found.append(calendar_spans.day(year, month, number))
    return found


def _in_month(day: Span, number: int) -> Span:
    return calendar_spans.day(day.start.year, day.start.month, number)


def _near(day: Span, month: int, number: int) -> Span | None:
    """A later day within a month of another."""
    try:
        last = calendar_spans.day(day.start.year, month, number)
    except ValueError:
        return None
    return last if timedelta(0) < last.start - day.start <= timedelta(days=31) else None


@lru_cache(maxsize=4096)
def _day_of(year: str, month: str, day: str) -> Span:
    return calendar_spans.day(int(year), int(month), int(day))


def _four(year: str) -> str:
    """17.05.24: no other order is written with points."""
    return year if len(year) == 4 else f"19{year}" if year >= "90" else f"20{year}"


def _ahead(text: str) -> timedelta | None:
    """An offset; None where no place is that far from UTC."""
    digits = text[1:].replace(":", "").ljust(4, "0")
    length = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    if length > timedelta(hours=14 if text[0] != "-" else 12):
        return None
    return -length if text[0] == "-" else length


def _year_and_month(found: re.Match[str]) -> Span | None:
    if found.end() - found.start() == len("202405") and counts_something(found.string, found.start()):
        return None
    return calendar_spans.month(int(found["year"]), int(found["m3"]))


def _month_and_year(found: re.Match[str]) -> Span:
    text, at = found.string, found.start()
    word = WORDS.get(word_before(text, at))
    if text[at - 1 : at].isalpha() or counts_something(text, at) or (word is not None and word.unit is not Unit.MONTH):
        return calendar_spans.year(int(found["y9"]))
    return calendar_spans.month(int(found["y9"]), int(found["m9"]))


def _year(found: re.Match[str]) -> Span | None:
    return None if counts_something(found.string, found.start()) else calendar_spans.year(int(found["year"] or found["y10"]))


_OTHERS: dict[str, Callable[[re.Match[str]], Any]] = {
    "ym": _year_and_month,
    "my": _month_and_year,
    "y": _year,
    "numbered": _year,
}
