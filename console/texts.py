"""Languages: catalogues of texts, and dates, numbers and plural forms as each language has them.

A catalogue is `locale/LANGUAGE/LC_MESSAGES/AREA.po`, one for each area of the console (the templates of a folder and the page
module of the same name share one), and all areas of a language are one catalogue when they are read. English is in the
templates and the code. In templates `_("…")` and `counted("%(num)s item", "%(num)s items", number)` mark a text,
in code `marked("…")`.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from functools import cache, lru_cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from babel import Locale, dates, numbers, units
from babel.core import negotiate_locale
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from markupsafe import Markup, escape

LANGUAGES: Mapping[str, str] = {"en": "English", "ru": "Русский", "uk": "Українська"}
"""By code, as each calls itself."""

DEFAULT = "en"
LOCALE = Path(__file__).parent / "locale"


def marked(text: str) -> str:
    """A text that is translated where it is shown."""
    return text


def chosen(wanted: str, header: str, default: str = DEFAULT) -> str:
    """The language for a person. wanted: that they chose, "" for none · header: the browser's `Accept-Language` ·
    default: where that has none of ours."""
    if wanted in LANGUAGES:
        return wanted
    weighed = sorted(_accepted(header[:1000]), key=lambda one: -one[1])
    return negotiate_locale([code for code, _ in weighed], list(LANGUAGES), sep="-") or default


def _accepted(header: str) -> list[tuple[str, float]]:
    found = []
    for part in header.split(","):
        code, _, weight = part.strip().partition(";q=")
        try:
            found.append((code.strip(), float(weight) if weight else 1.0))
        except ValueError:
            continue
    return found


@cache
def translations(language: str) -> NullTranslations:
    """All texts of a language, read once."""
    if language == DEFAULT:
        return NullTranslations()
    whole = Catalog(locale=language)
    for file in sorted((LOCALE / language / "LC_MESSAGES").glob("*.po")):
        for message in read_po(io.BytesIO(file.read_bytes()), locale=language):
            if message.id and message.string:
                whole.add(message.id, message.string, context=message.context)
    compiled = io.BytesIO()
    write_mo(compiled, whole)
    compiled.seek(0)
    return GNUTranslations(compiled)


class Texts:
    """A language, and the time zone in which moments are shown."""

    def __init__(self, language: str, zone: ZoneInfo) -> None:
        self.language = language
        self.zone = zone
        self.locale = Locale.parse(language)
        self.catalogue = translations(language)

    def gettext(self, text: str, **values: object) -> str:
        """A text in this language; `%(name)s` in it is filled in."""
        found = self.catalogue.gettext(text)
        return found % values if values else found

    def ngettext(self, one: str, many: str, number: int, **values: object) -> str:
        """A text that has a number in it, `%(num)s`."""
        return self.catalogue.ngettext(one, many, number) % {"num": self.number(number), **values}

    def number(self, value: float) -> str:
        """1,234 as this language groups it."""
        return _number(value, self.locale)

    def share(self, value: float) -> str:
        """0.25 as 25 %."""
        return numbers.format_percent(value, locale=self.locale)

    def moment(self, moment: datetime, form: str = "medium") -> str:
        """A moment in the zone. form: short, medium, long, full."""
        return _moment(moment, form, self.zone, self.locale)

    def day(self, moment: datetime, form: str = "long") -> str:
        """Its day."""
        return dates.format_date(moment.astimezone(self.zone).date(), form, locale=self.locale)

    def ago(self, moment: datetime, now: datetime) -> str:
        """How long ago it was, as `3 hours ago`."""
        return dates.format_timedelta(moment - now, add_direction=True, locale=self.locale)

    def duration(self, length: timedelta) -> str:
        """As `3 hours`."""
        return dates.format_timedelta(length, locale=self.locale)

    def seconds(self, length: float) -> str:
        """The same of seconds, at least one."""
        return self.duration(timedelta(seconds=max(1.0, length)))

    def milliseconds(self, length: float) -> str:
        """As `1.4 seconds`."""
        seconds = round(length / 1000, 1 if length < 10_000 else 0)
        return str(units.format_unit(seconds, "duration-second", length="short", locale=self.locale))

    def size(self, count: int) -> str:
        """Bytes as 1.2 MB, by thousands."""
        return _size(count, self.locale)

    def at(self, zone: ZoneInfo) -> Texts:
        """The same language, with moments in another zone."""
        return self if zone == self.zone else Texts(self.language, zone)

    def period(self, text: str) -> str:
        """A period as `--period` takes it, for people: `2024-05` as May 2024. What has no usual form stays as it is."""
        return _period(text, self.locale)

    def joined(self, words: Sequence[str]) -> str:
        """As `a, b and c`."""
        from babel.lists import format_list

        return format_list(list(words), locale=self.locale)


@lru_cache(maxsize=16_384)
def _moment(moment: datetime, form: str, zone: ZoneInfo, locale: Locale) -> str:
    return dates.format_datetime(moment, form, tzinfo=zone, locale=locale)


@lru_cache(maxsize=16_384)
def _number(value: float, locale: Locale) -> str:
    return numbers.format_decimal(value, locale=locale)


@lru_cache(maxsize=16_384)
def _period(text: str, locale: Locale) -> str:
    found = _PERIOD.fullmatch(text)
    if found is None:
        return text
    year, quarter, month, day, hour = found["year"], found["quarter"], found["month"], found["day"], found["hour"]
    if quarter:
        return dates.format_date(date(int(year), int(quarter) * 3 - 2, 1), "QQQ y", locale=locale)
    if not month:
        return year
    first = date(int(year), int(month), int(day or 1))
    if not day:
        return dates.format_skeleton("yMMMM", first, locale=locale)
    shown = dates.format_skeleton("yMMMEd", first, locale=locale)
    return f"{shown}, {dates.format_time(time(int(hour)), 'short', locale=locale)}" if hour else shown


@lru_cache(maxsize=16_384)
def with_code(text: object) -> Markup:
    """Words between backquotes as code, all else escaped."""
    return Markup(_QUOTED.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 (it is escaped)


def _size(count: int, locale: Locale) -> str:
    value, step = float(count), 0
    while value >= 999.5 and step < len(_SIZES) - 1:
        value, step = value / 1000, step + 1
    shown = round(value, 1) if step > 0 and value < 10 else round(value)
    length: Literal["short", "long"] = "short" if step > 0 else "long"  # as "2 byte" would be its short form in English
    return units.format_unit(shown, _SIZES[step], length=length, locale=locale)


_QUOTED = re.compile(r"`([^`]+)`")
_PERIOD = re.compile(
    r"(?P<year>[1-9]\d{3})(?:-Q(?P<quarter>[1-4])|-(?P<month>\d\d)(?:-(?P<day>\d\d)(?:T(?P<hour>\d\d))?)?)?", re.ASCII
)
_SIZES = ("digital-byte", "digital-kilobyte", "digital-megabyte", "digital-gigabyte", "digital-terabyte", "digital-petabyte")
