"""What former keys have sealed is stored anew: power may fail after any write, backups run beside it, and in the end the former
keys open nothing that is stored."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal

import pytest
from msgspec.structs import replace

from tests.support.dying import DyingStore, PowerCut
from tests.support.places import FAR_AHEAD, TickingClock, back_up, checked, copied, identity, restore, services
from tests.support.principals import CREATOR, administrator, founded_on, granted, opened_by
from tests.support.trees import contents, text, write_tree
from vault import age
from vault.errors import KeyRefused
from vault.format import layout
from vault.repository import key_rotation
from vault.repository.claims import WaitOptions
from vault.repository.gc import marks
from vault.repository.gc.former_epochs import FormerObjects, KnownCurrent, former_objects, former_packs, seal_anew
from vault.repository.gc.prune import apply
from vault.repository.gc.prune_plan import PruneOptions
from vault.repository.gc.prune_planner import make_plan
from vault.repository.project import Project
from vault.repository.session import Session
from vault.storage.contract import Store
from vault.storage.memory import MemoryStore

NO_PATIENCE = WaitOptions(seconds=0, stale_after=timedelta(0), grace=timedelta(0))
TREE = {f"{name}.csv": text(name, 4000) for name in ("a", "b", "c")}
MORE = {"d.csv": text("d", 3000)}
SHALLOW, ALL = 6, 1
"""Only every so many writes are died at, in the default run."""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[MemoryStore, Path]:
    """A repository of two snapshots whose keys were rotated, and the folder that it holds."""
    store, folder = MemoryStore(), tmp_path_factory.mktemp("reseal") / "source"
    made = founded_on(store)
    granted(made, "host", ("write",))
    back_up(made, write_tree(folder, TREE))
    write_tree(folder, MORE)
    back_up(opened_by(CREATOR, store), folder)
    own = opened_by(CREATOR, store)
    key_rotation.rotate(own, administrator(own))
    return store, folder


def reseal(store: Store) -> None:
    """One run: what `strongroom.reseal` does, without its settings and its memory."""
    project = opened_by(CREATOR, store)
    known = KnownCurrent(project, None)
    options = PruneOptions(
        patience=NO_PATIENCE, repack_above=None, join=False, anew=lambda packs: former_packs(project, packs, known)
    )
    apply(project, make_plan(project, options), options)
    seal_anew(project, former_objects(project, known).former, known)


def opens_with_former_keys(project: Project) -> list[str]:
    """What is stored of the project that its former keys open, but for grants and key objects."""
    former = [key for one in project.capability.former for key in (one.content, one.catalogue) if key is not None]
    found = []
    for info in project.store.list(f"projects/{project.id}"):
        if info.name.split("/")[2] in ("grants", "keys"):
            continue
        try:
            age.open_sealed(project.store.get(info.name), former)
        except age.NoMatchingIdentity:
            continue
        found.append(info.name)
    return found


def whole(store: MemoryStore, tmp_path: Path) -> None:
    project = opened_by(CREATOR, store)
    assert checked(project).sound
    restore(project, tmp_path)
    assert contents(tmp_path) == {f"reports/{name}": data for name, data in (TREE | MORE).items()}


def test_two_runs_leave_nothing_that_former_keys_open(template: tuple[MemoryStore, Path], tmp_path: Path) -> None:
    store = copied(template[0])
    before = opened_by(CREATOR, store)
    assert len(opens_with_former_keys(before)) > 8
    reseal(store)
    assert opens_with_former_keys(opened_by(CREATOR, store)), "packs go with the next run, for who is reading them"
    whole(store, tmp_path / "between")
    reseal(store)
    after = opened_by(CREATOR, store)
    assert opens_with_former_keys(after) == []
    own = replace(after, capability=replace(after.capability, former=()))
    assert checked(own).sound, "the former keys are needed for nothing"
    whole(store, tmp_path / "back")


@pytest.mark.parametrize("stride", [SHALLOW, pytest.param(ALL, marks=pytest.mark.slow)])
@pytest.mark.parametrize("when", ["before", "after"])
def test_power_may_fail_after_any_write(
    when: Literal["before", "after"], template: tuple[MemoryStore, Path], tmp_path: Path, stride: int
) -> None:
    counting = DyingStore(copied(template[0]))
    reseal(counting)
    assert counting.writes > 15
    for lives in range(0, counting.writes, stride):
        store = copied(template[0])
        with pytest.raises(PowerCut):
            reseal(DyingStore(store, lives=lives, when=when))
        whole(store, tmp_path / f"cut {lives}")
        back_up(opened_by("host", store), template[1])
        for _ in range(3):
            reseal(store)
        assert opens_with_former_keys(opened_by(CREATOR, store)) == []
        whole(store, tmp_path / f"then {lives}")


def test_a_backup_that_began_before_the_rotation_commits_after_it_and_is_sealed_anew(
    template: tuple[MemoryStore, Path], tmp_path: Path
) -> None:
    store = copied(template[0])
    early = opened_by("host", store)
    own = opened_by(CREATOR, store)
    key_rotation.rotate(own, administrator(own))
    back_up(early, template[1])
    whole(store, tmp_path / "between")
    for _ in range(2):
        reseal(store)
    assert opens_with_former_keys(opened_by(CREATOR, store)) == []
    whole(store, tmp_path / "back")


def left(store: Store) -> FormerObjects:
    project = opened_by(CREATOR, store)
    return former_objects(project, KnownCurrent(project, None))


def test_it_is_not_over_while_somebody_who_opened_the_former_keys_is_at_work(
    template: tuple[MemoryStore, Path], tmp_path: Path
) -> None:
    """Found by `tests.model.epochs`: what such a run commits later would open for who is gone."""
    store = copied(template[0])
    early = opened_by("host", store)
    own = opened_by(CREATOR, store)
    key_rotation.rotate(own, administrator(own))
    for _ in range(3):
        reseal(store)
    assert left(store) == FormerObjects((), ())
    session = Session.begin(early, "reports")
    mark = marks.write(early, [])
    assert set(left(store).under_way) == {layout.claim_name(early.id, session.id), mark}
    session.withdraw()
    assert left(store).under_way == (mark,), "a prune of before may be at work"
    later = replace(opened_by(CREATOR, store), services=services("later", TickingClock(FAR_AHEAD + timedelta(days=2))))
    known = KnownCurrent(later, None)
    assert former_objects(later, known).former == (mark,), "no prune takes two days"
    seal_anew(later, [mark], known)
    assert left(store) == FormerObjects((), ()) and marks.read(later).by_name.keys() == {mark}


def test_who_reads_no_content_cannot_look_at_packs(template: tuple[MemoryStore, Path]) -> None:
    host = opened_by("host", copied(template[0]))
    with pytest.raises(KeyRefused):
        former_packs(host, make_plan(host, PruneOptions()).needed, KnownCurrent(host, None))
    assert identity("host")
