"""Batches of finished files on their way to the disk and to their names.

A batch is made durable as a whole before its first rename, so a final name never stands for half a file. The disk may take
seconds for what a processor makes in one, so batches can wait for it in a thread of their own.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

from restore.local_fs.errors import trouble
from restore.local_fs.names import temporary_name
from restore.local_fs.pending_file import remove
from restore.local_fs.syscalls import rename_to_free_name, sync_file_system
from vault.errors import TargetError
from vault.problems import Problem
from vault.source.folder_descent import Descent

MOST_WAITING = 4
"""Batches that wait for the disk before the writer does."""


class Finished(NamedTuple):
    """An item that is whole under its temporary name."""

    path: bytes
    replace: bool
    is_hard_link: bool = False


def commit(descent: Descent, finished: list[Finished]) -> list[Problem]:
    """Bring a batch to the disk, then to its names. Raises TargetError where the disk cannot take it; temporary files stay
    then, for a later run."""
    _sync(descent, finished)
    problems: list[Problem] = []
    for item in finished:
        folder, _, last = item.path.rpartition(b"/")
        try:
            parent = descent.reach(folder)
        except OSError as error:
            problems.append(trouble(item.path, error))
            continue
        name = temporary_name(item.path)
        try:
            if item.replace:
                os.rename(name, last, src_dir_fd=parent, dst_dir_fd=parent)
            else:
                rename_to_free_name(parent, name, last)
        except OSError as error:
            remove(parent, name)
            problems.append(trouble(item.path, error))
        if item.is_hard_link:
            remove(parent, name)  # renaming one name of a file over another does nothing at all (POSIX)
    return problems


class Batches:
    """The batches of one writer that wait for the disk, in order. descent: nobody else's."""

    def __init__(self, descent: Descent) -> None:
        self._descent = descent
        self._pool: ThreadPoolExecutor | None = None
        self._waiting: deque[Future[list[Problem]]] = deque()
        self._refused: TargetError | None = None

    def begin(self, finished: list[Finished]) -> list[Problem]:
        """Put a batch behind the others; gives the problems of those that are through. Raises TargetError, as `commit`."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="commit")
        self._waiting.append(self._pool.submit(self._commit, finished))
        through = []
        while self._waiting and (self._waiting[0].done() or len(self._waiting) > MOST_WAITING):
            through.append(self._waiting.popleft())
        return [problem for batch in through for problem in batch.result()]

    def settle(self) -> list[Problem]:
        """Wait for all of them; gives the problems of those that nobody has heard of yet. Raises TargetError, as `commit`."""
        problems = []
        while self._waiting:
            problems += self._waiting.popleft().result()
        if self._refused is not None:
            raise self._refused
        return problems

    def _commit(self, finished: list[Finished]) -> list[Problem]:
        if self._refused is not None:  # the kernel tells a lost page once; what is behind it must not be taken for safe
            raise self._refused
        try:
            return commit(self._descent, finished)
        except TargetError as error:
            self._refused = error
            raise

    def close(self) -> None:
        """What has not begun keeps its temporary name."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None
        self._descent.close()


def _sync(descent: Descent, finished: Iterable[Finished]) -> None:
    """One syncfs for each file system in the batch: another one may be mounted below the root."""
    devices: set[int] = set()
    for folder in {item.path.rpartition(b"/")[0] for item in finished}:
        try:
            parent = descent.reach(folder)
        except OSError:
            continue  # the folder is gone or blocked; every rename in it will say so
        try:
            device = os.fstat(parent).st_dev
            if device not in devices:
                devices.add(device)
                sync_file_system(parent)
        except OSError as error:
            raise TargetError(
                f"the disk did not take what was written: {error.strerror}",
                hint="free some room or replace the disk, and run the same restore again; it goes on from there",
            ) from error
