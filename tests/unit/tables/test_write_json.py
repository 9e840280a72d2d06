"""JSON documents and JSON Lines as they are written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restore.tables.cell_text import BASE64
from restore.tables.loss_report import LossReport
from restore.tables.model import Value
from restore.tables.readers.json import read_json
from restore.tables.readers.jsonl import read_jsonl
from restore.tables.schema_cast import RENAMED
from restore.tables.writers.json import write_json
from restore.tables.writers.json_columns import INFINITE, TIME
from restore.tables.writers.jsonl import write_jsonl
from tests.support.tables import ListTable, names_of, rows_of
from tests.unit.tables.text_files import Lost, file_of, written

HALF_OF_A_PAIR = "\ud800"


def lines_of(cells: Sequence[Value], type_: pa.DataType | None = None) -> tuple[list[str], Lost]:
    """One column as JSON Lines, without its name."""
    table = ListTable(["v"], [(cell,) for cell in cells], types={} if type_ is None else {0: type_})
    data, losses = written(write_jsonl, table)
    return [line.removeprefix('{"v":').removesuffix("}") for line in data.decode().split("\n")[:-1]], losses


def test_numbers_keep_all_their_digits() -> None:
    cells: list[Value] = [
        2**53 + 1,
        10**30,
        -(2**63),
        Decimal("1.50"),
        Decimal("1E+400"),
        Decimal("0.1234567890123456789"),
        0.1,
        True,
    ]
    assert lines_of(cells) == (
        ["9007199254740993", "1" + "0" * 30, str(-(2**63)), "1.50", "1E+400", "0.1234567890123456789", "0.1", "true"],
        [],
    )


def test_texts_are_escaped_and_nothing_of_them_is_lost() -> None:
    cells = ['"\\\n\0\x1f', "я😀", HALF_OF_A_PAIR, "", None, "\u2028"]
    found, losses = lines_of(cells)
    assert [json.loads(line) for line in found] == cells
    assert not losses


def test_what_json_has_no_kind_for_is_text_and_counted() -> None:
    cells: list[Value] = [
        datetime(2024, 5, 17, 14, 5, tzinfo=UTC),
        date(2024, 5, 17),
        time(1, 2),
        timedelta(seconds=1.5),
        b"ab",
        None,
    ]
    found, losses = lines_of(cells)
    assert [json.loads(line) for line in found] == [
        "2024-05-17T14:05:00+00:00",
        "2024-05-17",
        "01:02:00",
        "PT1.5S",
        "YWI=",
        None,
    ]
    assert losses == [(TIME, "v", 4), (BASE64, "v", 1)]


@pytest.mark.parametrize("type_", [None, pa.float64()])
def test_numbers_that_are_not_finite_become_null_and_are_counted(type_: pa.DataType | None) -> None:
    assert lines_of([float("nan"), float("inf"), 1.0, None], type_) == (["null", "null", "1.0", "null"], [(INFINITE, "v", 2)])


def test_nested_values_are_json_and_what_they_lose_is_counted() -> None:
    cells: list[Value] = [
        [1, {"a": Decimal("1.10")}],
        {"t": date(2024, 1, 2), "u": [b"x", time(1)], "n": float("nan")},
        [10**30, HALF_OF_A_PAIR],
    ]
    found, losses = lines_of(cells)
    assert found == ['[1,{"a":1.10}]', '{"t":"2024-01-02","u":["eA==","01:00:00"],"n":null}', f'[{10**30},"\\ud800"]']
    assert losses == [(TIME, "v", 1), (BASE64, "v", 1), (INFINITE, "v", 1)]


def test_a_nest_that_orjson_does_not_go_down_is_written() -> None:
    deep: Value = 1
    for _ in range(300):
        deep = [deep]
    assert lines_of([deep])[0] == ["[" * 300 + "1" + "]" * 300]


@pytest.mark.parametrize(
    ("type_", "cells", "texts"),
    [
        (pa.int64(), [1, None], ["1", "null"]),
        (pa.decimal128(10, 2), [Decimal("1.50"), None], ["1.50", "null"]),
        (pa.string(), ["x", None], ['"x"', "null"]),
        (pa.timestamp("us", "UTC"), [datetime(2024, 1, 1, tzinfo=UTC), None], ['"2024-01-01T00:00:00+00:00"', "null"]),
        (pa.list_(pa.int8()), [[1, None], None], ["[1,null]", "null"]),
    ],
)
def test_arrow_columns_are_written_as_their_values(type_: pa.DataType, cells: list[Value], texts: list[str]) -> None:
    assert lines_of(cells, type_)[0] == texts


def test_times_of_a_column_are_counted_without_its_nulls() -> None:
    assert lines_of([None, datetime(2024, 1, 1), None], pa.timestamp("ms"))[1] == [(TIME, "v", 1)]


def test_names_that_stand_twice_are_renamed_and_counted() -> None:
    data, losses = written(write_jsonl, ListTable(["a", "", "a"], [(1, 2, 3)]))
    assert len(json.loads(data)) == 3
    assert {what for what, _, _ in losses} == {RENAMED}
    assert written(write_jsonl, ListTable(["a", ""], [(1, 2)])) == (b'{"a":1,"":2}\n', [])


def test_a_table_is_a_list_and_several_are_an_object_of_lists() -> None:
    calls, agents = ListTable(["a"], [(1,), (2,)], name="calls"), ListTable(["b"], [], name="calls")
    assert written(write_json, calls)[0] == b'[\n{"a":1},\n{"a":2}\n]\n'
    data, losses = written(write_json, calls, agents)
    assert json.loads(data) == {"calls": [{"a": 1}, {"a": 2}], "calls_2": []}
    assert losses == [(RENAMED, "calls_2", 1)]
    assert json.loads(written(write_json, ListTable([], [(), ()]))[0]) == [{}, {}]
    assert json.loads(written(write_json)[0]) == {}


def test_tables_come_back_from_an_object_of_lists(tmp_path: Path) -> None:
    tables = [ListTable(["a"], [("x",)], name="one"), ListTable(["b"], [(None,), (1,)], name="два")]
    back = read_json(file_of(tmp_path, written(write_json, *tables)[0]), LossReport())
    assert [(table.name, names_of(table), rows_of(table)) for table in back] == [
        (table.name, names_of(table), table.rows) for table in tables
    ]


# below 0.0001 orjson writes 0.00001 where Python says 1e-05: the reader keeps these digits, as a Decimal
FLOATS = st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: number == 0 or abs(number) >= 0.0001)
CELLS = st.recursive(
    st.none() | st.booleans() | st.integers() | FLOATS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5))
def test_values_come_back(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[Value, Value]]) -> None:
    table = ListTable(["a", "б"], rows)
    for write, read in ((write_jsonl, read_jsonl), (write_json, read_json)):
        data, losses = written(write, table)
        (back,) = read(file_of(tmp_path_factory.getbasetemp(), data), LossReport())
        assert (names_of(back), rows_of(back), losses) == (["a", "б"], [list(row) for row in rows], [])
