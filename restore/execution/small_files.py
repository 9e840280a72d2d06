"""Small files, written by the threads that fetch their contents: creating a file is mostly the kernel's work, and two cores
do it nearly twice as fast as one.

A file is small where one chunk is all of it. Everything else is given back, for the one thread that puts pieces together.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Container, Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from restore.execution.fetcher import ChunkUse, Fetched
from restore.execution.row_view import Rows
from restore.local_fs import Target, Writer
from restore.planning.plan import RestorePlan
from vault.errors import StrongroomError
from vault.problems import Problem

COMMIT_FILES = 4096
COMMIT_BYTES = 256 * 1024 * 1024
"""A batch is brought to the disk and renamed after so many files, or bytes: the work that an interruption can cost."""


class PortionResult(Struct):
    """What became of a portion. left: contents that are not a small file's, or that are errors."""

    left: list[Fetched] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    files: int = 0
    bytes: int = 0


class _ThreadWriter:
    """One writer, and what it has not committed. `lock` is held by whoever uses it."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self.lock = threading.Lock()
        self.files = 0
        self.bytes = 0

    def commit_ahead(self) -> list[Problem]:
        self.files = self.bytes = 0
        return self.writer.commit_ahead()


class SmallFiles:
    """Writes the small ones among the files of a plan. threads: threads that may call `write` at once ·
    several: rows whose files have more chunks than one."""

    def __init__(self, plan: RestorePlan, rows: Rows, target: Target, several: Container[int], threads: int) -> None:
        self._plan = plan
        self._rows = rows
        self._several = several
        self._writers = [_ThreadWriter(target.writer()) for _ in range(threads)]
        self._free = deque(self._writers)
        self._leaving = False

    def write(self, contents: Sequence[Fetched]) -> PortionResult:
        """Of the contents of a portion, those that are whole files. Raises `TargetError`."""
        written = PortionResult()
        writer = self._free.pop()
        try:
            with writer.lock:
                for use, content in contents:
                    if self._leaving:
                        break
                    self._give_out(writer, use, content, written)
        finally:
            self._free.append(writer)
        return written

    def leave(self, to: Writer) -> list[Problem]:
        """Hand what is finished over to another writer, for its next commit; a thread that is writing stops after the file in
        hand. Raises `TargetError`."""
        self._leaving = True
        problems = []
        for writer in self._writers:
            with writer.lock:
                problems += to.take_over(writer.writer)
        return problems

    def _give_out(self, writer: _ThreadWriter, use: ChunkUse, content: bytes | StrongroomError, written: PortionResult) -> None:
        if isinstance(content, StrongroomError):
            written.left.append((use, content))
            return
        others = []
        for target in use.targets:
            row = target[0]
            if row in self._several or len(content) != self._rows.size[row]:
                others.append(target)
            else:
                self._write(writer, row, content, written)
        if others:
            written.left.append((replace(use, targets=others), content))

    def _write(self, writer: _ThreadWriter, row: int, content: bytes, written: PortionResult) -> None:
        path = self._plan.renamed.get(row) or self._rows.path(row)
        attributes, in_place = self._rows.attributes(row), row in self._plan.replacing
        problems = writer.writer.write_small(path, content, attributes, replace=in_place)
        written.problems += problems
        if all(problem.what == "attributes" for problem in problems):
            written.files += 1
            written.bytes += len(content)
        writer.files += 1
        writer.bytes += len(content)
        if writer.files >= COMMIT_FILES or writer.bytes >= COMMIT_BYTES:
            failed = writer.commit_ahead()
            written.problems += failed
            written.files -= len(failed)
