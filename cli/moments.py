"""Moments as people write them: a date, a date and a time, with or without a zone, `3 days ago`, or a snapshot's id."""

from __future__ import annotations

import calendar
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from vault.errors import UsageError
from vault.format.layout import is_snapshot_id

if TYPE_CHECKING:
    from vault.repository.project import Project

_FORMS = "write 2026-11-01, '2026-11-01 14:30', '3 days ago', yesterday, or a snapshot's id"
_AGO = re.compile(r"(?P<count>\d{1,6}|an?) (?P<unit>minute|hour|day|week|month|quarter|year)s? ago")
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_SECONDS = {"minute": 60, "hour": 3600, "day": 86400, "week": 7 * 86400}


def parse(text: str | None, project: Project, zone: ZoneInfo) -> datetime | None:
    """The moment that `--at` means, aware; None for now. A date alone, and yesterday, mean their end. zone: of moments that
    name none. Raises `UsageError`."""
    if text is None:
        return None
    if is_snapshot_id(text):
        from vault.repository import snapshots

        found = snapshots.read(project, text)
        if found is None:
            raise UsageError(f"project {project.name!r} has no snapshot {text}", hint=f"see `strongroom list {project.name}`")
        return found.taken_at
    return moment(text, zone, project.services.clock.now())


def moment(text: str, zone: ZoneInfo, now: datetime) -> datetime:
    """The same without snapshots. now: aware. Raises `UsageError`."""
    here = now.astimezone(zone)
    asked = " ".join(text.lower().split())
    if asked in ("now", "today", "yesterday"):
        return here if asked != "yesterday" else here.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta.resolution
    ago = _AGO.fullmatch(asked)
    try:
        if ago is not None:
            return _ago(here, ago)
        at = datetime.fromisoformat(text.strip())
        if len(text.strip()) <= len("2026-11-01"):
            at += timedelta(days=1, microseconds=-1)
        return at if at.tzinfo is not None else at.replace(tzinfo=zone)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{text!r} is not a moment", hint=_FORMS) from error


def _ago(here: datetime, found: re.Match[str]) -> datetime:
    """Hours and minutes really passed; days and longer on the calendar, the last day of a month where it has no such one."""
    count = 1 if found["count"].startswith("a") else int(found["count"])
    unit = found["unit"]
    if unit in _MONTHS:
        month = here.year * 12 + here.month - 1 - count * _MONTHS[unit]
        year, month = month // 12, month % 12 + 1
        return here.replace(year=year, month=month, day=min(here.day, calendar.monthrange(year, month)[1]))
    back = timedelta(seconds=count * _SECONDS[unit])
    if unit in ("minute", "hour"):
        return (here.astimezone(ZoneInfo("UTC")) - back).astimezone(here.tzinfo)
    return here - back
