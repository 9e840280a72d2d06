"""Moments as interfaces write them, and the periods that records belong to."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from vault.source.rest.exact_json import as_text
from vault.source.sql.layout import Step


def moment(value: Any, form: str, zone: ZoneInfo) -> datetime | None:  # noqa: ANN401 (as parsed)
    """A moment, aware; None where the value is none. form: `iso`, `date`, `seconds`, `milliseconds` or a pattern of strptime ·
    zone: of moments without one."""
    text = as_text(value)
    if not text or isinstance(value, bool):
        return None
    try:
        if form in ("seconds", "milliseconds"):
            number = float(text)
            return datetime.fromtimestamp(number if form == "seconds" else number / 1000, UTC)
        is_iso = form in ("iso", "date")
        found = datetime.fromisoformat(text.strip()) if is_iso else datetime.strptime(text.strip(), form)  # noqa: DTZ007
        return found if found.tzinfo is not None else found.replace(tzinfo=zone)
    except (ValueError, OverflowError, OSError):
        return None


def written(seconds: float, form: str, zone: ZoneInfo) -> str:
    """A moment (seconds since 1970, rounded down) as a parameter has it."""
    whole = int(seconds // 1)
    if form == "seconds":
        return str(whole)
    if form == "milliseconds":
        return str(whole * 1000)
    local = datetime.fromtimestamp(whole, UTC)
    if form == "iso":
        return local.strftime("%Y-%m-%dT%H:%M:%SZ")
    local = local.astimezone(zone)
    return local.strftime("%Y-%m-%d" if form == "date" else form)


def label(at: datetime, step: Step, zone: ZoneInfo) -> str | None:
    """The name of the period of a moment; None where no calendar of the project has it."""
    try:
        day: date = at.astimezone(zone).date()
    except (OverflowError, ValueError):
        return None
    if step == "year":
        return f"{day.year:04}"
    if step == "quarter":
        return f"{day.year:04}-Q{(day.month + 2) // 3}"
    return f"{day.year:04}-{day.month:02}" if step == "month" else f"{day.year:04}-{day.month:02}-{day.day:02}"
