"""Files that were written right before a backup are read once more by the next one, since within a tick of the clock a file can
change twice and look the same. Those that have not changed are no change."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.support.places import TickingClock, checked, made_on
from tests.support.trees import write_tree
from vault.backup import run
from vault.repository import snapshots
from vault.repository.catalog_chunks import MetaReader
from vault.repository.project import Project
from vault.source.contract import ScanColumn
from vault.source.folder import FolderSource
from vault.source.patterns import Rules
from vault.storage.memory import MemoryStore

FILES = {f"day/{number}.csv": b"time,calls\n2024-05-17,%d\n" % number for number in range(1, 8)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = write_tree(tmp_path / "source", FILES)
    (folder / "link").symlink_to("day")
    return folder


@pytest.fixture
def project(folder: Path) -> Project:
    """Its clock shows the moment at which the files were written, whatever the machine is doing meanwhile."""
    written = (folder / "link").lstat().st_ctime_ns
    return made_on(MemoryStore(), clock=TickingClock(datetime.fromtimestamp(written // 10**9 + 1, UTC)))


def back_up(project: Project, folder: Path, *ignored: ScanColumn) -> tuple[run.BackupReport, dict[str, dict[str, object]]]:
    origin = FolderSource(os.fsencode(folder), b"reports", Rules(), ignored=frozenset(ignored))
    report = run.back_up(project, run.Source("reports", "reports", origin), run.BackupOptions())
    table = snapshots.read_manifest(MetaReader(project), report.record)
    return report, {row["path"].decode(): row for row in table.to_pylist()}


def test_what_is_read_again_as_it_is_young_and_is_what_it_was_has_not_changed(folder: Path, project: Project) -> None:
    first, before = back_up(project, folder)
    second, after = back_up(project, folder)
    counts = second.record.counts
    assert counts.read_bytes == sum(map(len, FILES.values())), "it was read"
    assert (counts.added, counts.changed, counts.unchanged, counts.vanished) == (0, 0, first.record.counts.items, 0)
    assert after == before, "and is the version that it was, first seen then"
    assert second.record.manifest == first.record.manifest
    changes = second.record.changes
    assert changes is not None and changes.rewritten == 0
    assert checked(project).sound


def test_a_young_file_that_changed_and_looks_the_same_is_a_change(folder: Path, project: Project) -> None:
    """Without the time of the inode a test can make one."""
    _, before = back_up(project, folder, "ctime_ns")
    file, status = folder / "day/3.csv", (folder / "day/3.csv").stat()
    file.write_bytes(FILES["day/3.csv"].replace(b"17", b"18"))
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    report, after = back_up(project, folder, "ctime_ns")
    assert (report.record.counts.changed, report.record.counts.added) == (1, 0)
    assert {path for path in after if after[path] != before[path]} == {"reports/day/3.csv"}


def test_a_young_file_with_another_attribute_is_a_change_and_one_with_the_same_is_none(folder: Path, project: Project) -> None:
    marked, other = folder / "day/1.csv", folder / "day/2.csv"
    os.setxattr(marked, "user.mark", b"1")
    os.setxattr(other, "user.mark", b"1")
    _, before = back_up(project, folder, "ctime_ns")
    os.setxattr(marked, "user.mark", b"2")
    report, after = back_up(project, folder, "ctime_ns")
    assert report.record.counts.changed == 1
    assert {path for path in after if after[path] != before[path]} == {"reports/day/1.csv"}


def test_young_files_whose_content_is_lost_are_read_into_the_repository_again(
    folder: Path, project: Project, tmp_path: Path
) -> None:
    back_up(project, folder)
    for one in list(project.store.list(project.folder("packs"))):
        project.store.delete(one.name)
    report, _ = back_up(project, folder)
    assert report.problems == () and report.record.counts.changed == 0
    third, _ = back_up(replace(project), folder)
    assert third.problems == ()
