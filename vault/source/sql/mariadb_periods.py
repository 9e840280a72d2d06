"""Periods of a column of times in SQL, without the server's tables of time zones, which many servers do not have.

A TIMESTAMP is an instant: what it is in a time zone is computed by the zone's changes, as seconds that are added. A DATE and a
DATETIME have no zone, and are taken as they are written.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from vault.source.sql.layout import UNDATED, Step
from vault.source.sql.mariadb_catalog import MdColumn
from vault.source.sql.mariadb_connection import quoted

_STEPS: dict[Step, str] = {
    "year": "date_format({t}, '%Y')",
    "quarter": "concat(date_format({t}, '%Y'), '-Q', quarter({t}))",
    "month": "date_format({t}, '%Y-%m')",
    "day": "date_format({t}, '%Y-%m-%d')",
}

FIRST_INSTANT, LAST_INSTANT = date(1970, 1, 2), date(2038, 1, 18)
"""Days between which every server's TIMESTAMP can be compared."""


def is_date(column: str) -> str:
    """SQL for whether a time is one that a calendar has, in the years 1 to 9999: not `0000-00-00`, not the 31st of February."""
    return f"from_days(to_days({column})) <=> date({column})"


def label(column: MdColumn, step: Step, shift: str) -> str:
    """SQL for the period of a row; null where it has none. shift: SQL for the seconds that are added."""
    name = quoted(column.name)
    moment = name if shift == "0" else f"({name} + interval {shift} second)"
    return f"(case when {is_date(name)} and {name} < '9999-12-31' then {_STEPS[step].format(t=moment)} end)"


def shift(column: MdColumn, zone: str, first: datetime | None, last: datetime | None) -> str:
    """SQL for the seconds between UTC and a zone at the instant of a row. first, last: the bounds of the column, in UTC."""
    if column.base != "timestamp" or first is None or last is None:
        return "0"
    changes = offset_changes(ZoneInfo(zone), first, last)
    (_, seconds), *later = changes
    if not later:
        return str(seconds)
    name = quoted(column.name)
    cases = " ".join(f"when {name} >= '{instant:%Y-%m-%d %H:%M:%S}' then {offset}" for instant, offset in reversed(later))
    return f"(case {cases} else {seconds} end)"


def offset_changes(zone: ZoneInfo, first: datetime, last: datetime) -> list[tuple[datetime, int]]:
    """From which instant on (UTC, without a zone) a zone has which distance from UTC (seconds): at `first`, and at each change
    up to `last`."""
    found = [(first, _offset(zone, first))]
    at = first
    while at < last:
        following = min(at + timedelta(days=1), last)
        if _offset(zone, following) != found[-1][1]:
            found.append(_change(zone, at, following))
        at = following
    return found


def _change(zone: ZoneInfo, before: datetime, after: datetime) -> tuple[datetime, int]:
    """The second at which the distance changes between two instants."""
    old = _offset(zone, before)
    least, most = 0, round((after - before).total_seconds())
    while most - least > 1:
        middle = (least + most) // 2
        if _offset(zone, before + timedelta(seconds=middle)) == old:
            least = middle
        else:
            most = middle
    instant = before + timedelta(seconds=most)
    return instant, _offset(zone, instant)


def _offset(zone: ZoneInfo, instant: datetime) -> int:
    distance = instant.replace(tzinfo=UTC).astimezone(zone).utcoffset()
    return 0 if distance is None else round(distance.total_seconds())


def where_of(column: MdColumn | None, name: str, period: str) -> str:
    """SQL for the rows of a period. name: of it, empty for the whole table · period: SQL for that of a row."""
    if column is None or not name:
        return ""
    if name == UNDATED:
        return f" where {period} is null"
    first, following = _bounds(name)
    bounds = []
    lowest, highest = (FIRST_INSTANT, LAST_INSTANT) if column.base == "timestamp" else (date.min, date.max)
    if first is not None and first > lowest:
        bounds.append(f"{quoted(column.name)} >= '{first.isoformat()}'")
    if following is not None and following < highest:
        bounds.append(f"{quoted(column.name)} < '{following.isoformat()}'")
    return f" where {' and '.join([*bounds, f'{period} = {chr(39)}{name}{chr(39)}'])}"


def _bounds(name: str) -> tuple[date | None, date | None]:
    """Days between which a period lies, a day and more apart from it, so that an index serves; None where there is none."""
    year, _, rest = name.partition("-")
    month = 3 * int(rest[1:]) - 2 if rest.startswith("Q") else int(rest[:2] or 1)
    day = int(rest[3:] or 1) if not rest.startswith("Q") else 1
    length = 366 if not rest else 92 if rest.startswith("Q") else 31 if len(rest) == 2 else 1
    middle = date(int(year), month, day)
    try:
        first = middle - timedelta(days=2)
    except OverflowError:
        first = None
    try:
        following = middle + timedelta(days=length + 2)
    except OverflowError:
        following = None
    return first, following
