"""The cells of one ODS sheet, tokenised from text as `restore.tables.workbook.xlsx_cells` does it for XLSX.

Neither rows nor cells are numbered: a cell or a row may say how often it stands there. Empty repetitions are counted and never
made; of full ones no more are made than the bounds allow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import date, datetime, timedelta

from restore.tables.model import BATCH_ROWS, Value
from restore.tables.workbook.numbers import number_of_text
from restore.tables.workbook.ods_text import read_paragraphs
from restore.tables.workbook.package import HINT
from restore.tables.workbook.patterns import repeated, up_to
from restore.tables.workbook.rows import MOST_COLUMNS, MOST_ROWS, ReadingNotes, Row
from restore.tables.workbook.xml import unescaped
from vault.errors import Damaged

IN_TAG = "(" + repeated("""[^<>"']""", """"[^"<]*+"|'[^'<]*+'""") + ")"
_TOKEN = re.compile(
    rf"<(/table:table(?=[\s>])|table:(?:table-row|table-cell|covered-table-cell|table)(?=[\s/>])){IN_TAG}>"
    r"(" + up_to(r"/?table:(?:table|table-row|table-cell|covered-table-cell)[\s/>]") + r")"
)
_NUMBER_CELL = re.compile(
    r'(?: table:style-name="[^"]*")? office:value-type="float" office:value="([^"]*)"(?: calcext:value-type="float")?'
)
_REPEATED = re.compile(r'table:number-columns-repeated="([0-9]{1,9})"')
_CELLS = re.compile(r"<table:(?:covered-)?table-cell[\s/>]")
_ATTRIBUTE = re.compile(r"""(?<![\w:-])([\w:-]++)\s*+=\s*+(?:"([^"<]*+)"|'([^'<]*+)')""")
_TIME = re.compile(r"(-?)PT?(?:([0-9]{1,9})H)?(?:([0-9]{1,9})M)?(?:([0-9]{1,9})(?:\.([0-9]{1,12}))?S)?")
_KNOWN_TAGS = 10_000
_DAY = timedelta(days=1)


def attributes_of(tag: str) -> dict[str, str]:
    """Names and values of a tag's inside, entities not yet put in."""
    return {name: first or second for name, first, second in _ATTRIBUTE.findall(tag)}


def most_cells(text: str) -> int:
    """Cells of the longest row of a text of whole rows; where that is not easily told, more."""
    most = 0
    for row in text.split("<table:table-row")[1:]:
        cells = row.partition("</table:table-row")[0]
        last = cells.rfind("<table:")
        if cells.endswith("/>") and last > 0 and "value-type" not in cells[last:]:
            cells = cells[:last]
        number = cells.count("<table:table-cell") + cells.count("<table:covered-table-cell")
        if "columns-repeated" in cells:
            number += sum(int(times) - 1 for times in _REPEATED.findall(cells))
        most = max(most, number)
    return most


class OdsCells:
    """Reads a sheet once. durations: names of the styles whose hours go on beyond 24 · repeated: cells that may be made of
    repetitions · spaces_count: whether spaces of texts are meant as they stand."""

    def __init__(self, durations: frozenset[str], repeated: int, notes: ReadingNotes, *, spaces_count: bool = False) -> None:
        self._spaces_count = spaces_count
        self._durations = durations
        self._room = repeated
        self._notes = notes
        self._depth = 0
        self._number = 0
        self._row: list[Value] = []
        self._column = 0
        self._times = 0
        self._known: dict[str, Mapping[str, str]] = {}

    def rows(self, text: str) -> Iterator[list[Row]]:
        """The rows of a text that ends where one begins."""
        tokens = _TOKEN.findall(text)
        cells = 0
        ready: list[Row] = []
        for name, tag, inside in tokens:
            if name.endswith("cell"):
                cells += 1
                if not self._depth:
                    self._cell(tag, inside)
            elif name == "table:table-row":
                if not self._depth:
                    yield from self._finished(ready)
                    self._begin(tag)
            else:  # a table within a cell, which is not read
                self._depth += -1 if name[0] == "/" else 1
        if cells != len(_CELLS.findall(text)):
            raise Damaged("the sheet has cells that break off", hint=HINT)
        yield ready

    def end(self) -> Iterator[list[Row]]:
        """The last row."""
        ready: list[Row] = []
        yield from self._finished(ready)
        yield ready

    def _begin(self, tag: str) -> None:
        self._row, self._column = [], 0
        self._times = _times(attributes_of(tag).get("table:number-rows-repeated", "1"))

    def _finished(self, ready: list[Row]) -> Iterator[list[Row]]:
        """Add the row that has ended, as often as it stands there; gives out what is ready where that is much."""
        first, row = self._number, self._row
        self._number += self._times
        if not row:
            return
        if self._number > MOST_ROWS:
            raise Damaged("the sheet has more rows than a sheet has", hint=HINT)
        self._make((self._times - 1) * len(row))
        for number in range(first, self._number):
            ready.append((number, row))
            if len(ready) >= BATCH_ROWS:
                yield ready.copy()
                ready.clear()

    def _make(self, cells: int) -> None:
        self._room -= cells
        if self._room < 0:
            raise Damaged("the sheet repeats its cells without end, as a decompression bomb does", hint=HINT)

    def _cell(self, tag: str, inside: str) -> None:
        number = _NUMBER_CELL.fullmatch(tag)
        if number is not None:
            self._put(number_of_text(number[1]), 1)
            return
        attributes = self._known.get(tag)
        if attributes is None:
            attributes = attributes_of(tag)
            if len(self._known) < _KNOWN_TAGS:
                self._known[tag] = attributes
        times = _times(attributes.get("table:number-columns-repeated", "1"))
        self._put(self._value(attributes, inside), times)

    def _put(self, value: Value, times: int) -> None:
        if value is not None:
            if self._column + times > MOST_COLUMNS:
                raise Damaged("the sheet has more columns than a sheet has", hint=HINT)
            self._make(times - 1)
            row = self._row
            if len(row) < self._column:
                row.extend([None] * (self._column - len(row)))
            row.extend([value] * times)
        self._column += times

    def _value(self, attributes: Mapping[str, str], inside: str) -> Value:
        kind = attributes.get("office:value-type", "")
        if kind in {"float", "percentage", "currency"}:
            return number_of_text(attributes.get("office:value", ""))
        if kind == "boolean":
            return attributes.get("office:boolean-value") == "true"
        if kind == "date":
            return _date(attributes.get("office:date-value", ""))
        if kind == "time":
            return self._time(attributes)
        text = read_paragraphs(inside, spaces_count=self._spaces_count)
        if attributes.get("calcext:value-type") == "error":
            self._notes.error(self._number, self._column, text or "")
            return text or ""
        if kind == "string":
            attribute_text = attributes.get("office:string-value")
            return (text or "") if attribute_text is None else unescaped(attribute_text)
        if text is None and "table:formula" in attributes:
            self._notes.formula(self._number, self._column)
        return text

    def _time(self, attributes: Mapping[str, str]) -> Value:
        """A time of day, or a duration where its style or its size says so; the text where it is neither."""
        text = attributes.get("office:time-value", "")
        match = _TIME.fullmatch(text)
        if match is None:
            return text
        hours, minutes, seconds = (int(part or 0) for part in match.group(2, 3, 4))
        since = timedelta(hours=hours, minutes=minutes, seconds=seconds, microseconds=int((match[5] or "").ljust(6, "0")[:6]))
        if match[1] or since >= _DAY or attributes.get("table:style-name") in self._durations:
            return -since if match[1] else since
        return (datetime(1, 1, 1) + since).time()  # noqa: DTZ001 - a time of day has no zone


def _date(text: str) -> Value:
    """A date, or a date and time; the text where it is neither, or finer than microseconds."""
    with suppress(ValueError):
        if len(text) <= len("2024-05-17"):
            return date.fromisoformat(text)
        if len(text) <= len("2024-05-17T00:00:00.000000+00:00"):
            return datetime.fromisoformat(text)
    return text


def _times(number: str) -> int:
    if not (number.isdecimal() and len(number) < 10 and int(number)):
        raise Damaged(f"the sheet repeats a cell or a row {number[:20]!r} times", hint=HINT)
    return int(number)
