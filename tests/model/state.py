"""What the model of the protocol knows: the store in a few bits, who works on it, and which laws must hold.

packs     A: of the snapshot 0 · B: waste · C, D: what writer 0 and 1 may store
records   snapshot 0, and those that writer 0 and 1 commit (1 and 2): the packs that each needs
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

A, B, C, D = 1, 2, 4, 8
OWN = (C, D)
ABSENT = -1
"""In place of the packs that a record needs: there is no such record."""

Records = tuple[int, int, int]


@dataclass(frozen=True)
class Rules:
    """writers, prunes: how many · create_once: what the store can · grace: without create-once, whoever was evicted either
    wrote its record before the grace period was over or never does · torn: a listing is no picture of one moment ·
    forgets: snapshots that may be forgotten · without: the steps that are left out."""

    writers: int = 2
    prunes: int = 2
    create_once: bool = True
    grace: bool = True
    torn: bool = False
    forgets: int = 3
    without: frozenset[str] = frozenset()


class Writer(NamedTuple):
    """at: the step that comes next · marked: packs under a mark that it saw · need: what it leans on so far · found: what of
    that it did not carry on and did not store."""

    at: str = "claim"
    marked: int = 0
    need: int = 0
    found: int = 0


class Prune(NamedTuple):
    """at: the step that comes next · forgotten: snapshots that were forgotten when it began · dead: packs that it means to
    delete · waits: for the claims of these writers · needed, place: of a listing under way."""

    at: str = "plan"
    forgotten: int = 0
    dead: int = 0
    waits: int = 0
    needed: int = 0
    place: int = 0


class State(NamedTuple):
    """The store: packs, records, forgotten, evicted, claims, marks (one a prune). Then who works on it."""

    packs: int
    records: Records
    forgotten: int
    evicted: int
    claims: int
    marks: tuple[int, ...]
    writers: tuple[Writer, ...]
    prunes: tuple[Prune, ...]


def start(rules: Rules) -> State:
    """One snapshot, and a pack that nothing needs."""
    idle = (Writer(),) * rules.writers
    return State(A | B, (A, ABSENT, ABSENT), 0, 0, 0, (0,) * rules.prunes, idle, (Prune(),) * rules.prunes)


def broken(state: State) -> str | None:
    """The law that does not hold."""
    for number, need in enumerate(state.records):
        if need & ~state.packs and is_committed(state, number):
            return f"snapshot {number} is committed and a pack that it needs is gone"
    for number, writer in enumerate(state.writers):
        if writer.at == "done" and state.records[number + 1] == ABSENT and not state.forgotten >> number + 1 & 1:
            return f"snapshot {number + 1} was reported and is gone, though nobody forgot it"
    return None


def is_committed(state: State, number: int) -> bool:
    """Not forgotten, and not one whose writer still looks whether it may stay: that was told to nobody yet."""
    if state.records[number] == ABSENT or state.forgotten >> number & 1:
        return False
    return number == 0 or state.writers[number - 1].at not in ("look again", "check packs")


def seen(state: State) -> Iterator[str]:
    """What must be possible, or the model shows nothing."""
    if not state.packs & B:
        yield "waste is reclaimed"
    if state.records[0] == ABSENT:
        yield "a forgotten record is deleted"
    for number, writer in enumerate(state.writers):
        record = state.records[number + 1]
        if writer.at == "done" and record != ABSENT and record & B:
            yield "waste is used again"
        if writer.at in ("store", "look") and writer.marked:
            yield "what is carried on lies under a mark"
        if writer.at == "refused":
            yield "a late writer is refused"


def needed_by(state: State, forgotten: int) -> int:
    needed = 0
    for number, need in enumerate(state.records):
        if need != ABSENT and not forgotten >> number & 1:
            needed |= need
    return needed


def under_marks(state: State) -> int:
    marked = 0
    for mark in state.marks:
        marked |= mark
    return marked


def put(values: tuple[int, ...], place: int, value: int) -> tuple[int, ...]:
    return (*values[:place], value, *values[place + 1 :])


def with_record(state: State, number: int, need: int) -> State:
    one, two, three = put(state.records, number, need)
    return state._replace(records=(one, two, three))


def with_writer(state: State, number: int, writer: Writer) -> State:
    return state._replace(writers=(*state.writers[:number], writer, *state.writers[number + 1 :]))


def with_prune(state: State, number: int, prune: Prune) -> State:
    return state._replace(prunes=(*state.prunes[:number], prune, *state.prunes[number + 1 :]))


_SWAPPED = tuple(mask & (A | B) | (mask & C) << 1 | (mask & D) >> 1 for mask in range(16))
"""Packs as they are called when writer 0 and 1 change names."""


def canonical(state: State) -> State:
    """One of the states that differ only in which writer or prune is called 0 and which is called 1."""
    if len(state.prunes) == 2 and (state.prunes[1], state.marks[1]) < (state.prunes[0], state.marks[0]):
        state = state._replace(prunes=state.prunes[::-1], marks=state.marks[::-1])
    if len(state.writers) != 2:
        return state
    first, second = (_renamed(writer) for writer in state.writers)
    other = (second, first)
    if other >= state.writers:
        return state
    zero, one, two = (need if need == ABSENT else _SWAPPED[need] for need in state.records)
    prunes = tuple(
        p._replace(
            forgotten=_snapshots_swapped(p.forgotten),
            dead=_SWAPPED[p.dead],
            waits=_bits_swapped(p.waits),
            needed=_SWAPPED[p.needed],
        )
        for p in state.prunes
    )
    return State(
        packs=_SWAPPED[state.packs],
        records=(zero, two, one),
        forgotten=_snapshots_swapped(state.forgotten),
        evicted=_bits_swapped(state.evicted),
        claims=_bits_swapped(state.claims),
        marks=tuple(_SWAPPED[mark] for mark in state.marks),
        writers=other,
        prunes=prunes,
    )


def _renamed(writer: Writer) -> Writer:
    return Writer(writer.at, _SWAPPED[writer.marked], _SWAPPED[writer.need], _SWAPPED[writer.found])


def _bits_swapped(bits: int) -> int:
    return (bits & 1) << 1 | bits >> 1


def _snapshots_swapped(bits: int) -> int:
    return bits & 1 | _bits_swapped(bits >> 1) << 1
