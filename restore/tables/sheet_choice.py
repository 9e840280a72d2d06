"""Which sheets of a workbook, or tables of a database, are wanted: by their names, or by their places from 1 on.

A name that is there counts before the place that it would be read as; capitals make no difference where no name is the same
letter by letter, as in Excel and in SQL.
"""

from __future__ import annotations

from collections.abc import Sequence

from vault.errors import StrongroomError

HAVING_SHEETS = ("xlsx", "ods", "sqlite")
"""Formats of files that hold sheets; the tables of a database play the same role."""

NAMES_SHOWN = 20
_MOST_DIGITS = 6


class NoSuchSheet(StrongroomError):
    """A workbook has none of the sheets that were asked for."""

    hint = "name one of the sheets that it has with --sheet, or leave --sheet out"


class SheetChoice:
    """The choice, for one file. wanted: names or places, as they were typed · noun: what the file's format calls them ·
    missing: why some of them were not found, in words, known once a reader has picked."""

    def __init__(self, wanted: Sequence[str], noun: str = "sheet") -> None:
        self._wanted = wanted
        self._noun = noun
        self.missing: list[str] = []

    def pick(self, names: Sequence[str]) -> list[int]:
        """The places of the wanted ones among `names`, in the file's order. Raises `NoSuchSheet` where there is none."""
        found: set[int] = set()
        missing = []
        for wanted in self._wanted:
            place = _place(wanted, names)
            if place is None:
                missing.append(f"it has no {self._noun} {wanted!r}, {_there(names)}")
            else:
                found.add(place)
        self.missing = missing
        if not found:
            raise NoSuchSheet("; ".join(missing))
        return sorted(found)


def _place(wanted: str, names: Sequence[str]) -> int | None:
    if wanted in names:
        return names.index(wanted)
    folded = [name.casefold() for name in names]
    if wanted.casefold() in folded:
        return folded.index(wanted.casefold())
    if wanted.isascii() and wanted.isdigit() and len(wanted) <= _MOST_DIGITS and 0 < int(wanted) <= len(names):
        return int(wanted) - 1
    return None


def _there(names: Sequence[str]) -> str:
    if not names:
        return "nor any other"
    shown = ", ".join(repr(name) for name in names[:NAMES_SHOWN])
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return f"only {shown}{more}"
