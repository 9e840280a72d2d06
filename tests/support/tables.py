"""Tables for tests: one made of Python rows, and what any table holds as Python rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from restore.tables.model import Batch, Column, Table, Value

Row = Sequence[Value]


class ListTable:
    """A `restore.tables.model.Table` whose rows lie in memory. types: Arrow types by the column's place; the cells of the
    others are Python values. walks: how often the rows were asked for."""

    def __init__(
        self,
        names: Sequence[str],
        rows: Sequence[Row],
        *,
        name: str = "",
        types: Mapping[int, pa.DataType] | None = None,
        batch_rows: int = 3,
    ) -> None:
        self.name = name
        self.columns = [Column(column, (types or {}).get(place)) for place, column in enumerate(names)]
        self.rows = [list(row) for row in rows]
        self.walks = 0
        self._batch_rows = batch_rows

    def batches(self) -> Iterator[Batch]:
        self.walks += 1
        for start in range(0, len(self.rows), self._batch_rows):
            rows = self.rows[start : start + self._batch_rows]
            cells = [[row[place] for row in rows] for place in range(len(self.columns))]
            yield Batch([self._column(place, values) for place, values in enumerate(cells)], len(rows))

    def _column(self, place: int, values: list[Value]) -> pa.Array | list[Value]:
        type_ = self.columns[place].type
        return values if type_ is None else pa.array(values, type_)


def names_of(table: Table) -> list[str]:
    """Of its columns."""
    return [column.name for column in table.columns]


def rows_of(table: Table) -> list[list[Value]]:
    """All its cells as Python values, row by row; what each batch promises about its shape is checked on the way."""
    rows: list[list[Value]] = []
    for batch in table.batches():
        assert len(batch.columns) == len(table.columns)
        assert all(len(cells) == batch.rows for cells in batch.columns)
        for column, cells in zip(table.columns, batch.columns, strict=True):
            if column.type is None:
                assert isinstance(cells, list)
            else:
                assert not isinstance(cells, list)
                assert cells.type == column.type
        plain = [cells if isinstance(cells, list) else cells.to_pylist() for cells in batch.columns]
        rows.extend([cells[row] for cells in plain] for row in range(batch.rows))
    return rows
