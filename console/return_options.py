"""What somebody wants done with their basket: where it shall go, in which form, and what becomes of what is in the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

from msgspec import Struct

from vault.errors import UsageError

Goal = Literal["place", "folder", "download"]
Existing = Literal["", "newer", "replace", "skip", "keep-both"]

FORMATS = ("", "xlsx", "csv", "ods", "jsonl", "json", "parquet", "feather", "sqlite", "html")
"""That tables can be converted to; "" for each as it is."""


class ReturnOptions(Struct, frozen=True):
    """goal: where it was, into a folder of the settings, or to the browser · folder: its name there · existing: what becomes of
    what is in the way; "" for what is usual · format, merge, people: of tables: another format, one table out of all, as people
    read numbers and times · compressed: an archive · incomplete: without what is missing · verify: read again what was written
    · moment: the one that `now` means, as ISO 8601; "" before a plan was made · replacing: how many things that exist the plan
    that was confirmed takes the place of."""

    goal: Goal
    folder: str = ""
    existing: Existing = ""
    format: str = ""
    merge: bool = False
    people: bool = False
    compressed: bool = False
    incomplete: bool = False
    verify: bool = False
    moment: str = ""
    replacing: int = 0

    @property
    def converts(self) -> bool:
        """Whether tables are altered on the way."""
        return bool(self.format) or self.merge


def options_of(read: Callable[[str, str], str]) -> ReturnOptions:
    """What the fields of a form or an address say. read: a field by its name, and what it is where it is not there. Raises
    `UsageError`."""
    goal, existing, format_ = read("goal", "download"), read("existing", ""), read("format", "")
    if goal not in get_args(Goal) or existing not in get_args(Existing) or format_ not in FORMATS:
        raise UsageError("this form says something that it does not offer", hint="open it anew from the basket")
    replacing = read("replacing", "0")
    if not (replacing.isascii() and replacing.isdigit() and len(replacing) < 12):
        raise UsageError("this form says something that it does not offer", hint="open it anew from the basket")
    folder = read("folder", "") if goal == "folder" else ""
    into_place = goal == "place"
    return ReturnOptions(
        goal=goal,  # type: ignore[arg-type]
        folder=folder,
        existing=existing if goal != "download" else "",  # type: ignore[arg-type]
        format="" if into_place else format_,
        merge=not into_place and read("merge", "") == "1",
        people=not into_place and read("people", "") == "1",
        compressed=goal == "download" and read("compressed", "") == "1",
        incomplete=read("incomplete", "") == "1",
        verify=read("verify", "") == "1",
        moment=read("moment", "")[:64],
        replacing=int(replacing),
    )
