"""Random edits of records over versions and snapshots, beside a plain model that reads everything."""

from __future__ import annotations

import json
import random
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any

import pytest
from msgspec import Struct

from restore.history.ledger import Ledger
from restore.history.records.chunk_lines import ChunkLines
from restore.history.records.item_records import LineItem, RecordVersion
from restore.history.records.record_id import RecordId
from restore.history.records.table_rows import FoundRecord
from restore.history.records.timeline import entity_of, histories
from restore.history.timeline import SnapshotWindow
from vault.coverage import Coverage
from vault.errors import StrongroomError

WANTED = RecordId("17")
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


def cut(content: bytes, randomness: random.Random) -> list[bytes]:
    """Pieces that end where a hash of the last bytes says so: equal content is mostly cut alike."""
    mask = randomness.choice([3, 15, 63])
    pieces, start = [], 0
    for end in range(1, len(content) + 1):
        if not (blake2b(content[max(0, end - 4) : end], digest_size=1).digest()[0] & mask):
            pieces.append(content[start:end])
            start = end
    return [*pieces, *([content[start:]] if start < len(content) else [])]


class Store:
    """Contents by names that they give themselves."""

    def __init__(self) -> None:
        self.contents: dict[bytes, bytes] = {}
        self.read: list[bytes] = []

    def put(self, piece: bytes) -> bytes:
        name = blake2b(piece, digest_size=16).digest()
        self.contents[name] = piece
        return name

    def fetch(self, chunks: Collection[bytes]) -> Iterator[tuple[bytes, bytes | StrongroomError]]:
        for chunk in sorted(chunks):
            self.read.append(chunk)
            yield chunk, self.contents[chunk]


def record(number: int, randomness: random.Random) -> dict[str, Any]:
    """One that may have the wanted id somewhere, or as its own."""
    return {"id": number, "text": "x" * randomness.randrange(30) + str(randomness.randrange(40))}


def edited(state: dict[int, dict[str, Any]], randomness: random.Random) -> dict[int, dict[str, Any]]:
    now = dict(state)
    for _ in range(randomness.randrange(4)):
        number = randomness.choice([17, randomness.randrange(40)])
        if number in now and randomness.random() < 0.4:
            del now[number]
        else:
            now[number] = record(number, randomness)
    return now


@pytest.mark.parametrize("seed", range(60))
def test_what_is_found_chunk_by_chunk_is_what_a_reading_of_all_lines_finds(seed: int) -> None:
    randomness = random.Random(seed)
    cutting, end = random.Random(seed), randomness.choice([b"\n", b"\r\n"])
    store = Store()
    item = LineItem(WANTED, "", ChunkLines(WANTED.needles(), store.fetch))
    state = {number: record(number, randomness) for number in randomness.sample(range(40), 20)}
    for _ in range(30):
        content = end.join(json.dumps(state[number]).encode() for number in sorted(state))
        content += end if randomness.random() < 0.8 else b""
        chunks = [store.put(piece) for piece in cut(content, random.Random(cutting.random()))]
        found = item.record(chunks)
        assert (None if found is None else found.value) == state.get(17)
        state = edited(state, randomness)


def test_a_version_that_has_the_line_as_it_was_is_not_read() -> None:
    store = Store()
    lines = [json.dumps({"id": number}).encode() + b"\n" for number in range(100)]
    item = LineItem(WANTED, "", ChunkLines(WANTED.needles(), store.fetch))
    assert item.record([store.put(line) for line in lines]) is not None
    before = len(store.read)
    for number in range(50, 100):
        lines[number] = json.dumps({"id": number, "edited": True}).encode() + b"\n"
        assert item.record([store.put(line) for line in lines]) is not None
    assert len(store.read) == before == 100


def test_no_chunk_is_read_twice_while_versions_follow_each_other() -> None:
    store = Store()
    lines = [json.dumps({"id": number}).encode() + b"\n" for number in range(100) if number != 17]
    item = LineItem(WANTED, "", ChunkLines(WANTED.needles(), store.fetch))
    for number in range(50):
        assert item.record([store.put(line) for line in lines]) is None
        lines[number] = json.dumps({"id": 1000 + number}).encode() + b"\n"
    assert len(store.read) == len(set(store.read)) == 99 + 49


class Snapshot(Struct, frozen=True):
    """As much of a record of a snapshot as a timeline looks at."""

    id: str
    taken_at: datetime
    coverage: Coverage | None = None
    parents: tuple[str, ...] = ()


ITEMS = (b"tickets/2024-05.jsonl", b"tickets/2024-06.jsonl")
State = tuple[int | None, ...]
"""For each item the value of the record, None where it has none."""


def walked(states: list[State]) -> list[tuple[str, int, bytes | None]]:
    """What happened, snapshot by snapshot, and in which item the record is then."""
    happened: list[tuple[str, int, bytes | None]] = []
    before: tuple[bytes, int] | None = None
    for number, state in enumerate(states):
        has = {path: value for path, value in zip(ITEMS, state, strict=True) if value is not None}
        path = before[0] if before is not None and before[0] in has else min(has, default=None)
        now = None if path is None else (path, has[path])
        if now is not None and before is None:
            happened.append(("came back" if happened else "created", number, path))
        elif now is None and before is not None:
            happened.append(("deleted", number, before[0]))
        elif now is not None and before is not None and now != before:
            happened.append(("moved" if now[0] != before[0] else "changed", number, path))
        before = now
    return happened


def versions(states: list[State], randomness: random.Random) -> Iterator[RecordVersion]:
    """Of each item; a version that other records make is one of its own."""
    for place, path in enumerate(ITEMS):
        first = 0
        for number in range(len(states)):
            ends = number + 1 == len(states) or states[number + 1][place] != states[number][place]
            if ends or randomness.random() < 0.3:
                value = states[number][place]
                found = None if value is None else FoundRecord("id", {"id": 17, "value": value})
                yield RecordVersion(path, first, number, found, is_there=value is not None or randomness.random() < 0.5)
                first = number + 1


@pytest.mark.parametrize("seed", range(200))
def test_what_happened_is_what_a_walk_through_the_snapshots_says(seed: int) -> None:
    randomness = random.Random(seed)
    states: list[State] = [(None, None)]
    for _ in range(randomness.randrange(1, 25)):
        state = list(states[-1])
        for place in range(len(ITEMS)):
            if randomness.random() < 0.3:
                state[place] = randomness.choice([None, 1, 2, 3])
        states.append(tuple(state))
    if not any(value is not None for state in states for value in state):
        states.append((1, None))
    records = [Snapshot(f"s{number}", NOON + number * timedelta(hours=1)) for number in range(len(states))]
    ledger = Ledger(records)  # type: ignore[arg-type]  # as much of one as is looked at
    own = list(versions(states, randomness))
    (found,) = histories("desk", ledger, own, SnapshotWindow(0, len(states) - 1))
    events = [(event.what, int(event.snapshot[1:]), event.path) for event in found.events]
    assert events == walked(states)
    ends = [int(event.until[1:]) for event in found.events]
    assert [one + 1 for one in ends] == [number for _, number, _ in events[1:]] + [len(states)]
    assert found.is_there == (events[-1][0] != "deleted")


def told(coverages: list[Coverage | None], own: list[RecordVersion]) -> list[tuple[str, int, int | None]]:
    """What happened, at which snapshot, and after which one."""
    records = [Snapshot(f"s{number}", NOON + number * timedelta(hours=1), one) for number, one in enumerate(coverages)]
    ledger = Ledger(records)  # type: ignore[arg-type]  # as much of one as is looked at
    (found,) = histories("desk", ledger, own, SnapshotWindow(0, len(records) - 1))
    numbers = {one.taken_at: number for number, one in enumerate(records)}
    return [(event.what, numbers[event.at], None if event.after is None else numbers[event.after]) for event in found.events]


def test_a_deletion_may_have_happened_since_the_last_snapshot_that_saw_everything() -> None:
    full, news = Coverage("rest", ()), Coverage("rest", (), deletions=False)
    value = FoundRecord("id", {"id": 17})
    own = [RecordVersion(ITEMS[0], 0, 4, value), RecordVersion(ITEMS[0], 5, 6, None)]
    assert told([full, full, news, news, news, full, full], own) == [("created", 0, None), ("deleted", 5, 1)]
    assert told([None] * 7, own) == [("created", 0, None), ("deleted", 5, 4)]
    edited = FoundRecord("id", {"id": 17, "status": "closed"})
    own = [RecordVersion(ITEMS[0], 0, 2, value), RecordVersion(ITEMS[0], 3, 4, edited), RecordVersion(ITEMS[0], 5, 6, None)]
    seen = [("created", 0, None), ("changed", 3, 2), ("deleted", 5, 3)]
    assert told([full, full, news, news, news, full, full], own) == seen, "it was there when it was seen to change"


def test_of_a_version_that_cannot_be_read_nothing_is_claimed() -> None:
    first, second = FoundRecord("id", {"id": 17, "a": 1}), FoundRecord("id", {"id": 17, "a": 2})
    own = [
        RecordVersion(ITEMS[0], 0, 1, first),
        RecordVersion(ITEMS[0], 2, 3, None, known=False),
        RecordVersion(ITEMS[0], 4, 4, first),
        RecordVersion(ITEMS[0], 5, 5, None, known=False),
        RecordVersion(ITEMS[0], 6, 6, second),
    ]
    assert told([None] * 7, own) == [("created", 0, None), ("changed", 6, 4)]


@pytest.mark.parametrize(
    ("path", "entity"),
    [
        (b"tickets/2024-05.jsonl", "tickets"),
        (b"tickets/tickets/2024-05.jsonl", "tickets/tickets"),
        (b"tickets/tickets.jsonl", "tickets/tickets"),
        (b"raw/calls/2024/05/17.parquet", "raw/calls"),
        (b"raw/calls-2024-05-17.csv", "raw/calls"),
        (b"raw/calls/2024-05-17T13.parquet", "raw/calls"),
        (b"raw/calls/2024-Q2.parquet", "raw/calls"),
        (b"raw/calls/2024-W20.parquet", "raw/calls"),
        (b"raw/people.parquet", "raw/people"),
        (b"raw/people", "raw/people"),
    ],
)
def test_the_partitions_of_an_entity_are_one_place(path: bytes, entity: str) -> None:
    assert entity_of(path) == entity


def test_a_record_that_was_changed_is_looked_for_where_it_was() -> None:
    store = Store()
    lines = [json.dumps({"id": number}).encode() + b"\n" for number in range(100)]
    item = LineItem(WANTED, "", ChunkLines(WANTED.needles(), store.fetch))
    item.record([store.put(line) for line in lines])
    for version in range(20):
        lines[60:] = [line.replace(b"}", b" }") for line in lines[60:]]
        lines[17] = json.dumps({"id": 17, "version": version}).encode() + b"\n"
        before = len(store.read)
        found = item.record([store.put(line) for line in lines])
        assert found is not None and found.value["version"] == version
        assert len(store.read) - before == 1
