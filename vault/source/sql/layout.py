"""How a database's tables are named as items.

calls.parquet             a table without a column of times
calls/2024-05.parquet     the rows of a month of one
calls/undated.parquet     its rows without a time, or with one that no calendar has
schema.sql                how the tables were made
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Literal, NamedTuple
from urllib.parse import quote, unquote

Step = Literal["year", "quarter", "month", "day"]
STEPS: tuple[Step, ...] = ("year", "quarter", "month", "day")

SCHEMA = b"schema.sql"
SEQUENCES = b"sequences.json"
UNDATED = "undated"
ENDING = ".parquet"

_SAFE = " !$&'()+,;=@[]^`{}~"
"""Beside letters, digits, `_.-`: what stays as it is in a name."""

_LABEL = re.compile(r"\d{4}(-Q[1-4]|-\d\d(-\d\d)?)?\Z")


class Partition(NamedTuple):
    """Rows of a table. label: of their period; empty for a table in one file, `UNDATED` for rows without a time."""

    table: str
    label: str = ""

    @property
    def path(self) -> bytes:
        """Of the item, relative to the source."""
        name = encoded(self.table)
        return (f"{name}/{self.label}{ENDING}" if self.label else f"{name}{ENDING}").encode()


def partition_of(path: bytes) -> Partition | None:
    """What an item has the rows of; None for another item. path: relative to the source."""
    text = path.decode("utf-8", "replace")
    if not text.endswith(ENDING):
        return None
    parts = text.removesuffix(ENDING).split("/")
    if len(parts) == 1:
        return Partition(unquote(parts[0]))
    if len(parts) == 2 and (parts[1] == UNDATED or is_label(parts[1])):
        return Partition(unquote(parts[0]), parts[1])
    return None


def encoded(table: str) -> str:
    """A table's name as a part of a path: what a path cannot have, and the sign for that, as `%XX`."""
    name = quote(table, safe=_SAFE, errors="surrogateescape")
    return f"%2E{name[1:]}" if name.startswith(".") else name


def is_label(text: str) -> bool:
    """Whether a database gave the name of a period that a calendar has."""
    return _LABEL.match(text) is not None


def days_of(label: str) -> tuple[str, str]:
    """The first day of a period, and the first one after it, as `YYYY-MM-DD`. label: one that `is_label`."""
    year, month, day = int(label[:4]), 1, 1
    if "Q" in label:
        month, months = int(label[-1]) * 3 - 2, 3
    elif len(label) == len("2024"):
        months = 12
    elif len(label) == len("2024-05"):
        month, months = int(label[5:]), 1
    else:
        month, day, months = int(label[5:7]), int(label[8:]), 0
    if not months:
        after = date(year, month, day) + timedelta(days=1)
        return label, after.isoformat()
    years, rest = divmod(month - 1 + months, 12)
    return f"{year:04}-{month:02}-{day:02}", f"{year + years:04}-{rest + 1:02}-01"
