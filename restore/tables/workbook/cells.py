"""Values as the cells of a workbook: what a spreadsheet can hold as a number, a date or a truth, and what must become text.

A spreadsheet's number is a double. Integers beyond 2^53, decimals of over fifteen digits, NaN and infinity become text, and
so does a moment that its format cannot give back; each is counted. People get moments of a zone as their local time, and texts
that are numbers through and through as numbers, so that a sum adds them; a leading zero or plus keeps a text what it is.

How a cell is spelt is the format's own matter: `CellSpelling`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from math import isfinite
from typing import Protocol, TypeAlias

from restore.tables.cell_text import HALF, LOCAL, CellPosition, text_of
from restore.tables.model import Value
from restore.tables.values import zone_of
from restore.tables.write_options import WriteOptions

Moment: TypeAlias = date | time | datetime | timedelta

BIG = "a number of more digits than a spreadsheet keeps became text"
NOT_FINITE = "NaN or infinity became text"
ZONED = "a moment of a zone became text with its offset"
ODD_MOMENT = "a date, time or duration that the spreadsheet's calendar cannot hold became text"
DIGITS = "a text that is a number became one"

_EXACT_INTEGERS = 2**53
_EXACT_DIGITS = 15
_WIDEST_EXPONENT = 300
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]*[1-9])?")


class CellSpelling(Protocol):
    """How a format writes one cell."""

    def text(self, text: str, on_loss: Callable[[str], None]) -> str:
        """A text. on_loss: hears what of it cannot be carried."""

    def number(self, digits: str) -> str:
        """A number, by its digits."""

    def truth(self, *, true: bool) -> str:
        """A boolean."""

    def moment(self, moment: Moment) -> str | None:
        """A moment without a zone, or None where the format would not give it back as it is."""


class CellWriter:
    """Spells the cells of tables."""

    def __init__(self, spelling: CellSpelling, options: WriteOptions) -> None:
        self._spelling = spelling
        self._people = options.for_people
        self._zone = options.zone if options.for_people else None

    def column(self, cells: list[Value], spot: CellPosition) -> list[str | None]:
        """A batch's column; None for null. Texts and other plain values that come again are spelt once."""
        spelt: list[str | None] = []
        known: dict[Value, str] = {}
        for row, cell in enumerate(cells):
            if cell is None:
                spelt.append(None)
                continue
            if type(cell) is str:
                if cell in known:
                    spelt.append(known[cell])
                    continue
                lost: list[str] = []
                written = self._text(cell, lost.append)
                if not lost:
                    known[cell] = written
            else:
                lost = []
                written = self._other(cell, lost.append)
            for what in lost:
                spot.record(row, what, text_of(cell)[0])
            spelt.append(written)
        return spelt

    def _text(self, text: str, on_loss: Callable[[str], None]) -> str:
        if self._people and len(text) <= _EXACT_DIGITS + 2 and _is_number(text):
            on_loss(DIGITS)
            return self._spelling.number(text)
        return self._spelling.text(text, on_loss)

    def _other(self, cell: Value, on_loss: Callable[[str], None]) -> str:
        if isinstance(cell, bool):
            return self._spelling.truth(true=cell)
        if isinstance(cell, (int, float, Decimal)):
            digits = _digits(cell, on_loss)
            if digits is not None:
                return self._spelling.number(digits)
        elif isinstance(cell, (date, time, timedelta)):
            spelt = self._moment(cell, on_loss)
            if spelt is not None:
                return spelt
        text, lost = text_of(cell)
        if lost is not None:
            on_loss(lost)
        return self._spelling.text(text, on_loss)

    def _moment(self, moment: Moment, on_loss: Callable[[str], None]) -> str | None:
        if isinstance(moment, (datetime, time)) and moment.tzinfo is not None:
            if self._zone is None or not isinstance(moment, datetime):
                on_loss(ZONED)
                return None
            try:
                spelt = self._spelling.moment(moment.astimezone(zone_of(self._zone)).replace(tzinfo=None))
            except OverflowError:  # in that zone it is no year that the calendar has
                spelt = None
            on_loss(ODD_MOMENT if spelt is None else LOCAL.format(zone=self._zone))
            return spelt
        spelt = self._spelling.moment(moment)
        if spelt is None:
            on_loss(ODD_MOMENT)
        return spelt


def _digits(number: float | Decimal, on_loss: Callable[[str], None]) -> str | None:
    """The digits of a number that a double gives back, or None."""
    if isinstance(number, int):
        if abs(number) <= _EXACT_INTEGERS:
            return str(number)
    elif not (number.is_finite() if isinstance(number, Decimal) else isfinite(number)):
        on_loss(NOT_FINITE)
        return None
    elif isinstance(number, float):
        return repr(number)
    elif len(number.as_tuple().digits) <= _EXACT_DIGITS and abs(number.adjusted()) <= _WIDEST_EXPONENT:
        return str(number)
    on_loss(BIG)
    return None


def _is_number(text: str) -> bool:
    """Whether a text is a number that a spreadsheet would show again just so."""
    return _NUMBER.fullmatch(text) is not None and text != "-0" and sum(map(str.isdigit, text)) <= _EXACT_DIGITS


def without_halves(text: str, on_loss: Callable[[str], None]) -> str:
    """Text that UTF-8 can hold."""
    whole = text.encode("utf-8", "backslashreplace").decode("utf-8")
    if whole != text:
        on_loss(HALF)
    return whole
