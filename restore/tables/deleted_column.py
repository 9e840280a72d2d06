"""A table with two columns more: when the source no longer had the item or record that a row is of, and when it was last seen;
and with rows of records that are gone, behind its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from restore.tables.distinct_names import distinct
from restore.tables.model import Batch, Column, Table, Value

if TYPE_CHECKING:
    from array import array

    import pyarrow as pa


class DeletedColumns(Struct, frozen=True):
    """Names of the columns. deleted_at: the moment at which it was found missing · seen_at: that of the last snapshot that
    surely had it."""

    deleted_at: str
    seen_at: str


class GoneRows(Struct, frozen=True):
    """Rows of records that are gone. deleted_at, seen_at: of each row, microseconds since 1970."""

    table: Table
    deleted_at: array[int]
    seen_at: array[int]


class WithDeletedAt:
    """The table, and behind its own columns two of moments in UTC: empty where the source has what the row is of.

    columns: their names; where the table has one of them already, it gets a number · deleted_at, seen_at: of all rows of the
    table, aware; None where the source has the item · gone: rows that come behind them, with columns of their own perhaps.
    """

    def __init__(
        self,
        table: Table,
        columns: DeletedColumns,
        deleted_at: datetime | None,
        seen_at: datetime | None = None,
        gone: GoneRows | None = None,
    ) -> None:
        import pyarrow as pa

        self._type = pa.timestamp("us", "UTC")
        self._table = table
        self._moments = [pa.scalar(one, self._type) for one in (deleted_at, seen_at)]
        self._gone = gone
        self.name = table.name
        known = {one.name for one in table.columns}
        self._more = [one for one in (gone.table.columns if gone is not None else ()) if one.name not in known]
        own = [*table.columns, *self._more]
        names = distinct([columns.deleted_at, columns.seen_at], taken=[one.name for one in own])
        self.columns: Sequence[Column] = (*own, *(Column(name, self._type) for name in names))

    def batches(self) -> Iterator[Batch]:
        """All rows."""
        import pyarrow as pa

        for batch in self._table.batches():
            empty: list[list[Value]] = [[None] * batch.rows for _ in self._more]
            moments = [pa.repeat(one, batch.rows) for one in self._moments]
            yield Batch([*batch.columns, *empty, *moments], batch.rows)
        yield from self._gone_batches()

    def _gone_batches(self) -> Iterator[Batch]:
        import pyarrow as pa

        if self._gone is None:
            return
        places = {column.name: place for place, column in enumerate(self._gone.table.columns)}
        at = 0
        for batch in self._gone.table.batches():
            columns: list[pa.Array | list[Value]] = []
            for column in self.columns[:-2]:
                place = places.get(column.name)
                columns.append([None] * batch.rows if place is None else batch.columns[place])
            both = (self._gone.deleted_at, self._gone.seen_at)
            columns += [pa.array(moments[at : at + batch.rows], pa.int64()).cast(self._type) for moments in both]
            yield Batch(columns, batch.rows)
            at += batch.rows
