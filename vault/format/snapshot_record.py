"""The record of a snapshot, and whatever else may be stored under a snapshot's name.

A record has the id of its claim. An eviction may be stored there instead, so that a writer whose claim was taken away finds the
name in use; so may a record of moved packs, with which a prune commits what it has stored.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import islice
from typing import Any, TypeAlias

from msgspec import Struct

from vault.coverage import Coverage
from vault.errors import Damaged, Unstorable
from vault.format import coverage as coverages
from vault.format import strict_json
from vault.format.changes import Changes
from vault.format.claim import Eviction
from vault.format.envelope import LARGEST
from vault.format.log_head import LogHead
from vault.format.moved_packs import MovedPacks
from vault.format.tree import Tree
from vault.problems import Problem

MAX_PROBLEMS = 200
"""Problems that a record describes; further ones are only counted."""

MAX_PROBLEM_BYTES = 512 * 1024
"""Of these problems as JSON; further ones are only counted."""

MAX_TEXT_BYTES = 8 * 1024
"""Of one text in a problem, as JSON; a longer one is cut."""


class Counts(Struct, frozen=True):
    """What a snapshot holds and what it cost. `items`, `files` and `bytes` are those of the source; `stored_bytes` those of new
    packs."""

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
        return cls(*(strict_json.count(value, name, what) for name in cls.__struct_fields__))

    def as_json(self) -> dict[str, int]:
        """As a record holds it."""
        return {name: getattr(self, name) for name in self.__struct_fields__}


class Record(Struct, frozen=True):
    """A committed snapshot of one source.

    - `taken_at`: when the scan began; the snapshot is of that moment
    - `parents`: the ids of the snapshots that it supersedes
    - `manifest`: the table of items
    - `packs`: the list of packs that it needs, one SHA-256 a line, without `own_packs`
    - `own_packs`: the packs that were written with or after that list: this run's catalogue packs, the list's own among them
    - `zone`: the IANA time zone of the items' periods
    - `described_by`: fingerprint of the settings that the periods came from
    - `changes`: what it changed of the snapshot before; None where an older client wrote the record
    - `coverage`: what the source says that the snapshot has, and has not; None where an older client wrote the record
    - `log`: the newest entry of the log of whoever wrote the record, before this run; None where there was none
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
    coverage: Coverage | None = None
    log: LogHead | None = None

    def as_json(self) -> dict[str, Any]:
        """As stored, inside the envelope."""
        optional: dict[str, Any] = {
            name: one.as_json() for name, one in (("changes", self.changes), ("log", self.log)) if one is not None
        }
        if self.coverage is not None:
            optional["coverage"] = coverages.as_json(self.coverage)
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
        } | optional

    @classmethod
    def from_json(cls, value: dict[str, Any], snapshot: str) -> Record:
        """Read back the record of `snapshot`. Raises `Damaged`."""
        what = f"the record of snapshot {snapshot}"
        problems = strict_json.field(value, "problems", list, what)
        return cls(
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
            own_packs=strict_json.sha256_list(value, "own_packs", what),
            counts=Counts.from_json(strict_json.field(value, "counts", dict, what), what),
            problems=tuple({str(k): str(v) for k, v in item.items()} for item in problems if isinstance(item, dict)),
            # absent in records of the first version
            zone=str(value.get("zone", "")),
            described_by=str(value.get("described_by", "")),
            changes=Changes.from_json(value["changes"], what) if isinstance(value.get("changes"), dict) else None,
            coverage=coverages.from_json(value["coverage"], what) if isinstance(value.get("coverage"), dict) else None,
            log=LogHead.from_json(value["log"], what) if isinstance(value.get("log"), dict) else None,
        )


def recorded_problems(problems: Iterable[Problem]) -> tuple[dict[str, str], ...]:
    """What a record keeps of a run's problems: the first ones, with long texts cut, as many as its bounds allow."""
    recorded: list[dict[str, str]] = []
    left = MAX_PROBLEM_BYTES
    for problem in islice(problems, MAX_PROBLEMS):
        texts = {name: _cut(text) for name, text in problem.as_json().items()}
        left -= len(strict_json.dump(texts))
        if left < 0:
            break
        recorded.append(texts)
    return tuple(recorded)


def _cut(text: str) -> str:
    """The text as Unicode, cut to `MAX_TEXT_BYTES` as JSON."""
    text = text.encode("utf-8", "backslashreplace").decode()
    if len(strict_json.dump({"": text})) <= MAX_TEXT_BYTES:
        return text
    while len(strict_json.dump({"": text})) > MAX_TEXT_BYTES:
        text = text[: min(len(text) // 2, MAX_TEXT_BYTES)]
    return f"{text}…"


def verify_readable(record: Record) -> None:
    """Decode a record as every reader will, before it is committed. Raises `Unstorable` where that does not give it back."""
    try:
        data = strict_json.dump(record.as_json())
        decoded = decode_record(strict_json.load(data, "this snapshot's record", largest=LARGEST), record.id)
    except (ValueError, Damaged) as error:
        raise Unstorable(f"this snapshot's record could not be read again: {error}; nothing was committed") from error
    if decoded != record:
        raise Unstorable("this snapshot's record would say something else when it is read; nothing was committed")


def decode_record(value: dict[str, Any], snapshot: str) -> Record | None:
    """The record of `snapshot`, or None where another kind of record is stored under its name. Raises `Damaged`."""
    stored = decode_stored(value, snapshot)
    return stored if isinstance(stored, Record) else None


StoredRecord: TypeAlias = Record | MovedPacks | Eviction
"""Whatever may lie under a snapshot's name."""


def decode_stored(value: dict[str, Any], snapshot: str) -> StoredRecord:
    """Whatever is stored under the name of `snapshot`. Raises `Damaged`."""
    what = f"the record of snapshot {snapshot}"
    kind = strict_json.field(value, "record", str, what)
    if strict_json.field(value, "id", str, what) != snapshot or kind not in ("snapshot", "moved", "evicted"):
        raise Damaged(f"{what} is not a record of it")
    if kind == "evicted":
        return Eviction(snapshot)
    if kind == "moved":
        return MovedPacks.from_json(value, snapshot)
    return Record.from_json(value, snapshot)
