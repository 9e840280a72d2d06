"""Moments as people write them: a date, a date and a time, with or without a zone, `3 days ago`, or a snapshot's id."""

from __future__ import annotations

import calendar
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from vault import wording
from vault.errors import UsageError
from vault.format.layout import is_snapshot_id

if TYPE_CHECKING:
    from vault.repository.project import Project

_FORMS = "write 2026-11-01, '2026-11-01 14:30', '3 days ago', yesterday, or a snapshot's id"
_AGO = re.compile(r"(?P<count>\d{1,6}|an?) (?P<unit>minute|hour|day|week|month|quarter|year)s? ago")
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_SECONDS = {"minute": 60, "hour": 3600, "day": 86400, "week": 7 * 86400}


_DAYS = ("today", "yesterday")


def is_day(text: str) -> bool:
    """Whether a whole day is named, which begins and ends."""
    words = text.strip().lower()
    return words in _DAYS or (len(words) <= len("2026-11-01") and words[:1].isdigit() and _AGO.fullmatch(words) is None)


def parse(text: str | None, project: Project, zone: ZoneInfo, *, begin: bool = False) -> datetime | None:
    """The moment that `--at` means, aware; None for now. A date alone, today and yesterday mean their end, which for today is
    now; with `begin` their beginning. zone: of moments that name none. Raises `UsageError`."""
    if text is None:
        return None
    if is_snapshot_id(text):
        from vault.repository import snapshots

        found = snapshots.read(project, text)
        if found is None:
            raise UsageError(f"project {project.name!r} has no snapshot {text}", hint=f"see `strongroom list {project.name}`")
        return found.taken_at
    return moment(text, zone, project.services.clock.now(), begin=begin)


def moment(text: str, zone: ZoneInfo, now: datetime, *, begin: bool = False) -> datetime:
    """The same without snapshots. now: aware. Raises `UsageError`."""
    here = now.astimezone(zone)
    words = " ".join(text.lower().split())
    if words == "now":
        return here
    if words in _DAYS:
        midnight = here.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        if begin:
            return midnight - timedelta(days=words == "yesterday")
        return here if words == "today" else midnight - timedelta.resolution
    ago = _AGO.fullmatch(words)
    try:
        if ago is not None:
            return _ago(here, ago)
        at = datetime.fromisoformat(text.strip())
        if is_day(text) and not begin:
            at += timedelta(days=1, microseconds=-1)
        return at if at.tzinfo is not None else at.replace(tzinfo=zone)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"invalid time {text!r}", hint=_FORMS) from error


def in_words(text: str | None, at: datetime, zone: ZoneInfo, *, before: bool = False) -> str:
    """A moment as it was asked for, for people: `the end of 2026-03-08 (2026-03-08 23:59:59 EET)`. at: what it means."""
    if before:
        return f"right before {wording.moment(at + timedelta.resolution, zone)}"
    if text is not None and is_day(text) and text.strip().lower() != "today":
        return f"the end of {at.astimezone(zone):%Y-%m-%d} ({wording.moment(at, zone)})"
    return wording.moment(at, zone)


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
