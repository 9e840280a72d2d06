"""A history out of roll-ups is the one out of manifests, whatever happened to snapshots and roll-ups meanwhile."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from restore.history import rollup as history_rollup
from restore.history import update as gathering
from restore.history import versions
from restore.history.ledger import Ledger, only
from restore.history.update import UpdateOptions
from tests.support.places import through
from tests.unit.history.model import State, Told, known
from vault.errors import Damaged
from vault.format import layout, rollup
from vault.format.rollup import Rollup
from vault.repository import rollups, snapshots
from vault.repository.catalog_chunks import MetaReader
from vault.repository.check import Depth, check
from vault.repository.gc.forget import forget
from vault.storage.counting import CountingStore

PATHS = [f"reports/{letter}".encode() for letter in "abcdef"]


@pytest.fixture(autouse=True)
def few_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Roll-ups of four to eight snapshots, read from the first missing one on."""
    monkeypatch.setattr(history_rollup, "FEWEST", 4)
    monkeypatch.setattr(gathering, "MANY", 0)


def lived(hours: int, seed: int, *, every: int = 6, then: Callable[[Told], object] = lambda _told: None) -> Told:
    """A source whose items come, change, go and come back; rolled up every so many hours. then: called after each hour."""
    told, random = Told(), Random(seed)
    state: dict[bytes, tuple[str, int]] = {}
    for hour in range(1, hours + 1):
        for path in random.sample(PATHS, random.randrange(4)):
            if random.random() < 0.3:
                state.pop(path, None)
            else:
                state[path] = (random.choice(["one", "two"]), random.choice([0o644, 0o600]))
        told.hour(state)
        if hour % every == 0:
            history_rollup.roll_up(told.project, told.source, UpdateOptions())
        then(told)
    return told


def rows(told: Told, cache: Path) -> pa.Table:
    found = known(told.project, cache)
    assert found.problems == ()
    return table(found.ledgers[told.source])


def table(ledger: Ledger) -> pa.Table:
    return ledger.rolled_up().rows.combine_chunks()


def rollup_names(told: Told) -> list[str]:
    return [info.name for info in told.project.store.list(told.project.folder("rollups"))]


def without_rollups(told: Told) -> None:
    for name in rollup_names(told):
        told.project.store.delete(name)


def test_many_manifests_are_not_read_where_roll_ups_say_what_they_say(tmp_path: Path) -> None:
    told = lived(24, seed=1)
    assert len(rollup_names(told)) == 4
    store = CountingStore(told.project.store)
    found = known(through(told.project, store), tmp_path / "rolled")
    assert store.snapshot().requests == {"list": 3, "get": 4}
    assert [one.id for one in found.ledgers["reports"].records] == [one.id for one in told.records]
    rolled = table(found.ledgers["reports"])
    without_rollups(told)
    assert rolled.equals(rows(told, tmp_path / "read"))


LIVES = given(
    hours=st.integers(1, 30),
    every=st.integers(1, 9),
    asked=st.integers(1, 40),
    forgotten=st.sets(st.integers(0, 28)),
    lost=st.sets(st.integers(0, 5)),
    seed=st.integers(0, 10**6),
)


@LIVES
@settings(max_examples=10, deadline=None)
def test_the_answer_is_the_same_with_and_without_roll_ups(tmp_path_factory: pytest.TempPathFactory, **life: Any) -> None:
    judge(tmp_path_factory.mktemp("history"), **life)


@pytest.mark.slow
@LIVES
@settings(max_examples=200, deadline=None)
def test_the_answer_is_the_same_with_and_without_roll_ups_at_depth(
    tmp_path_factory: pytest.TempPathFactory, **life: Any
) -> None:
    judge(tmp_path_factory.mktemp("history"), **life)


def judge(folder: Path, *, hours: int, every: int, asked: int, forgotten: set[int], lost: set[int], seed: int) -> None:

    def ask(told: Told) -> None:  # a client that asked once, early: it knows some of what roll-ups hold
        if len(told.records) == asked:
            known(told.project, folder / "early")

    told = lived(hours, seed, every=every, then=ask)
    chosen = [told.records[hour].id for hour in sorted(forgotten) if hour < hours - 1]
    if chosen:
        forget(told.project, chosen, reason="nobody needs it")
    for number, name in enumerate(rollup_names(told)):
        if number in lost:
            told.project.store.delete(name)
    cold, early = rows(told, folder / "cold"), rows(told, folder / "early")
    without_rollups(told)
    read = rows(told, folder / "read")
    assert cold.to_pylist() == read.to_pylist()
    assert early.to_pylist() == read.to_pylist()


def test_a_snapshot_that_came_late_is_read_beside_the_roll_up_that_lacks_it(tmp_path: Path) -> None:
    told = lived(8, seed=3, every=99)
    late = told.records[3]
    name = layout.snapshot_name(told.project.id, late.id)
    record = told.project.store.get(name)
    told.project.store.delete(name)
    assert history_rollup.roll_up(told.project, told.source, UpdateOptions()) == 7
    told.project.store.put(name, record)
    rolled = rows(told, tmp_path / "rolled")
    without_rollups(told)
    assert rolled.to_pylist() == rows(told, tmp_path / "read").to_pylist()


def test_a_roll_up_that_is_damaged_or_not_ours_is_told_passed_over_and_taken_away(tmp_path: Path) -> None:
    told = lived(6, seed=4)
    right = rows(told, tmp_path / "right")
    (name,) = rollup_names(told)
    sound = told.project.store.get(name)
    other = lived(6, seed=5)
    (stranger,) = rollup_names(other)
    plain = other.project.open_catalogue(other.project.store.get(stranger))
    lie = rollup.name(plain, b"?" * 32)
    forged = layout.rollup_name(told.project.id, lie)
    told.project.store.put(forged, told.project.seal_catalogue(plain))
    told.project.store.put(name, sound[:-1])
    found = known(told.project, tmp_path / "found")
    assert sorted((one.path.decode(), one.what) for one in found.problems) == sorted(
        (one, "damaged-rollup") for one in (name, forged)
    )
    assert table(found.ledgers["reports"]).equals(right)
    assert sum("a roll-up cannot be used" in one for one in check(told.project, Depth()).damage) == 2
    assert rollups.thin(told.project, {one.id for one in told.records}, lambda: None) == 2
    assert rollup_names(told) == []
    assert history_rollup.roll_up(told.project, told.source, UpdateOptions()) == 6
    assert check(told.project, Depth()).damage == []


def test_a_roll_up_whose_rows_are_nonsense_is_told_and_its_snapshots_are_read_out_of_their_manifests(tmp_path: Path) -> None:
    told = lived(12, seed=14)
    right = rows(told, tmp_path / "right")
    name, *others = rollup_names(told)
    project, id_of = told.project, bytes.fromhex(name.rpartition("/")[2])
    sound = rollup.decode(project.open_catalogue(project.store.get(name)), project.capability.rollup_key, id_of)
    assert sound is not None
    project.store.delete(name)
    place = sound.rows.schema.get_field_index("last")
    turned = sound.rows.set_column(place, "last", pc.add(sound.rows["last"], pa.scalar(99, pa.int32())))
    rollups.write(project, Rollup(sound.records, turned))
    (bad,) = set(rollup_names(told)) - set(others)
    found = known(project, tmp_path / "found")
    assert [(one.path.decode(), one.what) for one in found.problems] == [(bad, "damaged-rollup")]
    assert table(found.ledgers["reports"]).equals(right)


def test_a_damaged_snapshot_stays_out_of_its_roll_up_and_is_told_by_whoever_asks(tmp_path: Path) -> None:
    told = lived(7, seed=6, every=99)
    bad = told.records[2]
    name = layout.snapshot_name(told.project.id, bad.id)
    told.project.put_record(name, replace(bad, manifest=bad.packs).as_json())
    assert history_rollup.roll_up(told.project, told.source, UpdateOptions()) == 6
    found = known(told.project, tmp_path)
    assert [(one.path.decode(), one.what) for one in found.problems] == [(bad.id, "damaged-manifest")]
    assert [one.id for one in found.ledgers["reports"].records] == [one.id for one in told.records if one is not bad]


def test_each_source_is_rolled_up_by_itself(tmp_path: Path) -> None:
    one = lived(5, seed=7, every=99)
    two = Told(project=one.project, source="tickets")
    for word in ("one", "two", "three"):
        two.hour({PATHS[0]: (word, 0o644)})
    assert history_rollup.roll_up(one.project, "tickets", UpdateOptions()) == 0
    assert history_rollup.roll_up(one.project, "reports", UpdateOptions()) == 5
    rolled = known(one.project, tmp_path / "rolled").ledgers
    without_rollups(one)
    read = known(one.project, tmp_path / "read").ledgers
    assert {source: table(one) for source, one in rolled.items()} == {source: table(one) for source, one in read.items()}


def test_a_roll_up_goes_when_less_than_half_of_its_snapshots_stand_and_the_others_are_rolled_up_anew(tmp_path: Path) -> None:
    told = lived(12, seed=8)
    first, second = told.records[:6], told.records[6:]
    forget(told.project, [one.id for one in [*first[:3], *second[:4]]], reason="thinned")
    right = rows(told, tmp_path / "before")
    standing = frozenset(one.id for one in [*first[3:], *second[4:]])
    assert rollups.thin(told.project, standing, lambda: None) == 1
    assert [{one.id for one in records} for records in rollups.rolled_up(told.project)] == [{one.id for one in first}]
    state: State = {PATHS[0]: ("one", 0o644)}
    for _ in range(2):
        told.hour(state)
    assert history_rollup.roll_up(told.project, told.source, UpdateOptions()) == 4
    assert rows(told, tmp_path / "after").num_rows >= right.num_rows


def test_more_items_wait_for_more_snapshots(monkeypatch: pytest.MonkeyPatch) -> None:
    told = lived(6, seed=9, every=99)
    crowded = [replace(one, counts=replace(one.counts, items=7 * history_rollup.ITEMS_PER_SNAPSHOT)) for one in told.records]
    for one in crowded:
        told.project.put_record(layout.snapshot_name(told.project.id, one.id), one.as_json())
    assert history_rollup.roll_up(told.project, told.source, UpdateOptions()) == 0
    monkeypatch.setattr(history_rollup, "ITEMS_PER_SNAPSHOT", 10**6)
    monkeypatch.setattr(history_rollup, "LARGEST_MANIFEST", 10)
    assert history_rollup.roll_up(told.project, told.source, UpdateOptions()) == 0
    monkeypatch.setattr(history_rollup, "LARGEST_MANIFEST", 10**6)
    assert history_rollup.roll_up(told.project, told.source, UpdateOptions()) == 6


def test_what_a_roll_up_says_is_bounded_by_what_it_holds() -> None:
    told = lived(6, seed=10)
    (name,) = rollup_names(told)
    key = told.project.capability.rollup_key

    def refused(one: Rollup, why: str) -> None:
        data = rollup.encode(one)
        with pytest.raises(Damaged, match=why):
            rollup.decode(data, key, rollup.name(data, key))

    plain = told.project.open_catalogue(told.project.store.get(name))
    sound = rollup.decode(plain, key, rollup.name(plain, key))
    assert sound is not None
    refused(replace(sound, records=sound.records[:2]), "snapshots that it does not hold")
    refused(replace(sound, records=sound.records[::-1]), "by time")
    refused(replace(sound, records=()), "one source")
    early = sound.rows.set_column(
        sound.rows.schema.get_field_index("first"), rollup.schema().field("first"), pa.array([-1] * len(sound.rows), pa.int32())
    )
    refused(replace(sound, rows=early), "snapshots that it does not hold")
    with pytest.raises(Damaged, match="keys"):
        rollup.decode(plain, bytes(32), rollup.name(plain, key))


def test_a_roll_up_of_another_version_counts_as_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = lived(6, seed=11)
    right = rows(told, tmp_path / "right")
    monkeypatch.setattr(rollup, "VERSION", 2)
    assert rows(told, tmp_path / "other").equals(right)
    assert rollups.rolled_up(told.project) == []


def test_a_roll_up_is_what_the_format_says_to_whoever_has_parquet_and_the_keys() -> None:
    told = lived(6, seed=13)
    (name,) = rollup_names(told)
    plain = told.project.open_catalogue(told.project.store.get(name))
    key = blake3(told.project.capability.chunk_id_key, derive_key_context="strongroom 2026-11-22 rollup name").digest()
    assert blake3(plain, key=key).hexdigest() == name.rpartition("/")[2]
    file = pq.ParquetFile(pa.BufferReader(plain))
    head = json.loads(file.metadata.metadata[b"strongroom.rollup"])
    assert head["version"] == 1
    assert [one["id"] for one in head["records"]] == [one.id for one in told.records]
    versions_of = file.read().to_pylist()
    assert versions_of == sorted(versions_of, key=lambda row: (row["path"], row["first"]))
    for number, state in enumerate(told.states):
        rows_then = [row for row in versions_of if row["first"] <= number <= row["last"] and row["vanished_at"] is None]
        assert {row["path"]: row["mode"] for row in rows_then} == {path: mode for path, (_, mode) in state.items()}


def test_the_records_of_many_snapshots_come_out_of_roll_ups_but_for_those_that_are_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = lived(14, seed=14)
    forget(told.project, [told.records[4].id], reason="nobody needs it")
    monkeypatch.setattr(snapshots, "WORTH_TABLES", 10)
    monkeypatch.setattr(snapshots, "WORTH_ROLLUPS", 10)
    store = CountingStore(told.project.store)
    found = snapshots.committed(through(told.project, store), rolled=True)
    assert store.snapshot().requests == {"list": 4, "get": 1 + 2 + 2}  # a note, two roll-ups, two records in none
    assert found == snapshots.committed(told.project)
    assert len(found.records) == 13
    (name, *_) = rollup_names(told)
    told.project.store.put(name, b"no roll-up")
    assert snapshots.committed(told.project, rolled=True) == found


def test_extended_attributes_are_told_apart_as_the_format_says() -> None:
    parts = b"".join(len(part).to_bytes(8, "little") + part for part in (b"user.a", b"1", b"user.b", b""))
    assert versions.digest_of([(b"user.b", b""), (b"user.a", b"1")]) == blake3(parts).digest(length=16)


def test_only_some_snapshots_of_a_roll_up_are_what_a_ledger_of_them_is() -> None:
    told = lived(9, seed=12, every=99)
    whole, some = Ledger(), Ledger()
    wanted = {one.id for one in told.records[::2]}
    for one, rows_of in zip(told.records, _each_hour(told), strict=True):
        whole.append(one, rows_of)
        if one.id in wanted:
            some.append(one, rows_of)
    left = only(whole.rolled_up(), wanted)
    assert [one.id for one in left.records] == [one.id for one in some.records]
    assert left.rows.to_pylist() == some.rolled_up().rows.to_pylist()


def _each_hour(told: Told) -> list[pa.Table]:
    reader = MetaReader(told.project)
    return [versions.of_manifest(reader.read(one.manifest, "it")) for one in told.records]
