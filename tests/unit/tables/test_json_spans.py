"""Marks of JSON documents, beside a model that goes through them sign by sign."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterable
from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from restore.tables.readers.encoding import BLOCK
from restore.tables.readers.json_spans import Scanner, StructuralSign
from restore.tables.readers.json_values import LARGEST_DEPTH, TooDeep


def model(data: bytes) -> tuple[list[StructuralSign], int]:
    """The marks, and the depth at the end."""
    depth, in_string, escaped = 0, False, False
    marks: list[StructuralSign] = []
    for at, sign in enumerate(data.decode("latin-1")):
        if escaped and sign in '"\\':
            escaped = False
            continue
        escaped = sign == "\\"
        if sign == '"':
            in_string = not in_string
        if in_string:
            continue
        depth += sign in "[{"
        if depth == 1 and sign in "[]{},:":
            marks.append(StructuralSign(at, sign))
        depth -= sign in "]}"
    return marks, depth


def scanned(blocks: Iterable[bytes]) -> tuple[list[StructuralSign], int]:
    scanner = Scanner()
    marks = [mark for block in blocks for mark in scanner.feed(block)]
    return marks, scanner.depth


SIGNS = st.lists(
    st.sampled_from(['"', "\\", "[", "]", "{", "}", ",", ":", "1", " ", "я", '{"a":[1,{}]}', '"],{"']), max_size=30
)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.sampled_from(["", "[", '{"a":[']), SIGNS)
@example("[", ['{"a":' * 9, "1", "}" * 9, ",", '{"b":[[],"]"]}'])
@example("[", ["\\", "[", '"\\\\\\"]"'])
def test_whatever_the_bytes_and_wherever_a_block_ends_marks_are_those_of_the_model(start: str, signs: list[str]) -> None:
    data = (start + "".join(signs)).encode()
    expected = model(data)
    assert scanned([data[:1], data[1:]]) == expected
    assert scanned(data[at : at + 1] for at in range(len(data))) == expected
    for cut in range(1, len(data)):
        assert scanned([data[:cut], data[cut:]]) == expected


@pytest.mark.parametrize(
    "value",
    [
        b"[" + b'"],",' * 3000 + b'"x"]',
        b"[" + b"[1,2]," * 3000 + b"[]]",
        b'{"points":[' + b'{"x":"}"},' * 3000 + b"{}]}",
        b'{"a":' * (LARGEST_DEPTH - 1) + b"1" + b"}" * (LARGEST_DEPTH - 1),
    ],
    ids=["of many strings", "of many lists", "of many objects", "of many levels"],
)
def test_a_value_that_is_too_large_for_one_step_is_passed_all_the_same(value: bytes) -> None:
    data = b"[" + value + b" , " + value + b"]"
    comma = 1 + len(value) + 1
    assert scanned([data]) == ([StructuralSign(0, "["), StructuralSign(comma, ","), StructuralSign(len(data) - 1, "]")], 0)


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_a_nest_is_refused_at_the_first_level_too_many(opening: bytes) -> None:
    scanner = Scanner()
    assert len(list(scanner.feed(opening * LARGEST_DEPTH))) == len(opening.replace(b'"a"', b""))
    with pytest.raises(TooDeep):
        list(scanner.feed(opening))


UNITS = [
    b'"',
    b'""',
    b"{},",
    b"{}",
    b"{",
    b"{]",
    b"{],",
    b'{"',
    b'{"a":1},',
    b'"[",',
    b"[[[]],",
    b"\\",
    b'\\"',
    b",",
    b"1",
    b'["a",',
]
STARTS = [b"[", b'["', b"[[", b"[" * 190]
HOSTILE = [(start, unit) for start in STARTS for unit in UNITS]


def marks_of(data: bytes) -> int:
    count = 0
    with suppress(TooDeep):
        for _ in Scanner().feed(data):
            count += 1
    return count


@pytest.mark.parametrize(("start", "unit"), HOSTILE, ids=range(len(HOSTILE)))
def test_no_bytes_take_long(start: bytes, unit: bytes) -> None:
    data = start + unit * (BLOCK // len(unit))
    began = time.process_time()
    assert marks_of(data) >= 1
    assert time.process_time() - began < 20  # a second where nobody else works; hours if it grew with the square


@pytest.mark.parametrize(("start", "unit"), HOSTILE, ids=range(len(HOSTILE)))
def test_no_bytes_take_much_room(start: bytes, unit: bytes) -> None:
    data = start + unit * (BLOCK // 8 // len(unit))
    tracemalloc.start()
    try:
        marks_of(data)
        assert tracemalloc.get_traced_memory()[1] < 3 * len(data) + BLOCK
    finally:
        tracemalloc.stop()
