"""What differs between two versions of a record, field by field."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest

from restore.history.records.fields import compare, is_empty, same


def found(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, str, Any, Any]]:
    return [(one.path, one.what, one.before, one.after) for one in compare(before, after)]


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        ({"a": 1}, {"a": 2}, [("a", "changed", 1, 2)]),
        ({"a": {"b": {"c": "x"}}}, {"a": {"b": {"c": "y"}}}, [("a.b.c", "changed", "x", "y")]),
        ({"a": "x"}, {"a": ""}, [("a", "cleared", "x", "")]),
        ({"a": "x"}, {"a": None}, [("a", "cleared", "x", None)]),
        ({"a": ["x"]}, {"a": []}, [("a", "cleared", ["x"], [])]),
        ({"a": {"b": 1}}, {"a": {}}, [("a", "cleared", {"b": 1}, {})]),
        ({"a": "x"}, {}, [("a", "removed", "x", None)]),
        ({}, {"a": "x"}, [("a", "added", None, "x")]),
        ({}, {"a": None}, []),
        ({"a": None}, {"a": ""}, []),
        ({"a": ""}, {}, []),
        ({"a": 1}, {"a": 1.0}, []),
        ({"a": 1}, {"a": True}, [("a", "changed", 1, True)]),
        ({"a": Decimal("1.50")}, {"a": 1.5}, []),
        ({"a": "1"}, {"a": 1}, [("a", "changed", "1", 1)]),
        ({"a.b": 1, "c d": 1}, {"a.b": 2, "c d": 2}, [('"a.b"', "changed", 1, 2), ('"c d"', "changed", 1, 2)]),
        ({"t": ["a", "b"]}, {"t": ["b", "c"]}, [("t", "removed", "a", None), ("t", "added", None, "c")]),
        ({"t": ["a", "b"]}, {"t": ["b", "a"]}, [("t", "reordered", ["a", "b"], ["b", "a"])]),
        ({"t": ["a", "a"]}, {"t": ["a"]}, [("t", "removed", "a", None)]),
        (
            {"t": [[1], [2]]},
            {"t": [[1], [3], [4]]},
            [("t[1]", "removed", 2, None), ("t[1]", "added", None, 3), ("t[2]", "added", None, [4])],
        ),
    ],
)
def test_fields(before: dict[str, Any], after: dict[str, Any], changes: list[tuple[str, str, Any, Any]]) -> None:
    assert found(before, after) == changes


def comments(*ids: int, **texts: str) -> dict[str, Any]:
    return {"comments": [{"id": one, "text": texts.get(f"t{one}", f"text {one}")} for one in ids]}


def test_a_lost_comment_is_no_shift_of_those_behind_it() -> None:
    assert found(comments(7, 8, 9), comments(7, 9)) == [("comments[8]", "removed", {"id": 8, "text": "text 8"}, None)]


def test_a_comment_that_was_edited_is_found_wherever_it_stands() -> None:
    changes = found(comments(7, 8), comments(9, 8, 7, t7="edited"))
    assert changes == [
        ("comments[9]", "added", None, {"id": 9, "text": "text 9"}),
        ("comments[7].text", "changed", "text 7", "edited"),
        ("comments", "reordered", ["7", "8"], ["8", "7"]),
    ]


def test_elements_without_ids_of_their_own_are_laid_beside_each_other_by_their_places() -> None:
    before, after = {"c": [{"id": 1, "x": 1}, {"id": 1, "x": 2}]}, {"c": [{"id": 1, "x": 1}, {"id": 1, "x": 3}]}
    assert found(before, after) == [("c[1].x", "changed", 2, 3)]


def test_whatever_differs_is_found_and_nothing_else() -> None:
    randomness = random.Random(26)

    def value(depth: int) -> Any:
        kind = randomness.randrange(6 if depth else 4)
        if kind == 4:
            return {randomness.choice("abc"): value(depth - 1) for _ in range(randomness.randrange(3))}
        if kind == 5:
            return [value(depth - 1) for _ in range(randomness.randrange(3))]
        return randomness.choice([None, "", 0, 1, 1.5, True, "x", "y"])

    def without_empty(one: Any) -> Any:
        if isinstance(one, dict):
            return {name: inner for name, each in one.items() if not is_empty(inner := without_empty(each))}
        return [without_empty(each) for each in one] if isinstance(one, list) else one

    for _ in range(3000):
        before, after = ({name: value(3) for name in "abc"} for _ in range(2))
        assert compare(before, before) == ()
        if not compare(before, after):
            assert same(without_empty(before), without_empty(after)), (before, after)
