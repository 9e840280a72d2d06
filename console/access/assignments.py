"""The roles of the settings, and who has which of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from console.access.rights import Assignment, Role

if TYPE_CHECKING:
    from collections.abc import Collection

    from strongroom.settings.console import ConsoleSettings


def of(settings: ConsoleSettings, name: str, groups: Collection[str]) -> tuple[Assignment, ...]:
    """What somebody has been given, by name or by one of their groups."""
    zone = ZoneInfo(settings.zone)
    return tuple(
        Assignment(Role(one.role), one.projects, one.kinds, one.paths, None if one.until is None else _end(one.until, zone))
        for one in settings.roles
        if name in one.people or not set(groups).isdisjoint(one.groups)
    )


def _end(day: str, zone: ZoneInfo) -> datetime:
    """The first moment after a day."""
    return datetime.fromisoformat(day).replace(tzinfo=zone) + timedelta(days=1)
