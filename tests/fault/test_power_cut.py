"""Power may fail at any write of a backup: the repository stays sound, the next run carries on, nothing is stored twice."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from msgspec import Struct
from msgspec.structs import replace

from restore.selection.select import ItemQuery
from tests.support.dying import EFFECTS, DyingStore, PowerCut, effects_at
from tests.support.places import (
    PROJECT,
    back_up,
    checked,
    chunks_in_packs,
    copied,
    identity,
    made_on,
    restore,
    services,
    through,
    tiny_descriptor,
)
from tests.support.randomness import SeededChance
from tests.support.trees import Seen, look_at, text, write_tree
from tests.support.watchdog import no_hang
from vault.age import HybridIdentity
from vault.clock import SystemClock
from vault.errors import RefusedByRule
from vault.format.layout import CONTENT_TIER
from vault.repository import index_writer, snapshots
from vault.repository.chunk_index import ChunkIndex
from vault.repository.project import Project
from vault.repository.repository import Repository
from vault.storage.contract import Store
from vault.storage.local import LocalStore
from vault.storage.memory import MemoryStore

ALL = 1
SHALLOW = {"memory": 5, "local": 9}
"""Only every so many writes are died at, in the default run."""

FIRST = {"a/one": text("one", 3000), "a/two": text("two", 200), "b/big": text("big", 11_000), "none": b"", "e/": b""}
LATER = {"a/one": text("one", 3000) + b"+", "c/new": text("new", 5000), "b/big": text("big", 11_000)[:7000]}


class Scene(Struct):
    """What a run begins with: a store, the project in it, the folder; `before` is what the folder was like at the last
    snapshot, None where there is none."""

    project: Project
    folder: Path
    before: dict[bytes, Seen] | None


def first(tmp_path: Path) -> Scene:
    """A project without a snapshot."""
    return Scene(made_on(MemoryStore()), write_tree(tmp_path / "source", FIRST), None)


def later(tmp_path: Path) -> Scene:
    """A folder of which the last snapshot has other contents, some more items, and others not yet."""
    scene = first(tmp_path)
    back_up(scene.project, scene.folder)
    before = look_at(scene.folder)
    write_tree(scene.folder, LATER)
    (scene.folder / "a/two").unlink()
    (scene.folder / "e").rmdir()
    return replace(scene, before=before)


def unchanged(tmp_path: Path) -> Scene:
    """A folder that is as the last snapshot has it."""
    scene = first(tmp_path)
    back_up(scene.project, scene.folder)
    return replace(scene, before=look_at(scene.folder))


SCENES = {"first": first, "later": later, "unchanged": unchanged}


class Disks:
    """Stores with one and the same beginning, as many as are wanted."""

    def __init__(self, kind: str, beginning: Store, place: Path) -> None:
        self._kind = kind
        self._beginning = copied(beginning)
        self._place = place
        self._count = 0

    def new(self) -> Store:
        if self._kind == "memory":
            return copied(self._beginning)
        self._count += 1
        return self._filled(self._place / f"disk {self._count}")

    def _filled(self, root: Path) -> Store:
        store = LocalStore(root, clock=SystemClock(), randomness=SeededChance(self._count), create_missing=True)
        for info in self._beginning.list(""):
            store.put(info.name, self._beginning.get(info.name))
        return store


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("kind", ["memory", "local"])
def test_a_backup_survives_a_power_cut(tmp_path: Path, kind: str, scene: str) -> None:
    cut_everywhere(tmp_path, kind, SCENES[scene], stride=SHALLOW[kind])


@pytest.mark.slow
@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("kind", ["memory", "local"])
def test_a_backup_survives_a_power_cut_at_every_single_write(tmp_path: Path, kind: str, scene: str) -> None:
    cut_everywhere(tmp_path, kind, SCENES[scene], stride=ALL)


def cut_everywhere(tmp_path: Path, kind: str, begin: Callable[[Path], Scene], *, stride: int) -> None:
    """Die at every `stride`-th write and at the last two (the commit, and what follows it), and look at what is left."""
    scene = begin(tmp_path)
    disks = Disks(kind, scene.project.store, tmp_path)
    counting = DyingStore(disks.new())
    back_up(through(scene.project, counting), scene.folder)
    deaths = {*range(0, counting.writes, stride), counting.writes - 2, counting.writes - 1}
    assert counting.writes >= 3
    for lives in sorted(deaths):
        for when in effects_at(lives, counting.writes, stride):
            disk = disks.new()
            dying = DyingStore(disk, lives=lives, when=when)
            with no_hang(), pytest.raises(PowerCut):
                back_up(through(scene.project, dying, seed=f"{lives} {when}"), scene.folder)
            back = tmp_path / "back"
            look_after(replace(scene, project=through(scene.project, disk, seed="next")), back)


def look_after(scene: Scene, back: Path) -> None:
    """What a run left that died: sound, and either nothing of it is committed or all of it is; the next run goes on."""
    now = look_at(scene.folder)
    committed = len(snapshots.read_all(scene.project)) - (scene.before is not None)
    assert checked(scene.project).sound
    assert committed in (0, 1)
    expected = now if committed else scene.before
    if expected is not None:
        assert restored(scene.project, back) == expected
    back_up(scene.project, scene.folder)
    report = checked(scene.project)
    assert report.sound
    assert report.orphans == 0
    assert restored(scene.project, back) == now
    if scene.before is not None:
        oldest = snapshots.read_all(scene.project)[0]
        assert restored(scene.project, back, ItemQuery(at=oldest.taken_at)) == scene.before
    assert set(chunks_in_packs(scene.project).values()) == {1}


def restored(project: Project, back: Path, query: ItemQuery | None = None) -> dict[bytes, Seen]:
    """What a restore gives back."""
    report = restore(project, back, query)
    assert not report.problems
    found = look_at(back / "reports")
    shutil.rmtree(back)
    return found


@pytest.mark.parametrize("when", EFFECTS)
def test_a_writer_that_may_not_read_leans_on_the_full_packs_of_a_dead_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: Literal["before", "after"]
) -> None:
    monkeypatch.setattr(index_writer, "INTERIM_EVERY", 0.0)  # as if each pack took a minute
    folder = write_tree(tmp_path / "source", {"big": text("big", 40_000)})
    project = made_on(MemoryStore())
    writer = replace(project, capability=project.capability.without_reading())
    with pytest.raises(PowerCut):
        back_up(through(writer, DyingStore(writer.store, lives=12, when=when)), folder)
    indexed = ChunkIndex.load(project, tier=CONTENT_TIER).table["chunk"].to_pylist()
    assert len(indexed) > 10
    back_up(through(writer, writer.store, seed="next"), folder)
    times = chunks_in_packs(project)
    assert {times[chunk] for chunk in indexed} == {1}
    assert checked(project).sound
    assert restored(project, tmp_path / "back") == look_at(folder)


@pytest.mark.parametrize("kind", ["memory", "local"])
def test_making_a_repository_and_adding_a_project_survive_a_power_cut(tmp_path: Path, kind: str) -> None:
    people = [identity("operator"), identity("recovery kit")]
    counting = DyingStore(MemoryStore())
    make_and_add(counting, people)
    disks = Disks(kind, MemoryStore(), tmp_path)
    for lives in range(counting.writes):
        for when in EFFECTS:
            disk = disks.new()
            with pytest.raises(PowerCut):
                make_and_add(DyingStore(disk, lives=lives, when=when), people)
            repository = make_and_add(disk, people, seed="second try")
            for person in people:
                assert [one.name for one in repository.open_keys([person]).capabilities] == [PROJECT]
            assert len({one.project for person in people for one in repository.open_keys([person]).capabilities}) == 1
            project = repository.project(PROJECT, people[:1])
            folder = write_tree(tmp_path / "source", {"a": b"a"})
            back_up(project, folder)
            assert restored(repository.project(PROJECT, people[1:]), tmp_path / "back") == look_at(folder)


def make_and_add(store: Store, people: list[HybridIdentity], *, seed: str = "first try") -> Repository:
    """What `init` and `project add` do, and what is done when they are called again: what stands is used."""
    try:
        repository = Repository.create(store, tiny_descriptor(), services(seed))
    except RefusedByRule:
        repository = Repository.open(store, services(seed))
    repository.add_project(PROJECT, [person.recipient for person in people], people[:1])
    return repository
