"""The dates that one name holds, put together to what it is about.

2024-05-01 - 2024-05-15     the ends of a range, in order: from the first to the last
May and June 2024           what `and` or a comma joins: all of it
2024 calls 2024-05-17       a bare year beside one of its days says no more than the day
May 2024, made 2024-06-03   a date after a word of making is not what the name is about
20240517_calls_20240603     anything else is in doubt: the period covers all of them, and says that it is doubtful
"""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta
from typing import NamedTuple

from classify.calendar_spans import Span, Unit
from classify.vocabulary import BETWEEN

_TOGETHER = re.compile(r"[\s_]{0,2}(?:[,;+&]|(?:и|і|й|та|and|und|i|oraz)(?![^\W_]))[\s_]{0,2}|[\s_]")
_MADE = re.compile(
    r"(?<![^\W_])(?:(?:от|від|as[\s_]of|stand|made|built)|(?:составлен|создан|сформирован|выгружен|обновлен|изменен|распечатан|подписан"
    r"|створен|сформован|вивантажен|оновлен|created|generated|exported|printed|downloaded|uploaded|updated|modified|signed"
    r"|erstellt|exportiert|utworzon|wygenerowan)[^\W\d_]{0,2})[\s_.:(-]{1,3}(?:(?:on|at|am|vom|dnia)[\s_])?\Z"
)
"""What stands before a date of making."""


class DateMark(NamedTuple):
    """A date in a name. begin, end: where it stands · doubtful: it can be read in several ways, and the span covers them all ·
    bare: a year without a word that says so, which a finer date beside it refines."""

    span: Span
    begin: int
    end: int
    doubtful: bool = False
    bare: bool = False


class NameReading(NamedTuple):
    """What a name says. doubtful: it can be read in several ways, and the span covers them all."""

    span: Span
    doubtful: bool = False


def combined(text: str, marks: list[DateMark]) -> NameReading | None:
    """What the dates of a name say together. marks: in any order."""
    if not marks:
        return None
    if len(marks) == 1:
        return NameReading(marks[0].span, marks[0].doubtful)
    groups: list[DateMark] = []
    for mark in sorted(marks, key=lambda one: one.begin):
        if groups:
            last = groups[-1]
            gap = text[last.end : mark.begin]
            if BETWEEN.fullmatch(gap) and last.span.start < mark.span.start and not mark.span.within(last.span):
                groups[-1] = _together(last, mark)
                continue
            if mark.span.unit is last.span.unit and _TOGETHER.fullmatch(gap):
                groups[-1] = _together(last, mark)
                continue
            if _MADE.search(gap) is not None:
                continue
        groups.append(mark)
    groups = [one for one in groups if not (one.bare and any(_refines(other.span, one.span) for other in groups))]
    whole = union([one.span for one in groups])
    return NameReading(whole, any(one.doubtful or one.span != whole for one in groups))


def _together(first: DateMark, last: DateMark) -> DateMark:
    return DateMark(union([first.span, last.span]), first.begin, last.end, first.doubtful or last.doubtful)


def _refines(span: Span, year: Span) -> bool:
    return span.unit is not Unit.YEAR and span.within(year)


def union(parts: list[Span]) -> Span:
    """The shortest span that covers them all; one of them, where it does."""
    first = parts[0]
    if all(one == first for one in parts):
        return first
    if any(one.ahead != first.ahead for one in parts):  # clocks of several places: whole days, and one more on either side
        parts = [_widened(one) for one in parts]
    start, end = min(one.start for one in parts), max(one.end for one in parts)
    for one in parts:
        if (one.start, one.end) == (start, end):
            return one
    return Span(Unit.RANGE, start, end, parts[0].ahead)


def _widened(span: Span) -> Span:
    day = timedelta(days=1)
    start, end = (datetime.combine(one.date(), time()) for one in (span.start, span.end))
    if span.ahead is None:
        return Span(Unit.RANGE, start, end if end == span.end else end + day)
    return Span(Unit.RANGE, start - day, end + 2 * day)
