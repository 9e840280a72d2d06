"""What a table is between a reader and a writer: named columns and batches of cells, again and again from the start.

A column has an Arrow type where its format declares one (Parquet, Feather) or where all its cells are text by nature
(CSV). Everywhere else its cells are Python values, each of its own type, as spreadsheets, JSON and SQLite have them; a writer
that must know a type before the first row looks at the table once before it writes (`restore.tables.type_inference`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    import pyarrow as pa

Value: TypeAlias = (
    "bool | int | float | Decimal | str | bytes | date | time | datetime | timedelta | list[Value] | dict[str, Value] | None"
)
"""A cell. A datetime is naive where its format knows no zone. A list or dict is JSON's, or a nested Parquet column's."""

BATCH_ROWS = 8192
"""Rows that a reader gives at once, or fewer where they are long: see `BATCH_BYTES`."""

BATCH_BYTES = 16 * 1024 * 1024
"""About how many bytes of cells a batch may hold."""

BATCH_CELLS = 1_000_000
"""How many cells a batch may hold: fewer rows where they are wide."""

LARGEST_ROW_BYTES = 64 * 1024 * 1024
"""Bytes that the cells of one row may take together: a row is in memory whole, and so is what is made of it."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column. name: as the file has it, perhaps empty, perhaps that of another column too · type: of all its cells, or None
    where each cell has its own."""

    name: str
    type: pa.DataType | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows. columns: one for each of the table's, all of `rows` cells: an Arrow array of the column's type, or a list of
    values where the column has none."""

    columns: Sequence[pa.Array | list[Value]]
    rows: int


class Table(Protocol):
    """A table of a file."""

    @property
    def name(self) -> str:
        """Of the sheet, or the table in a database; empty where the file is the table."""

    @property
    def columns(self) -> Sequence[Column]:
        """Known before the first row."""

    def batches(self) -> Iterator[Batch]:
        """All rows in the file's order, from the first one at every call, in bounded memory. Raises `Damaged` where the file
        breaks off or is not what it seemed to be."""
