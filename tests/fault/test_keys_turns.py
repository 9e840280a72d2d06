"""Power fails at every write of whoever grants, revokes, rotates or re-encrypts, and of the log of that, while a host backs up
and somebody prunes: a seed decides who makes the next call. Afterwards everybody opens what they may, every snapshot is whole,
the log is whole, the same again completes what was begun, and life goes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Literal

import pytest
from msgspec import Struct
from msgspec.structs import replace

from tests.fault.test_log_power_cut import Boots
from tests.fault.test_reseal_power_cut import opens_with_former_keys
from tests.support.clock import StillClock
from tests.support.dying import DyingStore, PowerCut
from tests.support.log_chain import DONE, LogMachine, all_entries, verified
from tests.support.places import FAR_AHEAD, PROJECT, back_up, checked, copied, identity, restore
from tests.support.principals import (
    CREATOR,
    administrator,
    founded_on,
    granted,
    memory_of,
    opened_by,
    repository_of,
    revoked,
)
from tests.support.trees import contents, text, write_tree
from tests.support.turns import BEGIN, Actor, Turns, run_all
from tests.support.watchdog import no_hang
from vault.clock import Clock
from vault.errors import Busy, KeyRefused
from vault.format import layout
from vault.repository import granting, grants, key_rotation, snapshots
from vault.repository.claims import WaitOptions
from vault.repository.gc import forget
from vault.repository.gc.former_epochs import KnownCurrent, former_objects, former_packs, seal_anew
from vault.repository.gc.prune import apply
from vault.repository.gc.prune_plan import PruneOptions
from vault.repository.gc.prune_planner import make_plan
from vault.repository.key_objects import key_id, listed
from vault.repository.project import Project
from vault.repository.repair import planner
from vault.repository.repair.planner import RepairOptions
from vault.storage.contract import Store
from vault.storage.memory import MemoryStore

HOST = "host"
USUAL = WaitOptions(look_every=120.0)
EFFECTS: tuple[Literal["before", "after"], ...] = ("before", "after")
TREE = {f"{name}.csv": text(name, 4000) for name in ("a", "b", "c")}


def grant(project: Project) -> None:
    granted(project, "bert", ("read",))


def revoke(project: Project) -> None:
    chain = grants.read(project).chain
    (one,) = (it for it in chain.grants.values() if it.name == HOST)
    if one.id in chain.revocations:
        granting.take_away(project, one, chain.revocations[one.id])
    else:
        revoked(project, one)


def rotate(project: Project) -> None:
    key_rotation.rotate(project, administrator(project))


def reseal(project: Project) -> None:
    """One run: what `strongroom.reseal` does, without its settings and its memory."""
    known = KnownCurrent(project, None)
    options = PruneOptions(
        patience=USUAL, repack_above=None, join=False, anew=lambda packs: former_packs(project, packs, known)
    )
    apply(project, make_plan(project, options), options)
    seal_anew(project, former_objects(project, known).former, known)


WORK: dict[str, tuple[Callable[[Project], None], int]] = {
    "grant": (grant, 5),
    "revoke": (revoke, 5),
    "rotate": (rotate, 17),
    "reseal": (reseal, 18),
}
"""With the writes that each makes at least, two of them to the log."""


class Scene(Struct, frozen=True):
    """store: a repository of two snapshots, of which one is forgotten · folder: what the host backs up."""

    store: MemoryStore
    folder: Path


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Scene]:
    """By the work that begins with it: what is re-encrypted was encrypted before a rotation."""
    home = tmp_path_factory.mktemp("keys")
    store, folder = MemoryStore(), home / "source"
    made = founded_on(store)
    granted(made, "anna", ("read", "audit"))
    granted(made, HOST, ("write",))
    first = back_up(made, write_tree(folder, TREE | {"old.csv": text("old", 5000)}))
    (folder / "old.csv").unlink()
    back_up(opened_by(HOST, store), write_tree(folder, {"d.csv": text("d", 2000)}))
    forget.forget(made, [first.record.id], reason="a test")
    rotated = copied(store)
    rotate(opened_by(CREATOR, rotated))
    write_tree(folder, {"new.csv": text("new", 3000)})
    return {what: Scene(rotated if what == "reseal" else store, folder) for what in WORK}


class Schedule(Struct, frozen=True):
    """home: of what the machines keep on their disks · when: whether the last write took effect."""

    scene: Scene
    what: str
    home: Path
    seed: str
    lives: int
    when: Literal["before", "after"]

    def opened(self, who: str, store: Store, clock: Clock, machine: str = "") -> Project:
        repository = repository_of(store, seed=f"{self.seed} {self.lives} {self.when} {machine or who}")
        opened = repository.project(PROJECT, [identity(who)])
        return replace(opened, services=replace(opened.services, clock=clock, host=who))

    def log(self, who: str, store: Store, clock: Clock, boot: int = 1) -> LogMachine:
        machine = LogMachine(store, self.home / who, who=who, host=who, clock=clock)
        machine.writer._services = replace(machine.writer._services, processes=Boots(boot))
        return machine

    def recorded(self, who: str, store: Store, clock: Clock, action: str, work: Callable[[Project], object]) -> None:
        """As a command does it: the intent, the work, the outcome."""
        log = self.log(who, store, clock)
        draft = replace(log.draft(action), process=log.writer._services.processes.own())
        if action == "backup":
            log.writer.begin(draft)
        else:
            draft, _ = log.writer.intend(draft)
        work(self.opened(who, store, clock))
        log.writer.end(draft, DONE)

    def administrator(self) -> Actor:
        def work(store: Store, clock: Clock) -> None:
            dying = DyingStore(store, lives=self.lives, when=self.when)
            self.recorded(CREATOR, dying, clock, self.what, WORK[self.what][0])

        return work

    def writer(self) -> Actor:
        def work(store: Store, clock: Clock) -> None:
            for _ in range(2):
                self.recorded(HOST, store, clock, "backup", lambda mine: back_up(mine, self.scene.folder))

        return work

    def pruner(self) -> Actor:
        def work(store: Store, clock: Clock) -> None:
            options = PruneOptions(patience=USUAL, repack_above=0.3)
            for _ in range(2):
                self.recorded("anna", store, clock, "prune", lambda mine: apply(mine, make_plan(mine, options), options))

        return work


def take_turns(schedule: Schedule) -> str:
    """One schedule, and a look at what it left; gives what became of the administrator."""
    disk = copied(schedule.scene.store)
    turns = Turns(f"{schedule.seed} {schedule.lives}", calls=90, switches=8, deaths=0.0)
    crew = {"administrator": schedule.administrator(), "writer": schedule.writer(), "prune": schedule.pruner()}
    with no_hang():
        outcomes = run_all(turns, disk, crew)
    # a host whose grant is revoked may be refused; whoever prunes may have waited too long for it
    allowed = Busy | PowerCut | KeyRefused if schedule.what == "revoke" else Busy | PowerCut
    for one in outcomes.values():
        if isinstance(one, BaseException) and not isinstance(one, allowed):
            raise one
    clock = StillClock(BEGIN + timedelta(seconds=turns.time, hours=2))
    judge(schedule, disk, clock)
    WORK[schedule.what][0](schedule.opened(CREATOR, disk, clock, "again"))
    judge(schedule, disk, clock)
    live_on(schedule, disk, clock)
    return type(outcomes["administrator"]).__name__


def judge(schedule: Schedule, disk: MemoryStore, clock: Clock) -> None:
    """Everybody whose grant stands opens the project, nobody else does, and every snapshot is whole for strangers."""
    project = schedule.opened(CREATOR, disk, clock, "stranger")
    found = grants.read(project)
    assert not found.problems
    named = {key_id(one.principal.recipient, project.id): one.name for one in found.chain.grants.values()}
    assert {one.id for one in listed(disk, project.id)} <= named.keys()
    for one in found.chain.standing(FAR_AHEAD):
        if one.name in (CREATOR, "anna", HOST):
            opened = schedule.opened(one.name, disk, clock, "another stranger")
            report = checked(opened, data=0.0 if opened.capability.content_identity is None else 1.0)
            assert report.sound, (one.name, [*report.damage, *report.lost])


def live_on(schedule: Schedule, disk: MemoryStore, clock: StillClock) -> None:
    """The log is whole once each machine is on again; another backup and two prunes long after leave nothing over."""
    for who in (CREATOR, HOST, "anna"):
        assert schedule.log(who, disk, clock, boot=2).record("status") is None
    assert all(report.sound for report in verified(disk)), [report.findings for report in verified(disk)]
    ends = Counter((one.principal, one.run) for one in all_entries(disk) if one.outcome is not None)
    assert set(ends.values()) == {1}, "each command has one end"
    clock.sleep(40 * 86400.0)
    mine = schedule.opened("anna" if schedule.what == "revoke" else HOST, disk, clock, "later")
    newest = back_up(mine, schedule.scene.folder).record.id
    owner = schedule.opened(CREATOR, disk, clock, "prunes later")
    options = PruneOptions(patience=USUAL, repack_above=None, join=False)
    for _ in range(3):
        if schedule.what == "reseal":
            reseal(owner)
        assert apply(owner, make_plan(owner, options), options).done
        clock.sleep(3600.0)
    if schedule.what == "reseal":
        assert opens_with_former_keys(schedule.opened(CREATOR, disk, clock, "looks at keys")) == []
    report = checked(schedule.opened(CREATOR, disk, clock, "checks"))
    assert report.sound and report.orphans == 0, [*report.damage, *report.lost]
    assert newest in snapshots.ids(owner)
    restore(owner, schedule.home / "back")
    assert contents(schedule.home / "back" / "reports") == contents(schedule.scene.folder)


def go_through(what: str, scenes: dict[str, Scene], home: Path, cuts: range, *seeds: str) -> Counter[str]:
    happened: Counter[str] = Counter()
    for seed in seeds:
        for lives in cuts:
            for when in EFFECTS if len(seeds) > 1 else EFFECTS[lives % 2 :][:1]:
                mine = home / f"{seed} {lives} {when}"
                mine.mkdir()
                happened[take_turns(Schedule(scenes[what], what, mine, seed, lives, when))] += 1
    return happened


@pytest.mark.parametrize("what", WORK)
def test_the_work_of_these_tests_has_as_many_writes_as_they_go_through(
    what: str, scenes: dict[str, Scene], tmp_path: Path
) -> None:
    counting = DyingStore(copied(scenes[what].store))
    schedule = Schedule(scenes[what], what, tmp_path, "counting", 0, "before")
    schedule.recorded(CREATOR, counting, StillClock(BEGIN), what, WORK[what][0])
    assert counting.writes >= WORK[what][1]


@pytest.mark.parametrize("what", WORK)
def test_a_power_cut_beside_backups_and_prunes_does_no_harm(what: str, scenes: dict[str, Scene], tmp_path: Path) -> None:
    writes = WORK[what][1]
    happened = go_through(what, scenes, tmp_path, range(writes // 4, writes, writes // 2), "shallow")
    assert happened["PowerCut"] == happened.total()


def test_what_is_encrypted_to_newer_keys_than_a_run_has_is_not_taken_for_damage(
    scenes: dict[str, Scene], tmp_path: Path
) -> None:
    store, folder = copied(scenes["rotate"].store), scenes["rotate"].folder
    early = opened_by(CREATOR, store)
    rotate(opened_by(CREATOR, store))
    back_up(opened_by(HOST, store), folder)
    memory = memory_of(tmp_path)
    before = copied(store)
    for run in (
        lambda: apply(early, make_plan(early, PruneOptions()), PruneOptions()),
        lambda: checked(early),
        lambda: planner.make_plan(early, memory, RepairOptions(read_data=True)),
    ):
        with pytest.raises(Busy, match="were rotated while this was running"):
            run()
    assert {info.name for info in store.list("")} == {info.name for info in before.list("")}
    assert checked(opened_by(CREATOR, store)).sound


def test_damage_is_damage_also_where_somebody_has_begun_to_rotate_and_never_went_on(scenes: dict[str, Scene]) -> None:
    store = copied(scenes["rotate"].store)
    own = opened_by(CREATOR, store)
    with pytest.raises(PowerCut):
        key_rotation.rotate(replace(own, store=DyingStore(store, lives=3)), administrator(own))
    newest = layout.snapshot_name(own.id, snapshots.read_all(own)[-1].id)
    store.put(newest, bytes(len(store.get(newest))))
    host = opened_by(HOST, store)
    with pytest.raises(Busy):
        checked(host, data=0)
    later = replace(host, services=replace(host.services, clock=StillClock(FAR_AHEAD + timedelta(days=2))))
    assert not checked(later, data=0).sound


@pytest.mark.slow
@pytest.mark.parametrize("what", WORK)
def test_a_power_cut_at_every_write_beside_backups_and_prunes_does_no_harm(
    what: str, scenes: dict[str, Scene], tmp_path: Path
) -> None:
    happened = go_through(what, scenes, tmp_path, range(WORK[what][1] + 6), *(f"deep {number}" for number in range(6)))
    assert happened["PowerCut"] >= WORK[what][1] * 6
