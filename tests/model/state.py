"""What the model of the protocol knows: the store in a few bits, who works on it, and which laws must hold.

packs     A: of snapshot 0 · B: waste · C, D: what writer 0 and 1 store · E, F: what prune 0 and 1 store anew in place of A
records   snapshot 0, and those that writer 0 and 1 commit (1 and 2): the packs that each needs, or `ABSENT`, or `EVICTED`
claims    of writer 0 and 1, and of prune 0 and 1 while they store anew: `NONE`, `STANDS`, `COMMITTING`

What is assumed of the world is a field of `Rules`; a rule of the protocol is a name that `Rules.without` may hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from msgspec import Struct

A, B, C, D, E, F = 1, 2, 4, 8, 16, 32
OWN = (C, D)
ANEW = (E, F)
ABSENT, EVICTED = -1, -2
"""In place of the packs that a record needs: there is no record; there is one that says that the claim was taken away."""
MOVED = 0
"""A prune's record stands that says where the content of A lies now."""
NONE, STANDS, COMMITTING = 0, 1, 2
PRUNES = 2
"""The number of the first prune among the claims."""

AFTER_COMMIT = ("read back", "look at marks", "look at claim", "look for own", "look for all")
"""Steps of a writer whose record was written, and who has reported nothing yet."""

Records = tuple[int, int, int]


class Rules(Struct, frozen=True):
    """writers, prunes: how many · forgets: snapshots that may be forgotten · without: the rules that are left out.

    What may happen: torn: a listing is no picture of one moment · late: a commit, or the deletion of a pack, gets no answer and
    arrives at any time, or never · tells: claims are rewritten, and that may be late too · dies: a writer may die between its
    commit and its looks · loses: the store answers that it keeps an object, and does not · hides: a record is lost, of which
    clients know · holds: somebody holds a forgotten snapshot · adopts: a writer leans on packs that another has stored and
    not committed · moves: so many of the prunes store A anew · old: prunes are of a version that notes no evictions; they take
    away no claim between its writer's last look at it and its rewriting.

    What is assumed: create_once: what clients believe of the store · once_holds: whether that is so · grace: without
    create-once, whoever was evicted has sent everything, and it has arrived, before the grace period is over, or never does;
    where create-once is only believed, nothing is on its way from one without progress for a day · ordered: of two writings of
    one claim the earlier does not arrive after the later · prompt: where create-once is only believed, the commit of a writer
    that has died has arrived, or never does, before its machine takes its claim away.
    """

    writers: int = 2
    prunes: int = 2
    create_once: bool = True
    once_holds: bool = True
    grace: bool = True
    ordered: bool = True
    prompt: bool = True
    torn: bool = False
    late: bool = False
    tells: bool = False
    dies: bool = False
    loses: bool = False
    hides: bool = False
    holds: bool = False
    adopts: bool = False
    moves: int = 0
    old: bool = False
    forgets: int = 3
    without: frozenset[str] = frozenset()

    @property
    def believed_in_vain(self) -> bool:
        """Whether clients rely on a store to create once that does not, where what is assumed of such a one holds."""
        return self.create_once and not self.once_holds and self.grace

    def leaves_out(self, rule: str) -> bool:
        """Whether a rule is not kept."""
        return rule in self.without


class Writer(NamedTuple):
    """at: the step that comes next · met: marks (bits of prunes) that it saw at the start · marked: the packs under these ·
    need: what its record names so far · relied: what of that it did not carry on · unmet: packs under marks that it saw after
    the commit and not before · sent: a commit is on its way whose answer nobody waits for · telling: 1 while a rewriting of the
    claim is to come, 2 once it was looked and the request is on its way · base: 1 and up: the snapshot that it carries on,
    where that can be overwritten."""

    at: str = "claim"
    met: int = 0
    marked: int = 0
    need: int = 0
    relied: int = 0
    unmet: int = 0
    sent: int = 0
    telling: int = 0
    base: int = 0


class Prune(NamedTuple):
    """at: the step that comes next · forgotten, held: snapshots that were when it began · dead: packs that it means to delete ·
    waits: for these claims · evicting: one of these · mine: those that it has evicted · needed, place: of a listing under
    way."""

    at: str = "plan"
    forgotten: int = 0
    held: int = 0
    dead: int = 0
    waits: int = 0
    evicting: int = 0
    mine: int = 0
    needed: int = 0
    place: int = 0


class State(NamedTuple):
    """The store: packs, records, moves (one a prune), what notes and holds name, records that nobody sees any more, claims,
    writers that marks call evicted, those for whom the grace period goes on, marks on packs (one a prune), deletions that are
    on their way. Then who works on it."""

    packs: int
    records: Records
    moves: tuple[int, ...]
    forgotten: int
    held: int
    hidden: int
    claims: tuple[int, ...]
    noted: int
    fresh: int
    marks: tuple[int, ...]
    falling: int
    writers: tuple[Writer, ...]
    prunes: tuple[Prune, ...]


def start(rules: Rules) -> State:
    """One snapshot, and a pack that nothing needs."""
    idle = (Writer(telling=int(rules.tells)),) * rules.writers
    return State(
        packs=A | B,
        records=(A, ABSENT, ABSENT),
        moves=(ABSENT,) * rules.prunes,
        forgotten=0,
        held=0,
        hidden=0,
        claims=(NONE,) * (PRUNES + rules.prunes),
        noted=0,
        fresh=0,
        marks=(0,) * rules.prunes,
        falling=0,
        writers=idle,
        prunes=(Prune(),) * rules.prunes,
    )


def broken(state: State) -> str | None:
    """The law that does not hold."""
    for number, need in enumerate(state.records):
        if need >= 0 and missing(state, need):
            if is_committed(state, number):
                return f"snapshot {number} is committed and a pack that it needs is gone"
            if state.held >> number & 1:
                return f"snapshot {number} is held and a pack that it needs is gone"
        if state.held >> number & 1 and need < 0:
            return f"snapshot {number} is held and its record is gone"
    for number, writer in enumerate(state.writers):
        if writer.at == "done" and state.records[number + 1] < 0 and not state.forgotten >> number + 1 & 1:
            return f"snapshot {number + 1} was reported and is gone, though nobody forgot it"
    return None


def is_committed(state: State, number: int) -> bool:
    """Not forgotten, and not one whose writer still looks whether it may stay: that was told to nobody yet."""
    if state.records[number] < 0 or state.forgotten >> number & 1:
        return False
    return number == 0 or state.writers[number - 1].at not in AFTER_COMMIT


def seen(state: State) -> Iterator[str]:
    """What must be possible, or the model shows nothing."""
    if not state.packs & B:
        yield "waste is reclaimed"
    if state.records[0] == ABSENT:
        yield "a forgotten record is deleted"
    if not state.packs & A and state.records[0] >= 0 and not state.forgotten & 1:
        yield "what is needed lies elsewhere"
    if state.hidden and any(prune.at == "done" for prune in state.prunes):
        yield "a prune is refused"
    for number, writer in enumerate(state.writers):
        yield from _seen_of(state, number, writer)


def _seen_of(state: State, number: int, writer: Writer) -> Iterator[str]:
    record = state.records[number + 1]
    stays = record >= 0 and writer.at == "done"
    known = under_marks(state, beside=~writer.met)
    possible = {
        "waste is used again": stays and record & B,
        "an orphan is adopted": stays and record & OWN[1 - number],
        "what is carried on lies under a mark": writer.at in ("store", "look") and writer.marked,
        "a late writer is refused": writer.at == "refused",
        "a commit without an answer arrives": record >= 0 and writer.at == "gave up",
        "a commit is taken back": state.forgotten >> number + 1 & 1 and writer.at == "refused",
        "one without a claim keeps what lies under a mark that it knew": writer.at == "look for all" and writer.need & known,
    }
    yield from (name for name, is_so in possible.items() if is_so)


def missing(state: State, need: int) -> int:
    """The packs whose content is nowhere."""
    gone = need & ~state.packs
    return gone & ~A if state.packs & (E | F) else gone


def needed_by(state: State, forgotten: int) -> tuple[int, bool]:
    """The packs in which lies what the snapshots need that can be seen, as the records say; and whether it has moved."""
    needed = 0
    for number, need in enumerate(state.records):
        if need >= 0 and not (forgotten | state.hidden) >> number & 1:
            needed |= need
    moved = [ANEW[number] for number, move in enumerate(state.moves) if move == MOVED]
    if needed & A and moved:
        return needed & ~A | sum(moved), True  # each is another bit
    return needed, False


def under_marks(state: State, beside: int = 0) -> int:
    """The packs under all marks but those of some prunes (bits)."""
    marked = 0
    for number, mark in enumerate(state.marks):
        if not beside >> number & 1:
            marked |= mark
    return marked


def recorded(state: State, claim: int) -> int:
    """What stands under the name that a claim would be committed under."""
    return state.records[claim + 1] if claim < PRUNES else state.moves[claim - PRUNES]


def put(values: tuple[int, ...], place: int, value: int) -> tuple[int, ...]:
    return (*values[:place], value, *values[place + 1 :])


def with_record(state: State, claim: int, value: int) -> State:
    """Something else under the name of a claim's record."""
    if claim >= PRUNES:
        return state._replace(moves=put(state.moves, claim - PRUNES, value))
    one, two, three = put(state.records, claim + 1, value)
    return state._replace(records=(one, two, three))


def with_claim(state: State, claim: int, value: int) -> State:
    return state._replace(claims=put(state.claims, claim, value))


def with_writer(state: State, number: int, writer: Writer) -> State:
    return state._replace(writers=(*state.writers[:number], writer, *state.writers[number + 1 :]))


def with_prune(state: State, number: int, prune: Prune) -> State:
    return state._replace(prunes=(*state.prunes[:number], prune, *state.prunes[number + 1 :]))
