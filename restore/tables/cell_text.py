"""A cell as text: one canonical text for every value, and whole columns of them.

    null           no text at all; what stands for it is the format's own choice
    true, false    so
    int            its digits
    float          the shortest digits that give the same number again; NaN, Infinity, -Infinity
    Decimal        all its digits, without an exponent where that stays readable
    date           2024-05-17
    time           14:05:00, with six digits of a fraction where there is one, with an offset where it has one
    datetime       2024-05-17T14:05:00+03:00, likewise; without an offset where it has no zone
    timedelta      PT93784.5S: ISO 8601, in seconds
    bytes          base64                    (counted: `BASE64`)
    list, dict     compact JSON              (counted: `NESTED`)

People get what a spreadsheet understands instead: `2024-05-17 14:05:00` in their own zone, and `26:03:04.5` for a duration.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias
from zoneinfo import ZoneInfo

from msgspec import Struct

from restore.tables.loss_report import LossReport
from restore.tables.model import Value
from restore.tables.scalars import clock_text, scalar_text
from restore.tables.values import values_of
from restore.tables.write_options import WriteOptions
from restore.tables.writers.json_text import encoded

if TYPE_CHECKING:
    import pyarrow as pa

BASE64 = "bytes became base64 text"
NESTED = "a list or an object became JSON text"
HALF = "half of a surrogate pair, which is not valid UTF-8, became its number"
LOCAL = "a moment became local time in {zone}, without its offset"

Text: TypeAlias = tuple[str, str | None]
"""A cell's text, and what it lost by becoming one."""

_SHOWN = 40
_HALVES = re.compile("[\ud800-\udfff]")
_TIMESTAMPS = (100_000_000_000_000, 250_000_000_000_000_000)
"""Microseconds since 1970 between which zones have offsets of whole minutes and years four digits: March 1973 to 9892."""

_DATES = (-719_162, 2_932_896)
"""Days since 1970 that are the years 1 to 9999."""


class CellPosition(Struct, frozen=True):
    """Cells of one column, as losses name them. first: the row of the first of them, from 1."""

    losses: LossReport
    table: str
    column: str
    first: int

    def record(self, row: int, what: str, text: str) -> None:
        """One cell, `row` after the first."""
        self.losses.add(what, self.table, self.column, example=f"row {self.first + row}: {shown(text)}")

    def many(self, what: str, cells: int, example: str) -> None:
        """Several cells of one kind; nothing where there is none."""
        if cells:
            self.losses.add(what, self.table, self.column, cells, example)


def shown(text: str) -> str:
    """A text in an example: quoted, and cut where it is long."""
    return repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r}… ({len(text)} characters)"


def text_of(value: Value) -> Text:
    """The canonical text of a value; empty for null."""
    if isinstance(value, str):
        return value, None
    if value is None:
        return "", None
    if isinstance(value, (list, dict)):
        return encoded(value).decode("utf-8"), NESTED
    return scalar_text(value), BASE64 if isinstance(value, bytes) else None


def people_text_of(value: Value, zone: str | None) -> Text:
    """As `text_of`, as a spreadsheet reads it."""
    if isinstance(value, datetime):
        if value.tzinfo is None or zone is None:
            return value.isoformat(" "), None
        try:
            local = value.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        except OverflowError:  # in that zone it is no year that the calendar has
            return value.isoformat(" "), None
        return local.isoformat(" "), LOCAL.format(zone=zone)
    if isinstance(value, timedelta):
        return clock_text(value), None
    return text_of(value)


def texts_of(column: pa.Array | list[Value], options: WriteOptions, spot: CellPosition) -> pa.StringArray:
    """A batch's column as texts, nulls kept apart; what they lost is counted at the spot."""
    import pyarrow as pa

    if isinstance(column, list):
        return _texts(column, options, spot)
    types, type_ = pa.types, column.type
    if types.is_string(type_):
        return column
    if types.is_dictionary(type_):
        return texts_of(column.dictionary_decode(), options, spot)
    if types.is_large_string(type_) or types.is_boolean(type_) or types.is_integer(type_) or _is_plain_decimal(type_):
        return column.cast(pa.string())
    if types.is_date32(type_) and _within(column.cast(pa.int32()), _DATES):
        return column.cast(pa.string())
    if types.is_timestamp(type_) and (texts := _moments(column, options, spot)) is not None:
        return texts
    return _texts(values_of(column), options, spot)


def strings(cells: list[str | None], spot: CellPosition) -> pa.StringArray:
    """Texts as an Arrow column; halves of surrogate pairs, which it cannot hold, are written as numbers and counted."""
    import pyarrow as pa

    try:
        return pa.array(cells, pa.string())
    except UnicodeEncodeError:
        return pa.array([_whole(row, cell, spot.record) for row, cell in enumerate(cells)], pa.string())


def _whole(row: int, cell: str | None, record: Callable[[int, str, str], None]) -> str | None:
    if cell is None or _HALVES.search(cell) is None:
        return cell
    whole = _HALVES.sub(lambda half: f"\\u{ord(half.group()):04x}", cell)
    record(row, HALF, whole)
    return whole


def _texts(cells: list[Value], options: WriteOptions, spot: CellPosition) -> pa.StringArray:
    import pyarrow as pa

    kinds = set(map(type, cells)) - {type(None)}
    if kinds == {str}:
        return strings(cells, spot)  # type: ignore[arg-type]
    if kinds == {bool} or (kinds == {int} and _are_small(cells)):
        return pa.array(cells).cast(pa.string())
    texts: list[str | None] = []
    for row, cell in enumerate(cells):
        if cell is None or isinstance(cell, str):
            texts.append(cell)
            continue
        text, lost = people_text_of(cell, options.zone) if options.for_people else text_of(cell)
        texts.append(text)
        if lost is not None:
            spot.record(row, lost, text)
    return strings(texts, spot)


def _are_small(cells: list[Value]) -> bool:
    """Whether Arrow's 64 bits hold all these integers."""
    numbers = [cell for cell in cells if isinstance(cell, int)]
    return min(numbers) >= -(1 << 63) and max(numbers) < 1 << 63


def _is_plain_decimal(type_: pa.DataType) -> bool:
    """Whether Arrow writes such decimals without an exponent."""
    import pyarrow as pa

    return bool(pa.types.is_decimal(type_)) and 0 <= type_.scale <= 6


def _within(numbers: pa.Array, bounds: tuple[int, int]) -> bool:
    import pyarrow.compute as pc

    ends = pc.min_max(numbers)
    lowest, highest = ends["min"].as_py(), ends["max"].as_py()
    return lowest is None or (bounds[0] <= lowest and highest <= bounds[1])


def _moments(column: pa.TimestampArray, options: WriteOptions, spot: CellPosition) -> pa.StringArray | None:
    """Timestamps as texts all at once, or None where some are beyond what Arrow writes as Python does."""
    import pyarrow as pa
    import pyarrow.compute as pc

    zone = column.type.tz
    local = options.zone if options.for_people and zone else None
    try:
        moments = column.cast(pa.timestamp("us", local or zone))
        if not _within(moments.cast(pa.int64()), _TIMESTAMPS):
            return None
        if local is not None:
            moments = pc.local_timestamp(moments)
        texts = moments.cast(pa.string())
    except pa.ArrowInvalid:  # digits beyond the microsecond, or a zone that Arrow does not know
        return None
    texts = pc.replace_substring(texts, ".000000", "")
    if not options.for_people:
        texts = pc.replace_substring(texts, " ", "T", max_replacements=1)
    if local is not None:
        kept = len(texts) - texts.null_count
        spot.many(LOCAL.format(zone=local), kept, f"row {spot.first}: {texts[0].as_py()!r}")
    elif zone:
        texts = pc.replace_substring_regex(pc.replace_substring(texts, "Z", "+0000"), r"(\d\d)$", r":\1")
    return texts
