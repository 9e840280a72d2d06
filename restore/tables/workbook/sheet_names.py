"""Names of sheets: what spreadsheets allow, no two alike, at most 31 characters."""

from __future__ import annotations

import re
from collections.abc import Sequence

LONGEST_NAME = 31
_FORBIDDEN = re.compile(r"[\[\]:*?/\\\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


class SheetNames:
    """Gives every table a name, and further ones to a table that goes on in further sheets."""

    def __init__(self, tables: Sequence[str]) -> None:
        self._used: set[str] = {"history"}  # Excel keeps this one for itself
        self.names = [self._free(_clean(name) or f"Sheet{place}") for place, name in enumerate(tables, 1)]

    def further(self, name: str, number: int) -> str:
        """The name of a table's `number`th sheet."""
        return self._free(name, number)

    def _free(self, name: str, number: int = 1) -> str:
        while True:
            ending = f" ({number})" if number > 1 else ""
            candidate = _cut(name, LONGEST_NAME - len(ending)) + ending
            if candidate.casefold() not in self._used:
                self._used.add(candidate.casefold())
                return candidate
            number += 1


def _clean(name: str) -> str:
    return _FORBIDDEN.sub("_", name).strip().strip("'")


def _cut(name: str, units: int) -> str:
    """The beginning of a name; Excel counts a character beyond U+FFFF twice."""
    return name.encode("utf-16-le")[: units * 2].decode("utf-16-le", "ignore")
