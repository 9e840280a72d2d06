"""A folder that is scanned by a forked process: the same scan as this process makes, or none, and never one that is too old."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.support.clock import StillClock
from tests.support.places import made_on
from tests.support.trees import write_tree
from vault.backup import forked_task, run, scan_ahead
from vault.backup.scan_ahead import STALE_AFTER, ScanAhead
from vault.clock import SystemClock
from vault.errors import Interrupted, SourceError
from vault.progress import never
from vault.repository import snapshots
from vault.repository.catalog_chunks import MetaReader
from vault.source import scan_columns
from vault.source.contract import Scan
from vault.source.folder import FolderSource
from vault.source.patterns import Rules
from vault.source.scan import ScanBounds, walk
from vault.storage.memory import MemoryStore

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="nothing is forked on other systems")


@pytest.fixture(autouse=True)
def may_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_ahead, "is_possible", lambda: True)  # a test may have threads beside it that wait


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tree in which a scan finds something of each kind."""
    files = {f"{day}/calls {number}.csv": b"x" * number for day in range(3) for number in range(40)}
    made = write_tree(tmp_path / "source", files | {"a.part": b"left out", "0/b.tmp": b"by a pattern", "own/packs": b"ours"})
    (made / "link").symlink_to("1")
    os.utime(made / "link", ns=(0, -1), follow_symlinks=False)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(os.path.relpath(made / "pipe"))
    return made


def source_of(folder: Path, exclude: tuple[str, ...] = ("*.tmp",)) -> FolderSource:
    bounds = ScanBounds((os.fsencode(folder / "own"),))
    return FolderSource(os.fsencode(folder), b"reports", Rules(exclude=exclude), bounds, frozenset({"inode"}))


def begun(source: FolderSource, clock: SystemClock | StillClock | None = None) -> ScanAhead:
    found = scan_ahead.begin(source, clock or SystemClock())
    assert found is not None
    return found


def facts(scan: Scan) -> dict[str, object]:
    return {name: getattr(scan, name) for name in scan.__struct_fields__ if name not in ("table", "began")}


def test_it_is_the_scan_that_this_process_makes(folder: Path) -> None:
    found = begun(source_of(folder)).take(never)
    here = source_of(folder).scan(never)
    assert found is not None
    assert found.table.equals(here.table)
    assert facts(found) == facts(here)
    assert found.excluded == 2 and found.by_default and len(found.skipped) == 2


def test_rows_come_block_by_block(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vault.source.scan.BLOCK_BYTES", 7 * scan_columns.BLOCK_BYTES // scan_columns.BLOCK_ROWS)
    monkeypatch.setattr(scan_columns, "BLOCK_BYTES", 7 * scan_columns.BLOCK_BYTES // scan_columns.BLOCK_ROWS)
    found = begun(source_of(folder)).take(never)
    assert found is not None
    assert found.table.equals(source_of(folder).scan(never).table)


def test_more_than_a_pipe_holds_waits_until_it_is_asked_for(tmp_path: Path) -> None:
    source = source_of(write_tree(tmp_path / "source", {f"{'n' * 200}{number}": b"" for number in range(6000)}))
    found = begun(source).take(never)
    assert found is not None
    assert found.table.equals(source.scan(never).table)


def test_folders_that_may_not_be_listed_are_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.scandir

    def refusing(at: int) -> object:
        if Path(f"/proc/self/fd/{at}").readlink().name == "1":
            raise PermissionError(13, "Permission denied")
        return real(at)

    monkeypatch.setattr(os, "scandir", refusing)
    found = begun(source_of(folder)).take(never)
    assert found is not None
    assert found.unlisted == [b"reports/1"]
    assert [problem.what for problem in found.problems] == ["unlisted"]
    assert [right.path for right in found.missing_rights] == [b"reports/1"]


def test_it_is_given_once(folder: Path) -> None:
    ahead = begun(source_of(folder))
    assert ahead.take(never) is not None
    assert ahead.take(never) is None


def test_one_that_was_not_asked_for_soon_is_not_used(folder: Path) -> None:
    clock = StillClock()
    ahead = begun(source_of(folder), clock)
    child = child_of(ahead)
    clock.sleep(STALE_AFTER + 1)
    assert ahead.take(never) is None
    assert_gone(child)


def test_a_source_that_is_not_there_is_told_by_the_scan_that_follows(tmp_path: Path) -> None:
    project = made_on(MemoryStore())
    origin = source_of(tmp_path / "missing")
    source = replace(run.Source("reports", "reports", origin), ahead=begun(origin))
    with pytest.raises(SourceError, match="is not there"):
        run.back_up(project, source, run.BackupOptions())


def test_a_process_that_is_killed_costs_time_and_no_item(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project, here = made_on(MemoryStore()), os.getpid()

    def dying(*arguments: object, **named: object) -> object:
        if os.getpid() != here:
            os.kill(os.getpid(), 9)
        return walk(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(scan_ahead, "walk", dying)
    origin = source_of(folder)
    source = replace(run.Source("reports", "reports", origin), ahead=begun(origin))
    report = run.back_up(project, source, run.BackupOptions())
    table = snapshots.read_manifest(MetaReader(project), report.record, columns=["path"])
    assert table["path"].to_pylist() == source_of(folder).scan(never).table["path"].to_pylist()


@pytest.mark.parametrize("left_out", [1, 2000])
def test_what_is_not_whole_is_no_scan(folder: Path, monkeypatch: pytest.MonkeyPatch, left_out: int) -> None:
    """The process ended in the middle of its last words."""
    pieces = forked_task.ForkedStream.pieces

    def cut(self: forked_task.ForkedStream, stop: object) -> Iterator[bytes]:
        yield b"".join(pieces(self, stop))[:-left_out]  # type: ignore[arg-type]

    monkeypatch.setattr(forked_task.ForkedStream, "pieces", cut)
    assert begun(source_of(folder)).take(never) is None


def test_who_is_interrupted_waits_no_more_and_leaves_no_process(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_ahead, "walk", lambda *_arguments, **_named: time.sleep(60))
    ahead = begun(source_of(folder))
    child = child_of(ahead)

    def stop() -> None:
        raise Interrupted("by a test")

    with pytest.raises(Interrupted):
        ahead.take(stop)
    assert_gone(child)


def test_one_that_nobody_wants_is_ended(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_ahead, "walk", lambda *_arguments, **_named: time.sleep(60))
    ahead = begun(source_of(folder))
    child = child_of(ahead)
    ahead.close()
    ahead.close()
    assert ahead.take(never) is None
    assert_gone(child)


def child_of(ahead: ScanAhead) -> int:
    assert ahead._stream is not None
    return ahead._stream._child


def assert_gone(child: int) -> None:
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_where_no_process_can_be_had_nothing_is_ahead(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refused)
    assert scan_ahead.begin(source_of(folder), SystemClock()) is None
    monkeypatch.setattr(scan_ahead, "is_possible", lambda: False)
    assert scan_ahead.begin(source_of(folder), SystemClock()) is None


def test_the_snapshot_is_of_the_moment_at_which_the_scan_began(tmp_path: Path) -> None:
    """What is written after that is looked at by the next run, however late this one came to use it."""
    folder = write_tree(tmp_path / "source", {"a.csv": b"1"})
    clock = StillClock(SystemClock().now() + timedelta(days=1))
    project = made_on(MemoryStore(), clock=clock)
    origin = source_of(folder)
    before = clock.now()
    source = replace(run.Source("reports", "reports", origin), ahead=begun(origin, clock))
    clock.sleep(STALE_AFTER - 1)
    record = run.back_up(project, source, run.BackupOptions()).record
    assert record.taken_at == before
