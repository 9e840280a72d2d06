"""A prune reads the manifests that it has not read before, and decides what it would decide if it had read all."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

import pyarrow as pa
import pytest
from blake3 import blake3
from msgspec.structs import replace

from benchmarks.history_data import HOUR
from tests.support.places import through
from tests.support.randomness import SeededChance
from tests.unit.history.model import Told
from vault.errors import Interrupted
from vault.format.snapshot_record import Record
from vault.format.tree import Tree
from vault.repository import snapshots
from vault.repository.chunk_index import ChunkIndex
from vault.repository.gc import kept_chunks, reachability
from vault.repository.project import Project
from vault.storage.caching import CachingStore

HOURS = 13


@pytest.fixture(autouse=True)
def few_hours_make_a_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_chunks, "GROUP", 4 * HOUR)


@pytest.fixture
def told() -> Told:
    lived = Told()
    for hour in range(HOURS):
        lived.hour({b"reports/a": (f"hour {hour}", 0o644), b"reports/b": ("the same", 0o644)})
    return lived


@pytest.fixture
def cached(told: Told, tmp_path: Path) -> Project:
    return through(told.project, CachingStore(told.project.store, tmp_path / "cache", SeededChance("cache")))


def never() -> None:
    """Nobody stops it."""


def live(project: Project, records: list[Record], stop: Callable[[], None] = never) -> tuple[frozenset[bytes], int]:
    """The chunks that these need, and how many manifests were read for that."""
    read = 0

    with pytest.MonkeyPatch.context() as patch:
        decode = snapshots.read_manifest

        def counted(*args: object, **options: object) -> object:
            nonlocal read
            read += 1
            return decode(*args, **options)  # type: ignore[arg-type]

        patch.setattr(snapshots, "read_manifest", counted)
        found = reachability.live_chunks(project, records, ChunkIndex.load(project), stop)
    return frozenset(found.to_pylist()), read


def file_of(project: Project, tmp_path: Path) -> Path:
    return tmp_path / "cache" / "history" / f"{project.id}.live"


def test_what_was_read_once_is_not_read_again(told: Told, cached: Project) -> None:
    right, everything = live(told.project, told.records)
    assert everything == HOURS
    assert live(cached, told.records) == (right, HOURS)
    assert live(cached, told.records) == (right, 0)
    told.hour({b"reports/a": ("new", 0o644)})
    right, _ = live(told.project, told.records)
    assert live(cached, told.records) == (
        right,
        len({one for one in told.records if one.taken_at >= told.records[12].taken_at}),
    )
    assert live(cached, told.records) == (right, 0)


def test_what_was_forgotten_is_needed_no_more_and_costs_its_own_days(told: Told, cached: Project) -> None:
    before, _ = live(cached, told.records)
    left = [one for number, one in enumerate(told.records) if number != 5]
    right, _ = live(told.project, left)
    assert right < before
    assert live(cached, left) == (right, 3)
    assert live(cached, left) == (right, 0)
    assert live(cached, told.records) == (before, 4)


def test_each_of_many_small_groups_keeps_its_own_chunks(told: Told, cached: Project) -> None:
    """So many that Arrow's `group_by` gives them in another order than they lie in."""
    records = [
        replace(told.records[0], source=f"source {number}", id=f"{number:064x}", manifest=Tree(0, number, ()))
        for number in range(600)
    ]
    asked: list[str] = []

    def read(some: Collection[Record]) -> pa.Array:
        asked.extend(one.source for one in some)
        return pa.array([chunk for one in some for chunk in chunks_of(one)], pa.binary(32))

    def chunks_of(one: Record) -> set[bytes]:
        return {blake3(f"{one.source} {number}".encode()).digest() for number in range(3)} | {bytes(32)}

    kept_chunks.chunks_of(cached, records, read, never)
    assert len(asked) == 600
    asked.clear()
    left = records
    while len(left := left[1::2]) > 10:
        found = kept_chunks.chunks_of(cached, left, read, never)
        assert set(found.to_pylist()) == set().union(*map(chunks_of, left))
    assert not asked


@pytest.mark.parametrize("how", ["gone", "empty", "cut", "flipped", "of other keys", "unsigned"])
def test_a_file_that_is_not_ours_is_not_believed(how: str, told: Told, cached: Project, tmp_path: Path) -> None:
    right, _ = live(cached, told.records)
    file = file_of(cached, tmp_path)
    data = file.read_bytes()
    if how == "gone":
        file.unlink()
    elif how == "of other keys":
        stranger = replace(cached, capability=replace(cached.capability, chunk_id_key=bytes(32)))
        plain = bytes(cached.open_catalogue(data))[32:]
        file.write_bytes(bytes(cached.seal_catalogue(kept_chunks._tag(stranger, plain) + plain)))
    else:
        plain = bytes(cached.open_catalogue(data))
        unsigned = bytes(cached.seal_catalogue(bytes(32) + plain[32:]))
        file.write_bytes(
            {"empty": b"", "cut": data[:-9], "flipped": data[:-1] + bytes([data[-1] ^ 1]), "unsigned": unsigned}[how]
        )
    assert live(cached, told.records) == (right, HOURS)
    assert live(cached, told.records) == (right, 0)


def test_what_was_read_before_an_interruption_is_not_read_again(told: Told, cached: Project) -> None:
    left = 7

    def stop() -> None:
        nonlocal left
        left -= 1
        if not left:
            raise Interrupted("SIGINT")

    with pytest.raises(Interrupted):
        live(cached, told.records, stop)
    right, _ = live(told.project, told.records)
    found, read = live(cached, told.records)
    assert found == right
    assert read < HOURS


def test_without_a_cache_nothing_is_kept(told: Told, tmp_path: Path) -> None:
    live(told.project, told.records)
    assert list(tmp_path.rglob("*.live")) == []
