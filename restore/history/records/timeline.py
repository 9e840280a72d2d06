"""What happened to a record, and between which snapshots: created, changed field by field, moved to another item, gone, back.

The items of one entity (`tickets/2024-05.jsonl`, `tickets/2024-06.jsonl`) are one place: a record whose date of creation was
corrected moves from one to the other, and was not deleted. A record that is gone was deleted, or archived out of what the
source lists; which of the two, only the source knows.

A snapshot that a source made of news alone believes in no deletions. So the last moment at which a record was surely there is
that of the last snapshot before that saw everything, or saw it change.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from restore.history.events import BACK, CHANGED, CREATED, DELETED, FIRST_ASKED, FIRST_KEPT
from restore.history.ledger import Ledger
from restore.history.records.fields import FieldChange, compare, plain
from restore.history.records.item_records import RecordVersion
from restore.history.records.table_rows import FoundRecord
from restore.history.timeline import SnapshotWindow
from restore.tables.model import Value
from vault.problems import printable

MOVED = "moved"

_PERIOD = re.compile(r"[-_. ]?(?:\d{1,4})(?:[-_.]?(?:\d{1,2}|W\d{2}|Q\d))*(?:T\d{2,6})?\Z", re.IGNORECASE)


class RecordEvent(Struct, frozen=True):
    """One thing that happened.

    at: the moment of the snapshot that saw it · after: that of the last snapshot that surely had it otherwise; None for the
    first one that is known · snapshot, until: ids of the first snapshot that shows it so, and the last · snapshots: how many
    do · path: of the item that has the record, or had it · moved_from: the item that had it before · item_is_gone: of a record
    that is gone: so is its item · changes: field by field · value: the whole record; None where it is gone
    """

    what: str
    at: datetime
    after: datetime | None
    snapshot: str
    path: bytes
    until: str
    snapshots: int
    moved_from: bytes | None = None
    item_is_gone: bool = False
    changes: tuple[FieldChange, ...] = ()
    value: Mapping[str, Value] | None = None

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "what": self.what,
            "at": self.at.isoformat(),
            "after": None if self.after is None else self.after.isoformat(),
            "snapshot": self.snapshot,
            "until_snapshot": self.until,
            "snapshots": self.snapshots,
            "path": printable(self.path),
            "moved_from": None if self.moved_from is None else printable(self.moved_from),
            "item_is_gone": self.item_is_gone,
            "field_changes": [one.as_json() for one in self.changes],
            "record_fields": None if self.value is None else plain(dict(self.value)),
        }


class RecordHistory(Struct, frozen=True):
    """All that happened to a record of an entity. key: the field that has its id · is_there: whether the source has it."""

    entity: str
    source: str
    key: str
    is_there: bool
    events: tuple[RecordEvent, ...]

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "entity": self.entity,
            "source": self.source,
            "key": self.key,
            "deleted": not self.is_there,
            "events": [event.as_json() for event in self.events],
        }


def entity_of(path: bytes) -> str:
    """What an item is a part of: `tickets/2024-05.jsonl` of `tickets`, `raw/calls/2024/05.parquet` of `raw/calls`."""
    folder, _, leaf = printable(path).rpartition("/")
    stem = leaf.rpartition(".")[0] or leaf
    parts = [_PERIOD.sub("", part) for part in [*folder.split("/"), stem]]
    return "/".join(part for part in parts if part)


def histories(source: str, ledger: Ledger, versions: Sequence[RecordVersion], over: SnapshotWindow) -> Iterator[RecordHistory]:
    """What happened to the record in each entity of a source. versions: as `item_records` gives them."""
    by_entity: dict[str, list[RecordVersion]] = {}
    for one in versions:
        by_entity.setdefault(entity_of(one.path), []).append(one)
    for entity, own in sorted(by_entity.items()):
        events = tuple(_Sweep(ledger, own, over).events())
        key = next(one.found.key for one in own if one.found is not None)
        yield RecordHistory(entity, source, key, events[-1].value is not None, events)


class _Sweep:
    """The versions of the items of an entity, snapshot by snapshot where anything changes."""

    def __init__(self, ledger: Ledger, versions: Sequence[RecordVersion], over: SnapshotWindow) -> None:
        self._ledger = ledger
        self._over = over
        self._by_path: dict[bytes, list[RecordVersion]] = {}
        for one in versions:
            self._by_path.setdefault(one.path, []).append(one)
        ends = {one.first for one in versions} | {one.last + 1 for one in versions}
        self._moments = sorted(number for number in ends if over.first <= number <= over.last)

    def events(self) -> Iterator[RecordEvent]:
        """What happened, the first first."""
        before: tuple[bytes, FoundRecord] | None = None
        happened: list[tuple[int, RecordEvent]] = []
        for number in self._moments:
            now = self._state(number, None if before is None else before[0])
            if now is None and before is not None and self._is_unknown(number, before[0]):
                continue  # nobody can tell: the next version that can be read says more
            event = self._event(number, before, now, seen=happened[-1][0] if happened else None)
            if event is not None:
                happened.append((number, event))
            before = now
        ends = [number - 1 for number, _ in happened[1:]] + [self._over.last]
        for (first, event), last in zip(happened, ends, strict=True):
            yield replace(event, until=self._ledger.records[last].id, snapshots=last - first + 1)

    def _state(self, number: int, path: bytes | None) -> tuple[bytes, FoundRecord] | None:
        """The item that has the record at a snapshot, and the record: the one that had it before, if it still has."""
        has: dict[bytes, FoundRecord] = {}
        for one_path, versions in self._by_path.items():
            found = next((one.found for one in versions if one.first <= number <= one.last), None)
            if found is not None:
                has[one_path] = found
        if not has:
            return None
        chosen = path if path is not None and path in has else min(has)
        return chosen, has[chosen]

    def _is_unknown(self, number: int, path: bytes) -> bool:
        return any(not one.known for one in self._by_path[path] if one.first <= number <= one.last)

    def _event(
        self,
        number: int,
        before: tuple[bytes, FoundRecord] | None,
        now: tuple[bytes, FoundRecord] | None,
        *,
        seen: int | None,
    ) -> RecordEvent | None:
        """seen: the number of the snapshot that saw the last thing that happened."""
        if now is None:
            if before is None:
                return None
            gone = not any(one.is_there for one in self._by_path[before[0]] if one.first <= number <= one.last)
            event = self._made(DELETED, number, before[0], None, self._surely_before(number, seen))
            return replace(event, item_is_gone=gone)
        if before is None:
            what = BACK if seen is not None else self._first(number)
            return self._made(what, number, now[0], now[1], self._before(number) if what in (CREATED, BACK) else None)
        changes = compare(before[1].value, now[1].value)
        is_moved = before[0] != now[0]
        if not changes and not is_moved:
            return None
        event = self._made(MOVED if is_moved else CHANGED, number, now[0], now[1], self._before(number))
        return replace(event, changes=changes, moved_from=before[0] if is_moved else None)

    def _first(self, number: int) -> str:
        if self._over.first and number == self._over.first:
            return FIRST_ASKED
        if self._ledger.older_forgotten(number, self._ledger.records[number].taken_at):
            return FIRST_KEPT
        return CREATED

    def _before(self, number: int) -> datetime | None:
        """When the last snapshot before one was taken of which everything is known."""
        unread = [one for versions in self._by_path.values() for one in versions if not one.known]
        before = number - 1
        while any(one.first <= before <= one.last for one in unread):
            before = min(one.first for one in unread if one.first <= before <= one.last) - 1
        return self._ledger.records[before].taken_at if before >= 0 else None

    def _surely_before(self, number: int, seen: int | None) -> datetime | None:
        """When the last snapshot was taken that saw everything, or saw the record change, before one: from then on a deletion
        may have gone unseen."""
        known = self._before(number)
        for place in range(number - 1, -1, -1):
            record = self._ledger.records[place]
            is_sure = place == seen or record.coverage is None or record.coverage.deletions
            if known is not None and record.taken_at <= known and is_sure:
                return record.taken_at
        return None

    def _made(self, what: str, number: int, path: bytes, found: FoundRecord | None, after: datetime | None) -> RecordEvent:
        record = self._ledger.records[number]
        value = None if found is None else found.value
        return RecordEvent(what, record.taken_at, after, record.id, path, record.id, 1, value=value)
