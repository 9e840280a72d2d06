"""The period that a path speaks of, as people write it into names and folders.

    reports/2024/05/17/14.csv            the hour         each part of the path refines what stands above it
    2024/май/отчет за 17.05.2024.xlsx    the day          the name is more precise than its folder
    2024/05/summary-2023.csv             2023             and wins where the two contradict each other
    2024/05/summary-2024.csv             May 2024         unless it is a bare year, which only says less
    20240517_calls_20240603.csv          all of it        what can be read in several ways is the widest of them, and doubtful

`classify.numeric_dates` reads figures, `classify.worded_dates` words, `classify.name_dates` puts them together,
`classify.widening_words` adds what words such as `weekly` make of them. A bare number of one or two figures is of the next
finer unit below its folder (`2024/05`, `2024-05-17/report-14.csv`), unless the word before it says that it counts something
(`agent-14.csv`). Bytes that are not UTF-8 are read as Windows-1251. Nothing that a path holds raises.

It runs once for every new file of a backup: about 6 µs a path, 1 where no figures are in sight, up to 25 for a date in words.

An hour that clocks showed twice is both hours unless the name bears an offset (`2024-10-27T03+0300`); an hour that they skipped
counts as its day.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from unicodedata import normalize
from zoneinfo import ZoneInfo

from classify import calendar_spans, date_ranges, name_dates, numeric_dates, widening_words, worded_dates
from classify.calendar_spans import Span, Unit
from classify.name_dates import NameReading
from classify.period import Period
from classify.period_columns import FOLDER, NAME, PeriodColumns
from classify.vocabulary import counts_something
from classify.zone_calendar import ZoneCalendar

_LONGEST_NAME, _LONGEST_FOLDER = 1024, 8192
"""In bytes: more than file systems allow. What is longer says nothing."""

_REMEMBERED = 1 << 16
"""Folders that are kept at hand."""

_ABOVE_MONTHS = frozenset({Unit.YEAR, Unit.HALF, Unit.QUARTER})
_IN_A_YEAR = _ABOVE_MONTHS | {Unit.MONTH, Unit.WEEK}

_LAST_NUMBERS = re.compile(
    r"(?<![0-9])(?P<first>[0-9]{1,2})(?:h|ч|(?P<between>[-_.:h]?)(?P<second>[0-5][0-9])(?:[-_.:]?[0-5][0-9])?)?\Z"
)
_LAST_RANGE = re.compile(
    r"(?<![^\W_])(?<![0-9][.,])(?P<first>[0-9]{1,2})(?:[.:](?P<first2>[0-9]{2})\.?)?[hч]?"
    rf"(?P<sign>{date_ranges.SIGN}|{date_ranges.LIST})(?P<last>[0-9]{{1,2}})(?:[.:](?P<last2>[0-9]{{2}}))?[hч]?\Z"
)
_EXTENSION = re.compile(r"\.(?:[a-z]{1,8}[0-9]?|[0-9][a-z]{1,4})\Z")
_PACKED = frozenset({"gz", "zst", "bz2", "xz", "zip", "7z", "age", "gpg", "enc", "bak", "tmp", "part"})
_BEFORE_AN_HOUR = ("t", "h", "hr", "hour", "час", "ч")
_SHORT_YEAR = re.compile("(?<![0-9])[0-9]{2}(?![0-9])")
"""What a year of two figures may be: sep24, Q3'24, 3Q24, 9 мес 24."""
_ROUND = ("00", "15", "30", "45")


class PeriodRecognizer:
    """Reads paths in a time zone. day_first: 01.02.2024 is the first of February."""

    def __init__(self, zone: ZoneInfo, *, day_first: bool = True) -> None:
        self._calendar = ZoneCalendar(zone)
        self._day_first = day_first
        self._folders: dict[bytes, NameReading | None] = {b"": None}
        self._shapes: dict[str, _Shape] = {}

    def find(self, path: bytes) -> PeriodColumns | None:
        """The period that a path speaks of, and whether the file's name or only its folders do."""
        folder, _, name = path.rpartition(b"/")
        above = self._folders[folder] if folder in self._folders else self._folder(folder)
        reading = above if len(name) > _LONGEST_NAME else self._part(name, above, is_file=True)
        if reading is None:
            return None
        period = self._period(reading.span)
        return None if period is None else PeriodColumns(period, FOLDER if reading is above else NAME, reading.doubtful)

    def _folder(self, folder: bytes) -> NameReading | None:
        """What a folder says, with all that stands above it."""
        if len(folder) > _LONGEST_FOLDER:
            return None
        if len(self._folders) > _REMEMBERED:
            self._folders = {b"": None}
        missing = []
        while folder not in self._folders:
            missing.append(folder)
            folder = folder.rpartition(b"/")[0]
        reading = self._folders[folder]
        for one in reversed(missing):
            name = one.rpartition(b"/")[2]
            reading = reading if len(name) > _LONGEST_NAME else self._part(name, reading, is_file=False)
            self._folders[one] = reading
        return reading

    def _period(self, span: Span) -> Period | None:
        """A span in the zone. What clocks skipped altogether counts as the day that it would have been in."""
        try:
            return self._calendar.period(span)
        except ValueError:
            if span.unit is not Unit.HOUR:
                return None
        return self._period(calendar_spans.day(span.start.year, span.start.month, span.start.day))

    def _part(self, name: bytes, above: NameReading | None, *, is_file: bool) -> NameReading | None:
        """What a part of a path says, below what its folder says."""
        text = _text(name)
        found = numeric_dates.find(text, day_first=self._day_first)
        if found and above is not None and _is_time(text, found, above.span):
            found = []
        if not found and above is None and _SHORT_YEAR.search(text) is None:
            return None
        shape = self._shape(text)
        worded = _in_words(text, found, above, is_file=is_file) if shape.is_worded else []
        if worded:
            outside = (one for one in found if not any(word.begin <= one.begin and one.end <= word.end for word in worded))
            found = [*outside, *worded]
        reading = name_dates.combined(text, found)
        if reading is None:
            reading = None if above is None else _next_finer(text, above.span, is_file=is_file, day_first=self._day_first)
        bare = len(found) == 1 and found[0].bare
        own = reading if above is None or (reading is not None and not (bare and above.span.within(reading.span))) else above
        if shape.may_widen:
            wider = widening_words.by_words(text, own, min([one.begin for one in found], default=0))
            if wider is not own:
                return wider
        if own is above or above is None or reading is None:
            return own
        if above.span != reading.span and not above.span.within(reading.span):
            return reading
        return above if above.span == reading.span else reading._replace(doubtful=True)

    def _shape(self, text: str) -> _Shape:
        """Names that differ in their figures alone have the same words, or none."""
        alike = text.translate(_FIGURES_ALIKE)
        shape = self._shapes.get(alike)
        if shape is None:
            if len(self._shapes) > _REMEMBERED:
                self._shapes.clear()
            shape = self._shapes[alike] = _Shape(worded_dates.any_in(alike), widening_words.any_in(alike))
        return shape


class _Shape(NamedTuple):
    """is_worded: whether a name may have dates in words · may_widen: whether it has a word by which its date stands for more
    than itself."""

    is_worded: bool
    may_widen: bool


def _in_words(
    text: str, found: list[name_dates.DateMark], above: NameReading | None, *, is_file: bool
) -> list[name_dates.DateMark]:
    """What words say beside the figures of a name, below what its folder says."""
    stem = _stem(text, is_file=is_file)
    if not found:
        years = () if above is None or above.span.unit not in _IN_A_YEAR else (above.span.start.year,)
        return worded_dates.find(stem, years, named=False)
    first, last = found[0].span.start.year, found[-1].span.start.year
    ends = [one.end for one in found if one.span.unit is not Unit.YEAR]
    return worded_dates.find(stem, (first,) if first == last else (first, last), named=True, dates=ends)


def _is_time(text: str, found: list[name_dates.DateMark], above: Span) -> bool:
    """Whether what looks like a year is a time of the day that a folder names: 2024/05/17/2000.csv."""
    one = found[0]
    return (
        above.unit is Unit.DAY and len(found) == 1 and one.bare and one.span.start.year != above.start.year
        and one.end - one.begin == len("2000") and text[one.end - 2 : one.end] < "60" and text[one.begin : one.begin + 2] < "24"
    )  # fmt: skip


def _text(name: bytes) -> str:
    try:
        text = name.decode()
    except UnicodeDecodeError:
        text = name.decode("cp1251", "replace")
    return text.lower() if text.isascii() else normalize("NFC", text).lower()


def _stem(text: str, *, is_file: bool) -> str:
    """A file's name without the end that says what it is: .csv, .tar.gz, .7z."""
    at = text.rfind(".") if is_file else -1
    if at < 0 or not _EXTENSION.match(text, at):
        return text
    return _stem(text[:at], is_file=True) if text[at + 1 :] in _PACKED else text[:at]


def _next_finer(text: str, above: Span, *, is_file: bool, day_first: bool) -> NameReading | None:
    """What the numbers at the end of a name mean below a folder of a year, month or day: months, days or hours of it."""
    text = _stem(text, is_file=is_file)
    if text[-1:] not in _ENDS:
        return None
    try:
        several = _LAST_RANGE.search(text, max(0, len(text) - 32))
        if several is not None and not counts_something(text, several.start()):
            reading = _several(several, above, day_first=day_first)
            if reading is not None:
                return reading
        found = _LAST_NUMBERS.search(text, max(0, len(text) - 12))
        if found is None or counts_something(text, found.start()) or date_ranges.dangling(text, found.start()):
            return None
        before = text[: found.start()]
        alone = not before or before[-1] == "="
        if (len(found["first"]) < 2 and not alone) or not (alone or _parted(before, above)):
            return None
        span = _finer(found, above, alone=alone, day_first=day_first)
    except ValueError:
        return None
    return None if span is None or not span.within(above) else NameReading(span)


def _several(found: re.Match[str], above: Span, *, day_first: bool) -> NameReading | None:
    """01-15, 02.09-08.09, 08.00-20.00: from the first month, day or hour to the last. None where they are no range."""
    first, last = int(found["first"]), int(found["last"])
    start, dashed = above.start, found["sign"] == "-"
    if above.unit is Unit.DAY:
        if last > 24 or (first >= last and not found["last2"]):
            return None
        end = (
            calendar_spans.hour(above, min(last, 23))
            if first <= last
            else calendar_spans.hour(calendar_spans.back(Unit.DAY, -1, start), last)
        )
        return NameReading(name_dates.union([calendar_spans.hour(above, first), end]), dashed and not found["last2"])
    if found["last2"]:
        number, month = (last, int(found["last2"])) if day_first else (int(found["last2"]), last)
        end = calendar_spans.day(start.year, month, number)
        if found["first2"]:
            number, month = (first, int(found["first2"])) if day_first else (int(found["first2"]), first)
            begin = calendar_spans.day(start.year, month, number)
        else:
            begin = calendar_spans.day(start.year, month, first)
        if not (end.within(above) or begin.within(above)):
            return None
        if begin.start > end.start:
            return _over_new_year(begin, end, above)
        return NameReading(name_dates.union([begin, end]))
    if found["first2"]:
        return None
    if above.unit is Unit.MONTH:
        return _in_month(above, first, last, dashed=dashed)
    if first < last and above.unit in _ABOVE_MONTHS and last <= 12:
        span = name_dates.union([calendar_spans.month(start.year, number) for number in (first, last)])
        return NameReading(span, dashed) if span.within(above) else None
    return None


def _in_month(month: Span, first: int, last: int, *, dashed: bool) -> NameReading | None:
    """Days of a month, or from one month to the next: which of them is the folder's nobody can tell."""
    if first < last:
        days = [(month, first), (month, last)]
    elif first > last and month.start.month not in (first, last):
        days = [
            (calendar_spans.back(Unit.MONTH, 1, month.start), first),
            (calendar_spans.back(Unit.MONTH, -1, month.start), last),
        ]
    else:
        return None
    span = name_dates.union([calendar_spans.day(of.start.year, of.start.month, number) for of, number in days])
    return NameReading(span, dashed or first > last)


def _over_new_year(begin: Span, end: Span, above: Span) -> NameReading:
    """From a day of one year to a day of the next. A month above tells which year they are of, a year does not."""
    before = calendar_spans.day(begin.start.year - 1, begin.start.month, begin.start.day)
    behind = calendar_spans.day(end.start.year + 1, end.start.month, end.start.day)
    if above.unit is Unit.MONTH:
        return NameReading(name_dates.union([before, end] if end.within(above) else [begin, behind]))
    return NameReading(name_dates.union([before, behind]), doubtful=True)


_FIGURES_ALIKE = str.maketrans("123456789", "000000000")
_ENDS = frozenset("0123456789hч")


def _parted(before: str, above: Span) -> bool:
    """Whether a number after this stands by itself: `report-14`, and for hours `h14` too."""
    if not before[-1].isalnum():
        return True
    return above.unit is Unit.DAY and before.endswith(_BEFORE_AN_HOUR) and not before.rstrip("thourчас")[-1:].isalpha()


def _finer(found: re.Match[str], above: Span, *, alone: bool, day_first: bool) -> Span | None:
    first, between, second = int(found["first"]), found["between"], found["second"]
    start = above.start
    if above.unit is Unit.DAY:
        plain = second is None or between or second in _ROUND or alone
        return calendar_spans.hour(above, first) if plain else None
    if above.unit not in _ABOVE_MONTHS and above.unit is not Unit.MONTH:
        return None
    if second is None:
        return (
            calendar_spans.day(start.year, start.month, first)
            if above.unit is Unit.MONTH
            else calendar_spans.month(start.year, first)
        )
    return (
        _day_and_month(above, (first, int(second)), day_comes_first=between == "." and day_first) if between or alone else None
    )


def _day_and_month(above: Span, numbers: tuple[int, int], *, day_comes_first: bool) -> Span | None:
    """05-17 and 17.05: the order that the sign between them suggests, or the other where only that one fits the folder."""
    pairs = [numbers, numbers[::-1]] if day_comes_first else [numbers[::-1], numbers]
    for day, month in pairs:
        try:
            span = calendar_spans.day(above.start.year, month, day)
        except ValueError:
            continue
        if span.within(above):
            return span
    return None
