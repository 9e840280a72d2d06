"""Files written by worker processes: the same bytes as by threads, whatever the number of processes; and what becomes of a
restore when one of them fails, is killed or cannot be had."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest
from msgspec.structs import replace

from restore.execution import worker_processes
from restore.execution.executor import RestoreReport, execute
from restore.execution.fetcher import portions as object_portions
from restore.execution.parallel_files import FileResult, FilesWorker, FileTask
from restore.execution.reading_order import PORTION_CHUNKS, PORTION_PLAIN, PORTION_STORED, Portion, PortionQueue, ReadingOrder
from restore.local_fs import Target, Writer
from restore.planning import chunk_locations
from restore.planning.conflict_policy import ConflictPolicy
from restore.planning.destination import EmptyDestination
from restore.planning.plan import RestorePlan, make_plan
from restore.selection.select import ItemQuery, select
from tests.support.clock import StillClock
from tests.support.places import TODAY, back_up, copied, made_on, names, through
from tests.support.randomness import SeededChance
from tests.support.tree_facts import tree_facts
from tests.support.trees import text, write_tree
from vault.errors import StorageAway, StrongroomError, TargetError
from vault.format.chunks import ID_SIZE
from vault.format.layout import CONTENT_TIER, pack_name
from vault.progress import NoProgress, Progress, Stop, never
from vault.repository.pack_reader import GAP
from vault.repository.project import Project
from vault.storage.counting import CountingStore
from vault.storage.local import LocalStore
from vault.storage.memory import MemoryStore

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

TWICE = text("twice", 700)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Small files in several folders, files of many chunks, holes, equal contents, links, names that are no text."""
    files = {f"{number % 5}/{number}.csv": text(number, 40 + number % 300) for number in range(120)}
    large = {f"large/{number}.bin": text(f"large {number}", 6000 + number) for number in range(4)}
    root = tmp_path_factory.mktemp("files") / "source"
    write_tree(root, files | large | {"one": TWICE, "two": TWICE, "empty": b"", "bare/": b""})
    with (root / "holes").open("wb") as file:
        file.write(text("front", 2000))
        file.seek(3_000_000)
        file.write(text("back", 2000))
        file.truncate(5_000_000)
    (root / "link").symlink_to("one")
    os.link(root / "large/1.bin", root / "again")
    Path(os.fsdecode(os.fsencode(root) + b"/not-\xff-text")).write_bytes(b"odd")
    (root / "0/5.csv").chmod(0o600)
    (root / "3").chmod(0o500)
    yield root
    (root / "3").chmod(0o700)


@pytest.fixture(scope="module")
def project(source: Path) -> Project:
    made = made_on(MemoryStore())
    back_up(made, source)
    return made


def restored(
    project: Project,
    to: Path,
    processes: int,
    stop: Stop = never,
    progress: Progress | None = None,
) -> RestoreReport:
    with Target(os.fsencode(to)) as target:
        plan = make_plan(select(project, ItemQuery()), target, ConflictPolicy.REFUSE, TODAY)
        return execute(plan, target, stop, progress, processes=processes)


def is_whole(source: Path, to: Path) -> bool:
    """Whether all is there as it was, and nothing else."""
    return tree_facts(to / "reports") == tree_facts(source) and not leftovers(to)


def leftovers(to: Path) -> list[Path]:
    return list(to.rglob(".strongroom-*"))


def nothing_is_half(source: Path, to: Path) -> bool:
    """Whether every file that has its name has all of its content."""
    found = [path for path in (to / "reports").rglob("*") if path.is_file() and ".strongroom-" not in path.name]
    return all(path.read_bytes() == (source / path.relative_to(to / "reports")).read_bytes() for path in found)


EARLIER: set[int] = set()
"""Processes that were there when a test began: servers of other tests."""


@pytest.fixture(autouse=True)
def earlier_processes() -> None:
    EARLIER.clear()
    EARLIER.update(child_processes())


def child_processes() -> set[int]:
    """Those of this process, also such as have ended and nobody has asked after."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(entry.read_text().rpartition(") ")[2].split()[1]) == os.getpid():
                found.add(int(entry.parent.name))
    return found


def no_process_is_left() -> bool:
    return child_processes() <= EARLIER


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_processes_restore_the_same_bytes_as_threads_and_say_the_same(
    project: Project, source: Path, tmp_path: Path, processes: int
) -> None:
    by_threads = restored(project, tmp_path / "threads", 0).as_json()
    by_processes = restored(project, tmp_path / "processes", processes).as_json()
    assert is_whole(source, tmp_path / "threads") and is_whole(source, tmp_path / "processes")
    for differing in ("seconds", "requests"):
        assert by_processes.pop(differing) >= 0 and by_threads.pop(differing) >= 0
    assert by_processes == by_threads and by_processes["problems"] == 0
    assert (tmp_path / "processes/reports/holes").stat().st_blocks * 512 < 1_000_000
    assert no_process_is_left()


def test_a_damaged_pack_costs_the_same_items_in_processes_as_in_threads(project: Project, source: Path, tmp_path: Path) -> None:
    project = through(project, copied(project.store))
    name = names(project.store, project.folder("packs"))[3]
    sealed = bytearray(project.store.get(name))
    sealed[len(sealed) // 2] ^= 1
    project.store.put(name, sealed)
    reports = [restored(project, tmp_path / f"{processes}", processes) for processes in (0, 2)]
    threads, processes = ({(one.path, one.what) for one in report.problems} for report in reports)
    assert processes == threads != set()
    assert reports[0].files == reports[1].files and nothing_is_half(source, tmp_path / "2")


@pytest.mark.parametrize("processes", [0, 2])
def test_a_store_that_goes_away_ends_the_restore_and_damages_no_item_and_the_next_one_goes_on(
    project: Project, source: Path, tmp_path: Path, processes: int
) -> None:
    there, away = tmp_path / "store", tmp_path / "away"
    store = LocalStore(there, clock=StillClock(), randomness=SeededChance("away"), create_missing=True)
    for one in project.store.list(""):
        store.put(one.name, project.store.get(one.name))
    found = through(project, store)
    with Target(os.fsencode(tmp_path / "to")) as target:
        plan = make_plan(select(found, ItemQuery()), target, ConflictPolicy.REFUSE, TODAY)
        there.rename(away)
        with pytest.raises(StorageAway, match="no longer the one that was opened"):
            execute(plan, target, lambda: None, processes=processes)
    assert nothing_is_half(source, tmp_path / "to") and no_process_is_left()
    away.rename(there)
    assert restored(found, tmp_path / "to", processes).problems == []
    assert is_whole(source, tmp_path / "to")


def test_what_was_restored_before_is_not_written_again_by_processes(project: Project, source: Path, tmp_path: Path) -> None:
    restored(project, tmp_path / "to", 2)
    (tmp_path / "to/reports/large/2.bin").unlink()
    again = restored(project, tmp_path / "to", 2)
    assert again.files == 1 and again.already_there > 120 and nothing_is_half(source, tmp_path / "to")
    assert (tmp_path / "to/reports/large/2.bin").read_bytes() == (source / "large/2.bin").read_bytes()


@pytest.fixture
def at_the_third_portion(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Have something happen in each worker before its third portion."""
    work = FilesWorker.work

    def install(act: Callable[[], None]) -> None:
        done = Counter[str]()  # each process has one of its own

        def patched(self: FilesWorker, task: FileTask, found: memoryview | None) -> FileResult:
            done["portions"] += 1
            if done["portions"] == 3:
                act()
            return work(self, task, found)

        monkeypatch.setattr(FilesWorker, "work", patched)

    return install


def goes_on(project: Project, source: Path, to: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether nothing is half done after a failure, no process is left, and the same restore comes to its end."""
    monkeypatch.undo()
    assert nothing_is_half(source, to) and no_process_is_left()
    restored(project, to, 2)
    return is_whole(source, to)


def test_a_worker_that_is_killed_ends_the_restore_with_an_error_and_the_next_one_goes_on(
    project: Project,
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    at_the_third_portion: Callable[[Callable[[], None]], None],
) -> None:
    at_the_third_portion(lambda: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(StrongroomError, match="was ended by SIGKILL") as caught:
        restored(project, tmp_path / "to", 2)
    assert "run the same command again" in str(caught.value.hint)
    assert goes_on(project, source, tmp_path / "to", monkeypatch)


def test_an_error_that_would_meet_every_item_comes_out_of_a_worker_as_it_is(
    project: Project,
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    at_the_third_portion: Callable[[Callable[[], None]], None],
) -> None:
    def full() -> None:
        raise TargetError("cannot write reports/a: No space left on device", hint="free some room")

    at_the_third_portion(full)
    with pytest.raises(TargetError, match="No space left on device") as caught:
        restored(project, tmp_path / "to", 2)
    assert caught.value.hint == "free some room"
    assert goes_on(project, source, tmp_path / "to", monkeypatch)


def test_a_bug_in_a_worker_comes_out_with_where_it_happened(
    project: Project,
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    at_the_third_portion: Callable[[Callable[[], None]], None],
) -> None:
    def fail() -> None:
        raise ValueError("nobody expects this")

    at_the_third_portion(fail)
    with pytest.raises(ValueError, match="nobody expects this") as caught:
        restored(project, tmp_path / "to", 2)
    assert "in a worker process" in caught.value.__notes__[0] and "in fail" in caught.value.__notes__[0]
    assert goes_on(project, source, tmp_path / "to", monkeypatch)


def test_who_stops_a_restore_is_obeyed_by_its_processes(
    project: Project, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = Counter[str]()

    class Heard(NoProgress):
        def advance(self, *, items: int = 0, size: int = 0) -> None:
            done["items"] += items

    def stop() -> None:
        if done["items"] > 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restored(project, tmp_path / "to", 2, stop, Heard())
    named = [path for path in (tmp_path / "to").rglob("*") if path.is_file() and not path.name.startswith(".strongroom-")]
    assert 10 < len(named) < len([path for path in source.rglob("*") if path.is_file()])
    assert goes_on(project, source, tmp_path / "to", monkeypatch)


def test_a_pending_file_that_somebody_has_replaced_is_a_problem_and_gets_no_name(
    project: Project, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reopen = Writer.reopen

    def replaced(self: Writer, path: bytes, identity: tuple[int, int]) -> object:
        if path == b"reports/large/3.bin":
            for planted in (tmp_path / "to/reports/large").glob(".strongroom-*"):
                # the other worker names its own files meanwhile
                with suppress(FileNotFoundError):
                    if (planted.stat().st_dev, planted.stat().st_ino) == identity:
                        planted.unlink()
                        planted.write_bytes(b"somebody else's")
        return reopen(self, path, identity)

    monkeypatch.setattr(Writer, "reopen", replaced)
    report = restored(project, tmp_path / "to", 2)
    assert [one.path for one in report.problems] == [b"reports/large/3.bin"]
    assert not (tmp_path / "to/reports/large/3.bin").exists() and nothing_is_half(source, tmp_path / "to")
    assert goes_on(project, source, tmp_path / "to", monkeypatch)


def test_where_the_system_gives_no_process_threads_do_it(
    project: Project, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forked = os.fork
    given = Counter[str]()

    def refused() -> int:
        given["asked"] += 1
        if given["asked"] > 1:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return forked()

    monkeypatch.setattr(os, "fork", refused)
    assert restored(project, tmp_path / "to", 2).problems == []
    assert given["asked"] == 2 and is_whole(source, tmp_path / "to") and no_process_is_left()


def test_a_program_with_threads_gets_no_processes() -> None:
    alone, ended = worker_processes.is_possible(), threading.Event()
    thread = threading.Thread(target=ended.wait)
    thread.start()
    try:
        assert not worker_processes.is_possible()
    finally:
        ended.set()
        thread.join()
    assert worker_processes.is_possible() == alone


def test_what_a_worker_logs_is_logged_by_its_parent(
    project: Project,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    at_the_third_portion: Callable[[Callable[[], None]], None],
) -> None:
    at_the_third_portion(lambda: logging.getLogger("strongroom").warning("the store does not answer: %s", "reset"))
    restored(project, tmp_path / "to", 1)
    (record,) = (one for one in caplog.records if "does not answer" in one.getMessage())
    assert (record.name, record.levelno) == ("strongroom", logging.WARNING) and record.message.endswith(": reset")


@pytest.fixture
def plan(project: Project) -> RestorePlan:
    return make_plan(select(project, ItemQuery()), EmptyDestination(), ConflictPolicy.REFUSE, TODAY)


def test_portions_in_columns_are_those_in_objects_and_have_every_reference_once(plan: RestorePlan) -> None:
    order = ReadingOrder(plan.references)
    found = order.portions(2)
    uses = [use for portion in found for use in order.uses(portion, range(portion.start, portion.end))]
    expected = [use for portion in object_portions(plan.references) for use in portion]
    assert [(use.place, use.targets) for use in uses] == [(use.place, use.targets) for use in expected]
    assert all(one.end == after.start for one, after in pairwise(found))
    assert all(use.place.tier == CONTENT_TIER for use in uses) and len({portion.pack for portion in found}) > 3
    for portion in found:
        start, length = order.span(portion)
        places = [order.place(k) for k in range(portion.start, portion.end)]
        assert {place.pack for place in places} == {order.packs[portion.pack]}
        assert all(start <= place.offset and place.offset + place.stored <= start + length for place in places)


def test_a_listing_shows_that_packs_are_there_where_their_headers_come_with_what_is_read(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def planned() -> tuple[RestorePlan, dict[str, int]]:
        store = CountingStore(project.store)
        whole = select(replace(project, store=store), ItemQuery())
        before = store.snapshot()
        plan = make_plan(whole, EmptyDestination(), ConflictPolicy.REFUSE, TODAY)
        return plan, dict(store.snapshot().since(before).requests)

    packs = set(planned()[0].references["pack"].to_pylist())
    monkeypatch.setattr(chunk_locations, "HEADERS_INSTEAD_OF_A_LISTING", len(packs))
    assert planned()[1] == {"list": 1}
    with monkeypatch.context() as patch:
        patch.setattr(chunk_locations, "FRONT", -1)  # nothing is near the front of a pack
        assert planned()[1] == {"get_range": len(packs)}
    with monkeypatch.context() as patch:
        patch.setattr(chunk_locations, "ROWS_LIKE_A_HEADER", 0)  # the listing is long
        assert planned()[1] == {"get_range": len(packs)}
    (gone, *_) = sorted(packs)
    name = pack_name(project.id, CONTENT_TIER, gone)
    content = project.store.get(name)
    project.store.delete(name)
    try:
        plan, _ = planned()
        assert plan.missing and gone not in plan.references["pack"].to_pylist()
    finally:
        project.store.put(name, content)


def references_of(packs: Sequence[Sequence[tuple[int, int, int]]]) -> pa.Table:
    """Chunks of packs, each (offset, stored, plain), every one a file's."""
    rows = [(bytes([pack]) * 32, *place) for pack, places in enumerate(packs, 1) for place in places]
    count = len(rows)
    pack, offset, stored, plain = zip(*rows, strict=True)
    whole = pa.int32()
    return pa.table(
        {
            "chunk": pa.array([number.to_bytes(ID_SIZE, "big") for number in range(count)], pa.binary(ID_SIZE)),
            "pack": pa.array(pack, pa.binary(32)),
            "pack_size": pa.array([1 << 26] * count, whole),
            **{name: pa.array(column, whole) for name, column in (("offset", offset), ("stored", stored), ("plain", plain))},
            "dictionary": pa.array([None] * count, pa.binary(ID_SIZE)),
            "row": pa.array(range(count), whole),
            "position": pa.array([0] * count, pa.int64()),
            "length": pa.array(plain, whole),
        }
    )


MIB = 1024 * 1024


def test_a_pack_is_cut_into_portions_of_about_one_size_with_no_little_rest() -> None:
    order = ReadingOrder(references_of([[(at * MIB, MIB, MIB) for at in range(33)]] * 8))
    found = order.portions(1)
    assert [order.span(portion)[1] // MIB for portion in found] == [11] * 24
    assert [(one.start, one.end) for one in found] == [(at, at + 11) for at in range(0, 264, 11)]


def test_what_is_stored_small_is_asked_for_with_few_requests() -> None:
    """Two gigabytes that are stored in a seventh: 3 MB a request would be a hundred of them."""
    packs = [[(at * 256 * 1024, 256 * 1024, 7 * 256 * 1024) for at in range(128)] for _ in range(9)]
    portions = ReadingOrder(references_of(packs)).portions(2)
    assert len(portions) == 2 * len(packs)


def test_a_portion_ends_by_what_is_read_in_vain_by_content_and_by_its_number_of_chunks() -> None:
    gap = GAP - 1
    sparse = ReadingOrder(references_of([[(at * (gap + 1), 1, 1) for at in range(100)]]))
    assert max(sparse.span(portion)[1] for portion in sparse.portions(2)) <= PORTION_STORED
    dense = ReadingOrder(references_of([[(at * 10, 10, 4 * MIB) for at in range(640)]]))
    assert {portion.end - portion.start for portion in dense.portions(2)} == {PORTION_PLAIN // (4 * MIB)}
    tiny = ReadingOrder(references_of([[(at, 1, 1) for at in range(PORTION_CHUNKS * 2 + 2)]]))
    assert [portion.end - portion.start for portion in tiny.portions(2)] == [1366, 1366, 1366]


def test_portions_end_where_the_pack_does_or_a_gap_is_wide() -> None:
    order = ReadingOrder(references_of([[(0, 10, 10), (10, 10, 10), (20 + GAP + 1, 10, 10)], [(0, 5, 5)]]))
    assert [(one.start, one.end, one.pack) for one in order.portions(4)] == [(0, 2, 0), (2, 3, 0), (3, 4, 1)]
    assert ReadingOrder(references_of([[(0, 1, 1)]]).slice(1)).portions(2) == []


def test_a_worker_goes_on_with_its_pack_and_helps_with_others_at_the_end() -> None:
    queue = PortionQueue([Portion(at, at + 1, at // 3) for at in range(7)])
    given = [queue.next(worker) for worker in (0, 1, 1, 1, 0, 1, 1, 0)]
    assert [one.start if one else None for one in given] == [0, 3, 4, 5, 1, 6, 2, None]
