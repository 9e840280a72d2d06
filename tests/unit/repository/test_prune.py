"""Forgetting and pruning: what goes, what stays, and who is told."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from restore.selection.select import ItemQuery
from tests.support.places import back_up, checked, made_on, names, restore, through, tiny_descriptor
from tests.support.randomness import SeededChance
from tests.support.trees import look_at, text, write_tree
from tests.support.watchdog import no_hang
from tests.unit.backup.test_two_at_once import OnWrite
from vault.backup.report import BackupReport as BackupReport
from vault.errors import Busy, Damaged, Interrupted, RefusedByRule, StorageDenied, UsageError
from vault.format import layout
from vault.format.claim import Eviction
from vault.format.layout import CONTENT_TIER
from vault.format.snapshot_record import Record
from vault.repository import missing_snapshots, snapshots
from vault.repository.catalog_chunks import MetaReader
from vault.repository.chunk_index import ChunkIndex
from vault.repository.claims import WaitOptions
from vault.repository.client_memory import ClientMemory
from vault.repository.forget_notes import read_notes as each_note
from vault.repository.gc import forget, marks
from vault.repository.gc.prune import apply
from vault.repository.gc.prune_plan import PruneOptions, PrunePlan
from vault.repository.gc.prune_planner import make_plan, name_of
from vault.repository.gc.prune_report import PruneReport
from vault.repository.project import Project
from vault.repository.session import Session
from vault.repository.stored_packs import list_packs
from vault.repository.writer_view import WriterView
from vault.storage.memory import MemoryStore

AT_ONCE = PruneOptions(patience=WaitOptions(seconds=0), repack_above=None)
REPACKING = replace(AT_ONCE, repack_above=0.5)


@pytest.fixture
def project() -> Project:
    return made_on(MemoryStore())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tree(tmp_path / "source", {"kept": text("kept", 6000), "going": text("going", 30_000)})


def pruned(project: Project, options: PruneOptions = AT_ONCE) -> PruneReport:
    return apply(project, make_plan(project, options), options)


def history(project: Project, folder: Path, count: int) -> list[BackupReport]:
    """Snapshots, between which every time a file is another."""
    made = []
    for number in range(count):
        write_tree(folder, {"going": text(f"going {number}", 30_000)})
        made.append(back_up(project, folder))
    return made


def packs(project: Project) -> int:
    return len(names(project.store, project.folder("packs"))) + len(names(project.store, project.folder("meta")))


def test_what_only_a_forgotten_snapshot_needed_goes_and_everything_else_stays(
    project: Project, folder: Path, tmp_path: Path
) -> None:
    first, second, third = history(project, folder, 3)
    before = packs(project)
    forget.forget(project, [first.record.id, second.record.id], reason="a test")
    assert [one.id for one in snapshots.read_all(project)] == [third.record.id]
    report = pruned(project)
    assert report.done
    assert report.forgotten == 2
    assert report.deleted > 10
    assert packs(project) == before - report.deleted
    assert report.freed > 60_000
    assert (report.as_json()["freed"], report.as_json()["done"]) == (report.freed, True)
    assert snapshots.stored_ids(project) == [third.record.id]
    found = checked(project)
    assert (found.sound, found.orphans, found.damage) == (True, 0, [])
    restore(project, tmp_path / "back")
    assert look_at(tmp_path / "back/reports") == look_at(folder)
    assert names(project.store, project.folder("marks")) == names(project.store, project.folder("claims")) == []


def test_a_prune_with_nothing_to_do_deletes_nothing(project: Project, folder: Path) -> None:
    history(project, folder, 3)
    before = names(project.store, "")
    plan = make_plan(project, AT_ONCE)
    assert (plan.dead, plan.wasteful, plan.forgotten) == ((), (), ())
    assert pruned(project).deleted == 0
    assert names(project.store, "") == before


def test_a_vanished_item_is_kept_through_a_prune(project: Project, folder: Path, tmp_path: Path) -> None:
    history(project, folder, 2)
    expected = (folder / "going").read_bytes()
    (folder / "going").unlink()
    back_up(project, folder)
    old = snapshots.read_all(project)[:-1]
    forget.forget(project, [one.id for one in old], reason="a test")
    pruned(project)
    restore(project, tmp_path / "back", ItemQuery(deleted=True))
    assert (tmp_path / "back/reports/going").read_bytes() == expected


def test_a_plan_changes_nothing_in_the_store(project: Project, folder: Path) -> None:
    first = history(project, folder, 2)[0]
    forget.forget(project, [first.record.id], reason="a test")
    before = {name: project.store.get(name) for name in names(project.store, "")}
    plan = make_plan(project, AT_ONCE)
    assert plan.dead
    assert plan.as_json()["dead"]["bytes"] == sum(one.size for one in plan.dead)
    assert {name: project.store.get(name) for name in names(project.store, "")} == before


def test_the_newest_of_a_source_is_not_forgotten_by_a_slip(project: Project, folder: Path) -> None:
    newest = history(project, folder, 2)[-1].record.id
    with pytest.raises(RefusedByRule):
        forget.forget(project, [newest], reason="a slip")
    with pytest.raises(UsageError):
        forget.forget(project, ["20260101t000000z-0000000000000000"], reason="a slip")
    assert len(snapshots.read_all(project)) == 2
    forget.forget(project, [newest], reason="meant", newest_too=True)
    assert len(snapshots.heads(snapshots.read_all(project), "files")) == 1


def test_what_is_held_is_neither_forgotten_nor_pruned(project: Project, folder: Path) -> None:
    first = history(project, folder, 3)[0].record.id

    def held(records: Sequence[Record]) -> dict[str, str]:
        return {one.id: "a hold of Ann's: the trial" for one in records if one.id == first}

    with pytest.raises(RefusedByRule, match="Ann"):
        forget.forget(project, [first], reason="a test", held=held)
    forget.forget(project, [first], reason="before there was a hold")
    options = replace(AT_ONCE, held=held)
    plan = make_plan(project, options)
    assert plan.held == ((first, "a hold of Ann's: the trial"),)
    assert plan.dead == ()
    assert plan.forgotten == ()
    late_hold = make_plan(project, AT_ONCE)
    assert late_hold.dead
    report = apply(project, late_hold, options)
    assert (report.deleted, report.forgotten, report.spared) == (0, 0, len(late_hold.dead))
    assert first in snapshots.stored_ids(project)


def test_what_a_forgotten_snapshot_superseded_stays_superseded(project: Project, folder: Path) -> None:
    first, second, third = history(project, folder, 3)
    forget.forget(project, [second.record.id], reason="thinned")
    assert [one.id for one in snapshots.heads(snapshots.read_all(project), "files")] == [third.record.id]
    pruned(project)
    assert [one.id for one in snapshots.heads(snapshots.read_all(project), "files")] == [third.record.id]
    forget.forget(project, [third.record.id], reason="meant", newest_too=True)
    assert [one.id for one in snapshots.heads(snapshots.read_all(project), "files")] == [first.record.id]


def test_a_note_names_the_parents_of_the_record_and_not_theirs(project: Project, folder: Path) -> None:
    """Notes would grow with the square of the history."""
    made = [one.record.id for one in history(project, folder, 5)]
    for one in made[:-1]:
        forget.forget(project, [one], reason="thinned", who="ann@desk")
    notes, _ = each_note(project)
    assert [gone.parents for note in notes for gone in note.snapshots] == [(), *((one,) for one in made[:3])]
    assert {note.who for note in notes} == {"ann@desk"}
    (left,) = snapshots.read_all(project)
    assert set(left.parents) == set(made[:-1])


def test_a_client_misses_no_snapshot_that_a_note_says_was_forgotten(project: Project, folder: Path, tmp_path: Path) -> None:
    memory = ClientMemory(tmp_path / "memory", SeededChance("memory"))
    first, second, _ = history(project, folder, 3)
    assert missing_snapshots.gone(project, memory) == []
    forget.forget(project, [first.record.id], reason="a test")
    pruned(project)
    project.store.delete(f"{project.folder('snapshots')}/{second.record.id}")
    assert missing_snapshots.gone(project, memory) == [second.record.id]


def test_a_damaged_note_keeps_what_it_said_was_forgotten_and_is_told(project: Project, folder: Path) -> None:
    first = history(project, folder, 2)[0].record.id
    forget.forget(project, [first], reason="a test")
    (note,) = names(project.store, project.folder("forgotten"))
    project.store.put(note, b"scribble")
    found = snapshots.committed(project)
    assert found.records[0].id == first
    assert [problem.what for problem in found.damaged] == ["damaged-note"]
    assert make_plan(project, AT_ONCE).dead == ()


def test_nothing_is_pruned_beside_a_record_that_cannot_be_read(project: Project, folder: Path) -> None:
    first, second, _ = history(project, folder, 3)
    forget.forget(project, [first.record.id], reason="a test")
    name = f"{project.folder('snapshots')}/{second.record.id}"
    project.store.put(name, b"scribble")
    with pytest.raises(Damaged, match=second.record.id):
        make_plan(project, AT_ONCE)
    project.store.put(f"{project.folder('snapshots')}/{first.record.id}", b"scribble too, and forgotten")
    assert make_accepted(project, second.record.id).forgotten == (first.record.id, second.record.id)
    restored = project.store.get(f"{project.folder('snapshots')}/{first.record.id}")
    assert restored == b"scribble too, and forgotten"


def make_accepted(project: Project, snapshot: str) -> PrunePlan:
    missing_snapshots.accept(
        project, [snapshot], reason="it is damaged", who="ann@desk", remembered=(), packs_stay=timedelta(0)
    )
    return make_plan(project, AT_ONCE)


def test_a_prune_waits_for_a_backup_under_way_and_gives_up_when_its_patience_ends(project: Project, folder: Path) -> None:
    first = history(project, folder, 2)[0]
    forget.forget(project, [first.record.id], reason="a test")
    session = Session.begin(project, "another")
    before = packs(project)
    report = pruned(project)
    assert (report.waiting, report.deleted, report.forgotten, report.done) == ([session.id], 0, 0, False)
    assert make_plan(project, AT_ONCE).claims == ((session.id, report.waiting_for[0]),)
    assert report.waiting_for[0].startswith("another of test, begun 2126-01-01")
    assert packs(project) == before
    assert names(project.store, project.folder("marks")) == []
    session.withdraw()
    assert pruned(project).deleted > 0


@pytest.mark.parametrize("create_once", [True, False])
def test_a_claim_without_progress_is_evicted_and_its_writer_commits_nothing(*, folder: Path, create_once: bool) -> None:
    project = made_on(MemoryStore(), tiny_descriptor(create_once=create_once))
    first = history(project, folder, 2)[0]
    forget.forget(project, [first.record.id], reason="a test")
    hasty = replace(AT_ONCE, patience=WaitOptions(seconds=0, stale_after=timedelta(0)))
    ran: list[PruneReport] = []
    prune_in_between = OnWrite(
        project.store, "snapshots" if create_once else "meta", lambda: ran.append(pruned(project, hasty))
    )
    write_tree(folder, {"new": text("new", 4000)})
    with pytest.raises(Busy):
        back_up(through(project, prune_in_between, seed="late"), folder)
    assert [report.waiting for report in ran] == [[]]
    assert ran[0].deleted > 0
    assert len(snapshots.read_all(project)) == 1
    assert checked(project).sound
    back_up(project, folder)
    assert checked(project).sound


def test_an_evicted_writer_whose_last_snapshot_was_pruned_is_told_why(project: Project, folder: Path) -> None:
    only = history(project, folder, 1)[0].record.id

    def prune_all() -> None:
        forget.forget(project, [only], reason="a test", newest_too=True)
        pruned(project, replace(AT_ONCE, patience=WaitOptions(seconds=0, stale_after=timedelta(0))))

    write_tree(folder, {"new": text("new", 9000)})
    with pytest.raises(Busy) as refusal:
        back_up(through(project, OnWrite(project.store, "packs", prune_all), seed="late"), folder)
    assert "took its claim away" in str(refusal.value)
    assert snapshots.read_all(project) == []
    back_up(project, folder)
    assert checked(project).sound


def prune_into(ran: list[PruneReport], project: Project) -> None:
    ran.append(pruned(project))


def test_a_prune_within_a_backup_takes_nothing_that_it_leans_on(project: Project, folder: Path, tmp_path: Path) -> None:
    """At every write of a backup, a prune plans and marks; it may delete only once the backup is over."""
    for moment in ("packs", "index", "meta", "snapshots"):
        first = history(project, folder, 2)[0]
        forget.forget(project, [first.record.id], reason="a test")
        write_tree(folder, {"going": text("going 0", 30_000), "new": text(moment, 2000)})  # waste by now, and still there
        ran: list[PruneReport] = []
        outer = OnWrite(project.store, moment, partial(prune_into, ran, project))
        back_up(through(project, outer, seed=moment), folder)
        assert ran[0].waiting
        assert checked(project).sound
        pruned(project)
        assert checked(project).sound
        restore(project, tmp_path / "back")
        assert look_at(tmp_path / "back/reports") == look_at(folder)
        shutil.rmtree(tmp_path / "back")


def test_waste_that_is_needed_again_since_the_plan_was_made_is_spared(project: Project, folder: Path) -> None:
    first = history(project, folder, 2)[0]
    forget.forget(project, [first.record.id], reason="a test")
    plan = make_plan(project, AT_ONCE)
    write_tree(folder, {"going": text("going 0", 30_000)})
    back_up(project, folder)
    report = apply(project, plan, AT_ONCE)
    assert report.spared > 0
    assert checked(project).sound


def test_what_a_dead_prune_has_marked_keeps_no_backup_from_its_own_history(
    project: Project, folder: Path, tmp_path: Path
) -> None:
    """A mark for ever on everything that stands: what is carried forward stays where it lies, what is new is stored anew."""
    history(project, folder, 2)
    everything = [pack for tier in (0, 1) for pack in list_packs(project, tier)]
    mark = marks.write(project, everything)
    unchanged = back_up(project, folder)
    assert unchanged.record.counts.stored_bytes == 0
    write_tree(folder, {"new": b"new", "copy": text("kept", 6000)})
    report = back_up(project, folder)
    needed = snapshots.needed_packs(MetaReader(project), report.record, {})
    assert needed & set(everything)
    assert needed - set(everything)
    assert checked(project).sound
    restore(project, tmp_path / "back")
    assert look_at(tmp_path / "back/reports") == look_at(folder)
    assert mark in names(project.store, project.folder("marks"))


def test_a_mark_that_names_nothing_that_stands_is_taken_away(project: Project, folder: Path) -> None:
    first = history(project, folder, 2)[0]
    forget.forget(project, [first.record.id], reason="a test")
    dead = [one.sha256 for one in make_plan(project, AT_ONCE).dead]
    living = marks.write(project, [pack for pack in list_packs(project, CONTENT_TIER) if pack not in dead][:1])
    marks.write(project, dead)
    pruned(project)
    assert names(project.store, project.folder("marks")) == [living]


def test_a_prune_goes_no_further_than_it_may(project: Project, folder: Path) -> None:
    first, second, _ = history(project, folder, 3)
    forget.forget(project, [first.record.id, second.record.id], reason="a test")
    everything = make_plan(project, AT_ONCE)
    bounded = replace(AT_ONCE, max_bytes=sum(one.size for one in everything.dead) // 2)
    plan = make_plan(project, bounded)
    assert 0 < len(plan.dead) < len(everything.dead)
    assert len(plan.dead) + len(plan.later) == len(everything.dead)
    assert apply(project, plan, bounded).deleted == len(plan.dead)
    assert checked(project).sound
    timed = replace(AT_ONCE, max_seconds=0.0)
    report = apply(project, make_plan(project, timed), timed)
    assert (report.deleted, report.left) == (0, len(plan.later))
    assert checked(project).sound
    assert pruned(project).done
    assert make_plan(project, AT_ONCE).dead == ()


@pytest.mark.parametrize("after", range(0, 16, 3))
def test_a_prune_that_is_stopped_leaves_a_sound_repository_and_no_mark(project: Project, folder: Path, after: int) -> None:
    first, second, _ = history(project, folder, 3)
    forget.forget(project, [first.record.id, second.record.id], reason="a test")
    plan = make_plan(project, AT_ONCE)
    looks = iter(range(after))

    def stop() -> None:
        if next(looks, None) is None:
            raise Interrupted("Ctrl-C")

    with pytest.raises(Interrupted):
        apply(project, plan, replace(AT_ONCE, stop=stop))
    assert names(project.store, project.folder("marks")) == []
    assert checked(project).sound
    pruned(project)
    assert checked(project).orphans == 0


class Locking(MemoryStore):
    """Deleting these names is not allowed."""

    kept: frozenset[str] = frozenset()

    def delete(self, name: str) -> None:
        if name in self.kept:
            raise StorageDenied(f"{name} is locked")
        super().delete(name)


def test_a_locked_pack_stays_and_is_told(folder: Path) -> None:
    store = Locking()
    project = made_on(store)
    first = history(project, folder, 2)[0]
    forget.forget(project, [first.record.id], reason="a test")
    dead = make_plan(project, AT_ONCE).dead
    until = datetime(2127, 1, 1, tzinfo=UTC)
    some = {name_of(project, one) for one in dead[:2]}
    store.kept = frozenset(some)
    told = replace(AT_ONCE, locked=lambda name: until if name in some else None)
    plan = make_plan(project, told)
    assert [(one, when) for one, when in plan.locked] == [(one, until) for one in dead[:2]]
    assert plan.dead == dead[2:]
    untold = pruned(project)
    assert sorted(untold.refused) == sorted(one.sha256.hex() for one in dead[:2])
    assert untold.deleted == len(dead) - 2
    assert checked(project).sound


def test_what_was_locked_since_the_plan_was_made_is_left_alone_though_the_store_would_hide_it(
    project: Project, folder: Path
) -> None:
    """In a versioned bucket deleting what is locked succeeds, and hides it."""
    first = history(project, folder, 2)[0].record.id
    forget.forget(project, [first], reason="a test")
    plan = make_plan(project, AT_ONCE)
    until = datetime(2127, 1, 1, tzinfo=UTC)
    kept = {name_of(project, plan.dead[0]), layout.snapshot_name(project.id, first)}
    report = apply(project, plan, replace(AT_ONCE, locked=lambda name: until if name in kept else None))
    assert kept <= set(names(project.store, ""))
    assert sorted(report.refused) == sorted([plan.dead[0].sha256.hex(), first])
    assert (report.deleted, report.forgotten, report.done) == (len(plan.dead) - 1, 0, False)


def test_objects_that_may_not_be_deleted_are_told_and_end_nothing(folder: Path) -> None:
    store = Locking()
    project = made_on(store)
    forget.forget(project, wasteful(project, folder), reason="a test")
    pruned(project, REPACKING)
    write_tree(folder, {f"file {number}": b"all other %d" % number for number in range(40)} | {"kept": b"", "going": b""})
    back_up(project, folder)
    forget.forget(project, ids(project)[:-1], reason="a test")
    pruned(project)
    stale = Session.begin(project, "another")
    project.put_record(layout.snapshot_name(project.id, stale.id), Eviction(stale.id).as_json())
    (move,) = snapshots.committed(project).moves
    old = marks.write(project, [b"gone" * 8])
    store.kept = frozenset({layout.snapshot_name(project.id, move.id), old, layout.claim_name(project.id, stale.id)})
    first = history(project, folder, 2)[0].record.id
    forget.forget(project, [first], reason="a test")
    late = replace(AT_ONCE, patience=WaitOptions(seconds=0, stale_after=timedelta(days=-1)))
    report = pruned(project, late)
    assert report.deleted > 0
    assert set(report.refused) == store.kept
    assert checked(project).sound
    store.kept = frozenset()
    assert pruned(project, late).done
    assert names(store, project.folder("marks")) == names(store, project.folder("claims")) == []


def test_many_index_segments_become_few(project: Project, folder: Path, tmp_path: Path) -> None:
    history(project, folder, 6)
    before = ChunkIndex.load(project).table.sort_by("chunk").to_pylist()
    assert len(names(project.store, project.folder("index"))) >= 6
    report = pruned(project, replace(AT_ONCE, most_segments=3))
    assert report.segments_written == len(names(project.store, project.folder("index"))) == 1
    assert ChunkIndex.load(project).table.sort_by("chunk").to_pylist() == before
    restore(project, tmp_path / "back")
    assert look_at(tmp_path / "back/reports") == look_at(folder)


def wasteful(project: Project, folder: Path) -> list[str]:
    """A history in which packs hold a little of what is needed and much of what is not; gives the ids of what may go."""
    files = {f"file {number}": text(number, 400) for number in range(40)}
    write_tree(folder, files)
    first = back_up(project, folder).record.id
    for number in range(40):
        if number % 8:
            write_tree(folder, {f"file {number}": text(f"new {number}", 400)})
    back_up(project, folder)
    return [first]


def test_wasteful_packs_are_stored_anew_and_go_with_the_next_prune(project: Project, folder: Path, tmp_path: Path) -> None:
    forget.forget(project, wasteful(project, folder), reason="a test")
    plan = make_plan(project, REPACKING)
    assert plan.wasteful
    report = apply(project, plan, REPACKING)
    assert report.moved == len(plan.wasteful)
    assert 0 < report.stored < sum(one.pack.size for one in plan.wasteful)
    assert checked(project).sound
    back_up(project, folder)
    later = make_plan(project, REPACKING)
    assert {one.pack for one in plan.wasteful} <= set(later.dead)
    apply(project, later, REPACKING)
    write_tree(folder, {"file 0": b"other", "more": text("more", 900)})
    back_up(project, folder)
    found = checked(project)
    assert (found.sound, found.orphans) == (True, 0)
    restore(project, tmp_path / "back")
    assert look_at(tmp_path / "back/reports") == look_at(folder)


def test_a_record_of_moved_packs_goes_when_no_snapshot_names_them(project: Project, folder: Path, tmp_path: Path) -> None:
    memory = ClientMemory(tmp_path / "memory", SeededChance("memory"))
    forget.forget(project, wasteful(project, folder), reason="a test")
    pruned(project, REPACKING)
    assert len(snapshots.committed(project).moves) == 1
    missing_snapshots.gone(project, memory)
    write_tree(folder, {f"file {number}": b"all other %d" % number for number in range(40)} | {"kept": b"", "going": b""})
    back_up(project, folder)
    pruned(project)
    assert len(snapshots.committed(project).moves) == 1
    old = snapshots.read_all(project)[:-1]
    forget.forget(project, [one.id for one in old], reason="a test")
    pruned(project)
    pruned(project)
    assert snapshots.committed(project).moves == ()
    assert checked(project).sound
    assert missing_snapshots.gone(project, memory) == []


def test_whoever_begins_while_packs_are_moved_leans_on_none_of_them(project: Project, folder: Path) -> None:
    forget.forget(project, wasteful(project, folder), reason="a test")
    begun: list[WriterView] = []

    def begin() -> None:
        begun.append(WriterView.read(Session.begin(through(project, project.store, seed="begun meanwhile"), "files")))
        assert begun[0].committed.moves == ()

    watched = through(project, OnWrite(project.store, "claims", begin), seed="prune")
    plan = make_plan(watched, REPACKING)
    assert apply(watched, plan, REPACKING).moved == len(plan.wasteful)
    assert {one.pack.sha256 for one in plan.wasteful} <= begun[0].avoided


def test_without_a_read_capability_only_the_catalogue_is_stored_anew(project: Project, folder: Path) -> None:
    forget.forget(project, wasteful(project, folder), reason="a test")
    assert any(one.pack.tier == CONTENT_TIER for one in make_plan(project, REPACKING).wasteful)
    writer = replace(project, capability=project.capability.without_reading())
    plan = make_plan(writer, REPACKING)
    assert not any(one.pack.tier == CONTENT_TIER for one in plan.wasteful)
    assert apply(writer, plan, REPACKING).done
    assert checked(project).sound


def test_a_wasteful_pack_that_cannot_be_read_whole_stays_as_it_is(project: Project, folder: Path) -> None:
    forget.forget(project, wasteful(project, folder), reason="a test")
    plan = make_plan(project, REPACKING)
    broken = next(one.pack for one in plan.wasteful if one.pack.tier == CONTENT_TIER)
    name = name_of(project, broken)
    data = bytearray(project.store.get(name))
    data[2000:] = bytes(len(data) - 2000)
    project.store.put(name, bytes(data))
    before = checked(project)
    report = apply(project, plan, REPACKING)
    assert report.damaged == [broken.sha256.hex()]
    assert project.store.get(name) == bytes(data)
    assert {one.path for one in checked(project).lost} == {one.path for one in before.lost if one.snapshot in ids(project)}


def ids(project: Project) -> list[str]:
    return [one.id for one in snapshots.read_all(project)]


def test_rows_of_packs_that_are_gone_are_dropped_and_no_snapshot_leans_on_them(
    project: Project, folder: Path, tmp_path: Path
) -> None:
    """What a writer leaves that was evicted, and then named packs after they had been deleted."""
    first = history(project, folder, 2)[0]
    forget.forget(project, [first.record.id], reason="a test")
    stale = {name: project.store.get(name) for name in names(project.store, project.folder("index"))}
    pruned(project)
    for name, data in stale.items():
        project.store.put(name, data)
    write_tree(folder, {"going": text("going 0", 30_000)})
    with no_hang():
        back_up(project, folder)
    assert checked(project).sound
    restore(project, tmp_path / "back")
    assert look_at(tmp_path / "back/reports") == look_at(folder)
    pruned(project)
    named = ChunkIndex.load(project).packs()
    assert named == {pack for tier in (0, 1) for pack in list_packs(project, tier)}
