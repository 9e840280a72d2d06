"""Something is lost, hidden or damaged, then a prune: what could be restored before it can be restored after it, and goes on
being so after the next backup and the next prune. The prune runs behind the cache of the machine that made the backups."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from msgspec.structs import replace

from restore.selection.select import ItemQuery
from tests.support.places import back_up, made_on, names, restore, through, tiny_descriptor
from tests.support.randomness import SeededChance
from tests.support.trees import contents, text, write_tree
from vault.errors import Busy, Damaged, StorageError
from vault.format import layout
from vault.repository import snapshots
from vault.repository.chunk_index import ChunkIndex
from vault.repository.claims import WaitOptions
from vault.repository.client_memory import ClientMemory
from vault.repository.gc import forget
from vault.repository.gc.prune import apply
from vault.repository.gc.prune_inputs import PruneInputs as Seen
from vault.repository.gc.prune_inputs import read_until_consistent
from vault.repository.gc.prune_plan import PruneOptions
from vault.repository.gc.prune_planner import make_plan
from vault.repository.gc.prune_report import PruneReport
from vault.repository.gc.reachability import NeededPacks, needs
from vault.repository.missing_snapshots import SnapshotsMissing, gone
from vault.repository.project import Project
from vault.storage.caching import CachingStore
from vault.storage.contract import ObjectInfo
from vault.storage.memory import MemoryStore

OPTIONS = PruneOptions(patience=WaitOptions(seconds=0), repack_above=0.3, most_segments=2)


@dataclass
class World:
    """A machine that backs up and prunes, and the store as strangers see it."""

    project: Project
    store: MemoryStore
    folder: Path
    scratch: Path

    def names(self, part: str) -> list[str]:
        return names(self.store, self.project.folder(part))

    def prune(self, store: MemoryStore | None = None, **changes: object) -> PruneReport:
        project = self.project if store is None else through(self.project, store)
        options = replace(OPTIONS, **changes)
        return apply(project, make_plan(project, options), options)

    def restorable(self) -> dict[tuple[str, str], bytes]:
        """What a stranger gets of every snapshot that stands, by snapshot and path."""
        stranger = through(self.project, self.store, seed="stranger")
        found: dict[tuple[str, str], bytes] = {}
        for one in snapshots.committed(stranger).records:
            self.scratch = self.scratch.with_name(self.scratch.name + "+")
            try:
                report = restore(stranger, self.scratch, ItemQuery(at=one.taken_at), incomplete=True)
            except (Damaged, StorageError):
                continue
            if "lost-manifest" in {problem.what for problem in report.problems}:
                continue  # an older one stood in for it
            found |= {(one.id, path): data for path, data in contents(self.scratch).items()}
        return found


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Four snapshots, every second of which is forgotten; an index of several segments, packs that are half waste."""
    store = MemoryStore()
    made = made_on(store, tiny_descriptor(pack=2000))
    project = replace(made, store=CachingStore(store, tmp_path / "cache", SeededChance("cache")))
    folder = tmp_path / "source"
    for number in range(4):
        changing = {f"f{part:02}": text(f"{part} {number if part % 3 else 0}", 500) for part in range(12)}
        back_up(project, write_tree(folder, changing))
    old = [one.id for one in snapshots.read_all(project)][:-1:2]
    forget.forget(project, old, reason="a test")
    return World(project, store, folder, tmp_path / "back")


Loss = Callable[[World], None]


def deleted(part: str, which: slice) -> Loss:
    def lose(world: World) -> None:
        for name in world.names(part)[which]:
            world.store.delete(name)

    return lose


def overwritten(part: str, which: slice, damage: Callable[[bytes], bytes]) -> Loss:
    def lose(world: World) -> None:
        for name in world.names(part)[which]:
            world.store.put(name, damage(world.store.get(name)))

    return lose


def emptied(_data: bytes) -> bytes:
    return b""


def zeroed(data: bytes) -> bytes:
    return bytes(len(data))


def flipped(data: bytes) -> bytes:
    return data[:-20] + bytes([data[-20] ^ 1]) + data[-19:]


def cut(data: bytes) -> bytes:
    return data[: len(data) * 2 // 3]


ALL, ONE = slice(None), slice(1, 2)
LOSSES: dict[str, Loss] = {
    "an index segment": deleted("index", ONE),
    "all index segments": deleted("index", ALL),
    "a content pack": deleted("packs", ONE),
    "some content packs": deleted("packs", slice(None, None, 3)),
    "a catalogue pack": deleted("meta", ONE),
    "the notes": deleted("forgotten", ALL),
} | {
    f"{part} {damage.__name__}": overwritten(part, ONE, damage)
    for part in ("index", "packs", "meta", "forgotten")
    for damage in (emptied, zeroed, flipped, cut)
}


@pytest.mark.parametrize("loss", LOSSES)
def test_a_prune_after_a_loss_never_makes_it_worse(world: World, loss: str) -> None:
    LOSSES[loss](world)
    before = world.restorable()
    try:
        world.prune()
    except Damaged:
        assert "meta" in loss or "catalogue" in loss, "only lists and manifests that cannot be read end a prune"
    after = world.restorable()
    assert {one: after.get(one) for one in before} == before
    back_up(world.project, write_tree(world.folder, {"new": b"new"}))
    newest = snapshots.read_all(world.project)[-1]
    try:
        world.prune()
    except Damaged:
        assert "meta" in loss or "catalogue" in loss
    after = world.restorable()
    assert {one: after.get(one) for one in before} == before
    if loss in {f"{part} {damage}" for part in ("packs", "meta") for damage in ("zeroed", "flipped")}:
        return  # of such damage a backup learns from a check
    assert {path: data for (snapshot, path), data in after.items() if snapshot == newest.id} == {
        f"reports/{path}": data for path, data in contents(world.folder).items()
    }


@pytest.mark.parametrize("which", [ONE, ALL], ids=["one", "all"])
def test_a_prune_writes_lost_index_segments_anew(world: World, which: slice) -> None:
    whole = ChunkIndex.load(world.project).packs()
    needed = {one.sha256 for one in make_plan(world.project, OPTIONS).needed}
    deleted("index", which)(world)
    assert world.prune(repack_above=None).done
    assert ChunkIndex.load(through(world.project, world.store)).packs() >= whole & needed


def test_a_writer_that_may_not_read_prunes_beside_a_lost_index_and_makes_nothing_worse(world: World) -> None:
    deleted("index", ALL)(world)
    before = world.restorable()
    writer = replace(world.project, capability=world.project.capability.without_reading())
    apply(writer, make_plan(writer, OPTIONS), OPTIONS)
    assert world.restorable() == before


class Forgetful(MemoryStore):
    """Another store whose listings leave out some objects, which stand nevertheless."""

    def __init__(self, other: MemoryStore, hidden: set[str]) -> None:
        super().__init__()
        self._objects = other._objects  # the same objects
        self._hidden = hidden

    def list(self, folder: str) -> Iterator[ObjectInfo]:
        return (info for info in super().list(folder) if info.name not in self._hidden)


def test_a_record_that_no_listing_names_is_asked_for_by_its_name(world: World, tmp_path: Path) -> None:
    memory = ClientMemory(tmp_path / "memory", SeededChance("memory"))
    assert gone(world.project, memory) == []
    seen = frozenset(memory.lines("snapshots", world.project.id))
    before = world.restorable()
    for snapshot in sorted({snapshot for snapshot, _ in before}):
        hidden = Forgetful(world.store, {layout.snapshot_name(world.project.id, snapshot)})
        assert gone(through(world.project, hidden), memory) == []
        assert world.prune(hidden, remembered=seen).done
        assert world.restorable() == before


def test_a_parent_that_is_gone_ends_a_prune_on_a_machine_that_never_saw_it(world: World) -> None:
    before = world.restorable()
    snapshot = snapshots.read_all(world.project)[0].id
    name = layout.snapshot_name(world.project.id, snapshot)
    data = world.store.get(name)
    world.store.delete(name)
    objects = names(world.store, "")
    with pytest.raises(SnapshotsMissing, match=snapshot):
        world.prune(world.store)
    assert names(world.store, "") == objects
    world.store.put(name, data)
    assert world.prune(world.store).done
    assert world.restorable() == before


def test_packs_that_a_listing_leaves_out_keep_their_index_rows(world: World) -> None:
    before = world.restorable()
    for name in [*world.names("packs")[::4], *world.names("meta")[::4]]:
        world.prune(Forgetful(world.store, {name}))
    named = ChunkIndex.load(through(world.project, world.store)).packs()
    assert named >= {one.sha256 for one in make_plan(world.project, OPTIONS).needed}
    assert world.restorable() == before


def taken_back(tmp_path: Path) -> tuple[Project, MemoryStore, Callable[[], object]]:
    """A project in which an evicted writer has committed after a prune deleted its packs, and what takes the snapshot back."""
    store = MemoryStore()
    project = made_on(store)
    back_up(project, write_tree(tmp_path / "source", {"a": text("a", 2000)}))
    known = set(names(store, project.folder("meta")))
    late = back_up(project, write_tree(tmp_path / "other", {"b": text("b", 2000)})).record
    for name in set(names(store, project.folder("meta"))) - known:
        store.delete(name)
    return project, store, lambda: forget.forget(project, [late.id], reason="it was evicted", newest_too=True)


def test_a_listing_that_leaves_out_a_note_does_not_make_a_prune_miss_what_was_taken_back(tmp_path: Path) -> None:
    project, store, take_back = taken_back(tmp_path)
    take_back()

    class LeavesOut(MemoryStore):
        """Lists no note, once."""

        left = 1

        def list(self, folder: str) -> Iterator[ObjectInfo]:
            if "/forgotten" in folder and self.left:
                self.left -= 1
                return iter(())
            return store.list(folder)

        def get(self, name: str) -> bytes:
            return store.get(name)

    plan = make_plan(through(project, LeavesOut()), OPTIONS)
    assert len(plan.forgotten) == 1


def test_a_snapshot_that_is_taken_back_while_a_prune_looks_ends_it_with_run_again(tmp_path: Path) -> None:
    project, _, take_back = taken_back(tmp_path)
    with pytest.raises(Damaged):
        make_plan(project, OPTIONS)

    def find(world: Seen) -> NeededPacks:
        asked.append(world)
        if len(asked) == 1:
            take_back()
        return needs(project, world.live.records, world.live.moved)

    asked: list[Seen] = []
    with pytest.raises(Busy, match="was forgotten while this prune was at work"):
        read_until_consistent(project, frozenset(), OPTIONS, find)
    assert apply(project, make_plan(project, OPTIONS), OPTIONS).forgotten == 1
