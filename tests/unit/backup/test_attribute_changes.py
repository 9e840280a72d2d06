"""Which items have changed attributes alone: by their tokens, and by nothing that only looks like one."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from vault.backup import attribute_changes
from vault.format import manifest
from vault.source import scan_columns
from vault.source.contract import ATTRIBUTE_TOKENS, STRONG, attribute_token

SAME = {"size": 5, "ctime_ns": 7, "inode": 9}
BEFORE = SAME | {"type": manifest.FILE, "vanished_at": None, "consistency": None}


def found(now: dict[str, Any], before: dict[str, Any], ignored: frozenset[Any] = frozenset()) -> bool:
    scan = pa.table(
        {"path": [b"raw/a"], "type": pa.array([now.pop("type", scan_columns.FILE)], pa.uint8())}
        | {name: pa.array([value], pa.int64()) for name, value in (SAME | now).items()}
    )
    old = BEFORE | before
    fields = {name: pa.array([old[name]], manifest.schema().field(name).type) for name in BEFORE}
    last = pa.table({"path": pa.array([b"raw/a"], pa.binary())} | fields)
    fresh = pa.array([0], pa.int64())
    rows, where = attribute_changes.find(scan, fresh, last, ignored)
    assert len(rows) == len(where)
    left = attribute_changes.without(fresh, attribute_changes.AttributeChanges(rows))
    assert len(rows) + len(left) == 1
    return len(rows) == 1


def test_another_token_of_attributes_and_the_same_of_the_content_is_such_a_change() -> None:
    assert found({"ctime_ns": 8}, {})
    assert found({"ctime_ns": STRONG}, {}) and found({}, {"ctime_ns": STRONG})


@pytest.mark.parametrize(
    ("now", "before"),
    [
        ({"ctime_ns": 8, "inode": 10}, {}),
        ({"ctime_ns": 8, "size": 6}, {}),
        ({"ctime_ns": ATTRIBUTE_TOKENS}, {}),
        ({"ctime_ns": -1}, {}),
        ({}, {"ctime_ns": 1_700_000_000_000_000_000}),
        ({"ctime_ns": 8, "type": scan_columns.FOLDER}, {}),
        ({"ctime_ns": 8}, {"type": manifest.LINK}),
        ({"ctime_ns": 8}, {"consistency": manifest.INCONSISTENT}),
        ({"ctime_ns": 8}, {"vanished_at": 1}),
        ({}, {}),
    ],
)
def test_everything_else_is_read(now: dict[str, Any], before: dict[str, Any]) -> None:
    assert not found(dict(now), before)


def test_sizes_that_say_nothing_are_not_asked() -> None:
    assert found({"ctime_ns": 8, "size": 6}, {}, frozenset({"size"}))


def test_a_token_of_attributes_is_never_a_moment_of_ours_and_nothing_is_strong() -> None:
    assert attribute_token(b"") == attribute_token(b"\0") == STRONG
    seen = {attribute_token(b"%d" % number) for number in range(5000)}
    assert len(seen) == 5000 and all(0 < one < ATTRIBUTE_TOKENS for one in seen)
