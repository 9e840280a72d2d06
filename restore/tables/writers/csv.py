"""CSV (RFC 4180 with LF): UTF-8, null is an empty cell and an empty text is `""`, one canonical text for every value.

Lines end with LF alone: every program reads it, line tools and checksums see the same on all systems, and a CR can only be
a cell's own. Cells are quoted where they must be, and where they have any delimiter that a reader might guess, so that no
reader guesses wrong. A NUL, which readers refuse, becomes `␀`; such cells are counted.

For people, texts that a spreadsheet would run as a formula get an apostrophe and are counted; signed numbers and telephone
numbers are no formulas and stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from restore.tables.cell_text import CellPosition, strings, texts_of
from restore.tables.loss_report import LossReport
from restore.tables.model import Table
from restore.tables.readers.csv_rows import DELIMITERS
from restore.tables.write_options import WriteOptions
from restore.tables.writers.arrow_text import has_any, quoted, write_joined
from vault.errors import UsageError
from vault.threads import work_behind

if TYPE_CHECKING:
    import pyarrow as pa

FORMULA = "a text that a spreadsheet would run as a formula got an apostrophe"
NUL = "a NUL, which CSV cannot hold, became ␀"
NO_COLUMNS = "a row without columns"
HEADER = 0
"""The header's row number in the examples of losses."""

_STARTS = "=+@\t\r\n-"  # the minus last, so that it is no range where these are a class
_HARMLESS = r"^[+-][0-9(][0-9 ().,-]*([eE][+-]?[0-9]+)?$"
"""Signed numbers and telephone numbers."""


def write_csv(tables: Sequence[Table], out: BinaryIO, options: WriteOptions, losses: LossReport) -> None:
    """Writes the one table, forward only."""
    (table,) = tables
    if len(options.delimiter) != 1 or options.delimiter in '"\r\n\0':
        raise UsageError(f"{options.delimiter!r} cannot separate the cells of a CSV file")
    if options.bom:
        out.write(b"\xef\xbb\xbf")
    if table.columns:
        out.write(_header(table, options, losses))
    first = 1
    with work_behind() as behind:
        for batch in table.batches():
            if not table.columns:
                losses.add(NO_COLUMNS, table.name, "", batch.rows)
            elif batch.rows:
                spots = [CellPosition(losses, table.name, column.name, first) for column in table.columns]
                cells = [
                    _cells(texts_of(column, options, spot), options, spot)
                    for column, spot in zip(batch.columns, spots, strict=True)
                ]
                behind(partial(write_joined, out, cells, options.delimiter, "\n"))
            first += batch.rows


def _header(table: Table, options: WriteOptions, losses: LossReport) -> bytes:
    """Names, quoted too where a reader would take them for something else: a byte-order mark, `sep=`, an empty line."""
    names: list[str] = []
    for column in table.columns:
        spot = CellPosition(losses, table.name, column.name, HEADER)
        name = _cells(strings([column.name], spot), options, spot)[0].as_py()
        names.append(f'"{name}"' if name.startswith(("sep=", "\ufeff")) else name)
    return (options.delimiter.join(names) + "\n").encode("utf-8")


def _cells(texts: pa.StringArray, options: WriteOptions, spot: CellPosition) -> pa.StringArray:
    """Texts as they stand in the file; nulls stay null."""
    import pyarrow.compute as pc

    if has_any(texts, b"\0"):
        changed = pc.match_substring(texts, "\0")
        texts = pc.replace_substring(texts, "\0", "␀")
        _count(texts, changed, NUL, spot)
    if options.for_people and has_any(texts, _STARTS.encode()):
        looks_like = pc.match_substring_regex(texts, f"^[{_STARTS}]")
        changed = pc.and_(looks_like, pc.invert(pc.match_substring_regex(texts, _HARMLESS)))
        texts = pc.if_else(changed, pc.binary_join_element_wise("'", texts, ""), texts)
        _count(texts, changed, FORMULA, spot)
    return quoted(texts, f'{DELIMITERS}{options.delimiter}"\r\n')


def _count(texts: pa.StringArray, changed: pa.BooleanArray, what: str, spot: CellPosition) -> None:
    import pyarrow.compute as pc

    for row in pc.indices_nonzero(changed).to_pylist():
        spot.record(row, what, texts[row].as_py())
