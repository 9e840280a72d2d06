"""Snapshot records and claims as values; `envelope` gives them their two lines.

A record's id is its claim's. An *evicted* record stands under a snapshot's own key and says that its claim was evicted:
readers pass over it, and a writer that wakes up late finds its name taken. So does one of *moved* packs, with which a prune
has committed what it wrote.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from vault.errors import Damaged, Unstorable
from vault.format import strict_json
from vault.format.changes import Changes
from vault.format.envelope import LARGEST
from vault.format.housekeeping import Evicted, Moved, packs_in, read_moved
from vault.format.tree import Tree
from vault.problems import Problem

MOST_PROBLEMS = 200
"""Problems that a record keeps by name; it always keeps their number."""

MOST_PROBLEM_BYTES = 512 * 1024
"""Of these problems as JSON; further ones are counted only."""

LONGEST_TEXT = 8 * 1024
"""Bytes, as JSON, of one text in a problem; a longer one is cut."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What a snapshot holds and what it cost. Items and bytes are those that the source had; stored bytes are new ones."""

    items: int
    files: int
    bytes: int
    added: int
    changed: int
    unchanged: int
    vanished: int
    read_bytes: int
    stored_bytes: int
    problems: int

    @classmethod
    def from_json(cls, value: dict[str, Any], what: str) -> Counts:
        """Read back. Raises `Damaged`."""
        return cls(*(strict_json.count(value, name, what) for name in cls.__slots__))

    def as_json(self) -> dict[str, int]:
        """As a record holds it."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Record:
    """A committed snapshot of one source.

    taken_at: the moment that the snapshot is of (when its scan began) · parents: the snapshots that it supersedes ·
    manifest: the table of items · packs: the list of packs that it needs, one SHA-256 a line, but for `own_packs`: those
    that came to be while or after that list was written (the catalogue packs of this run, and what holds the list itself) ·
    zone: the time zone of the items' periods · described_by: fingerprint of the settings that the periods came from ·
    changes: what it did to the items of the one before; None where an older client wrote it.
    """

    id: str
    source: str
    kind: str
    taken_at: datetime
    finished_at: datetime
    host: str
    writer: str
    parents: tuple[str, ...]
    manifest: Tree
    packs: Tree
    own_packs: tuple[bytes, ...]
    counts: Counts
    problems: tuple[dict[str, str], ...] = ()
    zone: str = ""
    described_by: str = ""
    changes: Changes | None = None

    def as_json(self) -> dict[str, Any]:
        """As stored, inside the envelope."""
        return {
            "record": "snapshot",
            "id": self.id,
            "source": self.source,
            "kind": self.kind,
            "taken_at": strict_json.write_moment(self.taken_at),
            "finished_at": strict_json.write_moment(self.finished_at),
            "host": self.host,
            "writer": self.writer,
            "parents": list(self.parents),
            "manifest": self.manifest.as_json(),
            "packs": self.packs.as_json(),
            "own_packs": [pack.hex() for pack in self.own_packs],
            "counts": self.counts.as_json(),
            "problems": list(self.problems),
            "zone": self.zone,
            "described_by": self.described_by,
        } | ({} if self.changes is None else {"changes": self.changes.as_json()})


def told(problems: Iterable[Problem]) -> tuple[dict[str, str], ...]:
    """What a record keeps of a run's problems: the first ones, with texts that are not too long, so many as fit."""
    kept: list[dict[str, str]] = []
    room = MOST_PROBLEM_BYTES
    for problem in islice(problems, MOST_PROBLEMS):
        one = {name: _cut(text) for name, text in problem.as_json().items()}
        room -= len(strict_json.dump(one))
        if room < 0:
            break
        kept.append(one)
    return tuple(kept)


def _cut(text: str) -> str:
    """A text that is Unicode and has at most so many bytes as JSON."""
    text = text.encode("utf-8", "backslashreplace").decode()
    if len(strict_json.dump({"": text})) <= LONGEST_TEXT:
        return text
    while len(strict_json.dump({"": text})) > LONGEST_TEXT:
        text = text[: min(len(text) // 2, LONGEST_TEXT)]
    return f"{text}…"


def refuse_unreadable(one: Record) -> None:
    """Read a record as everybody will, before it is committed. Raises `Unstorable` where that does not give it again."""
    try:
        data = strict_json.dump(one.as_json())
        again = read_record(strict_json.load(data, "this snapshot's record", largest=LARGEST), one.id)
    except (ValueError, Damaged) as error:
        raise Unstorable(f"this snapshot's record could not be read again: {error}; nothing was committed") from error
    if again != one:
        raise Unstorable("this snapshot's record would say something else when it is read; nothing was committed")


def read_record(value: dict[str, Any], snapshot: str) -> Record | None:
    """The record of `snapshot`, or None where another sort of record has its name. Raises `Damaged`."""
    found = read_any(value, snapshot)
    return found if isinstance(found, Record) else None


def read_any(value: dict[str, Any], snapshot: str) -> Record | Moved | Evicted:
    """What stands under the name of `snapshot`. Raises `Damaged`."""
    what = f"the record of snapshot {snapshot}"
    sort = strict_json.field(value, "record", str, what)
    if strict_json.field(value, "id", str, what) != snapshot or sort not in ("snapshot", "moved", "evicted"):
        raise Damaged(f"{what} is not a record of it")
    if sort == "evicted":
        return Evicted(snapshot)
    if sort == "moved":
        return read_moved(value, snapshot)
    problems = strict_json.field(value, "problems", list, what)
    return Record(
        id=snapshot,
        source=strict_json.field(value, "source", str, what),
        kind=strict_json.field(value, "kind", str, what),
        taken_at=strict_json.moment(value, "taken_at", what),
        finished_at=strict_json.moment(value, "finished_at", what),
        host=strict_json.field(value, "host", str, what),
        writer=strict_json.field(value, "writer", str, what),
        parents=tuple(str(parent) for parent in strict_json.field(value, "parents", list, what)),
        manifest=Tree.from_json(strict_json.field(value, "manifest", dict, what), what),
        packs=Tree.from_json(strict_json.field(value, "packs", dict, what), what),
        own_packs=packs_in(value, "own_packs", what),
        counts=Counts.from_json(strict_json.field(value, "counts", dict, what), what),
        problems=tuple({str(k): str(v) for k, v in item.items()} for item in problems if isinstance(item, dict)),
        # records of the first version have neither
        zone=str(value.get("zone", "")),
        described_by=str(value.get("described_by", "")),
        changes=Changes.from_json(value["changes"], what) if isinstance(value.get("changes"), dict) else None,
    )


@dataclass(frozen=True, slots=True)
class Process:
    """Which process writes, so that its machine can tell later that it has ended. machine: a name of the machine that only its
    own processes know · boot: of the machine's start · namespace: in which `number` counts; of a container it is another than
    the machine's own · started: when the process did, in ticks since the boot."""

    machine: str
    boot: str
    namespace: str
    number: int
    started: int

    @classmethod
    def from_json(cls, value: dict[str, Any], what: str) -> Process:
        """Read back. Raises `Damaged`."""
        return cls(
            machine=strict_json.field(value, "machine", str, what),
            boot=strict_json.field(value, "boot", str, what),
            namespace=strict_json.field(value, "namespace", str, what),
            number=strict_json.count(value, "number", what),
            started=strict_json.count(value, "started", what),
        )

    def as_json(self) -> dict[str, Any]:
        """As a claim holds it."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Claim:
    """A snapshot that is being written, and how far it is. nonce: tells this writer's own claim from another's · process: of
    the writer, where that can be told · committing: the record is about to be sent, or was, to a store that cannot create
    once: from then on it may arrive at any time, whatever becomes of the writer."""

    id: str
    source: str
    host: str
    writer: str
    started_at: datetime
    updated_at: datetime
    nonce: str
    items: int = 0
    bytes: int = 0
    process: Process | None = None
    committing: bool = False

    def as_json(self) -> dict[str, Any]:
        """As stored, inside the envelope."""
        return {
            "record": "claim",
            "id": self.id,
            "source": self.source,
            "host": self.host,
            "writer": self.writer,
            "started_at": strict_json.write_moment(self.started_at),
            "updated_at": strict_json.write_moment(self.updated_at),
            "nonce": self.nonce,
            "items": self.items,
            "bytes": self.bytes,
            "process": None if self.process is None else self.process.as_json(),
            "committing": self.committing,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Claim:
        """Read back. Raises `Damaged`."""
        what = "a claim"
        if strict_json.field(value, "record", str, what) != "claim":
            raise Damaged(f"{what} has not the form of one")
        return cls(
            id=strict_json.field(value, "id", str, what),
            source=strict_json.field(value, "source", str, what),
            host=strict_json.field(value, "host", str, what),
            writer=strict_json.field(value, "writer", str, what),
            started_at=strict_json.moment(value, "started_at", what),
            updated_at=strict_json.moment(value, "updated_at", what),
            nonce=strict_json.field(value, "nonce", str, what),
            items=strict_json.count(value, "items", what),
            bytes=strict_json.count(value, "bytes", what),
            # claims of the first version have neither
            process=Process.from_json(value["process"], what) if isinstance(value.get("process"), dict) else None,
            committing=value.get("committing") is True,
        )
