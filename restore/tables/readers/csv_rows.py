"""Rows of delimited text, whatever somebody has made of them; and which delimiter it is.

Quotes mean something at the start of a cell only, as spreadsheets and Arrow read them: `5" pipe` is a text with an inch sign,
`"a"b` is `ab`. A cell that is empty without quotes is null, `""` is an empty text. Lines end with LF, CR LF or CR alone.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from io import StringIO, TextIOBase

from vault.errors import Damaged

Row = list[str | None]

DELIMITERS = "\t;|,"
"""Those that are looked for, in the order in which a tie is decided: commas are common inside texts and numbers."""

LARGEST_ROW = 16 * 1024 * 1024
"""Characters of a row."""

LARGEST_WIDTH = 16_384
"""Cells of a row: what a spreadsheet's sheet has."""

SAMPLE = 64 * 1024
"""Characters that the delimiter is told from."""

_SEPARATOR_LINE = re.compile(r"(\"?)sep=([^\r\n])\1(?:\r\n|\r|\n|\Z)", re.IGNORECASE)


class CsvRows:
    """Iterates over rows; a line without anything is a row without cells.

    characters: how far the reading has come · strays: cells with a quote inside, or something behind their closing quote ·
    breaks_off: whether the last row's last cell was never closed."""

    def __init__(self, text: TextIOBase, delimiter: str) -> None:
        self._text = text
        self._delimiter = delimiter
        self._cells: Row = []
        self._open: list[str] | None = None  # the pieces of a quoted cell that goes on in the next line
        self._size = 0
        self.characters = 0
        self.strays = 0
        self.breaks_off = False

    def __iter__(self) -> Iterator[Row]:
        while line := self._text.readline(LARGEST_ROW + 1):
            self.characters += len(line)
            self._size += len(line)
            if self._size > LARGEST_ROW:
                raise Damaged(f"a row is longer than {LARGEST_ROW} characters")
            if self._open is None and '"' not in line:
                yield self._plain(line)
            elif self._scan(line):
                cells, self._cells = self._cells, []
                if len(cells) > LARGEST_WIDTH:
                    raise _too_wide()
                yield cells
            else:
                continue
            self._size = 0
        if self._open is not None:
            self.breaks_off = True
            self._cells.append("".join(self._open))
            yield self._cells

    def _plain(self, line: str) -> Row:
        """A line without quotes."""
        line = line.rstrip("\r\n")
        return self._split(line) if line else []

    def _split(self, text: str) -> Row:
        """Cells that have no quotes."""
        if len(text) >= LARGEST_WIDTH and text.count(self._delimiter) >= LARGEST_WIDTH:
            raise _too_wide()
        return [cell or None for cell in text.split(self._delimiter)]

    def _scan(self, line: str) -> bool:
        """Cells of a line with quotes into the row; whether the row ends with it."""
        at, end = 0, len(line.rstrip("\r\n"))
        while len(self._cells) <= LARGEST_WIDTH:
            if self._open is None:
                at = self._up_to_a_quote(line, at, end)
                if at > end:
                    return True
            if self._open is not None and (at := self._quoted(self._open, line, at)) < 0:
                return False
            stop = line.find(self._delimiter, at)
            rest = line[at : end if stop < 0 else stop]
            self.strays += rest != ""
            self._cells.append(rest if self._open is None else "".join(self._open) + rest)
            self._open = None
            if stop < 0:
                return True
            at = stop + 1
        raise _too_wide()

    def _up_to_a_quote(self, line: str, at: int, end: int) -> int:
        """The cells before the next one that has a quote, which is opened if it begins with one. Where the line goes on;
        behind its end if nothing is left of it."""
        quote = line.find('"', at)
        start = (end if quote < 0 else line.rfind(self._delimiter, at, quote)) + 1
        if quote < 0 or start > at:
            self._cells += self._split(line[at : start - 1])
            at = start
        if at == quote:
            self._open = []
            at += 1
        return at

    def _quoted(self, pieces: list[str], line: str, at: int) -> int:
        """The pieces of a quoted cell up to its closing quote, and where the line goes on behind it; -1 if it has none."""
        while (quote := line.find('"', at)) >= 0:
            if not line.startswith('"', quote + 1):
                pieces.append(line[at:quote])
                return quote + 1
            pieces.append(line[at : quote + 1])
            at = quote + 2
        pieces.append(line[at:])
        return -1


def _too_wide() -> Damaged:
    return Damaged(f"a row has more than {LARGEST_WIDTH} cells")


def separator_line(sample: str) -> tuple[str, int] | None:
    """The delimiter that a spreadsheet's first line `sep=;` names, and that line's length."""
    found = _SEPARATOR_LINE.match(sample)
    return (found.group(2), found.end()) if found else None


def rows_below(sample: str, delimiter: str, most: int, *, whole: bool) -> list[Row]:
    """The first rows of a sample, at most so many. whole: whether it goes to the end of the file; else its last row may be cut,
    and is left out."""
    rows: list[Row] = []
    try:
        for row in CsvRows(StringIO(sample, newline=""), delimiter):
            rows.append(row)
            if len(rows) > most:
                break
    except Damaged:
        """The rows up to there will do; the reading of the file says what is wrong."""
    return rows[:most] if whole or len(rows) > most else rows[:-1]


def delimiter_of(sample: str) -> str:
    """The one that cuts the sample into the most even rows, as wide as the first one if that can be, and fits the
    quotes."""
    occurring = {delimiter: _evenness(sample, delimiter) for delimiter in DELIMITERS if delimiter in sample}
    best = max(occurring, key=occurring.__getitem__, default=",")
    # one that cuts wins over all that do not, so the others need not be looked at
    if not sample or (best in occurring and occurring[best][0]):
        return best
    return max(DELIMITERS, key=lambda delimiter: _evenness(sample, delimiter))


def _evenness(sample: str, delimiter: str) -> tuple[bool, bool, bool, float]:
    rows = CsvRows(StringIO(sample, newline=""), delimiter)
    widths: list[int] = []
    try:
        widths.extend(len(row) for row in rows if row)
    except Damaged:
        widths.append(LARGEST_WIDTH + 1)
    is_cut = len(sample) >= SAMPLE
    if len(widths) > 1 and is_cut:
        widths.pop()
    width, count = Counter(widths or [0]).most_common(1)[0]
    fits_quotes = rows.strays == 0 and (is_cut or not rows.breaks_off)
    return width > 1, fits_quotes, width == widths[0] if widths else False, count / max(len(widths), 1)
