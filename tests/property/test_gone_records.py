"""Random edits of records over versions of several items, beside a plain model that reads everything: what is gone, as it was
last, and since when."""

from __future__ import annotations

import json
import random
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path

import pytest
from msgspec import Struct

from restore.history.records.gone_records import GoneRecordsReader, ItemVersion, _keyed
from vault.coverage import Coverage
from vault.errors import StrongroomError

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
ITEMS = (b"tickets/2024-05.jsonl", b"tickets/2024-06.jsonl")
State = dict[int, tuple[int, str]]
"""Of each record the item that has it, and its text."""


class Snapshot(Struct, frozen=True):
    """As much of a record of a snapshot as is looked at."""

    taken_at: datetime
    coverage: Coverage | None = None


class Ledger(Struct):
    records: list[Snapshot]


class Reader(GoneRecordsReader):
    """Over contents in memory. states: one a snapshot."""

    def __init__(self, states: Sequence[State], randomness: random.Random, coverages: Sequence[Coverage | None] = ()) -> None:
        every = coverages or [None] * len(states)
        self._ledgers = {"desk": Ledger([Snapshot(NOON + n * timedelta(hours=1), one) for n, one in enumerate(every)])}  # type: ignore[dict-item]
        self._keys = lambda _source, _path: ""
        self._stop = lambda: None
        self._contents: dict[bytes, bytes] = {}
        self._of_version: dict[tuple[bytes, int], list[bytes]] = {}
        self._versions = {"desk": {path: self._made(place, states, randomness) for place, path in enumerate(ITEMS)}}

    def _made(self, place: int, states: Sequence[State], randomness: random.Random) -> list[ItemVersion]:
        found: list[ItemVersion] = []
        mask = randomness.choice([3, 15, 63])
        for number, state in enumerate(states):
            lines = [json.dumps({"id": key, "text": text}) for key, (item, text) in sorted(state.items()) if item == place]
            content = "\n".join([*lines, ""]).encode() if lines else b""
            digest = blake2b(content).digest()
            if found and found[-1].digest == digest:
                found[-1] = ItemVersion(ITEMS[place], found[-1].first, number, digest, bool(lines))
                continue
            found.append(ItemVersion(ITEMS[place], number, number, digest, bool(lines)))
            self._of_version[ITEMS[place], number] = [self._put(piece) for piece in _cut(content, mask)]
        return found

    def _put(self, piece: bytes) -> bytes:
        name = blake2b(piece, digest_size=16).digest()
        self._contents[name] = piece
        return name

    def _chunks(self, source: str, versions: Sequence[ItemVersion]) -> list[Sequence[bytes]]:
        return [self._of_version[one.path, one.first] if one.is_there else [] for one in versions]

    def _fetch(self, chunks: Collection[bytes]) -> Iterator[tuple[bytes, bytes | StrongroomError]]:
        yield from ((one, self._contents[one]) for one in sorted(chunks))

    def gone(self, place: int, folder: Path) -> dict[int, tuple[str, int, int]]:
        """Of each record its text, and the numbers of the snapshots that saw it last and missed it."""
        found = self.read("desk", ITEMS[place], folder)
        if found is None:
            return {}
        lines = [json.loads(line) for line in found.file.read_text().splitlines()]
        hours = [
            [round((one / 1e6 - NOON.timestamp()) / 3600) for one in moments] for moments in (found.seen_at, found.deleted_at)
        ]
        return {line["id"]: (line["text"], *two) for line, *two in zip(lines, *hours, strict=True)}


def _cut(content: bytes, mask: int) -> list[bytes]:
    pieces, start = [], 0
    for end in range(1, len(content) + 1):
        if not (blake2b(content[max(0, end - 4) : end], digest_size=1).digest()[0] & mask):
            pieces.append(content[start:end])
            start = end
    return [*pieces, *([content[start:]] if start < len(content) else [])]


def edited(state: State, randomness: random.Random) -> State:
    now = dict(state)
    for _ in range(randomness.randrange(4)):
        number = randomness.randrange(30)
        chance = randomness.random()
        if number in now and chance < 0.4:
            del now[number]
        elif number in now and chance < 0.6:
            now[number] = (1 - now[number][0], now[number][1])
        else:
            item = now[number][0] if number in now else randomness.randrange(2)
            now[number] = (item, "x" * randomness.randrange(30) + str(randomness.randrange(40)))
    return now


def expected(states: Sequence[State], place: int) -> dict[int, tuple[str, int, int]]:
    """What is gone from an item since it was there last: the snapshot that had a record last, and the next one, which no item
    has. What moved within the entity from one snapshot to the next was not deleted."""
    last = max((n for n, state in enumerate(states) if any(item == place for item, _ in state.values())), default=-1)
    found: dict[int, tuple[str, int, int]] = {}
    for key in {key for state in states for key in state}:
        having = [n for n, state in enumerate(states[: last + 1]) if key in state and state[key][0] == place]
        if having and having[-1] < last and key not in states[having[-1] + 1]:
            found[key] = (states[having[-1]][key][1], having[-1], having[-1] + 1)
    return found


@pytest.mark.parametrize("seed", range(80))
def test_what_is_gone_is_what_a_reading_of_all_versions_says(seed: int, tmp_path: Path) -> None:
    randomness = random.Random(seed)
    states: list[State] = [{number: (randomness.randrange(2), str(number)) for number in randomness.sample(range(30), 15)}]
    while len(states) < 25:
        states.append(edited(states[-1], randomness))
    reader = Reader(states, randomness)
    for place in (0, 1):
        assert reader.gone(place, tmp_path) == expected(states, place)


def test_a_record_was_surely_there_when_everything_was_seen_or_when_it_was_seen_to_change(tmp_path: Path) -> None:
    full, news = Coverage("rest", ()), Coverage("rest", (), deletions=False)
    one, two, three = {1: (0, "a")}, {2: (0, "b")}, {3: (0, "c")}
    states: list[State] = [one | two, one | two, one | two, one | {2: (0, "edited")}, one | {2: (0, "edited")} | three, three]
    coverages = [full, full, news, news, news, full]
    assert Reader(states, random.Random(1), coverages).gone(0, tmp_path) == {1: ("a", 1, 5), 2: ("edited", 3, 5)}


def test_long_numbers_and_lines_that_are_no_records_have_the_keys_that_they_have() -> None:
    lines = [b'{"id":1}', b"", b"nonsense", b"[1]", b'{"id":12345678901234567890123}', b'{"id":"a"}', b'{"x":1}', b'{"id":1.0}']
    assert [key for key, _ in _keyed(iter(lines), "")] == ["1", "12345678901234567890123", "a", "1"]
    assert [key for key, _ in _keyed(iter([b'{"id":1,"ref":{"no":"7"}}', b'{"id":2}']), "ref.no")] == ["7"]


def test_what_may_be_gone_has_another_token(tmp_path: Path) -> None:
    states: list[State] = [{1: (0, "a"), 2: (0, "b")}, {1: (0, "a")}, {1: (0, "a")}]
    tokens = [Reader(states[:count], random.Random(1)).token("desk", ITEMS[0]) for count in (1, 2, 3)]
    assert tokens[0] == "" and tokens[1] == tokens[2] != ""
    assert Reader(states, random.Random(1)).token("desk", ITEMS[1]) == ""
