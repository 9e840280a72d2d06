"""Copies beside real writers and prunes of both stores: a seed decides who makes the next call, who dies, and whose machine
sleeps for how long. Afterwards the second store is looked at by somebody who has no cache, and life goes on."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec import Struct
from msgspec.structs import replace

from tests.fault.test_turns import KEEPS, PAUSES, USUAL, Beginning, Contents, Showing, history
from tests.support.clock import StillClock
from tests.support.dying import DyingStore, PowerCut
from tests.support.places import back_up, checked, copied, folder_source, identity, restore
from tests.support.randomness import SeededChance
from tests.support.trees import contents, text, write_tree
from tests.support.turns import BEGIN, Actor, TurnClock, Turns, TurnStore, run_all
from tests.support.unsure_network import UnsureNetwork
from tests.support.watchdog import no_hang
from vault.backup import run
from vault.clock import Clock
from vault.copying.pair import CopyOptions, CopyPair
from vault.copying.report import CopyReport
from vault.copying.run import copy_project
from vault.errors import Busy, StorageError, UsageError
from vault.repository import snapshots
from vault.repository.forget_notes import read_all as read_notes
from vault.repository.gc import forget
from vault.repository.gc.prune import apply
from vault.repository.gc.prune_plan import PruneOptions
from vault.repository.gc.prune_planner import make_plan
from vault.repository.project import Project
from vault.storage.caching import CachingStore
from vault.storage.contract import Store
from vault.storage.memory import MemoryStore
from vault.storage.retrying import RetryingStore, RetryPolicy

IN_CI, IN_FULL = 4, 300


class Schedule(Struct, frozen=True):
    """One seed's. second: where the copies go · home: for caches · lives: writes to the second store that the first of the
    copies makes before its power fails; None: the seed says who dies, and when."""

    beginning: Beginning
    second: Store
    folder: Path
    home: Path
    seed: int
    lives: int | None = None

    def machine(self, actor: str, store: Store, clock: Clock, *, second: bool) -> Project:
        """The project in one of the stores, as a machine sees it: through its cache, and with patience."""
        randomness = SeededChance(f"{self.seed} {actor} {second}")
        patient = RetryingStore(store, RetryPolicy.network(60.0), clock, randomness)
        cached = CachingStore(patient, self.home / f"{actor} {second}", randomness)
        services = replace(self.beginning.project.services, clock=clock, randomness=randomness, host=actor)
        return replace(self.beginning.project, store=cached, services=services)

    def pauses(self, actor: str) -> tuple[float, float]:
        return 0.0, PAUSES[int(SeededChance(f"{self.seed} pauses of {actor}").fraction() * len(PAUSES))]

    def writer(self) -> Actor:
        def work(store: Store, clock: TurnClock) -> object:
            mine = self.machine("writer", store, clock, second=False)
            for pause in self.pauses("writer"):
                clock.sleep(pause)
                run.back_up(mine, folder_source(self.folder), run.BackupOptions())
            return None

        return work

    def prunes(self, actor: str, options: PruneOptions, turns: Turns, disk: Store, *, second: bool) -> Actor:
        """Forgets all but the newest snapshot of each source, and prunes, by the rules of one of the stores."""

        def work(_store: Store, clock: TurnClock) -> object:
            mine = self.machine(actor, TurnStore(disk, turns, actor), clock, second=second)
            for pause in self.pauses(actor):
                clock.sleep(pause)
                records = snapshots.committed(mine).records
                newest = {one.id for source in {one.source for one in records} for one in snapshots.heads(records, source)}
                old = [one.id for one in records if one.id not in newest]
                forget.forget(mine, old, reason=actor, unless_done=True)
                apply(mine, make_plan(mine, options), options)
            return None

        return work

    def copies(self, actor: str, turns: Turns, disk: Store) -> Actor:
        def work(store: Store, clock: TurnClock) -> object:
            first = self.machine(actor, store, clock, second=False)
            there: Store = TurnStore(disk, turns, actor)
            if self.lives is not None and actor == "copy 1":
                there = DyingStore(there, lives=self.lives, when="before" if self.lives % 2 else "after")
            into = self.machine(actor, there, clock, second=True).store
            claims: list[str] = []

            def remember(now: object) -> None:
                claims[:] = now  # type: ignore[call-overload]  # ids

            reports = []
            for pause in self.pauses(actor):
                clock.sleep(pause)
                options = CopyOptions(wait=1800.0, left_claims=tuple(claims), remember_claims=remember)
                reports.append(copy_project(CopyPair.of(first, into, into), options, [identity()]))
            return reports

        return work


def take_turns(schedule: Schedule) -> Counter[str]:
    """One schedule, and a look at what it left; gives what happened."""
    seed = schedule.seed
    first, second = copied(schedule.beginning.project.store), copied(schedule.second)
    turns = Turns(seed, calls=150, switches=7, naps=0.3, slow=0.04, deaths=0.15 if schedule.lives is None else 0.0)
    networks = [
        UnsureNetwork(disk, f"{seed} {number}", time=lambda: turns.time, calls=250, leaves_out=seed % 2 == 1)
        for number, disk in enumerate((first, second))
    ]
    repack = PruneOptions(patience=USUAL, repack_above=0.3 if seed % 3 else None)
    crew = {
        "writer": schedule.writer(),
        "prune 1": schedule.prunes("prune 1", repack, turns, networks[0], second=False),
        "prune 2": schedule.prunes("prune 2", repack, turns, networks[1], second=True),
        "copy 1": schedule.copies("copy 1", turns, networks[1]),
        "copy 2": schedule.copies("copy 2", turns, networks[1]),
    }
    with no_hang():
        outcomes = run_all(turns, networks[0], crew)
    for network in networks:
        network.settle()
    unexpected = [one for one in outcomes.values() if isinstance(one, BaseException)]
    expected = Busy | PowerCut | StorageError | (UsageError if any(one.happened["left out"] for one in networks) else Busy)
    unexpected = [one for one in unexpected if not isinstance(one, expected)]
    if unexpected:
        raise unexpected[0]
    clock = StillClock(BEGIN + timedelta(seconds=turns.time))
    judge(schedule, schedule.machine("stranger", second, clock, second=True))
    live_on(schedule, first, second, turns.time)
    reports = [report for one in outcomes.values() if isinstance(one, list) for report in one]
    return Counter(type(one).__name__ for one in outcomes.values()) + _seen(reports)


def _seen(reports: list[CopyReport]) -> Counter[str]:
    return Counter(
        copied=sum(one.snapshots for one in reports),
        waited=sum(bool(one.waiting) for one in reports),
        problems=sum(bool(one.problems) for one in reports),
    )


def judge(schedule: Schedule, stranger: Project) -> None:
    """Every snapshot of the second store is whole, and is what its writer saw. A prune that slept for weeks while it wrote the
    index may have left rows out: then the packs' own tables serve, until the next copy."""
    found = checked(stranger)
    left_out = not found.lost and all(str(one).startswith("an index segment is missing") for one in found.damage)
    assert found.sound or left_out, [*found.damage, *found.lost]
    for number, one in enumerate(snapshots.read_all(stranger)):
        back = schedule.home / f"back {number}"
        restore(replace(stranger, store=Showing(stranger.store, one.id)), back)
        assert contents(back / "reports") == (schedule.beginning.held.get(one.id) or contents(schedule.folder)), one.id
        shutil.rmtree(back)


def live_on(schedule: Schedule, first: Store, second: Store, time: float) -> None:
    """Another backup, a copy, a prune of both, long after: nothing is left over, and the second store has what the first has,
    but for what it has forgotten by itself."""
    clock = StillClock(BEGIN + timedelta(seconds=time, days=40))
    mine = schedule.machine("later", first, clock, second=False)
    there = schedule.machine("later", second, clock, second=True)
    back_up(mine, schedule.folder)
    done = copy_project(CopyPair.of(mine, there.store, there.store), CopyOptions(), [identity()])
    assert done.complete and not done.problems, done
    last = PruneOptions(patience=USUAL, repack_above=None)
    for project in (mine, there):
        for _ in range(2):
            assert apply(project, make_plan(project, last), last).done
            clock.sleep(3600.0)
    for store, is_second in ((first, False), (second, True)):
        stranger = schedule.machine("another stranger", store, clock, second=is_second)
        found = checked(stranger)
        assert found.sound and found.orphans == 0, [*found.damage, *found.lost]
    left = {one.id for one in snapshots.read_all(mine)} - {one.id for one in snapshots.read_all(there)}
    assert left <= read_notes(there).by_id.keys()
    restore(there, schedule.home / "last")
    assert contents(schedule.home / "last" / "reports") == contents(schedule.folder)
    shutil.rmtree(schedule.home / "last")


def begin(home: Path, *, create_once: bool) -> tuple[Beginning, Store]:
    """A repository with a history, and a copy of its beginning, which has forgotten something by itself."""
    beginning, second = history(home, create_once=create_once), MemoryStore()
    copy_project(CopyPair.of(beginning.project, second, second), CopyOptions(), [identity()])
    there = replace(beginning.project, store=second)
    forget.forget(there, [snapshots.read_all(there)[0].id], reason="before the turns begin")
    held: dict[str, Contents] = dict(beginning.held)
    waste: Mapping[str, bytes] = {"old": text("old", 4000)} | KEEPS
    folder = write_tree(home / "again", waste)
    held[back_up(beginning.project, folder).record.id] = contents(folder)
    return Beginning(beginning.project, held), second


@pytest.mark.parametrize("create_once", [True, False])
@pytest.mark.parametrize("count", [IN_CI, pytest.param(IN_FULL, marks=pytest.mark.slow)])
def test_whatever_the_order_of_calls_every_snapshot_of_a_copy_is_whole(
    *, tmp_path: Path, create_once: bool, count: int
) -> None:
    beginning, second = begin(tmp_path / "history", create_once=create_once)
    folder = write_tree(tmp_path / "folder", KEEPS | {"own": text("own", 1500), "old": text("old", 4000)})
    happened: Counter[str] = Counter()
    start = int(os.environ.get("STRONGROOM_TEST_SEED", "0"))
    for seed in range(start, start + count):
        home = tmp_path / str(seed)
        home.mkdir()
        happened += take_turns(Schedule(beginning, second, folder, home, seed))
        shutil.rmtree(home)
    assert happened["copied"] > count and happened["PowerCut"] > 1


@pytest.mark.parametrize("deaths", [range(2, 30, 14), pytest.param(range(40), marks=pytest.mark.slow)])
def test_a_power_cut_of_a_copy_beside_backups_prunes_and_another_copy_does_no_harm(tmp_path: Path, deaths: range) -> None:
    beginning, second = begin(tmp_path / "history", create_once=True)
    folder = write_tree(tmp_path / "folder", KEEPS | {"own": text("own", 1500), "old": text("old", 4000)})
    happened: Counter[str] = Counter()
    for lives in deaths:
        home = tmp_path / str(lives)
        home.mkdir()
        happened += take_turns(Schedule(beginning, second, folder, home, 5000 + lives, lives))
        shutil.rmtree(home)
    assert happened["PowerCut"] >= 1
