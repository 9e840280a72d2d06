"""A table of items shows to each person what their scope covers, row by row."""

from __future__ import annotations

import random

import pyarrow as pa
import pytest

from console.access.rights import Scope
from console.gateway.scoped import within

PATTERNS = (
    "reports/**",
    "reports/2024/**",
    "raw/*.csv",
    "*/secret",
    "tickets/[ab]*",
    "reports/olena’s",
    "raw/a[1].csv",
    "raw/?.csv",
)
PATHS = (
    b"reports",
    b"reports/2024/05.csv",
    b"reports/2025/05.csv",
    "reports/olena’s/x.csv".encode(),
    b"raw/a[1].csv",
    b"raw/a1.csv",
    b"raw/deep/a.csv",
    b"raw/\xff.csv",
    b"raw/new\nline.csv",
    b"raw/secret",
    b"tickets/abc",
    b"tickets/cba",
)


def scopes() -> list[Scope]:
    chance = random.Random(11)
    found = [Scope(), Scope(((frozenset(), ()),)), Scope(((frozenset({"raw"}), ()), (frozenset(), ())))]
    for _ in range(60):
        parts = []
        for _ in range(chance.randint(1, 3)):
            kinds = frozenset(chance.sample(["reports", "raw", "tickets"], chance.randint(0, 2)))
            parts.append((kinds, tuple(chance.sample(PATTERNS, chance.randint(0, 3)))))
        found.append(Scope(tuple(parts)))
    return found


@pytest.mark.parametrize("number", range(63))
def test_the_rows_are_those_that_the_scope_covers_one_by_one(number: int) -> None:
    scope = scopes()[number]
    kinds = [path.split(b"/")[0].decode() for path in PATHS]
    table = pa.table({"kind": pa.array(kinds), "path": pa.array(PATHS, pa.binary())})
    wanted = [path for kind, path in zip(kinds, PATHS, strict=True) if scope.covers(kind, path)]
    assert within(table, scope)["path"].to_pylist() == wanted


def test_kinds_may_be_a_dictionary_as_manifests_have_them() -> None:
    table = pa.table({"kind": pa.array(["raw", "reports"]).dictionary_encode(), "path": pa.array([b"raw/a", b"reports/a"])})
    assert within(table, Scope(((frozenset({"raw"}), ()),)))["path"].to_pylist() == [b"raw/a"]
