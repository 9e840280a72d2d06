"""What a forked process does beside a backup, and that the backup does it itself where there is none: profiles of tables."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.support.places import made_on
from tests.support.rhythms import PROFILER
from tests.support.trees import write_tree
from vault.backup import forked_task, run, table_profiles
from vault.backup.forked_task import ForkedTask
from vault.backup.table_profiles import Profiler, TableProfile
from vault.errors import Interrupted
from vault.repository import snapshots
from vault.repository.catalog_chunks import MetaReader
from vault.source.patterns import Rules
from vault.storage.memory import MemoryStore

FORKS = pytest.mark.skipif(sys.platform != "linux", reason="nothing is forked on other systems")


def rows(number: int) -> bytes:
    return b"time,calls\n" + b"".join(b"2024-05-%02d,%d\n" % (day, day * number) for day in range(1, 29))


def profiles(folder: Path, profiler: Profiler) -> dict[str, object]:
    """Of a first backup, by path."""
    project = made_on(MemoryStore())
    source = replace(run.Source.of_folder("reports", "reports", os.fsencode(folder), Rules()), profiler=profiler)
    record = run.back_up(project, source, run.BackupOptions()).record
    table = snapshots.read_manifest(MetaReader(project), record, columns=["path", "profile"])
    return {row["path"].decode(): row["profile"] for row in table.to_pylist() if row["profile"] is not None}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Twelve tables, one whose name says nothing, and one whose name says something else; a process pays for less."""
    monkeypatch.setattr(table_profiles, "WORTH_A_PROCESS", 1024)
    monkeypatch.setattr(forked_task, "is_possible", lambda: True)  # a test may have threads beside it that wait
    files = {f"day {number}.csv": rows(number) for number in range(12)} | {"nameless": rows(50), "called.json": rows(60)}
    yield write_tree(tmp_path / "source", files)


@FORKS
def test_profiles_are_the_same_whether_a_process_of_its_own_makes_them_or_not(folder: Path, tmp_path: Path) -> None:
    here = os.getpid()
    beside = tmp_path / "beside"
    beside.mkdir()

    def noting(descriptor: int, format_: str) -> TableProfile:
        if os.getpid() != here:
            (beside / str(len(list(beside.iterdir())))).touch()
        return PROFILER.of(descriptor, format_)

    found = profiles(folder, Profiler(PROFILER.formats, noting))
    forked = len(list(beside.iterdir()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forked_task, "is_possible", lambda: False)
        assert profiles(folder, Profiler(PROFILER.formats, noting)) == found
    assert len(found) == 14 and forked >= 12, "and those whose names say nothing of it are looked into at the end"
    assert len(list(beside.iterdir())) == forked


@FORKS
def test_a_process_that_is_killed_costs_time_and_no_profile(folder: Path) -> None:
    here = os.getpid()

    def dying(descriptor: int, format_: str) -> TableProfile:
        if os.getpid() != here:
            os.kill(os.getpid(), 9)
        return PROFILER.of(descriptor, format_)

    assert len(profiles(folder, Profiler(PROFILER.formats, dying))) == 14


@FORKS
def test_a_task_that_fails_has_no_result_and_leaves_no_process(tmp_path: Path) -> None:
    said = tmp_path / "number"

    def failing() -> bytes:
        said.write_text(str(os.getpid()))
        raise RuntimeError("of the task")

    assert ForkedTask(failing).result(lambda: None) is None
    assert not Path("/proc", said.read_text()).exists()


@FORKS
def test_a_result_larger_than_a_pipe_comes_whole() -> None:
    assert ForkedTask(lambda: b"x" * 300_000).result(lambda: None) == b"x" * 300_000


@FORKS
def test_a_stop_ends_the_process(tmp_path: Path) -> None:
    said = tmp_path / "number"

    def long() -> bytes:
        said.write_text(f"{os.getpid()}\n")
        time.sleep(60)
        return b""

    def stop() -> None:
        if said.is_file() and said.read_text().endswith("\n"):
            raise Interrupted("by the test")

    with pytest.raises(Interrupted):
        ForkedTask(long).result(stop)
    assert not Path("/proc", said.read_text().strip()).exists()


def test_nothing_is_forked_while_other_threads_run_or_by_another_thread() -> None:
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    try:
        assert not forked_task.is_possible()
    finally:
        over.set()
        thread.join()
    answers: list[bool] = []
    other = threading.Thread(target=lambda: answers.append(forked_task.is_possible()), name="progress")
    other.start()
    other.join()
    assert answers == [False]


@FORKS
def test_a_process_that_does_nothing_any_more_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forked_task, "PATIENCE", 3)

    def hang() -> bytes:
        time.sleep(600)
        return b""

    task = ForkedTask(hang)
    assert task.result(lambda: None) is None
    assert task._child == 0, "it is waited for"
