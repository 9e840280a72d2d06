"""Rows of an XLSX sheet by columns, where they look alike, as those of exports do.

    <row r="2"><c r="A2" t="s"><v>7</v></c>…</row>
    <row r="3"><c r="A3" t="s"><v>9</v></c>…</row>

One regular expression, made of the rows that were met so far, takes a whole row: what may stand in each column, each cell in a
group of its own. 50,000 x 15 cells take 0.12 s of it, where a token for each cell takes 0.7 s. What it does not take is looked
at: a row of plain cells widens the expression, any other is read by `restore.tables.workbook.xlsx_cells`, a cell at a time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import lt
from typing import TypeAlias

from msgspec import Struct, field

from restore.tables.model import BATCH_BYTES, Value
from restore.tables.workbook.dates import NumberKind
from restore.tables.workbook.numbers import numbers_of_texts
from restore.tables.workbook.patterns import POSSESSIVE
from restore.tables.workbook.rows import MOST_COLUMNS, MOST_ROWS, Row, RowBlock
from restore.tables.workbook.strings import text_between
from restore.tables.workbook.xlsx_cells import Book, CellReader, column_number, moment_of_text

MOST_CELLS = 4096
"""Cells of all expressions that are made for a sheet: making them takes about 50 µs a cell."""

_LOOKED_AT = 16
"""Rows that are looked at before an expression is made: it is made less often."""

_ODD_IN_VAIN = 16
"""Rows of a piece that may be unlike, before it matters that they are more than the others."""

_ROW = re.compile(r'<row r="([1-9][0-9]{0,8})"[^<>/]*>')
_CELL = re.compile(
    r'(\s*)<c r="([A-Z]{1,3})([1-9][0-9]{0,8})"(?: s="([0-9]+)")?(?: t="(\w+)")?'
    r'(?: ?(/>)|>(?:<is><t(?: xml:space="preserve")?>[^<]*(</t></is>)|(<f[^<>]*>(?:[^<]*</f>)?(?=<v>[^<]))?<v>[^<]*</v>)</c>)'
)
_END = re.compile(r"(\s*)</row>(\s*)(?=<row[\s>]|\Z)")
_ROW_END = re.compile(r"</row>\s*(?=<row[\s>]|\Z)")
_INLINE = "inlineStr"
_KINDS = frozenset({_INLINE, "s", "str", "b", *NumberKind})
"""Of plain cells; errors are told with their place, and others are rare."""

_FORMULA = r"(?:<f[^<>]*>(?:[^<]*</f>)?(?=<v>[^<]))?"

Kind: TypeAlias = str | NumberKind
"""What a cell holds: by its `t`, and by its format where it is a number."""


class _Column(Struct):
    """What was met in a column. kinds: of cells with a value, with the styles of the numbers · has_empty, has_formula: cells
    without a value, and values that a formula gave."""

    kinds: dict[Kind, set[str]] = field(default_factory=dict)
    has_empty: bool = False
    has_formula: bool = False


class _Met(Struct):
    """What was met in the rows of a sheet. columns: by their letters · spaced: whether there are blanks between the cells."""

    columns: dict[str, _Column] = field(default_factory=dict)
    spaced: bool = False


class RowShape:
    """What the rows of a sheet look like; it grows as they are read."""

    def __init__(self, shown: Mapping[str, NumberKind]) -> None:
        self._shown = shown
        self._met = _Met()
        self._pattern = re.compile(r"(?!)")
        self._groups: list[tuple[int, Kind]] = []
        self._left = MOST_CELLS
        self._header: str | None = None
        """The number of the first row, most of which is text where the rows below have numbers."""

    @property
    def widest(self) -> int:
        """How many columns its rows may have."""
        return 1 + max(map(column_number, self._met.columns), default=-1)

    def unlike(self, text: str) -> Iterator[str]:
        """Learn the shape of the rows of some XML; gives what does not have it."""
        for start, end, rows in self._runs(text, self._pass):
            if rows is None:
                yield text[start:end]

    def pieces(self, text: str, book: Book, reader: CellReader) -> Iterator[list[Row] | RowBlock]:
        """The rows of a piece of `<sheetData>` that begins and ends between rows. reader: for those that are unlike."""
        for start, end, rows in self._runs(text, self._take):
            block = None if rows is None else self._block(rows, book, reader)
            if block is None:
                yield from reader.rows(text[start:end])
            elif block.numbers:
                yield block

    def _runs(self, text: str, take: _Take) -> Iterator[tuple[int, int, list[_Groups] | None]]:
        """Where rows of the shape begin and end, with what they hold, and where others do."""
        at, unlike_from, like, unlike = 0, -1, 0, 0
        while at < len(text):
            rows: list[_Groups] = []
            end = take(text, at, rows)
            if end == at and not self._learn(text, at):
                unlike_from = at if unlike_from < 0 else unlike_from
                unlike += 1
                found = _ROW_END.search(text, at) if unlike <= max(_ODD_IN_VAIN, like) else None
                at = found.end() if found is not None else len(text)
            elif end > at:
                if unlike_from >= 0:
                    yield unlike_from, at, None
                yield at, end, rows
                at, unlike_from, like = end, -1, like + len(rows)
        if unlike_from >= 0:
            yield unlike_from, at, None

    def _take(self, text: str, at: int, rows: list[_Groups]) -> int:
        """Take the rows that follow; gives where they end."""
        match = self._pattern.match
        while (found := match(text, at)) is not None:
            rows.append(found.groups())
            at = found.end()
        return at

    def _pass(self, text: str, at: int, rows: list[_Groups]) -> int:
        """The same without what they hold."""
        match = self._pattern.match
        while (found := match(text, at)) is not None:
            rows.append(())
            at = found.end()
        return at

    def _learn(self, text: str, at: int) -> bool:
        """Widen the shape by the next rows, as far as they are plain; whether it takes the first of them now."""
        row = _ROW.match(text, at)
        if self._header is None:
            self._header = row[1] if row is not None else ""
        if row is None or row[1] == self._header:
            return False
        start, met = at, self._met
        for _ in range(_LOOKED_AT):
            grown = _grown(met, text, at, self._shown)
            if grown is None:
                break
            met, at = grown
            if at >= len(text):
                break
        if met == self._met or len(met.columns) > self._left:
            return False
        self._left -= len(met.columns)
        self._met = met
        self._pattern, self._groups = _made(met)
        return self._pattern.match(text, start) is not None

    def _block(self, rows: list[_Groups], book: Book, reader: CellReader) -> RowBlock | None:
        """Rows by columns; None where a cell has to be told of, or where their shared texts are long."""
        numbers, *cells = zip(*rows, strict=True)
        places = [int(number) - 1 for number in numbers]
        if not (reader.number < places[0] and places[-1] < MOST_ROWS and all(map(lt, places, places[1:]))):
            return None
        columns: dict[int, list[Value]] = {}
        room = BATCH_BYTES // 4
        for (column, kind), texts in zip(self._groups, cells, strict=True):
            values = _values(kind, texts, book)
            if kind == "s":
                room -= sum([len(value) for value in values if value.__class__ is str])
                if room < 0:
                    return None
            known = columns.get(column)
            columns[column] = (
                values if known is None else [one if one is not None else two for one, two in zip(known, values, strict=True)]
            )
        reader.number = places[-1]
        return _without_empty(places, columns)


_Groups: TypeAlias = tuple[str | None, ...]
_Take: TypeAlias = Callable[[str, int, list[_Groups]], int]


def _without_empty(numbers: list[int], columns: dict[int, list[Value]]) -> RowBlock:
    """Without the rows and the last columns that hold nothing."""
    nothing: list[Value] = [None] * len(numbers)
    found = [columns.get(column, nothing) for column in range(max(columns, default=-1) + 1)]
    while found and found[-1].count(None) == len(numbers):
        found.pop()
    if any(None not in column for column in found):
        return RowBlock(numbers, found)
    held = [place for place, row in enumerate(zip(*found, strict=True)) if row.count(None) < len(row)]
    return RowBlock([numbers[place] for place in held], [[column[place] for place in held] for column in found])


def _values(kind: Kind, texts: Sequence[str | None], book: Book) -> list[Value]:
    """What the cells of a column hold. Raises `Damaged`."""
    if None in texts:
        present = [text for text in texts if text is not None]
        if not present:
            return [None] * len(texts)
        values = iter(_present(kind, present, book))
        return [None if text is None else next(values) for text in texts]
    return _present(kind, texts, book)  # type: ignore[arg-type]


def _present(kind: Kind, texts: Sequence[str], book: Book) -> list[Value]:
    if kind == "s":
        return book.strings.all(texts)  # type: ignore[return-value]
    if isinstance(kind, NumberKind):
        if kind is NumberKind.NUMBER:
            return numbers_of_texts(texts)
        return [moment_of_text(kind, text, since_1904=book.since_1904) for text in texts]
    together = "".join(texts)
    if "&" in together or "_x" in together:
        texts = [text_between(text) for text in texts]
    return [text.strip() in {"1", "true"} for text in texts] if kind == "b" else list(texts)


def _grown(met: _Met, text: str, at: int, shown: Mapping[str, NumberKind]) -> tuple[_Met, int] | None:
    """What was met with one row more, and where that ends; None where it is not plain."""
    row = _ROW.match(text, at)
    if row is None:
        return None
    columns, spaced, last = dict(met.columns), met.spaced, -1
    at = row.end()
    while (cell := _CELL.match(text, at)) is not None:
        blank, letters, reference, style, kind, empty, inline, formula = cell.groups()
        column = column_number(letters)
        if not last < column < MOST_COLUMNS or reference != row[1]:
            return None
        known = columns.get(letters, _Column())
        kinds = dict(known.kinds)
        if not empty:
            found = shown.get(style or "", NumberKind.NUMBER) if kind in (None, "n") else kind
            if (kind == _INLINE) != (inline is not None) or found not in _KINDS:
                return None
            kinds[found] = kinds.get(found, set()) | {style or ""}
        columns[letters] = _Column(kinds, known.has_empty or bool(empty), known.has_formula or formula is not None)
        spaced = spaced or bool(blank)
        last, at = column, cell.end()
    end = _END.match(text, at)
    if end is None:
        return None
    return _Met(columns, spaced or bool(end[1]) or bool(end[2])), end.end()


def _made(met: _Met) -> tuple[re.Pattern[str], list[tuple[int, Kind]]]:
    """The expression that takes a row, and the column and kind of each of its groups behind that of the row's number."""
    blank = r"\s*+" if met.spaced else ""
    optional = "?+" if POSSESSIVE else "?"
    pieces, groups = [r'<row r="([1-9][0-9]{0,8})"[^<>/]*>'], list[tuple[int, Kind]]()
    for letters in sorted(met.columns, key=column_number):
        column = met.columns[letters]
        formula = _FORMULA if column.has_formula else ""
        ways = [_way(kind, styles, formula) for kind, styles in column.kinds.items()]
        groups += [(column_number(letters), kind) for kind in column.kinds]
        if column.has_empty:
            ways.append(r'(?: s="[0-9]+")?(?: t="\w+")? ?/>')
        inside = ways[0] if len(ways) == 1 else f"(?:{'|'.join(ways)})"
        pieces.append(rf'(?:{blank}<c r="{letters}\1"{inside}){optional}')
    pieces.append(rf"{blank}</row>{blank}(?=<row[\s>]|\Z)")
    return re.compile("".join(pieces)), groups


def _way(kind: Kind, styles: set[str], formula: str) -> str:
    """What stands behind the reference of a cell of a kind."""
    if kind == _INLINE:
        return r'(?: s="[0-9]+")? t="inlineStr"><is><t(?: xml:space="preserve")?>([^<]*+)</t></is></c>'
    if isinstance(kind, str):
        return rf'(?: s="[0-9]+")? t="{kind}">{formula}<v>([^<]*+)</v></c>'
    named = "|".join(sorted(styles - {""}))
    style = f' s="(?:{named})"' if named else ""
    return f'{f"(?:{style})?" if named and "" in styles else style}(?: t="n")?>{formula}<v>([^<]*+)</v></c>'
