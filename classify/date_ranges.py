"""Numbers beside a date in figures that share its month, year or day: the other end of a range, or more of a list.

01-15.05.2024   28.04-05.05.2024   с 1 по 15.05.2024   01, 08 и 15.05.2024      before a date that names the year last
2024-05-01 - 15   2024.05.28-06.03   01.05.2024-15.05                           after a date
01-03.2024   2024.01-03   2023-24                                               months and years
2024-05-17 08.00-20.00   20240517_0800-2000                                     hours of a day
"""

from __future__ import annotations

import re

from classify import calendar_spans
from classify.calendar_spans import Span, Unit
from classify.name_dates import DateMark, union
from classify.vocabulary import WORDS, YEAR, counts_something

SIGN = r"(?:[\s_]{0,2}(?:[-–—]{1,2}|\.\.\.?|…)[\s_]{0,2}|[\s_]{1,2}(?:to|till|until|thru|through|bis|do|по|до|на|na)[\s_]{1,2})"
"""What makes a range of two numbers."""
LIST = r"(?:[\s_]?[,;+&][\s_]{0,2}|[\s_](?:и|і|й|та|and|und|i|oraz)[\s_])"

NO_DATE = (
    rf"(?!{YEAR}(?:[-._ ](?:0[1-9]|1[0-2])|(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])(?:[0-9]{{2}}){{0,3}}(?![0-9]))"
    rf"|[0-9]{{2}}[-._ ][0-9]{{1,2}}[-._ ]{YEAR}|[0-9]{{4}}{YEAR}(?![0-9]))"
)
"""After the first date of a range comes the second one, not a time."""

_BEFORE = re.compile(
    rf"(?<![^\W_])(?<![0-9][.,])(?P<first>[0-9]{{1,2}})(?:[hч]|[._/-](?P<second>[0-9]{{1,2}})\.?|\.)?(?:(?P<range>{SIGN}|_)|{LIST})\Z"
)
_DANGLING = re.compile(rf"[0-9][^\W\d_]?(?:{SIGN}|{LIST})\Z")
_AFTER = re.compile(
    rf"(?:{SIGN}|{LIST}){NO_DATE}(?P<first>[0-9]{{1,2}})(?:(?P<parted>[._-])(?P<second>[0-9]{{1,2}}))?(?![0-9]|[-._,][0-9])"
)
_NO_SHORT_DATE = r"(?!(?:0[1-9]|[12][0-9]|3[01])\.(?:0[1-9]|1[0-2])\.[0-9]{2}(?![0-9]))"
_HOUR_AFTER = re.compile(
    rf"{SIGN}{NO_DATE}{_NO_SHORT_DATE}(?:t[ _]?)?(?P<hour>[01]?[0-9]|2[0-4])"
    r"(?:(?P<parted>[-_.:h ]?)(?P<minute>[0-5][0-9])(?:(?:(?P=parted)|m)[0-5][0-9])?)?h?(?![0-9])"
    r"(?:[\s_.]?(?P<half>[ap])\.?m(?![^\W_]))?"
)
_YEAR_AFTER = re.compile(r"[\s_]?[-–—_/][\s_]?(?P<year>[0-9]{2})(?![0-9]|[-_.][0-9])")
_SIGNS_OF_NUMBERS = ("№", "#")
_WORD_NEXT = re.compile(r"(?:st|nd|rd|th)?[\s_.-]{0,3}(?:of[\s_])?([^\W\d_]+)")
_NEAR = 18
_ROUND = ("00", "15", "30", "45")
_MOST = 8
"""Numbers of a list that are looked at."""


def _more(text: str, at: int) -> bool:
    """Whether something but the end of a file's name follows, such as .csv."""
    following = text[at : at + 2]
    return len(following) == 2 and not (following[0] == "." and following[1].isalpha())


def days(text: str, mark: DateMark, *, year_first: bool, day_first: bool) -> DateMark:
    """More days beside a day."""
    day = mark.span
    found = _AFTER.match(text, mark.end) if _more(text, mark.end) else None
    if found is not None and not _before_month(text, found.end()):
        last = _day_after(found, day, month_first=year_first or not day_first)
        if last is not None:
            mark = DateMark(union([day, last]), mark.begin, found.end(), "-" in found[0] and found["second"] is not None)
    return mark if year_first else days_before(text, mark, day, day_first=day_first)


def _before_month(text: str, at: int) -> bool:
    """Whether a month's name follows, to which the number before it belongs."""
    found = _WORD_NEXT.match(text, at)
    word = None if found is None else WORDS.get(found[1])
    return word is not None and word.unit is Unit.MONTH


def _day_after(found: re.Match[str], day: Span, *, month_first: bool) -> Span | None:
    first, second = int(found["first"]), found["second"]
    numbers = (first, int(second)) if second is not None else None
    try:
        if numbers is None:
            last = calendar_spans.day(day.start.year, day.start.month, first)
        else:
            month, number = numbers if month_first else numbers[::-1]
            last = calendar_spans.day(day.start.year, month, number)
    except ValueError:
        return None
    return last if last.start > day.start else None


def days_before(text: str, mark: DateMark, day: Span, *, day_first: bool) -> DateMark:
    """More days before a day that names its year last."""
    for _ in range(_MOST):
        found = before(text, mark.begin)
        if found is None:
            break
        first = _day_before(found, day, day_first=day_first)
        if first is None:
            break
        in_month_before = found["second"] is None and first.start.month != day.start.month
        sure = found["range"] != "_" and not in_month_before
        mark = DateMark(union([first, mark.span]), found.start(), mark.end, mark.doubtful or not sure)
        day = first
    return mark


def before(text: str, begin: int) -> re.Match[str] | None:
    """Numbers that a sign of a range or list joins to what begins there: `first`, perhaps `second`, the sign of a `range`."""
    if begin == 0 or text[begin - 1].isalpha():
        return None
    found = _BEFORE.search(text, max(0, begin - _NEAR), begin)
    if found is None or text[found.start() - 1 : found.start()] in _SIGNS_OF_NUMBERS or counts_something(text, found.start()):
        return None
    return found


def dangling(text: str, begin: int) -> bool:
    """Whether other figures are joined to what begins there."""
    return _DANGLING.search(text, max(0, begin - _NEAR), begin) is not None


def _day_before(found: re.Match[str], day: Span, *, day_first: bool) -> Span | None:
    """An earlier day: of the same month, or of a month of its own, which may be one of the year before."""
    first, second = int(found["first"]), found["second"]
    try:
        if second is None:
            if found["range"] not in (None, "_") and first > day.start.day:
                return of_month_before(day, first)
            one = calendar_spans.day(day.start.year, day.start.month, first)
            return one if one.start < day.start else None
        number, month = (first, int(second)) if day_first else (int(second), first)
        one = calendar_spans.day(day.start.year, month, number)
        return one if one.start < day.start else calendar_spans.day(day.start.year - 1, month, number)
    except ValueError:
        return None


def of_month_before(day: Span, number: int) -> Span:
    """The day of that number in the month before a day's: of 28-03.01.2025 the first. Raises ValueError where it has none."""
    month = calendar_spans.back(Unit.MONTH, 1, day.start)
    return calendar_spans.day(month.start.year, month.start.month, number)


def months(text: str, mark: DateMark, *, year_first: bool) -> DateMark:
    """More months beside a month: 2024.01-03, 01-03.2024; over a new year 11-02.2025, which may be a day too."""
    month = mark.span
    try:
        if year_first:
            found = _AFTER.match(text, mark.end) if _more(text, mark.end) else None
            if found is None or found["second"] is not None or int(found["first"]) <= month.start.month:
                return mark
            last = calendar_spans.month(month.start.year, int(found["first"]))
            return DateMark(union([month, last]), mark.begin, found.end(), doubtful=True)
        found = before(text, mark.begin)
        if found is None or found["second"] is not None or int(found["first"]) == month.start.month:
            return mark
        over_new_year = int(found["first"]) > month.start.month
        if over_new_year and found["range"] in (None, "_"):
            return mark
        first = calendar_spans.month(month.start.year - over_new_year, int(found["first"]))
    except ValueError:
        return mark
    return DateMark(union([first, month]), found.start(), mark.end, doubtful=True)


def years(text: str, mark: DateMark) -> DateMark:
    """More years beside a year: 2023-24."""
    found = _YEAR_AFTER.match(text, mark.end) if _more(text, mark.end) else None
    if found is None:
        return mark
    first = mark.span.start.year
    last = first // 100 * 100 + int(found["year"])
    if not first < last <= first + 10:
        return mark
    return DateMark(union([mark.span, calendar_spans.year(last)]), mark.begin, found.end(), doubtful=last > first + 1)


def hours(text: str, mark: DateMark, hour: Span) -> DateMark:
    """More hours of a day after an hour of it; past midnight where the later one is smaller."""
    found = _HOUR_AFTER.match(text, mark.end) if _more(text, mark.end) else None
    if found is None:
        return mark
    number = hour_of(int(found["hour"]), found["half"])
    packed = found["minute"] is not None and not found["parted"]
    if packed and (len(found["hour"]) < 2 or (number < hour.start.hour and found["minute"] not in _ROUND)):
        return mark
    doubtful = mark.doubtful or (packed and number < hour.start.hour)  # it may be an offset too
    day = calendar_spans.day(hour.start.year, hour.start.month, hour.start.day)
    if number < hour.start.hour:
        day = Span(day.unit, day.end, day.end + (day.end - day.start))
    last = calendar_spans.hour(day, min(number, 23))
    return DateMark(union([mark.span, last._replace(ahead=mark.span.ahead)]), mark.begin, found.end(), doubtful)


def hour_of(number: int, half: str | None) -> int:
    """An hour of 24. half: `a` or `p`, where it is one of twelve."""
    return number if half is None or number > 12 else number % 12 + (12 if half == "p" else 0)
