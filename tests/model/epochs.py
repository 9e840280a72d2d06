"""Writers and prunes beside a rotation, and storing anew what former keys have encrypted, as a model.

Who works opens keys first and keeps them to its end: whoever opened the old ones can read nothing that the new ones encrypt.
The rest of the protocol (commits without an answer, evictions, stores that do not create once) is in `protocol`; which key
objects a rotation writes when is in `rotation`.

packs     A: of snapshot 0 · B: waste · C: what the writer stores · E: A, re-encrypted
record    of snapshot 0, and that of the writer (1)

What something is encrypted to is `OLD` or `NEW`; 0 says that it does not stand.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from msgspec import Struct

from tests.model.explore import Step

A, B, C, E = 1, 2, 4, 8
PACKS = (A, B, C, E)
OLD, NEW = 1, 2
"""Epochs; both together (3) are what somebody can open."""

HOST, ADMIN, READER = range(3)
PENDING, CURRENT = 1, 2
"""In a key object beside the old epoch: the new one as pending; the new one as the current one."""

AFTER_COMMIT = ("read back", "look")
"""Steps of a writer that has reported nothing yet."""


class Rules(Struct, frozen=True):
    """prunes: beside the one that stores anew · writes: whether there is a writer · forgets: whether snapshot 0 may be
    forgotten · slow: whoever has opened the old keys may begin after a reseal has found nothing left · without: the rules that
    are left out."""

    prunes: int = 1
    writes: bool = True
    forgets: bool = True
    slow: bool = False
    without: frozenset[str] = frozenset()

    def leaves_out(self, rule: str) -> bool:
        return rule in self.without


class Writer(NamedTuple):
    """at: the next step · seals, opens: epochs of its keys · avoided: packs that what is new does not refer to · need: what its
    record names · relied: what of that it did not carry on."""

    at: str = "open"
    seals: int = 0
    opens: int = 0
    avoided: int = 0
    need: int = 0
    relied: int = 0


class Prune(NamedTuple):
    """at: the next step · seals, opens: epochs of its keys · forgotten: whether snapshot 0 was when it began · dead: packs
    that it means to delete · moves: whether it stores A anew · small: records that it encrypts anew · taken: of these, one
    that was read and not written yet, and what it says."""

    at: str = "open"
    seals: int = 0
    opens: int = 0
    forgotten: bool = False
    dead: int = 0
    moves: bool = False
    small: int = 0
    taken: tuple[int, int] = (0, 0)


class State(NamedTuple):
    """packs: what each is encrypted to · records: what snapshots 0 and 1 are encrypted to · need: what snapshot 1 names ·
    moved: the record that says that E holds A · forgotten: whether a note on snapshot 0 stands · claims: of the writer, and of
    the prune that stores anew · marks: packs, and what each mark is encrypted to · keys: of each holder · finished: whether a
    reseal has said that nothing is left."""

    packs: tuple[int, int, int, int]
    records: tuple[int, int]
    need: int
    moved: int
    forgotten: bool
    claims: tuple[int, int]
    marks: tuple[tuple[int, int], ...]
    keys: tuple[int, int, int]
    writer: Writer
    prunes: tuple[Prune, ...]
    finished: bool = False


def start(rules: Rules) -> State:
    """One snapshot, and a pack that nothing needs; all of it is encrypted to the old keys."""
    prunes = 1 + rules.prunes
    return State(
        (OLD, OLD, 0, 0),
        records=(OLD, 0),
        need=0,
        moved=0,
        forgotten=False,
        claims=(0, 0),
        marks=((0, 0),) * prunes,
        keys=(0, 0, 0),
        writer=Writer("open" if rules.writes else "over"),
        prunes=(Prune(),) * prunes,
    )


def broken(rules: Rules, state: State) -> str | None:
    """The law that does not hold."""
    kept = 0 if rules.leaves_out("former keys stay with who is left") else OLD
    for number, sealed in enumerate(state.records):
        if not sealed or not is_committed(state, number):
            continue
        needed = _holding(state, A if number == 0 else state.need)
        for pack in needed:
            if not pack:
                return f"snapshot {number} is committed and a pack that it needs is gone"
        for who in (ADMIN, READER):
            opens = OLD if not state.keys[who] else OLD | NEW if state.keys[who] == PENDING else NEW | kept
            if any(not opens & one for one in (sealed, *needed)):
                return f"snapshot {number} is committed and a reader who is left cannot open it"
    if state.finished and OLD in (*state.packs, *state.records, state.moved, *state.claims, *(one[1] for one in state.marks)):
        return "a reseal has said that nothing is left, and former keys open something"
    if state.writer.at == "refused":
        return "a run was told that the store has other content than it wrote, and its snapshot stands"
    return None


def is_committed(state: State, number: int) -> bool:
    """Not forgotten, and not one whose writer still looks whether it may stay."""
    return not state.forgotten if number == 0 else state.writer.at not in AFTER_COMMIT


def seen(state: State) -> Iterator[str]:
    """What must be possible, or the model shows nothing."""
    done = state.writer.at == "done"
    possible = {
        "nothing of the former keys is left": state.finished,
        "waste is reclaimed": not state.packs[1],
        "a forgotten record is deleted": not state.records[0] and state.forgotten,
        "what is needed lies elsewhere": not state.packs[0] and state.packs[3] and state.records[0] and not state.forgotten,
        "a writer with the old keys commits after the rotation": done
        and state.writer.seals == OLD
        and min(state.keys) == CURRENT,
        "a writer with the new keys carries on what the old ones encrypt": done
        and state.writer.seals == NEW
        and state.need & A,
        "a prune with the old keys is refused": any(one.at == "refused" for one in state.prunes),
        "a writer stays away from what a mark of the new keys may name": state.writer.avoided & E and state.writer.opens == OLD,
    }
    yield from (name for name, is_so in possible.items() if is_so)


def steps(rules: Rules, state: State) -> Iterator[Step[State]]:
    """Everything that may happen next."""
    if rules.forgets and state.records[0] and not state.forgotten:
        yield "forget 0", state._replace(forgotten=True)
    for after in _rotate(rules, state):
        yield "the rotation goes on", after
    for after in _write(rules, state):
        yield f"writer: {state.writer.at}", after
    for me, prune in enumerate(state.prunes):
        for after in _prune(rules, state, me, prune):
            yield f"prune {me}: {prune.at}", after


def _rotate(rules: Rules, state: State) -> Iterator[State]:
    """Pass 1 to all, the rotator's own object first; pass 2 to all, its own last."""
    hasty = rules.leaves_out("everybody has the new keys before anybody encrypts to them")
    low = min(state.keys)
    if low == CURRENT:
        return
    to = CURRENT if hasty or low == PENDING else PENDING
    others = [who for who in (HOST, READER) if state.keys[who] < to]
    own_is_next = state.keys[ADMIN] < to and (
        not others or (to == PENDING and state.keys[ADMIN] == low and not any(state.keys))
    )
    for who in [ADMIN] if own_is_next else others:
        host, admin, reader = (to if number == who else key for number, key in enumerate(state.keys))
        yield state._replace(keys=(host, admin, reader))


def _opened(rules: Rules, key: int) -> tuple[int, int]:
    """What whoever opens such a key object encrypts to, and what it can open."""
    if key == CURRENT:
        return NEW, NEW if rules.leaves_out("former keys stay with who is left") else OLD | NEW
    return OLD, OLD | NEW if key == PENDING else OLD


def _holding(state: State, need: int) -> list[int]:
    """What the packs are encrypted to in which this content lies; 0 for one that is gone."""
    found = []
    for number, pack in enumerate(PACKS):
        if need & pack:
            moved = pack == A and not state.packs[0] and state.moved
            found.append(state.packs[3] if moved else state.packs[number])
    return found


def _standing(state: State) -> int:
    return sum(pack for number, pack in enumerate(PACKS) if state.packs[number])


def _with_pack(state: State, pack: int, sealed: int) -> State:
    a, b, c, e = (sealed if one == pack else state.packs[number] for number, one in enumerate(PACKS))
    return state._replace(packs=(a, b, c, e))


def _write(rules: Rules, state: State) -> Iterator[State]:
    writer = state.writer
    if writer.at in ("open", "claim", "marks"):
        yield from _begin(rules, state, writer)
    elif writer.at == "records":
        yield from _choose(state, writer)
    elif writer.at == "store":
        yield _with_pack(state, C, writer.seals)._replace(writer=writer._replace(at="commit"))
    elif writer.at == "look for":
        gone = writer.relied & ~_standing(state)
        yield state._replace(writer=Writer("withdrawn")) if gone else state._replace(writer=writer._replace(at="commit"))
    else:
        yield from _commit(state, writer)


def _begin(rules: Rules, state: State, writer: Writer) -> Iterator[State]:
    if writer.at == "open":
        seals, opens = _opened(rules, state.keys[HOST])
        yield state._replace(writer=writer._replace(at="claim", seals=seals, opens=opens))
    elif writer.at == "marks":
        yield state._replace(writer=writer._replace(at="records", avoided=_avoided(rules, state, writer)))
    elif rules.slow or not state.finished or writer.seals == NEW:
        yield state._replace(claims=(writer.seals, state.claims[1]), writer=writer._replace(at="marks"))


def _commit(state: State, writer: Writer) -> Iterator[State]:
    if writer.at == "commit":
        after = writer._replace(at="read back")
        yield state._replace(records=(state.records[0], writer.seals), need=writer.need, writer=after)
    elif writer.at == "read back":  # byte for byte: no two sealings are alike
        same = state.records[1] == writer.seals
        yield state._replace(writer=writer._replace(at="look") if same else Writer("refused"))
    elif writer.at == "look":
        if not writer.relied & ~_standing(state):
            yield state._replace(writer=writer._replace(at="let go"))
    elif writer.at in ("let go", "withdrawn"):
        at = "done" if writer.at == "let go" else "over"
        yield state._replace(claims=(0, state.claims[1]), writer=Writer(at, writer.seals if at == "done" else 0))


def _avoided(rules: Rules, state: State, writer: Writer) -> int:
    """Under marks; all that stands, where there is one that it cannot open. And what has moved, as far as it knows."""
    avoided = 0
    for packs, sealed in state.marks:
        if sealed & writer.opens:
            avoided |= packs
        elif sealed and not rules.leaves_out("a mark that cannot be opened may name any pack"):
            avoided |= _standing(state)
    return avoided | (A if state.moved & writer.opens else 0)


def _choose(state: State, writer: Writer) -> Iterator[State]:
    """It carries on snapshot 0, or nothing; one more content is found in a pack whose rows it can open, or stored."""
    readable = state.records[0] & writer.opens and not state.forgotten
    for carried in {0, A if readable else 0}:
        for number, pack in enumerate(PACKS):
            if pack != C and not pack & writer.avoided and state.packs[number] & writer.opens:
                yield state._replace(writer=writer._replace(at="look for", avoided=0, need=carried | pack, relied=pack))
        yield state._replace(writer=writer._replace(at="store", avoided=0, need=carried | C, relied=C))


def _with_prune(state: State, me: int, prune: Prune) -> State:
    return state._replace(prunes=(*state.prunes[:me], prune, *state.prunes[me + 1 :]))


def _with_mark(state: State, me: int, packs: int, sealed: int) -> State:
    return state._replace(marks=(*state.marks[:me], (packs, sealed), *state.marks[me + 1 :]))


def _prune(rules: Rules, state: State, me: int, prune: Prune) -> Iterator[State]:
    """Number 0 stores anew, again and again."""
    if prune.at == "open":
        seals, opens = _opened(rules, state.keys[ADMIN])
        if me or seals == NEW:  # nothing is of a former epoch before
            yield _with_prune(state, me, prune._replace(at="plan", seals=seals, opens=opens))
    elif prune.at == "plan":
        yield _plan(rules, state, me, prune)
    elif prune.at in ("mark", "claims"):
        yield from _mark(rules, state, me, prune)
    elif prune.at in ("claim anew", "store anew", "commit anew", "let go"):
        yield _store_anew(state, me, prune)
    elif prune.at in ("delete records", "records", "delete packs", "unmark"):
        yield _delete(rules, state, me, prune)
    elif prune.at in ("busy", "take", "put", "look"):
        yield _seal_anew(rules, state, me, prune)


def _mark(rules: Rules, state: State, me: int, prune: Prune) -> Iterator[State]:
    """Then it waits for the writer; of another prune that stores anew there is none."""
    if prune.at == "mark":
        if rules.slow or not state.finished or prune.seals == NEW:
            marked = _with_mark(state, me, prune.dead | (A if prune.moves else 0), prune.seals)
            yield _with_prune(marked, me, prune._replace(at="claims"))
    elif not state.claims[0] or state.records[1]:
        yield _with_prune(state, me, prune._replace(at="claim anew" if prune.moves else "delete records"))


def _delete(rules: Rules, state: State, me: int, prune: Prune) -> State:
    """The record of what was forgotten; then, by the records as they are, packs and the mark."""
    if prune.at == "delete records":
        gone = state._replace(records=(0, state.records[1])) if prune.forgotten else state
        if prune.forgotten and rules.leaves_out("the note stays when the record is gone"):
            gone = gone._replace(forgotten=False)
        return _with_prune(gone, me, prune._replace(at="records"))
    if prune.at == "records":
        if _unreadable(rules, state, prune):
            return _with_prune(state, me, prune._replace(at="unmark", dead=0, small=0))
        return _with_prune(state, me, prune._replace(at="delete packs", dead=prune.dead & ~_needed(state, prune)))
    if prune.at == "delete packs":
        for pack in PACKS:
            state = _with_pack(state, pack, 0) if pack & prune.dead else state
        return _with_prune(state, me, prune._replace(at="unmark", dead=0))
    over = prune._replace(at="busy", forgotten=False, moves=False) if me == 0 else Prune("done")
    return _with_prune(_with_mark(state, me, 0, 0), me, over)


def _plan(rules: Rules, state: State, me: int, prune: Prune) -> State:
    if _unreadable(rules, state, prune):
        return _with_prune(state, me, Prune("refused"))
    forgotten = state.forgotten
    needed = _needed(state, prune._replace(forgotten=forgotten))
    moves = me == 0 and bool(needed & A) and state.packs[0] == OLD and not state.moved
    small = sum(1 << number for number, sealed in enumerate(state.records) if sealed == OLD) if me == 0 else 0
    dead = _standing(state) & ~needed
    if dead or moves or forgotten:
        return _with_prune(state, me, prune._replace(at="mark", forgotten=forgotten, dead=dead, moves=moves, small=small))
    return _with_prune(state, me, prune._replace(at="busy", small=small) if me == 0 else Prune("done"))


def _unreadable(rules: Rules, state: State, prune: Prune) -> bool:
    """Whether a record is there that it cannot open, and that does not count as forgotten."""
    if rules.leaves_out("a record that cannot be opened stops a prune"):
        return False
    records = (0 if prune.forgotten else state.records[0], state.records[1], state.moved)
    return any(sealed and not sealed & prune.opens for sealed in records)


def _needed(state: State, prune: Prune) -> int:
    """The packs that hold what the snapshots need, as far as this prune can read their records."""
    needed = 0
    if state.records[0] & prune.opens and not prune.forgotten:
        needed |= A
    if state.records[1] & prune.opens:
        needed |= state.need
    if needed & A and state.moved & prune.opens:
        stays = state.packs[3] and not any(packs & E for packs, _ in state.marks)
        needed |= E
        needed &= ~A if stays else ~0
    return needed


def _store_anew(state: State, me: int, prune: Prune) -> State:
    """As a writer does: a claim, a pack, a record of what has moved."""
    after = {"claim anew": "store anew", "store anew": "commit anew", "commit anew": "let go", "let go": "delete records"}
    state = _with_prune(state, me, prune._replace(at=after[prune.at]))
    if prune.at == "claim anew":
        return state._replace(claims=(state.claims[0], prune.seals))
    if prune.at == "store anew":
        return _with_pack(state, E, prune.seals)
    if prune.at == "commit anew":
        return state._replace(moved=prune.seals)
    return state._replace(claims=(state.claims[0], 0))


def _seal_anew(rules: Rules, state: State, me: int, prune: Prune) -> State:
    """Records, read and written again under their names; then a look at what is left."""
    if prune.at == "busy":
        busy = 2 if state.claims[0] and not rules.leaves_out("a record whose claim stands waits") else 0
        return _with_prune(state, me, prune._replace(at="take", small=prune.small & ~busy))
    if prune.at == "take":
        if not prune.small:
            return _with_prune(state, me, prune._replace(at="look"))
        number = 0 if prune.small & 1 else 1
        left, there = prune.small & ~(1 << number), state.records[number]
        taken = prune._replace(at="put", small=left, taken=(number, there)) if there else prune._replace(small=left)
        return _with_prune(state, me, taken)
    if prune.at == "put":  # somebody may have deleted it since
        zero, one = (prune.seals if number == prune.taken[0] else sealed for number, sealed in enumerate(state.records))
        return _with_prune(state._replace(records=(zero, one)), me, prune._replace(at="take", taken=(0, 0)))
    claims = () if rules.leaves_out("it is not over while a claim of before stands") else state.claims
    marks = () if rules.leaves_out("it is not over while a mark of before stands") else (one[1] for one in state.marks)
    left_over = OLD in (*state.packs, *state.records, state.moved, *claims, *marks)
    return _with_prune(state if left_over else state._replace(finished=True), me, Prune())
