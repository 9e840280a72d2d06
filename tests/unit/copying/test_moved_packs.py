"""Packs whose content lies elsewhere by now, in the first store, in the second, or in both to different packs."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.support.places import back_up, checked, made_on, names, restore
from tests.support.second_copies import copy, paired
from tests.support.trees import contents, text, write_tree
from vault.copying import moved_packs
from vault.copying.pair import CopyPair
from vault.copying.read_both import first_store, second_store
from vault.repository import snapshots
from vault.repository.chunk_index import ChunkIndex
from vault.repository.gc import forget, marks, prune_planner, small_packs
from vault.repository.gc.prune import apply
from vault.repository.gc.prune_plan import PruneOptions, PrunePlan
from vault.repository.gc.prune_planner import make_plan
from vault.repository.index_compaction import compact
from vault.repository.project import Project
from vault.storage.fallback import FallbackNotes, FallbackStore, OtherStore
from vault.storage.memory import MemoryStore


def pruned(project: Project, *, twice: bool = True, **options: object) -> None:
    for _ in range(1 + twice):
        chosen = replace(PruneOptions(), **options)
        apply(project, make_plan(project, chosen), chosen)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "source"


@pytest.fixture
def pair(folder: Path) -> CopyPair:
    """Two snapshots of which the second needs half of what the first one stored together, and a whole copy."""
    project = made_on(MemoryStore())
    write_tree(folder, {f"part {number}": text(f"part {number}", 700) for number in range(8)})
    back_up(project, folder)
    for number in range(0, 8, 2):
        (folder / f"part {number}").write_bytes(b"other %d" % number)
    back_up(project, folder)
    pair = paired(project, MemoryStore())
    copy(pair)
    return pair


def back(project: Project, to: Path) -> dict[str, bytes]:
    assert not restore(project, to).problems
    return {name.removeprefix("reports/"): data for name, data in contents(to).items()}


def forget_first(project: Project) -> None:
    forget.forget(project, [snapshots.read_all(project)[0].id], reason="a test")


def packs(pair: CopyPair) -> set[str]:
    return set(names(pair.target, pair.first.folder("packs")))


def test_what_moved_in_the_first_store_is_copied_as_it_is_now(pair: CopyPair, folder: Path, tmp_path: Path) -> None:
    forget_first(pair.first)
    pruned(pair.first, repack_above=0.1)
    fresh = paired(pair.first, MemoryStore())
    done = copy(fresh)
    assert done.complete and not done.problems
    report = checked(fresh.second)
    assert report.sound and report.orphans == 0
    assert back(fresh.second, tmp_path / "back") == contents(folder)
    pruned(fresh.second)
    assert checked(fresh.second).sound


def test_a_snapshot_that_comes_late_finds_what_has_moved_in_the_second_store(
    pair: CopyPair, folder: Path, tmp_path: Path
) -> None:
    """The second store has thrown away what the first one still has, and a new snapshot needs it again."""
    forget_first(pair.second)
    pruned(pair.second, repack_above=0.1)
    write_tree(folder, {f"part {number}": text(f"part {number}", 700) for number in range(8)})
    back_up(pair.first, folder)
    done = copy(pair)
    assert done.complete and not done.problems and done.packs
    report = checked(pair.second)
    assert report.sound, [*report.damage, *report.lost]
    assert back(pair.second, tmp_path / "back") == contents(folder)
    pruned(pair.second)
    assert checked(pair.second).sound and back(pair.second, tmp_path / "back 2") == contents(folder)


def prune_begins(project: Project) -> PrunePlan:
    """A prune that moves what is needed of wasteful packs has marked them, and its machine sleeps."""
    options = PruneOptions(repack_above=0.1)
    plan = make_plan(project, options)
    assert plan.wasteful
    marks.write(project, [one.pack.sha256 for one in plan.wasteful])
    return plan


def test_a_snapshot_that_needs_more_of_a_pack_than_a_prune_would_move_waits(
    pair: CopyPair, folder: Path, tmp_path: Path
) -> None:
    forget_first(pair.second)
    plan = prune_begins(pair.second)
    write_tree(folder, {f"part {number}": text(f"part {number}", 700) for number in range(8)})
    back_up(pair.first, folder)
    done = copy(pair, wait=0.0)
    assert done.waiting and not done.snapshots and not done.complete
    apply(pair.second, plan, PruneOptions(repack_above=0.1))
    for name in names(pair.target, pair.second.folder("marks")):
        pair.target.delete(name)
    done = copy(pair)
    assert done.complete and done.snapshots == 1
    report = checked(pair.second)
    assert report.sound, [*report.damage, *report.lost]
    assert back(pair.second, tmp_path / "back") == contents(folder)


def test_a_snapshot_that_needs_what_a_prune_moves_anyway_does_not_wait(pair: CopyPair, folder: Path, tmp_path: Path) -> None:
    forget_first(pair.second)
    plan = prune_begins(pair.second)
    write_tree(folder, {"new": b"new"})
    back_up(pair.first, folder)
    done = copy(pair)
    assert done.complete and done.snapshots == 1
    apply(pair.second, plan, PruneOptions(repack_above=0.1))
    report = checked(pair.second)
    assert report.sound, [*report.damage, *report.lost]
    assert back(pair.second, tmp_path / "back") == contents(folder)


def test_nothing_is_brought_again_that_the_second_store_has_elsewhere(pair: CopyPair, folder: Path) -> None:
    forget_first(pair.second)
    pruned(pair.second, repack_above=0.1)
    before = packs(pair)
    write_tree(folder, {"new": b"new"})
    back_up(pair.first, folder)
    done = copy(pair)
    assert done.complete and len(packs(pair) - before) <= 1
    assert checked(pair.second).sound


def test_small_packs_that_the_first_store_joins_go_from_the_second_as_well(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: Path
) -> None:
    monkeypatch.setattr(small_packs, "FAN_IN", 3)
    monkeypatch.setattr(prune_planner, "FAN_IN", 3)
    from tests.support.places import tiny_descriptor

    project = made_on(MemoryStore(), tiny_descriptor(pack=100_000))
    for hour in range(7):
        write_tree(folder, {f"hour {hour}": text(f"hour {hour}", 500)})
        back_up(project, folder)
    pair = paired(project, MemoryStore())
    copy(pair)
    small = packs(pair)
    pruned(project, join=True)
    write_tree(folder, {"later": b"later"})
    back_up(project, folder)
    copy(pair)
    assert packs(pair) > small
    pruned(pair.second, join=False, twice=False)
    left = packs(pair)
    assert len(left & small) < len(small) and len(left) < len(small)
    report = checked(pair.second)
    assert report.sound and report.snapshots == 8
    assert back(pair.second, tmp_path / "back") == contents(folder)
    assert not moved_packs.stored_again(first_store(pair.first), second_store(pair.second, frozenset()))


def test_content_that_lies_in_other_packs_of_the_copy_is_found_there(pair: CopyPair, folder: Path, tmp_path: Path) -> None:
    forget_first(pair.second)
    pruned(pair.second, repack_above=0.1)
    for name in names(pair.first.store, pair.first.folder("packs")):
        pair.first.store.delete(name)
    notes = FallbackNotes()
    whole = FallbackStore(pair.first.store, lambda: [OtherStore("offsite", pair.target)], pair.first.services.clock, notes)
    assert back(replace(pair.first, store=whole), tmp_path / "back") == contents(folder)
    assert {one.what for one in notes.problems} == {"read-from-copy"}


def test_packs_that_a_prune_has_left_out_of_the_index_are_named_again(pair: CopyPair) -> None:
    compact(pair.second, ChunkIndex.load(pair.second).packs(), stop=lambda: None)
    assert not checked(pair.second).sound
    copy(pair)
    assert checked(pair.second).sound


def test_a_pack_of_which_no_segment_says_what_it_holds_is_not_taken_for_unneeded(pair: CopyPair) -> None:
    first, second = first_store(pair.first), second_store(pair.second, frozenset())
    newest, (pack, *_) = first.records[-1], sorted(first.index.packs())
    there = moved_packs.LooksFor(second.index, frozenset(second.packs), frozenset())
    assert moved_packs.lacking(first, newest, frozenset({pack}), there) == set()
    known, rest = first.index.split(frozenset({pack}))
    assert rest.num_rows
    assert moved_packs.lacking(replace(first, index=known), newest, frozenset({pack}), there) == {pack}
