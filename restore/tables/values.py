"""Arrow columns as Python values, whatever is in them.

Arrow's own `to_pylist` wants pandas for nanoseconds, raises at years beyond 9999, wraps times of day, and gives up at structs
that have a name twice. Here none of that happens: a time that Python's types cannot hold becomes text, and who wants to know
how many there were passes a function to count them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import partial
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from restore.tables.model import Value

if TYPE_CHECKING:
    import pyarrow as pa

LossListener = Callable[[int, str, str], None]
"""Told of a cell that became text: its row in the batch, what was lost, and the text."""

ODD_TIME = "a time finer than a microsecond, or outside the years 1 to 9999, became text"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = 86_400
_NANOS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_FIRST = -62_135_596_800 + _DAY
_LAST = 253_402_300_800 - _DAY
"""Seconds that lie in the years 1 to 9999 in every zone."""


def values_of(column: pa.Array | list[Value], on_loss: LossListener | None = None) -> list[Value]:
    """A batch's column as Python values: lists and dicts for nested types, text for times that do not fit Python's."""
    import pyarrow as pa

    if isinstance(column, list):
        return column
    type_ = column.type
    if pa.types.is_dictionary(type_):
        return values_of(column.dictionary_decode(), on_loss)
    if isinstance(type_, pa.BaseExtensionType):
        return values_of(column.storage, on_loss)
    if pa.types.is_nested(type_):
        return _nested(column, on_loss)
    if pa.types.is_temporal(type_):
        return _times(column, on_loss)
    plain: list[Value] = column.to_pylist()
    return plain


def zone_of(name: str) -> tzinfo:
    """The zone that Arrow names: an offset, or a name of the time-zone database; KeyError or ValueError for others."""
    if name[:1] in {"+", "-"}:
        return datetime.strptime(name, "%z").tzinfo or UTC
    return ZoneInfo(name)


def _times(column: pa.Array, on_loss: LossListener | None) -> list[Value]:
    """Timestamps, dates, times of day and durations; Arrow's own way where nothing can go wrong."""
    import pyarrow as pa
    import pyarrow.compute as pc

    type_ = column.type
    if pa.types.is_interval(type_):
        parts = ("months", "days", "nanoseconds")
        return [None if cell is None else dict(zip(parts, cell, strict=True)) for cell in column.to_pylist()]
    numbers = column.cast(pa.int32() if type_.bit_width == 32 else pa.int64())
    make, lowest, highest = _maker(type_)
    ends = pc.min_max(numbers)
    least, most = ends["min"].as_py(), ends["max"].as_py()
    if least is None or (lowest <= least and most <= highest):
        plain: list[Value] = column.to_pylist()
        return plain
    cells = [None if number is None else make(number) for number in numbers.to_pylist()]
    if on_loss is not None:
        for row, cell in enumerate(cells):
            if isinstance(cell, str):
                on_loss(row, ODD_TIME, cell)
    return cells


def _maker(type_: pa.DataType) -> tuple[Callable[[int], Value], int, int]:
    """How a number becomes a cell, and the range of numbers with which Arrow's own way cannot go wrong."""
    import pyarrow as pa

    if pa.types.is_date(type_):
        a_day = 1 if pa.types.is_date32(type_) else 86_400_000
        return lambda number: _date(number // a_day), _FIRST // _DAY * a_day, _LAST // _DAY * a_day
    nanos = _NANOS[type_.unit]
    make, first, last = _time, 0, _DAY - 1
    if pa.types.is_duration(type_):
        make, first, last = _duration, -1_000_000 * _DAY, 1_000_000 * _DAY
    if pa.types.is_timestamp(type_):
        zone = zone_of(type_.tz) if type_.tz else None
        make, first, last = partial(_moment, zone), _FIRST, _LAST
    a_second = 1_000_000_000 // nanos
    # none with nanoseconds
    lowest, highest = (first * a_second, last * a_second) if type_.unit != "ns" else (1, 0)
    return lambda number: make(number * nanos), lowest, highest


def _date(days: int) -> Value:
    try:
        return date(1970, 1, 1) + timedelta(days=days)
    except OverflowError:
        return f"{days} days since 1970"


def _moment(zone: tzinfo | None, nanos: int) -> Value:
    micros, finer = divmod(nanos, 1_000)
    try:
        moment = _EPOCH + timedelta(microseconds=micros)
        moment = moment.astimezone(zone) if zone is not None else moment.replace(tzinfo=None)
    except OverflowError:
        return f"{nanos} nanoseconds since 1970"
    text = moment.isoformat(timespec="microseconds")
    return f"{text[:26]}{finer:03d}{text[26:]}" if finer else moment


def _time(nanos: int) -> Value:
    if not 0 <= nanos < _DAY * 1_000_000_000:
        return f"{nanos} nanoseconds since midnight"
    micros, finer = divmod(nanos, 1_000)
    seconds, micros = divmod(micros, 1_000_000)
    cell = time(seconds // 3600, seconds // 60 % 60, seconds % 60, micros)
    return f"{cell.isoformat(timespec='microseconds')}{finer:03d}" if finer else cell


def _duration(nanos: int) -> Value:
    micros, finer = divmod(nanos, 1_000)
    try:
        return timedelta(microseconds=micros) if not finer else f"{nanos} nanoseconds"
    except OverflowError:
        return f"{nanos} nanoseconds"


def _nested(column: pa.Array, on_loss: LossListener | None) -> list[Value]:
    import pyarrow as pa

    if pa.types.is_struct(column.type):
        names = _distinct([field.name for field in column.type])
        fields = [values_of(child, on_loss) for child in column.flatten()]
        there = column.is_valid().to_pylist()
        return [
            {name: cells[row] for name, cells in zip(names, fields, strict=True)} if is_ else None
            for row, is_ in enumerate(there)
        ]
    if pa.types.is_map(column.type):
        pairs = pa.list_(pa.struct([pa.field("key", column.type.key_type), pa.field("value", column.type.item_type)]))
        return [_mapping(cell) for cell in _lists(column.cast(pairs), on_loss)]
    if pa.types.is_union(column.type):
        plain: list[Value] = column.to_pylist()
        return plain
    return list(_lists(column, on_loss))


def _lists(column: pa.Array, on_loss: LossListener | None) -> Iterator[list[Value] | None]:
    """The cells of any type of list. told hears of the inner cells' own places: they are counted, not found."""
    import pyarrow.compute as pc

    inner = values_of(column.flatten(), on_loss)
    end = 0
    for length in pc.list_value_length(column).to_pylist():
        if length is None:
            yield None
        else:
            yield inner[end : end + length]
            end += length


def _mapping(pairs: list[Value] | None) -> Value:
    """A map with its keys as names where they are different texts, otherwise as the list of pairs that it is."""
    if pairs is None:
        return None
    keys = [pair["key"] for pair in pairs if isinstance(pair, dict)]
    names = {key for key in keys if isinstance(key, str)}
    if len(names) != len(pairs):
        return pairs
    return {pair["key"]: pair["value"] for pair in pairs if isinstance(pair, dict) and isinstance(pair["key"], str)}


def _distinct(names: Sequence[str]) -> list[str]:
    """Names of a struct's fields, the second of a name with its place behind it."""
    return [name if names.index(name) == place else f"{name}_{place + 1}" for place, name in enumerate(names)]
