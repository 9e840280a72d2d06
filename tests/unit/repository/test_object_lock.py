"""Object Lock over a store in memory that refuses whatever a lock forbids."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.support.locking_store import LockingStore
from tests.support.places import back_up, made_on
from tests.support.randomness import SeededChance
from tests.support.stage import StageClock, services
from tests.support.trees import text, write_tree
from vault.errors import StorageDenied, StorageError
from vault.format import layout
from vault.format.layout import CONTENT_TIER
from vault.repository import claims, object_lock
from vault.repository.claims import WaitOptions
from vault.repository.client_memory import ClientMemory
from vault.repository.gc.forget import forget
from vault.repository.gc.prune import apply, refuse_without_rights
from vault.repository.gc.prune_plan import PruneOptions
from vault.repository.gc.prune_planner import make_plan
from vault.repository.object_lock import ObjectLock
from vault.repository.project import Project
from vault.storage.caching import CachingStore
from vault.storage.counting import CountingStore
from vault.storage.memory import MemoryStore
from vault.storage.object_locks import UNTIL_RELEASED, LockState, Retention, locks_of
from vault.storage.readonly import ReadOnlyStore
from vault.storage.retrying import RetryingStore
from vault.storage.retrying import RetryPolicy as Tries

DAY = timedelta(days=1)


@pytest.fixture
def clock() -> StageClock:
    return StageClock()


@pytest.fixture
def store(clock: StageClock) -> LockingStore:
    return LockingStore(clock)


@pytest.fixture
def project(store: LockingStore, clock: StageClock) -> Project:
    return replace(made_on(store), services=services(clock))


@pytest.fixture
def memory(tmp_path: Path) -> ClientMemory:
    return ClientMemory(tmp_path / "memory", SeededChance(1))


def pack(project: Project, number: int) -> str:
    name = layout.pack_name(project.id, CONTENT_TIER, bytes([number]) * 32)
    project.store.put(name, b"a pack")
    return name


def test_a_lock_is_extended_when_a_tenth_of_it_has_gone_by_and_asked_about_no_sooner(
    project: Project, store: LockingStore, clock: StageClock, memory: ClientMemory
) -> None:
    kept = ObjectLock(project, "governance", 30, memory)
    kept.begin()
    name = pack(project, 1)
    uploaded = clock.now()
    assert store.locked[name] == LockState(Retention("governance", uploaded + 30 * DAY))
    assert kept.extend([name]) == [] and store.asked == [name]
    clock.sleep(2 * 86400)
    assert kept.extend([name]) == [] and store.asked == [name]
    clock.sleep(2 * 86400)
    assert kept.extend([name]) == []
    assert store.locked[name] == LockState(Retention("governance", clock.now() + 30 * DAY))


def test_a_memory_that_is_lost_or_spoilt_costs_questions_alone(
    project: Project, store: LockingStore, memory: ClientMemory
) -> None:
    kept = ObjectLock(project, "governance", 30, memory)
    kept.begin()
    name = pack(project, 1)
    kept.extend([name])
    memory.save_lines("locks", project.id, [name, f"{name} never", f"{name} 2099-01-01T00:00:00"])
    before = store.locked[name]
    assert kept.extend([name]) == [] and store.asked == [name, name] and store.locked[name] == before


def test_what_cannot_be_locked_is_one_problem_and_a_compliant_lock_keeps_its_mode(
    project: Project, store: LockingStore, clock: StageClock, memory: ClientMemory
) -> None:
    name = pack(project, 1)
    store.retain(name, Retention("compliance", clock.now() + DAY))
    gone = [layout.pack_name(project.id, CONTENT_TIER, bytes([number]) * 32) for number in (8, 9)]
    problems = ObjectLock(project, "governance", 30, memory).extend([name, *gone])
    assert [one.what for one in problems] == ["not-locked"] and problems[0].message.startswith("2 stored objects")
    assert store.locked[name] == LockState(Retention("compliance", clock.now() + 30 * DAY))


def test_a_place_without_object_lock_is_refused(clock: StageClock, memory: ClientMemory) -> None:
    with pytest.raises(StorageError, match="has no Object Lock"):
        ObjectLock(made_on(MemoryStore()), "governance", 1, memory)
    with pytest.raises(StorageError, match="has no Object Lock"):
        ObjectLock(made_on(LockingStore(clock, enabled=False)), "governance", 1, memory).begin()


def test_a_legal_hold_has_no_end_and_a_lock_that_has_run_out_keeps_nothing(
    project: Project, store: LockingStore, clock: StageClock
) -> None:
    name = pack(project, 1)
    until = object_lock.locked(project)
    assert until(name) is None and until("projects/none") is None
    store.retain(name, Retention("governance", clock.now() + DAY))
    assert until(name) == clock.now() + DAY
    store.put_legal_hold(name)
    assert until(name) == UNTIL_RELEASED
    store.lift_legal_hold(name)
    clock.sleep(2 * 86400)
    assert until(name) is None


def test_locks_go_through_every_wrapper_but_the_one_for_reading(store: LockingStore, clock: StageClock, tmp_path: Path) -> None:
    counting = CountingStore(store)
    wrapped = CachingStore(RetryingStore(counting, Tries.none(), clock, SeededChance(1)), tmp_path, SeededChance(2))
    wrapped.put("a/b", b"x")
    locks = locks_of(wrapped)
    assert locks is not None and locks.available()
    locks.lock_uploads("c", lambda: Retention("compliance", clock.now() + DAY))
    wrapped.put("c/d", b"x")
    locks.retain("a/b", Retention("governance", clock.now() + DAY))
    locks.put_legal_hold("c/d")
    assert locks.kept("a/b") == LockState(Retention("governance", clock.now() + DAY))
    assert locks.kept("c/d") == LockState(Retention("compliance", clock.now() + DAY), legal_hold=True)
    locks.lift_legal_hold("c/d")
    counted = counting.snapshot().requests
    assert (counted["lock_available"], counted["retain"], counted["kept"], counted["legal_hold"]) == (1, 1, 2, 2)
    assert locks_of(ReadOnlyStore(store)) is None and locks_of(CachingStore(MemoryStore(), tmp_path, SeededChance(3))) is None


def test_a_store_that_refuses_to_delete_what_it_keeps_is_reported_and_packs_that_its_index_names_stay(
    project: Project, store: LockingStore, clock: StageClock, tmp_path: Path
) -> None:
    for part in object_lock.FOLDERS:
        store.lock_uploads(project.folder(part), lambda: Retention("governance", clock.now() + 10 * DAY))
    folder = write_tree(tmp_path / "source", {"going": text("a", 30_000)})
    first = back_up(project, folder).record
    write_tree(folder, {"going": text("b", 30_000)})
    back_up(project, folder)
    forget(project, [first.id], reason="a test")
    unasking = PruneOptions(patience=WaitOptions(seconds=0), repack_above=None)
    report = apply(project, make_plan(project, unasking), unasking)
    assert first.id in report.refused and len(report.refused) > 1 and not report.done and report.deleted == 0
    asking = replace(unasking, locked=object_lock.locked(project))
    plan = make_plan(project, asking)
    assert plan.locked and not plan.dead and [one for one, _ in plan.locked_records] == [first.id]
    clock.sleep(20 * 86400)
    done = apply(project, make_plan(project, asking), asking)
    assert done.done and done.deleted == len(plan.locked) and done.forgotten == 1


class NoDeleting(MemoryStore):
    """Credentials that may not delete."""

    def delete(self, name: str) -> None:
        raise StorageDenied(f"cannot delete {name}")


def test_prune_is_refused_where_nothing_may_be_deleted() -> None:
    with pytest.raises(StorageDenied, match="nothing was changed"):
        refuse_without_rights(made_on(NoDeleting()))


def test_claims_that_writers_left_go_a_day_after_their_commit(project: Project, clock: StageClock) -> None:
    ids = [layout.snapshot_id(clock.now() - age * DAY, bytes([age]) * 8) for age in (0, 2, 3)]
    for one in ids:
        project.store.put(layout.claim_name(project.id, one), b"claim")
    for one in ids[:2]:
        project.store.put(layout.snapshot_name(project.id, one), b"record")
    claims.delete_committed(project, WaitOptions())
    assert claims.list_ids(project) == sorted([ids[0], ids[2]]), "one of today, and one that nobody has committed"
