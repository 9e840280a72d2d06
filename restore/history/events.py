"""What happened to an item, and when: created, changed, attributes changed, deleted, came back.

An item is *created* where the snapshot before did not have it. Where older snapshots were forgotten, or are not asked for,
nobody can tell: it is first seen in what is kept, or in the time that was asked for.

A version is an event of the snapshot that saw it first. Where that snapshot was forgotten, the version itself still says when
it was seen first; the event then names no snapshot.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypedDict, cast

from msgspec import Struct

from restore.history.ledger import Ledger
from restore.history.timeline import Question, SnapshotWindow, timeline, window
from restore.history.update import History
from restore.history.versions import ATTRIBUTES, CONTENT
from vault.problems import printable

if TYPE_CHECKING:
    import pyarrow as pa

FIRST_KEPT, FIRST_ASKED = "first seen in what is kept", "first seen in the time asked for"
CREATED, CHANGED, TOUCHED, DELETED, BACK = "created", "changed", "attributes changed", "deleted", "came back"

_NAMES = {"blake3": "content", "mtime_nanos": "mtime", "uid": "owner", "gid": "group", "extended": "extended attributes"}


class VersionRow(TypedDict):
    """A row of `restore.history.timeline.timeline`, as far as it is read here; `_changes` looks at the columns of
    `restore.history.versions` too. vanished_at: of one that is not present."""

    path: bytes
    type: str
    size: int
    mtime: int
    consistency: str | None
    seen_at: datetime
    last_seen_at: datetime
    vanished_at: datetime
    first: int
    last: int
    present: bool
    content: bool
    attributes: bool


class Event(Struct, frozen=True):
    """One thing that happened. when: the moment of the snapshot that saw it · snapshot: its id, None where it was forgotten ·
    size, mtime: of the version, in bytes and seconds · changes: which columns · last_seen_at: of a deleted item ·
    until: the last snapshot that shows the item so · snapshots: how many do · consistency: what the manifest says of content
    that is not that of a file at rest (`prefix`, `inconsistent`)."""

    what: str
    when: datetime
    snapshot: str | None
    size: int
    mtime: int
    changes: tuple[str, ...] = ()
    last_seen_at: datetime | None = None
    until: str | None = None
    snapshots: int = 0
    consistency: str | None = None

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "what": self.what,
            "at": self.when.isoformat(),
            "when": self.when.isoformat(),
            "snapshot": self.snapshot,
            "size": self.size,
            "mtime": self.mtime,
            "changes": list(self.changes),
            "last_seen_at": None if self.last_seen_at is None else self.last_seen_at.isoformat(),
            "until_snapshot": self.until,
            "snapshots": self.snapshots,
            "consistency": self.consistency,
        }


class ItemHistory(Struct, frozen=True):
    """All that happened to an item of a source."""

    path: bytes
    source: str
    type: str
    events: tuple[Event, ...]

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "path": printable(self.path),
            "source": self.source,
            "type": self.type,
            "events": [event.as_json() for event in self.events],
        }


class Histories(Struct, frozen=True):
    """items: as many as were asked for, by path · total: as many as there are."""

    items: tuple[ItemHistory, ...]
    total: int


def history(found: History, question: Question, *, most: int) -> Histories:
    """What happened to the items that are meant. most: items that are told of."""
    import pyarrow.compute as pc

    items: list[ItemHistory] = []
    total = 0
    for source, ledger in found.ledgers.items():
        if question.source not in (None, source):
            continue
        over = window(ledger, question)
        rows = timeline(ledger, question.mask, over)
        begins = pc.indices_nonzero(rows["begins"]).to_pylist()
        total += len(begins)
        near = rows if len(begins) <= most else rows.slice(0, begins[most])
        items += _items(source, ledger, near, over)
    items.sort(key=lambda item: (item.path, item.source))
    return Histories(tuple(items[:most]), total)


def _items(source: str, ledger: Ledger, rows: pa.Table, over: SnapshotWindow) -> Iterator[ItemHistory]:
    for path, versions in groupby(cast("list[VersionRow]", rows.to_pylist()), key=lambda row: row["path"]):
        own = list(versions)
        yield ItemHistory(path, source, own[-1]["type"], tuple(_events(own, ledger, over)))


def _events(rows: list[VersionRow], ledger: Ledger, over: SnapshotWindow) -> Iterator[Event]:
    before: VersionRow | None = None
    for row in rows:
        if before is not None and row["first"] > before["last"] + 1 and before["present"]:
            yield _lost(before, ledger)
            before = {**before, "present": False}
        if row["present"]:
            yield from _version(row, before, ledger, over)
        else:
            if before is None or not before["present"] or row["content"]:
                yield from _unseen(row, before, ledger, over)
            yield _deleted(row, ledger)
        before = row
    if before is not None and before["present"] and before["last"] < over.last:
        yield _lost(before, ledger)


def _version(row: VersionRow, before: VersionRow | None, ledger: Ledger, over: SnapshotWindow) -> Iterator[Event]:
    what = _what(row, before) if before is not None else _first(row, ledger, over)
    if what is None:
        return  # the same, though this program has come to know better what it is about
    record = ledger.records[row["first"]]
    forgotten = before is None and row["seen_at"] < record.taken_at and what != FIRST_ASKED
    yield Event(
        what,
        row["seen_at"] if forgotten else record.taken_at,
        None if forgotten else record.id,
        row["size"],
        row["mtime"],
        _changes(row, before),
        until=ledger.records[row["last"]].id,
        snapshots=row["last"] - row["first"] + 1,
        consistency=row["consistency"],
    )


def _first(row: VersionRow, ledger: Ledger, over: SnapshotWindow) -> str:
    """What the first version that is known of an item tells."""
    if over.first and row["first"] == over.first:
        return FIRST_ASKED
    return FIRST_KEPT if ledger.older_forgotten(row["first"], row["seen_at"]) else CREATED


def _unseen(row: VersionRow, before: VersionRow | None, ledger: Ledger, over: SnapshotWindow) -> Iterator[Event]:
    """A version that only forgotten snapshots showed; that of a deleted item tells of it."""
    what = _what(row, before) if before is not None else _first(row, ledger, over)
    if what not in (None, FIRST_ASKED):
        yield Event(what, row["seen_at"], None, row["size"], row["mtime"], _changes(row, before))


def _deleted(row: VersionRow, ledger: Ledger) -> Event:
    record = ledger.records[row["first"]]
    forgotten = row["vanished_at"] < record.taken_at
    return Event(
        DELETED,
        row["vanished_at"],
        None if forgotten else record.id,
        row["size"],
        row["mtime"],
        last_seen_at=row["last_seen_at"],
        until=ledger.records[row["last"]].id,
        snapshots=row["last"] - row["first"] + 1,
    )


def _lost(before: VersionRow, ledger: Ledger) -> Event:
    """It is in no manifest after these: after two runs at once, each knows only what it saw."""
    record = ledger.records[before["last"] + 1]
    seen = ledger.records[before["last"]].taken_at
    return Event(DELETED, record.taken_at, record.id, before["size"], before["mtime"], last_seen_at=seen)


def _what(row: VersionRow, before: VersionRow) -> str | None:
    if not before["present"]:
        return BACK
    if row["content"]:
        return CHANGED
    return TOUCHED if row["attributes"] else None


def _changes(row: VersionRow, before: VersionRow | None) -> tuple[str, ...]:
    if before is None:
        return ()
    one, two = cast("dict[str, Any]", before), cast("dict[str, Any]", row)
    changed = [_NAMES.get(name, name) for name in (*CONTENT, *ATTRIBUTES) if one[name] != two[name]]
    return tuple(dict.fromkeys(changed))
