"""Layouts: how the settings say that paths are built, and so what each path is about.

    {year}/{month:02}/{day:02}/report-{hour:02}.csv        the whole path of an item below its kind
    **/{year}-Q{quarter}/{any}.xlsx                        at any depth

    {year}             four figures; with {week}, the ISO year
    {quarter} {month} {week} {day} {hour}                  figures without leading zeros; {month:02} is exactly two
    {any} or {*}       anything within one part of the path
    **/                any folders, at the beginning alone
    {{ and }}          the braces themselves

A path that fits the form but not the calendar (month 13) does not fit. A field may stand in several places: they must agree.
"""

from __future__ import annotations

import difflib
import re
from zoneinfo import ZoneInfo

from msgspec import Struct

from classify import calendar_spans
from classify.calendar_spans import Span
from classify.period_columns import LAYOUT, PeriodColumns
from classify.zone_calendar import ZoneCalendar
from vault.errors import SettingsError

FIELDS = ("year", "quarter", "month", "week", "day", "hour")
_ANYTHING = ("any", "*")
_COMBINATIONS = {
    frozenset({"year", *names.split()})
    for names in ("", "quarter", "month", "quarter month", "week", "month day", "quarter month day", "month day hour",
                  "quarter month day hour")
}  # fmt: skip
_OF_NO_WIDTH = {
    "quarter": "[1-4]",
    "month": "1[0-2]|[1-9]",
    "week": "[1-4][0-9]|5[0-3]|[1-9]",
    "day": "[12][0-9]|3[01]|[1-9]",
    "hour": "1[0-9]|2[0-4]|[0-9]",
}
"""Numbers that there are, the longer ones first: before a year, 1 is to be told from 12 (`1200010` is the tenth of January)."""

_PIECES = re.compile(r"\{\{|\}\}|\{(?P<field>[^{}/]*)\}|(?P<brace>[{}])|(?P<text>[^{}]+)")


class PathLayout(Struct, frozen=True):
    """A layout for paths whose dates are in a time zone. text: as the settings have it."""

    text: str
    _calendar: ZoneCalendar
    _regex: re.Pattern[str]
    _fields: tuple[str, ...]

    @classmethod
    def compiled(cls, text: str, zone: ZoneInfo) -> PathLayout:
        """Raises `SettingsError`, which names the place in the layout."""
        anywhere = text.startswith("**/")
        fields: list[str] = []
        regex = ["(?:.*/)?"] if anywhere else []
        skipped = len("**/") if anywhere else 0
        loose = False
        for piece in _PIECES.finditer(text, skipped):
            if piece["brace"]:
                raise _error(text, piece, "is a brace without its partner", "write {{ or }} for a brace in a name")
            if loose and _of_no_width(piece):
                raise _error(text, piece, "follows another field of no fixed width", "give one a width, such as {day:02}")
            loose = _of_no_width(piece)
            if piece["field"] is not None:
                regex.append(_field(text, piece, fields))
            elif piece["text"] and "*" in piece["text"]:
                raise _error(text, piece, "holds a *", "write {any} for anything within a part of a path, **/ at the beginning")
            else:
                regex.append(re.escape(piece["text"] or piece[0][0]))
        if frozenset(fields) not in _COMBINATIONS:
            said = ", ".join(sorted(set(fields), key=FIELDS.index)) or "none"
            hint = "a layout has a year, and a quarter, a week, or a month, perhaps with a day, perhaps with an hour"
            raise SettingsError(f"the layout {text!r} does not say a period: its fields are: {said}", hint=hint)
        return cls(text, ZoneCalendar(zone), re.compile("".join(regex), re.DOTALL), tuple(fields))

    def find(self, path: bytes) -> PeriodColumns | None:
        """The period of a path that fits."""
        span = self.span(path.decode("utf-8", "surrogateescape"))
        if span is None:
            return None
        try:
            return PeriodColumns(self._calendar.period(span), LAYOUT)
        except ValueError:  # an hour that clocks skipped
            return None

    def span(self, path: str) -> Span | None:
        """What a path says on the wall calendar."""
        found = self._regex.fullmatch(path)
        if found is None:
            return None
        values: dict[str, int] = {}
        for field, digits in zip(self._fields, found.groups(), strict=True):
            if values.setdefault(field, int(digits)) != int(digits):
                return None
        try:
            return _span(values)
        except ValueError:
            return None


def _of_no_width(piece: re.Match[str]) -> bool:
    return piece["field"] is not None and piece["field"] != "year" and ":" not in piece["field"]


def _field(text: str, piece: re.Match[str], fields: list[str]) -> str:
    """The regular expression of a field, whose name is added to `fields`."""
    name, _, width = piece["field"].partition(":")
    if name in _ANYTHING:
        if width:
            raise _error(text, piece, "has a width", f"write {{{name}}}, which is of any width")
        return "[^/]*"
    if name not in FIELDS:
        close = difflib.get_close_matches(name, FIELDS, n=1)
        hint = f"did you mean {{{close[0]}}}?" if close else f"there are: {', '.join(FIELDS)}, any"
        raise _error(text, piece, "is no field", hint)
    fields.append(name)
    if name == "year" and width in ("", "04"):
        return "((?:1[89]|2[01])[0-9]{2})"
    if not width:
        return f"({_OF_NO_WIDTH[name]})"
    if not re.fullmatch("0[1-9]", width) or (name == "year" and width != "04"):
        raise _error(text, piece, "has a width that is none", f"write {{{name}:0{4 if name == 'year' else 2}}}")
    return f"([0-9]{{{width[1]}}})"


def _span(values: dict[str, int]) -> Span | None:
    year, month, day = values["year"], values.get("month"), values.get("day")
    if month is None and "quarter" in values:
        return calendar_spans.quarter(year, values["quarter"])
    if "week" in values:
        return calendar_spans.week(year, values["week"])
    if month is None:
        return calendar_spans.year(year)
    span = calendar_spans.month(year, month) if day is None else calendar_spans.day(year, month, day)
    if "hour" in values:
        span = calendar_spans.hour(span, values["hour"])
    if "quarter" in values and not span.within(calendar_spans.quarter(year, values["quarter"])):
        return None
    return span


def _error(text: str, piece: re.Match[str], what: str, hint: str) -> SettingsError:
    return SettingsError(f"the layout {text!r}, character {piece.start() + 1}: {piece[0]!r} {what}", hint=hint)
