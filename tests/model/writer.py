"""A writer: claims; reads marks, then records; carries on what one record needs; wants one more content, which it finds in a
known pack that no mark names, or stores anew; looks whether what it found stands; commits, looks again, lets the claim go.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.model.state import (
    ABSENT,
    AFTER_COMMIT,
    COMMITTING,
    MOVED,
    NONE,
    OWN,
    STANDS,
    A,
    B,
    E,
    F,
    Rules,
    State,
    Writer,
    missing,
    recorded,
    under_marks,
    with_claim,
    with_record,
    with_writer,
)

AT_WORK = ("records", "store", "look", "commit")
"""Steps beside which a claim is rewritten."""


def writer_steps(rules: Rules, state: State, me: int) -> Iterator[State]:
    """What a writer may do next."""
    writer = state.writers[me]
    if writer.telling == 1 and writer.at in AT_WORK:
        yield from _tell(rules, state, me, writer)
    if rules.dies and writer.at in (*AFTER_COMMIT, "let go"):
        yield with_writer(state, me, Writer("dead", telling=writer.telling))
    if writer.at in ("claim", "claim late", "marks"):
        yield from _claim(rules, state, me, writer)
    elif writer.at == "records":
        yield from _choose(rules, state, me, writer)
    elif writer.at in ("store", "look"):
        yield from _prepare(rules, state, me, writer)
    elif writer.at in ("commit", "say", "write"):
        yield from _commit(rules, state, me, writer)
    elif writer.at in AFTER_COMMIT:
        yield _look_after(rules, state, me, writer)
    elif writer.at == "let go":
        yield end(state, me, "done")


def arrive(rules: Rules, state: State, claim: int, value: int) -> tuple[State, bool]:
    """A record that is written under a claim's name; and whether the store took it."""
    if rules.create_once and rules.once_holds and recorded(state, claim) != ABSENT:
        return state, False
    return with_record(state, claim, value), True


def end(state: State, me: int, how: str, *, claim: int = NONE) -> State:
    """The writer stops; a rewriting of its claim may still be on its way."""
    return with_claim(with_writer(state, me, Writer(how, telling=state.writers[me].telling & 2)), me, claim)


def _tell(rules: Rules, state: State, me: int, writer: Writer) -> Iterator[State]:
    """Look at the claim, and only then rewrite it: that request may be late."""
    if rules.leaves_out("a claim is looked for before it is rewritten"):
        yield with_claim(with_writer(state, me, writer._replace(telling=0)), me, STANDS)
    elif state.claims[me]:
        yield with_writer(state, me, writer._replace(telling=2))
    else:
        yield end(state, me, "refused")


def _claim(rules: Rules, state: State, me: int, writer: Writer) -> Iterator[State]:
    """The claim, then the marks."""
    if writer.at == "marks" or (rules.leaves_out("marks are read after the claim") and writer.at == "claim"):
        at = "records" if writer.at == "marks" else "claim late"
        met = sum(1 << number for number, mark in enumerate(state.marks) if mark)
        read = writer._replace(at=at, met=met, marked=under_marks(state))
        yield with_writer(state, me, writer._replace(at=at) if rules.leaves_out("marks") else read)
    else:
        claimed = state if rules.leaves_out("claim") else with_claim(state, me, STANDS)
        yield with_writer(claimed, me, writer._replace(at="records" if writer.at == "claim late" else "marks"))


def _choose(rules: Rules, state: State, me: int, writer: Writer) -> Iterator[State]:
    """One of the records, or none, is carried on; one more content is found, in a pack of another's too, or stored."""
    hidden = state.hidden | (0 if rules.leaves_out("what is forgotten is not carried on") else state.forgotten)
    avoided = writer.marked | (A if MOVED in state.moves else 0)
    findable = [A, B, *(pack for pack in (OWN[1 - me] if rules.adopts else 0, E, F) if state.packs & pack)]
    for carried in {0, *(need for number, need in enumerate(state.records) if need >= 0 and not hidden >> number & 1)}:
        based = writer._replace(marked=carried & writer.marked)
        for wanted in findable:
            if not avoided & wanted:
                at = "commit" if rules.leaves_out("what was found is looked for") else "look"
                yield with_writer(state, me, based._replace(at=at, need=carried | wanted, relied=wanted))
        at = "commit" if rules.leaves_out("packs come before the commit") else "store"
        yield with_writer(state, me, based._replace(at=at, need=carried | OWN[me], relied=OWN[me]))


def _prepare(rules: Rules, state: State, me: int, writer: Writer) -> Iterator[State]:
    after = writer._replace(at="commit", marked=0)
    if writer.at == "store":
        yield with_writer(state._replace(packs=state.packs | OWN[me]), me, after)
        if rules.loses:
            yield with_writer(state, me, after)
    elif writer.relied & ~state.packs:
        yield end(state, me, "withdrawn")
    else:
        yield with_writer(state, me, after)


def _commit(rules: Rules, state: State, me: int, writer: Writer) -> Iterator[State]:
    """Without create-once: a look at the name and at the claim, the claim says that a commit comes. Then the record."""
    if rules.create_once and not rules.once_holds and writer.at == "commit":
        late = not state.claims[me] and not rules.leaves_out("a claim that is old is looked for before the commit")
        yield end(state, me, "refused") if late else with_writer(state, me, writer._replace(at="write"))
    elif rules.create_once and rules.leaves_out("the record is created once"):
        yield with_writer(with_record(state, me, writer.need), me, writer._replace(at="read back"))
    elif writer.at == "write" or (rules.create_once and rules.once_holds):
        yield from _send(rules, state, me, writer)
    elif writer.at == "say":
        says = STANDS if rules.leaves_out("a claim says that a commit is on its way") else COMMITTING
        yield with_claim(with_writer(state, me, writer._replace(at="write")), me, says)
    elif (state.claims[me] and recorded(state, me) == ABSENT) or rules.leaves_out("the look before the commit"):
        yield with_writer(state, me, writer._replace(at="say"))
    else:
        yield end(state, me, "refused")


def _send(rules: Rules, state: State, me: int, writer: Writer) -> Iterator[State]:
    after, taken = arrive(rules, state, me, writer.need)
    yield with_writer(after, me, writer._replace(at="read back")) if taken else end(state, me, "refused")
    if rules.loses:
        yield with_writer(state, me, writer._replace(at="read back"))
    if rules.late:
        unknown = Writer("gave up", need=writer.need, sent=1, telling=writer.telling & 2)
        dropped = with_claim(state, me, NONE) if rules.leaves_out("a claim stays while its commit is in doubt") else state
        yield with_writer(dropped, me, unknown)
        if rules.dies:
            yield with_writer(state, me, unknown._replace(at="dead"))


def _look_after(rules: Rules, state: State, me: int, writer: Writer) -> State:
    """Whatever is believed of the store: the record, the marks, the claim, the packs; and a retreat by a note."""
    if writer.at == "read back":
        at = "let go" if rules.leaves_out("the look after the commit") else "look at marks"
        stands = recorded(state, me) == writer.need or rules.leaves_out("the record is read back")
        return with_writer(state, me, writer._replace(at=at)) if stands else end(state, me, "gave up", claim=state.claims[me])
    if writer.at == "look at marks":
        if state.noted >> me & 1 and not rules.leaves_out("an evicted writer takes its commit back"):
            return _take_back(rules, state, me)
        known = 0 if rules.leaves_out("marks that were known do not count") else writer.met
        unmet = 0 if rules.leaves_out("a late writer looks at the marks") else under_marks(state, beside=known)
        return with_writer(state, me, writer._replace(at="look at claim", unmet=unmet))
    if writer.at == "look at claim":
        if not state.claims[me] and writer.need & writer.unmet:
            return _take_back(rules, state, me)
        at = "look for own" if state.claims[me] else "look for all"
        return with_writer(state, me, writer._replace(at=at, unmet=0))
    blind = rules.leaves_out("packs are looked for after the commit")
    gone = writer.relied & ~state.packs if writer.at == "look for own" else missing(state, writer.need)
    if gone and not blind:
        return _take_back(rules, state, me)
    return with_writer(state, me, Writer("let go", telling=writer.telling))


def _take_back(rules: Rules, state: State, me: int) -> State:
    if rules.leaves_out("a late writer forgets"):
        return end(with_record(state, me, ABSENT), me, "refused")
    return end(state._replace(forgotten=state.forgotten | 2 << me), me, "refused")
