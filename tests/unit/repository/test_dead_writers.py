"""Claims of writers that have ended on this machine, and how claims are waited for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.support.clock import StillClock
from tests.support.dying import PowerCut
from tests.support.faulty import FaultyStore, Overwriting, faults
from tests.support.places import back_up, checked, made_on, restore, tiny_descriptor
from tests.support.randomness import SeededChance
from tests.support.trees import contents, text, write_tree
from vault.errors import Busy, Interrupted, TransientStorageError
from vault.format import layout
from vault.format.claim import Eviction, Process
from vault.process import LinuxProcesses
from vault.repository import claims, snapshots
from vault.repository.gc import marks
from vault.repository.gc.prune import apply
from vault.repository.gc.prune_plan import PruneOptions
from vault.repository.gc.prune_planner import make_plan
from vault.repository.own_claim import OwnClaim
from vault.repository.project import Project
from vault.storage.caching import CachingStore
from vault.storage.contract import Buffer, Store
from vault.storage.memory import MemoryStore

PROCESSES = LinuxProcesses("here")


class Hearing:
    """Keeps what is told."""

    def __init__(self) -> None:
        self.phases: list[str] = []

    def phase(self, name: str, *, items: int = 0, size: int = 0) -> None:
        self.phases.append(name)

    def advance(self, *, items: int = 0, size: int = 0) -> None:
        return


class Writer:
    """A writer that says it is another process than this one."""

    def __init__(self, process: Process | None) -> None:
        self._process = process

    def own(self) -> Process | None:
        return self._process

    def ended(self, process: Process) -> bool:
        return PROCESSES.ended(process)


def here(create_once: bool) -> Project:  # noqa: FBT001
    project = made_on(MemoryStore(), tiny_descriptor(create_once=create_once), StillClock())
    return replace(project, services=replace(project.services, processes=PROCESSES))


def claim_of(project: Project, process: Process | None) -> OwnClaim:
    services = replace(project.services, processes=Writer(process))
    return OwnClaim.put(replace(project, services=services), "files")


def process(**other: object) -> Process:
    own = PROCESSES.own()
    assert own is not None
    return replace(own, **other)


def ended_process() -> Process:
    child = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True, text=True)
    return process(number=int(child.stdout))


@pytest.mark.parametrize("create_once", [True, False])
def test_a_claim_whose_process_has_ended_here_goes_at_once(create_once: bool) -> None:  # noqa: FBT001
    project = here(create_once)
    claim = claim_of(project, ended_process())
    assert claims.wait(project, claims.list_ids(project), claims.WaitOptions(seconds=0), lambda: None) == []
    assert claims.list_ids(project) == []
    assert not claim.exists()


def test_a_number_that_is_used_again_is_another_process() -> None:
    project = here(create_once=True)
    claim_of(project, process(started=1))
    assert len(claims.withdraw_dead(project)) == 1


@pytest.mark.parametrize("what", ["this very process", "another machine", "another container", "an older version"])
def test_where_it_is_in_doubt_a_claim_stays(what: str) -> None:
    project = here(create_once=True)
    ended = ended_process()
    whose = {
        "this very process": process(),
        "another machine": replace(ended, machine="another"),
        "another container": replace(ended, namespace="pid:[1]"),
        "an older version": None,
    }
    claim_of(project, whose[what])
    assert claims.withdraw_dead(project) == []
    assert len(claims.list_ids(project)) == 1


def test_a_dead_writer_that_may_have_sent_its_commit_keeps_its_claim_where_nothing_creates_once() -> None:
    project = here(create_once=False)
    claim = claim_of(project, ended_process())
    claim.refresh(committing=True)
    assert claims.withdraw_dead(project) == []
    assert claim.exists()


def test_a_run_that_was_killed_after_its_commit_keeps_its_snapshot_where_nothing_creates_once(tmp_path: Path) -> None:
    """The descriptor says that the store creates once, as it was copied from one that does; this one overwrites."""
    store = Overwriting(MemoryStore())
    project = made_on(store, tiny_descriptor(create_once=True), StillClock())
    ended = replace(project, services=replace(project.services, processes=Writer(ended_process())))
    plan = faults(store)
    for nth in (1, 2):  # the run's own, and that of its look for dead ones
        plan.on("delete", nth=nth, name="*/claims/*", raises=TransientStorageError("away"))
    with plan:
        only = back_up(ended, write_tree(tmp_path / "source", {"a": text("a", 2000)})).record
        assert plan.all_happened
    assert claims.withdraw_dead(ended) == [only.id]
    assert claims.list_ids(project) == []
    assert [one.id for one in snapshots.read_all(project)] == [only.id]
    assert checked(project).sound


def test_a_writer_that_is_killed_while_a_prune_waits_is_waited_for_no_longer() -> None:
    project = here(create_once=True)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        started = PROCESSES._started(str(child.pid))
        assert started is not None
        claim_of(project, process(number=child.pid, started=started))
        times = iter(range(1000))

        def stop() -> None:
            if next(times) == 15:
                child.kill()
                child.wait()

        assert claims.wait(project, claims.list_ids(project), claims.WaitOptions(), stop) == []
    assert project.services.clock.monotonic() < 60


def test_whom_a_prune_waits_for_is_told_and_stop_is_heard() -> None:
    project, hears = here(create_once=True), Hearing()
    claim_of(project, process())
    calls = iter(range(5))

    def stop() -> None:
        if next(calls, None) is None:
            raise Interrupted("enough")

    with pytest.raises(Interrupted):
        claims.wait(project, claims.list_ids(project), claims.WaitOptions(), stop, hears)
    assert project.services.clock.monotonic() < claims.LOOK_EVERY
    (told,) = hears.phases
    assert "files of test, begun 2026-03-14 12:00 UTC, last progress 2026-03-14 12:00 UTC" in told


def test_waiting_ends_with_the_time_that_there_is_altogether() -> None:
    project = here(create_once=True)
    claim_of(project, process())
    patience = claims.WaitOptions(seconds=3600, altogether=30)
    assert claims.wait(project, claims.list_ids(project), patience, lambda: None) == claims.list_ids(project)
    assert project.services.clock.monotonic() < 60


def test_a_grace_period_that_was_cut_short_is_waited_for_by_the_next_prune() -> None:
    project = here(create_once=False)
    claim_of(project, process())
    hasty = claims.WaitOptions(seconds=0, stale_after=timedelta(seconds=-1), altogether=60)
    (claim,) = claims.list_ids(project)
    assert claims.wait(project, [claim], hasty, lambda: None) == [claim]
    assert claims.list_ids(project) == []
    assert claims.wait(project, [], hasty, lambda: None) == [claim]
    began = project.services.clock.monotonic()
    assert claims.wait(project, [], claims.WaitOptions(), lambda: None) == []
    assert project.services.clock.monotonic() - began == pytest.approx(3600, abs=1)


def test_the_grace_period_counts_from_when_the_claim_was_taken_away() -> None:
    """The machine of a prune sleeps for hours between the mark of an eviction and the deletion of the claim."""
    store = Acting(MemoryStore(), lambda: clock.sleep(5 * 3600.0))
    clock = StillClock()
    project = made_on(store, tiny_descriptor(create_once=False), clock)
    claim_of(project, process())
    hasty = claims.WaitOptions(seconds=0, stale_after=timedelta(seconds=-1))
    assert claims.wait(project, claims.list_ids(project), hasty, lambda: None) == []
    assert clock.monotonic() >= 6 * 3600.0


class Acting(FaultyStore):
    """Does something before a claim is deleted."""

    def __init__(self, inner: Store, act: Callable[[], object]) -> None:
        super().__init__(inner)
        self._act = act

    def delete(self, name: str) -> None:
        if "/claims/" in name:
            self._act()
        super().delete(name)


def test_a_claim_that_a_dead_prune_left_beside_its_eviction_goes_once_it_is_stale() -> None:
    clock = StillClock()
    project = made_on(MemoryStore(), tiny_descriptor(create_once=True), clock)
    claim = claim_of(project, process())
    evict_and_die(project, claim.value.id)
    waiting = claims.wait(project, claims.list_ids(project), claims.WaitOptions(seconds=0), lambda: None)
    assert waiting == [claim.value.id]
    assert [one for one, _ in make_plan(project, PruneOptions()).claims] == waiting, "whom a prune would wait for is shown"
    clock.sleep(25 * 3600.0)
    assert claims.wait(project, waiting, claims.WaitOptions(seconds=0), lambda: None) == []
    assert claims.list_ids(project) == []


def test_a_commit_that_is_late_beside_two_prunes_that_evict_its_writer_is_whole(tmp_path: Path) -> None:
    """The store is believed to create once, and overwrites. The first prune dies between the *evicted* record and the claim;
    the writer wakes up, finds its claim, and sends a commit, which arrives after the second prune."""
    clock = StillClock()
    project = made_on(Overwriting(MemoryStore()), tiny_descriptor(create_once=True), clock)
    folder = write_tree(tmp_path / "source", {"a": text("a", 2000)})

    def first_prune() -> None:
        clock.sleep(26 * 3600.0)
        (standing,) = claims.list_ids(project)
        evict_and_die(project, standing)

    unsure = LateCommit(project.store, first_prune)
    with pytest.raises(TransientStorageError):
        back_up(replace(project, store=unsure), folder)
    impatient = PruneOptions(patience=claims.WaitOptions(seconds=0))
    assert apply(project, make_plan(project, impatient), impatient).waiting == claims.list_ids(project)
    unsure.arrive()
    assert [one.id for one in snapshots.read_all(project)] == claims.list_ids(project)
    assert apply(project, make_plan(project, impatient), impatient).waiting == []
    assert checked(project).sound
    back_up(project, folder)
    clock.sleep(26 * 3600.0)
    assert apply(project, make_plan(project, impatient), impatient).done
    assert claims.list_ids(project) == []
    assert checked(project).sound
    restore(project, tmp_path / "back")
    assert contents(tmp_path / "back/reports") == contents(folder)


def evict_and_die(project: Project, claim: str) -> None:
    """A prune that dies right before it deletes the claim that it evicts."""
    store = FaultyStore(project.store)
    with faults(store).on("delete", name="*/claims/*", raises=PowerCut()) as plan, pytest.raises(PowerCut):
        claims.evict(replace(project, store=store), claim)
    assert plan.all_happened


class LateCommit(FaultyStore):
    """Does something before the first pack of the catalogue is stored; a commit gets no answer, and arrives with `arrive`, but
    where it is `in_time`."""

    def __init__(self, inner: Store, act: Callable[[], object], *, in_time: bool = False) -> None:
        super().__init__(inner)
        self._acts, self._late, self._in_time = [act], list[tuple[str, Buffer]](), in_time

    def put(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        if "/meta/" in name and self._acts:
            self._acts.pop()()
        super().put(name, data, sha256=sha256)

    def create(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        if self._in_time:
            return super().create(name, data, sha256=sha256)
        self._late.append((name, bytes(data)))
        raise TransientStorageError("no answer")

    def arrive(self) -> None:
        (late,) = self._late
        super().create(*late)


def test_who_carries_a_snapshot_forward_over_which_an_eviction_is_put_takes_its_own_back(tmp_path: Path) -> None:
    """The store overwrites. A prune looks for the record of a stale claim; before it puts an eviction there, the writer wakes
    up and commits, and another carries that forward. The prune has not waited for it, and deletes what it needs."""
    project = made_on(Overwriting(MemoryStore()), tiny_descriptor(create_once=True), StillClock())
    folder = write_tree(tmp_path / "source", {"a": text("a", 2000)})
    overtaken = back_up(project, folder).record.id
    (folder / "b").write_bytes(text("b", 500))

    def evict() -> None:
        marks.write_evictions(project, [overtaken])
        project.put_record(layout.snapshot_name(project.id, overtaken), Eviction(overtaken).as_json())

    cached = CachingStore(LateCommit(project.store, evict, in_time=True), tmp_path / "cache", SeededChance("cache"))
    with pytest.raises(Busy, match=overtaken):
        back_up(replace(project, store=cached), folder)
    assert snapshots.read_all(project) == []
    back_up(project, folder)
    apply(project, make_plan(project, PruneOptions()), PruneOptions())
    assert checked(project).sound
    restore(project, tmp_path / "back")
    assert contents(tmp_path / "back/reports") == contents(folder)
