"""Real writers, prunes and somebody who forgets, on one store: a seed decides who makes the next call, and who dies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.chance import SeededChance
from tests.support.dying import PowerCut
from tests.support.places import back_up, checked, copied, folder_source, made_on, tiny_descriptor
from tests.support.trees import text, write_tree
from tests.support.turns import Actor, TurnClock, Turns, run_all
from tests.support.watchdog import no_hang
from vault.backup import run
from vault.errors import Busy
from vault.repository import forget, snapshots
from vault.repository.claims import Patience
from vault.repository.forgotten import read_all as read_notes
from vault.repository.project import Project
from vault.repository.prune import apply
from vault.repository.prune_plan import Wishes, make_plan
from vault.storage.contract import Store
from vault.storage.memory import MemoryStore

IN_CI = 60
IN_FULL = 3000
KEEPS = {f"small {number}": text(number, 300) for number in range(6)}
PATIENT = Patience(seconds=1.0, stale_after=timedelta(days=1), look_every=0.1)
HASTY = replace(PATIENT, stale_after=timedelta(0))
"""Evicts every claim that it meets, those of the living too."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """What two writers find: waste that still stands, and something of their own."""
    home = tmp_path_factory.mktemp("turns")
    waste = {"old": text("old", 4000)}
    return [
        write_tree(home / "one", KEEPS | waste | {"own": text("own 1", 1500)}),
        write_tree(home / "two", KEEPS | waste | {"own": text("own 2", 1500)}),
    ]


def history(folder: Path, home: Path, *, create_once: bool) -> Project:
    """Three snapshots, the first of which is forgotten already; what only it needed is waste by now."""
    project = made_on(MemoryStore(), tiny_descriptor(create_once=create_once))
    for content in ({"old": text("old", 4000)} | KEEPS, {"old": b"new"} | dict(list(KEEPS.items())[:3]), {"old": b"newer"}):
        for leftover in home.glob("*"):
            leftover.unlink()
        back_up(project, write_tree(home, content))
    first = snapshots.read_all(project)[0]
    forget.forget(project, [first.id], reason="before the turns begin")
    return project


@pytest.fixture(scope="module")
def beginnings(folders: list[Path], tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Project]:
    """With a store that can create once, and without."""
    home = tmp_path_factory.mktemp("history")
    return {once: history(folders[0], home / str(once), create_once=once) for once in (True, False)}


def on(project: Project, store: Store, clock: TurnClock, seed: str) -> Project:
    services = replace(project.services, clock=clock, chance=SeededChance(seed))
    return replace(project, store=store, services=services)


def writer(project: Project, folder: Path, seed: str, source: str) -> Actor:
    def work(store: Store, clock: TurnClock) -> object:
        mine = on(project, store, clock, seed)
        return run.back_up(mine, replace(folder_source(folder), name=source), run.Wishes()).record.id

    return work


def pruner(project: Project, wishes: Wishes, seed: str) -> Actor:
    def work(store: Store, clock: TurnClock) -> object:
        mine = on(project, store, clock, seed)
        return apply(mine, make_plan(mine, wishes), wishes)

    return work


def forgetter(project: Project, seed: str) -> Actor:
    """Forgets all but the newest snapshot, twice."""

    def work(store: Store, clock: TurnClock) -> object:
        mine = on(project, store, clock, seed)
        for _ in range(2):
            records = snapshots.committed(mine).records
            newest = {one.id for source in {one.source for one in records} for one in snapshots.heads(records, source)}
            forget.forget(mine, [one.id for one in records if one.id not in newest], reason="a test")
        return None

    return work


def crew(project: Project, folders: list[Path], seed: int) -> dict[str, Actor]:
    """Two writers, two prunes, somebody who forgets. Only a store that can create once stands evictions of the living; whether
    there are any, whether waste is repacked and whether the writers write one source is for the seed to say."""
    once = project.descriptor.trust.create_once
    patience = HASTY if once and seed % 3 == 0 else PATIENT
    wishes = Wishes(patience=patience, repack_above=0.3 if seed % 2 else None, most_segments=1 if seed % 5 == 0 else 64)
    return {
        "writer 1": writer(project, folders[0], f"{seed} writer 1", "files"),
        "writer 2": writer(project, folders[1], f"{seed} writer 2", "files" if seed % 4 else "others"),
        "prune 1": pruner(project, wishes, f"{seed} prune 1"),
        "prune 2": pruner(project, replace(wishes, repack_above=None), f"{seed} prune 2"),
        "forgetter": forgetter(project, f"{seed} forgetter"),
    }


def take_turns(beginning: Project, folders: list[Path], seed: int) -> None:
    """One schedule, and a look at what it left."""
    disk = copied(beginning.store)
    with no_hang():
        outcomes = run_all(Turns(seed), disk, crew(beginning, folders, seed))
    after = replace(beginning, store=disk)
    failed = [one for one in outcomes.values() if isinstance(one, BaseException) and not isinstance(one, Busy | PowerCut)]
    if failed:
        raise failed[0]
    found = checked(after)
    assert found.sound, [*found.damage, *found.lost]
    reported = {outcomes[name] for name in ("writer 1", "writer 2") if isinstance(outcomes[name], str)}
    standing = set(snapshots.ids(after))
    assert reported <= standing | read_notes(after).by_id.keys()
    if seed % 4:
        return
    last = Wishes(patience=replace(HASTY, grace=timedelta(0)), repack_above=None)
    back_up(after, folders[0])
    for _ in range(2):
        assert apply(after, make_plan(after, last), last).done
    found = checked(after)
    assert found.sound, [*found.damage, *found.lost]
    assert found.orphans == 0


def seeds(count: int) -> Iterator[int]:
    start = int(os.environ.get("STRONGROOM_TEST_SEED", "0"))
    return iter(range(start, start + count))


@pytest.mark.parametrize("create_once", [True, False])
def test_whatever_the_order_of_calls_every_snapshot_is_whole(
    *, beginnings: dict[bool, Project], folders: list[Path], create_once: bool
) -> None:
    for seed in seeds(IN_CI // 2):
        take_turns(beginnings[create_once], folders, seed)


@pytest.mark.slow
@pytest.mark.parametrize("create_once", [True, False])
def test_whatever_the_order_of_calls_every_snapshot_is_whole_at_depth(
    *, beginnings: dict[bool, Project], folders: list[Path], create_once: bool
) -> None:
    for seed in seeds(IN_FULL // 2):
        take_turns(beginnings[create_once], folders, 1_000_000 + seed)
