"""Files written by worker processes: each fetches portions of packs, opens, expands, verifies them, and writes what comes out.

    parent    plans, gives out portions, begins the files that are written in pieces, finishes them when all pieces are there
    worker    small files from their beginning to their name; pieces of others, into the file that the parent has begun

Creating 20,000 small files takes the kernel and Python's lock longer than everything else: two processes do it in half the time
of two threads. What a name stands for is whole, in every process: a batch is brought to the disk before its first rename.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct, field

from restore.execution.fetcher import read_portion
from restore.execution.reading_order import Portion, PortionQueue, ReadingOrder
from restore.execution.row_view import Rows
from restore.execution.small_files import COMMIT_BYTES, COMMIT_FILES
from restore.execution.worker_processes import WorkerProcesses
from restore.local_fs import Target
from restore.local_fs.errors import trouble
from restore.local_fs.pending_file import write_all
from restore.local_fs.syscalls import open_files_for
from restore.planning.plan import RestorePlan
from vault.errors import Damaged, StorageAway, StorageError, StrongroomError, TransientStorageError
from vault.problems import Problem
from vault.repository.pack_reader import EXPANDED_AT_ONCE, PackReader

if TYPE_CHECKING:
    from restore.execution.file_writer import FileWriter


class FileTask(NamedTuple):
    """A portion to write. pending: files, by rows, that are written in pieces and have been begun, with their
    `PendingFile.identity`."""

    portion: Portion
    pending: dict[int, tuple[int, int]]


class FileResult(Struct):
    """What became of a portion. files, bytes: small ones that are written · pieces: (row, bytes) that are written into pending
    files · failed: rows that cannot be finished, and why · made: folders that were missing again · requests: to the store."""

    made: frozenset[bytes] = frozenset()
    files: int = 0
    bytes: int = 0
    problems: list[Problem] = field(default_factory=list)
    pieces: list[tuple[int, int]] = field(default_factory=list)
    failed: list[tuple[int, Problem]] = field(default_factory=list)
    requests: int = 0


class FilesToWrite(Struct, frozen=True):
    """What processes share. pieces: a byte for each row of the plan, not 0 where a file is written in pieces · reader: has
    opened what all of them will need."""

    plan: RestorePlan
    rows: Rows
    order: ReadingOrder
    pieces: bytearray
    reader: PackReader
    target: Target


class ParallelFiles:
    """The files of a plan on their way through worker processes. Raises OSError where the system gives none."""

    def __init__(self, files: FileWriter, work: FilesToWrite, count: int) -> None:
        self._files = files
        self._order = work.order
        self._portions = PortionQueue(work.order.portions(count))
        self._processes: WorkerProcesses[FileTask, memoryview | None, FileResult] = WorkerProcesses(
            count, lambda: FilesWorker(work)
        )

    def run(self, stop: Callable[[], None], begun: Callable[[], None]) -> None:
        """Until all are written. begun: called once the processes are there, and threads may begin. Raises `TargetError`,
        `StorageError`, `StrongroomError` where a worker is gone; what is finished has its name by then."""
        try:
            begun()
            for result in self._processes.results(self._next, stop):
                self._files.take(result)
        except BaseException:
            with suppress(StrongroomError, OSError):  # the first error is the one to be told
                self._leave()
            raise
        else:
            self._leave()
        finally:
            self._processes.close()

    def _leave(self) -> None:
        for result in self._processes.leave():
            self._files.take(result)

    def _next(self, worker: int) -> FileTask | None:
        portion = self._portions.next(worker)
        if portion is None:
            return None
        rows = {self._order.row(k) for k in range(portion.start, portion.end)} if self._files.has_pieces else ()
        return FileTask(portion, self._files.begin_pieces(rows))


class FilesWorker:
    """Writes portions, in a process of its own."""

    def __init__(self, work: FilesToWrite) -> None:
        self._plan, self._rows, self._order, self._pieces = work.plan, work.rows, work.order, work.pieces
        self._reader = work.reader
        self._requests_before = work.reader.requests
        self._noted_before = len(work.reader.read_elsewhere)
        self._target = work.target
        self._made_before = work.target.made
        self._writer = work.target.writer()
        self._open: dict[int, int] = {}
        self._most_open = open_files_for(share=8)
        self._batch_files = 0
        self._batch_bytes = 0
        self._stopped = False

    def fetch(self, task: FileTask) -> memoryview | None:
        """The plain bytes of a portion; None where they cannot be had in one piece."""
        start, length = self._order.span(task.portion)
        try:
            return self._reader.read_span(self._order.place(task.portion.start), start, length)
        except (StorageAway, TransientStorageError):
            raise
        except (Damaged, StorageError):
            return None

    def work(self, task: FileTask, found: memoryview | None) -> FileResult:
        """Every chunk of a portion into every file that has it. Raises `TargetError`, `StorageAway`,
        `TransientStorageError`."""
        result = FileResult()
        portion, order = task.portion, self._order
        places = range(portion.start, portion.end)
        unread = list(places) if found is None else self._write_all(task, found, result)
        if unread and not self._stopped:  # what is damaged here may be whole elsewhere
            for use, content in read_portion(self._reader, order.uses(portion, unread)):
                for row, position in use.targets:
                    self._give_out(task, row, position, content, result)
        if self._batch_files >= COMMIT_FILES or self._batch_bytes >= COMMIT_BYTES:
            self._batch_files = self._batch_bytes = 0
            self._count_failed(self._writer.commit_ahead(), result)
        return result

    def stop(self) -> None:
        """After the file in hand."""
        self._stopped = True

    def leave(self) -> FileResult:
        """Bring what is finished to its names. Raises `TargetError`."""
        made = self._target.made - self._made_before
        result = FileResult(made=made, requests=self._reader.requests - self._requests_before)
        result.problems += self._reader.read_elsewhere[self._noted_before :]
        for descriptor in self._open.values():
            os.close(descriptor)
        self._open.clear()
        self._count_failed(self._writer.commit(), result)
        return result

    def _write_all(self, task: FileTask, found: memoryview, result: FileResult) -> list[int]:
        """The places whose chunk is not in what was found."""
        order, expand = self._order, self._reader.expand
        first, unread = order.span(task.portion)[0], []
        last, content = b"", b""
        for k in range(task.portion.start, task.portion.end):
            if self._stopped:
                break
            if (k - task.portion.start) % EXPANDED_AT_ONCE == 0:
                ahead = range(k, min(k + EXPANDED_AT_ONCE, task.portion.end))
                self._reader.open_dictionaries({order.dictionary(one) for one in ahead})
            chunk, offset, stored, plain, dictionary = order.frame(k)
            if chunk != last:
                at = offset - first
                try:
                    content = expand(chunk, found[at : at + stored], plain, dictionary)
                except (StorageAway, TransientStorageError):
                    raise
                except (Damaged, StorageError):
                    unread.append(k)
                    continue
                last = chunk
            self._give_out(task, order.row(k), order.position(k), content, result)
        return unread

    def _give_out(self, task: FileTask, row: int, position: int, content: bytes | StrongroomError, result: FileResult) -> None:
        if isinstance(content, StrongroomError):
            result.failed.append((row, Problem(self._path(row), "damaged", f"its content cannot be restored: {content}")))
        elif self._pieces[row]:
            self._piece(task, row, position, content, result)
        elif len(content) != self._rows.size[row]:
            problem = Problem(self._path(row), "damaged", "its content has another length than the snapshot says")
            result.failed.append((row, problem))
        else:
            self._small(row, content, result)

    def _small(self, row: int, content: bytes, result: FileResult) -> None:
        replace = row in self._plan.replacing
        problems = self._writer.write_small(self._path(row), content, self._rows.attributes(row), replace=replace)
        if problems:
            result.problems += problems
        if not problems or all(problem.what == "attributes" for problem in problems):
            result.files += 1
            result.bytes += len(content)
        self._batch_files += 1
        self._batch_bytes += len(content)

    def _piece(self, task: FileTask, row: int, position: int, content: bytes, result: FileResult) -> None:
        if row not in task.pending:
            return  # the parent has given it up
        if position + len(content) > self._rows.size[row]:
            problem = Problem(self._path(row), "damaged", "its content is longer than the snapshot says")
            result.failed.append((row, problem))
            return
        descriptor = self._descriptor(task, row)
        if isinstance(descriptor, Problem):
            result.failed.append((row, descriptor))
            return
        try:
            write_all(descriptor, content, position)
        except OSError as error:
            result.failed.append((row, trouble(self._path(row), error)))
        else:
            result.pieces.append((row, len(content)))

    def _descriptor(self, task: FileTask, row: int) -> int | Problem:
        """Of a pending file, opened where it is not; the one that was used longest ago is closed for it."""
        found: int | Problem = self._open.pop(row, -1)
        if found == -1:
            found = self._writer.reopen(self._path(row), task.pending[row])
        if isinstance(found, Problem):
            return found
        self._open[row] = found
        if len(self._open) > self._most_open:
            os.close(self._open.pop(next(iter(self._open))))
        return found

    def _count_failed(self, problems: list[Problem], result: FileResult) -> None:
        result.problems += problems
        result.files -= len(problems)

    def _path(self, row: int) -> bytes:
        return self._plan.renamed.get(row) or self._rows.path(row)
