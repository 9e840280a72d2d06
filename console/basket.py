"""The basket: what somebody has ticked in a project, kept until they take it out, on every page and after every sign-in.

    baskets = Baskets(state)
    baskets.put("anna", "parcelo", [Entry("folder", b"reports/2024")], limits)
    baskets.entries("anna", "parcelo")

It holds names alone. What they come to is found out when a plan is made, within what the person may have then.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote_to_bytes

from msgspec import Struct

from console.errors import TooLarge
from vault.errors import UsageError

if TYPE_CHECKING:
    from console.limits import ConsoleLimits
    from console.state import ConsoleState

AREA = "baskets"
TABLES = (
    """CREATE TABLE basket (
        number INTEGER PRIMARY KEY AUTOINCREMENT, person TEXT NOT NULL, project TEXT NOT NULL, sort TEXT NOT NULL,
        name BLOB NOT NULL, kind TEXT NOT NULL, at TEXT NOT NULL, deleted TEXT NOT NULL,
        UNIQUE (person, project, sort, name, kind))""",
)

LARGEST_NUMBER = (1 << 63) - 1
"""That SQLite has."""

LONGEST_NAME = 16 * 1024
"""Bytes of a path."""

_MOMENT = re.compile(r"[0-9A-Za-z:+ .\-]{0,64}")
_PERIOD = re.compile(r"[^\x00-\x1f]{1,80}")
_KIND = re.compile(r"[^\x00-\x1f/]{0,255}")

Sort = Literal["item", "folder", "period"]
Deleted = Literal["without", "only", "with"]

_DELETED: dict[str, Deleted] = {
    "": "without",
    "0": "without",
    "without": "without",
    "1": "only",
    "only": "only",
    "with": "with",
}


class Entry(Struct, frozen=True):
    """A thing that was ticked. name: of an item or a folder its path with its kind in front, of a period its text · kind: of a
    period, "" for all · at: the moment that was looked at; "" for now · deleted: of a folder or period, what the source no
    longer had · number: by which it is taken out again."""

    sort: Sort
    name: bytes
    kind: str = ""
    at: str = ""
    deleted: Deleted = "without"
    number: int = 0


def entries_of(
    items: Sequence[str], folders: Sequence[str], periods: Sequence[str], *, kind: str, at: str, deleted: str
) -> list[Entry]:
    """What a form of ticks says. items, folders: percent-quoted bytes. Raises `UsageError`."""
    if _MOMENT.fullmatch(at) is None or _KIND.fullmatch(kind) is None or deleted not in _DELETED:
        raise UsageError("not a moment of a snapshot", hint="go back to the list, and tick it there")
    state = _DELETED[deleted]
    found = [Entry("item", _path(one), "", at, "with") for one in items]
    found += [Entry("folder", _path(one), "", at, state) for one in folders]
    for one in periods:
        if _PERIOD.fullmatch(one) is None:
            raise UsageError("not a period", hint="write 2024-05, 2024-Q3 or 2024")
        found.append(Entry("period", one.encode(), kind, at, state))
    return found


def _path(quoted: str) -> bytes:
    path = unquote_to_bytes(quoted).strip(b"/")
    if len(path) > LONGEST_NAME or b"\0" in path:
        raise UsageError("not a path of an item", hint="go back to the list, and tick it there")
    return path


class Baskets:
    """See this module's text."""

    def __init__(self, state: ConsoleState) -> None:
        self._state = state

    def put(self, person: str, project: str, entries: Sequence[Entry], limits: ConsoleLimits) -> int:
        """Put things into a basket; what is in it already gets the moment of this one. Gives how many things it has then.
        Raises `TooLarge`, and puts nothing in then."""
        with self._state.transaction() as database:
            for one in entries:
                key = (person, project, one.sort, one.name, one.kind)
                database.execute(
                    "DELETE FROM basket WHERE person = ? AND project = ? AND sort = ? AND name = ? AND kind = ?", key
                )
                database.execute(
                    "INSERT INTO basket (person, project, sort, name, kind, at, deleted) VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (*key, one.at, one.deleted),
                )
            counts = dict(
                database.execute(
                    "SELECT sort, count(*) FROM basket WHERE person = ? AND project = ? GROUP BY sort", (person, project)
                ).fetchall()
            )
            for sort, most in (("item", limits.items), ("folder", limits.folders), ("period", limits.periods)):
                if counts.get(sort, 0) > most:
                    raise TooLarge("the basket is full", hint="tick whole folders or periods in place of single files")
            return sum(counts.values())

    def entries(self, person: str, project: str) -> tuple[Entry, ...]:
        """What is in a basket, in the order in which it was put in."""
        with self._state.reading() as database:
            rows = database.execute(
                "SELECT sort, name, kind, at, deleted, number FROM basket WHERE person = ? AND project = ? ORDER BY number",
                (person, project),
            ).fetchall()
        return tuple(Entry(*row) for row in rows)

    def count(self, person: str, project: str) -> int:
        """How many things are in it."""
        with self._state.reading() as database:
            row = database.execute("SELECT count(*) FROM basket WHERE person = ? AND project = ?", (person, project)).fetchone()
        return int(row[0])

    def remove(self, person: str, project: str, numbers: Sequence[int]) -> None:
        """Take things out; those that are not in it count for nothing."""
        with self._state.transaction() as database:
            database.executemany(
                "DELETE FROM basket WHERE person = ? AND project = ? AND number = ?",
                [(person, project, number) for number in numbers if 0 <= number <= LARGEST_NUMBER],
            )

    def clear(self, person: str, project: str) -> None:
        """Take everything out."""
        with self._state.transaction() as database:
            database.execute("DELETE FROM basket WHERE person = ? AND project = ?", (person, project))
