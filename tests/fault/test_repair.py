"""Something is damaged or gone, and is mended from wherever the truth still is; strangers and an independent reader say whether
all is well, and life goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.support.places import back_up, checked, copied, names
from tests.support.repairs import DAMAGES, Damage, World, cut, deleted, flipped, pack_of, world_of
from tests.support.trees import text
from vault.backup.run import BackupOptions
from vault.repository import snapshots
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
    world.hurt(flipped, world.names(part)[-1:])
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
