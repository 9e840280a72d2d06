"""What forgetting and pruning leave in the store, as values; `envelope` gives them their two lines.

mark        packs that a prune means to delete: nothing that is written after it leans on them anew
forgotten   a note of snapshots that are no more. Their records stay until a prune, the note stays for ever: it tells a
            client that nobody took them away unseen, and what superseded what
moved       stands under a snapshot's name, as it is committed as one: what the snapshots need of these packs lies in
            others now
evicted     stands under a snapshot's name too: its claim was taken away
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from vault.errors import Damaged
from vault.format import strict_json

MOST_IN_MARK = 50_000
"""Packs; a mark of more would be longer than a record may be, so a prune writes several."""

LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)
"""When a mark was written that does not say it."""

MOST_IN_NOTE = 10_000
"""Snapshots that one note names."""

MOST_NOTE_BYTES = 1024 * 1024
"""Of the snapshots in a note, as JSON; further ones are named by another note."""

MOST_MOVED_BYTES = 1024 * 1024
"""Of the packs in a record of moved packs, as JSON; further ones are moved under another record."""

LONGEST_TEXT = 2000
"""Characters of a reason or of a person's name."""


@dataclass(frozen=True, slots=True)
class Mark:
    """id: its name's · host, started_at: of the prune · evicted: writers (by the ids of their snapshots to be) that this prune
    does not wait for."""

    id: str
    packs: tuple[bytes, ...]
    host: str
    started_at: datetime
    evicted: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """As stored, inside the envelope."""
        value: dict[str, Any] = {
            "record": "mark",
            "packs": [pack.hex() for pack in self.packs],
            "host": self.host,
            "started_at": strict_json.write_moment(self.started_at),
        }
        return value | {"evicted": list(self.evicted)} if self.evicted else value

    @classmethod
    def from_json(cls, value: dict[str, Any], mark: str) -> Mark:
        """Read back what lies under the id `mark`; its `host` and `started_at` may be absent. Raises `Damaged`."""
        what = "a prune's mark"
        if strict_json.field(value, "record", str, what) != "mark":
            raise Damaged(f"{what} has not the form of one")
        return cls(
            id=mark,
            packs=packs_in(value, "packs", what),
            host=strict_json.field(value, "host", str, what) if "host" in value else "",
            started_at=strict_json.moment(value, "started_at", what) if "started_at" in value else LONG_AGO,
            evicted=tuple(map(str, strict_json.field(value, "evicted", list, what))) if "evicted" in value else (),
        )


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A snapshot that was forgotten. parents: the snapshots that it superseded."""

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
    def from_json(cls, value: dict[str, Any], what: str) -> Forgotten:
        """Read back. Raises `Damaged`."""
        return cls(
            id=strict_json.field(value, "id", str, what),
            source=strict_json.field(value, "source", str, what),
            taken_at=strict_json.moment(value, "taken_at", what),
            parents=tuple(str(parent) for parent in strict_json.field(value, "parents", list, what)),
        )


@dataclass(frozen=True, slots=True)
class Note:
    """Snapshots that were forgotten together. id: its name's · reason: in the words of whoever did it · who: user@host, where
    it was a person · packs_stay_until: set where they were not forgotten but are lost, which a person has accepted: until then
    no prune deletes a pack, as nobody knows which of them they need."""

    id: str
    snapshots: tuple[Forgotten, ...]
    reason: str
    host: str
    forgotten_at: datetime
    who: str = ""
    packs_stay_until: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        """As stored, inside the envelope."""
        value: dict[str, Any] = {
            "record": "forgotten",
            "id": self.id,
            "snapshots": [one.as_json() for one in self.snapshots],
            "reason": self.reason,
            "host": self.host,
            "forgotten_at": strict_json.write_moment(self.forgotten_at),
            "who": self.who,
        }
        if self.packs_stay_until is not None:
            value["packs_stay_until"] = strict_json.write_moment(self.packs_stay_until)
        return value

    @classmethod
    def from_json(cls, value: dict[str, Any], note: str) -> Note:
        """Read back what lies under the id `note`. Raises `Damaged`."""
        what = f"the note {note} of forgotten snapshots"
        if strict_json.field(value, "record", str, what) != "forgotten" or strict_json.field(value, "id", str, what) != note:
            raise Damaged(f"{what} has not the form of one")
        listed = strict_json.field(value, "snapshots", list, what)
        if not all(isinstance(one, dict) for one in listed) or len(listed) > MOST_IN_NOTE:
            raise Damaged(f"{what} is not readable, or names more than {MOST_IN_NOTE} snapshots")
        return cls(
            id=note,
            snapshots=tuple(Forgotten.from_json(one, what) for one in listed),
            reason=strict_json.field(value, "reason", str, what),
            host=strict_json.field(value, "host", str, what),
            forgotten_at=strict_json.moment(value, "forgotten_at", what),
            who=str(value.get("who", "")),  # notes of the first version have none
            packs_stay_until=strict_json.moment(value, "packs_stay_until", what) if "packs_stay_until" in value else None,
        )


@dataclass(frozen=True, slots=True)
class Moved:
    """packs: each pack whose content moved, and where all of it lies that any snapshot needs. One that is said to lie nowhere
    has not moved: an earlier version wrote that of packs of which nothing was needed."""

    id: str
    packs: dict[bytes, tuple[bytes, ...]]

    def as_json(self) -> dict[str, Any]:
        """As stored, inside the envelope."""
        packs = {old.hex(): [pack.hex() for pack in new] for old, new in sorted(self.packs.items())}
        return {"record": "moved", "id": self.id, "packs": packs}


@dataclass(frozen=True, slots=True)
class Evicted:
    """The claim of this id was taken away."""

    id: str

    def as_json(self) -> dict[str, Any]:
        """As stored, inside the envelope."""
        return {"record": "evicted", "id": self.id}


def read_mark(value: dict[str, Any]) -> frozenset[bytes]:
    """The packs (SHA-256 each) that a prune means to delete. Raises `Damaged`."""
    return frozenset(Mark.from_json(value, "").packs)


def read_moved(value: dict[str, Any], snapshot: str) -> Moved:
    """The record of moved packs under a snapshot's name. Raises `Damaged`."""
    what = f"the record {snapshot} of moved packs"
    listed = strict_json.field(value, "packs", dict, what)
    packs = {strict_json.from_hex(old, 32, what): packs_in(listed, old, what) for old in listed}
    moved_to = {pack for new in packs.values() for pack in new}
    if not moved_to.isdisjoint(packs):  # what a prune stores anew is never among what it takes that from
        raise Damaged(f"{what} names the pack {min(moved_to & packs.keys()).hex()} as moved and as where something moved to")
    return Moved(snapshot, packs)


def packs_in(value: dict[str, Any], name: str, what: str) -> tuple[bytes, ...]:
    """A list of packs (SHA-256 each). Raises `Damaged`."""
    return tuple(strict_json.from_hex(str(pack), 32, what) for pack in strict_json.field(value, name, list, what))
