"""What a snapshot did to the items of the one before: numbers and a few names that its record keeps.

A later look judges a new snapshot by them, against those of the weeks before, and needs no manifest for it. Clients that do
not know them pass over them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from msgspec import Struct, field
from msgspec.structs import replace

from vault.errors import Damaged
from vault.format import strict_json

MOST_GROUPS = 24
"""Folders, and periods, that are named."""

MOST_EXAMPLES = 3
LONGEST_NAME = 200
"""Characters; a longer one is cut."""


class VanishedGroup(NamedTuple):
    """A folder or a period of which no file is left. files: that it lost within the last seven days."""

    name: str
    files: int


class Changes(Struct, frozen=True):
    """Numbers of files; a file that only was touched is none of them.

    files: that the source had before · since: the oldest snapshot of this source that its records tell of ·
    rewritten: whose content is another · went: of those, where less than half of the rows, or of the bytes, stayed ·
    formed: rewritten ones that had a format before, unformed: of those, which have none any more ·
    looked: tables whose old and new version were looked into · unreadable: of those, which do not open any more ·
    emptied: files of which next to nothing is left · columns: tables in which a column was emptied ·
    vanished: that are nowhere any more, moved: whose content the source has under another name ·
    folders, periods: of which nothing is left · examples: a few paths by the name of the number that counts them.
    """

    files: int = 0
    rewritten: int = 0
    went: int = 0
    formed: int = 0
    unformed: int = 0
    looked: int = 0
    unreadable: int = 0
    emptied: int = 0
    columns: int = 0
    vanished: int = 0
    moved: int = 0
    folders: tuple[VanishedGroup, ...] = ()
    periods: tuple[VanishedGroup, ...] = ()
    examples: dict[str, tuple[str, ...]] = field(default_factory=dict)
    since: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        """As a record holds it: what is zero or empty is left out."""
        value: dict[str, Any] = {name: count for name in NUMBERS if (count := getattr(self, name))}
        for name in _GROUPS:
            if groups := getattr(self, name):
                value[name] = [list(one) for one in groups]
        if self.examples:
            value["examples"] = {name: list(paths) for name, paths in self.examples.items()}
        if self.since is not None:
            value["since"] = strict_json.write_moment(self.since)
        return value

    @classmethod
    def from_json(cls, value: dict[str, Any], what: str) -> Changes:
        """Read back. Raises `Damaged`."""
        examples = value.get("examples", {})
        if not isinstance(examples, dict) or not all(isinstance(paths, list) for paths in examples.values()):
            raise Damaged(f"{what}: 'examples' is not an object of lists")
        changes = cls(
            folders=_groups(value, "folders", what),
            periods=_groups(value, "periods", what),
            examples={str(name): tuple(map(str, paths)) for name, paths in examples.items()},
            since=strict_json.moment(value, "since", what) if "since" in value else None,
        )
        numbers: dict[str, Any] = {name: strict_json.count(value, name, what) for name in NUMBERS if name in value}
        return replace(changes, **numbers)


NUMBERS = tuple(name for name, kind in Changes.__annotations__.items() if kind == "int")
_GROUPS = ("folders", "periods")


def _groups(value: dict[str, Any], name: str, what: str) -> tuple[VanishedGroup, ...]:
    found = value.get(name, [])
    if not isinstance(found, list):
        raise Damaged(f"{what}: {name!r} is not a list")
    return tuple(_group(one, f"{what}: {name!r}") for one in found)


def _group(value: object, what: str) -> VanishedGroup:
    match value:
        case [str(name), int(files)] if files >= 0:
            return VanishedGroup(name, files)
    raise Damaged(f"{what} does not hold names and numbers of files")
