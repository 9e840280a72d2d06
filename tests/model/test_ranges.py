"""No record is missed by who lists only what tables do not cover, whatever clocks say, and each rule is there for a reason."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.model.explore import Explored, explore
from tests.model.ranges import Rules, State, Writer, broken, seen, start, steps

BEHIND, AHEAD = Writer(15), Writer(32)
BETWEEN = Writer(25)
COPY = Writer(40, copies=True, left=(12, 25))
RULES = {
    "backups": Rules((BEHIND, AHEAD), gatherers=2),
    "backups, tables not joined": Rules((BEHIND, AHEAD), gatherers=2, joins=False),
    "backups that are both new": Rules((BETWEEN, AHEAD), gatherers=2),
    "a copy": Rules((COPY,), gatherers=2),
    "lost tables": Rules((AHEAD,), gatherers=2, joins=False, loses=True),
    "a copy beside a backup": Rules((COPY, AHEAD)),
}
LEFT_OUT = {
    "old names are not used": RULES["backups"],
    "nothing from a claim on": RULES["backups"],
    "tables before claims": RULES["backups that are both new"],
    "nothing new beside a copy": replace(RULES["a copy beside a backup"], gatherers=2),
    "a table before the record": RULES["a copy"],
    "tables are named": RULES["lost tables"],
}


def explored(rules: Rules, *, deep: int | None = None) -> Explored[State]:
    return explore(
        start(rules),
        lambda state: steps(rules, state),
        lambda state: broken(rules, state),
        lambda state: seen(rules, state),
        deep=deep,
    )


@pytest.mark.parametrize("case", RULES)
def test_every_record_is_covered_or_listed(case: str) -> None:
    found = explored(RULES[case])
    assert found.broken is None, "\n".join([found.broken.law, *found.broken.way])
    assert found.witnessed >= {"something is covered", "everybody is done"}


@pytest.mark.slow
def test_every_record_is_covered_or_listed_where_two_gather_beside_a_copy_and_a_backup() -> None:
    found = explored(replace(RULES["a copy beside a backup"], gatherers=2))
    assert found.broken is None, "\n".join([found.broken.law, *found.broken.way])


@pytest.mark.parametrize("rule", LEFT_OUT)
def test_no_rule_of_what_is_covered_can_be_left_out(rule: str) -> None:
    assert explored(replace(LEFT_OUT[rule], without=frozenset([rule])), deep=0).broken is not None
