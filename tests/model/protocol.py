"""The protocol between writers and prunes, as a model of a few bits.

    writer    claims; reads marks, then records; carries on what one record needs; wants one more content, which it finds in a
              known pack that no mark names, or stores anew; looks whether what it found stands; commits; lets the claim go
    prune     reads what is forgotten and what is needed, marks what is dead, lists claims and waits until they are gone (or
              evicts), reads the records again and spares, deletes forgotten records, packs, its mark
    anybody   forgets a snapshot, at any moment

The index is not in it: it says where packs may be found, and in the worst case, which is the one here, it is never up to date.
`Rules.without` leaves steps of the protocol out.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.model.explore import Step
from tests.model.state import (
    ABSENT,
    OWN,
    A,
    B,
    Prune,
    Rules,
    State,
    Writer,
    is_committed,
    needed_by,
    put,
    under_marks,
    with_prune,
    with_record,
    with_writer,
)


def steps(rules: Rules, state: State) -> Iterator[Step[State]]:
    """Everything that may happen next."""
    for number in range(3):
        if is_committed(state, number) and state.forgotten.bit_count() < rules.forgets:
            after = state._replace(forgotten=state.forgotten | 1 << number)
            if "the record stays until a prune" in rules.without:
                after = with_record(after, number, ABSENT)
            yield f"forget {number}", after
    for number, writer in enumerate(state.writers):
        for after in _writer_steps(rules, state, number, writer):
            yield f"writer {number}: {writer.at}", after
    for number, prune in enumerate(state.prunes):
        for after in _prune_steps(rules, state, number, prune):
            yield f"prune {number}: {prune.at}", after


def _writer_steps(rules: Rules, state: State, me: int, writer: Writer) -> Iterator[State]:
    match writer.at:
        case "claim" | "claim late" | "marks":
            yield from _claim(rules, state, me, writer)
        case "records":
            yield from _choose(rules, state, me, writer)
        case "store":
            stored = state._replace(packs=state.packs | OWN[me])
            yield with_writer(stored, me, writer._replace(at="commit", marked=0))
        case "look" if writer.found & ~state.packs:
            yield _end(state, me, "withdrawn")
        case "look":
            yield with_writer(state, me, writer._replace(at="commit", marked=0, found=0))
        case "commit":
            yield from _commit(rules, state, me, writer)
        case "write" | "look again" | "check packs":
            yield from _commit_watchfully(rules, state, me, writer)
        case "let go":
            yield _end(state, me, "done")


def _claim(rules: Rules, state: State, me: int, writer: Writer) -> Iterator[State]:
    """The claim, then the marks."""
    leaves_out = rules.without.__contains__
    claimed = state if leaves_out("claim") else state._replace(claims=state.claims | 1 << me)
    if writer.at == "marks" or (leaves_out("marks are read after the claim") and writer.at == "claim"):
        at = "records" if writer.at == "marks" else "claim late"
        marked = 0 if leaves_out("marks") else under_marks(state)
        yield with_writer(state, me, writer._replace(at=at, marked=marked))
    else:
        yield with_writer(claimed, me, writer._replace(at="records" if writer.at == "claim late" else "marks"))


def _choose(rules: Rules, state: State, me: int, writer: Writer) -> Iterator[State]:
    """One of the records, or none, is carried on; one more content is found or stored."""
    leaves_out = rules.without.__contains__
    hidden = 0 if leaves_out("what is forgotten is not carried on") else state.forgotten
    for carried in {0, *(need for n, need in enumerate(state.records) if need != ABSENT and not hidden >> n & 1)}:
        based = writer._replace(marked=carried & writer.marked)
        for wanted in (A, B):
            if not writer.marked & wanted:
                at = "commit" if leaves_out("what was found is looked for") else "look"
                yield with_writer(state, me, based._replace(at=at, need=carried | wanted, found=wanted))
        at = "commit" if leaves_out("packs come before the commit") else "store"
        yield with_writer(state, me, based._replace(at=at, need=carried | OWN[me]))


def _commit(rules: Rules, state: State, me: int, writer: Writer) -> Iterator[State]:
    if rules.create_once:
        if state.evicted >> me & 1 and "the record is created once" not in rules.without:
            yield _end(state, me, "refused")
        else:
            yield with_writer(with_record(state, me + 1, writer.need), me, Writer("let go"))
    elif state.claims >> me & 1 or "the look before the commit" in rules.without:
        yield with_writer(state, me, writer._replace(at="write"))
    else:
        yield _end(state, me, "refused")


def _commit_watchfully(rules: Rules, state: State, me: int, writer: Writer) -> Iterator[State]:
    """Without create-once: the record, a look at the claim, and a retreat where somebody may have deleted meanwhile."""
    leaves_out = rules.without.__contains__
    if writer.at == "write":
        at = "let go" if leaves_out("the look after the commit") else "look again"
        yield with_writer(with_record(state, me + 1, writer.need), me, writer._replace(at=at))
    elif writer.at == "look again":
        at = "let go" if state.claims >> me & 1 else "check packs"
        yield with_writer(state, me, writer._replace(at=at))
    elif writer.need & ((0 if leaves_out("a late writer looks at the marks") else under_marks(state)) | ~state.packs):
        if leaves_out("a late writer forgets"):
            yield _end(with_record(state, me + 1, ABSENT), me, "refused")
        else:
            yield _end(state._replace(forgotten=state.forgotten | 2 << me), me, "refused")
    else:
        yield with_writer(state, me, Writer("let go"))


def _end(state: State, me: int, how: str) -> State:
    """The claim goes; so does what is remembered of this writer, which makes fewer states."""
    bit = 1 << me
    return with_writer(state._replace(claims=state.claims & ~bit, evicted=state.evicted & ~bit), me, Writer(how))


def _prune_steps(rules: Rules, state: State, me: int, prune: Prune) -> Iterator[State]:
    match prune.at:
        case "plan" | "mark" | "claims":
            yield from _mark(rules, state, me, prune)
        case "wait":
            yield from _wait(rules, state, me, prune)
        case "records":
            yield from _read_again(rules, state, me, prune)
        case "delete records" | "delete packs" | "unmark":
            yield from _delete(rules, state, me, prune)


def _mark(rules: Rules, state: State, me: int, prune: Prune) -> Iterator[State]:
    """What may go is found and marked; whose claims stand is read."""
    leaves_out = rules.without.__contains__
    late = leaves_out("the mark comes before the claims")
    if prune.at == "plan":
        dead = state.packs & ~needed_by(state, state.forgotten)
        if dead or state.forgotten:
            at = "claims" if late or leaves_out("mark") else "mark"
            yield with_prune(state, me, prune._replace(at=at, forgotten=state.forgotten, dead=dead))
    elif prune.at == "mark":
        marked = state._replace(marks=put(state.marks, me, prune.dead))
        yield with_prune(marked, me, prune._replace(at="wait" if late else "claims"))
    else:
        at = "records" if leaves_out("records are read again after the wait") else "wait"
        waits = 0 if leaves_out("wait") else state.claims
        yield with_prune(state, me, prune._replace(at="mark" if late else at, waits=waits))


def _delete(rules: Rules, state: State, me: int, prune: Prune) -> Iterator[State]:
    """Records, packs, the mark."""
    hasty = "the mark stays until the packs are gone" in rules.without
    if prune.at == "delete records":
        one, two, three = (ABSENT if prune.forgotten >> n & 1 else need for n, need in enumerate(state.records))
        at = "unmark" if hasty else "delete packs"
        yield with_prune(state._replace(records=(one, two, three)), me, prune._replace(at=at, forgotten=0))
    elif prune.at == "delete packs":
        deleted = state._replace(packs=state.packs & ~prune.dead)
        yield with_prune(deleted, me, prune._replace(at="done" if hasty else "unmark", dead=0))
    else:
        others = "others' marks are left alone" in rules.without
        marks = (0,) * len(state.marks) if others else put(state.marks, me, 0)
        yield with_prune(state._replace(marks=marks), me, prune._replace(at="delete packs" if hasty else "done"))


def _wait(rules: Rules, state: State, me: int, prune: Prune) -> Iterator[State]:
    """Until the claims are gone. A stale one is evicted; whether it is really stale nobody knows, so here any may be."""
    if not prune.waits & state.claims:
        early = "records are read again after the wait" in rules.without
        after = with_prune(state, me, prune._replace(at="delete records" if early else "records", waits=0))
        if rules.grace and not rules.create_once:
            for number, writer in enumerate(state.writers):
                if writer.at == "write" and not state.claims >> number & 1:
                    after = _end(after, number, "dead")
        yield after
    for number in range(rules.writers):
        bit = 1 << number
        if prune.waits & state.claims & bit:
            unnoted = not rules.create_once or "an eviction is put under the snapshot's name" in rules.without
            if unnoted or state.records[number + 1] != ABSENT or state.evicted & bit:
                yield state._replace(claims=state.claims & ~bit)
            else:
                yield state._replace(evicted=state.evicted | bit)


def _read_again(rules: Rules, state: State, me: int, prune: Prune) -> Iterator[State]:
    next_step = "wait" if "records are read again after the wait" in rules.without else "delete records"
    if "records are read again" in rules.without:
        yield with_prune(state, me, prune._replace(at=next_step))
        return
    fresh = "what is forgotten meanwhile still counts" in rules.without
    forgotten = state.forgotten if fresh else prune.forgotten
    if not rules.torn:
        dead = prune.dead & ~needed_by(state, forgotten)
        yield with_prune(state, me, prune._replace(at=next_step, dead=dead))
        return
    number = (2, 1, 0)[prune.place % 3]
    needed = prune.needed | needed_by(state, forgotten | 7 ^ 1 << number)
    if prune.place + 1 < (3 if "records are listed twice" in rules.without else 6):
        yield with_prune(state, me, prune._replace(needed=needed, place=prune.place + 1))
    else:
        after = prune._replace(at=next_step, dead=prune.dead & ~needed, needed=0, place=0)
        yield with_prune(state, me, after)
