"""What creating records in an interface would do, as a value; and what it did."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, Protocol

from msgspec import Struct, field

from restore.interfaces.id_map import MappedRecord
from vault.problems import Problem

SAID = 20
"""Lines of one sort that are shown of a plan."""


class RecordSource(Protocol):
    """The records of a snapshot, and what belongs to them."""

    def resources(self) -> list[str]:
        """Sorts of records that were selected."""
        ...

    def records(self, resource: str) -> Iterator[dict[str, Any]]:
        """Those that were selected, as `exact_json` parses them; as often as it is asked. Raises `TargetError`, `Damaged`."""
        ...

    def dictionary(self, resource: str) -> Iterator[dict[str, Any]]:
        """All records of a resource that the snapshot has, whether they were selected or not."""
        ...

    def fetch(self, resource: str, path: str, most: int) -> bytes:
        """A file by its path below the resource's attachments. most: bytes. Raises `NotInSnapshot`, also where it has more."""
        ...


class Standing(NamedTuple):
    """Whether a record is there. state: `missing`, `unfinished`, `there`, `itself` (under its own number), `unknown` (it was
    sent once, and nobody knows) · new: its key there."""

    state: Literal["missing", "unfinished", "there", "itself", "unknown"]
    new: str = ""


class ResourcePlan(Struct, frozen=True):
    """One sort of records.

    - `records`: that were selected · `missing`: that will be created · `unfinished`: that will be completed
    - `there`: that are there already · `left_out`: that the description does not create · `unknown`: see `Standing`
    - `children`, `files`: of those to be created
    - `losses`: what will be lost of them · `unresolved`: what leads nowhere · `notes`: what happens besides
    - `is_searchable`: whether what was created is found again from another machine
    """

    resource: str
    records: int = 0
    missing: int = 0
    unfinished: int = 0
    there: int = 0
    left_out: int = 0
    unknown: int = 0
    children: int = 0
    files: int = 0
    losses: tuple[str, ...] = ()
    unresolved: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    is_searchable: bool = True

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "resource": self.resource,
            "records": self.records,
            "to_create": self.missing,
            "to_complete": self.unfinished,
            "already_there": self.there,
            "left_out": self.left_out,
            "unknown": self.unknown,
            "children": self.children,
            "files": self.files,
            "losses": list(self.losses),
            "unresolved": list(self.unresolved),
            "notes": list(self.notes),
            "searchable": self.is_searchable,
        }


class CreationPlan(Struct, frozen=True):
    """Of all sorts. where: the interface, for people · title: of its description · problems: of records that cannot be read."""

    where: str
    title: str
    resources: tuple[ResourcePlan, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def missing(self) -> int:
        """Records that will be created."""
        return sum(one.missing for one in self.resources)

    @property
    def unfinished(self) -> int:
        """Records that will be completed."""
        return sum(one.unfinished for one in self.resources)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {"interface": self.where, "title": self.title, "resources": [one.as_json() for one in self.resources]}


class Created(Struct):
    """What was done.

    - `created`: records · `completed`: that an earlier run had begun · `there`: that were there already
    - `children`, `files`: that were created
    - `problems`: records that were not, or not whole · `ids`: of all that are there
    """

    created: int = 0
    completed: int = 0
    there: int = 0
    children: int = 0
    files: int = 0
    problems: list[Problem] = field(default_factory=list)
    ids: list[MappedRecord] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "records_created": self.created,
            "records_completed": self.completed,
            "already_there": self.there,
            "children": self.children,
            "files": self.files,
            "ids": [
                {"resource": one.resource, "old_id": one.old, "new_id": one.new, "not_set": list(one.lost)} for one in self.ids
            ],
        }
