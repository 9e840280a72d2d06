"""The protocol between writers and prunes, as a model of a few bits: everything that may happen next.

A process that is never scheduled again has crashed, so a crash needs no step; only a writer whose commit was sent dies
expressly, since nobody is going to look after it any more.

The index is not in it: it says where packs may be found, and in the worst case, which is the one here, it is never up to date.
It has a model of its own, in `segments`.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.model.explore import Step
from tests.model.prune import prune_steps
from tests.model.state import (
    ABSENT,
    COMMITTING,
    EVICTED,
    NONE,
    PRUNES,
    STANDS,
    Prune,
    Rules,
    State,
    Writer,
    is_committed,
    recorded,
    with_claim,
    with_prune,
    with_record,
    with_writer,
)
from tests.model.writer import arrive, writer_steps


def steps(rules: Rules, state: State) -> Iterator[Step[State]]:
    """Everything that may happen next."""
    yield from _people(rules, state)
    yield from _network(rules, state)
    for number, writer in enumerate(state.writers):
        for after in writer_steps(rules, state, number):
            yield f"writer {number}: {writer.at}", after
    for number, prune in enumerate(state.prunes):
        for after in prune_steps(rules, state, number):
            yield f"prune {number}: {prune.at}", after


def _people(rules: Rules, state: State) -> Iterator[Step[State]]:
    """Snapshots are forgotten, held, lost."""
    for number in range(3):
        if is_committed(state, number) and not state.hidden >> number & 1 and state.forgotten.bit_count() < rules.forgets:
            after = state._replace(forgotten=state.forgotten | 1 << number)
            if rules.leaves_out("the record stays until a prune"):
                one, two, three = (ABSENT if place == number else need for place, need in enumerate(state.records))
                after = after._replace(records=(one, two, three))
            yield f"forget {number}", after
    if rules.holds and state.records[0] >= 0 and state.forgotten & ~state.held & 1:
        yield "hold 0", state._replace(held=1)
    if rules.hides and state.records[0] >= 0 and not (state.forgotten | state.hidden) & 1:
        yield "lose the record 0", state._replace(hidden=1)


def _network(rules: Rules, state: State) -> Iterator[Step[State]]:
    """What was late arrives; an hour passes; the claims of dead writers are taken away by their machine."""
    for number, writer in enumerate(state.writers):
        if writer.sent:
            landed, _ = arrive(rules, state, number, writer.need)
            yield f"the commit of writer {number} arrives", with_writer(landed, number, writer._replace(sent=0, need=0))
        if writer.telling == 2:
            told = with_writer(state, number, writer._replace(telling=0))
            stale = state.claims[number] == COMMITTING and rules.ordered
            yield f"the rewriting of claim {number} arrives", told if stale else with_claim(told, number, STANDS)
        if rules.believed_in_vain and (writer.sent or writer.telling == 2):
            left = writer._replace(sent=0, need=0) if writer.sent else writer
            yield (
                f"what writer {number} has sent never arrives",
                with_writer(state, number, left._replace(telling=writer.telling & 1)),
            )
        if writer.at == "dead" and state.claims[number] and not (rules.prompt and rules.believed_in_vain and writer.sent):
            yield from _withdraw(rules, state, number)
    if state.falling:
        yield "the deletion arrives", state._replace(packs=state.packs & ~state.falling, falling=0)
    if state.fresh:
        yield "an hour passes", _an_hour_later(rules, state)


def _withdraw(rules: Rules, state: State, number: int) -> Iterator[Step[State]]:
    if not rules.create_once:
        if state.claims[number] != COMMITTING:
            yield f"claim {number} is withdrawn", with_claim(state, number, NONE)
        return
    blind = rules.leaves_out("the record is looked for before an eviction takes its place")
    if recorded(state, number) == ABSENT or (blind and not rules.once_holds):
        state = with_record(state, number, EVICTED)
    yield f"claim {number} is withdrawn", with_claim(state, number, NONE)


def _an_hour_later(rules: Rules, state: State) -> State:
    """What an evicted writer has sent has arrived or never will, as far as that is assumed."""
    for number, writer in enumerate(state.writers):
        if rules.grace and state.fresh >> number & 1:
            at = "dead" if writer.at in ("say", "write") else writer.at
            left = Writer(at) if at in ("dead", "gave up") else writer._replace(telling=writer.telling & 1)
            state = with_writer(state, number, left)
    for number, prune in enumerate(state.prunes):
        if rules.grace and state.fresh >> PRUNES + number & 1 and prune.at == "write anew":
            state = with_prune(state, number, Prune("dead"))
    return state._replace(fresh=0)
