"""Head chunks give a machine without a cache the newest manifests in one object, and are believed only as far as their names
prove them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from blake3 import blake3
from msgspec.structs import replace

from restore.selection.query import ItemQuery
from restore.selection.select import Selection, select
from tests.support.dying import DyingStore, PowerCut
from tests.support.hourly import HourlyReports
from tests.support.places import copied, restore, through
from tests.support.randomness import SeededChance
from tests.support.trees import look_at
from vault.errors import Damaged
from vault.format import head_chunks as stored_chunks
from vault.format import layout
from vault.repository import head_chunks, snapshots
from vault.repository.check import Depth, check
from vault.repository.gc import reachability
from vault.repository.gc.prune import apply
from vault.repository.gc.prune_plan import PruneOptions
from vault.repository.gc.prune_planner import make_plan
from vault.repository.project import Project
from vault.storage.caching import CachingStore
from vault.storage.counting import CountingStore

HOURS = 9
MOST_REQUESTS = 20
PRUNE = PruneOptions(join=True)


@pytest.fixture(autouse=True)
def few_are_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "WORTH_TABLES", 3)
    monkeypatch.setattr(head_chunks, "WORTH_PACKS", 1)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> HourlyReports:
    """Hours that were maintained."""
    life = HourlyReports(tmp_path_factory.mktemp("lived"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(snapshots, "WORTH_TABLES", 3)
        patch.setattr(head_chunks, "WORTH_PACKS", 1)
        life.pass_hours(HOURS)
        for _ in range(2):
            prune(life.project)
    return life


@pytest.fixture
def life(lived: HourlyReports, tmp_path: Path) -> HourlyReports:
    return lived.copied(tmp_path)


def prune(project: Project) -> None:
    apply(project, make_plan(project, PRUNE), PRUNE)


def refreshed(project: Project) -> bool:
    records = snapshots.committed(project).records
    return head_chunks.refresh(project, reachability.catalogue_reader(project), records, lambda: None)


def objects(project: Project) -> list[str]:
    return sorted(info.name for info in project.store.list(project.folder("heads")))


def stranger(life: HourlyReports, home: Path) -> tuple[Project, CountingStore]:
    """A machine that has never seen the repository."""
    counting = CountingStore(life.disk)
    return through(life.project, CachingStore(counting, home, SeededChance("cache"))), counting


def same(one: Selection, other: Selection) -> bool:
    return bool(one.table.equals(other.table)) and one.records == other.records


def test_after_maintenance_a_machine_without_a_cache_restores_with_at_most_twenty_requests(
    life: HourlyReports, tmp_path: Path
) -> None:
    project, counting = stranger(life, tmp_path / "cache")
    restore(project, tmp_path / "back")
    assert look_at(tmp_path / "back/reports") == look_at(life.folder)
    asked = counting.snapshot().requests
    assert sum(asked.values()) <= MOST_REQUESTS, asked


def test_the_newest_manifest_comes_out_of_one_object_and_is_the_one_of_the_packs(life: HourlyReports, tmp_path: Path) -> None:
    assert len(objects(life.project)) == 1
    whole = select(life.project, ItemQuery())
    for info in list(life.disk.list(life.project.folder("meta"))):
        life.disk.delete(info.name)
    project, counting = stranger(life, tmp_path / "with")
    assert same(select(project, ItemQuery()), whole)
    assert counting.snapshot().requests["get"] == 3  # the index, records, head chunks
    life.disk.delete(objects(life.project)[0])
    project, _ = stranger(life, tmp_path / "without")
    with pytest.raises(Damaged):
        select(project, ItemQuery())


def test_what_came_after_maintenance_is_read_from_packs_and_an_older_moment_too(life: HourlyReports, tmp_path: Path) -> None:
    life.pass_hours(3)
    before = snapshots.read_all(life.project)[4]
    for query in (ItemQuery(), ItemQuery(at=before.taken_at)):
        project, _ = stranger(life, tmp_path / f"cache {query.at}")
        assert same(select(project, query), select(life.project, query))
    life.judge()


@pytest.mark.parametrize("how", ["lost", "cut", "flipped", "forged", "swapped"])
def test_an_object_that_cannot_be_used_is_named_passed_over_and_written_anew(
    life: HourlyReports, tmp_path: Path, how: str
) -> None:
    [name] = objects(life.project)
    data = life.disk.get(name)
    life.disk.delete(name)
    if how in ("cut", "flipped"):
        life.disk.put(name, data[:-7] if how == "cut" else data[:-1] + bytes([data[-1] ^ 1]))
    elif how == "forged":  # whoever knows the public key can seal
        plain = life.project.open_catalogue(data)
        lie = stored_chunks.name(plain, b"?" * 32)
        life.disk.put(layout.head_chunks_name(life.project.id, lie), life.project.seal_catalogue(plain))
    elif how == "swapped":
        life.disk.put(layout.head_chunks_name(life.project.id, bytes(32)), data)
    bad = objects(life.project)
    project, _ = stranger(life, tmp_path / "cache")
    assert same(select(project, ItemQuery()), select(life.project, ItemQuery()))
    named = [one.path.decode() for one in check(life.project, Depth()).problems]
    assert named == bad
    prune(life.project)
    assert len(objects(life.project)) == 1
    assert set(objects(life.project)).isdisjoint(bad)
    assert check(life.project, Depth()).sound


def test_a_chunk_that_is_not_what_its_id_says_is_refused(life: HourlyReports) -> None:
    capability = life.project.capability
    plain = stored_chunks.encode({bytes(32): b"something else"}, bytes(16))
    key = capability.head_chunks_key
    with pytest.raises(Damaged, match="not what its id says"):
        stored_chunks.decode(plain, key, stored_chunks.name(plain, key), capability.chunk_id_key)
    with pytest.raises(Damaged, match="keys"):
        stored_chunks.decode(plain, key, bytes(32), capability.chunk_id_key)


def test_what_is_too_large_is_refused_and_not_written(life: HourlyReports, monkeypatch: pytest.MonkeyPatch) -> None:
    [name] = objects(life.project)
    plain = life.project.open_catalogue(life.disk.get(name))
    object_id = bytes.fromhex(name.rpartition("/")[2])
    capability = life.project.capability
    monkeypatch.setattr(stored_chunks, "LARGEST_CONTENT", 100)
    with pytest.raises(Damaged, match="more than is ever written"):
        stored_chunks.decode(plain, capability.head_chunks_key, object_id, capability.chunk_id_key)
    assert not refreshed(life.project)
    assert objects(life.project) == []


def test_an_object_is_written_anew_once_much_of_it_is_old(life: HourlyReports, monkeypatch: pytest.MonkeyPatch) -> None:
    before = objects(life.project)
    assert not refreshed(life.project)
    assert objects(life.project) == before
    life.pass_hours(6)
    monkeypatch.setattr(head_chunks, "WORTH_ANEW", 10**6)
    assert refreshed(life.project)
    assert len(objects(life.project)) == 1
    assert objects(life.project) != before


def test_a_machine_that_may_only_write_refreshes_them(life: HourlyReports, monkeypatch: pytest.MonkeyPatch) -> None:
    life.pass_hours(3)
    monkeypatch.setattr(head_chunks, "WORTH_ANEW", 10**6)
    assert refreshed(replace(life.project, capability=replace(life.project.capability, content_identity=None)))
    assert check(life.project, Depth()).sound


def test_power_may_fail_at_every_write_of_refreshing(
    life: HourlyReports, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    life.pass_hours(3)
    monkeypatch.setattr(head_chunks, "WORTH_ANEW", 10**6)
    whole = DyingStore(copied(life.disk))
    refreshed(through(life.project, whole, seed="whole"))
    assert whole.writes == 2
    for number, (lives, when) in enumerate(_moments(whole.writes)):
        left = copied(life.disk)
        with pytest.raises(PowerCut):
            refreshed(through(life.project, DyingStore(left, lives=lives, when=when), seed="dying"))  # type: ignore[arg-type]
        other = life.copied(tmp_path / str(number))
        other.disk = left
        project, _ = stranger(other, tmp_path / f"cache {number}")
        assert same(select(project, ItemQuery()), select(life.project, ItemQuery()))
        project = through(life.project, left, seed="next")
        refreshed(project)
        assert len(objects(project)) == 1


def _moments(writes: int) -> Iterable[tuple[int, str]]:
    return ((lives, when) for lives in range(writes) for when in ("before", "after"))


def test_an_object_that_does_not_read_back_replaces_nothing(life: HourlyReports, monkeypatch: pytest.MonkeyPatch) -> None:
    before = objects(life.project)
    life.pass_hours(3)
    monkeypatch.setattr(head_chunks, "WORTH_ANEW", 10**6)
    monkeypatch.setattr(Project, "stands_as", lambda *_: False)
    with pytest.raises(Damaged, match="nothing was replaced"):
        refreshed(life.project)
    assert set(before) < set(objects(life.project))


def test_an_object_is_what_the_format_says_to_whoever_has_parquet_and_the_keys(life: HourlyReports) -> None:
    [name] = objects(life.project)
    plain = life.project.open_catalogue(life.disk.get(name))
    chunk_key = life.project.capability.chunk_id_key
    key = blake3(chunk_key, derive_key_context="strongroom 2026-11-22 head chunks name").digest()
    assert blake3(plain, key=key).hexdigest() == name.rpartition("/")[2]
    rows = pq.read_table(pa.BufferReader(plain)).to_pylist()
    assert all(blake3(row["content"], key=chunk_key).digest() == row["chunk"] for row in rows)
    [newest] = snapshots.at(snapshots.read_all(life.project), None)
    wanted = reachability.catalogue_reader(life.project).chunks_of(newest.manifest, "it")
    assert {row["chunk"] for row in rows} >= set(wanted)
