"""The protocol holds whatever the order of things, and each of its steps is there for a reason."""

from __future__ import annotations

import pytest

from tests.model.explore import Explored, explore
from tests.model.protocol import steps
from tests.model.state import Rules, State, broken, canonical, seen, start

LEFT_OUT = {
    "claim": Rules(1, 1),
    "marks": Rules(1, 1),
    "marks are read after the claim": Rules(1, 1),
    "what is forgotten is not carried on": Rules(1, 1),
    "what was found is looked for": Rules(1, 1),
    "packs come before the commit": Rules(1, 1),
    "the record is created once": Rules(1, 1),
    "the look before the commit": Rules(2, 1, create_once=False),
    "the look after the commit": Rules(1, 1, create_once=False, grace=False),
    "a late writer looks at the marks": Rules(1, 1, create_once=False, grace=False),
    "a late writer forgets": Rules(2, 1, create_once=False),
    "the record stays until a prune": Rules(2, 1),
    "mark": Rules(1, 1),
    "the mark comes before the claims": Rules(1, 1),
    "wait": Rules(1, 1),
    "an eviction is put under the snapshot's name": Rules(1, 1),
    "records are read again": Rules(1, 1),
    "records are read again after the wait": Rules(1, 1),
    "what is forgotten meanwhile still counts": Rules(2, 1),
    "the mark stays until the packs are gone": Rules(1, 1),
    "others' marks are left alone": Rules(1, 2),
}
"""Each step, and the smallest company in which its absence does harm."""

POSSIBLE = {"waste is reclaimed", "a forgotten record is deleted", "waste is used again", "a late writer is refused"}


def explored(rules: Rules, *, deep: bool = False) -> Explored[State]:
    def all_steps(state: State) -> list[tuple[str, State]]:
        return [(label, canonical(after)) for label, after in steps(rules, state)]

    return explore(start(rules), all_steps, broken, seen, deep=deep)


def holds(rules: Rules) -> None:
    found = explored(rules)
    assert found.broken is None, "\n".join([found.broken.law, *found.broken.way])
    assert found.witnessed >= POSSIBLE
    if rules.writers > 1:
        assert "what is carried on lies under a mark" in found.witnessed


@pytest.mark.parametrize("create_once", [True, False])
@pytest.mark.parametrize("prunes", [1, 2])
def test_one_writer_beside_prunes_never_loses_a_pack(*, create_once: bool, prunes: int) -> None:
    holds(Rules(1, prunes, create_once=create_once))


def test_two_writers_beside_a_prune_never_lose_a_pack() -> None:
    holds(Rules(2, 1, forgets=1))


@pytest.mark.slow
@pytest.mark.parametrize("create_once", [True, False])
def test_two_writers_beside_a_prune_never_lose_a_pack_whatever_is_forgotten(*, create_once: bool) -> None:
    holds(Rules(2, 1, create_once=create_once))


@pytest.mark.slow
@pytest.mark.parametrize("create_once", [True, False])
def test_two_writers_beside_two_prunes_never_lose_a_pack(*, create_once: bool) -> None:
    holds(Rules(2, 2, create_once=create_once, forgets=1))


@pytest.mark.slow
def test_a_listing_that_is_no_picture_of_one_moment_must_be_made_twice() -> None:
    once = Rules(forgets=1, torn=True, without=frozenset(["records are listed twice"]))
    assert explored(once, deep=True).broken is not None


@pytest.mark.slow
def test_records_that_are_listed_twice_hide_nothing() -> None:
    holds(Rules(2, 1, forgets=2, torn=True))


@pytest.mark.parametrize("prunes", [1, 2])
def test_a_writer_that_sleeps_through_every_grace_period_still_reports_nothing_that_is_gone(prunes: int) -> None:
    found = explored(Rules(1, prunes, create_once=False, grace=False))
    assert found.broken is None, "\n".join([found.broken.law, *found.broken.way])


@pytest.mark.parametrize("step", LEFT_OUT)
def test_no_step_of_the_protocol_can_be_left_out(step: str) -> None:
    rules = LEFT_OUT[step]
    without = Rules(rules.writers, rules.prunes, rules.create_once, rules.grace, forgets=1, without=frozenset([step]))
    assert explored(without, deep=True).broken is not None
