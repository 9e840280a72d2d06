"""The protocol holds whatever the order of things, and each of its rules is there for a reason."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from msgspec.structs import replace

from tests.model.explore import Explored, explore
from tests.model.protocol import steps
from tests.model.state import Rules, State, broken, seen, start
from tests.model.symmetry import canonical

ASLEEP = Rules(1, 1, create_once=False, grace=False)
"""A writer that sleeps through every grace period."""

DYING = Rules(1, 1, create_once=False, late=True, dies=True, tells=True)
TRUSTED = Rules(1, 1, once_holds=False)
"""A store that is believed to create once, and overwrites."""

STORING_ANEW = Rules(0, 3, create_once=False, grace=False, moves=1, forgets=0)
"""A prune that stores anew and is evicted by a second one, and a third one that believes its record."""

LEFT_OUT = {
    "claim": Rules(1, 1, dies=True),
    "marks": Rules(1, 1),
    "marks are read after the claim": Rules(1, 1),
    "what is forgotten is not carried on": Rules(1, 1),
    "what was found is looked for": Rules(1, 1, dies=True),
    "packs come before the commit": Rules(1, 1, dies=True),
    "the record is created once": Rules(1, 1, dies=True),
    "the look before the commit": DYING,
    "the look after the commit": ASLEEP,
    "an evicted writer takes its commit back": TRUSTED,
    "a claim that is old is looked for before the commit": replace(TRUSTED, late=True),
    "a late writer looks at the marks": replace(ASLEEP, old=True),
    "a late writer forgets": Rules(2, 1, create_once=False),
    "the record stays until a prune": Rules(2, 1),
    "mark": Rules(1, 1),
    "the mark comes before the claims": Rules(1, 1),
    "wait": Rules(1, 1),
    "an eviction is put under the snapshot's name": Rules(1, 1, dies=True),
    "records are read again": Rules(1, 1),
    "records are read again after the wait": Rules(1, 1),
    "what is forgotten meanwhile still counts": Rules(2, 1),
    "the mark stays until the packs are gone": Rules(1, 1),
    "others' marks are left alone": Rules(1, 2),
    "a claim is looked for before it is rewritten": DYING,
    "an eviction is noted first": replace(ASLEEP, prunes=2, tells=True),
    "the note of an eviction stays": replace(ASLEEP, tells=True),
    "a claim stays while its commit is in doubt": Rules(1, 1, late=True),
    "evictions of others have their hour": Rules(1, 2, create_once=False, late=True),
    "the hour counts from when the claim is gone": DYING,
    "a claim says that a commit is on its way": DYING,
    "marks stay while a deletion is in doubt": Rules(1, 1, late=True),
    "packs are looked for after the commit": Rules(1, 1, loses=True),
    "the record is read back": Rules(1, 1, loses=True),
    "the record is looked for before an eviction takes its place": TRUSTED,
    "a claim beside its eviction is waited for": replace(TRUSTED, prunes=2, late=True),
    "what was carried on is looked for after the commit": replace(TRUSTED, writers=2),
    "holds are read again": Rules(1, 1, holds=True),
    "a missing record stops a prune": Rules(1, 1, hides=True),
    "moved packs go only where their targets stay": STORING_ANEW,
    "records are listed twice": Rules(2, 2, forgets=1, torn=True),
}
"""Each rule, and the smallest company in which its absence does harm."""

SEARCHES, STATES = 20, 20_000
"""Orders in which harm is looked for, and states in each, before all states are gone through."""

FOUND = "writer 0: claim", "writer 0: marks", "writer 0: records", "writer 0: look"
MARKED = "prune 0: plan", "prune 0: mark", "prune 0: claims"
LOOKED = "look at marks", "look at claim", "look for own", "let go"

BEGUN = {
    "the record stays until a prune": (
        *FOUND,
        *MARKED,
        *(f"writer 0: {step}" for step in ("commit", "read back", *LOOKED)),
        "prune 0: wait",
    ),
    "what was carried on is looked for after the commit": (
        *FOUND,
        *MARKED,
        *(f"prune 0: {at}" for at in ("wait", "note", "shut")),
    ),
    "records are listed twice": (
        *FOUND,
        *MARKED,
        *(f"writer 0: {step}" for step in ("commit", "read back", *LOOKED)),
        *(f"prune 0: {step}" for step in ("wait", "delete records", "records")),
        *(f"writer 1: {step}" for step in ("claim", "marks", "records", "store", "commit", "read back", *LOOKED)),
    ),
}
"""The first steps on the way to harm, in companies that have too many states to be searched from the start."""

POSSIBLE = {"waste is reclaimed", "waste is used again", "a late writer is refused"}

SMALL = {
    "a store that creates once": Rules(1, 1, late=True, dies=True, tells=True),
    "a store that cannot create once": DYING,
    "a store that is believed to create once, and overwrites": replace(TRUSTED, late=True, tells=True),
    "the same with writers that die": replace(TRUSTED, late=True, dies=True, tells=True),
    "a writer that sleeps through every grace period": replace(ASLEEP, tells=True),
    "prunes of an older version": replace(ASLEEP, old=True),
    "a store that loses what it was given": Rules(1, 1, loses=True, tells=True),
    "the same, where nothing is created once": Rules(1, 1, create_once=False, loses=True, tells=True),
    "holds": Rules(1, 1, late=True, holds=True),
    "a record that is lost": Rules(1, 1, late=True, hides=True),
    "a pack that is stored anew": Rules(1, 1, create_once=False, late=True, moves=1),
}
"""Who works beside whom, in a second or two."""

LARGE = {
    "two writers": Rules(2, 1, adopts=True),
    "two writers, nothing is created once": Rules(2, 1, create_once=False, forgets=1, adopts=True),
    "two prunes": Rules(1, 2, late=True, forgets=1),
    "two prunes, nothing is created once": Rules(1, 2, create_once=False, late=True, dies=True, forgets=1),
    "two prunes, create-once is believed": replace(TRUSTED, prunes=2, late=True, dies=True, forgets=1),
    "two prunes, one of which stores anew": Rules(1, 2, moves=1, holds=True, forgets=1),
    "two prunes that store anew": Rules(1, 2, create_once=False, moves=2, forgets=0),
    "two prunes, a record is lost": Rules(1, 2, hides=True, forgets=1),
}
"""What takes minutes."""

ORDERS = 40
"""Two writers and two prunes, and two writers beside a listing that takes its time, have more states than memory holds: so many
orders of steps are gone through, not all."""


def harm_is_found(rules: Rules) -> bool:
    """Many short searches find it sooner than a long one."""
    short = any(explored(rules, deep=seed, most=STATES).broken for seed in range(SEARCHES))
    return short or explored(rules).broken is not None


def begun(rules: Rules, labels: Iterable[str]) -> set[State]:
    """The states after these steps."""
    states = {start(rules)}
    for label in labels:
        states = {after for state in states for found, after in steps(rules, state) if found == label}
    return {canonical(state) for state in states}


def explored(rules: Rules, *, deep: int | None = None, most: int | None = None, begin: State | None = None) -> Explored[State]:
    def all_steps(state: State) -> list[tuple[str, State]]:
        return [(label, canonical(after)) for label, after in steps(rules, state)]

    return explore(begin or start(rules), all_steps, broken, seen, deep=deep, most=most)


def holds(rules: Rules, *possible: str) -> None:
    found = explored(rules)
    assert found.broken is None, "\n".join([found.broken.law, *found.broken.way])
    assert found.witnessed >= POSSIBLE.union(possible)


def in_many_orders(rules: Rules, *possible: str) -> None:
    witnessed: set[str] = set()
    for seed in range(ORDERS):
        found = explored(rules, deep=seed, most=2 * STATES)
        assert found.broken is None, "\n".join([found.broken.law, *found.broken.way])
        witnessed |= found.witnessed
    assert witnessed >= set(possible)


@pytest.mark.parametrize("company", SMALL)
def test_a_writer_beside_a_prune_never_loses_a_pack(company: str) -> None:
    holds(SMALL[company])


def test_prunes_that_store_anew_never_lose_what_is_needed() -> None:
    for rules in (STORING_ANEW, replace(STORING_ANEW, prunes=2, moves=2, forgets=1)):
        found = explored(rules)
        assert found.broken is None, "\n".join([found.broken.law, *found.broken.way])
        assert found.witnessed >= {"waste is reclaimed", "what is needed lies elsewhere"}


def test_what_is_late_arrives_and_what_is_lost_stops_a_prune() -> None:
    holds(Rules(1, 1, late=True), "a commit without an answer arrives", "a forgotten record is deleted")
    holds(Rules(1, 1, hides=True), "a prune is refused")


@pytest.mark.slow
@pytest.mark.parametrize("company", LARGE)
def test_more_of_them_never_lose_a_pack(company: str) -> None:
    holds(LARGE[company])


@pytest.mark.slow
def test_two_writers_beside_two_prunes_lose_no_pack_in_many_orders() -> None:
    in_many_orders(Rules(2, 2, forgets=0), "waste is reclaimed")


@pytest.mark.slow
def test_writers_adopt_what_others_left_and_carry_on_what_is_marked() -> None:
    holds(Rules(2, 1, forgets=0, adopts=True), "an orphan is adopted", "what is carried on lies under a mark")


@pytest.mark.slow
def test_records_that_are_listed_twice_hide_nothing() -> None:
    in_many_orders(Rules(2, 1, forgets=1, torn=True), *POSSIBLE)


@pytest.mark.parametrize("rule", LEFT_OUT)
def test_no_rule_of_the_protocol_can_be_left_out(rule: str) -> None:
    rules = LEFT_OUT[rule]
    without = replace(rules, forgets=min(1, rules.forgets), without=frozenset([rule]))
    if rule in BEGUN:
        assert any(explored(without, begin=one).broken for one in begun(without, BEGUN[rule]))
    else:
        assert harm_is_found(without)


@pytest.mark.parametrize("rule", BEGUN)
def test_where_harm_is_near_the_rule_keeps_it_away(rule: str) -> None:
    rules = replace(LEFT_OUT[rule], forgets=1)
    states = begun(rules, BEGUN[rule])
    assert states
    for one in states:
        found = explored(rules, begin=one)
        assert found.broken is None, "\n".join([found.broken.law, *found.broken.way])


def test_marks_that_a_writer_knew_make_nobody_take_a_snapshot_back() -> None:
    """No rule for safety: without it a mark that a dead prune left would take back whatever loses its claim."""
    kept = "one without a claim keeps what lies under a mark that it knew"
    rules = Rules(1, 1, create_once=False, grace=False, old=True, moves=1, forgets=0)
    assert kept in explored(rules).witnessed
    blind = frozenset(["marks that were known do not count"])
    assert kept not in explored(replace(rules, without=blind)).witnessed


ASSUMED = {
    "requests arrive in order": replace(DYING, ordered=False),
    "an evicted writer that dies has sent everything within the hour": replace(DYING, grace=False),
    "what is sent to a store that only seems to create once arrives within a day": replace(TRUSTED, grace=False, late=True),
    "and what a dead writer has sent, before its claim is withdrawn": replace(TRUSTED, late=True, dies=True, prompt=False),
}
"""What the protocol does not see to, and relies on: where it is not so, something is lost."""


@pytest.mark.parametrize("assumption", ASSUMED)
def test_what_is_assumed_is_needed(assumption: str) -> None:
    assert harm_is_found(replace(ASSUMED[assumption], forgets=1))


def test_who_carries_on_what_an_eviction_overwrites_must_hear_of_its_own_commit() -> None:
    """Only on a store that overwrites and is believed not to."""
    rule = "what was carried on is looked for after the commit"
    rules = replace(LEFT_OUT[rule], late=True, forgets=0)
    assert any(explored(rules, begin=one).broken for one in begun(rules, BEGUN[rule]))
