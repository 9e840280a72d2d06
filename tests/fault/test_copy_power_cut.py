"""Power may fail at any write of a copy: every snapshot that stands in the second store is whole, and the next run goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import Struct
from msgspec.structs import replace

from tests.fault.test_power_cut import restored
from tests.support.dying import DyingStore, PowerCut, effects_at
from tests.support.places import back_up, checked, copied, made_on, names
from tests.support.second_copies import copy, paired
from tests.support.trees import Seen, look_at, text, write_tree
from tests.support.watchdog import no_hang
from vault.copying.pair import CopyPair
from vault.copying.report import CopyReport
from vault.repository import snapshots
from vault.repository.gc import forget, small_packs
from vault.repository.gc.prune import apply
from vault.repository.gc.prune_plan import PruneOptions
from vault.repository.gc.prune_planner import make_plan
from vault.repository.project import Project
from vault.storage.contract import Store
from vault.storage.memory import MemoryStore

SHALLOW, ALL = 7, 1
"""Only every so many writes are died at, in the default run."""


class Scene(Struct):
    """What a copy begins with. held: what the newest snapshot has."""

    first: Project
    second: Store
    held: dict[bytes, Seen]


def pruned(project: Project, **options: object) -> None:
    chosen = replace(PruneOptions(), **options)
    apply(project, make_plan(project, chosen), chosen)


def history(tmp_path: Path, hours: int = 4) -> tuple[Project, Path]:
    project, folder = made_on(MemoryStore()), tmp_path / "source"
    for hour in range(hours):
        write_tree(folder, {f"a/{hour}": text(f"hour {hour}", 1200), "changing": text(f"change {hour}", 900), "same": b"1"})
        back_up(project, folder)
    return project, folder


def everything(tmp_path: Path) -> Scene:
    """A copy that is begun."""
    project, folder = history(tmp_path)
    return Scene(project, MemoryStore(), look_at(folder))


def after_prunes(tmp_path: Path) -> Scene:
    """What was copied before has moved in both stores since, each by its own rules, and there is something new."""
    project, folder = history(tmp_path)
    pair = paired(project, MemoryStore())
    copy(pair)
    old = snapshots.read_all(project)
    forget.forget(project, [old[0].id, old[1].id], reason="the first store's rules")
    forget.forget(pair.second, [old[0].id, old[2].id], reason="the second store's rules")
    write_tree(folder, {"later": text("later", 2000)})
    back_up(project, folder)
    for one in (project, pair.second):
        pruned(one, repack_above=0.2)
        pruned(one, repack_above=0.2)
    return Scene(project, pair.target, look_at(folder))


SCENES = {"everything": everything, "after prunes": after_prunes}


class Machine:
    """Remembers its claims, as users' machines do."""

    def __init__(self) -> None:
        self.claims: tuple[str, ...] = ()

    def copy(self, pair: CopyPair) -> CopyReport:
        def remember(claims: object) -> None:
            self.claims = tuple(claims)  # type: ignore[arg-type]  # ids

        return copy(pair, left_claims=self.claims, remember_claims=remember)


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("stride", [SHALLOW, pytest.param(ALL, marks=pytest.mark.slow)])
def test_a_copy_survives_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scene: str, stride: int) -> None:
    monkeypatch.setattr(small_packs, "FAN_IN", 3)
    begun = SCENES[scene](tmp_path)
    whole = copied(begun.second)
    counting = DyingStore(whole)
    copy(paired(begun.first, counting))
    expected = {name for name in names(whole, "") if "/packs/" in name or "/meta/" in name}
    assert counting.writes > 4
    deaths = {*range(0, counting.writes, stride), counting.writes - 2, counting.writes - 1}
    for lives in sorted(deaths):
        for when in effects_at(lives, counting.writes, stride):
            disk, machine = copied(begun.second), Machine()
            with no_hang(), pytest.raises(PowerCut):
                machine.copy(paired(begun.first, DyingStore(disk, lives=lives, when=when), seed=f"{lives} {when}"))
            look_after(begun, disk, machine, expected, tmp_path / "back")


def look_after(begun: Scene, disk: Store, machine: Machine, expected: set[str], back: Path) -> None:
    """What a run left that died: whatever stands is whole; the next run ends it, and nothing is copied twice or left over."""
    pair = paired(begun.first, disk, seed="next")
    report = checked(pair.second)
    assert report.sound, [*report.damage, *report.lost]
    done = machine.copy(pair)
    assert done.complete and not done.problems
    report = checked(pair.second)
    assert report.sound and report.orphans == 0, [*report.damage, *report.lost]
    assert {name for name in names(disk, "") if "/packs/" in name or "/meta/" in name} == expected
    assert names(disk, pair.first.folder("claims")) == []
    assert restored(pair.second, back) == begun.held
    pruned(pair.second)
    assert checked(pair.second).sound and checked(begun.first).sound
