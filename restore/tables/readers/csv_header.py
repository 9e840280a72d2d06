"""Whether the first row of a CSV names its columns, or is a row like the others: a telephone exchange writes calls and no
header.

A setting or an option decides where there is one. Else the first row is held against some rows below it. It is data where most
columns of numbers or times have a number or a time in it too, or where its texts come again below; and it names the columns
where texts stand above numbers, or where its numbers go up by equal steps (hours from 0 to 23, years,
thresholds).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TypeAlias

from msgspec import Struct, field

from restore.tables.readers.csv_rows import Row

Header: TypeAlias = "bool | tuple[str, ...] | None"
"""True: the first row names the columns · False: it is data, and columns are numbered · names: it is data, and these are the
columns' · None: what the rows look like decides."""

LOOKED_AT = 20
"""Rows below the first that are looked at."""

NO_HEADER = "the first row is data: the columns are named column_1, column_2, … (--header or the setting `header` decides)"

_COUNTED_ON = 3
_LONGEST_LABEL = 4
_YEARS = range(1800, 2101)
_COME_AGAIN = 2
_PAIR = 2
_TIME = re.compile(
    r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4}(?:[T ,]+\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?: ?[AaPp][Mm])?(?:Z| ?[+-]\d{2}:?\d{2})?)?"
    r"|\d{1,3}:\d{2}(?::\d{2}(?:[.,]\d+)?)?"
)
_QUARTER = re.compile(r"(\d{1,2}):(00|15|30|45)(?::00)?")
_NUMBER = re.compile(r"[+\-(]?\d(?:[\d\s.,()'\-]*\d)?\)?\s?%?")
_DISTINGUISHED = re.compile(r"-?\d+\.\d+\.\d{1,2}")
"""A number that was made another name of a column by pandas or R: 113.8.1. Groups of thousands have three digits."""
_TEXT, _NUMERIC, _TEMPORAL = range(3)


class Headers(Struct, frozen=True):
    """How first rows are taken. said: of all files, by an option · by_source: by the settings of a source."""

    said: bool | None = None
    by_source: Mapping[str, Header] = field(default_factory=dict)

    def of(self, source: str) -> Header:
        """For files of a source."""
        known = self.by_source.get(source)
        if self.said is None or (self.said is False and isinstance(known, tuple)):
            return known
        return self.said


class Heading(Struct, frozen=True):
    """names: of the columns · in_file: whether the first row holds them · guessed: whether that is only what it looks like."""

    names: tuple[str, ...]
    in_file: bool
    guessed: bool = False


def heading_of(first: Row, body: Sequence[Row], header: Header) -> Heading:
    """What the first row is. body: some rows below it."""
    names = tuple(cell or "" for cell in first)
    if isinstance(header, tuple):
        own = tuple(name.strip().casefold() for name in names)
        if own == tuple(name.strip().casefold() for name in header):
            return Heading(names, in_file=True)
        return Heading((*header, *numbered(len(names))[len(header) :]), in_file=False)
    if header is None and not names_columns(first, body):
        return Heading(numbered(len(names)), in_file=False, guessed=True)
    return Heading(numbered(len(names)), in_file=False) if header is False else Heading(names, in_file=True)


def numbered(width: int) -> tuple[str, ...]:
    """Names of columns that have none."""
    return tuple(f"column_{place}" for place in range(1, width + 1))


def names_columns(first: Row, body: Sequence[Row]) -> bool:
    """Whether the first row looks like names of columns."""
    cells = [(place, cell.strip()) for place, cell in enumerate(first) if cell and cell.strip()]
    kinds = {place: _kind(cell) for place, cell in cells}
    below = [row for row in body if row and row != first]
    valued = sum(kind != _TEXT for kind in kinds.values())
    if not valued:
        again = sum(any(_cell(row, place) == cell for row in below) for place, cell in cells)
        return stand_alone(again, len(cells))
    numbers = {place: cell for place, cell in cells if kinds[place] == _NUMERIC}
    if _count_on([*numbers.values()]) or _two_years(numbers, below):
        return True
    if _clocks_on([cell for place, cell in cells if kinds[place] == _TEMPORAL]):
        return True
    if not below:
        return valued == 1 < len(cells)
    alike = [kinds[place] == kind for place in kinds for kind in [_kind_of_column(below, place)] if kind != _TEXT]
    return sum(alike) * 2 <= len(alike)


def is_name(cell: str | None) -> bool:
    """Whether a cell of the first row is a text: neither number nor time, nothing that could be a value."""
    return _kind((cell or "").strip()) == _TEXT


def stand_alone(again: int, cells: int) -> bool:
    """Whether texts in the first row are names, when so many of its cells come again below."""
    return again < _COME_AGAIN or again * 3 < cells


def _kind_of_column(rows: Sequence[Row], place: int) -> int:
    """Numbers or times where all cells that it has are such."""
    kinds = {_kind(cell) for cell in (_cell(row, place) for row in rows) if cell}
    return kinds.pop() if len(kinds) == 1 else _TEXT


def _cell(row: Row, place: int) -> str:
    return (row[place] or "").strip() if place < len(row) else ""


def _kind(cell: str) -> int:
    if _TIME.fullmatch(cell):
        return _TEMPORAL
    return _NUMERIC if _NUMBER.fullmatch(cell) and not _DISTINGUISHED.fullmatch(cell) else _TEXT


def _count_on(cells: Sequence[str]) -> bool:
    """Whether whole numbers go up by equal steps: labels of hours, days, years, of thresholds in seconds; or are years in
    their order, some of them left out."""
    if not all(cell.isdecimal() and len(cell) <= _LONGEST_LABEL for cell in cells):
        return False
    numbers = [int(cell) for cell in cells]
    are_years = len(numbers) >= _COUNTED_ON and all(one in _YEARS for one in numbers)
    return _in_equal_steps(numbers) or (are_years and all(one < two for one, two in pairwise(numbers)))


def _two_years(cells: Mapping[int, str], rows: Sequence[Row]) -> bool:
    """Whether two years that follow one another are the only numbers, and stand above some that are no years."""
    if len(cells) != _PAIR or not all(_is_year(cell) for cell in cells.values()):
        return False
    below = [cell for row in rows for place in cells if (cell := _cell(row, place))]
    one, two = (int(cell) for cell in cells.values())
    return two - one == 1 and not all(_is_year(cell) for cell in below)


def _is_year(cell: str) -> bool:
    return cell.isdecimal() and len(cell) <= _LONGEST_LABEL and int(cell) in _YEARS


def _clocks_on(cells: Sequence[str]) -> bool:
    """Whether times of the day go up by equal steps of whole quarters of an hour: labels of a day's hours."""
    found = [_QUARTER.fullmatch(cell) for cell in cells]
    return all(found) and _in_equal_steps([int(one[1]) * 60 + int(one[2]) for one in found if one])


def _in_equal_steps(numbers: Sequence[int]) -> bool:
    steps = {two - one for one, two in pairwise(numbers)}
    return len(numbers) >= _COUNTED_ON and len(steps) == 1 and steps.pop() > 0
