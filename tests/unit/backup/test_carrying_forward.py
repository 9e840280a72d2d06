"""What the source no longer has, or does not give out for once, is not lost: it is carried forward."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from msgspec.structs import replace

from restore.selection.select import ItemQuery, select
from tests.support.places import (
    FAR_AHEAD,
    TickingClock,
    back_up,
    checked,
    folder_source,
    made_on,
    names,
    restore,
    tiny_descriptor,
)
from tests.support.trees import contents, look_at, next_tick, text, write_tree
from vault.backup import run
from vault.backup.new_manifest import ItemRetirement
from vault.backup.run import BackupOptions
from vault.errors import Interrupted, SourceError
from vault.format import layout, manifest
from vault.format.layout import META_TIER
from vault.repository import snapshots
from vault.repository.catalog_chunks import MetaReader
from vault.repository.gc import forget
from vault.repository.project import Project
from vault.source.contract import ScanColumn
from vault.source.folder import FolderSource
from vault.storage.memory import MemoryStore

NOBODY = 65_534


@pytest.fixture
def project() -> Project:
    return made_on(MemoryStore(), tiny_descriptor(pack=300_000))


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that somebody without rights may reach; pytest's own may not be."""
    home = Path(tempfile.mkdtemp())
    home.chmod(0o755)
    yield write_tree(home / "source", {"keep": b"kept", "dir/one": text("one", 2000), "dir/two": b"two"})
    shutil.rmtree(home)


@contextmanager
def without_rights() -> Iterator[None]:
    """As a user whom the modes of files mean: root reads everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def row(project: Project, path: str) -> dict[str, Any]:
    """The row of an item in the newest manifest."""
    newest = snapshots.heads(snapshots.read_all(project), "files")[-1]
    rows = snapshots.read_manifest(MetaReader(project), newest).to_pylist()
    return next(one for one in rows if one["path"] == f"reports/{path}".encode())


def test_a_vanished_item_says_when_it_was_last_seen_and_first_missed(project: Project, folder: Path) -> None:
    back_up(project, folder)
    last_seen = back_up(project, folder).record.taken_at
    (folder / "dir/one").unlink()
    missed = back_up(project, folder).record
    write_tree(folder, {"later": b"later"})
    back_up(project, folder)
    found = row(project, "dir/one")
    assert (found["last_seen_at"], found["vanished_at"]) == (last_seen, missed.taken_at)
    assert missed.counts.vanished == 1
    assert row(project, "dir/two")["vanished_at"] is None


def test_a_vanished_item_keeps_its_content_through_any_number_of_snapshots(
    project: Project, folder: Path, tmp_path: Path
) -> None:
    back_up(project, folder)
    shutil.rmtree(folder / "dir")
    for number in range(5):
        write_tree(folder, {f"new {number}": text(number, 500)})
        back_up(project, folder)
    restore(project, tmp_path / "back", ItemQuery(deleted=True))
    assert contents(tmp_path / "back/reports") == {"dir/one": text("one", 2000), "dir/two": b"two"}
    assert checked(project).sound


def test_an_item_that_comes_back_has_not_vanished(project: Project, folder: Path) -> None:
    back_up(project, folder)
    (folder / "dir/one").unlink()
    back_up(project, folder)
    (folder / "dir/one").write_bytes(b"again")
    report = back_up(project, folder)
    found = row(project, "dir/one")
    assert (found["last_seen_at"], found["vanished_at"], found["size"]) == (None, None, 5)
    assert report.record.counts.added == 1


def test_a_folder_that_became_a_file_keeps_what_was_in_it(project: Project, folder: Path, tmp_path: Path) -> None:
    back_up(project, folder)
    shutil.rmtree(folder / "dir")
    (folder / "dir").write_bytes(b"a file now")
    back_up(project, folder)
    assert row(project, "dir")["type"] == manifest.FILE
    restore(project, tmp_path / "now")
    assert look_at(tmp_path / "now/reports") == look_at(folder)
    restore(project, tmp_path / "then", ItemQuery(deleted=True))
    assert contents(tmp_path / "then/reports/dir") == {"one": text("one", 2000), "two": b"two"}


def test_when_an_item_was_first_seen_stays_until_it_changes(project: Project, folder: Path) -> None:
    first = back_up(project, folder).record.taken_at
    write_tree(folder, {"other": b"other"})
    back_up(project, folder)
    assert row(project, "keep")["seen_at"] == first
    next_tick(folder.parent)
    (folder / "keep").write_bytes(b"changed")
    changed = back_up(project, folder).record.taken_at
    assert row(project, "keep")["seen_at"] == changed


@pytest.mark.parametrize("what", ["dir/one", "dir"])
def test_what_cannot_be_read_keeps_its_last_good_version_and_is_a_problem(
    project: Project, folder: Path, tmp_path: Path, what: str
) -> None:
    before = look_at(folder)
    back_up(project, folder)
    (folder / what).chmod(0)
    with without_rights():
        report = back_up(project, folder)
    assert b"reports/" + what.encode() in {problem.path for problem in report.problems}
    assert {problem.what for problem in report.problems} <= {"unreadable", "unlisted"}
    assert report.record.counts.vanished == 0
    restore(project, tmp_path / "back")
    assert look_at(tmp_path / "back/reports") == before
    (folder / what).chmod(0o755)
    back_up(project, folder)
    restore(project, tmp_path / "after")
    assert look_at(tmp_path / "after/reports") == look_at(folder)


def test_what_was_never_readable_is_a_problem_and_no_item(project: Project, folder: Path, tmp_path: Path) -> None:
    (folder / "dir/one").chmod(0)
    with without_rights():
        report = back_up(project, folder)
    assert [problem.path for problem in report.problems] == [b"reports/dir/one"]
    restore(project, tmp_path / "back")
    assert contents(tmp_path / "back/reports").keys() == {"keep", "dir/two"}


def test_an_item_that_outlived_its_retention_goes_though_the_source_does_not_change(project: Project, folder: Path) -> None:
    back_up(project, folder)
    (folder / "dir/one").unlink()
    newest = back_up(project, folder).record
    asked: list[set[str]] = []

    def outlived(table: pa.Table) -> pa.Array:  # of these two, one has vanished
        asked.append(set(table.column_names))
        return pc.is_in(table["path"].combine_chunks(), value_set=pa.array([b"reports/dir/one", b"reports/keep"]))

    stays = BackupOptions(retire=ItemRetirement(["path"], lambda table: pa.repeat(pa.scalar(value=False), len(table))))
    assert back_up(project, folder, stays).record.manifest == newest.manifest
    retires = BackupOptions(retire=ItemRetirement(["path", "vanished_at"], outlived))
    back_up(project, folder, retires)
    assert asked[0] == {"path", "vanished_at"}
    last = snapshots.read_manifest(MetaReader(project), snapshots.read_all(project)[-1])
    assert [path for path in last["path"].to_pylist() if path in (b"reports/keep", b"reports/dir/one")] == [b"reports/keep"]
    before = len(asked)
    back_up(project, folder, retires)
    assert len(asked) == before  # nothing that vanished is left to be judged


def test_a_vanished_item_that_comes_back_unreadable_stays_vanished(project: Project, folder: Path) -> None:
    back_up(project, folder)
    (folder / "dir/one").unlink()
    back_up(project, folder)
    write_tree(folder, {"dir/one": b"again"})
    (folder / "dir/one").chmod(0)
    with without_rights():
        back_up(project, folder)
    assert row(project, "dir/one")["vanished_at"] is not None
    assert row(project, "dir/one")["size"] == 2000


def test_a_file_changed_within_the_clocks_granularity_is_read_again(folder: Path, tmp_path: Path) -> None:
    """A scan that began in the very second of the last change cannot know whether another followed."""
    status = (folder / "keep").stat()
    now = datetime.fromtimestamp(status.st_ctime, FAR_AHEAD.tzinfo)
    project = made_on(MemoryStore(), clock=TickingClock(now))
    back_up(project, folder)
    read = back_up(project, folder).record.counts.read_bytes
    assert read and back_up(project, folder).record.counts.read_bytes == read
    later = made_on(MemoryStore())
    assert back_up(later, folder).record.counts.read_bytes == read
    counts = back_up(later, folder).record.counts
    assert (counts.read_bytes, counts.unchanged) == (0, len(look_at(folder)))


def test_an_empty_source_that_was_not_empty_commits_nothing(project: Project, folder: Path) -> None:
    back_up(project, folder)
    shutil.rmtree(folder)
    with pytest.raises(SourceError):
        back_up(project, folder)
    folder.mkdir()
    with pytest.raises(SourceError) as refusal:
        back_up(project, folder)
    assert refusal.value.hint is not None
    assert "--allow-empty" in refusal.value.hint
    assert len(snapshots.read_all(project)) == 1
    assert snapshots.claims(project) == []
    back_up(project, folder, BackupOptions(allow_empty=True))
    assert len(select(project, ItemQuery(deleted=True)).table) == 4


@pytest.mark.parametrize("after", range(3))
def test_a_run_that_is_stopped_commits_nothing_and_leaves_what_it_stored_to_the_next(
    project: Project, folder: Path, tmp_path: Path, after: int
) -> None:
    looks = iter(range(after))

    def stop() -> None:
        if next(looks, None) is None:
            raise Interrupted("Ctrl-C")

    with pytest.raises(Interrupted):
        back_up(project, folder, BackupOptions(stop=stop))
    assert snapshots.ids(project) == []
    assert snapshots.claims(project) == []
    back_up(project, folder)
    restore(project, tmp_path / "back")
    assert look_at(tmp_path / "back/reports") == look_at(folder)
    assert checked(project).sound


def test_a_snapshot_at_a_moment_is_the_newest_up_to_then(project: Project, folder: Path, tmp_path: Path) -> None:
    first = back_up(project, folder).record.taken_at
    (folder / "keep").write_bytes(b"changed")
    second = back_up(project, folder).record.taken_at
    assert first < second
    middle = first + (second - first) / 2
    for number, (moment, content) in enumerate([(first, b"kept"), (middle, b"kept"), (second, b"changed")]):
        restore(project, tmp_path / f"back {number}", ItemQuery(at=moment, patterns=("reports/keep",)))
        assert (tmp_path / f"back {number}/reports/keep").read_bytes() == content


@pytest.mark.parametrize(("ignored", "read"), [((), 1), (("inode",), 1), (("inode", "ctime_ns"), 0)])
def test_a_file_system_with_other_inodes_at_every_mount_need_not_be_read_again(
    project: Project, folder: Path, ignored: tuple[ScanColumn, ...], read: int
) -> None:
    plain = folder_source(folder)
    assert isinstance(plain.origin, FolderSource)
    source = replace(plain, origin=replace(plain.origin, ignored=frozenset(ignored)))
    run.back_up(project, source, BackupOptions())
    shutil.copy2(folder / "keep", folder.parent / "copy")
    (folder.parent / "copy").replace(folder / "keep")
    folders = len(list(folder.rglob("*/"))) + 1
    report = run.back_up(project, source, BackupOptions())
    assert (report.record.counts.changed >= read, report.record.counts.changed <= read + folders) == (True, True)
    assert report.record.counts.read_bytes == read * 4
    (folder / "keep").write_bytes(b"other")
    report = run.back_up(project, source, BackupOptions())
    assert report.record.counts.read_bytes == 5


def test_a_manifest_leans_on_no_damaged_pack_that_only_the_index_names(tmp_path: Path) -> None:
    """Somebody has given a snapshot up whose catalogue is damaged, and the next one would have pieces in common with it."""
    project = made_on(MemoryStore())
    folder = write_tree(tmp_path / "source", {f"a/{number:04}": text(number, 20) for number in range(600)})
    back_up(project, folder)
    before = set(names(project.store, project.folder("meta")))
    write_tree(folder, {f"z/{number:04}": text(number, 30) for number in range(600)})
    given_up = back_up(project, folder).record.id
    forget.forget(project, [given_up], reason="it cannot be read", newest_too=True)
    damaged = set(names(project.store, project.folder("meta"))) - before
    for name in damaged:
        data = bytearray(project.store.get(name))
        data[len(data) // 2] ^= 1
        project.store.put(name, bytes(data))
    snapshot = back_up(project, folder).record
    reader = MetaReader(project)
    assert snapshots.read_manifest(reader, snapshot).num_rows > 1200
    listed = {layout.pack_name(project.id, META_TIER, pack) for pack in snapshots.listed_packs(reader, snapshot)}
    assert damaged and damaged.isdisjoint(listed)
    assert not restore(project, tmp_path / "back").problems
    assert contents(tmp_path / "back" / "reports") == contents(folder)
