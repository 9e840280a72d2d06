"""Small files are read, and packs sealed, in worker processes: the same comes of it, and nothing that ends one is a hang."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from array import array
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pytest
from msgspec.structs import replace

from cli import resource_errors
from tests.support.dying import DyingStore, PowerCut
from tests.support.faulty import FaultyStore, faults
from tests.support.places import back_up, checked, made_on, restore, through, tiny_descriptor
from tests.support.trees import look_at, text, write_tree
from tests.support.watchdog import no_hang
from vault.backup import dictionaries, item_classification, small_files, worker_messages, worker_processes
from vault.backup.run import BackupOptions
from vault.backup.small_files import BatchColumns, DeltaBase, FileNote
from vault.errors import Damaged, StorageFull, StrongroomError
from vault.format.chunks import ChunkerParams
from vault.format.frames import Compressor, Dictionary
from vault.format.layout import CONTENT_TIER
from vault.format.pack import PackBuilder
from vault.problems import Problem
from vault.progress import NoProgress
from vault.repository import snapshots
from vault.repository.catalog_chunks import MetaReader
from vault.repository.pack_sealing import no_dictionary
from vault.repository.pack_writer import IN_FLIGHT, PackWriter
from vault.repository.project import Project
from vault.storage.contract import Store
from vault.storage.memory import MemoryStore

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="worker processes need memory without a name (Linux)")

PATIENCE = 60


@pytest.fixture(autouse=True)
def every_run_has_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_processes, "count", lambda _files, _size: 2)
    monkeypatch.setattr("vault.backup.file_reading.BATCH_FILES", 8)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """The workers that are started."""
    found: list[subprocess.Popen[bytes]] = []
    start = worker_processes._start

    def noted(*descriptors: int) -> worker_processes._Process:
        one = start(*descriptors)
        found.append(one.process)
        return one

    monkeypatch.setattr(worker_processes, "_start", noted)
    return found


FILES = {
    **{f"day {number % 3}/report {number}.csv": text(number, 400 + number * 7) for number in range(40)},
    **{f"twice/{number}.csv": text(number % 5, 900) for number in range(20)},
    "empty.csv": b"",
    "large.bin": text("large", 1_300_000),
    "link.csv": b"a,b\n1,2\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = write_tree(tmp_path / "source", FILES)
    with suppress(OSError):
        os.setxattr(root / "link.csv", "user.note", b"kept")
    return root


def project_on(store: Store) -> Project:
    return made_on(store, replace(tiny_descriptor(pack=60_000), content=ChunkerParams(4096, 16_384, 65_536)))


class During(NoProgress):
    """Does something when the reading begins, or once so many items are through."""

    def __init__(self, act: Callable[[], object], *, after: int = 0) -> None:
        self._act = act
        self._after = after
        self._items = 0

    def phase(self, name: str, *, items: int = 0, size: int = 0) -> None:
        if name.startswith("reading") and not self._after:
            self._act()

    def advance(self, *, items: int = 0, size: int = 0) -> None:
        before, self._items = self._items, self._items + items
        if before < self._after <= self._items:
            self._act()


def content_packs(project: Project) -> dict[str, bytes]:
    return {one.name: project.store.get(one.name) for one in project.store.list(project.folder("packs"))}


@pytest.mark.parametrize(("workers", "filled"), [(1, 6), (2, 6), (3, 6), (2, 1 - IN_FLIGHT), (2, -IN_FLIGHT)])
def test_packs_are_the_same_to_the_byte_however_many_workers_there_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: Path, workers: int, filled: int
) -> None:
    """filled: packs in shared memory; the others, or all of them, are sealed by the backup itself."""
    monkeypatch.setattr(worker_processes, "MOST_FILLED", filled)
    monkeypatch.setattr(dictionaries, "LARGE_FILES", 20)
    monkeypatch.setattr(dictionaries, "LARGE_BYTES", 1000)
    monkeypatch.setattr(dictionaries, "FEWEST_FILES", 20)
    monkeypatch.setattr(dictionaries, "FEWEST_BYTES", 1000)
    monkeypatch.setattr(dictionaries, "DICTIONARY_SIZE", 4000)
    submit, found = PackWriter.submit, []
    for number in (0, workers):
        packs: list[tuple[int, bytes, list[bytes], list[int]]] = []

        def noted(
            writer: PackWriter, builder: PackBuilder, tier: int, dictionary_of: Callable[[bytes], Dictionary] = no_dictionary
        ) -> None:
            if tier == CONTENT_TIER:
                packs.append((tier, bytes(builder.plain), list(builder.chunks), list(builder.stored_sizes)))  # noqa: B023
            submit(writer, builder, tier, dictionary_of)

        monkeypatch.setattr(PackWriter, "submit", noted)
        monkeypatch.setattr(worker_processes, "count", lambda _files, _size, number=number: number)
        project = project_on(MemoryStore())
        report = back_up(project, folder)
        assert report.problems == ()
        found.append((packs, items(project)))
        restore(project, tmp_path / f"back {number}")
        assert look_at(tmp_path / f"back {number}/reports") == look_at(folder)
    assert len(found[0][0]) > 3
    assert found[0] == found[1]


def items(project: Project) -> list[dict[str, object]]:
    """What the newest manifest says of its files."""
    rows = snapshots.read_manifest(MetaReader(project), snapshots.read_all(project)[-1])
    found: list[dict[str, object]] = rows.drop_columns(["seen_at"]).to_pylist()
    return found


def test_what_was_stored_before_is_not_stored_again_by_workers(folder: Path) -> None:
    project = project_on(MemoryStore())
    back_up(project, folder)
    before = content_packs(project)
    for number in range(40):
        os.utime(folder / f"day {number % 3}/report {number}.csv")
    report = back_up(project, folder)
    assert report.record.counts.changed == 40
    assert report.record.counts.read_bytes > 0
    assert content_packs(project) == before


def test_workers_tell_of_files_that_cannot_be_read(folder: Path, tmp_path: Path) -> None:
    def change() -> None:
        (folder / "day 0/report 0.csv").unlink()
        (folder / "day 1/report 1.csv").unlink()
        (folder / "day 1/report 1.csv").symlink_to(tmp_path)
        (folder / "day 2/report 2.csv").write_bytes(text("grown", 1_200_000))

    project = project_on(MemoryStore())
    report = back_up(project, folder, BackupOptions(progress=During(change)))
    assert [(one.path, one.what) for one in report.problems] == [
        (b"reports/day 0/report 0.csv", "vanished-while-read"),
        (b"reports/day 1/report 1.csv", "vanished-while-read"),
    ]
    restore(project, tmp_path / "back")
    assert (tmp_path / "back/reports/day 2/report 2.csv").read_bytes() == text("grown", 1_200_000)


@pytest.mark.parametrize("after", [1, 9, 33, 61])
@pytest.mark.parametrize("both", [False, True])
def test_a_worker_that_is_killed_ends_the_run_with_an_error_and_the_next_one_goes_on(
    folder: Path, tmp_path: Path, started: list[subprocess.Popen[bytes]], *, after: int, both: bool
) -> None:
    project = project_on(MemoryStore())

    def kill() -> None:
        for one in started if both else started[:1]:
            one.send_signal(signal.SIGKILL)
            one.wait()

    with no_hang(PATIENCE):
        try:
            back_up(project, folder, BackupOptions(progress=During(kill, after=after)))
        except StrongroomError as error:
            assert "worker process" in str(error)
            assert "SIGKILL" in str(error) or "signal 9" in str(error)
            assert error.hint is not None
        else:
            assert after > 9  # all was asked of them before
        back_up(project, folder)
    assert checked(project).sound
    restore(project, tmp_path / "back")
    assert look_at(tmp_path / "back/reports") == look_at(folder)
    assert all(one.returncode is not None for one in started)


def test_workers_without_memory_end_the_run_with_an_error(
    monkeypatch: pytest.MonkeyPatch, folder: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    def take_memory() -> None:
        for one in started:
            resource.prlimit(one.pid, resource.RLIMIT_AS, (1 << 20, 1 << 20))

    write_tree(folder, {f"more/{number}.csv": text(f"more {number}", 700_000) for number in range(12)})
    monkeypatch.setattr("vault.backup.file_reading.BATCH_FILES", 3)
    project = project_on(MemoryStore())
    with no_hang(PATIENCE), pytest.raises((MemoryError, StrongroomError)) as error:
        back_up(project, folder, BackupOptions(progress=During(take_memory, after=9)))
    shown = error.value if isinstance(error.value, StrongroomError) else resource_errors.shortage(error.value)
    assert shown is not None
    assert shown.hint is not None
    assert "memory" in shown.hint or "memory" in str(shown)
    assert all(one.returncode is not None for one in started)
    back_up(project, folder)
    assert checked(project).sound


def test_an_interruption_ends_the_workers(folder: Path, started: list[subprocess.Popen[bytes]]) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    project = project_on(MemoryStore())
    with no_hang(PATIENCE), pytest.raises(KeyboardInterrupt):
        back_up(project, folder, BackupOptions(progress=During(interrupt, after=9)))
    assert len(started) == 2
    assert all(one.returncode is not None for one in started)
    back_up(project, folder)
    assert checked(project).sound


def test_a_full_store_ends_the_workers(folder: Path, started: list[subprocess.Popen[bytes]]) -> None:
    store = FaultyStore(MemoryStore())
    project = project_on(store)
    full = faults(store).on("put", name="*/packs/*", raises=StorageFull("no room"))
    with no_hang(PATIENCE), full, pytest.raises(StorageFull):
        back_up(project, folder)
    assert all(one.returncode is not None for one in started)
    back_up(project, folder)
    assert checked(project).sound


@pytest.mark.parametrize("lives", [1, 2, 4, 7])
@pytest.mark.parametrize("when", ["before", "after"])
def test_power_may_fail_at_any_write_of_a_run_with_workers(folder: Path, tmp_path: Path, lives: int, when: str) -> None:
    project = project_on(MemoryStore())
    dying = through(project, DyingStore(project.store, lives=lives, when=when))  # type: ignore[arg-type]
    with no_hang(PATIENCE), pytest.raises(PowerCut):
        back_up(dying, folder)
    back_up(project, folder)
    assert checked(project).sound
    restore(project, tmp_path / "back")
    assert look_at(tmp_path / "back/reports") == look_at(folder)


@pytest.mark.parametrize("program", ["", "/none", "/bin/false", "/bin/cat"])
def test_where_no_interpreter_starts_threads_do_the_work(
    monkeypatch: pytest.MonkeyPatch, folder: Path, started: list[subprocess.Popen[bytes]], program: str
) -> None:
    monkeypatch.setattr(sys, "executable", program)
    project = project_on(MemoryStore())
    with no_hang(PATIENCE):
        assert back_up(project, folder).problems == ()
    assert checked(project).sound
    assert all(one.returncode is not None for one in started)


def test_where_the_system_has_no_memory_to_share_threads_do_the_work(
    monkeypatch: pytest.MonkeyPatch, folder: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "memfd_create", refuse)
    project = project_on(MemoryStore())
    assert back_up(project, folder).problems == ()
    assert checked(project).sound
    assert not started


def test_columns_that_do_not_fit_into_shared_memory_pass_through_the_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = a_batch()
    for size in (10, 100_000):
        slot = memoryview(bytearray(size))
        assert same(worker_messages.unpack_batch(worker_messages.pack_batch(batch, slot), slot), batch)


def a_batch() -> BatchColumns:
    delta = b"b" * 32, b"f" * 32
    notes = (FileNote(0, ((b"user.a", b"1"),), (b"user.big",), None), FileNote(1, (), (), "prefix"))
    others = ((1, Problem(b"reports/x", "unreadable", "it cannot be read")), (3, None))
    return BatchColumns(
        array("i", [0, 2]), b"s" * 144, array("q", [5, 1 << 40]), b"d" * 64, array("h", [0, 1]), ("csv", None),
        array("i", [1, 2]), b"c" * 96, array("q", [5, 7, 8]), array("i", [0, 2]), array("h", [1, 0]), ("", delta),
        array("i", [3, 4]), b"fffgggg", (DeltaBase(b"b" * 32, 9, b"frame"),), notes, others,
    )  # fmt: skip


def test_content_that_its_frame_does_not_give_ends_the_backup_before_it_is_stored(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    """In threads: what runs in a worker cannot be changed from here."""
    monkeypatch.setattr(worker_processes, "count", lambda _files, _size: 0)
    frame, made = Compressor.frame, []

    def wrong_once(self: Compressor, plain: bytes) -> bytes:
        made.append(plain)
        return frame(self, plain[:-1] + b"!" if len(made) == 20 else plain)

    monkeypatch.setattr(Compressor, "frame", wrong_once)
    project = project_on(MemoryStore())
    with pytest.raises(Damaged, match="changed while it was being compressed") as error:
        back_up(project, folder)
    assert "memory or processor" in (error.value.hint or "")
    assert list(project.store.list(project.folder("snapshots"))) == []


def test_periods_in_names_that_are_read_while_workers_read_files_are_those_that_are_read_afterwards(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    days = {f"2026/05/{day:02}/report {day}.csv": text(day, 700) for day in range(1, 29)}
    doubtful = "20260517_calls_20260603.csv"
    early: list[int] = []
    joined = item_classification.EarlyPeriods.joined

    def noted(self: item_classification.EarlyPeriods, before: pa.Table | None) -> pa.Table | None:
        table = joined(self, before)
        early.append(0 if table is None else len(table))
        return table

    monkeypatch.setattr(item_classification.EarlyPeriods, "joined", noted)
    found = []
    for workers in (0, 2):
        monkeypatch.setattr(worker_processes, "count", lambda _files, _size, number=workers: number)
        folder = write_tree(tmp_path / f"source {workers}", {**days, doubtful: b"a", "no date.csv": b"b"})
        project = project_on(MemoryStore())
        first = back_up(project, folder)
        write_tree(folder, {doubtful: b"changed", "2026/06/01/7.csv": b"new"})
        second = back_up(project, folder)
        told = {row["path"]: (row["period_start"], row["period_end"]) for row in items(project)}
        origins = {row["path"]: row["period_origin"] for row in items(project)}
        found.append((told, origins, first.doubtful, second.doubtful))
    assert early[0] == 29, "all but the doubtful one"
    assert early[1] > 29, "what is new, beside what was known before"
    del found[0][0][b"reports/no date.csv"], found[1][0][b"reports/no date.csv"]  # by the day on which it was written
    assert found[0] == found[1]
    assert found[0][2:] == ((f"reports/{doubtful}".encode(),), ()), "what was known before is not looked at again"


def same(one: BatchColumns, other: BatchColumns) -> bool:
    """Whether the values are equal, whatever memory they lie in."""
    return one._replace(frames=bytes(one.frames)) == other


def test_a_worker_knows_nothing_of_the_environment_and_has_no_key_in_its_command_line(
    monkeypatch: pytest.MonkeyPatch, folder: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a secret of the store")
    project = project_on(MemoryStore())
    seen: list[bytes] = []

    def look() -> None:
        for one in started:
            seen.extend(Path(f"/proc/{one.pid}/{name}").read_bytes() for name in ("environ", "cmdline"))

    back_up(project, folder, BackupOptions(progress=During(look, after=9)))
    assert len(seen) == 4
    assert all(b"secret" not in one and project.capability.chunk_id_key not in one for one in seen)
    assert all(project.capability.chunk_id_key.hex().encode() not in one for one in seen)


def test_a_worker_ends_by_itself_once_nobody_is_there_and_leaves_signals_to_others(folder: Path) -> None:
    root, memory, stored = os.open(folder, os.O_RDONLY), os.memfd_create("a"), os.memfd_create("b")
    size = worker_messages.BATCH_SLOT
    os.ftruncate(memory, size)
    one = worker_processes._start(root, memory, stored)
    try:
        chunker = 1024, 4096, 16_384, 1
        tools = worker_messages.WorkerTools(
            b"reports", bytes(32), chunker, {}, {}, "fast", inflates=False, memory_size=size, stored_size=0
        )
        worker_messages.send(one.requests, tuple(tools))
        assert worker_messages.receive(one.replies) == (worker_messages.READY,)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            one.process.send_signal(number)
        worker_messages.send(one.requests, (worker_messages.READ, 0, [b"reports/empty.csv"], {}))
        reply = worker_messages.receive(one.replies)
        assert reply is not None
        assert reply[0] == worker_messages.DONE
        os.close(one.requests)  # as when the process that holds it is killed
        assert one.process.wait(PATIENCE) == 0
        assert worker_messages.receive(one.replies) is None
    finally:
        one.process.kill()
        one.process.wait()
        for descriptor in (root, memory, stored, one.replies):
            os.close(descriptor)


REPLIES: list[tuple[tuple[object, ...], type[BaseException]]] = [
    ((worker_messages.NO_MEMORY,), MemoryError),
    ((worker_messages.DAMAGED, "a chunk changed", "test the memory"), Damaged),
    ((worker_messages.FAULT, "Traceback …"), RuntimeError),
]


@pytest.mark.parametrize(("reply", "error"), REPLIES)
def test_what_went_wrong_in_a_worker_is_raised_here(reply: tuple[object, ...], error: type[BaseException]) -> None:
    from concurrent.futures import Future

    answer: Future[worker_messages.Message] = Future()
    answer.set_result(reply)
    with pytest.raises(error):
        worker_processes._result(answer)


def test_a_batch_holds_no_more_than_its_bytes_whatever_files_have_become(
    monkeypatch: pytest.MonkeyPatch, folder: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr(small_files, "MOST_BYTES", 2000)  # in this process, so threads read
    monkeypatch.setattr(worker_processes, "count", lambda _files, _size: 0)
    project = project_on(MemoryStore())
    assert back_up(project, folder).problems == ()
    restore(project, tmp_path / "back")
    assert look_at(tmp_path / "back/reports") == look_at(folder)


def test_few_files_and_machines_with_one_processor_have_no_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(worker_processes, "FEWEST_FILES", 2000)
    monkeypatch.setattr(worker_processes, "FEWEST_BYTES", 1 << 26)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    assert [worker_processes.count(*one) for one in ((400, 7 << 20), (2000, 0), (70, 1 << 26))] == [0, 4, 4]
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})
    assert worker_processes.count(10**6, 1 << 40) == 0
