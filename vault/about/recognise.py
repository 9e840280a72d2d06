"""The period that a path speaks of, as people write it into names and folders.

    reports/2024/05/17/14.csv            the hour         each part of the path refines what stands above it
    2024/май/отчет за 17.05.2024.xlsx    the day          the name is more precise than its folder
    2024/05/summary-2023.csv             2023             and wins where the two contradict each other
    2024/05/summary-2024.csv             May 2024         unless it only says less

`vault.about.dates` reads figures, `vault.about.words` words. A bare number of one or two figures is of the next finer unit
below its folder (`2024/05`, `2024-05-17/report-14.csv`), unless the word before it says that it counts something
(`agent-14.csv`).
Bytes that are not UTF-8 are read as Windows-1251. Nothing that a path holds raises.

It runs once for every new file of a backup: about 5 µs a path, 2 where no year is in sight, up to 20 for a date in words.

An hour that clocks showed twice is both hours unless the name bears an offset (`2024-10-27T03+0300`); an hour that they skipped
counts as its day.
"""

from __future__ import annotations

import re
from unicodedata import normalize
from zoneinfo import ZoneInfo

from vault.about import dates, spans, words
from vault.about.finding import FOLDER, NAME, Found
from vault.about.period import Period
from vault.about.spans import Span, Unit
from vault.about.vocabulary import counts_something
from vault.about.zone_calendar import ZoneCalendar

_LONGEST_NAME, _LONGEST_FOLDER = 1024, 8192
"""In bytes: more than file systems allow. What is longer says nothing."""

_REMEMBERED = 1 << 16
"""Folders that are kept at hand."""

_ABOVE_MONTHS = frozenset({Unit.YEAR, Unit.HALF, Unit.QUARTER})
_IN_A_YEAR = _ABOVE_MONTHS | {Unit.MONTH, Unit.WEEK}

_LAST_NUMBERS = re.compile(
    r"(?<![0-9])(?P<first>[0-9]{1,2})(?:h|ч|(?P<between>[-_.:h]?)(?P<second>[0-5][0-9])(?:[-_.:]?[0-5][0-9])?)?\Z"
)
_EXTENSION = re.compile(r"\.(?:[a-z]{1,8}[0-9]?|[0-9][a-z]{1,4})\Z")
_PACKED = frozenset({"gz", "zst", "bz2", "xz", "zip", "7z", "age", "gpg", "enc", "bak", "tmp", "part"})
_BEFORE_AN_HOUR = ("t", "h", "hr", "hour", "час", "ч")
_ROUND = ("00", "15", "30", "45")


class Recogniser:
    """Reads paths in a time zone. day_first: 01.02.2024 is the first of February."""

    def __init__(self, zone: ZoneInfo, *, day_first: bool = True) -> None:
        self._calendar = ZoneCalendar(zone)
        self._day_first = day_first
        self._folders: dict[bytes, Span | None] = {b"": None}

    def find(self, path: bytes) -> Found | None:
        """The period that a path speaks of, and whether the file's name or only its folders do."""
        folder, _, name = path.rpartition(b"/")
        above = self._folders[folder] if folder in self._folders else self._folder(folder)
        span = above if len(name) > _LONGEST_NAME else self._part(name, above, is_file=True)
        if span is None:
            return None
        period = self._period(span)
        return None if period is None else Found(period, FOLDER if span is above else NAME)

    def _folder(self, folder: bytes) -> Span | None:
        """What a folder says, with all that stands above it."""
        if len(folder) > _LONGEST_FOLDER:
            return None
        if len(self._folders) > _REMEMBERED:
            self._folders = {b"": None}
        missing = []
        while folder not in self._folders:
            missing.append(folder)
            folder = folder.rpartition(b"/")[0]
        span = self._folders[folder]
        for one in reversed(missing):
            name = one.rpartition(b"/")[2]
            span = span if len(name) > _LONGEST_NAME else self._part(name, span, is_file=False)
            self._folders[one] = span
        return span

    def _period(self, span: Span) -> Period | None:
        """A span in the zone. What clocks skipped altogether counts as the day that it would have been in."""
        try:
            return self._calendar.period(span)
        except ValueError:
            if span.unit is not Unit.HOUR:
                return None
        return self._period(spans.day(span.start.year, span.start.month, span.start.day))

    def _part(self, name: bytes, above: Span | None, *, is_file: bool) -> Span | None:
        """What a part of a path says, below what its folder says."""
        text = _text(name)
        span = dates.find(text, day_first=self._day_first)
        if span is not None and span.unit is Unit.YEAR:
            span = words.find(_stem(text, is_file=is_file), span.start.year, named=True) or span
        elif span is None and above is not None:
            stem = _stem(text, is_file=is_file)
            if above.unit in _IN_A_YEAR:
                span = words.find(stem, above.start.year, named=False)
            span = span or _next_finer(stem, above, day_first=self._day_first)
        if span is None or (above is not None and above != span and above.within(span)):
            return above
        return span


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


def _next_finer(text: str, above: Span, *, day_first: bool) -> Span | None:
    """What the number at the end of a name means below a folder of a year, month or day: a month, day or hour of it."""
    found = _LAST_NUMBERS.search(text, max(0, len(text) - 12)) if text[-1:] in _ENDS else None
    if found is None or counts_something(text, found.start()):
        return None
    before = text[: found.start()]
    alone = not before or before[-1] == "="
    if (len(found["first"]) < 2 and not alone) or not (alone or _parted(before, above)):
        return None
    try:
        span = _finer(found, above, alone=alone, day_first=day_first)
    except ValueError:
        return None
    return span if span is not None and span.within(above) else None


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
        return spans.hour(above, first) if plain else None
    if above.unit not in _ABOVE_MONTHS and above.unit is not Unit.MONTH:
        return None
    if second is None:
        return spans.day(start.year, start.month, first) if above.unit is Unit.MONTH else spans.month(start.year, first)
    return (
        _day_and_month(above, (first, int(second)), day_comes_first=between == "." and day_first) if between or alone else None
    )


def _day_and_month(above: Span, numbers: tuple[int, int], *, day_comes_first: bool) -> Span | None:
    """05-17 and 17.05: the order that the sign between them suggests, or the other where only that one fits the folder."""
    pairs = [numbers, numbers[::-1]] if day_comes_first else [numbers[::-1], numbers]
    for day, month in pairs:
        try:
            span = spans.day(above.start.year, month, day)
        except ValueError:
            continue
        if span.within(above):
            return span
    return None
