"""Something is lost, and life goes on: the next backup, a stranger's restore, the next prune, the backup after that.

Backups run behind the cache of the machine that made the first one; whoever restores and checks has never seen the repository.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import replace

from tests.support.places import (
    FAR_AHEAD,
    TickingClock,
    back_up,
    checked,
    copied,
    made_on,
    names,
    restore,
    through,
    tiny_descriptor,
)
from tests.support.randomness import SeededChance
from tests.support.trees import contents, text, write_tree
from vault.backup.report import BackupReport
from vault.backup.run import BackupOptions
from vault.errors import ObjectNotFound, SourceError
from vault.format import layout
from vault.repository import snapshots
from vault.repository.catalog_chunks import MetaReader
from vault.repository.chunk_index import ChunkIndex
from vault.repository.gc.prune import apply as prune
from vault.repository.gc.prune_plan import PruneOptions
from vault.repository.gc.prune_planner import make_plan
from vault.repository.project import Project
from vault.repository.stored_packs import list_all_packs
from vault.storage.caching import CachingStore
from vault.storage.contract import ObjectInfo
from vault.storage.memory import MemoryStore

FILES = {f"f{number:02}": text(number, 900) for number in range(12)}
VANISHED = {"old": text("old", 2500)}


class World(Struct):
    """A machine that backs up, its source, and the store as strangers see it."""

    project: Project
    store: MemoryStore
    folder: Path
    scratch: Path

    def names(self, part: str) -> list[str]:
        return names(self.store, self.project.folder(part))

    def lose(self, *lost: str) -> None:
        for name in lost:
            self.store.delete(name)

    def back_up(self, **changes: bytes) -> BackupReport:
        write_tree(self.folder, changes)
        return back_up(self.project, self.folder)

    @property
    def stranger(self) -> Project:
        return through(self.project, self.store, seed="stranger")

    def given_back(self) -> tuple[dict[str, bytes], set[str]]:
        """What a stranger gets of the newest state, without a name for its kind, and what is told of it."""
        self.scratch = self.scratch.with_name(self.scratch.name + "+")
        report = restore(self.stranger, self.scratch, incomplete=True)
        found = {name.removeprefix("reports/"): data for name, data in contents(self.scratch).items()}
        return found, {problem.what for problem in report.problems}

    def prune(self) -> None:
        options = PruneOptions()
        prune(self.project, make_plan(self.project, options), options)

    def source(self) -> dict[str, bytes]:
        return contents(self.folder)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Two snapshots; `old` has vanished in the second one."""
    store = MemoryStore()
    made = made_on(store, tiny_descriptor(pack=2000))
    project = replace(made, store=CachingStore(store, tmp_path / "cache", SeededChance("cache")))
    folder = write_tree(tmp_path / "source", {**FILES, **VANISHED})
    back_up(project, folder)
    (folder / "old").unlink()
    back_up(project, folder)
    return World(project, store, folder, tmp_path / "back")


def packs_of(world: World, *paths: str) -> set[str]:
    """The content packs in which these items lie."""
    index, found = ChunkIndex.load(world.stranger), set()
    for row in rows(world):
        if row["path"].decode().removeprefix("reports/") in paths:
            wanted = {chunk["id"] for chunk in row["chunks"]}
            found |= {one["pack"] for one in index.table.to_pylist() if one["chunk"] in wanted}
    return {layout.pack_name(world.project.id, 0, pack) for pack in found}


def rows(world: World) -> list[dict[str, Any]]:
    newest = snapshots.heads(snapshots.committed(world.stranger).records, "files")[-1]
    found: list[dict[str, Any]] = snapshots.read_manifest(MetaReader(world.stranger), newest).to_pylist()
    return found


def told(report: BackupReport) -> list[tuple[str, str]]:
    return sorted((problem.what, problem.path.decode().rpartition("/")[2]) for problem in report.problems)


@pytest.mark.parametrize("pruned", [False, True])
@pytest.mark.parametrize("changed", [False, True])
def test_a_lost_content_pack_is_stored_again_from_the_source(world: World, *, pruned: bool, changed: bool) -> None:
    lost = packs_of(world, "f03")
    world.lose(*lost)
    if pruned:
        world.prune()
    report = world.back_up(**({"new": b"new"} if changed else {}))
    assert report.problems == () or {what for what, _ in told(report)} == {"lost-content"}
    assert report.record.counts.changed == int(changed), "the folder, which has a new entry; what was lost is no change"
    assert world.given_back() == (world.source(), set())
    assert not [one for one in checked(world.stranger).lost if one.snapshot == report.record.id and one.path != "reports/old"]
    world.prune()
    assert world.back_up().record.counts.read_bytes == 0
    assert world.given_back() == (world.source(), set())


def test_new_content_is_not_deduplicated_into_a_lost_pack(world: World) -> None:
    world.lose(*packs_of(world, "f03"))
    (world.folder / "f03").unlink()
    report = world.back_up(copy=FILES["f03"])
    assert told(report) == [], "the copy has brought the content of the vanished item back"
    assert world.given_back() == (world.source(), set())


@pytest.mark.parametrize("pruned", [False, True])
def test_a_lost_vanished_item_is_carried_on_as_lost_in_changed_and_unchanged_backups(world: World, *, pruned: bool) -> None:
    kept = {name: world.store.get(name) for name in packs_of(world, "old")}
    world.lose(*kept)
    for number in range(3):
        if pruned and number:
            world.prune()
        for changes in ({}, {f"new {number}": b"new"}):
            report = world.back_up(**changes)
            assert told(report) == [("lost-content", "old")]
            assert any(name.rpartition("/")[2] in report.problems[0].message for name in kept)
            assert report.record.counts.problems == 1
    assert world.given_back() == (world.source(), set())
    for name, data in kept.items():
        world.store.put(name, data)
    assert b"reports/old" in {row["path"] for row in rows(world)}
    again = world.back_up(another=b"another")
    assert told(again) == ([("missing-index", "index")] if pruned else [])
    world.prune()
    assert all(name in world.names("packs") for name in kept), "what came back is needed, and stays"


def test_a_second_loss_does_not_end_backups_either(world: World) -> None:
    world.lose(*packs_of(world, "old"))
    world.back_up()
    world.lose(*world.names("packs"))
    report = world.back_up()
    assert told(report) == [("lost-content", "old")]
    assert world.given_back() == (world.source(), set())


def test_an_item_that_is_lost_and_goes_from_the_source_at_once_is_told(world: World) -> None:
    world.lose(*packs_of(world, "f05"))
    (world.folder / "f05").unlink()
    report = world.back_up()
    assert ("lost-content", "f05") in told(report)


@pytest.mark.parametrize("how", ["cut", "emptied", "known"])
def test_a_damaged_pack_is_avoided_like_a_lost_one(world: World, how: str) -> None:
    (name, *_) = packs_of(world, "f03")
    whole = world.store.get(name)
    world.store.put(name, {"cut": whole[:-300], "emptied": b"", "known": bytes(len(whole))}[how])
    damaged = frozenset({bytes.fromhex(name.rpartition("/")[2])}) if how == "known" else frozenset()
    write_tree(world.folder, {"new": FILES["f03"]})
    report = back_up(world.project, world.folder, BackupOptions(damaged=damaged))
    assert {what for what, _ in told(report)} <= {"lost-content"}
    assert world.given_back() == (world.source(), set())


@pytest.mark.parametrize("changed", [False, True])
def test_a_backup_writes_a_deleted_index_segment_anew(world: World, *, changed: bool) -> None:
    world.lose(*world.names("index"))
    found, problems = world.given_back()
    assert (found, problems) == (world.source(), {"missing-index"})
    report = world.back_up(**({"new": b"new"} if changed else {}))
    assert [what for what, _ in told(report)] == ["missing-index"]
    assert report.record.counts.read_bytes == (3 if changed else 0), "nothing that stands is stored again"
    assert world.given_back() == (world.source(), set())
    assert checked(world.stranger).sound
    assert world.back_up().problems == ()


def test_a_writer_that_may_not_read_stores_again_what_no_segment_names_and_says_so(world: World) -> None:
    world.lose(*world.names("index"))
    writer = replace(world.project, capability=world.project.capability.without_reading())
    before = list_all_packs(world.stranger)
    report = back_up(writer, world.folder)
    assert ("unindexed-content", "old") in told(report)
    assert world.given_back()[0] == world.source()
    world.prune()
    assert list_all_packs(world.stranger).keys() >= {
        bytes.fromhex(name.rpartition("/")[2]) for name in before_of(world, before)
    }, "what holds the vanished item is still needed"


def before_of(world: World, packs: dict[bytes, int]) -> list[str]:
    return [
        layout.pack_name(world.project.id, 0, pack)
        for pack in packs
        if layout.pack_name(world.project.id, 0, pack) in world.names("packs")
    ]


@pytest.mark.parametrize("changed", [False, True])
def test_a_manifest_is_not_deduplicated_onto_a_catalogue_pack_that_is_gone(world: World, *, changed: bool) -> None:
    """The machine's own cache still gives what the store has lost."""
    world.lose(*world.names("meta"))
    world.back_up(**({"new": b"new"} if changed else {}))
    assert world.given_back()[0] == world.source()
    assert world.back_up().problems == ()


@pytest.mark.parametrize("damage", [bytes, lambda length: bytes(length - 7)], ids=["emptied", "cut"])
def test_a_catalogue_pack_of_another_length_counts_as_damaged(world: World, damage: Callable[[int], bytes]) -> None:
    for name in world.names("meta"):
        world.store.put(name, b"" if damage is bytes else damage(world.store.size(name)))
    world.back_up(new=b"new")
    assert world.given_back()[0] == world.source()


def cold(world: World, tmp_path: Path) -> World:
    """The same, backed up by a machine with an empty cache."""
    fresh = CachingStore(world.store, tmp_path / "another cache", SeededChance("another"))
    return replace(world, project=replace(world.project, store=fresh))


def newest_meta(world: World, folder_before: set[str]) -> list[str]:
    return sorted(set(world.names("meta")) - folder_before)


def test_an_unreadable_newest_manifest_makes_an_older_one_stand_in(world: World, tmp_path: Path) -> None:
    before = set(world.names("meta"))
    (world.folder / "f00").unlink()
    newest = world.back_up(between=b"between").record
    world.lose(*newest_meta(world, before))
    hurt = cold(world, tmp_path)
    found, problems = hurt.given_back()
    assert problems == {"lost-manifest"}
    assert "between" not in found
    assert "f00" in found
    report = hurt.back_up(new=b"new")
    assert [what for what, _ in told(report)] == ["lost-manifest"]
    assert newest.id in report.problems[0].message
    assert report.record.parents == (newest.id,)
    assert {b"reports/old", b"reports/f00"} <= {row["path"] for row in rows(hurt) if row["vanished_at"]}
    assert hurt.given_back() == (hurt.source(), set())
    assert hurt.back_up().problems == ()


def test_where_no_manifest_reads_the_history_begins_anew_and_the_run_says_so(world: World, tmp_path: Path) -> None:
    world.lose(*world.names("meta"))
    hurt = cold(world, tmp_path)
    report = hurt.back_up()
    assert [what for what, _ in told(report)] == ["lost-manifest"]
    assert "no older one" in report.problems[0].message
    assert report.record.counts.problems == 1
    assert hurt.given_back() == (hurt.source(), set())
    assert hurt.back_up().problems == ()


def test_an_empty_source_is_refused_also_where_the_last_manifest_cannot_be_read(world: World, tmp_path: Path) -> None:
    world.lose(*world.names("meta"))
    for name in world.source():
        (world.folder / name).unlink()
    with pytest.raises(SourceError):
        cold(world, tmp_path).back_up()


def test_an_empty_source_is_refused_also_where_no_record_can_be_read(world: World, tmp_path: Path) -> None:
    for name in world.names("snapshots"):
        world.store.put(name, b"garbage")
    for name in world.source():
        (world.folder / name).unlink()
    with pytest.raises(SourceError):
        cold(world, tmp_path).back_up()


def test_an_answer_that_was_damaged_once_does_not_make_a_manifest_unreadable(world: World) -> None:
    flaky = FlippedOnce(world.store)
    report = back_up(through(world.project, flaky), world.folder)
    assert flaky.flipped
    assert report.problems == ()
    assert len(snapshots.read_all(through(world.project, flaky))) == 3
    assert report.record.counts.read_bytes == 0


class FlippedOnce(MemoryStore):
    """Another store's objects; the first range of a catalogue pack arrives damaged."""

    def __init__(self, other: MemoryStore) -> None:
        super().__init__()
        self.flipped = False
        for info in other.list(""):
            self.put(info.name, other.get(info.name))

    def get_range(self, name: str, start: int, length: int) -> bytes:
        found = bytearray(super().get_range(name, start, length))
        if "/meta/" in name and start and not self.flipped:
            self.flipped = True
            found[len(found) // 2] ^= 1
        return bytes(found)


def test_what_one_listing_leaves_out_is_not_believed_lost(world: World) -> None:
    (name, *_) = packs_of(world, "old")
    report = back_up(through(world.project, Forgetful(world.store, name)), world.folder)
    assert report.problems == ()
    assert report.record.counts.read_bytes == 0


class Forgetful(FlippedOnce):
    """Listings leave one object out; it stands nevertheless."""

    def __init__(self, other: MemoryStore, hidden: str) -> None:
        super().__init__(other)
        self.flipped = True
        self._hidden = hidden

    def list(self, folder: str) -> Iterator[ObjectInfo]:
        return (info for info in super().list(folder) if info.name != self._hidden)


def test_what_stands_in_for_an_unreadable_manifest_is_what_it_followed_whatever_the_clock_said(
    world: World, tmp_path: Path
) -> None:
    before = set(world.names("meta"))
    clock = TickingClock(FAR_AHEAD - timedelta(days=1))
    late = replace(world.project, services=replace(world.project.services, clock=clock))
    write_tree(world.folder, {"between": b"between"})
    newest = back_up(late, world.folder).record
    assert newest.taken_at < FAR_AHEAD
    world.lose(*newest_meta(world, before))
    hurt = cold(world, tmp_path)
    assert hurt.given_back()[0].keys() == world.source().keys() - {"between"}
    report = hurt.back_up()
    assert newest.parents[0] in report.problems[0].message
    assert b"reports/old" in {row["path"] for row in rows(hurt) if row["vanished_at"]}


def test_any_number_of_unreadable_heads_costs_tries_and_not_the_backup(world: World, tmp_path: Path) -> None:
    base, before = copied(world.store), set(world.names("meta"))
    for number in range(11):
        elsewhere = through(world.project, copied(base), seed=f"host {number}")
        back_up(elsewhere, write_tree(tmp_path / f"{number}", FILES | {f"only {number}": b"1"}))
        for info in elsewhere.store.list(""):
            world.store.put(info.name, elsewhere.store.get(info.name))
    heads = snapshots.heads(snapshots.read_all(world.stranger), "files")
    assert len(heads) == 11
    world.lose(*newest_meta(world, before))
    hurt = cold(world, tmp_path)
    report = hurt.back_up()
    assert [what for what, _ in told(report)] == ["lost-manifest"] * 11
    assert set(report.record.parents) == {one.id for one in heads}
    assert b"reports/old" in {row["path"] for row in rows(hurt) if row["vanished_at"]}
    assert hurt.back_up().problems == ()


def test_unreadable_manifests_are_passed_over_several_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(world.names("meta"))
    readable = snapshots.heads(snapshots.read_all(world.stranger), "files")[-1]
    for number in range(12):
        world.back_up(**{f"new{number}": text(number, 3000)})
    world.lose(*newest_meta(world, before))
    records, lock, waiting, most = snapshots.read_all(world.stranger), threading.Lock(), 0, 0
    read = snapshots.read_manifest

    def slowly(*arguments: Any, **more: Any) -> Any:
        nonlocal waiting, most
        with lock:
            waiting += 1
            most = max(most, waiting)
        time.sleep(0.005)
        with lock:
            waiting -= 1
        return read(*arguments, **more)

    monkeypatch.setattr(snapshots, "read_manifest", slowly)
    found = snapshots.newest_readable(MetaReader(world.stranger), records, records[-1], ())
    assert found is not None and found.id == readable.id
    assert most > 2


def test_a_record_that_is_listed_and_never_given_out_keeps_nobody_from_the_others(world: World, tmp_path: Path) -> None:
    newest = world.back_up(newest=b"newest").record
    (name,) = [name for name in world.names("snapshots") if name.endswith(newest.id)]
    phantom = through(world.stranger, NotGivenOut(world.store, name))
    report = back_up(phantom, world.folder)
    assert [what for what, _ in told(report)] == ["lost-record"]
    assert restore(phantom, tmp_path / "back").problems
    assert contents(tmp_path / "back/reports") == world.source()
    assert [problem.what for problem in back_up(phantom, world.folder).problems] == ["lost-record"]


class NotGivenOut(FlippedOnce):
    """A store that lists an object but does not return it."""

    def __init__(self, other: MemoryStore, name: str) -> None:
        super().__init__(other)
        self.flipped = True
        self._name = name

    def get(self, name: str) -> bytes:
        if name == self._name:
            raise ObjectNotFound(f"there is no object {name}")
        return super().get(name)
