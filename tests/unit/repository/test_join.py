"""Small packs are joined: everything stays readable, beside others, whatever happens, and little is left to read."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from restore.selection.select import ItemQuery
from tests.support.hourly import FULL, HourlyReports
from tests.support.places import names, restore, through
from tests.support.trees import contents, text, write_tree
from tests.unit.backup.test_two_at_once import OnWrite
from vault.backup import dictionaries
from vault.errors import Interrupted
from vault.format import layout
from vault.format.layout import CONTENT_TIER, META_TIER
from vault.format.moved_packs import MovedPacks
from vault.repository import snapshots
from vault.repository.chunk_index import ChunkIndex
from vault.repository.claims import WaitOptions
from vault.repository.gc import join, marks, move_records, prune
from vault.repository.gc.prune import apply
from vault.repository.gc.prune_plan import PruneOptions
from vault.repository.gc.prune_planner import make_plan
from vault.repository.gc.prune_report import PruneReport
from vault.repository.pack_reader import places
from vault.repository.project import Project
from vault.repository.stored_packs import list_packs

JOINING = PruneOptions(patience=WaitOptions(seconds=0), repack_above=None)


@pytest.fixture
def life(tmp_path: Path) -> HourlyReports:
    return HourlyReports(tmp_path)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> HourlyReports:
    life = HourlyReports(tmp_path_factory.mktemp("lived"))
    life.pass_hours(12)
    return life


@pytest.fixture
def half_a_day(lived: HourlyReports, tmp_path: Path) -> HourlyReports:
    """Twelve hours, in a place of its own."""
    return lived.copied(tmp_path)


def pruned(project: Project, options: PruneOptions = JOINING) -> PruneReport:
    return apply(project, make_plan(project, options), options)


def test_the_packs_of_hours_become_few_and_everything_stays_readable(life: HourlyReports) -> None:
    life.pass_hours(20)
    assert life.packs() == (20, 20)
    first = pruned(life.project)
    assert (first.joined, first.joined_into, first.done) == (40, 3, True)
    second = pruned(life.project)
    assert (second.joined, second.deleted, second.done) == (0, 40, True)
    assert life.packs() == (1, 2)
    life.judge()
    life.pass_hours(3)
    life.judge()
    assert life.packs() == (4, 5)


def test_a_plan_says_what_is_joined_and_changes_nothing(half_a_day: HourlyReports) -> None:
    before = names(half_a_day.disk, "")
    plan = make_plan(half_a_day.project, JOINING)
    assert {one.sha256 for one in plan.small} == {
        pack for tier in layout.TIERS for pack in list_packs(half_a_day.project, tier)
    }
    told = plan.as_json()
    assert told["join"] == {"packs": 24, "bytes": sum(one.size for one in plan.small), "new_packs": 3}
    assert names(half_a_day.disk, "") == before
    report = apply(half_a_day.project, plan, JOINING).as_json()
    assert (report["packs_joined"], report["packs_joined_into"], report["done"]) == (24, 3, True)


def test_nothing_is_done_until_enough_have_come_together_or_where_nobody_wants_it(life: HourlyReports) -> None:
    life.pass_hours(7)
    before = names(life.disk, life.project.folder("packs"))
    assert pruned(life.project).joined == 0
    life.pass_hours(3)
    assert pruned(life.project, replace(JOINING, join=False)).joined == 0
    assert set(before) < set(names(life.disk, life.project.folder("packs")))
    assert pruned(life.project).joined == 20


def test_without_a_read_capability_the_catalogue_is_joined_and_the_plan_says_what_waits(half_a_day: HourlyReports) -> None:
    blind = replace(half_a_day.project, capability=half_a_day.project.capability.without_reading())
    plan = make_plan(blind, JOINING)
    assert {one.tier for one in plan.small} == {META_TIER}
    assert {one.tier for one in plan.unreadable} == {CONTENT_TIER}
    assert plan.as_json()["unreadable"]["packs"] == 12
    assert apply(blind, plan, JOINING).joined == 12
    pruned(blind)
    assert half_a_day.packs() == (12, 2)
    half_a_day.judge()
    for _ in range(2):
        pruned(half_a_day.project)
    assert half_a_day.packs() == (1, 2)
    half_a_day.judge()


def test_a_store_that_charges_for_early_deletion_keeps_young_packs_as_they_are(half_a_day: HourlyReports) -> None:
    half_a_day.pass_hours(8)
    options = replace(JOINING, youngest_joined=timedelta(hours=10))
    plan = make_plan(half_a_day.project, options)
    assert len(plan.small) == len(plan.young) == 2 * 10
    apply(half_a_day.project, plan, options)
    half_a_day.pass_hours(3)  # what was stored by the join is as young as its moment
    new = {pack for one in snapshots.committed(half_a_day.project).moves for targets in one.packs.values() for pack in targets}
    assert new <= {
        one.sha256 for one in make_plan(half_a_day.project, replace(options, youngest_joined=timedelta(hours=4))).needed
    }
    assert not new & {
        one.sha256 for one in make_plan(half_a_day.project, replace(options, youngest_joined=timedelta(hours=4))).small
    }
    half_a_day.judge(orphans=20)


def test_no_more_is_joined_at_once_than_is_allowed_and_the_rest_later(life: HourlyReports) -> None:
    life.pass_hours(24)
    size = sum(one.size for one in make_plan(life.project, JOINING).small)
    options = replace(JOINING, max_bytes=size // 3)
    plan = make_plan(life.project, options)
    assert 0 < sum(one.size for one in plan.small) <= size // 3
    assert {*plan.later, *plan.small} == {*make_plan(life.project, JOINING).small}
    apply(life.project, plan, options)
    for _ in range(6):
        pruned(life.project, options)
    assert max(life.packs()) < 9
    life.judge()


def test_when_time_is_up_no_further_batch_is_begun_and_what_was_is_committed(
    life: HourlyReports, monkeypatch: pytest.MonkeyPatch
) -> None:
    life.size = 30_000
    life.pass_hours(16)
    plan = make_plan(life.project, JOINING)
    assert len(plan.joins) > 2
    looks = iter([False, False, False])
    with monkeypatch.context() as patch:
        patch.setattr(prune._Prune, "_out_of_time", lambda _self: next(looks, True))
        report = apply(life.project, plan, JOINING)
    assert 0 < report.joined < len(plan.small)
    assert report.left == len(plan.small) - report.joined
    assert not report.done
    for _ in range(2):
        pruned(life.project)
    life.judge()


def test_a_join_that_is_interrupted_goes_on_where_it_ended(life: HourlyReports, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(join, "AT_ONCE", 20_000)
    life.size = 6000
    life.pass_hours(20)
    calls = 0

    def stop() -> None:
        nonlocal calls
        calls += 1
        if snapshots.committed(life.project).moves and calls % 3 == 0:
            raise Interrupted("enough")

    with pytest.raises(Interrupted):
        apply(life.project, plan := make_plan(life.project, JOINING), replace(JOINING, stop=stop))
    moved = {old for one in snapshots.committed(life.project).moves for old in one.packs}
    assert moved
    assert moved < {one.sha256 for one in plan.small}
    assert not moved & {one.sha256 for one in make_plan(life.project, JOINING).small}, "none is stored anew again"
    for _ in range(2):
        assert pruned(life.project).done
    assert max(life.packs()) < 14
    life.judge()


def test_a_damaged_pack_stays_as_it_is_and_the_others_are_joined(half_a_day: HourlyReports) -> None:
    name = names(half_a_day.disk, half_a_day.project.folder("packs"))[3]
    whole = half_a_day.disk.get(name)
    half_a_day.disk.put(name, whole[:1300] + bytes(60) + whole[1360:])
    report = pruned(half_a_day.project)
    assert report.damaged == [name.rpartition("/")[2]]
    assert not report.done
    assert pruned(half_a_day.project).deleted == 11 + 12
    assert name in names(half_a_day.disk, half_a_day.project.folder("packs"))
    half_a_day.disk.put(name, whole)
    half_a_day.judge()


def test_an_old_pack_stays_while_the_one_that_it_was_joined_into_is_damaged(half_a_day: HourlyReports) -> None:
    old = names(half_a_day.disk, half_a_day.project.folder("packs"))
    pruned(half_a_day.project)
    (new,) = set(names(half_a_day.disk, half_a_day.project.folder("packs"))) - set(old)
    whole = half_a_day.disk.get(new)
    half_a_day.disk.put(new, whole[:1300] + bytes(60) + whole[1360:])
    pruned(half_a_day.project)
    there = names(half_a_day.disk, half_a_day.project.folder("packs"))
    assert set(there) & set(old), "it is all that is left of it"
    half_a_day.disk.put(new, whole)
    pruned(half_a_day.project)
    assert names(half_a_day.disk, half_a_day.project.folder("packs")) == [new]
    half_a_day.judge()


@pytest.mark.parametrize("folder", ["packs", "meta", "index", "snapshots", "marks"])
def test_two_prunes_at_once_store_nothing_twice_and_lose_nothing(half_a_day: HourlyReports, folder: str) -> None:
    plan = make_plan(half_a_day.project, JOINING)
    other = through(half_a_day.project, half_a_day.disk, seed="the other")
    done: list[PruneReport] = []
    racing = OnWrite(half_a_day.disk, folder, lambda: done.append(pruned(other, replace(JOINING, patience=PATIENT))))
    mine = apply(through(half_a_day.project, racing), plan, replace(JOINING, patience=PATIENT))
    assert mine.joined + done[0].joined == 24
    for _ in range(2):
        pruned(half_a_day.project)
    assert half_a_day.packs() == (1, 2)
    half_a_day.judge()


PATIENT = WaitOptions(seconds=0)


@pytest.mark.parametrize("folder", ["packs", "index", "snapshots", "marks"])
def test_a_backup_beside_a_join_may_refer_to_what_is_being_joined(half_a_day: HourlyReports, folder: str) -> None:
    """It carries on what lies in packs that are being joined, and finds content of them again under another name."""
    again = {"again.csv": (half_a_day.folder / sorted(contents(half_a_day.folder))[0]).read_bytes()}

    def beside() -> None:
        write_tree(half_a_day.folder, again)
        half_a_day.write_hour()
        half_a_day.back_up(through(half_a_day.project, half_a_day.disk, seed="a writer"))

    apply(
        through(half_a_day.project, OnWrite(half_a_day.disk, folder, beside)), make_plan(half_a_day.project, JOINING), JOINING
    )
    found = snapshots.read_all(half_a_day.project)
    assert len(found) == 13
    for _ in range(2):
        pruned(half_a_day.project)
    half_a_day.judge()
    half_a_day.pass_hours(9)
    for _ in range(2):
        pruned(half_a_day.project)
    half_a_day.judge()


def test_a_prune_joins_beside_a_backup_under_way_once_it_has_ended(half_a_day: HourlyReports) -> None:
    """The backup has read the index before the prune marks anything, and commits after it."""
    half_a_day.write_hour()
    waited: list[PruneReport] = []

    def meanwhile() -> None:
        waited.append(pruned(through(half_a_day.project, half_a_day.disk, seed="a prune")))

    half_a_day.back_up(through(half_a_day.project, OnWrite(half_a_day.disk, "snapshots", meanwhile)))
    assert waited[0].waiting
    assert waited[0].joined == 0
    for _ in range(2):
        pruned(half_a_day.project)
    assert half_a_day.packs() == (1, 2)
    half_a_day.judge()


def test_what_was_joined_is_forgotten_and_pruned_like_everything(life: HourlyReports, tmp_path: Path) -> None:
    life.pass_hours(20)
    for _ in range(2):
        pruned(life.project)
    going = sorted(contents(life.folder))[:18]
    for one in going:
        (life.folder / one).unlink()
    life.pass_hours(1)
    old = [one.id for one in snapshots.read_all(life.project)][:-1]
    life.forget(old)
    repacking = replace(JOINING, repack_above=0.3)
    for _ in range(3):
        assert pruned(life.project, repacking).done
    life.judge()
    restore(life.project, tmp_path / "back", ItemQuery(deleted=True))
    assert {path.name for path in (tmp_path / "back/reports").iterdir()} == set(going)


def test_a_forgotten_snapshot_that_is_held_keeps_what_was_joined(life: HourlyReports) -> None:
    life.pass_hours(10)
    first = snapshots.read_all(life.project)[0].id
    for _ in range(2):
        pruned(life.project)
    life.pass_hours(1)
    life.forget([one.id for one in snapshots.read_all(life.project)[:-1]])
    options = replace(
        JOINING, held=lambda records: {one.id: "the trial" for one in records if one.id == first}, repack_above=0.1
    )
    for _ in range(3):
        pruned(life.project, options)
    assert first in snapshots.stored_ids(life.project)
    assert len(snapshots.stored_ids(life.project)) < 10
    life.judge()


def test_chunks_of_a_month_lie_together_in_the_joined_pack_in_the_order_of_their_periods(
    life: HourlyReports, tmp_path: Path
) -> None:
    """They come out of order: reports that are late are written after newer ones."""
    days = [*range(15, 25), *range(1, 15)]
    for day in days:
        write_tree(life.folder, {f"calls_2126-05-{day:02}.csv": text(day, 300)})
        life.pass_hours(1)
    pruned(life.project)
    index = ChunkIndex.load(life.project)
    newest = restore_order(life.project, index)
    found = [newest[place.chunk] for place in places(index.of_tier(CONTENT_TIER).table) if place.chunk in newest]
    assert len(found) >= 24
    assert found == sorted(found)
    assert {place.pack_size < FULL for place in places(index.of_tier(CONTENT_TIER).table)} == {True}


def restore_order(project: Project, index: ChunkIndex) -> dict[bytes, str]:
    """The day that each chunk of a dated report is about, by the newest manifest."""
    from vault.repository.catalog_chunks import MetaReader

    items = snapshots.read_manifest(MetaReader(project, index.of_tier(META_TIER)), snapshots.read_all(project)[-1]).to_pylist()
    return {
        chunk["id"]: str(item["period_start"])
        for item in items
        if item["period_start"] is not None and b"2126-05" in item["path"]
        for chunk in item["chunks"] or []
    }


def test_records_of_moved_packs_stay_few_and_lead_everywhere(life: HourlyReports, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(move_records, "MOST_SMALL", 3)
    written = 0
    for _ in range(6):
        life.pass_hours(8)
        for _ in range(2):
            written += 2 * (pruned(life.project).joined > 0)
    assert written > 6
    found = snapshots.committed(life.project)
    assert len(found.moves) <= 4
    there = {pack for tier in layout.TIERS for pack in list_packs(life.project, tier)}
    named = {pack for one in found.moves for pack in one.packs}
    assert len(named) >= 2 * 40
    assert all(snapshots.current_packs(frozenset({old}), found.moved) <= there for old in named)
    assert max(chain(old, found.moved) for old in named) <= 3
    assert life.count("index") <= 8
    life.judge()
    life.forget([one.id for one in found.records[:-1]])
    for _ in range(3):
        assert pruned(life.project).done
    life.judge()


def chain(old: bytes, moved: dict[bytes, frozenset[bytes]]) -> int:
    """Through how many moves one gets from a pack to where its content is."""
    return 1 + max((chain(new, moved) for new in moved[old] if new in moved), default=0)


def forge(project: Project, packs: dict[bytes, tuple[bytes, ...]]) -> str:
    """What whoever has a write capability can put."""
    snapshot = "21260101t000000z-0000000000000000"
    project.put_record(layout.snapshot_name(project.id, snapshot), MovedPacks(snapshot, packs).as_json())
    return layout.snapshot_name(project.id, snapshot)


@pytest.mark.parametrize("target", [b"g" * 32, None])
def test_a_forged_record_of_moves_makes_nobody_believe_what_joined_records_say(
    life: HourlyReports, monkeypatch: pytest.MonkeyPatch, target: bytes | None
) -> None:
    """It says that what packs were joined into has moved on: nowhere, or into one of them."""
    monkeypatch.setattr(move_records, "MOST_SMALL", 2)
    for _ in range(3):
        life.pass_hours(8)
        pruned(life.project)
    there = sorted(pack for tier in layout.TIERS for pack in list_packs(life.project, tier))
    into = sorted({new for one in snapshots.committed(life.project).moves for news in one.packs.values() for new in news})
    aims = [pack for pack in into if pack in there]
    forge(life.project, dict.fromkeys(aims[1:], (target or aims[0],)))
    for _ in range(4):
        pruned(life.project)
    for name in names(life.disk, life.project.folder("snapshots")):
        if name.endswith("21260101t000000z-0000000000000000"):
            life.disk.delete(name)
    life.judge(orphans=None)
    life.pass_hours(8)
    for _ in range(2):
        pruned(life.project)
    life.judge()


def test_the_mark_of_a_dead_prune_delays_a_join_for_a_day_at_most(half_a_day: HourlyReports) -> None:
    marks.write(half_a_day.project, [pack for tier in layout.TIERS for pack in list_packs(half_a_day.project, tier)])
    half_a_day.clock.sleep(60.0)
    assert pruned(half_a_day.project).joined == 0
    half_a_day.clock.sleep(26 * 3600.0)
    assert pruned(half_a_day.project).joined == 24
    pruned(half_a_day.project)
    assert half_a_day.packs() == (1, 2)
    assert half_a_day.count("marks") == 0
    half_a_day.judge()


def test_the_mark_of_a_dead_prune_on_a_joined_pack_keeps_the_old_ones_for_a_month_at_most(half_a_day: HourlyReports) -> None:
    assert pruned(half_a_day.project).joined == 24
    moved = snapshots.committed(half_a_day.project).moved
    marks.write(half_a_day.project, sorted(frozenset().union(*moved.values())))
    half_a_day.clock.sleep(29 * 86400.0)
    assert pruned(half_a_day.project).deleted == 0
    half_a_day.clock.sleep(2 * 86400.0)
    assert pruned(half_a_day.project).deleted == 24
    assert half_a_day.packs() == (1, 2)
    half_a_day.judge()


def test_packs_that_need_dictionaries_of_their_own_are_not_mixed_and_the_dictionaries_are_joined(
    life: HourlyReports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dictionaries, "LARGE_FILES", 20)
    monkeypatch.setattr(dictionaries, "LARGE_BYTES", 1000)
    monkeypatch.setattr(dictionaries, "FEWEST_FILES", 20)
    monkeypatch.setattr(dictionaries, "FEWEST_BYTES", 1000)
    monkeypatch.setattr(dictionaries, "DICTIONARY_SIZE", 2000)
    for hour in range(9):
        lines = [f"2026-03-14T{minute:02};queue-{minute % 5};answered;{hour}" for minute in range(30)]
        files = {f"{hour} {number}.csv": "\n".join([*lines, str(number)]).encode() for number in range(25)}
        write_tree(life.folder, files)
        life.pass_hours(1)
    needed = set(ChunkIndex.load(life.project).table["dictionary"].to_pylist()) - {None}
    assert len(needed) == 9
    for _ in range(2):
        pruned(life.project)
    found = places(ChunkIndex.load(life.project).of_tier(CONTENT_TIER).table)
    assert len({place.pack for place in found if place.chunk in needed}) == 1
    for pack in {place.pack for place in found}:
        assert len({place.dictionary for place in found if place.pack == pack}) == 1
    life.judge()
