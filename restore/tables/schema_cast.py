"""Tables fitted to one Arrow schema, for the formats that want a type before the first row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from restore.tables.cell_text import NESTED, CellPosition, strings, text_of
from restore.tables.distinct_names import distinct, encodable
from restore.tables.loss_report import LossReport
from restore.tables.model import Table, Value
from restore.tables.type_inference import InferredType, infer_types
from restore.tables.values import values_of

if TYPE_CHECKING:
    import pyarrow as pa

IN_UTC = "a moment of several zones in one column is told in UTC"
RENAMED = "a column whose name is empty or taken was renamed"


class CastTable:
    """A table that has been surveyed. carries: whether the format has a nested type; other cells of it become JSON text."""

    def __init__(self, table: Table, losses: LossReport, carries: Callable[[pa.DataType], bool]) -> None:
        import pyarrow as pa

        self._table = table
        self._losses = losses
        self._fits = [fit if carries(fit.type) else InferredType(pa.string(), NESTED) for fit in infer_types(table)]
        names = [column.name for column in table.columns]
        new_names = distinct(map(encodable, names))
        tell_renamed(losses, table.name, names, new_names)
        types = [pa.string() if pa.types.is_null(fit.type) else fit.type for fit in self._fits]
        self.schema = pa.schema(list(zip(new_names, types, strict=True)))

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All rows."""
        import pyarrow as pa

        first = 1
        for batch in self._table.batches():
            spots = [CellPosition(self._losses, self._table.name, column.name, first) for column in self._table.columns]
            arrays = [_fitted(*column) for column in zip(batch.columns, self._fits, self.schema.types, spots, strict=True)]
            yield pa.RecordBatch.from_arrays(arrays, schema=self.schema)
            first += batch.rows


def _fitted(cells: pa.Array | list[Value], fit: InferredType, type_: pa.DataType, spot: CellPosition) -> pa.Array:
    """Some cells of a column as its type; what they lose is counted at the spot."""
    import pyarrow as pa

    if fit.why:
        return strings(as_texts(values_of(cells, spot.record), fit.why, spot), spot)
    if not isinstance(cells, list):
        return cells.cast(type_) if cells.type != type_ else cells
    if pa.types.is_string(type_):
        return strings([cell for cell in cells if cell is None or isinstance(cell, str)], spot)
    if fit.zones:
        away = [cell for cell in cells if isinstance(cell, datetime) and cell.utcoffset() != UTC.utcoffset(None)]
        spot.many(IN_UTC, len(away), f"{away[0].isoformat()} -> UTC" if away else "")
    return pa.array(cells, type_)


def tell_renamed(losses: LossReport, table: str, before: Sequence[str], after: Sequence[str]) -> None:
    """Count the columns that have another name now."""
    for old, new in zip(before, after, strict=True):
        if old != new:
            losses.add(RENAMED, table, new, example=f"{old!r} -> {new!r}")


def as_texts(cells: Sequence[Value], why: str, spot: CellPosition) -> list[str | None]:
    """Text where there is none yet, each cell of it counted."""
    texts: list[str | None] = []
    for row, cell in enumerate(cells):
        if cell is None or isinstance(cell, str):
            texts.append(cell)
            continue
        text, lost = text_of(cell)
        spot.record(row, lost or why, text)
        texts.append(text)
    return texts
