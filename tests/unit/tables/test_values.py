"""Arrow columns as Python values."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from restore.tables.values import ODD_TIME, values_of, zone_of


def of(type_: pa.DataType, *numbers: int | None) -> pa.Array:
    """Numbers as the bits of a type of times."""
    return pa.array(numbers, pa.int32() if type_.bit_width == 32 else pa.int64()).cast(type_)


def test_times_that_python_has_come_as_python_has_them() -> None:
    assert values_of(of(pa.date32(), 0, None)) == [date(1970, 1, 1), None]
    assert values_of(of(pa.date64(), 86_400_000)) == [date(1970, 1, 2)]
    assert values_of(of(pa.time32("s"), 61)) == [time(0, 1, 1)]
    assert values_of(of(pa.time64("ns"), 61_000_001_000)) == [time(0, 1, 1, 1)]
    assert values_of(of(pa.duration("ms"), -1500)) == [timedelta(seconds=-1.5)]
    assert values_of(of(pa.timestamp("ns"), 1000, None)) == [datetime(1970, 1, 1, 0, 0, 0, 1), None]
    assert values_of(of(pa.timestamp("s", "+03:00"), 0)) == [datetime(1970, 1, 1, tzinfo=UTC)]


def test_a_moment_keeps_its_zone_and_which_of_two_equal_hours_it_is_in() -> None:
    zone = ZoneInfo("Europe/Kyiv")
    moments = [datetime(2024, 10, 27, 3, 30, fold=fold, tzinfo=zone) for fold in (0, 1)]
    nanos = [int(moment.timestamp()) * 1_000_000_000 for moment in moments]

    values = values_of(of(pa.timestamp("ns", "Europe/Kyiv"), *nanos))

    assert values == moments
    assert [(value.fold, value.tzinfo) for value in values if isinstance(value, datetime)] == [(0, zone), (1, zone)]


@pytest.mark.parametrize(
    ("type_", "number", "text"),
    [
        (pa.timestamp("ns"), 1, "1970-01-01T00:00:00.000000001"),
        (pa.timestamp("ns", "Asia/Tashkent"), 1, "1970-01-01T06:00:00.000000001+06:00"),
        (pa.timestamp("ns"), -1, "1969-12-31T23:59:59.999999999"),
        (pa.timestamp("us"), 2**62, "4611686018427387904000 nanoseconds since 1970"),
        (pa.timestamp("us", "UTC"), -(2**62), "-4611686018427387904000 nanoseconds since 1970"),
        (pa.date32(), 2**30, "1073741824 days since 1970"),
        (pa.time64("ns"), 1, "00:00:00.000000001"),
        (pa.time64("us"), -1, "-1000 nanoseconds since midnight"),
        (pa.time32("s"), 86_400, "86400000000000 nanoseconds since midnight"),
        (pa.duration("ns"), 1, "1 nanoseconds"),
        (pa.duration("s"), 2**60, "1152921504606846976000000000 nanoseconds"),
    ],
)
def test_a_time_that_python_has_not_becomes_text_and_is_told(type_: pa.DataType, number: int, text: str) -> None:
    told: list[tuple[int, str, str]] = []

    assert values_of(of(type_, 0, number, None), lambda *cell: told.append(cell))[1:] == [text, None]
    assert told == [(1, ODD_TIME, text)]


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (pa.array([[1, 2], None, []], pa.list_(pa.int8())), [[1, 2], None, []]),
        (pa.array([[1, 2], None], pa.list_(pa.int8(), 2)), [[1, 2], None]),
        (pa.array([[1], None], pa.large_list(pa.int8())), [[1], None]),
        (pa.array([{"a": 1, "b": [None]}, None]), [{"a": 1, "b": [None]}, None]),
        (pa.array([[1], [None]], pa.list_(pa.timestamp("ns"))), [["1970-01-01T00:00:00.000000001"], [None]]),
        (pa.array([[("x", 1), ("y", None)], None], pa.map_(pa.string(), pa.int8())), [{"x": 1, "y": None}, None]),
        (
            pa.array([[("x", 1), ("x", 2)]], pa.map_(pa.string(), pa.int8())),
            [[{"key": "x", "value": 1}, {"key": "x", "value": 2}]],
        ),
        (pa.array([[(1, 2)]], pa.map_(pa.int8(), pa.int8())), [[{"key": 1, "value": 2}]]),
        (pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"]), [{"a": 1, "a_2": 2}]),
        (pa.array(["a", None, "a"]).dictionary_encode(), ["a", None, "a"]),
        (pa.array([(1, 2, 3), None], pa.month_day_nano_interval()), [{"months": 1, "days": 2, "nanoseconds": 3}, None]),
    ],
)
def test_nested_cells_become_lists_and_dicts_also_in_the_middle_of_an_array(array: pa.Array, expected: list[Any]) -> None:
    assert values_of(array) == expected
    assert values_of(array[1:]) == expected[1:]


def test_a_zone_that_nobody_knows_is_an_error() -> None:
    with pytest.raises((KeyError, ValueError)):
        zone_of("Nowhere/Town")
