"""A repository that is hurt and mended: what each snapshot held is known, and strangers judge what is left of it.

world = mended_world(tmp_path)
hurt(world.store, name)
report = world.repair()
world.judge()
world.life_goes_on()
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from restore.selection.select import ItemQuery
from tests.support import independent_reader
from tests.support.places import back_up, checked, folder_source, identity, made_on, names, restore, through, tiny_descriptor
from tests.support.randomness import SeededChance
from tests.support.trees import contents, text, write_tree
from vault.backup.report import BackupReport
from vault.backup.source_contents import LiveSource
from vault.format import layout
from vault.repository import missing_objects, snapshots
from vault.repository.catalog_chunks import MetaReader
from vault.repository.chunk_index import ChunkIndex
from vault.repository.claims import WaitOptions
from vault.repository.client_memory import ClientMemory
from vault.repository.gc.prune import apply as apply_prune
from vault.repository.gc.prune_plan import PruneOptions
from vault.repository.gc.prune_planner import make_plan as plan_prune
from vault.repository.project import Project
from vault.repository.repair import planner, repair
from vault.repository.repair.plan import RepairPlan, RepairReport
from vault.repository.repair.planner import RepairOptions
from vault.storage.caching import CachingStore
from vault.storage.contract import Store
from vault.storage.memory import MemoryStore

Damage = Callable[[bytes], bytes | None]
"""What becomes of an object; None: it is deleted."""


def deleted(_data: bytes) -> None:
    return None


def emptied(_data: bytes) -> bytes:
    return b""


def zeroed(data: bytes) -> bytes:
    return bytes(len(data))


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0x10]) + data[middle + 1 :]


def cut(data: bytes) -> bytes:
    return data[: len(data) * 2 // 3]


DAMAGES: tuple[Damage, ...] = (deleted, emptied, zeroed, flipped, cut)


class World(Struct):
    """A machine that backs up and mends, and the store as strangers see it. truth: what each snapshot held, by its id."""

    project: Project
    store: MemoryStore
    folder: Path
    scratch: Path
    memory: ClientMemory
    truth: dict[str, dict[str, bytes]] = field(default_factory=dict)
    back: int = 0

    def names(self, part: str) -> list[str]:
        return names(self.store, self.project.folder(part))

    def back_up(self, **changes: bytes | None) -> BackupReport:
        """After changes to the source: None deletes."""
        write_tree(self.folder, {name: data for name, data in changes.items() if data is not None})
        for name in (name for name, data in changes.items() if data is None):
            (self.folder / name).unlink()
        report = back_up(self.project, self.folder)
        self.truth[report.record.id] = contents(self.folder)
        return report

    @property
    def stranger(self) -> Project:
        return through(self.project, self.store, seed="stranger")

    @property
    def live(self) -> LiveSource:
        return LiveSource(self.project, folder_source(self.folder))

    def hurt(self, damage: Damage, some: Iterable[str]) -> None:
        for name in some:
            new = damage(self.store.get(name))
            if new is None:
                self.store.delete(name)
            else:
                self.store.put(name, new)

    def options(self, *others: Store, live: bool = True, **more: object) -> RepairOptions:
        return replace(RepairOptions(others=others, live=[self.live] if live else [], read_data=True), **more)

    def look(self) -> None:
        """What a check leaves in the memory and the cache of the machine."""
        checked(self.project, data=0)
        missing_objects.look(self.project, self.memory)

    def plan(self, options: RepairOptions | None = None) -> RepairPlan:
        return planner.make_plan(self.project, self.memory, options or self.options())

    def repair(self, options: RepairOptions | None = None) -> RepairReport:
        options = options or self.options()
        return repair.apply(self.project, self.memory, self.plan(options), options)

    def prune(self, options: PruneOptions | None = None) -> None:
        options = options or PruneOptions(patience=WaitOptions(look_every=300.0))  # of an hour by a clock that only counts
        apply_prune(self.project, plan_prune(self.project, options), options)

    def given(self, snapshot: str) -> dict[str, bytes]:
        """What a stranger restores of a snapshot."""
        self.back += 1
        to = self.scratch / f"{self.back}"
        restore(self.stranger, to, ItemQuery(at=self._moment(snapshot)), incomplete=True)
        return {name.removeprefix("reports/"): data for name, data in contents(to).items()}

    def _moment(self, snapshot: str) -> datetime:
        return next(one.taken_at for one in snapshots.committed(self.stranger).records if one.id == snapshot)

    def judge(self, *, without: Sequence[str] = ()) -> None:
        """A check, strangers and the independent reader find everything of every snapshot. without: paths that are lost."""
        if not without:
            assert checked(self.stranger).damage == []
            assert checked(self.stranger).lost == []
        found = self.read()
        for snapshot, held in self.truth.items():
            left = {name: data for name, data in held.items() if name not in without}
            assert left.items() <= found[snapshot].items(), f"the independent reader has all of {snapshot}"
            assert left.items() <= self.given(snapshot).items(), f"a stranger restores all of {snapshot}"

    def read(self) -> dict[str, dict[str, bytes]]:
        """What the independent reader has of each snapshot, vanished items too."""
        objects = {info.name: self.store.get(info.name) for info in self.store.list("")}
        given = independent_reader.read(objects, identity().encode())[self.project.id]
        return {
            snapshot: {path.removeprefix("reports/"): data for path, data in found.items()}
            for snapshot, found in given.snapshots.items()
        }

    def life_goes_on(self, *, without: Sequence[str] = ()) -> None:
        """The next backup and two prunes; all is as it was, and nothing is left to mend."""
        self.back_up(later=text("later", 700))
        for _ in range(2):
            self.prune()
        self.judge(without=without)
        assert self.back_up().record.counts.read_bytes == 0
        if not without:
            assert self.plan().sound, self.plan().as_json()


def world_of(tmp_path: Path, *, create_once: bool = True, cached: bool = True) -> World:
    """Four snapshots of changing files; `old` is in the first two, and vanished since."""
    store = MemoryStore()
    made = made_on(store, tiny_descriptor(pack=2000, create_once=create_once))
    project = replace(made, store=CachingStore(store, tmp_path / "cache", SeededChance("cache"))) if cached else made
    memory = ClientMemory(tmp_path / "memory", SeededChance("memory"))
    world = World(project, store, tmp_path / "source", tmp_path / "back", memory)
    first = {f"f{number:02}": text(number, 900) for number in range(10)} | {"old": text("old", 2500)}
    world.back_up(**first)
    world.back_up(f00=text("other 0", 900))
    world.back_up(old=None, f01=text("other 1", 1800))
    world.back_up()
    world.look()
    return world


def pack_of(world: World, path: str) -> str:
    """The content pack in which an item of the newest snapshot that has it begins."""
    index = ChunkIndex.load(world.stranger)
    lies = {row["chunk"]: row["pack"] for row in index.table.to_pylist()}
    for one in reversed(snapshots.committed(world.stranger).records):
        for row in snapshots.read_manifest(MetaReader(world.stranger), one).to_pylist():
            if row["path"] == f"reports/{path}".encode():
                return layout.pack_name(world.project.id, layout.CONTENT_TIER, lies[row["chunks"][0]["id"]])
    raise AssertionError(path)
