"""A rotation beside writers and prunes: what is committed opens for who is left, and in the end nothing opens for who is gone,
whatever the order of things; and each rule is there for a reason."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.model.epochs import Rules, State, broken, seen, start, steps
from tests.model.explore import Explored, explore

LEFT_OUT = {
    "everybody has the new keys before anybody encrypts to them": Rules(0),
    "former keys stay with who is left": Rules(0),
    "a mark that cannot be opened may name any pack": Rules(0),
    "a record that cannot be opened stops a prune": Rules(),
    "the note stays when the record is gone": Rules(writes=False),
    "a record whose claim stands waits": Rules(0),
    "it is not over while a claim of before stands": Rules(0),
    "it is not over while a mark of before stands": Rules(),
}
"""Each rule, and the company in which its absence does harm."""

POSSIBLE = {
    "nothing of the former keys is left",
    "waste is reclaimed",
    "what is needed lies elsewhere",
    "a writer with the old keys commits after the rotation",
    "a writer with the new keys carries on what the old ones encrypt",
}


def explored(rules: Rules, *, deep: int | None = None, most: int | None = None) -> Explored[State]:
    return explore(
        start(rules), lambda state: steps(rules, state), lambda state: broken(rules, state), seen, deep=deep, most=most
    )


SEARCHES, STATES = 20, 20_000
"""Orders in which harm is looked for, and states in each."""

ORDERS = 3
"""A second prune makes more states than there is time for: so many orders of steps are gone through, not all."""


def harm_is_found(rules: Rules) -> bool:
    """Many short searches find it sooner than a long one."""
    return any(explored(rules, deep=seed, most=STATES).broken for seed in range(SEARCHES)) or explored(rules).broken is not None


def holds(found: Explored[State]) -> frozenset[str]:
    assert found.broken is None, "\n".join([found.broken.law, *found.broken.way])
    return found.witnessed


def in_many_orders(rules: Rules, *, orders: int) -> set[str]:
    return set().union(*(holds(explored(rules, deep=seed, most=STATES)) for seed in range(orders)))


def test_what_is_committed_beside_a_rotation_opens_for_who_is_left_and_in_the_end_for_nobody_else() -> None:
    assert holds(explored(Rules(0, forgets=False))) >= POSSIBLE
    assert holds(explored(Rules(0))) >= POSSIBLE | {"a forgotten record is deleted"}


def test_a_prune_with_the_old_keys_beside_that_deletes_nothing_that_it_cannot_read_about() -> None:
    assert "waste is reclaimed" in holds(explored(Rules(writes=False)))
    assert "a prune with the old keys is refused" in in_many_orders(Rules(1), orders=ORDERS)


@pytest.mark.slow
def test_the_same_through_all_states_and_in_more_orders() -> None:
    assert holds(explored(Rules(1, forgets=False))) >= POSSIBLE | {"a prune with the old keys is refused"}
    assert in_many_orders(Rules(1), orders=12 * ORDERS) >= POSSIBLE


@pytest.mark.parametrize("rule", LEFT_OUT)
def test_no_rule_of_the_epochs_can_be_left_out(rule: str) -> None:
    assert harm_is_found(replace(LEFT_OUT[rule], without=frozenset([rule])))


def test_it_is_assumed_that_nobody_begins_with_the_old_keys_after_a_reseal_is_over() -> None:
    """Who has opened them claims or marks at once. Where somebody sleeps in between, what that run writes is left, and the next
    reseal finds it."""
    assert harm_is_found(Rules(0, slow=True))
