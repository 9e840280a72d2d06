"""Tables of records say what the records say, whatever happened to snapshots and tables meanwhile, and ask the store and this
machine for little."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.support.dying import DyingStore, PowerCut
from tests.support.faulty import FaultyStore
from tests.support.places import copied, through
from tests.support.randomness import SeededChance
from tests.unit.history.model import Told
from vault.errors import Damaged, StorageDenied
from vault.format import layout, record_table
from vault.format.claim import Claim, Eviction
from vault.format.forget_note import ForgottenSnapshot
from vault.format.moved_packs import MovedPacks
from vault.format.record_table import Coverage, Row
from vault.format.snapshot_record import Record
from vault.repository import record_gathering, record_tables, snapshots
from vault.repository.check import Depth, check
from vault.repository.forget_notes import ForgetNotes
from vault.repository.gc.forget import forget
from vault.repository.gc.prune import apply
from vault.repository.gc.prune_plan import PruneOptions
from vault.repository.gc.prune_planner import make_plan
from vault.repository.lazy_records import LazyRecords, as_columns, outline_of
from vault.repository.project import Project
from vault.repository.record_gathering import OF_PRUNES, Effort, gather
from vault.storage.caching import CachingStore
from vault.storage.contract import ObjectInfo
from vault.storage.counting import CountingStore
from vault.storage.memory import MemoryStore

PRUNE = PruneOptions(repack_above=None)
NOW_AND_THEN = Effort(fewest=2, factor=2)


@pytest.fixture(autouse=True)
def few_are_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "WORTH_TABLES", 3)


def lived(hours: int) -> Told:
    told = Told()
    for hour in range(hours):
        told.hour({b"reports/a": (f"hour {hour}", 0o644)})
    return told


def never() -> None:
    """Nobody stops it."""


def table_names(project: Project) -> list[str]:
    return sorted(info.name for info in project.store.list(project.folder("records")))


def same_as_records(project: Project) -> None:
    assert snapshots.committed(project, rolled=True) == snapshots.committed(project)


def test_a_machine_without_a_cache_asks_for_one_table_and_decodes_the_newest_record_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = lived(9)
    assert gather(told.project, OF_PRUNES, never) == (9, 0)
    decoded: list[str] = []
    read = record_table.record

    def noted(row: Row, text: bytes) -> object:
        decoded.append(row.id)
        return read(row, text)

    monkeypatch.setattr(record_table, "record", noted)
    store = CountingStore(told.project.store)
    found = snapshots.committed(through(told.project, store), rolled=True)
    assert snapshots.at(found.records, None) == [told.records[-1]]
    assert snapshots.heads(found.records, told.source) == [told.records[-1]]
    assert snapshots.at(found.records, told.records[4].taken_at) == [told.records[4]]
    assert decoded == [told.records[-1].id, told.records[4].id]
    assert store.snapshot().requests == {"list": 3, "get": 1}
    assert list(found.records) == told.records
    assert (found.records[2], found.records[-2:], len(found.records)) == (told.records[2], told.records[-2:], 9)


def test_without_problems_of_runs_a_record_of_a_table_is_the_record() -> None:
    told = lived(3)
    problem = {"path": "reports/b", "what": "unreadable", "message": "no"}
    told.project.put_record(
        layout.snapshot_name(told.project.id, told.records[1].id), replace(told.records[1], problems=(problem,)).as_json()
    )
    gather(told.project, OF_PRUNES, never)
    assert list(snapshots.committed(told.project, rolled=True).records) == told.records
    assert snapshots.read_all(told.project)[1].problems == (problem,)


def test_what_is_forgotten_or_gone_is_not_believed_to_stand() -> None:
    told = lived(8)
    gather(told.project, OF_PRUNES, never)
    forget(told.project, [told.records[3].id, told.records[6].id], reason="thinned")
    told.project.store.delete(layout.snapshot_name(told.project.id, told.records[1].id))
    same_as_records(told.project)
    assert [one.id for one in snapshots.committed(told.project, rolled=True).records] == [
        one.id for number, one in enumerate(told.records) if number not in (1, 3, 6)
    ]


def named_by_check(project: Project) -> list[str]:
    """Tables; the model's snapshots have no content, which a check says as well."""
    return [one.path.decode() for one in check(project, Depth()).problems if one.what == "damaged-record-table"]


def damage(project: Project, how: str) -> None:
    """Of the only table."""
    [name] = table_names(project)
    data = project.store.get(name)
    project.store.delete(name)
    if how == "cut":
        project.store.put(name, data[:-7])
    elif how == "flipped":
        project.store.put(name, data[:-1] + bytes([data[-1] ^ 1]))
    elif how == "forged":  # whoever knows the public key can seal
        plain = project.open_catalogue(data)
        lie = record_table.name(plain, b"?" * 32)
        project.store.put(layout.record_table_name(project.id, lie), project.seal_catalogue(plain))
    elif how == "swapped":
        project.store.put(layout.record_table_name(project.id, bytes(32)), data)


@pytest.mark.parametrize("how", ["lost", "cut", "flipped", "forged", "swapped"])
def test_a_table_that_cannot_be_used_is_named_passed_over_and_written_anew(how: str) -> None:
    told = lived(6)
    gather(told.project, OF_PRUNES, never)
    damage(told.project, how)
    same_as_records(told.project)
    named = named_by_check(told.project)
    assert named == ([] if how == "lost" else table_names(told.project))
    report = apply(told.project, make_plan(told.project, PRUNE), PRUNE)
    assert (report.tables_deleted, report.records_gathered) == (len(named), 6)
    assert len(table_names(told.project)) == 1
    assert named_by_check(told.project) == []
    same_as_records(told.project)


def test_a_record_that_its_table_cannot_give_is_read_from_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    told = lived(5)
    gather(told.project, OF_PRUNES, never)

    def unreadable(*_: object) -> object:
        raise Damaged("a broken page")

    monkeypatch.setattr(record_table, "texts", unreadable)
    same_as_records(told.project)


def rows_of(records: list[Record]) -> list[tuple[Row, bytes]]:
    return [row for row in map(record_table.row_of, records) if row is not None]


def test_what_a_table_says_is_bounded_and_agrees_with_the_records_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    told = lived(3)
    key = told.project.capability.record_table_key
    (first, text), *rest = rows_of(told.records)

    def refused(rows: list[tuple[Row, bytes]], why: str) -> None:
        plain = record_table.encode(rows, bytes(16))
        with pytest.raises(Damaged, match=why):
            record_table.decode(plain, key, record_table.name(plain, key))

    refused([(first._replace(size=-1), text)], "longer records")
    refused([(first._replace(size=record_table.LARGEST_ROW + 1), text)], "longer records")
    refused([(first._replace(taken_at=1 << 62), text)], "times that there are not")
    refused([(first, text), (first, text)], "twice")
    for lie in (first._replace(source="other"), first._replace(parents="x"), first._replace(taken_at=5), rest[0][0]):
        with pytest.raises(Damaged):
            record_table.record(lie, text)
    monkeypatch.setattr(record_table, "LARGEST_TEXT", len(text))
    refused([(first, text), *rest], "longer records")
    assert [len(part) for part in record_table.parted([(first, text), *rest])] == [1, 1, 1]


def test_row_groups_of_another_size_are_read_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    told = lived(9)
    monkeypatch.setattr(record_table, "ROWS_IN_GROUP", 4)
    gather(told.project, OF_PRUNES, never)
    monkeypatch.setattr(record_table, "ROWS_IN_GROUP", 1024)
    assert record_tables.damage(told.project) == []
    found = snapshots.committed(told.project, rolled=True).records
    assert [found[8], found[3], found[4]] == [told.records[8], told.records[3], told.records[4]]
    same_as_records(told.project)


def test_a_table_that_lies_about_a_record_harms_nobody_and_is_named() -> None:
    """It takes the chunk-id key to write one: a mistake of ours, or a holder's lie."""
    told = lived(4)
    [(first, _), (_, other), *rest] = rows_of(told.records)
    plain = record_table.encode([(first, other), *rest], bytes(16))
    name = layout.record_table_name(told.project.id, record_table.name(plain, told.project.capability.record_table_key))
    told.project.store.put(name, told.project.seal_catalogue(plain))
    same_as_records(told.project)
    assert [one.path.decode() for one in record_tables.damage(told.project)] == [name]
    assert record_gathering.delete_damaged(told.project) == 1


def test_a_table_of_another_version_counts_as_not_there_and_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    told = lived(4)
    gather(told.project, OF_PRUNES, never)
    [name] = table_names(told.project)
    monkeypatch.setattr(record_table, "VERSION", 2)
    same_as_records(told.project)
    assert gather(told.project, OF_PRUNES, never) == (4, 0)
    assert name in table_names(told.project)
    assert named_by_check(told.project) == []


def test_tables_grow_in_few_sizes_and_a_record_is_written_again_a_few_times_only(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told()
    written: list[int] = []
    write = record_table.encode

    def noted(rows: list[tuple[Row, bytes]], nonce: bytes, covers: Coverage | None) -> bytes:
        written.append(len(rows))
        return write(rows, nonce, covers)

    monkeypatch.setattr(record_table, "encode", noted)
    for hour in range(1, 41):
        told.hour({b"reports/a": (f"hour {hour}", 0o644)})
        gather(told.project, NOW_AND_THEN, never)
        assert len(table_names(told.project)) <= 6
    assert sum(written) <= 40 * 6
    same_as_records(told.project)
    gather(told.project, OF_PRUNES, never)
    told.hour({})
    told.hour({})
    many = len(table_names(told.project))
    assert gather(told.project, OF_PRUNES, never) == (42, many)
    assert len(table_names(told.project)) == 1


def test_where_nothing_can_be_deleted_only_new_records_are_put_into_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    told = lived(5)
    monkeypatch.setattr(record_gathering, "WITHOUT_JOINING", Effort(fewest=4, factor=0))
    monkeypatch.setattr(record_gathering, "OF_BACKUPS", Effort(fewest=2, factor=9))

    class Keeping(FaultyStore):
        """Deletes nothing."""

        def delete(self, name: str) -> None:
            raise StorageDenied(f"you may not delete {name}")

    project = through(told.project, Keeping(told.project.store))
    assert record_gathering.gather_for_backups(project, never) == (5, 0)
    told.hour({})
    assert record_gathering.gather_for_backups(project, never) == (0, 0)
    for _ in range(3):
        told.hour({})
    assert record_gathering.gather_for_backups(project, never) == (4, 0)
    assert len(table_names(told.project)) == 2
    told.hour({})
    told.hour({})
    assert record_gathering.gather_for_backups(told.project, never) == (11, 2)
    same_as_records(told.project)


def test_a_machine_that_may_only_write_gathers_records(monkeypatch: pytest.MonkeyPatch) -> None:
    told = lived(5)
    writer = replace(told.project, capability=replace(told.project.capability, content_identity=None))
    assert gather(writer, OF_PRUNES, never) == (5, 0)
    same_as_records(writer)


def test_a_record_beside_its_claim_and_an_eviction_are_in_no_table() -> None:
    told = lived(6)
    claimed, evicted = told.records[4].id, told.records[1].id
    now = told.records[-1].finished_at
    claim = Claim(claimed, told.source, "host", "writer", now, now, "nonce", 0, 0)
    told.project.put_record(layout.claim_name(told.project.id, claimed), claim.as_json())
    told.project.put_record(layout.snapshot_name(told.project.id, evicted), Eviction(evicted).as_json())
    gather(told.project, OF_PRUNES, never)
    assert set(record_tables.load(told.project).ids) == {one.id for one in told.records} - {claimed, evicted}
    same_as_records(told.project)


def test_records_of_moved_packs_are_in_tables_and_read_by_those_who_need_them() -> None:
    told = lived(4)
    moved = layout.snapshot_id(told.records[-1].taken_at, bytes(8))
    move = MovedPacks(moved, {b"o" * 32: (b"n" * 32,)})
    told.project.put_record(layout.snapshot_name(told.project.id, moved), move.as_json())
    assert gather(told.project, OF_PRUNES, never) == (5, 0)
    store = CountingStore(told.project.store)
    found = snapshots.committed(through(told.project, store), rolled=True)
    assert list(found.records) == told.records
    assert found.moved == {b"o" * 32: frozenset([b"n" * 32])}
    assert list(found.moves) == [move]
    assert store.snapshot().requests["get"] == 1


class Joining(MemoryStore):
    """Joins tables right after they were listed, so many times."""

    def __init__(self, told: Told, times: int) -> None:
        super().__init__()
        self._told = told
        self.left = times

    def list(self, folder: str) -> Iterator[ObjectInfo]:
        found = list(self._told.project.store.list(folder))
        if folder.endswith("/records") and self.left:
            self.left -= 1
            gather(self._told.project, OF_PRUNES, never)
        return iter(found)

    def get(self, name: str) -> bytes:
        return self._told.project.store.get(name)


def test_tables_that_are_joined_while_they_are_read_are_looked_for_again() -> None:
    told = lived(4)
    gather(told.project, NOW_AND_THEN, never)
    told.hour({})
    told.hour({})
    found = record_tables.load(through(told.project, Joining(told, 1)))
    assert set(found.ids) == {one.id for one in told.records}


def test_two_that_gather_at_once_lose_nothing() -> None:
    told = lived(4)
    gather(told.project, OF_PRUNES, never)
    told.hour({})
    told.hour({})

    class Beside(FaultyStore):
        """Another one gathers before this one writes."""

        def put(self, name: str, data: object, *, sha256: bytes | None = None) -> None:
            if not self.done:
                self.done = True
                gather(through(told.project, told.project.store, seed="other"), OF_PRUNES, never)
            super().put(name, data, sha256=sha256)  # type: ignore[arg-type]

        done = False

    gather(through(told.project, Beside(told.project.store), seed="one"), OF_PRUNES, never)
    assert len(table_names(told.project)) == 2  # of the same records
    same_as_records(told.project)
    told.hour({})
    told.hour({})
    gather(told.project, OF_PRUNES, never)
    assert len(table_names(told.project)) == 1
    same_as_records(told.project)


def test_a_table_that_does_not_read_back_replaces_nothing() -> None:
    told = lived(4)
    gather(told.project, OF_PRUNES, never)
    [before] = table_names(told.project)
    told.hour({})
    told.hour({})

    class Losing(FaultyStore):
        """Stores something else."""

        def put(self, name: str, data: object, *, sha256: bytes | None = None) -> None:
            super().put(name, bytes(data)[:-1], sha256=sha256)  # type: ignore[call-overload]

    with pytest.raises(Damaged, match="nothing was replaced"):
        gather(through(told.project, Losing(told.project.store)), OF_PRUNES, never)
    assert before in table_names(told.project)
    same_as_records(told.project)


def test_power_may_fail_at_every_write_of_gathering() -> None:
    told = lived(7)
    gather(told.project, NOW_AND_THEN, never)
    forget(told.project, [one.id for one in told.records[:3]], reason="thinned")
    for _ in range(4):
        told.hour({b"reports/b": ("new", 0o644)})
    disk = told.project.store
    whole = DyingStore(copied(disk))
    gather(through(told.project, whole, seed="whole"), OF_PRUNES, never)
    assert whole.writes == 2  # the new table, and the old one
    for lives in range(whole.writes):
        for when in ("before", "after"):
            left = copied(disk)
            with pytest.raises(PowerCut):
                gather(through(told.project, DyingStore(left, lives=lives, when=when), seed="dying"), OF_PRUNES, never)
            project = through(told.project, left, seed="next")
            same_as_records(project)
            assert record_tables.damage(project) == []
            for _ in range(2):
                gather(project, OF_PRUNES, never)
            same_as_records(project)
            assert len(table_names(project)) <= 2


def test_when_few_snapshots_are_left_a_prune_takes_the_tables_away(monkeypatch: pytest.MonkeyPatch) -> None:
    told = lived(6)
    gather(told.project, OF_PRUNES, never)
    forget(told.project, [one.id for one in told.records[:4]], reason="thinned")
    gather(told.project, NOW_AND_THEN._replace(factor=0), never)
    assert len(table_names(told.project)) == 1
    apply(told.project, make_plan(told.project, PRUNE), PRUNE)
    assert table_names(told.project) == []


def test_what_was_decoded_once_is_kept_on_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = lived(8)
    gather(told.project, OF_PRUNES, never)
    monkeypatch.setattr(snapshots, "FEW", 2)
    monkeypatch.setattr(snapshots, "WORTH_KEEPING", 4)

    def machine() -> Project:
        return through(told.project, CachingStore(told.project.store, tmp_path, SeededChance("cache")))

    assert list(snapshots.committed(machine(), rolled=True).records) == told.records
    monkeypatch.setattr(record_table, "texts", None)  # not called
    assert list(snapshots.committed(machine(), rolled=True).records) == told.records


def test_a_table_is_what_the_format_says_to_whoever_has_parquet_and_the_keys() -> None:
    told = lived(4)
    gather(told.project, OF_PRUNES, never)
    [name] = table_names(told.project)
    plain = told.project.open_catalogue(told.project.store.get(name))
    key = blake3(told.project.capability.chunk_id_key, derive_key_context="strongroom 2026-11-22 record table name").digest()
    assert blake3(plain, key=key).hexdigest() == name.rpartition("/")[2]
    file = pq.ParquetFile(pa.BufferReader(plain))
    assert json.loads(file.metadata.metadata[b"strongroom.records"])["version"] == 1
    rows = file.read().to_pylist()
    assert [row["id"] for row in rows] == [one.id for one in told.records]
    for row, one in zip(rows, told.records, strict=True):
        said = json.loads(row["record"])
        assert said == json.loads(json.dumps(one.as_json() | {"problems": []}))
        assert row["taken_at"] == round(one.taken_at.timestamp() * 1_000_000)
        assert (row["parents"].split(), row["source"]) == (list(one.parents), one.source)
        assert row["size"] == len(row["record"])


@given(
    acts=st.lists(st.sampled_from(["hour", "forget", "backup", "prune", "lose", "spoil", "take away"]), max_size=25),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=40, deadline=None)
def test_with_and_without_tables_the_answer_is_the_same_whatever_happens(acts: list[str], seed: int) -> None:
    told, random, numbers = lived(3), Random(seed), count()
    project = told.project
    for act in acts:
        listed = snapshots.ids(project)
        tables = table_names(project)
        if act == "hour":
            told.hour({b"reports/a": (f"hour {next(numbers)}", 0o644)})
        elif act == "forget":
            heads = {one.id for one in snapshots.heads(snapshots.read_all(project), told.source)}
            chosen = [one for one in listed if one not in heads][:1]
            if chosen:
                forget(project, chosen, reason="thinned")
        elif act == "take away" and len(listed) > 1:
            project.store.delete(layout.snapshot_name(project.id, random.choice(listed[:-1])))
        elif act in ("backup", "prune"):
            gather(project, NOW_AND_THEN if act == "backup" else OF_PRUNES, never)
        elif act == "lose" and tables:
            project.store.delete(random.choice(tables))
        elif act == "spoil" and tables:
            name = random.choice(tables)
            project.store.put(name, project.store.get(name)[:-3])
        found, read = snapshots.committed(project, rolled=True), snapshots.committed(project)
        assert (list(found.records), found.moved) == (list(read.records), read.moved)
        assert snapshots.at(found.records, None) == snapshots.at(read.records, None)
        middle = read.records[len(read.records) // 2].taken_at
        assert snapshots.at(found.records, middle) == snapshots.at(read.records, middle)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(seed=st.integers(0, 10**6), count_=st.integers(1, 30), sources=st.integers(1, 3))
def test_columns_tell_the_same_newest_snapshots_as_the_records_do(seed: int, count_: int, sources: int) -> None:
    chance = Random(seed)
    base = lived(1).records[0]
    records: list[Record] = []
    for number in range(count_):
        moment = base.taken_at + timedelta(minutes=chance.randrange(40))
        parents = tuple(one.id for one in records if chance.random() < 0.3)
        one = replace(base, id=layout.snapshot_id(moment, number.to_bytes(8, "big")), taken_at=moment, parents=parents)
        records.append(replace(one, source=f"source {chance.randrange(sources)}"))
    forgotten = {
        one.id: ForgottenSnapshot(one.id, one.source, one.taken_at, one.parents) for one in records if chance.random() < 0.3
    }
    gone = ForgetNotes(forgotten, ())
    standing = [replace(one, parents=gone.parents_of(one.parents)) for one in records if one.id not in forgotten]
    standing.sort(key=lambda one: (one.taken_at, one.id))
    columns = as_columns([outline_of(one) for one in chance.sample(records, len(records)) if one.id not in forgotten])
    lazy = LazyRecords(columns, gone, lambda ids: {one.id: one for one in records if one.id in ids})
    assert len(lazy) == len(standing)
    assert list(lazy) == standing
    for source in {one.source for one in records}:
        assert snapshots.heads(lazy, source) == snapshots.heads(standing, source)
    for asked in (None, *(one.taken_at for one in records), base.taken_at - timedelta(hours=1)):
        assert snapshots.at(lazy, asked) == snapshots.at(standing, asked)
