"""Every state that a model can reach, until one breaks a law; then the way there is told.

A crash needs no step of its own: a process that is never scheduled again has crashed, and every interleaving is explored.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Generic, TypeVar

from msgspec import Struct

S = TypeVar("S", bound=Hashable)

Step = tuple[str, S]
"""What was done, and the state after it."""


class Broken(Struct, frozen=True):
    """law: what does not hold · way: the steps that lead there."""

    law: str
    way: tuple[str, ...]


class Explored(Struct, Generic[S], frozen=True):
    """states: how many were seen · broken: the first that breaks a law, if any does · witnessed: of the things to be
    seen, those that were."""

    states: int
    broken: Broken | None
    witnessed: frozenset[str]


def explore(
    start: S,
    steps: Callable[[S], Iterable[Step[S]]],
    broken: Callable[[S], str | None],
    seen: Callable[[S], Iterable[str]] = lambda _state: (),
    *,
    deep: int | None = None,
    most: int | None = None,
) -> Explored[S]:
    """Go through all states. steps: what may happen next · broken: the law that a state breaks · seen: names of what is worth
    knowing to be reachable: a model in which nothing happens breaks no law either · deep: depth first, in an order that this
    seed says, which finds a broken law sooner, though not by the shortest way ·
    most: states, after which it ends."""
    order = None if deep is None else random.Random(deep)
    came: dict[S, tuple[S, str] | None] = {start: None}
    waiting = deque([start])
    witnessed: set[str] = set()
    while waiting and (most is None or len(came) < most):
        state = waiting.popleft() if order is None else waiting.pop()
        witnessed.update(seen(state))
        law = broken(state)
        if law is not None:
            return Explored(len(came), Broken(law, tuple(_way(came, state))), frozenset(witnessed))
        for label, after in _in_order(steps(state), order):
            if after not in came:
                came[after] = (state, label)
                waiting.append(after)
    return Explored(len(came), None, frozenset(witnessed))


def _in_order(found: Iterable[Step[S]], order: random.Random | None) -> Iterable[Step[S]]:
    if order is None:
        return found
    shuffled = list(found)
    order.shuffle(shuffled)
    return shuffled


def _way(came: dict[S, tuple[S, str] | None], state: S) -> Iterator[str]:
    labels: list[str] = []
    at = came[state]
    while at is not None:
        labels.append(at[1])
        at = came[at[0]]
    return reversed(labels)
