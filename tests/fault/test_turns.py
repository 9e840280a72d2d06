"""Real writers, prunes and somebody who forgets, on one store: a seed decides who makes the next call, who dies, whose machine
sleeps for how long, and which requests get no answer.

Each of two machines has a cache and a memory of its own, as users have; what is left is judged from a third one, which has
neither: every snapshot that nobody forgot is restored byte for byte. Then life goes on.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec import Struct
from msgspec.structs import replace

from restore.selection.query import ItemQuery
from tests.support.clock import StillClock
from tests.support.dying import PowerCut
from tests.support.faulty import FaultyStore
from tests.support.places import back_up, checked, copied, folder_source, made_on, restore, tiny_descriptor
from tests.support.randomness import SeededChance
from tests.support.trees import contents, text, write_tree
from tests.support.turns import BEGIN, Actor, TurnClock, Turns, run_all
from tests.support.unsure_network import UnsureNetwork
from tests.support.watchdog import no_hang
from vault.backup import run
from vault.clock import Clock
from vault.errors import Busy, StorageError, UsageError
from vault.repository import missing_snapshots, snapshots
from vault.repository.claims import WaitOptions
from vault.repository.client_memory import ClientMemory
from vault.repository.forget_notes import read_all as read_notes
from vault.repository.gc import forget, move_records, prune, prune_planner, small_packs
from vault.repository.gc.join import Joined, join
from vault.repository.gc.prune import apply
from vault.repository.gc.prune_plan import PruneOptions
from vault.repository.gc.prune_planner import make_plan
from vault.repository.project import Project
from vault.storage.caching import CachingStore
from vault.storage.contract import ObjectInfo, Store
from vault.storage.memory import MemoryStore
from vault.storage.retrying import RetryingStore
from vault.storage.retrying import RetryPolicy as Tries

IN_CI = 14
IN_FULL = 400
KEEPS = {f"small {number}": text(number, 300) for number in range(6)}
USUAL = WaitOptions(look_every=120.0)
"""As users have it: an hour for who is at work, a day until a claim is stale, an hour of grace."""

HASTY = replace(USUAL, stale_after=timedelta(0))
"""Evicts every claim that it meets, those of the living too."""

PAUSES = (0.0, 0.0, 1800.0, 27 * 3600.0, 32 * 86400.0)
"""Seconds between two runs of one machine."""

Contents = Mapping[str, bytes]


class Beginning(Struct, frozen=True):
    """A repository with a history, and what its snapshots hold, by their ids."""

    project: Project
    held: Mapping[str, Contents]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What two writers find: waste that still stands, and something of their own."""
    home = tmp_path_factory.mktemp("turns")
    waste = {"old": text("old", 4000)}
    return {
        "writer 1": write_tree(home / "one", KEEPS | waste | {"own": text("own 1", 1500)}),
        "writer 2": write_tree(home / "two", KEEPS | waste | {"own": text("own 2", 1500)}),
    }


def history(home: Path, *, create_once: bool, pack: int = 3000) -> Beginning:
    """Three snapshots, the first of which is forgotten already; what only it needed is waste by now."""
    project = made_on(MemoryStore(), tiny_descriptor(create_once=create_once, pack=pack))
    held: dict[str, Contents] = {}
    for content in ({"old": text("old", 4000)} | KEEPS, {"old": b"new"} | dict(list(KEEPS.items())[:3]), {"old": b"newer"}):
        for leftover in home.glob("*"):
            leftover.unlink()
        held[back_up(project, write_tree(home, content)).record.id] = content
    first = snapshots.read_all(project)[0]
    forget.forget(project, [first.id], reason="before the turns begin")
    return Beginning(project, held)


@pytest.fixture(scope="module")
def beginnings(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Beginning]:
    """With a store that can create once, and without."""
    home = tmp_path_factory.mktemp("history")
    return {once: history(home / str(once), create_once=once) for once in (True, False)}


@pytest.fixture(scope="module")
def of_small_packs(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Beginning]:
    """The same in packs that are small."""
    home = tmp_path_factory.mktemp("small packs")
    return {once: history(home / str(once), create_once=once, pack=200_000) for once in (True, False)}


@pytest.fixture
def soon_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two small packs are joined, and two records of moved ones."""
    monkeypatch.setattr(small_packs, "FAN_IN", 2)
    monkeypatch.setattr(prune_planner, "FAN_IN", 2)
    monkeypatch.setattr(move_records, "MOST_SMALL", 2)


class Schedule(Struct, frozen=True):
    """One seed's. home: for caches and memories."""

    beginning: Beginning
    folders: Mapping[str, Path]
    home: Path
    seed: int

    def machine(self, name: str, actor: str, store: Store, clock: Clock) -> Project:
        """The project as one machine sees it: through its cache, and with patience."""
        randomness = SeededChance(f"{self.seed} {actor}")
        tries = Tries.none() if self.seed % 7 == 0 else Tries.network(60.0)
        cached = CachingStore(RetryingStore(store, tries, clock, randomness), self.home / name, randomness)
        services = replace(self.beginning.project.services, clock=clock, randomness=randomness, host=actor)
        return replace(self.beginning.project, store=cached, services=services)

    def memory(self, name: str) -> ClientMemory:
        return ClientMemory(self.home / f"memory of {name}", SeededChance(name))

    def pauses(self, actor: str) -> Iterator[float]:
        """Two runs of each, one after another."""
        randomness = SeededChance(f"{self.seed} pauses of {actor}")
        yield 0.0
        yield PAUSES[int(randomness.fraction() * len(PAUSES))]

    def writer(self, actor: str, source: str) -> Actor:
        def work(store: Store, clock: TurnClock) -> object:
            mine, made = self.machine(actor, actor, store, clock), []
            for pause in self.pauses(actor):
                clock.sleep(pause)
                made.append(
                    run.back_up(mine, replace(folder_source(self.folders[actor]), name=source), run.BackupOptions()).record.id
                )
                self.memory(actor).missing(mine.id, snapshots.ids(mine))
            return made

        return work

    def pruner(self, actor: str, machine: str, options: PruneOptions) -> Actor:
        def work(store: Store, clock: TurnClock) -> object:
            mine = self.machine(machine, actor, store, clock)
            for pause in self.pauses(actor):
                clock.sleep(pause)
                apply(mine, make_plan(mine, options), options)
            return None

        return work

    def forgetter(self, actor: str) -> Actor:
        """Forgets all but the newest snapshot, twice."""

        def work(store: Store, clock: TurnClock) -> object:
            mine = self.machine("writer 2", actor, store, clock)
            for pause in self.pauses(actor):
                clock.sleep(pause)
                records = snapshots.committed(mine).records
                newest = {one.id for source in {one.source for one in records} for one in snapshots.heads(records, source)}
                forget.forget(mine, [one.id for one in records if one.id not in newest], reason="a test")
            return None

        return work

    def crew(self) -> dict[str, Actor]:
        """Two writers, two prunes, somebody who forgets. Only a store that can create once stands evictions of the living;
        whether there are any, whether waste is repacked and whether the writers write one source is for the seed to say."""
        once = self.beginning.project.descriptor.trust.create_once
        patience = HASTY if once and self.seed % 3 == 0 else USUAL
        repack, most = 0.3 if self.seed % 2 else None, 1 if self.seed % 5 == 0 else 64
        options = PruneOptions(patience=patience, repack_above=repack, most_segments=most)
        return {
            "writer 1": self.writer("writer 1", "files"),
            "writer 2": self.writer("writer 2", "files" if self.seed % 4 else "others"),
            "prune 1": self.pruner("prune 1", "writer 1", options),
            "prune 2": self.pruner("prune 2", "writer 2", replace(options, repack_above=None)),
            "forgetter": self.forgetter("forgetter"),
        }


def take_turns(schedule: Schedule) -> Counter[str]:
    """One schedule, and a look at what it left; gives what happened."""
    seed = schedule.seed
    disk = copied(schedule.beginning.project.store)
    turns = Turns(seed, calls=120, switches=6, naps=0.35, slow=0.04)
    network = UnsureNetwork(disk, f"{seed} network", time=lambda: turns.time, calls=150, leaves_out=seed % 2 == 1)
    with no_hang():
        outcomes = run_all(turns, network, schedule.crew())
    network.settle()
    failed = [one for one in outcomes.values() if isinstance(one, BaseException)]
    expected = Busy | PowerCut | StorageError | (UsageError if network.happened["left out"] else Busy)
    unexpected = [one for one in failed if not isinstance(one, expected)]
    if unexpected:
        raise unexpected[0]
    stranger = schedule.machine("a stranger", "stranger", disk, StillClock(BEGIN + timedelta(seconds=turns.time)))
    judge(schedule, stranger)
    reported = {snapshot for one in outcomes.values() if isinstance(one, list) for snapshot in one}
    assert reported <= set(snapshots.ids(stranger)) | read_notes(stranger).by_id.keys()
    for name in schedule.folders:
        assert missing_snapshots.gone(stranger, schedule.memory(name)) == []
    live_on(schedule, disk, turns.time)
    return network.happened + Counter(type(one).__name__ for one in outcomes.values())


class Showing(FaultyStore):
    """Lists one snapshot and no other: two runs at once may each have begun before the other's snapshot, so that a moment is
    not enough to name one."""

    def __init__(self, inner: Store, snapshot: str) -> None:
        super().__init__(inner)
        self._snapshot = snapshot

    def list(self, folder: str) -> Iterator[ObjectInfo]:
        shown = super().list(folder)
        return (one for one in shown if "/snapshots/" not in one.name or one.name.endswith(self._snapshot))


def judge(schedule: Schedule, stranger: Project) -> None:
    """What somebody finds who has no cache: every snapshot is whole, and is what its writer saw."""
    found = checked(stranger)
    assert found.sound, [*found.damage, *found.lost]
    for number, one in enumerate(snapshots.read_all(stranger)):
        back = schedule.home / f"back {number}"
        restore(replace(stranger, store=Showing(stranger.store, one.id)), back)
        expected = schedule.beginning.held.get(one.id) or contents(schedule.folders[one.host])
        assert contents(back / "reports") == expected, one.id
        shutil.rmtree(back)


def live_on(schedule: Schedule, disk: Store, time: float) -> None:
    """Another backup on each machine, with the cache that it has by now, and prunes, long after: nothing is left over."""
    clock = StillClock(BEGIN + timedelta(seconds=time, days=40))
    last = PruneOptions(patience=USUAL, repack_above=None, join=False)
    for actor, folder in schedule.folders.items():
        mine = schedule.machine(actor, f"{actor} later", disk, clock)
        back_up(mine, folder)
        assert apply(mine, make_plan(mine, last), last).done
        clock.sleep(3600.0)
        assert apply(mine, make_plan(mine, last), last).done
    stranger = schedule.machine("another stranger", "another stranger", disk, clock)
    found = checked(stranger)
    assert found.sound, [*found.damage, *found.lost]
    assert found.orphans == 0
    restore(stranger, schedule.home / "last", ItemQuery(source="files"))
    assert contents(schedule.home / "last" / "reports") == contents(schedule.folders["writer 2"])


def seeds(count: int) -> Iterator[int]:
    start = int(os.environ.get("STRONGROOM_TEST_SEED", "0"))
    return iter(range(start, start + count))


def go_through(count: int, beginning: Beginning, folders: Mapping[str, Path], home: Path, *, offset: int = 0) -> Counter[str]:
    """So many schedules; gives what happened in all of them together."""
    happened: Counter[str] = Counter()
    for seed in seeds(count):
        mine = home / str(seed)
        mine.mkdir()
        happened += take_turns(Schedule(beginning, folders, mine, seed + offset))
        shutil.rmtree(mine)
    return happened


@pytest.mark.parametrize("create_once", [True, False])
def test_whatever_the_order_of_calls_every_snapshot_is_whole(
    *, beginnings: dict[bool, Beginning], folders: dict[str, Path], tmp_path: Path, create_once: bool
) -> None:
    happened = go_through(IN_CI // 2, beginnings[create_once], folders, tmp_path)
    assert {"before", "after", "late", "left out", "list", "PowerCut"} <= happened.keys()


@pytest.mark.usefixtures("soon_joined")
@pytest.mark.parametrize("create_once", [True, False])
@pytest.mark.parametrize("count", [IN_CI // 3, pytest.param(IN_FULL // 2, marks=pytest.mark.slow)])
def test_whatever_the_order_of_calls_every_snapshot_is_whole_whose_packs_are_joined(
    *, of_small_packs: dict[bool, Beginning], folders: dict[str, Path], tmp_path: Path, create_once: bool, count: int
) -> None:
    joined: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prune, "join", lambda *given: _noted(joined, join(*given)))
        go_through(count, of_small_packs[create_once], folders, tmp_path, offset=2_000_000)
    assert sum(joined) > count


def _noted(joined: list[int], done: Joined) -> Joined:
    joined.append(len(done.moved))
    return done


@pytest.mark.slow
@pytest.mark.parametrize("create_once", [True, False])
def test_whatever_the_order_of_calls_every_snapshot_is_whole_at_depth(
    *, beginnings: dict[bool, Beginning], folders: dict[str, Path], tmp_path: Path, create_once: bool
) -> None:
    happened = go_through(IN_FULL // 2, beginnings[create_once], folders, tmp_path, offset=1_000_000)
    assert {"before", "after", "late", "left out", "list", "PowerCut", "Busy"} <= happened.keys()
