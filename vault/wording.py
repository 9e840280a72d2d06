"""Numbers, sizes, times and names in sentences: one style for all messages."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from vault.problems import Problem, printable

PROBLEMS_SHOWN = 20

_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,6})?) ?([KMGTP]?)(?:i?B)?", re.ASCII | re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}


def counted(number: int, one: str, many: str | None = None) -> str:
    """1 item, 2 items; thousands apart. many: where it is not `one` with an s."""
    return f"{number:,} {one if number == 1 else many or one + 's'}".replace(",", " ")


def quoted(name: str) -> str:
    """A name as a command in a hint has it: in quotes where a shell would take it apart."""
    return shlex.quote(name)


def named(paths: Sequence[bytes], *, most: int = 3) -> str:
    """The first of some paths, in one line."""
    more = len(paths) - most
    return ", ".join(map(printable, paths[:most])) + (f" and {more} more" if more > 0 else "")


def size(count: float) -> str:
    """Bytes for people: 1.4 GiB."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(count) < 1024 or unit == "TiB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    raise ValueError("no unit is left")


def size_in_bytes(text: str) -> int | None:
    """A size as people write it, in powers of 1024: 500M, 1.5 GiB, 2048; None where it is none."""
    found = _SIZE.fullmatch(text.strip())
    return None if found is None else int(float(found[1]) * 1024 ** _POWERS[found[2].lower()])


def duration(seconds: float) -> str:
    """Seconds for people: 0.4 s, 12 s, 3 min 20 s, 2 h 5 min."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def rough_duration(seconds: float) -> str:
    """Seconds in a sentence, by their largest unit: a few seconds, 32 minutes, 5 hours, 2 days."""
    if seconds < 10:
        return "a few seconds"
    for unit, length, most in (("second", 1, 60), ("minute", 60, 120), ("hour", 3600, 48)):
        if seconds < most * length:
            return counted(int(seconds // length), unit)
    return counted(int(seconds // 86400), "day")


def moment(when: datetime, zone: ZoneInfo | None = None) -> str:
    """A moment to the second, with the name of its time zone: this machine's own one, where none is given."""
    return f"{when.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}"


def consistency(mark: str | None) -> str:
    """What a manifest says of a content that is not that of a file at rest, as the end of a line."""
    if mark is None:
        return ""
    return "  (what it had at first: it grew)" if mark == "prefix" else "  (inconsistent: it changed while it was read)"


def problem_lines(found: Sequence[Problem]) -> Iterator[str]:
    """The first problems, one a line, and how many more there are."""
    for problem in found[:PROBLEMS_SHOWN]:
        yield f"problem: {printable(problem.path)}: {problem.message}"
    if len(found) > PROBLEMS_SHOWN:
        yield f"problem: … and {len(found) - PROBLEMS_SHOWN} more (all of them with --json)"
