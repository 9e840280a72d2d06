"""The index between a writer and prunes, as a model: which packs a segment names, and who writes and takes away segments.

    writer    stores two packs, and names the first in an interim segment; names both in one segment, then takes the interim one
              away; commits; looks whether its segment stands
    prune     marks and deletes a pack that nothing needs; reads the segments, then which packs stand; writes those anew that
              name what is gone (or joins all), then takes the old ones away

A segment is its name and the packs in it. Names are counted, as a nonce in each makes them differ; left out, a segment is
called by what it says. What is committed must be named by a segment once the writer has ended.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from msgspec import Struct

from tests.model.explore import Step

FIRST, SECOND, WASTE = 1, 2, 4
Segment = tuple[int, int]
"""Its name, and the packs that it names."""


class Rules(Struct, frozen=True):
    """prunes: how many · loses: the store may answer for a segment and not keep it · joins: prunes join all segments, and not
    only those that name what is gone · without: the rules that are left out."""

    prunes: int = 1
    loses: bool = False
    joins: bool = False
    without: frozenset[str] = frozenset()


class Writer(NamedTuple):
    """at: the next step · interim, final: names of its segments, 0 for none."""

    at: str = "first pack"
    interim: int = 0
    final: int = 0


class Prune(NamedTuple):
    """at: the next step · read: segments that it takes away · rows: what these name · gone: packs that it drops."""

    at: str = "delete"
    read: tuple[Segment, ...] = ()
    rows: int = 0
    gone: int = 0


class State(NamedTuple):
    """packs: that stand · segments: that stand · names: how many were given · then who works."""

    packs: int
    segments: frozenset[Segment]
    names: int
    writer: Writer
    prunes: tuple[Prune, ...]


def start(rules: Rules) -> State:
    """A pack of waste that a segment names."""
    return State(WASTE, frozenset({(1, WASTE)}), 1, Writer(), (Prune(),) * rules.prunes)


def broken(state: State) -> str | None:
    """The law that does not hold."""
    named = 0
    for _, packs in state.segments:
        named |= packs
    if state.writer.at == "done" and (FIRST | SECOND) & ~named:
        return "a committed snapshot needs a pack that no segment names"
    if state.writer.at == "done" and all(one.at == "done" for one in state.prunes) and named & ~state.packs:
        return "everybody is done and a segment names a pack that is gone"
    return None


def seen(state: State) -> Iterator[str]:
    """What must be possible, or the model shows nothing."""
    if not state.packs & WASTE:
        yield "waste is reclaimed"
    if state.writer.at == "done":
        yield "a snapshot is committed"
    if state.writer.at == "name again":
        yield "a lost segment is written again"


def steps(rules: Rules, state: State) -> Iterator[Step[State]]:
    """Everything that may happen next."""
    for after in _writer_steps(rules, state):
        yield f"writer: {state.writer.at}", after
    for number, prune in enumerate(state.prunes):
        for after in _prune_steps(rules, state, prune):
            prunes = (*state.prunes[:number], after.prunes[0], *state.prunes[number + 1 :])
            yield f"prune {number}: {prune.at}", after._replace(prunes=tuple(sorted(prunes)))


def _written(rules: Rules, state: State, packs: int) -> tuple[State, Segment]:
    """The store with one more segment."""
    if "names differ" in rules.without:
        segment = (100 + packs, packs)
        return state._replace(segments=state.segments | {segment}), segment
    segment = (state.names + 1, packs)
    return state._replace(segments=state.segments | {segment}, names=state.names + 1), segment


def _without(state: State, name: int) -> State:
    return state._replace(segments=frozenset(one for one in state.segments if one[0] != name))


def _writer_steps(rules: Rules, state: State) -> Iterator[State]:
    writer = state.writer
    if writer.at == "first pack":
        yield state._replace(packs=state.packs | FIRST, writer=writer._replace(at="interim"))
    elif writer.at == "interim":
        after, segment = _written(rules, state, FIRST)
        yield after._replace(writer=writer._replace(at="second pack", interim=segment[0]))
    elif writer.at == "second pack":
        yield state._replace(packs=state.packs | SECOND, writer=writer._replace(at="final"))
    elif writer.at in ("final", "name again"):
        after, segment = _written(rules, state, FIRST | SECOND)
        at = "look" if writer.at == "name again" else "take away"
        yield after._replace(writer=writer._replace(at=at, final=segment[0]))
        if rules.loses and writer.at == "final":
            yield after._replace(segments=state.segments, writer=writer._replace(at=at, final=segment[0]))
    elif writer.at == "take away":
        yield _without(state, writer.interim)._replace(writer=writer._replace(at="look"))
    elif writer.at == "look":
        stands = any(name == writer.final for name, _ in state.segments)
        blind = "the writer looks for its segments" in rules.without
        yield state._replace(writer=writer._replace(at="done" if stands or blind else "name again"))


def _prune_steps(rules: Rules, state: State, prune: Prune) -> Iterator[State]:
    """Its new self is the first of `prunes` in what this gives."""
    early = "packs are listed after the segments" in rules.without
    hasty = "the old go after the new" in rules.without

    def then(state: State, **other: object) -> State:
        return state._replace(prunes=(prune._replace(**other),))  # type: ignore[arg-type]

    if prune.at == "delete":
        yield then(state._replace(packs=state.packs & ~WASTE), at="packs" if early else "segments", gone=WASTE)
    elif prune.at == "packs":
        gone = prune.gone | (FIRST | SECOND | WASTE) & ~state.packs
        yield then(state, at="segments" if early else "rows", gone=gone)
    elif prune.at == "segments":
        yield then(state, at="rows" if early else "packs", read=tuple(sorted(state.segments)))
    elif prune.at == "rows":
        taken = tuple(one for one in prune.read if rules.joins or one[1] & prune.gone)
        rows = 0
        for _, packs in taken:
            rows |= packs & ~prune.gone
        yield then(state, at="take away" if hasty else "write", read=taken, rows=rows)
    elif prune.at == "write":
        after = _written(rules, state, prune.rows)[0] if prune.rows else state
        yield then(after, at="done" if hasty else "take away", rows=0)
    elif prune.at == "take away":
        after = state
        for name, _ in prune.read:
            after = _without(after, name)
        yield then(after, at="write" if hasty else "done", read=(), gone=0)
