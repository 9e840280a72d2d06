"""The restore drills of a project that this machine remembers, with the times that they took."""

from __future__ import annotations

from strongroom import status_facts
from strongroom.project_status import LastDrill
from strongroom.settings import Settings

MOST = 50


def drills(settings: Settings, project: str, most: int = MOST) -> tuple[LastDrill, ...]:
    """The newest ones, the newest first. most: how many."""
    with status_facts.open_local_state(settings) as known:
        return tuple(LastDrill.of(one) for one in known.state_store.drills(project, most))
