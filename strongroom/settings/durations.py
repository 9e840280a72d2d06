"""Lengths of time by the clock, as settings have them: '30 s', '15 minutes', '1 hour', '30 days'.

A day is 24 hours here and a week seven of them; what counts on the calendar is `policies.retention.calendar_span`.
"""

from __future__ import annotations

import difflib
import re
from datetime import timedelta

from vault.errors import SettingsError

_UNITS = {
    "second": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
}
_SHORT = {"s": "second", "sec": "second", "min": "minute", "h": "hour", "d": "day"}
_TEXT = re.compile(r"([0-9]{1,6}) ?([a-z]+)\Z")


def read(text: str) -> timedelta:
    """A length; never nothing. Raises `SettingsError`."""
    found = _TEXT.match(" ".join(text.lower().split()))
    if found is None:
        raise SettingsError(f"invalid duration {text!r}", hint="write a number and a unit, such as '15 minutes'")
    word = _SHORT.get(found[2], found[2])
    unit = word if word in _UNITS else word.removesuffix("s")
    if unit not in _UNITS:
        close = difflib.get_close_matches(unit, _UNITS, n=1)
        hint = f"did you mean '{found[1]} {close[0]}s'?" if close else f"there are: {', '.join(_UNITS)}"
        raise SettingsError(f"unknown unit of time {found[2]!r}", hint=hint)
    if not int(found[1]):
        raise SettingsError(f"invalid duration {text!r}: it is zero", hint="leave the setting out, or write '1 minute'")
    return int(found[1]) * _UNITS[unit]


def written(length: timedelta) -> str:
    """In the largest unit that counts it whole."""
    for unit, one in reversed(_UNITS.items()):
        if not length % one:
            count = length // one
            return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
    return f"{length.total_seconds():g} seconds"
