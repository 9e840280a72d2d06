"""Power fails after every write of an erasing: up to the destruction everybody opens the project as before, from then on nobody
does, and the same again goes on to the end. The other project is whole at every moment."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal

import pytest

from tests.support import erasing
from tests.support.dying import DyingStore, PowerCut, moments
from tests.support.erasing import OTHER, believed, erase
from tests.support.places import back_up, checked, copied, identity, through
from tests.support.principals import CREATOR, memory_of, opened_by, repository_of
from tests.support.trees import write_tree
from vault.errors import Busy, Damaged, StorageError, StrongroomError
from vault.format import layout
from vault.repository import erasures, key_trust, snapshots
from vault.repository.erasures import ProjectErased
from vault.repository.gc import forget
from vault.repository.gc.prune import apply
from vault.repository.gc.prune_plan import PruneOptions
from vault.repository.gc.prune_planner import make_plan
from vault.storage.contract import Store
from vault.storage.memory import MemoryStore

WRITES = 39
FEW = (8, 9, 17, 18, 19, 20, 22, 24, 25, 33, 38)
"""Some of every step: the feature, the statements, the key objects of others, own ones, everything else, the end."""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> MemoryStore:
    """Two projects with snapshots; two people administer one of them. Where a manifest is cut depends on the inodes and times
    that this machine gives: of 25 templates one has a pack more than the others, and is not taken."""
    made = (lived(tmp_path_factory.mktemp("erase")) for _ in range(20))
    return next(store for store in made if writes_of(store) == WRITES)


def writes_of(store: MemoryStore) -> int:
    """Of an erasing of what is in the store."""
    counted = DyingStore(copied(store))
    erase(counted)
    return counted.writes


def lived(folder: Path) -> MemoryStore:
    """A store with two projects, of folders that are made below `folder`."""
    store = MemoryStore()
    made = erasing.shared_on(store)
    back_up(made, write_tree(folder / "source", {"a.csv": b"1,2\n" * 50, "b.csv": b"3,4\n" * 70}))
    write_tree(folder / "source", {"c.csv": b"5,6\n" * 50})
    back_up(made, folder / "source")
    back_up(erasing.second_project(store), write_tree(folder / "other", {"x.csv": b"7,8\n" * 90}))
    return store


def beta(store: Store) -> dict[str, str]:
    """The other project's objects but its keys, which name the descriptor; it is checked to the bottom."""
    project = repository_of(store).project("beta", [identity(CREATOR)])
    assert checked(project).sound
    names = [info.name for info in store.list(layout.project_folder(project.id)) if "/keys/" not in info.name]
    return {name: hashlib.sha256(store.get(name)).hexdigest() for name in names}


def left(store: Store, project: str) -> list[str]:
    return [info.name for folder in ("keys", "projects") for info in store.list(f"{folder}/{project}")]


def test_an_erasing_has_as_many_writes_as_the_next_test_goes_through(template: MemoryStore) -> None:
    assert writes_of(template) == WRITES and set(FEW) <= set(range(WRITES))


@pytest.mark.parametrize(("lives", "when"), moments(WRITES, FEW))
def test_a_power_cut_leaves_a_project_that_opens_or_one_that_is_erased_and_the_same_again_ends_it(
    lives: int, when: Literal["before", "after"], template: MemoryStore, tmp_path: Path
) -> None:
    store, before = copied(template), beta(template)
    project = opened_by(CREATOR, store).id
    memories = {name: memory_of(tmp_path, name) for name in (CREATOR, OTHER, "host")}
    for name, memory in memories.items():
        key_trust.verify(opened_by(name, store, memory), memory)
    with pytest.raises(PowerCut):
        erase(DyingStore(store, lives=lives, when=when))
    stated = believed(store, CREATOR, memories[CREATOR])
    for name in (OTHER, "host"):
        if stated is None:
            assert checked(opened_by(name, store, memories[name]), data=0.0).sound
        else:
            with pytest.raises(ProjectErased):
                opened_by(name, store, memories[name])
            assert not memories[name].key_copies.all()
    assert beta(store) == before
    erase(store)
    assert not left(store, project) and beta(store) == before
    end = believed(store, OTHER)
    assert end is not None and end.completion is not None and end.completion.left == 0
    with pytest.raises(ProjectErased):
        opened_by(CREATOR, store, memories[CREATOR])


def test_until_all_key_objects_are_gone_whoever_erases_could_go_on_and_then_nobody_opens_anything(
    template: MemoryStore,
) -> None:
    """With the statements gone as well: what is left for a thief of the whole store, and of an identity."""
    for lives in (21, 23, 24, 25):
        store = copied(template)
        with pytest.raises(PowerCut):
            erase(DyingStore(store, lives=lives))
        if believed(store, CREATOR) is None:
            continue
        project = next(iter(erasures.scopes(store)))
        ids = {name.rpartition("/")[2] for name in left(store, project) if name.endswith(".age")}
        own = f"{erasing.key_of(CREATOR, project)}.age"
        assert own in ids or not ids


class ErasedMeanwhile(DyingStore):
    """Somebody's view of the store: the project is destroyed right before one of their writes. at: its number."""

    def __init__(self, inner: MemoryStore, at: int) -> None:
        super().__init__(inner)
        self._whole = inner
        self._at = at
        self.erased = False

    def _write(self, act: Callable[[], None]) -> None:
        if self.writes >= self._at and not self.erased:
            self.erased = True
            erasing.go_on(self._whole)
        super()._write(act)


def stated(store: MemoryStore) -> None:
    erasing.ask(store)
    erasing.approve(store)
    erasing.begin(store)


@pytest.mark.parametrize("at", range(1, 5))
def test_a_backup_that_runs_beside_it_commits_nothing_and_what_it_stores_late_goes_with_the_same_again(
    at: int, template: MemoryStore, tmp_path: Path
) -> None:
    store, before = copied(template), beta(template)
    running = opened_by("host", store)
    stated(store)
    view = ErasedMeanwhile(store, at)
    with pytest.raises((Busy, Damaged, StorageError)):
        back_up(through(running, view), write_tree(tmp_path / "source", {"late.csv": b"9,9\n" * 300}))
    assert view.erased
    assert not [name for name in left(store, running.id) if name.endswith(".age")]
    erase(store)
    assert not left(store, running.id) and beta(store) == before


@pytest.mark.parametrize("at", range(4))
def test_a_prune_that_runs_beside_it_harms_nothing(at: int, template: MemoryStore) -> None:
    store, before = copied(template), beta(template)
    pruning = opened_by(CREATOR, store)
    forget.forget(pruning, snapshots.ids(pruning)[:1], reason="test")
    stated(store)
    view = ErasedMeanwhile(store, at)
    seen = through(pruning, view)
    with suppress(StrongroomError):  # what it would delete is gone
        apply(seen, make_plan(seen, PruneOptions()), PruneOptions())
    assert view.erased
    erase(store)
    assert not left(store, pruning.id) and beta(store) == before
