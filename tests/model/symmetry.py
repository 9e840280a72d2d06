"""States that differ only in which writer, or which prune, is called 0 and which is called 1 are one state."""

from __future__ import annotations

from tests.model.state import A, B, C, D, E, F, Prune, State, Writer

HALF_WAY = 1
"""Places of a listing at which the record of one writer was read, and that of the other was not: there the names matter."""

_WRITERS = tuple(mask & ~(C | D) | (mask & C) << 1 | (mask & D) >> 1 for mask in range(64))
_PRUNES = tuple(mask & (A | B | C | D) | (mask & E) << 1 | (mask & F) >> 1 for mask in range(64))
"""Packs as they are called once two writers, or two prunes, have changed names."""


def canonical(state: State) -> State:
    """One of the states that differ only in names."""
    if len(state.prunes) == 2 and _rank(state, 1) < _rank(state, 0):
        state = _prunes_swapped(state)
    if len(state.writers) != 2 or any(prune.place % 3 == HALF_WAY for prune in state.prunes):
        return state
    first, second = (_renamed(one, _WRITERS)._replace(base=(0, 1, 3, 2)[one.base]) for one in state.writers)
    return _writers_swapped(state, (second, first)) if (second, first) < state.writers else state


def _rank(state: State, me: int) -> tuple[object, ...]:
    return state.prunes[me], state.marks[me], state.moves[me], state.claims[2 + me]


def _prunes_swapped(state: State) -> State:
    return state._replace(
        packs=_PRUNES[state.packs],
        records=_record_names(state.records, _PRUNES),
        moves=state.moves[::-1],
        claims=(*state.claims[:2], *state.claims[:1:-1]),
        noted=_high(state.noted),
        fresh=_high(state.fresh),
        marks=tuple(_PRUNES[mark] for mark in state.marks[::-1]),
        falling=_PRUNES[state.falling],
        writers=tuple(_renamed(one, _PRUNES)._replace(met=_low(one.met)) for one in state.writers),
        prunes=tuple(
            _prune_names(one, _PRUNES)._replace(waits=_high(one.waits), mine=_high(one.mine)) for one in _reversed(state)
        ),
    )


def _writers_swapped(state: State, writers: tuple[Writer, ...]) -> State:
    zero, one, two = _record_names(state.records, _WRITERS)
    return state._replace(
        packs=_WRITERS[state.packs],
        records=(zero, two, one),
        forgotten=_snapshots(state.forgotten),
        held=_snapshots(state.held),
        hidden=_snapshots(state.hidden),
        claims=(state.claims[1], state.claims[0], *state.claims[2:]),
        noted=_low(state.noted),
        fresh=_low(state.fresh),
        marks=tuple(_WRITERS[mark] for mark in state.marks),
        falling=_WRITERS[state.falling],
        writers=writers,
        prunes=tuple(
            _prune_names(one, _WRITERS)._replace(
                forgotten=_snapshots(one.forgotten),
                held=_snapshots(one.held),
                waits=_low(one.waits),
                mine=_low(one.mine),
                evicting=1 - one.evicting if one.at in _EVICTING and one.evicting < 2 else one.evicting,
            )
            for one in state.prunes
        ),
    )


_EVICTING = ("note", "shut", "create", "unclaim", "note late")


def _reversed(state: State) -> list[Prune]:
    """A prune that evicts another's claim then evicts the one of the other name."""
    return [
        one._replace(evicting=5 - one.evicting) if one.at in _EVICTING and one.evicting >= 2 else one
        for one in state.prunes[::-1]
    ]


def _renamed(writer: Writer, names: tuple[int, ...]) -> Writer:
    return writer._replace(
        marked=names[writer.marked], need=names[writer.need], relied=names[writer.relied], unmet=names[writer.unmet]
    )


def _prune_names(prune: Prune, names: tuple[int, ...]) -> Prune:
    return prune._replace(dead=names[prune.dead], needed=names[prune.needed])


def _record_names(records: tuple[int, int, int], names: tuple[int, ...]) -> tuple[int, int, int]:
    one, two, three = (need if need < 0 else names[need] for need in records)
    return one, two, three


def _low(bits: int) -> int:
    """Bits 0 and 1 changed."""
    return bits & ~3 | (bits & 1) << 1 | bits >> 1 & 1


def _high(bits: int) -> int:
    """Bits 2 and 3 changed."""
    return bits & 3 | _low(bits >> 2) << 2


def _snapshots(bits: int) -> int:
    return bits & 1 | _low(bits >> 1) << 1
