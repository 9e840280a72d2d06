"""Files that change, move or vanish between the scan and the end of their reading."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.places import back_up, checked, made_on, restore, tiny_descriptor
from tests.support.trees import contents, next_tick, text, write_tree
from vault.backup import worker_processes
from vault.format import manifest
from vault.problems import Problem
from vault.repository import snapshots
from vault.repository.catalog_chunks import MetaReader
from vault.repository.project import Project
from vault.source import folder as folder_module
from vault.source.contract import SMALL, Content, TooLarge
from vault.source.reader import LargeFile, Reader
from vault.storage.memory import MemoryStore

LARGE = SMALL + 1000


@pytest.fixture
def project() -> Project:
    return made_on(MemoryStore(), tiny_descriptor(pack=300_000))


@pytest.fixture
def folder() -> Iterator[Path]:
    home = Path(tempfile.mkdtemp())
    home.chmod(0o755)
    yield write_tree(home / "source", {"keep": b"kept", "dir/one": text("one", 2000), "dir/two": b"two"})
    shutil.rmtree(home)


class Meddling(Reader):
    """A reader of a folder in which something happens between the scan and the reading of `path`, each time anew."""

    path = b""
    action: Callable[[], None] = staticmethod(lambda: None)

    def contents(self, paths: Any, *, limit: int = SMALL) -> Iterator[Content | TooLarge | Problem]:
        wanted = list(paths)
        if self.path in wanted:
            type(self).action()
        return super().contents(wanted, limit=limit)

    def open_large(self, path: bytes) -> LargeFile | Problem:
        if path == self.path:
            type(self).action()
        return super().open_large(path)


@pytest.fixture
def meddle(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Callable[[], None]], None]:
    """Have something happen right before an item is read."""

    def install(path: str, action: Callable[[], None]) -> None:
        kind = type("Meddler", (Meddling,), {"path": f"reports/{path}".encode(), "action": staticmethod(action)})
        monkeypatch.setattr(folder_module, "Reader", kind)

    return install


Meddle = Callable[[str, Callable[[], None]], None]


def test_what_vanishes_before_it_is_read_keeps_its_last_version(
    project: Project, folder: Path, meddle: Meddle, tmp_path: Path
) -> None:
    back_up(project, folder)
    (folder / "keep").write_bytes(b"will be gone")
    meddle("keep", (folder / "keep").unlink)
    report = back_up(project, folder)
    assert [problem.what for problem in report.problems] == ["vanished-while-read"]
    restore(project, tmp_path / "back")
    assert contents(tmp_path / "back/reports")["keep"] == b"kept"


def test_a_file_that_grows_past_the_small_ones_before_it_is_read_is_taken_as_it_is(
    project: Project, folder: Path, meddle: Meddle, tmp_path: Path
) -> None:
    grown = text("grown", LARGE)
    meddle("keep", lambda: write(folder / "keep", grown))
    report = back_up(project, folder)
    assert report.problems == ()
    restore(project, tmp_path / "back")
    assert (tmp_path / "back/reports/keep").read_bytes() == grown


def test_a_large_file_that_shrinks_before_it_is_read_is_taken_as_it_is(
    project: Project, folder: Path, meddle: Meddle, tmp_path: Path
) -> None:
    (folder / "keep").write_bytes(text("large", LARGE))
    meddle("keep", lambda: write(folder / "keep", b"small now"))
    report = back_up(project, folder)
    assert report.problems == ()
    restore(project, tmp_path / "back")
    assert (tmp_path / "back/reports/keep").read_bytes() == b"small now"


def test_a_file_that_became_a_link_before_it_is_read_is_not_followed(
    project: Project, folder: Path, meddle: Meddle, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")

    def swap() -> None:
        (folder / "keep").unlink(missing_ok=True)
        (folder / "keep").symlink_to(secret)

    meddle("keep", swap)
    report = back_up(project, folder)
    assert [problem.path for problem in report.problems] == [b"reports/keep"]
    restore(project, tmp_path / "back")
    assert b"secret" not in contents(tmp_path / "back").values()


def write(place: Path, content: bytes) -> None:
    place.write_bytes(content)


@contextmanager
def changing(place: Path, change: Callable[[int, int], object]) -> Iterator[None]:
    """Have a file changed before each reading of it. change: called with a descriptor for writing and the number of the
    reading."""
    whole, part, numbers = os.read, os.preadv, itertools.count()
    inode, writer = place.stat().st_ino, os.open(place, os.O_WRONLY)

    def touched(descriptor: int) -> None:
        if os.fstat(descriptor).st_ino == inode:
            change(writer, next(numbers))
            next_tick(place.parent.parent)

    def read(descriptor: int, length: int) -> bytes:
        touched(descriptor)
        return whole(descriptor, length)

    def preadv(descriptor: int, buffers: Any, offset: int) -> int:
        touched(descriptor)
        return part(descriptor, buffers, offset)

    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(worker_processes, "count", lambda _files, _size: 0)  # what is changed here is in this process
            patch.setattr(os, "read", read)
            patch.setattr(os, "preadv", preadv)
            yield
    finally:
        os.close(writer)


def rewrite(writer: int, number: int) -> None:
    """Change a byte of a file."""
    os.pwrite(writer, b"%d" % (number % 10), 7)


def append(writer: int, number: int) -> None:
    """Add a line to a file."""
    os.lseek(writer, 0, os.SEEK_END)
    os.write(writer, b"line %d\n" % number)


def row(project: Project, path: str) -> dict[str, Any]:
    """The row of an item in the newest manifest."""
    newest = snapshots.heads(snapshots.read_all(project), "files")[-1]
    rows = snapshots.read_manifest(MetaReader(project), newest).to_pylist()
    return next(one for one in rows if one["path"] == f"reports/{path}".encode())


@pytest.mark.parametrize("size", [5000, LARGE])
def test_a_file_that_never_holds_still_keeps_its_last_good_version(
    project: Project, folder: Path, tmp_path: Path, size: int
) -> None:
    good = text("good", size)
    (folder / "keep").write_bytes(good)
    back_up(project, folder)
    (folder / "keep").write_bytes(text("bad", size))
    with changing(folder / "keep", rewrite):
        report = back_up(project, folder)
    assert [(problem.path, problem.what) for problem in report.problems] == [(b"reports/keep", "changed-while-read")]
    assert "its version of 2126-01-01 00:00 UTC is kept" in report.problems[0].message
    restore(project, tmp_path / "back")
    assert (tmp_path / "back/reports/keep").read_bytes() == good
    assert row(project, "keep")["consistency"] is None
    assert checked(project).sound


@pytest.mark.parametrize("size", [5000, LARGE])
def test_of_a_file_that_never_held_still_the_last_reading_is_kept_and_marked_until_it_rests(
    project: Project, folder: Path, tmp_path: Path, size: int
) -> None:
    before = text("before", size)
    (folder / "keep").write_bytes(before)
    with changing(folder / "keep", rewrite):
        report = back_up(project, folder)
    assert [(problem.path, problem.what) for problem in report.problems] == [(b"reports/keep", "changed-while-read")]
    assert "what the last reading gave is kept, marked as inconsistent" in report.problems[0].message
    assert row(project, "keep")["consistency"] == manifest.INCONSISTENT
    restore(project, tmp_path / "back")
    found = (tmp_path / "back/reports/keep").read_bytes()
    assert (found[:7], found[8:]) == (before[:7], before[8:])
    with changing(folder / "keep", rewrite):
        back_up(project, folder)
    assert row(project, "keep")["consistency"] == manifest.INCONSISTENT
    assert back_up(project, folder).problems == ()
    assert row(project, "keep")["consistency"] is None
    restore(project, tmp_path / "rests")
    assert (tmp_path / "rests/reports/keep").read_bytes() == (folder / "keep").read_bytes()


@pytest.mark.parametrize("size", [5000, LARGE])
def test_of_a_file_that_only_grows_what_it_had_at_opening_is_kept_without_a_problem(
    project: Project, folder: Path, tmp_path: Path, size: int
) -> None:
    (folder / "keep").write_bytes(text("log", size))
    for number in range(2):
        with changing(folder / "keep", append):
            report = back_up(project, folder)
        assert report.problems == ()
        restore(project, tmp_path / f"{number}")
        found = (tmp_path / f"{number}/reports/keep").read_bytes()
        assert [(one.path, one.size) for one in report.grown] == [(b"reports/keep", len(found))]
        assert len(found) >= size
        assert (folder / "keep").read_bytes().startswith(found)
        assert row(project, "keep")["consistency"] == manifest.PREFIX
    report = back_up(project, folder)
    assert (report.grown, report.record.counts.changed) == ((), 1)
    assert row(project, "keep")["consistency"] is None
    restore(project, tmp_path / "rests")
    assert (tmp_path / "rests/reports/keep").read_bytes() == (folder / "keep").read_bytes()
    assert checked(project).sound


@pytest.mark.parametrize("size", [5000, LARGE])
def test_a_file_whose_times_alone_change_all_the_while_is_whole(project: Project, folder: Path, size: int) -> None:
    (folder / "keep").write_bytes(text("same", size))
    with changing(folder / "keep", lambda writer, number: os.utime(writer, (number, number))):
        report = back_up(project, folder)
    assert (report.problems, report.grown) == ((), ())
    assert row(project, "keep")["consistency"] is None


def test_an_inconsistent_reading_takes_the_place_of_an_inconsistent_version_and_of_another_type(
    project: Project, folder: Path
) -> None:
    (folder / "keep").unlink()
    (folder / "keep").symlink_to("dir/one")
    back_up(project, folder)
    (folder / "keep").unlink()
    (folder / "keep").write_bytes(text("file", 5000))
    for _ in range(2):
        with changing(folder / "keep", rewrite):
            back_up(project, folder)
        found = row(project, "keep")
        assert (found["type"], found["size"], found["consistency"]) == (manifest.FILE, 5000, manifest.INCONSISTENT)


def test_a_manifest_without_marks_is_written_as_it_always_was(project: Project, folder: Path) -> None:
    record = back_up(project, folder).record
    data = MetaReader(project).read(record.manifest, "the manifest")
    assert "consistency" not in pq.read_schema(pa.BufferReader(data)).names


def test_a_file_under_constant_change_is_never_torn(project: Project, folder: Path, tmp_path: Path) -> None:
    """A thread that rewrites a file all the while: what is taken is one of the versions that it wrote."""
    place, stop = folder / "keep", threading.Event()
    versions = [bytes([letter]) * 20_000 for letter in b"abcdefgh"]

    def replace() -> None:
        while not stop.is_set():
            for version in versions:
                half = folder.parent / "half"
                half.write_bytes(version)
                half.replace(place)

    thread = threading.Thread(target=replace)
    thread.start()
    try:
        for number in range(6):
            back_up(project, folder)
            restore(project, tmp_path / f"back {number}")
    finally:
        stop.set()
        thread.join()
    for number in range(6):
        found = tmp_path / f"back {number}/reports/keep"
        assert not found.exists() or found.read_bytes() in [b"kept", *versions]
