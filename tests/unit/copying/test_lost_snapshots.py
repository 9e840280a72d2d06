"""Snapshots that the first store has lost and a copy has: whoever reads with copies behind the store uses them, and says so."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.support.places import TickingClock, back_up, made_on, restore
from tests.support.randomness import SeededChance
from tests.support.second_copies import copy, paired
from tests.support.trees import contents, text, write_tree
from vault.copying.pair import CopyPair
from vault.errors import ObjectNotFound
from vault.format import layout
from vault.repository import missing_snapshots, snapshots
from vault.repository.client_memory import ClientMemory
from vault.repository.gc import forget
from vault.repository.gc.prune import apply
from vault.repository.gc.prune_plan import PruneOptions
from vault.repository.gc.prune_planner import make_plan
from vault.repository.project import Project
from vault.storage.caching import in_passing, uncached
from vault.storage.fallback import FallbackNotes, FallbackStore, OtherStore
from vault.storage.memory import MemoryStore


class Reader:
    """A machine with copies behind the store. asked: how often these were opened."""

    def __init__(self, pair: CopyPair, folder: Path) -> None:
        self.notes, self.asked = FallbackNotes(), 0
        self.memory = ClientMemory.of(folder, "memory", SeededChance("memory"))
        self._pair = pair
        store = FallbackStore(pair.first.store, self._others, pair.first.services.clock, self.notes)
        self.project = replace(pair.first, store=store)

    def _others(self) -> list[OtherStore]:
        self.asked += 1
        return [OtherStore("offsite", self._pair.target)]

    def look(self) -> list[str]:
        return missing_snapshots.gone(self.project, self.memory)


@pytest.fixture
def pair(tmp_path: Path) -> CopyPair:
    """Two snapshots, and a whole copy of them."""
    project = made_on(MemoryStore())
    for words in ("one", "other"):
        write_tree(tmp_path / "source", {f"part {number}": text(f"{words} {number}", 700) for number in range(8)})
        write_tree(tmp_path / "source", {"same": text("same", 700)})
        back_up(project, tmp_path / "source")
    pair = paired(project, MemoryStore())
    copy(pair)
    return pair


@pytest.fixture
def reader(pair: CopyPair, tmp_path: Path) -> Reader:
    return Reader(pair, tmp_path)


def lose(project: Project, number: int) -> str:
    """The record of a snapshot is deleted, and nobody says why."""
    snapshot = snapshots.read_all(project)[number].id
    project.store.delete(layout.snapshot_name(project.id, snapshot))
    return snapshot


def pruned(project: Project) -> None:
    for _ in range(2):
        apply(project, make_plan(project, PruneOptions()), PruneOptions())


@pytest.mark.parametrize("number", [0, 1])
def test_a_snapshot_that_is_lost_is_that_of_the_copy(pair: CopyPair, reader: Reader, tmp_path: Path, number: int) -> None:
    lost = lose(pair.first, number)
    assert reader.look() == []
    assert [one.id for one in snapshots.read_all(reader.project)][number] == lost
    assert not restore(reader.project, tmp_path / "back").problems
    assert list(contents(tmp_path / "back").values()) == list(contents(tmp_path / "source").values())
    (problem,) = reader.notes.problems
    assert problem.what == "read-from-copy" and lost in problem.path.decode() and "is gone" in problem.message


def test_a_store_that_was_rolled_back_is_as_far_as_its_copy(pair: CopyPair, reader: Reader, tmp_path: Path) -> None:
    """Its records, catalogue and packs of the last backup are all gone."""
    before = {info.name for info in pair.first.store.list("")}
    write_tree(tmp_path / "source", {"part 3": text("part 3", 900)})
    back_up(pair.first, tmp_path / "source")
    copy(pair)
    for name in {info.name for info in pair.first.store.list("")} - before:
        pair.first.store.delete(name)
    reader.look()
    assert not restore(reader.project, tmp_path / "back").problems
    assert list(contents(tmp_path / "back").values()) == list(contents(tmp_path / "source").values())


def test_what_the_first_store_forgot_does_not_come_back(pair: CopyPair, reader: Reader) -> None:
    forget.forget(pair.first, [snapshots.read_all(pair.first)[1].id], reason="a test", newest_too=True)
    pruned(pair.first)
    assert reader.look() == [] and reader.asked == 1
    assert len(snapshots.read_all(reader.project)) == 1 and not reader.notes.problems


def test_what_the_copy_stored_for_itself_is_no_snapshot(pair: CopyPair, reader: Reader) -> None:
    forget.forget(pair.second, [snapshots.read_all(pair.second)[0].id], reason="a test")
    options = PruneOptions(repack_above=0.01)
    for _ in range(2):
        apply(pair.second, make_plan(pair.second, options), options)
    own = set(snapshots.stored_ids(pair.second)) - set(snapshots.stored_ids(pair.first))
    assert own, "the copy has no record of moved packs"
    reader.look()
    assert set(snapshots.stored_ids(reader.project)) == set(snapshots.stored_ids(pair.first)) and not reader.notes.problems


def test_copies_are_asked_once_a_day(pair: CopyPair, reader: Reader, tmp_path: Path) -> None:
    reader.look()
    reader.look()
    assert reader.asked == 1
    lost = lose(pair.first, 1)
    reader.look()  # this machine has seen it
    assert lost in snapshots.stored_ids(reader.project)
    later = Reader(pair, tmp_path)
    clock = TickingClock(pair.first.services.clock.now() + missing_snapshots.COPIES_ASKED_EVERY + timedelta(hours=1))
    later.project = replace(later.project, services=replace(later.project.services, clock=clock))
    later.look()
    assert later.asked


def test_a_lost_snapshot_is_still_found_in_the_next_run(pair: CopyPair, reader: Reader, tmp_path: Path) -> None:
    lost = lose(pair.first, 1)
    reader.look()
    again = Reader(pair, tmp_path)
    assert again.look() == [] and lost in snapshots.stored_ids(again.project)


def test_a_snapshot_that_no_copy_has_is_gone(pair: CopyPair, reader: Reader) -> None:
    reader.look()
    lost = lose(pair.first, 1)
    pair.target.delete(layout.snapshot_name(pair.first.id, lost))
    assert reader.look() == [lost]


def test_an_object_that_is_listed_also_is_listed_beneath_and_in_passing(pair: CopyPair, reader: Reader) -> None:
    name = layout.snapshot_name(pair.first.id, lose(pair.first, 1))
    store = reader.project.store
    assert isinstance(store, FallbackStore)
    store.list_also(name)
    for one in (store, store.beneath(), store.in_passing(), uncached(store), in_passing(store)):
        assert [info.name for info in one.list(pair.first.folder("snapshots"))].count(name) == 1
        assert name not in [info.name for info in one.list(pair.first.folder("packs"))]
    with pytest.raises(ObjectNotFound):
        store.list_also("projects/nothing")
