"""A file that is written in pieces under its temporary name."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress

from restore.local_fs.errors import attribute_problem, trouble
from restore.local_fs.metadata import Attributes, apply, drop_inherited
from restore.local_fs.syscalls import has_syncfs
from vault.errors import UsageError
from vault.problems import Problem

_SAFE = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | _SAFE
_CONTINUE = os.O_RDWR | getattr(os, "O_NONBLOCK", 0) | _SAFE


class PendingFile:
    """A file that is being written; `finish` or `abandon` ends it, and `close` leaves it for a later run.

    path, size: as given to `Writer.begin` · resumed: an earlier run's bytes are in it. None of them is to be trusted
    before `read_at` has shown it, a hole's zeros included. In a fresh file what is never written reads as zeros and
    takes no room.

    OSErrors are translated: what would meet every item is a TargetError, and the file's leftover is gone by then; the
    rest is a Problem, after which only `abandon` makes sense.
    """

    def __init__(
        self,
        path: bytes,
        size: int,
        place: tuple[int, bytes],
        *,
        resume: bool,
        is_root: bool,
        done: Callable[[], None],
    ) -> None:
        """`place`: the folder's descriptor, which becomes this object's, and the temporary name in it. `done` is called
        when the file is finished and waits for its final name. Raises OSError, and closes the descriptor then."""
        self.path = path
        self.size = size
        self._parent, self._name = place
        self._is_root = is_root
        self._done = done
        self._descriptor = -1
        try:
            if resume:
                self._descriptor = _left_over(self._parent, self._name)
            self.resumed = self._descriptor >= 0
            if not self.resumed:
                self._descriptor = create(self._parent, self._name, _CREATE)
        except OSError:
            os.close(self._parent)
            raise

    @property
    def identity(self) -> tuple[int, int]:
        """Which file it is on this machine: what bears its temporary name later may be another one. Raises OSError."""
        status = os.fstat(self._descriptor)
        return status.st_dev, status.st_ino

    def write_at(self, offset: int, data: bytes | bytearray | memoryview) -> Problem | None:
        """Put `data` at `offset`, in bytes from the file's start; pieces may come in any order."""
        view = memoryview(data).cast("B")
        if offset < 0 or offset + len(view) > self.size:
            raise UsageError(f"a write of {len(view)} bytes at {offset} leaves a file of {self.size} bytes")
        try:
            write_all(self._descriptor, view, offset)
        except OSError as error:
            return self._failed(error)
        return None

    def read_at(self, offset: int, length: int) -> bytes:
        """What stands there, for looking at what an earlier run left: fewer bytes where the file ends, none where it
        cannot be read. The caller bounds `length`."""
        try:
            return os.pread(self._descriptor, length, offset)
        except OSError:
            return b""

    def finish(self, attributes: Attributes) -> list[Problem]:
        """Give the file its size and attributes; it gets its name at the next `Writer.commit`."""
        try:
            os.ftruncate(self._descriptor, self.size)
            failed = apply(self._descriptor, attributes, is_root=self._is_root)
            if not has_syncfs():
                os.fsync(self._descriptor)
        except OSError as error:
            return [self._failed(error)]
        self.close()
        self._done()
        return [attribute_problem(self.path, failed)] if failed else []

    def abandon(self) -> None:
        """Remove what was written."""
        if self._descriptor >= 0:
            remove(self._parent, self._name)
            self.close()

    def close(self) -> None:
        """Let go; what was written keeps its temporary name, for a later run."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            os.close(self._parent)
            self._descriptor = -1

    def _failed(self, error: OSError) -> Problem:
        self.abandon()
        return trouble(self.path, error)


def create(parent: int, name: bytes, flags: int, mode: int = 0o600, *, inherits: bool = True) -> int:
    """A new, empty file that nobody else holds, whatever had its name before. inherits: the folder may hand on access lists.
    Raises OSError."""
    try:
        descriptor = os.open(name, flags, mode, dir_fd=parent)
    except FileExistsError:
        os.unlink(name, dir_fd=parent)
        descriptor = os.open(name, flags, mode, dir_fd=parent)
    if inherits:
        drop_inherited(descriptor)
    return descriptor


def remove(parent: int, name: bytes) -> None:
    """Clear a temporary name away if that can be done: it is done on the way out of a failure that is already known."""
    with suppress(OSError):
        os.unlink(name, dir_fd=parent)


def reopen(parent: int, name: bytes, identity: tuple[int, int]) -> int:
    """A pending file that another thread or process has begun, open for writing. Raises OSError, ESTALE where another file has
    its temporary name by now."""
    descriptor = os.open(name, _CONTINUE, dir_fd=parent)
    status = os.fstat(descriptor)
    if (status.st_dev, status.st_ino) != identity:
        os.close(descriptor)
        raise OSError(errno.ESTALE, "another file has taken the place of the one that was begun")
    return descriptor


def write_all(descriptor: int, data: bytes | bytearray | memoryview, offset: int) -> None:
    """Put `data` at `offset`, bytes from the file's start. Raises OSError."""
    written = os.pwrite(descriptor, data, offset)
    while written < len(data):  # a full disk answers in part first, and says why at the next call
        written += os.pwrite(descriptor, memoryview(data)[written:], offset + written)


def _left_over(parent: int, name: bytes) -> int:
    """What an earlier run left, opened, or -1: only a plain file, ours, and known by no other name is taken."""
    try:
        descriptor = os.open(name, _CONTINUE, dir_fd=parent)
    except OSError:
        return -1
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and status.st_uid == os.geteuid():
        os.fchmod(descriptor, 0o600)
        return descriptor
    os.close(descriptor)
    return -1
