"""Files that change, move or vanish between the scan and the end of their reading."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.places import back_up, checked, made_on, restore, tiny_descriptor
from tests.support.trees import contents, next_tick, text, write_tree
from vault.backup import run
from vault.problems import Problem
from vault.repository.project import Project
from vault.source import reading
from vault.source.reading import Content, LargeFile, Reader, TooLarge
from vault.storage.memory import MemoryStore

LARGE = reading.SMALL + 1000


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

    def read_small(self, paths: Any, *, limit: int = reading.SMALL) -> list[Content | TooLarge | Problem]:
        wanted = list(paths)
        if self.path in wanted:
            type(self).action()
        return super().read_small(wanted, limit=limit)

    def open_large(self, path: bytes) -> LargeFile | Problem:
        if path == self.path:
            type(self).action()
        return super().open_large(path)


@pytest.fixture
def meddle(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Callable[[], None]], None]:
    """Have something happen right before an item is read."""

    def install(path: str, action: Callable[[], None]) -> None:
        kind = type("Meddler", (Meddling,), {"path": f"reports/{path}".encode(), "action": staticmethod(action)})
        monkeypatch.setattr(run, "Reader", kind)

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


@pytest.mark.parametrize("size", [5000, LARGE])
def test_a_file_that_never_holds_still_keeps_its_last_good_version(
    project: Project, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    good = text("good", size)
    (folder / "keep").write_bytes(good)
    back_up(project, folder)
    (folder / "keep").write_bytes(text("bad", size))
    whole, part = os.read, os.preadv

    def touched(descriptor: int) -> None:
        if os.fstat(descriptor).st_size == size:
            os.pwrite(writer, b"?", 7)
            next_tick(folder.parent)

    def read(descriptor: int, length: int) -> bytes:
        touched(descriptor)
        return whole(descriptor, length)

    def preadv(descriptor: int, buffers: Any, offset: int) -> int:
        touched(descriptor)
        return part(descriptor, buffers, offset)

    writer = os.open(folder / "keep", os.O_WRONLY)
    try:
        monkeypatch.setattr(os, "read", read)
        monkeypatch.setattr(os, "preadv", preadv)
        report = back_up(project, folder)
    finally:
        monkeypatch.undo()
        os.close(writer)
    assert [(problem.path, problem.what) for problem in report.problems] == [(b"reports/keep", "changed-while-read")]
    restore(project, tmp_path / "back")
    assert (tmp_path / "back/reports/keep").read_bytes() == good
    assert checked(project).sound


def test_a_file_under_constant_change_is_never_torn(project: Project, folder: Path, tmp_path: Path) -> None:
    """A thread that rewrites a file all the while: what is taken is one of the versions that it wrote."""
    place, stop = folder / "keep", threading.Event()
    versions = [bytes([letter]) * 20_000 for letter in b"abcdefgh"]

    def rewrite() -> None:
        while not stop.is_set():
            for version in versions:
                half = folder.parent / "half"
                half.write_bytes(version)
                half.replace(place)

    thread = threading.Thread(target=rewrite)
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
