"""JSON documents and JSON Lines as tables."""

from __future__ import annotations

import json
import random
import sys
import tracemalloc
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from restore.tables.loss_report import LossReport
from restore.tables.model import BATCH_ROWS, Table, Value
from restore.tables.readers.encoding import BLOCK
from restore.tables.readers.json import BESIDE, read_json
from restore.tables.readers.json_rows import ABSENT, TWICE, UNDECODED
from restore.tables.readers.json_spans import Scanner
from restore.tables.readers.jsonl import CUT, read_jsonl
from tests.support.tables import names_of, rows_of
from tests.unit.tables.text_files import Lost, file_of, lost
from vault.errors import Damaged

Known = list[tuple[str, list[str], list[list[Value]]]]
"""Tables: name, columns, rows."""


def document(folder: Path, data: bytes | str) -> tuple[Known, Lost]:
    losses = LossReport()
    tables = read_json(file_of(folder, data.encode() if isinstance(data, str) else data), losses)
    return [(table.name, names_of(table), rows_of(table)) for table in tables], lost(losses)


def lines(folder: Path, data: bytes | str) -> tuple[list[str], list[list[Value]], Lost]:
    losses = LossReport()
    (table,) = read_jsonl(file_of(folder, data.encode() if isinstance(data, str) else data), losses)
    rows = rows_of(table)
    assert rows_of(table) == rows
    return names_of(table), rows, lost(losses)


def value_of(folder: Path, text: str) -> Value:
    return lines(folder, f'{{"v":{text}}}\n')[1][0][0]


def test_columns_come_in_the_order_in_which_names_first_appear(tmp_path: Path) -> None:
    names, rows, losses = lines(tmp_path, '{"b":1,"a":null}\n\n  \n{"a":2,"c":true}\r\n{"a":"x"}')
    assert names == ["b", "a", "c"]
    assert rows == [[1, None, None], [None, 2, True], [None, "x", None]]
    assert losses == [(ABSENT, "b", 2), (ABSENT, "c", 2)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("1234567890123456789", 1234567890123456789),
        ("18446744073709551616", 18446744073709551616),
        ("-9223372036854775809", -9223372036854775809),
        ("9" * 5000, Decimal("9" * 5000)),
        ("0.1", 0.1),
        ("1.0", 1.0),
        ("1.50", Decimal("1.50")),
        ("0.00", Decimal("0.00")),
        ("0.30000000000000004", 0.30000000000000004),
        ("0.1234567890123456789", Decimal("0.1234567890123456789")),
        ("0.00001", Decimal("0.00001")),
        ("1e2", Decimal("1e2")),
        ("1E400", Decimal("1E400")),
        ("NaN", float("nan")),
        ("-Infinity", float("-inf")),
        (r'"\ud83d\ude00 \u0434\/"', "😀 д/"),
        (r'"\ud800"', "\ud800"),
        (r'"a\u0000b"', "a\0b"),
        ('"tab\tinside"', "tab\tinside"),
        ('"1.50, 1e5"', "1.50, 1e5"),
        ('{"a":[1.10,{"b":null}]}', {"a": [Decimal("1.10"), {"b": None}]}),
    ],
)
def test_values_are_exact(tmp_path: Path, text: str, value: Value) -> None:
    read = value_of(tmp_path, text)
    assert repr(read) == repr(value)


def test_a_name_that_stands_twice_counts_last_and_is_told(tmp_path: Path) -> None:
    text = '{"a":1,"a":2}\n{"a" : 1, "a" : 3}\n{"a":{"b":1,"b":2}}\n{"a":"\\"x\\":1"}\n'
    _, rows, losses = lines(tmp_path, text)
    assert rows == [[2], [3], [{"b": 2}], ['"x":1']]
    assert losses == [(TWICE, "a", 2), (TWICE, "b", 1)]


def test_rows_that_are_no_objects_are_values(tmp_path: Path) -> None:
    assert lines(tmp_path, '1\n"x"\n[1,2]\nnull\n')[:2] == (["value"], [[1], ["x"], [[1, 2]], [None]])


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_other_encodings_of_json_are_read(tmp_path: Path, codec: str) -> None:
    assert lines(tmp_path, '{"имя":"Пётр"}\n{"имя":"x"}\n'.encode(codec))[:2] == (["имя"], [["Пётр"], ["x"]])
    text = '{"n": 1, "звонки": [{"имя": "Пётр"}]}'
    assert document(tmp_path, text.encode(codec))[0] == [("звонки", ["имя"], [["Пётр"]])]


def test_json_in_an_eight_bit_encoding_is_read(tmp_path: Path) -> None:
    assert lines(tmp_path, '{"имя":"Пётр Иванов"}\n'.encode("cp1251"))[:2] == (["имя"], [["Пётр Иванов"]])


def test_bytes_that_are_no_utf_8_stay_readable_and_are_counted(tmp_path: Path) -> None:
    _, rows, losses = lines(tmp_path, '{"имя":"Пётр Иванов"}\n'.encode() * 2 + b'{"a":"\xff"}\n')
    assert rows[-1] == [None, "\\xff"]
    assert (UNDECODED, "", 1) in losses


def test_a_last_line_that_breaks_off_costs_itself_alone(tmp_path: Path) -> None:
    names, rows, losses = lines(tmp_path, '{"a":1}\n{"a":2}\n{"a":')
    assert (names, rows, losses) == (["a"], [[1], [2]], [(CUT, "", 1)])


@pytest.mark.parametrize("data", ['{"a":1}\n{"a":\n{"a":2}\n', "{'a':1}\n", '{"a":1e99999999999999999999}\n', '{"a":1}x\n'])
def test_any_other_line_that_is_no_json_is_damaged(tmp_path: Path, data: str) -> None:
    with pytest.raises(Damaged, match="row"):
        lines(tmp_path, data)


def test_a_file_without_lines_has_no_columns(tmp_path: Path) -> None:
    assert lines(tmp_path, b"") == ([], [], [])


def test_a_list_is_a_table(tmp_path: Path) -> None:
    text = ' [ {"a": 1, "b": "],{\\"\\\\"} ,\n{"b": [1, {"c": ","}]}, 7 ]\n'
    rows: list[list[Value]] = [[1, '],{"\\', None], [None, [1, {"c": ","}], None], [None, None, 7]]
    assert document(tmp_path, text)[0] == [("", ["a", "b", "value"], rows)]
    assert document(tmp_path, "[ ]") == ([("", [], [])], [])
    assert document(tmp_path, "[{},{}]")[0] == [("", [], [[], []])]


def test_lists_of_objects_within_an_object_are_tables_and_the_rest_is_counted(tmp_path: Path) -> None:
    text = '{"total": 2, "calls": [{"a": 1}, {"a": 2}], "next": null, "агенты": [{"b": "}"}], "tags": ["x"]}'
    known, losses = document(tmp_path, text)
    assert known == [("calls", ["a"], [[1], [2]]), ("агенты", ["b"], [["}"]])]
    assert losses == [(BESIDE, "total", 1), (BESIDE, "next", 1), (BESIDE, "tags", 1)]


def test_any_other_object_is_a_row(tmp_path: Path) -> None:
    assert document(tmp_path, '{"a": 1, "b": [1, 2], "c": {"d": [{}]}}')[0] == [
        ("", ["a", "b", "c"], [[1, [1, 2], {"d": [{}]}]])
    ]
    many = {f"n{place}": place for place in range(100)}
    assert document(tmp_path, json.dumps(many))[0] == [("", list(many), [list(many.values())])]
    assert document(tmp_path, "{}")[0] == [("", [], [[]])]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"x",
        b'"text"',
        b"[1,]",
        b"[1,,2]",
        b"[1",
        b'["a]',
        b"[1}",
        b"[1:2]",
        b"[1] x",
        b"[1][2]",
        b'{"a":1}\n{"a":2}\n',
        b'{"a"}',
        b'{"a":1,}',
        b'{"a":1',
        b'{1:[{"a":1}]}',
        b'{"a":[{"b":1},]}',
        b'{"a":[{"b":1}',
        b"{,}",
        b'[{"a":\x00}]',
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b"[" + b"[" * 300 + b"]" * 300 + b"]",
        b'["' + b"x" * 20_000_000 + b'"]',
        b'{"x":"' + b"x" * 20_000_000 + b'"}',
    ],
    ids=range(27),
)
def test_what_is_no_document_is_damaged(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(Damaged):
        document(tmp_path, data)


@pytest.mark.parametrize("data", [b"[" * 5_000_000, b'{"a":' * 2_000_000, b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"\n"])
@pytest.mark.parametrize("read", [read_json, read_jsonl])
def test_a_deep_nest_is_refused_before_it_takes_room(
    tmp_path: Path, data: bytes, read: Callable[[Path, LossReport], Sequence[Table]]
) -> None:
    path = file_of(tmp_path, data)
    tracemalloc.start()
    try:
        with pytest.raises(Damaged, match="deeper"):
            read(path, LossReport())
        assert tracemalloc.get_traced_memory()[1] < 16 * len(data) + 48 * BLOCK  # orjson's own need for a row of this size
    finally:
        tracemalloc.stop()


def test_rows_of_many_blocks_come_whole_and_in_batches(tmp_path: Path) -> None:
    values = [{"n": place, "t": 'я"\\' * (place % 50)} for place in range(2 * BATCH_ROWS + 1)]
    text = json.dumps({"rows": values, "total": 1}, ensure_ascii=False)
    assert len(text.encode()) > 2 * BLOCK
    known, _ = document(tmp_path, text)
    assert known == [("rows", ["n", "t"], [[value["n"], value["t"]] for value in values])]
    (table,) = read_json(file_of(tmp_path, text.encode()), LossReport())
    assert [batch.rows for batch in table.batches()] == [BATCH_ROWS, BATCH_ROWS, 1]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.sampled_from(['"', "\\", "[", "},"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


STYLES = st.sampled_from([{"ensure_ascii": True}, {"ensure_ascii": False}, {"indent": 1}, {"separators": (",", ":")}])


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.lists(JSON, max_size=4), STYLES, st.integers(1, 40))
@example([{'"\\': "\\\\"}], {"ensure_ascii": False}, 1)
def test_marks_are_found_wherever_blocks_end(values: list[Value], style: dict[str, Any], size: int) -> None:
    data = json.dumps(values, **style).encode("utf-8", "surrogatepass")
    scanner = Scanner()
    marks = [mark for start in range(0, len(data), size) for mark in scanner.feed(data[start : start + size])]
    assert scanner.depth == 0
    cuts = [mark.at for mark in marks]
    assert [mark.sign for mark in marks] == ["[", *"," * (len(values) - 1), "]"]
    parts = [data[first + 1 : second] for first, second in pairwise(cuts)]
    assert [json.loads(part) for part in parts if part.strip()] == values


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.lists(st.dictionaries(st.text(max_size=3), JSON, max_size=4), max_size=4), STYLES)
def test_what_json_holds_comes_back(
    tmp_path_factory: pytest.TempPathFactory, values: list[dict[str, Value]], style: dict[str, Any]
) -> None:
    text = json.dumps(values, **style)
    ((_, names, rows),), _ = document(tmp_path_factory.getbasetemp(), text)
    back = [
        {name: cell for name, cell in zip(names, row, strict=True) if name in value}
        for row, value in zip(rows, values, strict=True)
    ]
    assert back == json.loads(text)


def test_what_rows_lack_is_counted_by_name_whatever_the_order_of_names(tmp_path: Path) -> None:
    randomness = random.Random(7)
    rows = [{f"k{randomness.randrange(9)}": 1 for _ in range(randomness.randrange(5))} for _ in range(300)]
    losses = LossReport()
    read_jsonl(file_of(tmp_path, "".join(f"{json.dumps(row)}\n" for row in rows).encode()), losses)
    names = {name for row in rows for name in row}
    assert {loss.column: loss.cells for loss in losses.all()} == {name: sum(name not in row for row in rows) for name in names}


def test_rows_with_ever_changing_names_take_no_more_steps_than_their_number(tmp_path: Path) -> None:
    """Steps of the interpreter, not seconds: the same on every machine."""

    def steps(names: int) -> int:
        lines = "".join(f'{{"k{number % names}": 1, "id": {number}}}\n' for number in range(1_200))
        path, count = file_of(tmp_path, lines.encode()), 0

        def trace(frame: FrameType, event: str, _: object) -> Any:
            nonlocal count
            frame.f_trace_opcodes = True
            count += event == "opcode"
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            read_jsonl(path, LossReport())
        finally:
            sys.settrace(before)
        return count

    assert steps(600) < 3 * steps(10)
