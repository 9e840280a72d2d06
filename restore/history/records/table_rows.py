"""The rows of a table that have an id: CSV, Parquet, workbooks, …"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from restore.history.records.record_id import RecordId, id_text
from restore.tables.distinct_names import distinct
from restore.tables.model import Batch, Table, Value

if TYPE_CHECKING:
    import pyarrow as pa

PRIMARY_KEY = b".key"
"""How the metadata of a Parquet column end in which sources of databases state its place in the primary key: `sqlite.key`."""


class FoundRecord(NamedTuple):
    """A record in a version of an item. key: the field that has its id · value: of the record, by names."""

    key: str
    value: dict[str, Value]


def rows_of(tables: Sequence[Table], record: RecordId, stated: str) -> Iterator[FoundRecord]:
    """The rows that have the id, by the likeliest column in which any has. stated: the key that the source states. Raises
    `Damaged`."""
    for table in tables:
        names = distinct(column.name for column in table.columns)
        for name in record.fields(names, stated):
            if name in names:
                found = list(_rows(table, names, names.index(name), record.text))
                yield from (FoundRecord(name, value) for value in found)
                if found:
                    break


def primary_key(file: Path, format_name: str) -> tuple[str, ...]:
    """The primary key of a Parquet file, as a source of a database states it; none where it states none."""
    if format_name != "parquet":
        return ()
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(file)
    except Exception:  # noqa: BLE001 (whatever is wrong with the file, its reader says it better)
        return ()
    places = {field.name: _place(field.metadata or {}) for field in schema}
    return tuple(sorted((name for name, place in places.items() if place), key=places.__getitem__))


def _place(metadata: Mapping[bytes, bytes]) -> int:
    """In the primary key, from 1 on; 0 where a column is not in it."""
    return max((int(text) for name, text in metadata.items() if name.endswith(PRIMARY_KEY) and text.isdigit()), default=0)


def _rows(table: Table, names: Sequence[str], place: int, text: str) -> Iterator[dict[str, Value]]:
    for batch in table.batches():
        for row in _matching(batch, place, text):
            yield {name: _cell(column, row) for name, column in zip(names, batch.columns, strict=True)}


def _matching(batch: Batch, place: int, text: str) -> list[int]:
    import pyarrow as pa
    import pyarrow.compute as pc

    cells = batch.columns[place]
    if isinstance(cells, list):
        return [row for row, value in enumerate(cells) if id_text(value) == text]
    if pa.types.is_floating(cells.type) or pa.types.is_nested(cells.type) or pa.types.is_boolean(cells.type):
        return [row for row, value in enumerate(cells.to_pylist()) if id_text(value) == text]
    if pa.types.is_integer(cells.type) or pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type):
        found: list[int] = pc.indices_nonzero(pc.fill_null(pc.equal(cells.cast(pa.string()), text), False)).to_pylist()  # noqa: FBT003
        return found
    return [row for row, value in enumerate(cells.to_pylist()) if str(value) == text]


def _cell(column: pa.Array | list[Value], row: int) -> Value:
    if isinstance(column, list):
        return column[row]
    value: Value = column[row].as_py()
    return value
