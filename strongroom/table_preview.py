"""The beginning of a table for people to look at: its sheets, some rows as texts, sorted if wanted, and records as threads.

    shown = preview_table(file, "xlsx", TableView(sheet="May", sort="calls", descending=True))
    shown.rows

Whatever the file is, what is given is bounded: in rows, columns, characters. Time and memory are bounded by whoever runs it:
a hostile file is opened in a process that may be ended (see `console.previews`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from vault.errors import NothingFound

if TYPE_CHECKING:
    from restore.tables.model import Table, Value

MOST_ROWS = 200
MOST_SORTED = 20_000
"""Rows that are sorted: those at the beginning."""

MOST_COLUMNS = 100
MOST_SHEETS = 200
LONGEST_CELL = 400
"""Characters of a cell that are shown; a longer one is looked at as a record."""

LONGEST_NAME = 200
MOST_CHARACTERS = 1_500_000
"""Of all cells that are shown."""

LONGEST_FIELD = 20_000
MOST_FIELDS = 300
MOST_PARTS = 500
"""Of one list in a record, such as the comments of a ticket."""

DEEPEST = 12
HIDDEN = "•••"


class TableView(Struct, frozen=True):
    """What is asked for. sheet: its name; "" for the first one · first: the row to begin with, from 0 · sort: a column's name;
    "" for the file's order · masked: patterns of columns' names, whatever their capitals, whose cells are not shown · header:
    whether the first row of a CSV names its columns; None: what it looks like."""

    sheet: str = ""
    first: int = 0
    sort: str = ""
    descending: bool = False
    masked: Sequence[str] = ()
    header: bool | None = None

    def hides(self, name: str) -> bool:
        """Whether a column or field of this name is masked."""
        return any(fnmatchcase(name.lower(), one.lower()) for one in self.masked)


class ShownTable(Struct, frozen=True):
    """Some rows. sheets: names of all of them, where the format has such · columns: (name, whether all that is shown is
    numbers) · rows: texts, None for an empty cell · first: the number of the first row, from 0 · more: whether there are more
    rows · columns_left_out: how many are not shown · sorted_among: the rows that were sorted, where there are more of them;
    else 0 · threads: whether rows have lists of records in them, as tickets have comments."""

    sheets: tuple[str, ...]
    sheet: str
    columns: tuple[tuple[str, bool], ...]
    rows: tuple[tuple[str | None, ...], ...]
    first: int
    more: bool
    columns_left_out: int
    sorted_among: int
    threads: bool


class ShownRecord(Struct, frozen=True):
    """One row as names and values: texts, lists and dicts of these, bounded. number: of the row, from 0."""

    number: int
    fields: tuple[tuple[str, Any], ...]


def preview_table(file: Path, format_name: str, view: TableView) -> ShownTable:
    """Some rows of a table. format_name: as the library reads it (`restore.tables.formats.read_as`). Raises `Damaged`,
    `NotATable`, `NothingFound` for a sheet or column that it does not have."""
    tables, table = _opened(file, format_name, view)
    names = [column.name for column in table.columns][:MOST_COLUMNS]
    if view.sort:
        rows, more, among = _sorted(table, names, view)
    else:
        rows, more = _rows(table, len(names), view.first, MOST_ROWS)
        among = 0
    shown: list[tuple[str | None, ...]] = []
    budget = MOST_CHARACTERS
    hidden = [view.hides(name) for name in names]
    for row in rows:
        cells = tuple(
            None if cell is None else HIDDEN if hide else _shown(cell, view) for cell, hide in zip(row, hidden, strict=True)
        )
        budget -= sum(len(cell) for cell in cells if cell is not None)
        if budget < 0 and shown:
            more = True
            break
        shown.append(cells)
    numeric = [_numeric(row[place] for row in rows) for place in range(len(names))]
    return ShownTable(
        sheets=tuple(one.name[:LONGEST_NAME] for one in tables[:MOST_SHEETS]) if len(tables) > 1 or table.name else (),
        sheet=table.name[:LONGEST_NAME],
        columns=tuple((name[:LONGEST_NAME], of_numbers) for name, of_numbers in zip(names, numeric, strict=True)),
        rows=tuple(shown),
        first=0 if view.sort else view.first,
        more=more,
        columns_left_out=len(table.columns) - len(names),
        sorted_among=among,
        threads=any(_is_records(cell) for row in rows for cell in row),
    )


def preview_record(file: Path, format_name: str, view: TableView) -> ShownRecord:
    """The row `view.first`, in full. Raises as `preview_table`, `NothingFound` where there is none."""
    _, table = _opened(file, format_name, view)
    names = [column.name for column in table.columns][:MOST_FIELDS]
    rows, _ = _rows(table, len(names), view.first, 1)
    if not rows:
        raise NothingFound(f"there is no row {view.first + 1}", hint="look at the rows that there are")
    budget = _Budget(view)
    fields = [(name[:LONGEST_NAME], budget.taken(name, cell, 0)) for name, cell in zip(names, rows[0], strict=True)]
    return ShownRecord(view.first, tuple((name, value) for name, value in fields if value not in (None, "", [], {})))


def _opened(file: Path, format_name: str, view: TableView) -> tuple[Sequence[Table], Table]:
    from restore.tables.loss_report import LossReport
    from restore.tables.registry import open_tables

    tables = open_tables(file, format_name, LossReport(), view.header)
    if not tables:
        raise NothingFound("it has no table", hint="restore the item to look at it with another program")
    table = next((one for one in tables if one.name[:LONGEST_NAME] == view.sheet), None) if view.sheet else tables[0]
    if table is None:
        raise NothingFound(f"it has no sheet {view.sheet[:LONGEST_NAME]!r}", hint="choose one of those that it has")
    return tables, table


def _rows(table: Table, columns: int, first: int, most: int) -> tuple[list[list[Value]], bool]:
    """Some rows, and whether there are more."""
    rows: list[list[Value]] = []
    skip = first
    for batch in table.batches():
        if skip >= batch.rows:
            skip -= batch.rows
            continue
        wanted = slice(skip, skip + most + 1 - len(rows))
        skip = 0
        cells = [_values(column[wanted]) for column in batch.columns[:columns]]
        rows += map(list, zip(*cells, strict=True)) if cells else []
        if len(rows) > most:
            return rows[:most], True
    return rows, False


def _values(column: Any) -> list[Value]:  # noqa: ANN401 (an Arrow array or a list)
    from restore.tables.values import values_of

    return column if isinstance(column, list) else values_of(column)


def _sorted(table: Table, names: Sequence[str], view: TableView) -> tuple[list[list[Value]], bool, int]:
    """The first rows by a column, whether there are more, and among how many of all they were found."""
    if view.sort not in names:
        raise NothingFound(f"it has no column {view.sort[:LONGEST_NAME]!r}", hint="sort by one of those that it has")
    place = names.index(view.sort)
    if view.hides(view.sort):  # the order would tell what the cells do not
        rows, more = _rows(table, len(names), 0, MOST_ROWS)
        return rows, more, 0
    rows, more = _rows(table, len(names), 0, MOST_SORTED)
    among = len(rows) if more else 0
    key = (lambda cell: _key(_shown(cell, view) if isinstance(cell, list | dict) else cell)) if view.masked else _key
    full = sorted((row for row in rows if row[place] is not None), key=lambda row: key(row[place]), reverse=view.descending)
    empty = [row for row in rows if row[place] is None]
    return [*full, *empty][:MOST_ROWS], more or len(rows) > MOST_ROWS, among


def _key(cell: Value) -> tuple[int, Any]:
    """Numbers, moments, texts: each among its own. Texts that are numbers, as all cells of CSV are, count as these."""
    if isinstance(cell, int | float | Decimal):
        return (0, float(cell)) if cell == cell else (1, 0.0)
    if isinstance(cell, dt.datetime):
        return (2, cell.replace(tzinfo=None) if cell.tzinfo is None else cell.astimezone(dt.UTC).replace(tzinfo=None))
    if isinstance(cell, dt.date):
        return (2, dt.datetime.combine(cell, dt.time()))
    if isinstance(cell, dt.timedelta):
        return (3, cell)
    text = cell if isinstance(cell, str) else _text(cell)
    try:
        number = float(text.replace(",", ".")) if len(text) < 40 else None
    except ValueError:
        number = None
    return (0, number) if number is not None and number == number else (4, text.casefold())


def _text(cell: Value, most: int = LONGEST_CELL) -> str:
    from restore.tables.cell_text import text_of

    text = cell if isinstance(cell, str) else text_of(cell)[0]
    return text if len(text) <= most else f"{text[:most]}…"


def _shown(cell: Value, view: TableView) -> str:
    """A cell as text; of a list or an object without the fields that are masked."""
    if view.masked and isinstance(cell, list | dict):
        cell = _Budget(view).taken("", cell, 0)
    return _text(cell)


def _numeric(cells: Any) -> bool:  # noqa: ANN401 (an iterator of cells of any type)
    found = [cell for cell in cells if cell is not None and cell != ""]
    return bool(found) and all(
        (isinstance(cell, int | float | Decimal) and not isinstance(cell, bool))
        or (isinstance(cell, str) and _key(cell)[0] == 0)
        for cell in found
    )


def _is_records(cell: Value) -> bool:
    return isinstance(cell, list) and bool(cell) and isinstance(cell[0], dict)


class _Budget:
    """Values of one record, cut to what a page can show."""

    def __init__(self, view: TableView) -> None:
        self._view = view
        self._left = MOST_CHARACTERS

    def taken(self, name: str, value: Value, depth: int) -> Any:  # noqa: ANN401 (texts, lists and dicts of these)
        if value is None:
            return None
        if self._view.hides(name):
            return HIDDEN
        if depth < DEEPEST and isinstance(value, dict):
            return {key[:LONGEST_NAME]: self.taken(key, own, depth + 1) for key, own in list(value.items())[:MOST_FIELDS]}
        if depth < DEEPEST and isinstance(value, list):
            kept = [self.taken(name, own, depth + 1) for own in value[:MOST_PARTS]]
            return [*kept, "…"] if len(value) > MOST_PARTS else kept
        text = _text(value, min(LONGEST_FIELD, max(self._left, 0)))
        self._left -= len(text)
        return text
