"""What a table is between a reader and a writer: named columns and batches of cells, again and again from the start.

A column has an Arrow type where its format declares one (Parquet, Feather) or where all its cells are text by nature
(CSV). Everywhere else its cells are Python values, each of its own type, as spreadsheets, JSON and SQLite have them; a writer
that must know a type before the first row looks at the table once before it writes (`restore.tables.type_inference`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from msgspec import Struct

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


class Column(Struct, frozen=True):
    """A column. name: as the file has it, perhaps empty, perhaps that of another column too · type: of all its cells, or None
    where each cell has its own."""

    name: str
    type: pa.DataType | None = None


class Batch(Struct, frozen=True):
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


class TableShape(Struct, frozen=True):
    """What is told of a table. columns: the name of each and its type, `any` where its cells have several · rows: None where
    nobody counted them."""

    name: str
    columns: tuple[tuple[str, str], ...]
    rows: int | None = None

    @classmethod
    def of(cls, table: Table, rows: int | None = None) -> TableShape:
        """Of a table, without reading it."""
        columns = ((column.name, "any" if column.type is None else str(column.type)) for column in table.columns)
        return cls(table.name, tuple(columns), rows)

    def columns_as_json(self) -> list[dict[str, str]]:
        """For the report: an export names each list of columns once."""
        return [{"name": name, "type": kind} for name, kind in self.columns]

    def as_json(self) -> dict[str, Any]:
        """For the report."""
        rows = {} if self.rows is None else {"rows": self.rows}
        return {"name": self.name, **rows, "columns": self.columns_as_json()}
