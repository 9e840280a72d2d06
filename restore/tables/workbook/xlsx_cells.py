"""The cells of one XLSX sheet, tokenised from inflated blocks.

    blocks of XML -> text that ends where a row does -> tokens: rows and cells -> values

One regular expression finds rows and the cells that nearly all cells are; what else a cell may look like (a formula, rich text,
attributes in another order) it gives out whole, for a slower look. Tokens are counted against the tags that are there, so that
no cell is passed over. None of the expressions can go back far: each stops at the next cell, and within a tag at the next `<`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import date, datetime, time

from msgspec import Struct

from restore.tables.model import BATCH_BYTES, LARGEST_ROW_BYTES, Value
from restore.tables.workbook.dates import NumberKind, moment_of
from restore.tables.workbook.numbers import SURE_DIGITS, number_of_text
from restore.tables.workbook.package import HINT
from restore.tables.workbook.patterns import up_to
from restore.tables.workbook.rows import MOST_COLUMNS, MOST_ROWS, ReadingNotes, Row
from restore.tables.workbook.strings import SharedStrings, rich_text, text_between
from vault.errors import Damaged

_TOKEN = re.compile(
    r'<c r="([A-Z]+)[0-9]+"(?: s="([0-9]+)")?(?: t="(\w+)")?>'
    r'(?:<v>([^<]*)</v>|<is><t(?: xml:space="preserve")?>([^<]*)</t></is>)</c>'
    r"|(<row\b[^<>]*+>)"
    r"|<c\b([^<>]*+)(?:(?<=/)>|>(" + up_to(r"/?c[\s/>]") + r")</c>)"
)
_TAG = re.compile(r"<(?:c|row)[\s/>]")
_ATTRIBUTE = re.compile(r"""(?<![\w:])([\w:]++)\s*+=\s*+(?:"([^"<]*+)"|'([^'<]*+)')""")
_REFERENCE = re.compile(r"([A-Za-z]{1,3})[0-9]{1,7}")
_VALUE = re.compile(r"<v(?:\s[^<>]*+)?>([^<]*)</v>")
_FORMULA = re.compile(r"<f[\s/>]")
_ROW_NUMBER = re.compile(r"""\sr\s*=\s*["']([0-9]{1,9})["']""")

_PIECE_CHARACTERS = BATCH_BYTES // 4


class Book(Struct, frozen=True):
    """What the cells of all sheets share. strings: the shared texts · shown: what the styles by their numbers make of a number,
    plain numbers left out · since_1904: how days are counted."""

    strings: SharedStrings
    shown: Mapping[str, NumberKind]
    since_1904: bool


def row_blocks(blocks: Iterator[bytes], longest: int) -> Iterator[bytes]:
    """The inside of `<sheetData>`, cut between rows. Raises `Damaged` where a row is longer than may be, or the sheet ends."""
    data = b""
    for block in blocks:
        data += block
        begin = re.search(rb"<sheetData\b[^<>]*+>", data)
        if begin is not None:
            break
        if len(data) > longest:
            raise Damaged("the sheet's cells do not begin", hint=HINT)
    else:
        raise Damaged("the sheet has no cells element", hint=HINT)
    if begin.group().endswith(b"/>"):
        return
    tail = data[begin.end() :]
    searched = 0
    while (end := tail.find(b"</sheetData", searched)) < 0:
        cut = max(tail.rfind(b"<row"), 0)
        yield tail[:cut]
        tail = tail[cut:]
        if len(tail) > longest:
            raise Damaged(f"the sheet has a row of more than {longest} bytes", hint=HINT)
        block = next(blocks, b"")
        if not block:
            raise Damaged("the sheet breaks off", hint=HINT)
        searched = max(len(tail) - len(b"</sheetData"), 0)
        tail += block
    yield tail[:end]
    for _ in blocks:
        """To its end, where the part's checksum is compared."""


class CellReader:
    """Reads a sheet once. number: of the last row so far, from 0."""

    def __init__(self, book: Book, notes: ReadingNotes) -> None:
        self._book = book
        self._notes = notes
        self._columns: dict[str, int] = {}
        self.number = -1
        self._characters = 0

    def rows(self, text: str) -> Iterator[list[Row]]:
        """The rows of some XML that hold anything, in pieces where their shared texts are long. The commonest cells are read
        here and now: a call for each costs a fifth."""
        ready: list[Row] = []
        columns, shown, shared = self._columns, self._book.shown, self._shared
        row: list[Value] | None = None
        column = -1
        value: Value
        for letters, style, kind, content, inline, new_row, attributes, inside in _tokens(text):
            if letters:
                found = columns.get(letters)
                column = self._column(letters) if found is None else found
                if kind == "inlineStr":
                    value = inline if "&" not in inline and "_x" not in inline else text_between(inline)
                elif kind == "s":
                    value = shared(content)
                elif not kind and style not in shown and content.isdecimal() and len(content) <= SURE_DIGITS:
                    value = int(content)
                else:
                    value = self._value(kind, style, content, column)
            elif new_row:
                yield from self._ended(ready, row)
                self.number = _row_number(new_row, self.number)
                row, column = [], -1
                continue
            else:
                column, value = self._slow(attributes, inside, column + 1)
            if value is not None and row is not None and column == len(row):
                row.append(value)
            else:
                _put(row, column, value)
        if row:
            ready.append((self.number, row))
        yield ready

    def _ended(self, ready: list[Row], row: list[Value] | None) -> Iterator[list[Row]]:
        """A row is whole; the rows that are ready are given out where they are many characters."""
        if row:
            ready.append((self.number, row))
        if self._characters > _PIECE_CHARACTERS:
            yield ready.copy()
            ready.clear()
            self._characters = 0

    def _shared(self, index: str) -> str:
        """A shared text: a cell of twenty bytes may point at one of any length, so they are added up."""
        text = self._book.strings.get(index)
        self._characters += len(text)
        if self._characters > LARGEST_ROW_BYTES:
            raise Damaged(f"the sheet has a row of more than {LARGEST_ROW_BYTES} bytes", hint=HINT)
        return text

    def _value(self, kind: str, style: str, content: str, column: int) -> Value:
        """What `<v>` holds."""
        if kind == "s":
            return self._shared(content)
        if kind and kind != "n":
            return self._typed(kind, content, column)
        if style in self._book.shown:
            return moment_of_text(self._book.shown[style], content, since_1904=self._book.since_1904)
        return number_of_text(content)

    def _column(self, letters: str) -> int:
        column = column_number(letters)
        if column >= MOST_COLUMNS:
            raise Damaged(f"the sheet has a column {letters[:8]}, which no sheet has", hint=HINT)
        self._columns[letters] = column
        return column

    def _slow(self, tag: str, inside: str, following: int) -> tuple[int, Value]:
        """A cell that does not look like most. following: where it stands unless it says so."""
        attributes = _attributes(tag)
        column = following
        if "r" in attributes:
            reference = _REFERENCE.fullmatch(attributes["r"])
            if reference is None:
                raise Damaged(f"the sheet has a cell with the invalid reference {attributes['r'][:20]!r}", hint=HINT)
            column = self._column(reference[1].upper())
        elif column >= MOST_COLUMNS:
            raise Damaged("the sheet has more columns than a sheet has", hint=HINT)
        kind = attributes.get("t", "")
        if "<is>" in inside:
            return column, rich_text(inside)
        found = _VALUE.search(inside)
        text = found[1] if found is not None else ""
        formula = _FORMULA.search(inside) is not None
        if not text and not (formula and kind == "str" and found is not None):
            if formula:
                self._notes.formula(self.number, column)
            return column, None
        return column, self._value(kind, attributes.get("s", ""), text, column)

    def _typed(self, kind: str, text: str, column: int) -> Value:
        """A boolean, a formula's text, an error, a date in ISO's form."""
        text = text_between(text)
        if kind == "b":
            return text.strip() in {"1", "true"}
        if kind == "e":
            self._notes.error(self.number, column, text)
        if kind == "d":
            return _iso(text)
        return text


def moment_of_text(shown: NumberKind, text: str, *, since_1904: bool) -> Value:
    """A date, or the number where it is no day of the calendar. Raises `Damaged`."""
    with suppress(ValueError):
        moment = moment_of(shown, float(text), since_1904=since_1904)
        if moment is not None:
            return moment
    return number_of_text(text)


def _tokens(text: str) -> list[tuple[str, ...]]:
    tokens: list[tuple[str, ...]] = _TOKEN.findall(text)
    if len(tokens) != text.count("<c") + text.count("<row") and len(tokens) != len(_TAG.findall(text)):  # `<color` in rich text
        raise Damaged("the sheet has cells that break off", hint=HINT)
    return tokens


def _put(row: list[Value] | None, column: int, value: Value) -> None:
    """A cell that does not simply follow the one before it."""
    if value is None:
        return
    if row is None:
        raise Damaged("the sheet has a cell outside of a row", hint=HINT)
    missing = column - len(row)
    if missing > 0:
        row.extend([None] * missing)
    if missing >= 0:
        row.append(value)
    else:
        row[column] = value


def column_number(letters: str) -> int:
    """A is 0, Z is 25, AA is 26."""
    column = 0
    for letter in letters[:4]:
        column = column * 26 + ord(letter) - 64
    return column - 1


def _attributes(tag: str) -> dict[str, str]:
    return {name: first or second for name, first, second in _ATTRIBUTE.findall(tag)}


def _row_number(tag: str, before: int) -> int:
    reference = _ROW_NUMBER.search(tag)
    number = before + 1 if reference is None else int(reference[1]) - 1
    if not before < number < MOST_ROWS:
        raise Damaged(f"the sheet's rows are out of order at row {number + 1}", hint=HINT)
    return number


def _iso(text: str) -> Value:
    """A date in ISO's form, or the text where it is none."""
    for read in (date.fromisoformat, datetime.fromisoformat, time.fromisoformat):
        with suppress(ValueError):
            return read(text)
    return text
