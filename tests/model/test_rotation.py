"""Keys are rotated beside grants, cut off anywhere: nobody is locked out, nobody is left with the former keys, and each rule is
there for a reason."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.model.explore import Explored, explore
from tests.model.rotation import ANNA, ROTATOR, Rules, State, broken, seen, start, steps

LEFT_OUT = {
    "everybody has the new keys before anybody encrypts to them": Rules(),
    "the statement comes before the keys are given": Rules(),
    "the grant comes before its keys": Rules(),
    "who grants looks for a statement afterwards": Rules(),
    "keys of an earlier epoch are not used": Rules(thief=True),
    "keys that nobody has signed are not followed": Rules(thief=True),
}
"""Each rule, and the company in which its absence does harm."""

KEPT = {"a machine refuses keys of before", "a machine that has not met the new keys is kept from them"}
"""What becomes of an older key object that is put back: the second no machine can notice by itself."""


def explored(rules: Rules) -> Explored[State]:
    return explore(start(rules), lambda state: steps(rules, state), broken, seen)


@pytest.mark.parametrize("thief", [False, True])
@pytest.mark.parametrize("granter", [ANNA, ROTATOR])
def test_a_rotation_beside_a_grant_leaves_nobody_behind(*, granter: int, thief: bool) -> None:
    found = explored(Rules(granter, thief))
    assert found.broken is None, "\n".join([found.broken.law, *found.broken.way])
    possible = {"a rotation ends", "who was granted keys meanwhile has the new ones", "who grants is told of the rotation"}
    assert found.witnessed >= possible | (KEPT if thief else set())


@pytest.mark.parametrize("rule", LEFT_OUT)
def test_no_rule_of_a_rotation_can_be_left_out(rule: str) -> None:
    assert explored(replace(LEFT_OUT[rule], without=frozenset([rule]))).broken is not None
