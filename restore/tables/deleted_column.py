"""A table with a column more: when the source no longer had the item that it is of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from restore.tables.distinct_names import distinct
from restore.tables.model import Batch, Column, Table


class WithDeletedAt:
    """The table, and behind its own columns one of moments in UTC, the same in every row. moment: aware; None where the source
    has the item. Where a column of the table has that name already, this one gets a number."""

    def __init__(self, table: Table, column: str, moment: datetime | None) -> None:
        import pyarrow as pa

        self._table = table
        self._moment = pa.scalar(moment, pa.timestamp("us", "UTC"))
        (name,) = distinct([column], taken=[one.name for one in table.columns])
        self.name = table.name
        self.columns: Sequence[Column] = (*table.columns, Column(name, self._moment.type))

    def batches(self) -> Iterator[Batch]:
        """All rows."""
        import pyarrow as pa

        for batch in self._table.batches():
            yield Batch([*batch.columns, pa.repeat(self._moment, batch.rows)], batch.rows)
