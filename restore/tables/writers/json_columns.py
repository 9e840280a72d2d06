"""Columns as values that orjson writes as they are meant; what JSON has no kind for is counted.

date, time, datetime, timedelta     text, as `restore.tables.cell_text` writes it
bytes                               base64 text
NaN, Infinity                       null
Decimal                             a number, with all its digits
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from itertools import repeat
from math import isfinite
from typing import TYPE_CHECKING, BinaryIO

import orjson

from restore.tables.cell_text import BASE64, CellPosition, texts_of
from restore.tables.distinct_names import distinct
from restore.tables.loss_report import LossReport
from restore.tables.model import Table, Value
from restore.tables.scalars import scalar_text
from restore.tables.schema_cast import tell_renamed
from restore.tables.values import values_of
from restore.tables.write_options import WriteOptions
from restore.tables.writers.json_text import encoded, inside

if TYPE_CHECKING:
    import pyarrow as pa

TIME = "a date or time became text"
INFINITE = "a number that is not finite, which JSON does not have, became null"

_BLOCK = 256 * 1024
"""Bytes that are written at once."""

_PLAIN = frozenset((str, int, bool, type(None)))
_NUMBERS = frozenset((float, int, bool, type(None)))


def write_rows(table: Table, out: BinaryIO, between: bytes, losses: LossReport) -> int:
    """A table's rows as JSON objects with something between them; how many there were."""
    room = bytearray()
    count = 0
    for row in _rows(table, losses):
        if count:
            room += between
        room += row
        count += 1
        if len(room) > _BLOCK:
            out.write(room)
            room = bytearray()
    out.write(room)
    return count


def _rows(table: Table, losses: LossReport) -> Iterator[bytes]:
    names = [column.name for column in table.columns]
    if len(set(names)) < len(names):
        names, before = distinct(names), names
        tell_renamed(losses, table.name, before, names)
    first = 1
    for batch in table.batches():
        columns = [
            _ready(column, CellPosition(losses, table.name, name, first))
            for column, name in zip(batch.columns, names, strict=True)
        ]
        cells = zip(*columns, strict=True) if columns else repeat((), batch.rows)
        for row in cells:
            yield encoded(dict(zip(names, row, strict=True)))
        first += batch.rows


def _ready(column: pa.Array | list[Value], spot: CellPosition) -> Sequence[object]:
    import pyarrow as pa

    if not isinstance(column, list) and pa.types.is_temporal(column.type):
        texts = texts_of(column, WriteOptions(), spot)
        spot.many(TIME, len(texts) - texts.null_count, f"row {spot.first}: {texts[0].as_py()!r}" if len(texts) else "")
        cells: list[object] = texts.to_pylist()
        return cells
    values = values_of(column)
    kinds = set(map(type, values))
    if kinds <= _PLAIN or (kinds <= _NUMBERS and all(isfinite(value) for value in values if isinstance(value, float))):
        return values
    return [_cell(row, value, spot) for row, value in enumerate(values)]


def _cell(row: int, value: Value, spot: CellPosition) -> object:
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, (list, dict)):
        text = encoded(value)
        for reason in dict.fromkeys(filter(None, map(_lost, inside(value)))):
            spot.record(row, reason, text.decode("utf-8"))
        return orjson.Fragment(text)
    if (what := _lost(value)) is not None:
        spot.record(row, what, scalar_text(value))
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value)) if value.is_finite() else None
    return scalar_text(value)


def _lost(value: Value) -> str | None:
    """What a scalar loses in JSON."""
    if isinstance(value, float):
        return None if isfinite(value) else INFINITE
    if isinstance(value, Decimal):
        return None if value.is_finite() else INFINITE
    if isinstance(value, bytes):
        return BASE64
    return TIME if isinstance(value, (date, time, timedelta)) else None
