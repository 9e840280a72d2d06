"""Baskets of projects that somebody may see."""

from __future__ import annotations

from collections.abc import Sequence

from console.access.rights import Action
from console.basket import Baskets, Entry
from console.gateway import checks
from console.visit import Visit


def put(visit: Visit, project: str, entries: Sequence[Entry]) -> int:
    """Put things into the basket of whoever asks; gives how many it has then. Raises `NotThere`, `TooLarge`."""
    _visible(visit, project)
    return Baskets(visit.console.state).put(visit.person.name, project, entries, visit.console.limits)


def entries(visit: Visit, project: str) -> tuple[Entry, ...]:
    """What is in it. Raises `NotThere`."""
    _visible(visit, project)
    return Baskets(visit.console.state).entries(visit.person.name, project)


def remove(visit: Visit, project: str, numbers: Sequence[int]) -> None:
    """Take things out. Raises `NotThere`."""
    _visible(visit, project)
    Baskets(visit.console.state).remove(visit.person.name, project, numbers)


def clear(visit: Visit, project: str) -> None:
    """Take everything out. Raises `NotThere`."""
    _visible(visit, project)
    Baskets(visit.console.state).clear(visit.person.name, project)


def _visible(visit: Visit, project: str) -> None:
    """Raises `NotThere` where there is no such project, or they may not know."""
    checks.allowed(visit, Action.SEE, project)
    with checks.opened(visit, project):
        pass
