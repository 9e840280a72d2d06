"""A rotation beside grants, as a model: whose key object has which epoch, and to which keys a machine encrypts.

    rotator   own key object with the new keys as pending; the statement; pass 1: the pending keys to all; pass 2: the new keys
              as the current ones to all, to itself last
    granter   opens its keys; writes a grant; gives what it opened; looks whether a rotation has begun meanwhile
    machine   opens the key object of a host, over and over, and encrypts to its current keys
    thief     puts an older key object of the host back, or one with keys of its own

A process that is never scheduled again was cut off, or killed. The one that runs the rotation next goes by its own key object,
so it needs no step of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from msgspec import Struct

from tests.model.explore import Step

NONE, OLD, BOTH, NEW, FORGED = range(5)
"""What is in a key object: nothing; the old epoch; it, and the new one as pending; the new one, and the old one as a former;
keys of a thief."""

ROTATOR, ANNA, HOST, JOINER = range(4)
"""Whose key object: of who rotates, and of another one who may grant; of a host that writes; of who is granted keys
meanwhile."""

EPOCH = {NONE: 0, OLD: 0, BOTH: 0, NEW: 1, FORGED: 2}
"""To which epoch somebody with such a key object encrypts."""


class Rules(Struct, frozen=True):
    """granter: who grants keys meanwhile, `ROTATOR` on another machine of the same person, or `ANNA` · thief: somebody who may
    write to the store puts key objects there · without: the rules that are left out."""

    granter: int = ANNA
    thief: bool = False
    without: frozenset[str] = frozenset()

    def leaves_out(self, rule: str) -> bool:
        return rule in self.without


class Granter(NamedTuple):
    """at: the next step · has: what it has opened, and gives."""

    at: str = "open"
    has: int = NONE


class Machine(NamedTuple):
    """Of the host. has: what it has opened last · seen: the newest epoch that it has met · fault: what it did wrong."""

    has: int = OLD
    seen: int = 0
    fault: str = ""


class State(NamedTuple):
    """keys: what is in each key object · stated: whether the statement of the new epoch stands · granted: whether the joiner's
    grant does · at: the rotator's next step · left: whom it still gives keys in this pass (bits) · put_there: whether the
    host's key object is from a thief."""

    keys: tuple[int, int, int, int]
    stated: bool
    granted: bool
    at: str
    left: int
    granter: Granter
    machine: Machine
    put_there: bool = False


def start(_rules: Rules) -> State:
    """Everybody has the old keys."""
    return State((OLD, OLD, OLD, NONE), stated=False, granted=False, at="own", left=0, granter=Granter(), machine=Machine())


def broken(state: State) -> str | None:
    """The law that does not hold."""
    if state.machine.fault:
        return state.machine.fault
    joined = state.granter.at == "done"
    holders = [who for who in (ROTATOR, ANNA, HOST, JOINER) if who != JOINER or joined]
    readers = [who for who in holders if who != HOST]
    if any(state.keys[who] == NEW for who in holders) and any(state.keys[who] == OLD for who in readers):
        return "somebody encrypts to keys that a reader has not got"
    if state.at == "done" and any(state.keys[who] != NEW for who in holders if not (who == HOST and state.put_there)):
        return "the rotation has ended, and somebody who opens the keys now encrypts to the former ones"
    return None


def seen(state: State) -> Iterator[str]:
    """What must be possible, or the model shows nothing."""
    if state.at == "done":
        yield "a rotation ends"
        if state.keys[JOINER] == NEW and state.granter.at == "done":
            yield "who was granted keys meanwhile has the new ones"
    if state.granter.at == "busy":
        yield "who grants is told of the rotation"
    if state.put_there and state.keys[HOST] == OLD:
        yield (
            "a machine refuses keys of before"
            if state.machine.seen
            else "a machine that has not met the new keys is kept from them"
        )


def steps(rules: Rules, state: State) -> Iterator[Step[State]]:
    """Everything that may happen next."""
    for after in _rotate(rules, state):
        yield f"rotator: {state.at}", after
    for after in _grant(rules, state):
        yield f"granter: {state.granter.at}", after
    for after in _open(rules, state):
        yield "the host's machine opens its keys", after
    if rules.thief and state.keys[HOST] != FORGED and not state.machine.fault:
        yield "a thief puts back the old key object of the host", _given(state, HOST, OLD)._replace(put_there=True)
        yield "a thief puts keys of its own there", _given(state, HOST, FORGED)._replace(put_there=True)


def _given(state: State, who: int, what: int) -> State:
    rotator, anna, host, joiner = (what if number == who else key for number, key in enumerate(state.keys))
    return state._replace(keys=(rotator, anna, host, joiner), put_there=state.put_there and who != HOST)


def _listed(state: State) -> int:
    """Who has a grant, but for the rotator (bits)."""
    return 1 << ANNA | 1 << HOST | (1 << JOINER if state.granted else 0)


def _rotate(rules: Rules, state: State) -> Iterator[State]:
    hasty = rules.leaves_out("everybody has the new keys before anybody encrypts to them")
    late = rules.leaves_out("the statement comes before the keys are given")
    first = "list 2" if hasty else "list 1"
    if state.at == "own":
        yield _given(state, ROTATOR, BOTH)._replace(at=first if late else "state")
    elif state.at == "state":
        yield state._replace(stated=True, at="done" if late else first)
    elif state.at in ("list 1", "list 2"):
        yield state._replace(left=_listed(state), at=f"pass {state.at[-1]}")
    elif state.at in ("pass 1", "pass 2") and state.left:
        what = BOTH if state.at == "pass 1" else NEW
        for who in (ANNA, HOST, JOINER):
            if state.left >> who & 1:
                yield _given(state, who, what)._replace(left=state.left & ~(1 << who))
    elif state.at == "pass 1":
        yield state._replace(at="list 2")
    elif state.at == "pass 2":
        yield _given(state, ROTATOR, NEW)._replace(at="state" if late else "done")


def _grant(rules: Rules, state: State) -> Iterator[State]:
    granter = state.granter
    reversed_order = rules.leaves_out("the grant comes before its keys")
    if granter.at == "open":
        yield state._replace(granter=Granter("put" if reversed_order else "grant", state.keys[rules.granter]))
    elif granter.at == "grant":
        yield state._replace(granted=True, granter=granter._replace(at="done" if reversed_order else "put"))
    elif granter.at == "put":
        yield _given(state, JOINER, granter.has)._replace(granter=granter._replace(at="look"))
    elif granter.at == "look":
        # its own key object tells too little: others may have got the new keys before
        outdated = state.keys[rules.granter] != granter.has
        begun = state.stated and granter.has != NEW
        if outdated or (begun and not rules.leaves_out("who grants looks for a statement afterwards")):
            yield state._replace(granter=Granter("busy"))
        else:
            yield state._replace(granter=Granter("grant" if reversed_order else "done"))


def _open(rules: Rules, state: State) -> Iterator[State]:
    """A machine takes keys as they are, unless it knows better; then it encrypts."""
    found, machine = state.keys[HOST], state.machine
    if found == FORGED:
        if rules.leaves_out("keys that nobody has signed are not followed"):
            yield state._replace(machine=machine._replace(fault="a machine encrypts to keys of a thief"))
    elif EPOCH[found] >= machine.seen:
        yield state._replace(machine=Machine(found, EPOCH[found]))
    elif rules.leaves_out("keys of an earlier epoch are not used"):
        yield state._replace(machine=machine._replace(fault="a machine that has met the new epoch encrypts to the former one"))
