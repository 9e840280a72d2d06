"""Power may fail at any write of a repair, and it may run beside backups and prunes: nothing is ever worse than it was, and the
next repair ends what was begun."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.support.dying import EFFECTS, DyingStore, PowerCut, effects_at
from tests.support.faulty import FaultyStore
from tests.support.places import checked, copied, through
from tests.support.randomness import SeededChance
from tests.support.repairs import World, deleted, flipped, pack_of, world_of
from tests.support.trees import text
from tests.support.turns import Actor, Turns, run_all
from tests.support.watchdog import no_hang
from vault.errors import Interrupted, KeyRefused, StorageDenied, StrongroomError
from vault.repository import snapshots
from vault.repository.claims import WaitOptions
from vault.repository.client_memory import ClientMemory
from vault.repository.gc import forget
from vault.repository.gc.prune import apply as prune
from vault.repository.gc.prune_plan import PruneOptions
from vault.repository.gc.prune_planner import make_plan as plan_prune
from vault.repository.repair import dropping, repair
from vault.storage.caching import CachingStore
from vault.storage.contract import Store
from vault.storage.memory import MemoryStore

SHALLOW = 5


def hurt(world: World) -> None:
    """A bit of everything, all of which can be mended."""
    world.hurt(flipped, [pack_of(world, "f05")])
    world.hurt(deleted, [pack_of(world, "f00")])
    world.hurt(flipped, world.names("meta")[:2])
    world.hurt(deleted, world.names("index")[:1])
    world.hurt(flipped, world.names("index")[:1])
    world.hurt(deleted, world.names("snapshots")[:1])
    world.hurt(flipped, world.names("snapshots")[-1:])


def on(world: World, store: object, disk: MemoryStore, name: str) -> World:
    """The same machine, with a memory and a cache of its own, over another store."""
    cache = world.scratch / f"cache {name}"
    shutil.copytree(world.scratch.with_name("cache"), cache)
    memory = ClientMemory(world.memory.folder.with_name(f"memory {name}"), SeededChance(name))
    for kind in ("snapshots", "holds", "forgotten", "notes"):
        memory.save_lines(kind, world.project.id, world.memory.lines(kind, world.project.id))
    cached = CachingStore(store, cache, SeededChance(name))  # type: ignore[arg-type]
    project = through(replace(world.project, store=cached), cached, seed=name)
    return replace(world, project=project, store=disk, memory=memory, scratch=world.scratch / name, truth=dict(world.truth))


@pytest.mark.parametrize("create_once", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_repair_survives_a_power_cut(*, tmp_path: Path, create_once: bool) -> None:
    cut_everywhere(tmp_path, create_once=create_once, stride=SHALLOW)


@pytest.mark.slow
@pytest.mark.parametrize("create_once", [True, False])
def test_a_repair_survives_a_power_cut_at_every_single_write(*, tmp_path: Path, create_once: bool) -> None:
    cut_everywhere(tmp_path, create_once=create_once, stride=1)


def cut_everywhere(tmp_path: Path, *, create_once: bool, stride: int) -> None:
    world = world_of(tmp_path, create_once=create_once)
    hurt(world)
    before = world.read()
    counting = DyingStore(copied(world.store))
    assert on(world, counting, copied(world.store), "counting").repair().left.sound
    assert counting.writes > 6
    for lives in sorted({*range(0, counting.writes, stride), counting.writes - 1}):
        for when in effects_at(lives, counting.writes, stride):
            disk = copied(world.store)
            dying = on(world, DyingStore(disk, lives=lives, when=when), disk, f"{lives} {when}")
            with no_hang(), pytest.raises(PowerCut):
                dying.repair()
            after = on(world, disk, disk, f"after {lives} {when}")
            now = after.read()
            for snapshot, items in before.items():
                assert items.items() <= now.get(snapshot, {}).items(), "nothing is worse than it was"
            assert after.repair().left.sound
            after.judge()
            if lives % 3 == 0:
                after.life_goes_on()


def test_a_repair_that_is_interrupted_goes_on_where_it_was(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    hurt(world)
    interrupted = 0
    for number in range(0, 40, 7):
        calls = iter(range(number))

        def stop(calls: object = calls) -> None:
            if next(calls, None) is None:  # type: ignore[call-overload]
                raise Interrupted("Ctrl-C")

        options = world.options(stop=stop)
        plan = world.plan()
        try:
            repair.apply(world.project, world.memory, plan, options)
        except Interrupted:
            interrupted += 1
    assert interrupted > 2
    assert list(world.store.list(world.project.folder("claims"))) == []
    assert world.repair().left.sound
    world.judge()


def test_with_a_write_capability_everything_is_mended_that_needs_no_content(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    copy = copied(world.store)
    world.hurt(flipped, [*world.names("meta"), *world.names("snapshots"), *world.names("packs")])
    writer = replace(world, project=replace(world.project, capability=world.project.capability.without_reading()))
    assert writer.repair(world.options(copy, live=False)).left.sound, "copies need no key"
    world.judge()
    world.hurt(deleted, [pack_of(world, "f05")])
    assert writer.repair().left.sound, "what the source has is encrypted anew"
    world.judge()
    world.hurt(flipped, [pack_of(world, "old")])
    plan = writer.plan()
    assert not plan.reads and not plan.sound
    with pytest.raises(KeyRefused):
        dropping.drop(writer.project, writer.memory, plan, writer.options(), reason="x", who="y")


def test_a_store_that_may_only_be_read_is_left_as_it_is(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    hurt(world)
    disk = copied(world.store)
    denied = FaultyStore(disk)
    plan = denied.plan
    for verb in ("put", "create", "delete"):
        for nth in range(1, 60):
            plan.on(verb, nth=nth, raises=StorageDenied("read only"))
    machine = on(world, denied, disk, "denied")
    assert machine.plan().steps
    with pytest.raises(StorageDenied):
        machine.repair()
    assert {info.name: disk.get(info.name) for info in disk.list("")} == {
        info.name: world.store.get(info.name) for info in world.store.list("")
    }


@pytest.mark.parametrize("seed", [*range(6), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(6, 120))])
def test_beside_backups_and_prunes_nothing_gets_worse(tmp_path: Path, seed: int) -> None:
    beside_backups_and_prunes(tmp_path, seed, lives=None)


@pytest.mark.parametrize(
    "lives", [3, 12, *(pytest.param(lives, marks=pytest.mark.slow) for lives in range(60) if lives not in (3, 12))]
)
def test_a_power_cut_beside_backups_and_prunes_makes_nothing_worse(tmp_path: Path, lives: int) -> None:
    beside_backups_and_prunes(tmp_path, 1000 + lives, lives=lives)


def beside_backups_and_prunes(tmp_path: Path, seed: int, *, lives: int | None) -> None:
    """lives: writes that the repair makes before its power fails; None: the seed says who dies, and when."""
    world = world_of(tmp_path, create_once=seed % 2 == 0)
    forget.forget(world.project, [snapshots.read_all(world.project)[1].id], reason="a test")
    hurt(world)
    before = world.read()
    disk = copied(world.store)

    def machine(name: str, store: object, clock: object) -> World:
        one = on(world, store, disk, f"{seed} {name}")
        services = replace(one.project.services, clock=clock, host=name)
        return replace(one, project=replace(one.project, services=services))

    options = PruneOptions(patience=WaitOptions(seconds=600, look_every=120.0), repack_above=0.3)

    def pruner(store: object, clock: object) -> object:
        mine = machine("prune", store, clock)
        return prune(mine.project, plan_prune(mine.project, options), options)

    def repairer(store: Store, clock: object) -> object:
        dying = store if lives is None else DyingStore(store, lives=lives, when=EFFECTS[lives % 2])
        return machine("repair", dying, clock).repair()

    actors: dict[str, Actor] = {
        "repair": repairer,
        "writer": lambda store, clock: machine("writer", store, clock).back_up(),
        "prune": pruner,
    }
    outcomes = run_all(Turns(seed, calls=120, deaths=0.1 if lives is None else 0.0), disk, actors)
    for outcome in outcomes.values():
        assert not isinstance(outcome, BaseException) or isinstance(outcome, StrongroomError | PowerCut), outcome
    after = on(world, disk, disk, f"{seed} after")
    now = after.read()
    standing = {one.id for one in snapshots.committed(after.stranger).records}
    for snapshot in before.keys() & standing:
        assert before[snapshot].items() <= now.get(snapshot, {}).items(), f"{snapshot} is worse: {outcomes}"
    report = after.repair()
    assert not report.left.lost, report.left.as_json()
    if lives is not None:
        assert report.left.sound, report.left.as_json()
        after.back_up(later=text("later", 1200))
        after.prune(options)
        assert checked(after.stranger).sound
