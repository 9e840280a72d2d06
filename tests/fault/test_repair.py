"""Something is damaged or gone, and is mended from wherever the truth still is; strangers and an independent reader say whether
all is well, and life goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from restore.history import rollup
from restore.history.update import UpdateOptions
from tests.support.places import back_up, checked, copied, names
from tests.support.repairs import DAMAGES, Damage, World, cut, deleted, flipped, pack_of, world_of
from tests.support.trees import text
from vault.backup.run import BackupOptions
from vault.format import layout
from vault.format.hold import Scope
from vault.repository import holds, record_gathering, snapshots
from vault.repository.gc import forget, marks
from vault.repository.gc.prune_plan import PruneOptions
from vault.repository.repair import dropping


@pytest.fixture
def world(tmp_path: Path) -> World:
    return world_of(tmp_path)


def by_name(damage: Damage) -> str:
    return damage.__name__


def test_where_nothing_is_wrong_there_is_nothing_to_do(world: World) -> None:
    before = copied(world.store)
    plan = world.plan()
    assert plan.sound and plan.bad_packs == 0
    assert world.repair().left.sound
    assert names(world.store, "") == names(before, "")
    assert all(world.store.get(name) == before.get(name) for name in names(before, ""))


@pytest.mark.parametrize("damage", DAMAGES, ids=by_name)
def test_a_content_pack_is_mended_from_a_second_copy(world: World, damage: Damage) -> None:
    copy = copied(world.store)
    lost = world.names("packs")
    world.hurt(damage, lost)
    report = world.repair(world.options(copy, live=False))
    assert {step.what for step in report.done} == {"put-back"}
    assert {step.object for step in report.done} == set(lost)
    assert report.left.sound
    assert all(world.store.get(name) == copy.get(name) for name in lost)
    assert world.plan(world.options(copy)).sound, "a second repair finds nothing to do"
    world.judge()
    world.life_goes_on()


@pytest.mark.parametrize("damage", DAMAGES, ids=by_name)
def test_a_content_pack_is_mended_from_the_live_source(world: World, damage: Damage) -> None:
    world.hurt(damage, [pack_of(world, "f05")])
    report = world.repair()
    assert [step.what for step in report.done] == ["content"]
    assert report.left.sound, report.left.as_json()
    world.judge()
    world.life_goes_on()


@pytest.mark.parametrize("damage", DAMAGES, ids=by_name)
def test_older_snapshots_are_mended_from_what_the_next_backup_stored_again(world: World, damage: Damage) -> None:
    lost = pack_of(world, "f05")
    world.hurt(damage, [lost])

    back_up(world.project, world.folder, BackupOptions(damaged=frozenset({bytes.fromhex(lost.rpartition("/")[2])})))
    report = world.repair(world.options(live=False))
    assert [step.what for step in report.done] == ["content"]
    assert report.left.sound, report.left.as_json()
    world.judge()
    world.life_goes_on()


@pytest.mark.parametrize("damage", DAMAGES, ids=by_name)
def test_catalogue_packs_are_mended_from_the_cache(world: World, damage: Damage) -> None:
    world.hurt(damage, world.names("meta"))
    report = world.repair(world.options(live=False))
    assert {step.what for step in report.done} == {"put-back"}
    assert report.left.sound, report.left.as_json()
    world.judge()
    world.life_goes_on()


@pytest.mark.parametrize("damage", DAMAGES, ids=by_name)
def test_catalogue_packs_are_mended_from_a_second_copy(world: World, damage: Damage) -> None:
    copy = copied(world.store)
    world.hurt(damage, world.names("meta"))
    cold = replace(world, project=world.stranger)
    assert cold.repair(world.options(copy, live=False)).left.sound
    world.judge()
    world.life_goes_on()


@pytest.mark.parametrize("damage", DAMAGES, ids=by_name)
def test_index_segments_are_mended_from_the_packs(world: World, damage: Damage) -> None:
    world.hurt(damage, world.names("index"))
    report = world.repair(world.options(live=False))
    assert {step.what for step in report.done} == {"index"}
    assert report.left.sound, report.left.as_json()
    world.judge()
    world.life_goes_on()


@pytest.mark.parametrize("damage", [deleted, flipped, cut], ids=by_name)
def test_records_are_mended_from_the_cache(world: World, damage: Damage) -> None:
    world.hurt(damage, world.names("snapshots"))
    report = world.repair(world.options(live=False))
    assert {step.what for step in report.done} == {"record"}
    assert report.left.sound, report.left.as_json()
    assert len(snapshots.read_all(world.stranger)) == 4
    world.judge()
    world.life_goes_on()


@pytest.mark.parametrize("damage", [deleted, flipped, cut], ids=by_name)
def test_everything_at_once_is_mended_from_a_second_copy(world: World, damage: Damage) -> None:
    copy = copied(world.store)
    world.hurt(damage, [name for part in ("packs", "meta", "index", "snapshots") for name in world.names(part)])
    report = world.repair(world.options(copy, live=False))
    assert report.left.sound, report.left.as_json()
    world.judge()
    world.life_goes_on()


def test_what_nobody_has_is_named_item_by_item_with_its_last_good_version(world: World) -> None:
    world.hurt(deleted, [pack_of(world, "old")])
    world.back_up(f02=text("other 2", 900))
    plan = world.plan()
    assert [one.path for one in plan.lost] == [b"reports/old"]
    assert plan.lost[0].good is None
    assert "nowhere" in plan.unrepaired[0].message


def test_what_is_given_up_is_no_damage_any_more_and_the_rest_is_mended(world: World) -> None:
    lost = pack_of(world, "old")
    world.hurt(deleted, [lost])
    plan = world.plan()
    done = dropping.drop(world.project, world.memory, plan, world.options(), reason="the disk of May", who="somebody")
    assert any("old" in line for line in done.dropped)
    assert done.report.left.sound, done.report.left.as_json()
    found = checked(world.stranger)
    assert found.sound, found.damage
    assert {one.path for one in found.given_up} == {"reports/old"}
    world.judge(without=["old"])
    world.life_goes_on(without=["old"])
    assert world.plan().sound


@pytest.mark.parametrize("part", ["snapshots", "forgotten", "marks", "meta"])
def test_what_cannot_be_read_any_more_is_given_up(tmp_path: Path, part: str) -> None:
    world = world_of(tmp_path, cached=False)
    forget.forget(world.project, [snapshots.read_all(world.project)[0].id], reason="a test")
    marks.write(world.project, [bytes(32)])
    found = world.names(part)
    world.hurt(flipped, found if part == "meta" else found[-1:])  # of the catalogue one pack is the forgotten snapshot's alone
    options = world.options(live=False)
    plan = world.plan(options)
    assert plan.unrepaired and all(one.drop for one in plan.unrepaired)
    done = dropping.drop(world.project, world.memory, plan, options, reason="the disk of May", who="somebody")
    assert done.dropped
    assert done.report.left.sound, done.report.left.as_json()
    assert checked(world.stranger).sound


def test_the_chunks_of_workbooks_and_their_bases_are_mended(tmp_path: Path) -> None:
    """Dictionaries and bases of deltas come from a copy whose packs were joined otherwise."""
    world = world_of(tmp_path)
    copy = copied(world.store)
    elsewhere = replace(world, project=replace(world.project, store=copy))
    for _ in range(2):
        elsewhere.prune(PruneOptions(repack_above=0.1))
    world.hurt(deleted, world.names("packs"))
    assert world.repair(world.options(copy, live=False)).left.sound
    world.judge()
    world.life_goes_on()


@pytest.mark.parametrize("damage", [deleted, flipped], ids=by_name)
def test_records_are_mended_from_a_roll_up(tmp_path: Path, damage: Damage, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that has neither a cache nor a copy."""
    world = world_of(tmp_path, cached=False)
    monkeypatch.setattr(rollup, "FEWEST", 2)
    assert rollup.roll_up(world.project, "files", UpdateOptions()) > 2
    world.hurt(damage, world.names("snapshots")[:3])
    report = world.repair(world.options(live=False))
    assert {step.origin for step in report.done} == {"a roll-up"}
    assert report.left.sound, report.left.as_json()
    world.judge()
    world.life_goes_on()


@pytest.mark.parametrize("damage", [deleted, flipped], ids=by_name)
def test_records_are_mended_from_a_table_of_them(tmp_path: Path, damage: Damage, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that has neither a cache nor a copy; also after records that are left were gathered again."""
    world = world_of(tmp_path, cached=False)
    monkeypatch.setattr(snapshots, "WORTH_TABLES", 2)
    assert record_gathering.gather(world.project, record_gathering.OF_PRUNES, lambda: None).records > 2
    world.hurt(damage, world.names("snapshots")[:3])
    record_gathering.gather(world.project, record_gathering.OF_PRUNES._replace(fewest=0), lambda: None)
    report = world.repair(world.options(live=False))
    assert {step.origin for step in report.done} == {"a table of records"}
    assert report.left.sound, report.left.as_json()
    world.judge()
    world.life_goes_on()


def test_a_table_of_records_that_is_damaged_is_taken_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = world_of(tmp_path, cached=False)
    monkeypatch.setattr(snapshots, "WORTH_TABLES", 2)
    record_gathering.gather(world.project, record_gathering.OF_PRUNES, lambda: None)
    world.hurt(flipped, world.names("records"))
    report = world.repair(world.options(live=False))
    assert [(step.what, step.origin) for step in report.done] == [("record-table", "the records")]
    assert report.left.sound
    assert world.names("records") == []
    world.judge()


@pytest.mark.parametrize("damage", [deleted, flipped], ids=by_name)
def test_notes_and_holds_are_mended_from_a_second_copy(tmp_path: Path, damage: Damage) -> None:
    world = world_of(tmp_path, cached=False)
    forget.forget(world.project, [snapshots.read_all(world.project)[0].id], reason="a test")
    holds.place(world.project, Scope(path="reports/f00"), reason="a case", who="somebody")
    for _ in range(2):
        world.prune(PruneOptions(held=lambda records: {}))
    world.look()
    copy = copied(world.store)
    world.hurt(damage, [*world.names("forgotten"), *world.names("holds")])
    report = world.repair(world.options(copy))
    assert len(report.done) >= 2 and report.left.sound, report.left.as_json()
    assert [hold.scope.path for hold in holds.read_all(world.stranger).holds] == ["reports/f00"]


def test_a_copy_that_is_damaged_too_is_not_believed(world: World) -> None:
    copy = copied(world.store)
    lost = pack_of(world, "f05")
    copy.put(lost, flipped(copy.get(lost)))
    world.hurt(deleted, [lost])
    report = world.repair(world.options(copy))
    assert [one.object for one in report.failed] == [lost]
    assert report.left.sound, "the source has it"
    world.judge()


def test_a_forged_copy_of_a_record_is_not_believed(world: World) -> None:
    copy = copied(world.store)
    newest = world.names("snapshots")[-1]
    other = world.names("snapshots")[0]
    world.hurt(deleted, [newest])
    copy.put(newest, world.store.get(other))
    cold = replace(world, project=world.stranger)
    left = cold.repair(world.options(copy)).left
    assert [one.object for one in left.unrepaired] == [newest]
    assert newest not in world.names("snapshots")


def test_a_record_that_somebody_forgot_is_not_brought_back(world: World) -> None:
    gone = snapshots.read_all(world.project)[0]
    copy = copied(world.store)
    forget.forget(world.project, [gone.id], reason="a test")
    for _ in range(2):
        world.prune()
    assert world.repair(world.options(copy)).left.sound
    assert gone.id not in {one.id for one in snapshots.read_all(world.stranger)}


def test_a_record_that_is_gone_stays_away_while_a_prune_may_be_deleting_what_it_needs(world: World) -> None:
    newest = world.back_up(only=text("only", 2500)).record
    world.look()
    name = layout.snapshot_name(world.project.id, newest.id)
    pack = bytes.fromhex(pack_of(world, "only").rpartition("/")[2])
    world.hurt(deleted, [name])
    mark = marks.write(world.project, [pack])
    plan = world.plan()
    assert any("a prune may be about to delete" in one.message for one in plan.unrepaired)
    assert newest.id not in {one.id for one in snapshots.read_all(world.stranger)}
    world.store.delete(mark)
    assert world.repair().left.sound
    world.judge()


def test_of_a_file_that_has_grown_since_all_that_was_backed_up_is_found(world: World) -> None:
    world.hurt(deleted, [pack_of(world, "f05")])
    with (world.folder / "f05").open("ab") as file:
        file.write(b"more")
    report = world.repair()
    assert report.left.sound, report.left.as_json()
    world.judge()


def test_what_lies_in_the_way_of_a_source_is_not_read(world: World, tmp_path: Path) -> None:
    """A link at the place of a file leads nobody out of the source."""
    world.hurt(deleted, [pack_of(world, "f05")])
    outside = tmp_path / "outside"
    outside.write_bytes((world.folder / "f05").read_bytes())
    (world.folder / "f05").unlink()
    (world.folder / "f05").symlink_to(outside)
    assert {one.path for one in world.plan().lost} == {b"reports/f05"}
