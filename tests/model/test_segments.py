"""What is committed stays named by the index, whatever the order of things, and each rule is there for a reason."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.model.explore import Explored, explore
from tests.model.segments import Rules, State, broken, seen, start, steps

LEFT_OUT = {
    "names differ": Rules(joins=True),
    "packs are listed after the segments": Rules(),
    "the old go after the new": Rules(joins=True),
    "the writer looks for its segments": Rules(loses=True),
}


def explored(rules: Rules, *, deep: int | None = None) -> Explored[State]:
    return explore(start(rules), lambda state: steps(rules, state), broken, seen, deep=deep)


@pytest.mark.parametrize("joins", [True, False])
@pytest.mark.parametrize("prunes", [1, 2])
def test_a_committed_snapshot_is_named_by_the_index_beside_prunes(*, prunes: int, joins: bool) -> None:
    found = explored(Rules(prunes, joins=joins))
    assert found.broken is None, "\n".join([found.broken.law, *found.broken.way])
    assert found.witnessed >= {"waste is reclaimed", "a snapshot is committed"}


def test_a_segment_that_the_store_did_not_keep_is_written_again() -> None:
    found = explored(Rules(loses=True, joins=True))
    assert found.broken is None, "\n".join([found.broken.law, *found.broken.way])
    assert "a lost segment is written again" in found.witnessed


@pytest.mark.parametrize("rule", LEFT_OUT)
def test_no_rule_of_the_index_can_be_left_out(rule: str) -> None:
    assert explored(replace(LEFT_OUT[rule], without=frozenset([rule])), deep=0).broken is not None
