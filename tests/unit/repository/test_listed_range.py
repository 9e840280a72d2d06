"""Who reads many snapshots lists the newest, and is told of every other by tables, whatever happened to snapshots, tables,
clocks and the store meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
from msgspec.structs import replace

from benchmarks.history_data import FIRST_HOUR, HOUR
from tests.support.faulty import FaultyStore
from tests.support.places import back_up, made_on, through
from tests.support.second_copies import copy, paired
from tests.support.stage import StageClock
from tests.support.trees import write_tree
from tests.unit.history.model import Told
from vault.errors import Damaged
from vault.format import layout, record_table
from vault.format.claim import Claim, Eviction
from vault.format.record_table import Coverage
from vault.format.snapshot_record import Record
from vault.repository import listed_range, record_gathering, record_tables, snapshots
from vault.repository.gc.forget import forget
from vault.repository.gc.prune import apply
from vault.repository.gc.prune_plan import PruneOptions
from vault.repository.gc.prune_planner import make_plan
from vault.repository.project import Project
from vault.repository.record_gathering import Effort, gather
from vault.storage import counting
from vault.storage.contract import ObjectInfo
from vault.storage.counting import CountingStore
from vault.storage.memory import MemoryStore

NOW_AND_THEN = Effort(fewest=2, factor=2)
PRUNE = PruneOptions(repack_above=None)
ALL = Effort(fewest=1, factor=128)


@pytest.fixture(autouse=True)
def small_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "WORTH_TABLES", 3)
    monkeypatch.setattr(listed_range, "WORTH_IT", 12)
    monkeypatch.setattr(listed_range, "ANCHORS", 3)
    monkeypatch.setattr(listed_range, "OUTLIERS", 2)
    monkeypatch.setattr(listed_range, "MARGIN", 2 * HOUR)
    monkeypatch.setattr(counting, "LIST_PAGE", 12)


def never() -> None:
    """Nobody stops it."""


def live(told: Told, hours: int) -> None:
    """All say that nothing has changed since the first one."""
    for _ in range(hours):
        if not told.records:
            told.hour({b"reports/a": ("first", 0o644)})
            continue
        last, moment = told.records[-1], FIRST_HOUR + HOUR * len(told.records)
        record = replace(
            told.records[0],
            id=layout.snapshot_id(moment, len(told.records).to_bytes(8, "big")),
            taken_at=moment,
            finished_at=moment,
            parents=(last.id,),
        )
        told.project.put_record(layout.snapshot_name(told.project.id, record.id), record.as_json())
        told.records.append(record)


def gathered(hours: int) -> Told:
    """With tables that cover nearly everything."""
    told = Told()
    live(told, hours - 2)
    gather(told.project, ALL, never)
    live(told, 2)
    gather(told.project, ALL, never)
    return told


def reads_all(project: Project) -> None:
    assert listed_range.committed(project) == snapshots.committed(project)


def listings(project: Project) -> int:
    """Requests for names of records."""
    asked: list[str] = []

    class Noting(CountingStore):
        def _count(self, verb: str, name: str, *, up: int = 0) -> None:
            asked.append(f"{verb} {name.rpartition('/')[2]}")
            super()._count(verb, name, up=up)

    found = listed_range.committed(through(project, Noting(project.store)))
    assert found == snapshots.committed(project)
    assert len([one for one in asked if one.startswith("get")]) == len(record_tables.load(project).tables)
    return asked.count("list snapshots")


def test_the_pages_of_the_listing_do_not_grow_with_the_snapshots_that_stand() -> None:
    few, many = gathered(40), gathered(120)
    assert len(list(many.project.store.list(many.project.folder("snapshots")))) == 120  # ten pages
    assert listings(few.project) == listings(many.project) == 2


def test_few_snapshots_are_listed_in_one_page_and_no_table_is_asked_for_what_it_covers() -> None:
    told = Told()
    live(told, 6)
    gather(told.project, ALL, never)
    assert listings(told.project) == 1


def test_a_table_covers_nothing_before_another_one_was_read() -> None:
    told = Told()
    live(told, 20)
    gather(told.project, ALL, never)
    assert record_tables.load(told.project).coverage is None
    reads_all(told.project)


def late(told: Told, hour: int) -> Record:
    """A snapshot under an old name, of which no table says anything."""
    moment = FIRST_HOUR + HOUR * hour + timedelta(minutes=30)
    record = replace(told.records[hour], id=layout.snapshot_id(moment, bytes(8)), parents=(), source="other")
    told.project.put_record(layout.snapshot_name(told.project.id, record.id), record.as_json())
    return record


def test_what_a_copy_or_a_repair_writes_under_an_old_name_is_found_by_its_table() -> None:
    told = gathered(30)
    record_gathering.write_late(told.project, [late(told, 3)])
    reads_all(told.project)
    gather(told.project, ALL, never)
    reads_all(told.project)


def test_what_an_earlier_version_wrote_under_an_old_name_is_found_once_records_are_gathered_again() -> None:
    told = gathered(30)
    record = late(told, 3)
    assert record.id not in [one.id for one in listed_range.committed(told.project).records]
    assert gather(told.project, record_gathering.OF_BACKUPS, never).records > 0
    reads_all(told.project)


def test_a_snapshot_that_was_forgotten_is_not_believed_to_stand_before_and_after_a_prune() -> None:
    told = gathered(40)
    forget(told.project, [one.id for one in told.records[5:9]], reason="thinned")
    reads_all(told.project)
    for one in told.records[5:9]:
        told.project.store.delete(layout.snapshot_name(told.project.id, one.id))
    reads_all(told.project)


def test_a_record_that_somebody_deletes_is_told_by_a_table_and_missed_by_those_who_list_all() -> None:
    told = gathered(40)
    told.project.store.delete(layout.snapshot_name(told.project.id, told.records[7].id))
    assert told.records[7] in list(listed_range.committed(told.project).records)
    assert told.records[7] not in list(snapshots.committed(told.project, rolled=True).records)
    with pytest.raises(Damaged, match="is gone"):
        make_plan(told.project, PRUNE)


class Leaving(FaultyStore):
    """Leaves out the first of what is listed after a name, or passes over what it was asked for."""

    def __init__(self, project: Project, how: str) -> None:
        super().__init__(project.store)
        self.whole = project.store
        self.how = how

    def list_after(self, folder: str, name: str) -> Iterator[ObjectInfo] | None:
        rows = sorted((info for info in self.whole.list(folder) if info.name > name), key=lambda info: info.name)
        if self.how == "cannot":
            return None
        return self.whole.list(folder) if self.how == "passes over it" else iter(rows[1:])


@pytest.mark.parametrize("how", ["cannot", "passes over it", "leaves one out"])
def test_where_the_store_does_not_list_after_a_name_all_are_listed(how: str) -> None:
    told = gathered(40)
    reads_all(through(told.project, Leaving(told.project, how)))


@pytest.mark.parametrize("which", ["any table", "the newest"])
def test_where_a_table_is_lost_all_are_listed(which: str) -> None:
    told = gathered(40)
    live(told, 4)
    gather(told.project, Effort(fewest=1, factor=0), never)  # beside the others
    tables = record_tables.load(told.project).tables
    assert len(tables) == 2
    lost = [table for table in tables if (len(table.rows) > 4) == (which == "any table")]
    for table in lost:
        told.project.store.delete(table.name)
    reads_all(told.project)


def claimed(told: Told, hour: int, source: str) -> Claim:
    moment = FIRST_HOUR + HOUR * hour
    claim = Claim(layout.snapshot_id(moment, b"claimed!"), source, "host", "writer", moment, moment, "nonce", 0, 0)
    told.project.put_record(layout.claim_name(told.project.id, claim.id), claim.as_json())
    return claim


def test_nothing_from_a_claim_on_is_covered_and_nothing_new_beside_a_copy() -> None:
    told = gathered(30)
    before = record_tables.load(told.project).coverage
    assert before is not None
    backup = claimed(told, 29, "reports")
    live(told, 10)
    gather(told.project, ALL, never)
    bounded = record_tables.load(told.project).coverage
    assert bounded is not None
    assert before.before < bounded.before <= backup.id
    told.project.store.delete(layout.claim_name(told.project.id, backup.id))
    copy = claimed(told, 45, "(copy)")
    live(told, 10)
    gather(told.project, ALL, never)
    assert record_tables.load(told.project).coverage == bounded
    told.project.store.delete(layout.claim_name(told.project.id, copy.id))
    live(told, 2)
    gather(told.project, ALL, never)
    after = record_tables.load(told.project).coverage
    assert after is not None
    assert after.before > copy.id
    reads_all(told.project)


def test_records_that_fit_into_no_table_are_named_and_evictions_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told()
    live(told, 20)
    for hour in (3, 5):
        name = told.records[hour].id
        told.project.put_record(layout.snapshot_name(told.project.id, name), Eviction(name).as_json())
    long = replace(told.records[9], host="h" * record_table.LARGEST_ROW)
    told.project.put_record(layout.snapshot_name(told.project.id, long.id), long.as_json())
    told.records[9] = long
    gather(told.project, ALL, never)
    live(told, 4)
    gather(told.project, ALL, never)
    found = record_tables.load(told.project).coverage
    assert found is not None
    assert found.beside == (long.id,)
    reads_all(told.project)
    monkeypatch.setattr(record_gathering, "MOST_BESIDE", 0)
    live(told, 4)
    gather(told.project, ALL, never)
    less = record_tables.load(told.project).coverage
    assert less is not None
    assert less.before == long.id[: record_table.MOMENT_SIZE]
    reads_all(told.project)


def test_the_eighth_of_the_newest_counts_so_that_a_clock_that_is_ahead_makes_no_name_old() -> None:
    ids = [layout.snapshot_id(FIRST_HOUR + HOUR * hour, bytes(8)) for hour in range(10)]
    ahead = layout.snapshot_id(FIRST_HOUR + timedelta(days=400), bytes(8))
    assert listed_range.reference([ahead, *ids]) == FIRST_HOUR + HOUR * 9
    assert listed_range.reference(ids[:1]) is None
    assert not listed_range.is_late(ids[0], None)
    assert listed_range.is_late(ids[0], FIRST_HOUR + HOUR * 3)
    assert not listed_range.is_late(ids[0], FIRST_HOUR + HOUR * 2)


@pytest.mark.parametrize(
    "stated",
    [
        Coverage("20260101t000000z-0000000000000000"),
        Coverage("20260199t000000z"),
        Coverage("20260101t000000z", ("../packs",)),
    ],
)
def test_a_coverage_that_says_nothing_sensible_is_damage(stated: Coverage) -> None:
    plain = record_table.encode([], bytes(16), stated)
    with pytest.raises(Damaged):
        record_table.coverage(plain)


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_who_reads_sees_what_those_see_who_list_all(seed: int) -> None:
    """Hours, late records with their tables, forgetting, prunes, claims, lost tables, in any order."""
    chance, told = Random(seed), Told()
    live(told, 12)
    standing = list(told.records)
    for _ in range(40):
        what = chance.choice(["hours", "gather", "gather", "late", "forget", "prune", "claim", "lose"])
        if what == "hours":
            before = len(told.records)
            live(told, chance.randrange(1, 5))
            standing += told.records[before:]
        elif what == "gather":
            gather(told.project, chance.choice([ALL, NOW_AND_THEN, Effort(fewest=1, factor=0)]), never)
        elif what == "late":
            record_gathering.write_late(told.project, [late(told, chance.randrange(len(told.records)))])
        elif what == "forget" and len(standing) > 4:
            gone = standing.pop(chance.randrange(len(standing) - 1))
            forget(told.project, [gone.id], reason="thinned")
            if chance.random() < 0.5:
                told.project.store.delete(layout.snapshot_name(told.project.id, gone.id))
        elif what == "claim":
            claimed(told, chance.randrange(len(told.records)), chance.choice(["reports", "(copy)"]))
        elif what == "lose":
            late_ones = {
                row.id for table in record_tables.load(told.project).tables for row in table.rows if row.source == "other"
            }
            tables = [
                one for one in record_tables.load(told.project).tables if late_ones.isdisjoint(row.id for row in one.rows)
            ]
            if tables:
                told.project.store.delete(chance.choice(tables).name)
        reads_all(told.project)


def test_a_prune_brings_what_is_covered_up_to_date() -> None:
    told = gathered(40)
    live(told, 20)
    before = record_tables.load(told.project).coverage
    apply(told.project, make_plan(told.project, PRUNE), PRUNE)
    live(told, 2)
    apply(told.project, make_plan(told.project, PRUNE), PRUNE)
    after = record_tables.load(told.project).coverage
    assert before is not None
    assert after is not None
    assert after.before > before.before
    assert listings(told.project) == 2


def test_a_backup_whose_clock_is_behind_takes_a_name_that_nobody_passes_over(tmp_path: Path) -> None:
    told = gathered(30)
    behind = StageClock(told.records[4].taken_at)
    project = replace(told.project, services=replace(told.project.services, clock=behind))
    report = back_up(project, write_tree(tmp_path / "source", {"a": b"content"}))
    assert report.record.taken_at < told.records[5].taken_at
    assert report.record.id > told.records[26].id
    assert not list(project.store.list(project.folder("claims")))
    reads_all(told.project)
    assert report.record in list(listed_range.committed(told.project).records)


def test_a_copy_writes_old_names_into_a_table_before_the_records(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "source", {"a": b"content"})
    project = made_on(MemoryStore(), clock=StageClock(FIRST_HOUR))
    back_up(project, folder)
    pair = paired(project, MemoryStore())
    copy(pair)
    clock = StageClock(FIRST_HOUR + HOUR * 40)
    second = Told(replace(pair.second, services=replace(pair.second.services, clock=clock)))
    live(second, 20)
    gather(second.project, ALL, never)
    back_up(project, write_tree(folder, {"b": b"more"}))  # of the first hours, and newer than what the copy has of it
    live(second, 2)
    gather(second.project, ALL, never)
    before = record_tables.load(pair.second).coverage
    assert copy(pair).snapshots == 1
    newest = snapshots.at(snapshots.committed(project).records, None)[-1]
    assert before is not None
    assert newest.id < before.before
    assert newest.id in record_tables.load(pair.second).ids
    reads_all(pair.second)
