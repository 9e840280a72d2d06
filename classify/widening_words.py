"""Words by which a date stands for more than itself: with them a name's period is wider than its date.

    weekly 2024-09-15, week ending 15.09.2024        the weeks that the day may be the beginning, the end or a part of
    monthly report 2024-10-01                        the month, and the one before, of which the report may be
    YTD 2024-09, с начала года 13.09.2024            from the beginning of the year
    last 30 days 2024-09-13, 12 months to 2024-06    so many of them up to the date, or from it on
    FY24 Q3, FY2024                                  a fiscal year begins when its owner says: the calendar's years around it

What is not certain is doubtful, and never narrower than any of its readings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

from classify import calendar_spans
from classify.calendar_spans import Span, Unit
from classify.name_dates import NameReading

_ANY = re.compile(
    r"week|w[-_]?[ec]\b|\bwk|недел|недiл|тижн|тижд|tydzie|tygod|woche|wöch|month|monat|меся|міся|miesi|quarter|quartal|кварт|kwart"
    r"|yest|вчера|вчора|wczor|gest|[ymqw]td|\bto\b|to[-_]date|начал|початк|beginn|począt|нараст|накоп|нарост|narast|umul|cumul"
    r"|day|дней|дня|днів|дні\b|суток|tage|dni|years|лет|года|годов|рок|річн|jahr|lat\b|lata|roczn|annual|yearly|fy|fiscal|фін|фин"
    r"|obrotow|\bпо\b|\bдо\b|\bbis\b|\bdo\b|thr|until|till|last|past|prev|прош|послед|пред|минул|остан|попер"
)
"""What any of these words holds: most names have none of them, and are done with."""

_DAYS = {Unit.DAY: 1, Unit.WEEK: 7, Unit.MONTH: 28, Unit.QUARTER: 90, Unit.YEAR: 365}
_APART = r"[\s_.-]"
_BEFORE = r"(?<![^\W_])"
_AFTER = r"(?![^\W_])"

_USUAL = {
    Unit.WEEK: r"weekly|(?:ежене|не)дельн|тижнев|tygodniow|wöchentlich|woechentlich|wochenbericht"
    rf"|{_BEFORE}(?:week|wk|w[-_]?[ec]|недел[яьюие]|нед|тиж(?:день|ня|ні)?|tydzie[ńn]|tygodnia|tyg|woche|kw){_AFTER}",
    Unit.MONTH: r"monthly|месячн|місячн|miesi[ęe]czn|monatlich|monatsbericht",
    Unit.QUARTER: r"quarterly|квартальн|kwartaln|quartalsbericht|vierteljahr",
    Unit.YEAR: rf"yearly|annual{_APART}report"
    rf"|годово(?:й|го){_APART}отч|річн(?:ий|ого){_APART}звіт|jahresbericht|roczny{_APART}raport",
}
"""A report that comes once in each such span bears the day of its beginning, of its end or of its making."""

_FORMER = (
    rf"{_BEFORE}(?:last|past|previous|prev|(?:про|по)шл|послед|предыдущ|минул|останн|попередн|ostatni|poprzedni|zeszł|letzt|vorig)"
    rf"[^\W\d_]{{0,4}}{_APART}{{1,2}}"
)
_FORMER_UNITS = {
    Unit.DAY: "day|день|сутки|добу|dzień|tag",
    Unit.WEEK: "week|недел|тиж|tydz|tyg|woche",
    Unit.MONTH: "month|месяц|місяц|miesi|monat",
    Unit.QUARTER: "quarter|квартал|kwartał|quartal",
    Unit.YEAR: "year|год|рік|rok|jahr",
}
_YESTERDAY = "yesterday|вчера|вчора|wczoraj|gestern"

_TO_DATE = {
    Unit.WEEK: rf"wtd|week{_APART}to{_APART}date|(?:начал|початк)[ау]{_APART}(?:недел|тижн)",
    Unit.MONTH: rf"mtd|month{_APART}to{_APART}date|(?:начал|початк)[ау]{_APART}(?:меся|міся)"
    rf"|monatsbeginn|począt\w*{_APART}miesi",
    Unit.QUARTER: rf"qtd|quarter{_APART}to{_APART}date|(?:начал|початк)[ау]{_APART}кварт|quartalsbeginn",
    Unit.YEAR: rf"ytd|year{_APART}to{_APART}date|(?:начал|початк)[ау]{_APART}(?:год|рок)|jahresbeginn|począt\w*{_APART}rok",
}
_SUMMED = r"нараст|накоп|наростаюч|narastaj|kumul|cumul"
"""Sums since the beginning of something, mostly of the year."""

_UP_TO = rf"\A(?:.*[\W_])?(?:по|до|bis|do|to|through|thru|until|till){_APART}{{1,2}}\Z"

_COUNTED = {
    Unit.DAY: "days?|дн(?:ей|я|ів|і)|суток|tagen?|dni",
    Unit.WEEK: "weeks|недель|недели|тижнів|тижні|wochen|tygodni[ea]?",
    Unit.MONTH: "months?|месяц(?:ев|а)|мес|місяц(?:ів|і)|міс|monaten?|miesi[ęe]cy|miesi[ąa]ce|mies",
    Unit.YEAR: "years?|лет|года|рок(?:ів|и)|jahren?|lata?",
}
_FROM_ON = rf"{_BEFORE}(?:from|since|starting|с|со|з|із|від|ab|seit|vom|od){_APART}"

_FISCAL = re.compile(
    rf"{_BEFORE}(?:[qh][1-4])?(?:fy|fiscal(?:{_APART}year)?|финансов\w*{_APART}год\w?|фінансов\w*{_APART}р[оі]к\w?|geschäftsjahr|gj"
    rf"|rok{_APART}obrotowy){_APART}{{0,2}}'?(?P<year>(?:19|20)?[0-9]{{2}})(?:[-–_/](?P<last>(?:20)?[0-9]{{2}}))?(?![0-9])"
)


def _alternatives(patterns: dict[Unit, str]) -> list[tuple[Unit, re.Pattern[str]]]:
    return [(unit, re.compile(pattern)) for unit, pattern in patterns.items()]


_USUAL_WORDS = _alternatives(_USUAL)
_FORMER_WORDS = [(unit, re.compile(f"{_FORMER}(?:{words})")) for unit, words in _FORMER_UNITS.items()]
_FORMER_WORDS.append((Unit.DAY, re.compile(_YESTERDAY)))
_TO_DATE_WORDS = _alternatives(_TO_DATE)
_SUMMED_WORDS = re.compile(_SUMMED)
_UP_TO_WORDS = re.compile(_UP_TO, re.DOTALL)
_COUNTS = [
    (unit, re.compile(rf"{_BEFORE}(?P<number>[0-9]{{1,3}}){_APART}?(?:{words}){_AFTER}")) for unit, words in _COUNTED.items()
]
_ONWARD = re.compile(_FROM_ON)
_LONG = (Unit.YEAR, Unit.HALF, Unit.QUARTER, Unit.RANGE)


def any_in(text: str) -> bool:
    """Whether a name may have such a word."""
    return _ANY.search(text) is not None


def by_words(text: str, reading: NameReading | None, begin: int) -> NameReading | None:
    """What a name says, with what its words add to its date. begin: where its first date stands · reading: of the date, or of
    the folder above where the name has none."""
    fiscal = _fiscal(text, reading)
    if fiscal is not None or reading is None:
        return fiscal or reading
    try:
        wider = list(_wider(text, reading.span, begin, doubtful=reading.doubtful))
    except (ValueError, OverflowError):
        return reading
    if not wider:
        return reading
    start, end = min(one.start for one, _ in wider), max(one.end for one, _ in wider)
    start, end = min(start, reading.span.start), max(end, reading.span.end)
    doubtful = reading.doubtful or any(doubt for _, doubt in wider)
    return NameReading(Span(Unit.RANGE, start, end, reading.span.ahead), doubtful)


def _wider(text: str, span: Span, begin: int, *, doubtful: bool) -> Iterator[tuple[Span, bool]]:
    """What each word makes of a span, and whether that is in doubt."""
    length = (span.end - span.start) / timedelta(days=1)
    for unit, pattern in _USUAL_WORDS:
        if length < _DAYS[unit] and pattern.search(text):
            yield _around(span, unit), True
    for unit, pattern in _FORMER_WORDS:
        if length <= _DAYS[unit] and pattern.search(text):
            yield _since(span, calendar_spans.back(unit, 1, span.start)), True
    for unit, pattern in _TO_DATE_WORDS:
        if length < _DAYS[unit] and pattern.search(text):
            yield _since(span, calendar_spans.back(unit, 0, span.start)), False
    summed = _SUMMED_WORDS.search(text) or (span.unit is Unit.MONTH and _UP_TO_WORDS.match(text[:begin]))
    if summed and length < _DAYS[Unit.YEAR]:
        yield _since(span, calendar_spans.back(Unit.YEAR, 0, span.start)), True
    yield from _counted(text, span, doubtful=doubtful)


def _around(span: Span, unit: Unit) -> Span:
    """The span of a unit that holds another, the one before it, and for a week the seven days from it on and up to it."""
    around = _since(calendar_spans.back(unit, 0, span.start), calendar_spans.back(unit, int(unit is not Unit.WEEK), span.start))
    if unit is Unit.WEEK:
        day = calendar_spans.back(Unit.DAY, 0, span.start)
        week = timedelta(days=7)
        around = Span(Unit.RANGE, min(around.start, day.end - week), max(around.end, day.start + week))
    return around


def _since(span: Span, first: Span) -> Span:
    return Span(Unit.RANGE, first.start, span.end)


def _counted(text: str, span: Span, *, doubtful: bool) -> Iterator[tuple[Span, bool]]:
    """The last 30 days, 12 months, 5 years up to a span, or as many from it on; of a year's months alone where the name has a
    date besides."""
    for unit, pattern in _COUNTS:
        found = pattern.search(text)
        whole = unit is not Unit.YEAR and span.unit in _LONG
        if found is None or not int(found["number"]) or (whole and not (doubtful and unit is Unit.MONTH)):
            continue
        number = int(found["number"])
        if unit is Unit.DAY:
            first = span.end - timedelta(days=number)
        else:
            first = calendar_spans.back(unit, number - (span.unit in (unit, Unit.MONTH)), span.start).start
        last = span.end
        if _ONWARD.search(text):
            last += timedelta(days=number * (31 if unit is Unit.MONTH else _DAYS[unit] + (unit is Unit.YEAR)))
        yield Span(Unit.RANGE, min(first, span.start), last), True


def _fiscal(text: str, reading: NameReading | None) -> NameReading | None:
    """A fiscal year, unless the name says a month or something finer besides."""
    found = _FISCAL.search(text) if "f" in text or "г" in text or "ф" in text or "g" in text or "o" in text else None
    if found is None or (reading is not None and reading.span.unit in (Unit.MONTH, Unit.WEEK, Unit.DAY, Unit.HOUR)):
        return None
    year = int(found["year"]) if len(found["year"]) == 4 else 2000 + int(found["year"])
    last = found["last"]
    if last is not None:
        to = int(last) if len(last) == 4 else year // 100 * 100 + int(last)
        if year < to <= year + 10:
            return NameReading(calendar_spans.joined(calendar_spans.year(year), calendar_spans.year(to)), doubtful=True)
    return NameReading(calendar_spans.joined(calendar_spans.year(year - 1), calendar_spans.year(year + 1)), doubtful=True)
