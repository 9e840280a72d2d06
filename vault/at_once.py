"""The same done to several things at once, by threads that wait for a store instead of us."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Thing = TypeVar("_Thing")
_Made = TypeVar("_Made")


def each_of(
    things: Sequence[_Thing],
    do: Callable[[_Thing], _Made],
    *,
    most: int,
    name: str,
    at_hand: Callable[[_Thing], bool] | None = None,
) -> list[_Made]:
    """What `do` makes of each, in order; what it raises is raised once all that have begun have ended. most: threads · name: of
    theirs · at_hand: of which there is nothing to wait for: they are done one after another. One alone needs no thread: it
    takes 0.2 ms to start, and a backup reads two dozen earlier snapshots one by one. Of what is at hand, threads take Python's
    lock from each other."""
    waiting = [at for at, one in enumerate(things) if at_hand is None or not at_hand(one)]
    if len(waiting) < 2:
        return [do(one) for one in things]
    made: dict[int, _Made] = {}
    with ThreadPoolExecutor(min(most, len(waiting)), thread_name_prefix=name) as pool:
        asked = pool.map(do, [things[at] for at in waiting])
        made |= {at: do(things[at]) for at in set(range(len(things))).difference(waiting)}
        made |= dict(zip(waiting, asked, strict=True))
    return [made[at] for at in range(len(things))]
