"""A prune: reads what is forgotten and what is needed, marks what is dead, lists claims and waits until they are gone (or
evicts), stores A anew, deletes forgotten records, reads the records again and spares, deletes packs and its mark.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.model.state import (
    ABSENT,
    ANEW,
    EVICTED,
    MOVED,
    NONE,
    PRUNES,
    STANDS,
    A,
    Prune,
    Rules,
    State,
    needed_by,
    put,
    recorded,
    under_marks,
    with_claim,
    with_prune,
    with_record,
)
from tests.model.writer import arrive


def prune_steps(rules: Rules, state: State, me: int) -> Iterator[State]:
    """What a prune may do next."""
    prune = state.prunes[me]
    if prune.at in ("plan", "mark", "claims"):
        yield from _mark(rules, state, me, prune)
    elif prune.at == "wait":
        yield from _wait(rules, state, me, prune)
    elif prune.at in ("note", "shut", "create", "unclaim", "note late"):
        awake = _on_its_way(rules, state, prune.evicting)
        if not awake and not (rules.old and prune.at == "unclaim" and _rewrites(state, prune.evicting)):
            yield _evict(rules, state, me, prune)
    elif prune.at in ("claim anew", "store anew", "commit anew", "write anew", "look anew"):
        yield _store_anew(rules, state, me, prune)
    elif prune.at == "records":
        yield _read_again(rules, state, me, prune)
    elif prune.at in ("delete records", "delete packs", "unmark"):
        yield from _delete(rules, state, me, prune)


def _refused(rules: Rules, state: State) -> bool:
    """Whether a record is gone that nobody forgot."""
    return bool(state.hidden & ~state.forgotten) and not rules.leaves_out("a missing record stops a prune")


def _mark(rules: Rules, state: State, me: int, prune: Prune) -> Iterator[State]:
    """What may go is found and marked; whose claims stand is read."""
    late = rules.leaves_out("the mark comes before the claims")
    if prune.at == "plan":
        if _refused(rules, state):
            yield with_prune(state, me, Prune("done"))
            return
        forgotten = state.forgotten & ~state.held
        dead = state.packs & ~needed_by(state, forgotten)[0]
        if dead or forgotten or me < rules.moves:
            at = "claims" if late or rules.leaves_out("mark") else "mark"
            yield with_prune(state, me, prune._replace(at=at, forgotten=state.forgotten, held=state.held, dead=dead))
    elif prune.at == "mark":
        marked = state._replace(marks=put(state.marks, me, prune.dead | (A if me < rules.moves else 0)))
        yield with_prune(marked, me, prune._replace(at="wait" if late else "claims"))
    else:
        own = PRUNES + me
        standing = sum(1 << claim for claim, one in enumerate(state.claims) if one and claim != own)
        waits = 0 if rules.leaves_out("wait") else standing
        at = "delete records" if rules.leaves_out("records are read again after the wait") else "wait"
        yield with_prune(state, me, prune._replace(at="mark" if late else at, waits=waits))


def _wait(rules: Rules, state: State, me: int, prune: Prune) -> Iterator[State]:
    """Until the claims are gone, or have their record. A stale one is evicted; whether it is really stale nobody knows, so here
    any may be, but for what is assumed."""
    left = [
        claim for claim, one in enumerate(state.claims) if prune.waits >> claim & 1 and one and not _done(rules, state, claim)
    ]
    hour = state.fresh & (prune.mine if rules.leaves_out("evictions of others have their hour") else ~0)
    if not left and not hour:
        anew = me < rules.moves and state.packs & A and needed_by(state, prune.forgotten)[0] & A
        if rules.leaves_out("records are read again after the wait"):
            yield with_prune(state, me, prune._replace(at="delete packs", waits=0))
        else:
            yield with_prune(state, me, prune._replace(at="claim anew" if anew else "delete records", waits=0))
    for claim in left:
        if not _on_its_way(rules, state, claim):
            first = "shut" if rules.old or rules.leaves_out("an eviction is noted first") else "note"
            yield with_prune(state, me, prune._replace(at=first, evicting=claim))


def _done(rules: Rules, state: State, claim: int) -> bool:
    """Whether a claim that stands has its record. One that an eviction put there is no end of it: a store that only seems to
    create once may yet put the commit over that."""
    record = recorded(state, claim)
    return record >= 0 or (record == EVICTED and rules.leaves_out("a claim beside its eviction is waited for"))


def _on_its_way(rules: Rules, state: State, claim: int) -> bool:
    """Whether a writer has sent something, or is about to, so that it is not without progress for a day."""
    if not rules.believed_in_vain or claim >= PRUNES:
        return False
    writer = state.writers[claim]
    return bool(writer.sent) or writer.telling == 2 or writer.at == "write"


def _rewrites(state: State, claim: int) -> bool:
    return claim < PRUNES and (state.writers[claim].at == "say" or state.writers[claim].telling == 2)


def _evict(rules: Rules, state: State, me: int, prune: Prune) -> State:
    """A note; a record under the snapshot's name, where none stands; then the claim goes."""
    claim = prune.evicting
    bit = 1 << claim
    fresh = 0 if rules.create_once else bit
    if prune.at in ("note", "note late"):
        at = "shut" if prune.at == "note" else "wait"
        after = prune._replace(at=at, evicting=claim if at == "shut" else 0, mine=prune.mine | bit)
        return with_prune(state._replace(noted=state.noted | bit, fresh=state.fresh | fresh), me, after)
    if prune.at == "shut":
        unshut = not rules.create_once or rules.leaves_out("an eviction is put under the snapshot's name")
        if unshut:
            return with_prune(state, me, prune._replace(at="unclaim"))
        blind = rules.leaves_out("the record is looked for before an eviction takes its place")
        if recorded(state, claim) == EVICTED and not rules.leaves_out("a claim beside its eviction is waited for"):
            return with_prune(state, me, prune._replace(at="unclaim"))
        if recorded(state, claim) != ABSENT and not blind:
            return with_prune(state, me, prune._replace(at="wait", evicting=0))
        return with_prune(state, me, prune._replace(at="create"))
    if prune.at == "create":
        shut, taken = arrive(rules, state, claim, EVICTED)
        return with_prune(shut, me, prune._replace(at="unclaim") if taken else prune._replace(at="wait", evicting=0))
    if rules.leaves_out("an eviction is noted first"):
        return with_prune(with_claim(state, claim, NONE), me, prune._replace(at="note late"))
    hour = 0 if rules.leaves_out("the hour counts from when the claim is gone") else fresh
    gone = with_claim(state, claim, NONE)._replace(fresh=state.fresh | hour)
    return with_prune(gone, me, prune._replace(at="wait", evicting=0, mine=prune.mine | bit))


def _store_anew(rules: Rules, state: State, me: int, prune: Prune) -> State:
    """What is needed of A, as a writer does: a claim, a pack, a record of what has moved, looks, the claim goes."""
    claim = PRUNES + me
    if prune.at == "claim anew":
        return with_prune(with_claim(state, claim, STANDS), me, prune._replace(at="store anew"))
    if prune.at == "store anew":
        return with_prune(state._replace(packs=state.packs | ANEW[me]), me, prune._replace(at="commit anew"))
    if prune.at == "commit anew":
        may = rules.create_once or (state.claims[claim] and recorded(state, claim) == ABSENT)
        return with_prune(state, me, prune._replace(at="write anew") if may else _given_up(prune))
    if prune.at == "write anew":
        after, taken = arrive(rules, state, claim, MOVED)
        return with_prune(after, me, prune._replace(at="look anew") if taken else _given_up(prune))
    evicted = state.noted >> claim & 1 or not state.claims[claim] or not state.packs & ANEW[me]
    if evicted or recorded(state, claim) != MOVED:
        back = with_record(state, claim, ABSENT) if recorded(state, claim) == MOVED else state
        return with_prune(with_claim(back, claim, NONE), me, _given_up(prune))
    return with_prune(with_claim(state, claim, NONE), me, prune._replace(at="delete records"))


def _given_up(prune: Prune) -> Prune:
    """Nothing is deleted but the mark."""
    return Prune("unmark", mine=prune.mine)


def _read_again(rules: Rules, state: State, me: int, prune: Prune) -> State:
    early = rules.leaves_out("records are read again after the wait")
    next_step = "wait" if early else "delete packs"
    if _refused(rules, state):
        return with_prune(state, me, _given_up(prune))
    if rules.leaves_out("records are read again"):
        return with_prune(state, me, prune._replace(at=next_step))
    held = prune.held if rules.leaves_out("holds are read again") else state.held
    known = state.forgotten if rules.leaves_out("what is forgotten meanwhile still counts") else prune.forgotten
    gone = known & ~held
    if not rules.torn:
        return with_prune(state, me, prune._replace(at=next_step, dead=_dead(rules, state, me, prune, gone)))
    number = (2, 1, 0)[prune.place % 3]
    needed = prune.needed | needed_by(state, gone | 7 ^ 1 << number)[0]
    if prune.place + 1 < (3 if rules.leaves_out("records are listed twice") else 6):
        return with_prune(state, me, prune._replace(needed=needed, place=prune.place + 1))
    return with_prune(state, me, prune._replace(at=next_step, dead=prune.dead & ~needed, needed=0, place=0))


def _dead(rules: Rules, state: State, me: int, prune: Prune, gone: int) -> int:
    """What may go, by the records as they are; of what has moved only where the packs stay that hold it now."""
    needed, moved = needed_by(state, gone)
    targets = sum(ANEW[number] for number, one in enumerate(state.moves) if one == MOVED) if moved else 0
    stays = targets & state.packs & ~under_marks(state, beside=1 << me) == targets
    spared = A if moved and not stays and not rules.leaves_out("moved packs go only where their targets stay") else 0
    return prune.dead & ~needed & ~spared


def _delete(rules: Rules, state: State, me: int, prune: Prune) -> Iterator[State]:
    """Records, packs, the mark. Of a deletion without an answer nobody knows whether it will come."""
    hasty = rules.leaves_out("the mark stays until the packs are gone")
    if prune.at == "delete records":
        held = prune.held if rules.leaves_out("holds are read again") else state.held
        one, two, three = (
            ABSENT if (prune.forgotten & ~held) >> number & 1 and need >= 0 else need
            for number, need in enumerate(state.records)
        )
        yield with_prune(state._replace(records=(one, two, three)), me, prune._replace(at="records"))
    elif prune.at == "delete packs" and hasty:
        yield with_prune(state._replace(marks=put(state.marks, me, 0)), me, prune._replace(at="unmark"))
    elif prune.at == "delete packs":
        after = prune._replace(at="unmark", dead=0, forgotten=0, held=0)
        yield with_prune(state._replace(packs=state.packs & ~prune.dead), me, after)
        if rules.late and prune.dead:
            leaves = rules.leaves_out("marks stay while a deletion is in doubt")
            sent = state._replace(falling=state.falling | prune.dead)
            yield with_prune(sent, me, after if leaves else Prune("done", mine=prune.mine))
    elif hasty:
        yield with_prune(state._replace(packs=state.packs & ~prune.dead), me, Prune("done"))
    else:
        marks = put(state.marks, me, 0)
        if rules.leaves_out("others' marks are left alone"):
            marks = (0,) * len(marks)
        kept = ~prune.mine if rules.leaves_out("the note of an eviction stays") else ~0
        yield with_prune(state._replace(marks=marks, noted=state.noted & kept), me, Prune("done"))
