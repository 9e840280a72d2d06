"""Whatever fsspec knows as a source: with times and without, with versions, with errors of its own, and back."""

from __future__ import annotations

import io
import itertools
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from restore.local_fs import Attributes
from restore.outputs.output_item import ItemOutcome, OutputItem
from restore.outputs.remote_sink import RemotePlace, remote_sink
from restore.outputs.sink import OutputEntry
from tests.support.clock import StillClock
from tests.support.places import checked, made_on, restore
from tests.support.trees import contents, text, write_tree
from vault.backup import run
from vault.backup.report import BackupReport
from vault.clock import SystemClock
from vault.errors import SourceError
from vault.progress import never
from vault.repository.project import Project
from vault.source.patterns import Rules
from vault.source.remote.fsspec_files import FsspecFiles, FsspecPlace
from vault.source.remote.source import RemoteSource
from vault.storage.memory import MemoryStore

TREE = {f"folder {n % 3}/звіт #{n}.csv": text(n, 300 + n) for n in range(12)} | {"large": text("large", 1_500_000)}
_numbers = itertools.count(1)


def source(place: FsspecPlace) -> RemoteSource:
    return RemoteSource(FsspecFiles(place, StillClock()), b"raw", Rules(), SystemClock(), ())


def backed_up(project: Project, opened: RemoteSource) -> BackupReport:
    return run.back_up(project, run.Source("files", "raw", opened), run.BackupOptions())


@pytest.fixture
def memory() -> Iterator[FsspecPlace]:
    """A folder of fsspec's file system in memory, which tells no times."""
    base = f"/tests-{next(_numbers)}"
    system = fsspec.filesystem("memory")
    for name, data in TREE.items():
        system.pipe_file(f"{base}/{name}", data)
    yield FsspecPlace("memory", base.removeprefix("/"), {})
    system.rm(base, recursive=True)


def test_without_times_and_versions_everything_is_read_and_equal_content_is_no_new_version(
    memory: FsspecPlace, tmp_path: Path
) -> None:
    project = made_on(MemoryStore())
    with closing(source(memory)) as opened:
        found = opened.scan(never)
        assert found.coverage is not None and not found.coverage.times and "mtime" in found.ignored
        first, second = backed_up(project, opened), backed_up(project, opened)
        assert first.problems == () and first.record.counts.files == len(TREE)
        assert (second.record.counts.changed, second.record.counts.added, second.record.counts.vanished) == (0, 0, 0)
        fsspec.filesystem("memory").pipe_file(f"/{memory.path}/folder 0/звіт #0.csv", b"another one")
        assert backed_up(project, opened).record.counts.changed == 1
    restore(project, tmp_path / "back")
    assert contents(tmp_path / "back/raw") == TREE | {"folder 0/звіт #0.csv": b"another one"}
    assert checked(project).sound


class Versioned(MemoryFileSystem):  # type: ignore[misc]
    """Tells a version of each file."""

    protocol = "versioned"

    def info(self, path: str, **more: Any) -> Any:
        return self._with(super().info(path, **more))

    def ls(self, path: str, **more: Any) -> Any:
        return [self._with(one) for one in super().ls(path, **more)]

    @classmethod
    def _strip_protocol(cls, path: str) -> Any:
        return super()._strip_protocol(path.replace("versioned://", "memory://"))

    def _with(self, info: Any) -> Any:
        return info | ({"ETag": str(hash(self.store[info["name"]].getvalue()))} if info["type"] == "file" else {})


class Broken(MemoryFileSystem):  # type: ignore[misc]
    """Fails in words of its own, with what it was told."""

    protocol = "broken"

    def ls(self, path: str, **more: Any) -> Any:
        if path.endswith("folder 1"):
            raise RuntimeError("the token is abc")
        return super().ls(path, **more)

    @classmethod
    def _strip_protocol(cls, path: str) -> Any:
        return super()._strip_protocol(path.replace("broken://", "memory://"))


fsspec.register_implementation("versioned", Versioned, clobber=True)
fsspec.register_implementation("broken", Broken, clobber=True)


def test_a_version_that_is_told_spares_the_reading(memory: FsspecPlace) -> None:
    project = made_on(MemoryStore())
    with closing(source(FsspecPlace("versioned", memory.path, {}))) as opened:
        backed_up(project, opened)
        assert backed_up(project, opened).record.counts.read_bytes == 0
        fsspec.filesystem("memory").pipe_file(f"/{memory.path}/large", b"another one")
        report = backed_up(project, opened)
        assert (report.record.counts.changed, report.record.counts.read_bytes) == (1, len(b"another one"))


def test_a_folder_that_fails_in_words_of_its_own_is_a_problem_without_these(memory: FsspecPlace) -> None:
    project = made_on(MemoryStore())
    with closing(source(memory)) as opened:
        backed_up(project, opened)
    with closing(source(FsspecPlace("broken", memory.path, {}))) as opened:
        report = backed_up(project, opened)
    (problem,) = report.problems
    assert (problem.path, problem.what) == (b"raw/folder 1", "unlisted") and "abc" not in problem.message
    assert report.record.counts.vanished == 0


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (FsspecPlace("nonsense", "a", {}), "cannot be opened"),
        (FsspecPlace("file", "/missing/for/sure", {}), "is not there"),
    ],
)
def test_what_cannot_be_opened_is_an_error(place: FsspecPlace, words: str) -> None:
    with closing(source(place)) as opened, pytest.raises(SourceError, match=words):
        opened.scan(never)


def test_files_go_back_and_nothing_is_replaced_that_changed_since_the_plan(tmp_path: Path) -> None:
    folder, clock = write_tree(tmp_path / "files", {"seen": b"as it was"}), StillClock()
    files = FsspecFiles(FsspecPlace("file", os.fspath(folder), {}), clock)
    entry = OutputEntry(Attributes(mode=0o640, mtime_ns=1_700_000_000 * 10**9))

    def item(name: str, data: bytes) -> OutputItem:
        return OutputItem(name.encode(), io.BytesIO(data), len(data), ItemOutcome(0, name.encode(), None))

    plan = RemotePlace(files, clock)
    assert plan.existing([b"seen", b"new"]) == {b"seen": "file"}
    write_tree(folder, {"seen": b"changed by somebody", "new": b"put there by somebody"})
    with remote_sink(files, plan, clock) as sink:
        problems = [one for name, data in TREE.items() for one in sink.file(item(name, data), entry)]
        late = sink.file(item("seen", b"ours"), entry, replace=True) + sink.file(item("new", b"ours"), entry)
        late += sink.finish()
    assert problems == [] and ["since the plan was made" in one.message for one in late] == [True, True]
    assert contents(folder) == TREE | {"seen": b"changed by somebody", "new": b"put there by somebody"}
