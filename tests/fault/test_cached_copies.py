"""The cache of a machine has the last whole copy of something: it is kept, and put back where nothing can be wrong with that.

Strangers, who have never seen the repository, say whether all is well afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.support.places import back_up, checked, made_on, names, restore, through, tiny_descriptor
from tests.support.randomness import SeededChance
from tests.support.trees import contents, text, write_tree
from vault.errors import ObjectNotFound, StorageDenied
from vault.format import layout
from vault.format.claim import Eviction
from vault.format.forget_note import ForgottenSnapshot
from vault.format.moved_packs import MovedPacks
from vault.repository import cached_copies, snapshots
from vault.repository.catalog_chunks import MetaReader
from vault.repository.client_memory import ClientMemory
from vault.repository.gc import forget
from vault.repository.gc.prune import apply
from vault.repository.gc.prune_plan import PruneOptions
from vault.repository.gc.prune_planner import make_plan
from vault.repository.missing_objects import look
from vault.repository.project import Project
from vault.storage.caching import CachingStore, uncached
from vault.storage.contract import Buffer
from vault.storage.memory import MemoryStore


@dataclass
class World:
    """A machine whose cache has all that is small, and the store as strangers see it."""

    project: Project
    store: MemoryStore
    folder: Path
    memory: ClientMemory

    @property
    def stranger(self) -> Project:
        return through(self.project, self.store, seed="stranger")

    def names(self, part: str) -> list[str]:
        return names(self.store, self.project.folder(part))

    def records(self) -> list[str]:
        """By time."""
        return [layout.snapshot_name(self.project.id, one.id) for one in snapshots.read_all(self.stranger)]

    def look(self) -> list[cached_copies.CachedCopy]:
        """What the machine says once a check of it has found what is wrong."""
        checked(self.project)
        look(self.project, self.memory)
        return cached_copies.look(self.project)

    def prune(self) -> None:
        options = PruneOptions()
        apply(self.project, make_plan(self.project, options), options)

    def life_goes_on(self, back: Path) -> None:
        """The next backup and prune of this machine, then a stranger."""
        assert back_up(self.project, self.folder).problems == ()
        self.prune()
        assert checked(self.stranger).sound
        report = restore(self.stranger, back)
        assert list(report.problems) == []
        assert {name.removeprefix("reports/"): data for name, data in contents(back).items()} == contents(self.folder)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Four snapshots; the first is forgotten, and what it alone needed was pruned."""
    return made(tmp_path, create_once=True)


def made(tmp_path: Path, *, create_once: bool) -> World:
    store = MemoryStore()
    bare = made_on(store, tiny_descriptor(pack=2000, create_once=create_once))
    project = replace(bare, store=CachingStore(store, tmp_path / "cache", SeededChance("cache")))
    memory = ClientMemory(tmp_path / "memory", SeededChance("memory"))
    world = World(project, store, tmp_path / "source", memory)
    for number in range(4):
        changing = {f"f{part:02}": text(f"{part} {number if part % 3 else 0}", 500) for part in range(12)}
        back_up(project, write_tree(world.folder, changing))
    forget.forget(project, [snapshots.read_all(project)[0].id], reason="a test")
    world.prune()
    assert checked(project).sound
    look(project, memory)
    return world


def hurt(world: World, name: str) -> bytes:
    """Damage an object; gives what it was."""
    whole = world.store.get(name)
    world.store.put(name, whole[:-20] + bytes([whole[-20] ^ 1]) + whole[-19:])
    return whole


def the_note(world: World) -> str:
    return world.names("forgotten")[0]


def a_catalogue_pack(world: World) -> str:
    """One in which the oldest manifest lies."""
    one = snapshots.read_all(world.stranger)[0]
    reader = MetaReader(world.stranger)
    row = next(row for row in reader.index.table.to_pylist() if row["chunk"] == one.manifest.chunks[0][0])
    return layout.pack_name(world.project.id, layout.META_TIER, row["pack"])


def the_newest_record(world: World) -> str:
    return world.records()[-1]


def a_record_of_moved_packs(world: World) -> str:
    found = snapshots.committed(world.stranger).moves
    assert found, "the prune has moved packs"
    return layout.snapshot_name(world.project.id, found[0].id)


Choice = Callable[[World], str]


@pytest.mark.parametrize("choose", [the_note, a_catalogue_pack, the_newest_record, a_record_of_moved_packs])
def test_what_is_damaged_is_put_back_by_whose_cache_has_it_whole(world: World, tmp_path: Path, choose: Choice) -> None:
    name = choose(world)
    whole = hurt(world, name)
    (copy,) = world.look()
    assert (copy.name, copy.gone, copy.withheld) == (name, False, "")
    assert not checked(world.stranger).sound
    assert cached_copies.put_back(world.project) == [name]
    assert world.store.get(name) == whole
    assert world.look() == []
    assert not copy.file.exists()
    world.life_goes_on(tmp_path / "back")


@pytest.mark.parametrize("choose", [the_note, a_catalogue_pack])
def test_notes_and_catalogue_packs_that_are_gone_are_put_back(world: World, tmp_path: Path, choose: Choice) -> None:
    name = choose(world)
    whole = world.store.get(name)
    world.store.delete(name)
    (copy,) = world.look()
    assert (copy.name, copy.gone, copy.withheld) == (name, True, "")
    assert cached_copies.put_back(world.project) == [name]
    assert world.store.get(name) == whole
    world.life_goes_on(tmp_path / "back")


def test_a_record_that_is_gone_is_left_to_a_person_who_has_the_file(world: World, tmp_path: Path) -> None:
    name = the_newest_record(world)
    whole = world.store.get(name)
    world.store.delete(name)
    (copy,) = world.look()
    assert copy.gone
    assert copy.withheld
    assert cached_copies.put_back(world.project) == []
    assert name not in world.names("snapshots")
    assert str(copy.file) in copy.message
    assert copy.file.read_bytes() == whole
    world.store.put(name, copy.file.read_bytes())
    assert world.look() == []
    world.life_goes_on(tmp_path / "back")


def test_a_forgotten_snapshot_does_not_come_back(world: World) -> None:
    name, one = world.records()[0], snapshots.read_all(world.stranger)[0]
    hurt(world, name)
    assert [one.name for one in world.look()] == [name]
    forgotten = ForgottenSnapshot(one.id, one.source, one.taken_at, one.parents)
    forget.put_notes(world.stranger, [forgotten], "given up elsewhere", who="somebody")
    assert cached_copies.put_back(world.project) == []
    world.store.delete(name)
    cached_copies.save(world.project, name)
    assert world.look() == []
    assert cached_copies.put_back(world.project) == []


def test_a_record_over_which_an_eviction_stands_does_not_come_back(world: World) -> None:
    name = the_newest_record(world)
    world.stranger.put_record(name, Eviction(name.rpartition("/")[2]).as_json())
    assert world.look() == []
    assert cached_copies.put_back(world.project) == []
    assert isinstance(snapshots.read_any(world.stranger, name.rpartition("/")[2]), Eviction)


def test_a_record_whose_packs_are_gone_is_left_to_a_person(world: World) -> None:
    name = the_newest_record(world)
    (one,) = [one for one in snapshots.read_all(world.stranger) if name.endswith(one.id)]
    needed = snapshots.needed_packs(MetaReader(world.stranger), one, snapshots.committed(world.stranger).moved)
    content = {layout.pack_name(world.project.id, layout.CONTENT_TIER, pack) for pack in needed}
    hurt(world, name)
    world.store.delete(min(content & set(world.names("packs"))))
    (copy,) = [copy for copy in world.look() if copy.name == name]
    assert copy.withheld
    assert name not in cached_copies.put_back(world.project)


def test_on_a_store_that_does_not_create_once_a_record_is_left_to_a_person(tmp_path: Path) -> None:
    world = made(tmp_path, create_once=False)
    hurt(world, the_newest_record(world))
    (copy,) = world.look()
    assert "create once" in copy.withheld
    assert cached_copies.put_back(world.project) == []


def test_a_catalogue_pack_that_no_snapshot_needs_is_not_put_back(world: World) -> None:
    before = set(world.names("meta"))
    for name in before:
        world.project.store.get(name)
    forget.forget(world.stranger, [name.rpartition("/")[2] for name in world.records()[:-1]], reason="a test")
    options = PruneOptions()
    apply(world.stranger, make_plan(world.stranger, options), options)
    gone = before - set(world.names("meta"))
    assert gone
    for name in gone:
        with pytest.raises(ObjectNotFound):
            uncached(world.project.store).get(name)
    assert isinstance(world.project.store, CachingStore)
    assert set(world.project.store.saved.names(layout.project_folder(world.project.id))) == gone
    assert cached_copies.put_back(world.project) == []
    assert world.project.store.saved.names(layout.project_folder(world.project.id)) == []


def test_a_copy_that_is_damaged_itself_is_discarded(world: World) -> None:
    for name in (the_note(world), a_catalogue_pack(world), the_newest_record(world)):
        hurt(world, name)
    for one in world.look():
        one.file.write_bytes(one.file.read_bytes()[:-1] + b"?")
    assert cached_copies.put_back(world.project) == []
    assert not any(one.file.exists() for one in world.look())


def test_a_copy_is_discarded_once_the_store_is_whole_again(world: World) -> None:
    name = the_note(world)
    whole = hurt(world, name)
    (copy,) = world.look()
    world.store.put(name, whole)
    assert cached_copies.look(world.project) == []
    assert not copy.file.exists()


class NothingOver(MemoryStore):
    """The credentials may not overwrite."""

    def put(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        raise StorageDenied(f"{name} may not be written")


def test_where_the_store_refuses_it_the_copy_stays(world: World, tmp_path: Path) -> None:
    name = the_note(world)
    hurt(world, name)
    world.look()
    refusing = NothingOver()
    for one in names(world.store, ""):
        MemoryStore.put(refusing, one, world.store.get(one))
    project = replace(world.project, store=CachingStore(refusing, tmp_path / "cache", SeededChance("again")))
    with pytest.raises(StorageDenied):
        cached_copies.put_back(project)
    assert cached_copies.put_back(world.project) == [name]


def test_a_record_of_moved_packs_names_only_what_stands(world: World) -> None:
    name = a_record_of_moved_packs(world)
    found = snapshots.read_any(world.stranger, name.rpartition("/")[2])
    assert isinstance(found, MovedPacks)
    hurt(world, name)
    targets = {layout.pack_name(world.project.id, 0, pack) for packs in found.packs.values() for pack in packs}
    world.store.delete(min(targets & set(world.names("packs"))))
    (copy,) = [copy for copy in world.look() if copy.name == name]
    assert copy.withheld
