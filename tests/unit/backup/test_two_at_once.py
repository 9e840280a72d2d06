"""Several runs of one project at once, and runs whose claim was taken away meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from restore.selection.select import ItemQuery, select
from tests.support.places import (
    TickingClock,
    back_up,
    checked,
    copied,
    folder_source,
    made_on,
    names,
    restore,
    through,
    tiny_descriptor,
)
from tests.support.trees import look_at, text, write_tree
from tests.support.watchdog import no_hang
from vault.backup import run
from vault.backup.report import BackupReport
from vault.errors import Busy, StorageDenied
from vault.format import layout
from vault.problems import Problem
from vault.repository import snapshots
from vault.repository.catalog_chunks import MetaReader
from vault.repository.project import Project
from vault.source import folder as folder_module
from vault.source.contract import SMALL, Content, TooLarge
from vault.source.reader import Reader
from vault.storage.contract import Buffer, ObjectInfo, Store
from vault.storage.memory import MemoryStore


class OnWrite:
    """A store that does something of its own right before a write to a folder, once."""

    def __init__(self, inner: Store, folder: str, action: Callable[[], None]) -> None:
        self._inner = inner
        self._folder = folder
        self._action: Callable[[], None] | None = action

    def put(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        self._act(name)
        self._inner.put(name, data, sha256=sha256)

    def create(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        self._act(name)
        self._inner.create(name, data, sha256=sha256)

    def _act(self, name: str) -> None:
        action, self._action = (self._action, None) if f"/{self._folder}/" in name else (None, self._action)
        if action is not None:
            action()

    def get(self, name: str) -> bytes:
        return self._inner.get(name)

    def get_range(self, name: str, start: int, length: int) -> bytes:
        return self._inner.get_range(name, start, length)

    def size(self, name: str) -> int:
        return self._inner.size(name)

    def list(self, folder: str) -> Iterator[ObjectInfo]:
        return self._inner.list(folder)

    def delete(self, name: str) -> None:
        self._inner.delete(name)

    def describe(self) -> str:
        return self._inner.describe()

    def close(self) -> None:
        self._inner.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tree(tmp_path / "source", {"a": text("a", 3000), "b/big": text("big", 9000), "c": b"c"})


@pytest.fixture
def project() -> Project:
    return made_on(MemoryStore())


@pytest.mark.parametrize("moment", ["claims", "packs", "index", "meta", "snapshots"])
@pytest.mark.parametrize("earlier", [0, 1])
def test_a_whole_backup_within_another_leaves_two_sound_snapshots(
    project: Project, folder: Path, tmp_path: Path, moment: str, earlier: int
) -> None:
    for _ in range(earlier):
        back_up(project, folder)
        write_tree(folder, {"a": text("another", 4000)})
    within = through(project, project.store, seed="within")
    outer = through(project, OnWrite(project.store, moment, lambda: note(back_up(within, folder))), seed="outer")
    with no_hang():
        back_up(outer, folder)
    records = snapshots.read_all(project)
    assert len(records) == 2 + earlier
    assert checked(project).sound
    heads = snapshots.heads(records, "files")
    later = back_up(project, folder).record
    assert set(later.parents) == {one.id for one in heads}
    assert snapshots.heads(snapshots.read_all(project), "files") == [later]
    restore(project, tmp_path / "back")
    assert look_at(tmp_path / "back/reports") == look_at(folder)
    assert checked(project).sound


def note(_report: BackupReport) -> None:
    """It is enough that it came about."""


def test_two_runs_that_know_nothing_of_each_other_are_merged_by_the_next(
    project: Project, folder: Path, tmp_path: Path
) -> None:
    """What one of two runs at once has seen and the other has not is not forgotten by the one after them."""
    back_up(project, folder)
    write_tree(folder, {"new": b"so that there is something to store"})
    first = through(project, project.store, seed="first")
    seen_by_inner_only = folder / "short-lived"

    def inner() -> None:
        seen_by_inner_only.write_bytes(b"seen once")
        back_up(first, folder)
        seen_by_inner_only.unlink()

    back_up(through(project, OnWrite(project.store, "meta", inner), seed="second"), folder)
    assert len(snapshots.heads(snapshots.read_all(project), "files")) == 2
    back_up(project, folder)
    assert len(snapshots.heads(snapshots.read_all(project), "files")) == 1
    deleted = select(project, ItemQuery(deleted=True)).table["path"].to_pylist()
    assert deleted == [b"reports/short-lived"]


def test_many_threads_back_up_one_project(project: Project, tmp_path: Path) -> None:
    folders = [
        write_tree(tmp_path / f"source {number}", {"same": text("same", 5000), "own": text(number, 3000)})
        for number in range(4)
    ]
    ended: list[str] = []

    def work(number: int) -> None:
        source = folder_source(folders[number], name=f"source-{number}", kind=f"kind{number}")
        own = through(project, project.store, seed=number)
        for _ in range(2):
            ended.append(run.back_up(own, source, run.BackupOptions()).record.id)

    with no_hang():
        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(ended) == len(set(ended)) == 8
    assert checked(project).sound
    restore(project, tmp_path / "back")
    for number, folder in enumerate(folders):
        assert look_at(tmp_path / f"back/kind{number}") == look_at(folder)


@pytest.mark.parametrize("create_once", [True, False])
def test_a_run_whose_claim_was_evicted_commits_nothing(*, folder: Path, create_once: bool) -> None:
    project = made_on(MemoryStore(), tiny_descriptor(create_once=create_once))
    back_up(project, folder)
    write_tree(folder, {"new": text("new", 2000)})

    def evict() -> None:
        claim = names(project.store, project.folder("claims"))[0].rpartition("/")[2]
        project.put_record(layout.snapshot_name(project.id, claim), {"record": "evicted", "id": claim})
        project.store.delete(layout.claim_name(project.id, claim))

    watched = OnWrite(project.store, "meta", evict)
    with pytest.raises(Busy):
        back_up(through(project, watched, seed="evicted"), folder)
    assert len(snapshots.read_all(project)) == 1
    assert len(snapshots.ids(project)) == 2
    assert checked(project).sound
    back_up(project, folder)
    assert len(snapshots.read_all(project)) == 2
    assert checked(project).sound


@pytest.mark.parametrize("pack_is_gone", [True, False])
def test_without_create_once_an_eviction_during_the_commit_is_noticed(*, folder: Path, pack_is_gone: bool) -> None:
    """The claim goes between the look before the commit and the commit itself: the record stays only if its packs do."""
    project = made_on(MemoryStore(), tiny_descriptor(create_once=False))

    def evict() -> None:
        for name in names(project.store, project.folder("claims")):
            project.store.delete(name)
        if pack_is_gone:
            project.store.delete(names(project.store, project.folder("packs"))[0])

    outer = through(project, OnWrite(project.store, "snapshots", evict), seed="slow")
    if not pack_is_gone:
        back_up(outer, folder)
        assert checked(project).sound
        return
    with pytest.raises(Busy):
        back_up(outer, folder)
    assert snapshots.ids(project) == []


def test_marked_packs_are_not_leaned_on(project: Project, folder: Path) -> None:
    back_up(project, folder)
    marked = [*names(project.store, project.folder("packs")), *names(project.store, project.folder("meta"))]
    mark = {"record": "mark", "packs": [name.rpartition("/")[2] for name in marked]}
    project.put_record(f"{project.folder('marks')}/{'1' * 32}", mark)
    for name in names(project.store, project.folder("snapshots")):
        project.store.delete(name)  # what is marked, no snapshot needs
    later = back_up(project, folder)
    needed = snapshots.needed_packs(MetaReader(project), later.record, {})
    assert needed.isdisjoint(bytes.fromhex(name.rpartition("/")[2]) for name in marked)


class NoDelete(MemoryStore):
    """Append-only credentials."""

    def delete(self, name: str) -> None:
        raise StorageDenied(f"deleting {name} is not allowed")


def test_append_only_credentials_are_enough_for_backups(folder: Path, tmp_path: Path) -> None:
    project = made_on(NoDelete())
    back_up(project, folder)
    write_tree(folder, {"new": text("new", 5000)})
    back_up(project, folder)
    restore(project, tmp_path / "back")
    assert look_at(tmp_path / "back/reports") == look_at(folder)
    assert checked(project).sound


def test_a_claim_is_rewritten_as_the_work_goes_on(project: Project, folder: Path) -> None:
    slow = replace(project, services=replace(project.services, clock=TickingClock(step=timedelta(seconds=61))))
    seen: list[int] = []

    def look() -> None:
        seen.extend(claim.items for claim in snapshots.claims(project))

    back_up(replace(slow, store=OnWrite(project.store, "snapshots", look)), folder)
    assert seen == [3]
    assert snapshots.claims(project) == []


def test_a_repository_copied_in_the_middle_of_a_run_is_sound(project: Project, folder: Path, tmp_path: Path) -> None:
    copies: list[MemoryStore] = []
    back_up(project, folder)
    write_tree(folder, {"new": text("new", 5000)})
    back_up(through(project, OnWrite(project.store, "meta", lambda: copies.append(copied(project.store)))), folder)
    copy = through(project, copies[0], seed="copy")
    assert checked(copy).sound
    back_up(copy, folder)
    restore(copy, tmp_path / "back")
    assert look_at(tmp_path / "back/reports") == look_at(folder)


def test_what_only_the_other_of_two_runs_had_and_cannot_be_read_has_not_vanished(
    project: Project, folder: Path, tmp_path: Path
) -> None:
    base = copied(project.store)
    other = back_up(project, write_tree(tmp_path / "other", {"a": b"a", "only": text("only", 3000)})).record
    again = through(project, base, seed="again")
    back_up(again, folder)
    for info in again.store.list(""):
        project.store.put(info.name, again.store.get(info.name))
    (folder / "only").write_bytes(text("only", 3000))

    class Shut(Reader):
        def contents(self, paths: Iterable[bytes], *, limit: int = SMALL) -> Iterator[Content | TooLarge | Problem]:
            return iter([Problem(path, "unreadable", "it cannot be read") for path in paths])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folder_module, "Reader", Shut)
        report = back_up(project, folder)
    assert other.id in report.record.parents
    assert {problem.path for problem in report.problems} >= {b"reports/only"}
    newest = snapshots.heads(snapshots.read_all(project), "files")[-1]
    found = {row["path"]: row for row in snapshots.read_manifest(MetaReader(project), newest).to_pylist()}
    assert found[b"reports/only"]["vanished_at"] is None
