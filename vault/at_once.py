"""The same done to several things at once, by threads that wait for a store instead of us."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Thing = TypeVar("_Thing")
_Made = TypeVar("_Made")


def each_of(things: Sequence[_Thing], do: Callable[[_Thing], _Made], *, most: int, name: str) -> list[_Made]:
    """What `do` makes of each, in order; what it raises is raised once all that have begun have ended. most: threads · name: of
    theirs. One alone needs none: a thread takes 0.2 ms to start, and a backup reads two dozen earlier snapshots one by one."""
    if len(things) < 2:
        return [do(one) for one in things]
    with ThreadPoolExecutor(min(most, len(things)), thread_name_prefix=name) as pool:
        return list(pool.map(do, things))
