"""The note of forgotten snapshots. From then on nobody sees them; their records stay until a prune. Notes are never deleted:
a note tells every client that the snapshots were removed on purpose, and which snapshots they superseded."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import Struct

from vault.errors import Damaged
from vault.format import strict_json

MAX_SNAPSHOTS_IN_NOTE = 10_000

MAX_NOTE_BYTES = 1024 * 1024
"""Of the snapshots in a note, as JSON; further snapshots are named by another note."""

MAX_REASON_LENGTH = 2000
"""Characters of a reason or of a person's name."""


class ForgottenSnapshot(Struct, frozen=True):
    """A forgotten snapshot, as a note names it. `parents`: the ids of the snapshots that it superseded."""

    id: str
    source: str
    taken_at: datetime
    parents: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """As a note holds it."""
        return {
            "id": self.id,
            "source": self.source,
            "taken_at": strict_json.write_moment(self.taken_at),
            "parents": list(self.parents),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any], what: str) -> ForgottenSnapshot:
        """Read back. Raises `Damaged`."""
        return cls(
            id=strict_json.field(value, "id", str, what),
            source=strict_json.field(value, "source", str, what),
            taken_at=strict_json.moment(value, "taken_at", what),
            parents=tuple(str(parent) for parent in strict_json.field(value, "parents", list, what)),
        )


class GivenUpItem(Struct, frozen=True):
    """A vanished item whose content is lost, and that no manifest need carry on.

    - `item`: tells it from every other
    - `path`: printable, for people
    """

    item: bytes
    source: str
    path: str
    vanished_at: datetime

    def as_json(self) -> dict[str, Any]:
        """As a note holds it."""
        return {
            "item": self.item.hex(),
            "source": self.source,
            "path": self.path,
            "vanished_at": strict_json.write_moment(self.vanished_at),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any], what: str) -> GivenUpItem:
        """Read back. Raises `Damaged`."""
        return cls(
            item=strict_json.hexadecimal(value, "item", 16, what),
            source=strict_json.field(value, "source", str, what),
            path=strict_json.field(value, "path", str, what),
            vanished_at=strict_json.moment(value, "vanished_at", what),
        )


class GivenUpContent(Struct, frozen=True):
    """The content of an item, in whatever snapshot, that is lost and that a person has given up.

    - `blake3`: of the whole content, as manifests have it
    - `path`: printable, for people
    """

    blake3: bytes
    source: str
    path: str

    def as_json(self) -> dict[str, Any]:
        """As a note holds it."""
        return {"blake3": self.blake3.hex(), "source": self.source, "path": self.path}

    @classmethod
    def from_json(cls, value: dict[str, Any], what: str) -> GivenUpContent:
        """Read back. Raises `Damaged`."""
        return cls(
            blake3=strict_json.hexadecimal(value, "blake3", 32, what),
            source=strict_json.field(value, "source", str, what),
            path=strict_json.field(value, "path", str, what),
        )


class ForgetNote(Struct, frozen=True):
    """Snapshots that were forgotten together.

    - `id`: as in its name
    - `reason`: at most `MAX_REASON_LENGTH` characters
    - `host`, `who`: the machine, and the person as user@host; `who` is empty where a policy forgot them
    - `packs_stay_until`: set where the snapshots are lost and a person has accepted the loss: until then no prune deletes a
      pack, as nobody knows which packs the lost snapshots need
    - `items`: vanished items that a person has given up
    - `contents`: contents of items, of whatever snapshots, that a person has given up
    """

    id: str
    snapshots: tuple[ForgottenSnapshot, ...]
    reason: str
    host: str
    forgotten_at: datetime
    who: str = ""
    packs_stay_until: datetime | None = None
    items: tuple[GivenUpItem, ...] = ()
    contents: tuple[GivenUpContent, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """As stored, inside the envelope."""
        value: dict[str, Any] = {
            "record": "forgotten",
            "id": self.id,
            "snapshots": [snapshot.as_json() for snapshot in self.snapshots],
            "reason": self.reason,
            "host": self.host,
            "forgotten_at": strict_json.write_moment(self.forgotten_at),
            "who": self.who,
        }
        if self.packs_stay_until is not None:
            value["packs_stay_until"] = strict_json.write_moment(self.packs_stay_until)
        if self.items:
            value["items"] = [item.as_json() for item in self.items]
        if self.contents:
            value["contents"] = [content.as_json() for content in self.contents]
        return value

    @classmethod
    def from_json(cls, value: dict[str, Any], note_id: str) -> ForgetNote:
        """Read back the note with the id `note_id`. Raises `Damaged`."""
        what = f"the note {note_id} of forgotten snapshots"
        if strict_json.field(value, "record", str, what) != "forgotten" or strict_json.field(value, "id", str, what) != note_id:
            raise Damaged(f"{what} is malformed: it lacks what every such object has, or has it in another form")
        listed, items, contents = (_entries(value, name, what) for name in ("snapshots", "items", "contents"))
        return cls(
            id=note_id,
            snapshots=tuple(ForgottenSnapshot.from_json(entry, what) for entry in listed),
            reason=strict_json.field(value, "reason", str, what),
            host=strict_json.field(value, "host", str, what),
            forgotten_at=strict_json.moment(value, "forgotten_at", what),
            who=str(value.get("who", "")),  # absent in notes of the first version
            packs_stay_until=strict_json.moment(value, "packs_stay_until", what) if "packs_stay_until" in value else None,
            items=tuple(GivenUpItem.from_json(entry, what) for entry in items),
            contents=tuple(GivenUpContent.from_json(entry, what) for entry in contents),
        )


def _entries(value: dict[str, Any], name: str, what: str) -> list[dict[str, Any]]:
    """A list of objects in a note; only that of the snapshots must be there."""
    listed = strict_json.field(value, name, list, what) if name == "snapshots" or name in value else []
    if not all(isinstance(entry, dict) for entry in listed) or len(listed) > MAX_SNAPSHOTS_IN_NOTE:
        raise Damaged(f"{what} is not readable, or names more than {MAX_SNAPSHOTS_IN_NOTE} {name}")
    return listed
