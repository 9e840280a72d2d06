"""Cells as moments: microseconds since 1970 in UTC, whatever form a time has in a table, whole columns at once.

    2024-05-17 14:05:06.25   2024-05-17T14:05+03:00   2024/05/17   20240517T140506   20240517
    17.05.2024 14:05:06      17/05/2024 2:05 PM       17.05.24
    01/Sep/24 2:05 PM        Sep 1, 2024              1 сентября 2024 г. 00:05
    1715940306   1715940306.5   1715940306250         seconds, or thousandths of them, since 1970

Times without a zone are read in the one that is given; of an hour that comes twice in an autumn night the first is taken. What
is no time is null.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import isfinite
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from restore.tables.model import Value
from restore.tables.values import values_of

if TYPE_CHECKING:
    import pyarrow as pa

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

_CLOCK = (
    r"(?:,?[T\s]+(?P<hour>\d{1,2})[:.](?P<minute>\d{2})(?:[:.](?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?"
    r"\s*(?P<half>[AaPp]\.?[Mm]\.?)?)?\s*(?P<zone>[Zz]|UTC|GMT|[+-]\d{2}:?(?:\d{2})?)?\s*$"
)
_WEEKDAY = r"^\s*(?:\p{L}{2,12}[,.]?\s+)?"
_YEAR_FIRST = _WEEKDAY + r"(?P<year>\d{4})[-./](?P<month>\d{1,2})[-./](?P<day>\d{1,2})" + _CLOCK
_COMPACT = (
    r"^\s*(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})(?:[T\s_-]?(?P<hour>\d{2})(?P<minute>\d{2})(?P<second>\d{2})?)?"
    r"(?P<fraction>)(?P<half>)(?P<zone>[Zz]|[+-]\d{2}:?(?:\d{2})?)?\s*$"
)
_DAY_FIRST = _WEEKDAY + r"(?P<day>\d{1,2})[-./](?P<month>\d{1,2})[-./](?P<year>\d{4}|\d{2})" + _CLOCK
_MONTH_FIRST = _WEEKDAY + r"(?P<month>\d{1,2})[-./](?P<day>\d{1,2})[-./](?P<year>\d{4}|\d{2})" + _CLOCK
_WORD = r"(?P<month>\p{L}{3,12})\.?"
_LONG_YEAR = r"(?P<year>\d{4}|\d{2})(?:\s*[грr]\.?)?"
_NAMED_SECOND = _WEEKDAY + r"(?P<day>\d{1,2})[-/.\s]+" + _WORD + r"[-/.,\s]+" + _LONG_YEAR + _CLOCK
_NAMED_FIRST = r"^\s*" + _WORD + r"\s+(?P<day>\d{1,2})(?:st|nd|rd|th)?[,\s]+" + _LONG_YEAR + _CLOCK
_EITHER = _WEEKDAY + r"(?P<one>\d{1,2})[-./](?P<two>\d{1,2})[-./](?:\d{4}|\d{2})(?:\D|$)"
_UNIX = r"^\s*(?P<number>[1-4]\d{9}(?:\.\d{1,6})?|[1-4]\d{12})\s*$"

_LONGEST = 64
_HALF = re.compile("[\ud800-\udfff]")
_MONTHS = {
    word: str(number)
    for number, words in enumerate(
        (
            "jan january янв января январь січ січня січень sty stycznia styczeń januar jänner",
            "feb february фев февр февраля февраль лют лютого лютий lut lutego luty februar",
            "mar march мар марта март бер березня березень marca marzec mär mrz märz",
            "apr april апр апреля апрель кві квіт квітня квітень kwi kwietnia kwiecień",
            "may мая май тра трав травня травень maj maja mai",
            "jun june июн июня июнь чер черв червня червень cze czerwca czerwiec juni",
            "jul july июл июля июль лип липня липень lip lipca lipiec juli",
            "aug august авг августа август сер серп серпня серпень sie sierpnia sierpień",
            "sep sept september сен сент сентября сентябрь вер вересня вересень wrz września wrzesień",
            "oct october окт октября октябрь жов жовт жовтня жовтень paź października październik okt oktober",
            "nov november ноя нояб ноября ноябрь лис листопада листопад lis listopada listopad",
            "dec december дек декабря декабрь гру груд грудня грудень gru grudnia grudzień dez dezember",
        ),
        1,
    )
    for word in words.split()
}
"""Months as people and help desks write them, by their numbers."""

_SECONDS = (1_000_000_000, 5_000_000_000)
"""Unix times that are believed: from 2001 to 2128."""


class TimeReading(Struct, frozen=True):
    """How times are read. zone: of those that name none · day_first: whether 01.02.2024 is the first of February."""

    zone: str = "UTC"
    day_first: bool = True


def moments_of(column: pa.Array | list[Value], reading: TimeReading) -> pa.Array:
    """A column's cells as int64 microseconds since 1970; null where a cell is null or no time."""
    import pyarrow as pa

    if isinstance(column, list):
        return _of_values(column, reading)
    try:
        return _of_array(column, reading)
    except pa.ArrowInvalid:  # a time beyond what Arrow counts in microseconds
        return _of_values(values_of(column), reading)


def settled(columns: Iterable[pa.Array | list[Value]], reading: TimeReading) -> TimeReading:
    """The reading of a column of which some dates have only one: there is no 13th month, so with `9/13/24` the first figure is
    the month in the whole file. columns: its batches, from the first on. Where dates of both orders occur, the given one stays.
    """
    other = False
    for column in columns:
        right, wrong = _orders(column, reading)
        if right:
            return reading
        other |= wrong
    return replace(reading, day_first=not reading.day_first) if other else reading


def _orders(column: pa.Array | list[Value], reading: TimeReading) -> tuple[bool, bool]:
    """Whether some dates have only the given order of day and month, and whether some have only the other one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(column, list):
        column = pa.array([cell if isinstance(cell, str) and _may_be_time(cell) else None for cell in column], pa.string())
    if not pa.types.is_string(column.type):
        return False, False
    parts = pc.extract_regex(column, _EITHER)
    if parts.null_count == len(parts):
        return False, False
    one, two = (pc.struct_field(parts, name).cast(pa.int64()) for name in ("one", "two"))
    first, second = (
        pc.any(pc.and_(pc.greater(a, 12), pc.less_equal(b, 12))).as_py() or False for a, b in ((one, two), (two, one))
    )
    return (first, second) if reading.day_first else (second, first)


def _of_array(column: pa.Array, reading: TimeReading) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    is_, type_ = pa.types, column.type
    if is_.is_timestamp(type_):
        micros = (
            pc.floor_temporal(column, unit="microsecond").cast(pa.timestamp("us", type_.tz)) if type_.unit == "ns" else column
        )
        micros = micros.cast(pa.timestamp("us", type_.tz))
        return micros.cast(pa.int64()) if type_.tz else _in_zone(micros, reading)
    if is_.is_date(type_):
        return _in_zone(column.cast(pa.timestamp("us")), reading)
    if is_.is_string(type_):
        return _of_texts(column, reading)
    if is_.is_integer(type_) or is_.is_floating(type_) or is_.is_decimal(type_):
        return _of_values(column.to_pylist(), reading)
    return pa.nulls(len(column), pa.int64())


def _of_values(cells: list[Value], reading: TimeReading) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = [cell if isinstance(cell, str) and _may_be_time(cell) else None for cell in cells]
    zone = ZoneInfo(reading.zone)
    others = pa.array([_of_value(cell, zone) for cell in cells], pa.int64())
    if not any(texts):
        return others
    return pc.coalesce(others, _of_texts(pa.array(texts, pa.string()), reading))


def _may_be_time(cell: str) -> bool:
    """Whether Arrow takes it: halves of surrogate pairs are no text to it."""
    return cell.isascii() or (len(cell) <= _LONGEST and _HALF.search(cell) is None)


def _of_value(cell: Value, zone: ZoneInfo) -> int | None:
    if isinstance(cell, datetime):
        return (cell.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND - _offset(cell, zone) // _MICROSECOND
    if isinstance(cell, date):
        return _of_value(datetime(cell.year, cell.month, cell.day, tzinfo=zone), zone)
    if isinstance(cell, int | float | Decimal) and not isinstance(cell, bool):
        return _unix(cell)
    return None


def _offset(cell: datetime, zone: ZoneInfo) -> timedelta:
    aware = cell if cell.tzinfo is not None else cell.replace(tzinfo=zone)
    return aware.utcoffset() or timedelta()


def _unix(number: float | Decimal) -> int | None:
    first, last = _SECONDS
    if not isfinite(number):
        return None
    if first <= number < last:
        return int(number * 1_000_000)
    return int(number * 1_000) if first * 1_000 <= number < last * 1_000 else None


def _of_texts(texts: pa.Array, reading: TimeReading) -> pa.Array:
    """Arrow's own form where all have it; otherwise each form in turn, on what is left."""
    import pyarrow as pa
    import pyarrow.compute as pc

    with suppress(pa.ArrowInvalid):
        return _in_zone(texts.cast(pa.timestamp("us")), reading)
    result = pa.nulls(len(texts), pa.int64())
    numeric = _DAY_FIRST if reading.day_first else _MONTH_FIRST
    for form in (_YEAR_FIRST, numeric, _COMPACT, _NAMED_SECOND, _NAMED_FIRST):
        if result.null_count > texts.null_count:
            parts = pc.extract_regex(texts, form)
            if parts.null_count < len(parts):
                named = form in (_NAMED_SECOND, _NAMED_FIRST)
                result = pc.coalesce(result, _assembled(_numbered(parts) if named else parts, reading))
    if result.null_count > texts.null_count:
        numbers = pc.struct_field(pc.extract_regex(texts, _UNIX), "number")
        if numbers.null_count < len(numbers):
            unix = [None if cell is None else _unix(Decimal(cell)) for cell in numbers.to_pylist()]
            result = pc.coalesce(result, pa.array(unix, pa.int64()))
    return result


def _numbered(parts: pa.StructArray) -> pa.StructArray:
    """Parts whose months are words, with their numbers; null for words that are no month."""
    import pyarrow as pa
    import pyarrow.compute as pc

    words, numbers = zip(*_MONTHS.items(), strict=True)
    place = pc.index_in(pc.utf8_lower(pc.struct_field(parts, "month")), value_set=pa.array(words, pa.string()))
    month = pa.array(numbers, pa.string()).take(place)
    names = [field.name for field in parts.type]
    fields = [month if name == "month" else pc.struct_field(parts, name) for name in names]
    return pa.StructArray.from_arrays(fields, names, mask=pc.is_null(month))


def _assembled(parts: pa.StructArray, reading: TimeReading) -> pa.Array:
    """Moments from the parts that a form found."""
    import pyarrow as pa
    import pyarrow.compute as pc

    def part(name: str) -> pa.Array:
        text = pc.struct_field(parts, name)
        return pc.if_else(pc.equal(text, ""), None, text)

    def number(name: str) -> pa.Array:
        return pc.fill_null(part(name).cast(pa.int64()), 0)

    year = part("year")
    century = pc.if_else(pc.greater_equal(year, "90"), "19", "20")  # as names are read
    year = pc.if_else(pc.equal(pc.utf8_length(year), 2), pc.binary_join_element_wise(century, year, ""), year)
    hour, half = number("hour"), pc.utf8_lower(pc.utf8_slice_codeunits(part("half"), 0, 1))
    hour = pc.if_else(pc.and_(pc.equal(half, "p"), pc.less(hour, 12)), pc.add(hour, 12), pc.fill_null(hour, 0))
    hour = pc.if_else(pc.is_null(half), number("hour"), pc.if_else(pc.and_(pc.equal(half, "a"), pc.equal(hour, 12)), 0, hour))
    day = pc.binary_join_element_wise(year, _two(part("month")), _two(part("day")), "-")
    midnight = pc.strptime(day, format="%Y-%m-%d", unit="us", error_is_null=True)
    real = pc.and_(pc.equal(pc.day(midnight), part("day").cast(pa.int64())), pc.less(hour, 24))
    real = pc.and_(real, pc.and_(pc.less(number("minute"), 60), pc.less_equal(number("second"), 60)))
    seconds = pc.add(pc.multiply(pc.add(pc.multiply(hour, 60), number("minute")), 60), number("second"))
    fraction = pc.utf8_slice_codeunits(pc.utf8_rpad(pc.fill_null(part("fraction"), ""), 6, "0"), 0, 6).cast(pa.int64())
    micros = pc.add(pc.add(midnight.cast(pa.int64()), pc.multiply(seconds, 1_000_000)), fraction)
    micros = pc.if_else(real, micros, None)
    zones = part("zone")
    local = _in_zone(micros.cast(pa.timestamp("us")), reading)
    return (
        local if zones.null_count == len(zones) else pc.if_else(pc.is_null(zones), local, pc.subtract(micros, _offsets(zones)))
    )


def _offsets(zones: pa.Array) -> pa.Array:
    """`+03:00` and its like as microseconds."""
    import pyarrow as pa
    import pyarrow.compute as pc

    digits = pc.utf8_rpad(pc.replace_substring_regex(zones, r"[^0-9]", ""), 4, "0").cast(pa.int64())
    minutes = pc.add(pc.multiply(pc.divide(digits, 100), 60), pc.subtract(digits, pc.multiply(pc.divide(digits, 100), 100)))
    micros = pc.multiply(minutes, 60_000_000)
    return pc.if_else(pc.starts_with(zones, "-"), pc.negate(micros), micros)


def _two(text: pa.Array) -> pa.Array:
    import pyarrow.compute as pc

    return pc.utf8_lpad(text, 2, "0")


def _in_zone(local: pa.Array, reading: TimeReading) -> pa.Array:
    """Local times of the zone as UTC."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.assume_timezone(local, reading.zone, ambiguous="earliest", nonexistent="latest").cast(pa.int64())
