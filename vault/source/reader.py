"""Reading what a scan has found: many small files in batches, large ones as streams.

What a scan saw is history by the time of reading: what counts is the status taken from the open file around the
reading. Equal before and after means that the content is of one moment, as far as the file system's clock can tell: two
writes within one tick of it (some milliseconds on older kernels) look alike. So a file whose ctime lies within a tick
of its own reading deserves a second look in the next run.

A file that changes is read again, a few times. One that only grows, a log for one, never rests, and its beginning is of one
moment all the same: bytes that are equal in two readings, one after the other, were all there between the two.

Paths are those of the scan's table: prefix, "/", path relative to the root. A `Reader` may be used by several threads
at once.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self

from vault.problems import Problem
from vault.source.attributes import NOTHING, Extended, extended
from vault.source.contract import SMALL, Consistency, Content, Extent, Status, TooLarge
from vault.source.folder_descent import Descent

TRIES = 3
_OPEN = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
_NO_ATIME = getattr(os, "O_NOATIME", 0)
_REPLACED = {errno.ENOTDIR, errno.ELOOP}


class Reader:
    """Reads items below one folder: a `vault.source.contract.SourceReader`. Raises SourceError where the root cannot be
    opened."""

    reopens = True

    def __init__(self, root: bytes | int, prefix: bytes) -> None:
        """root: the folder, or its descriptor, which is then this reader's."""
        self.prefix = prefix
        self._cut = len(prefix) + 1
        self._root = root if isinstance(root, int) else _opened(root)
        self._owner_only = _NO_ATIME

    @property
    def descriptor(self) -> int:
        """Of the root folder."""
        return self._root

    def read_small(self, paths: Iterable[bytes], *, limit: int = SMALL) -> list[Content | TooLarge | Problem]:
        """One answer a path, in order (sorted paths are the fastest). A file that changes while it is read is read up
        to `TRIES` times; the last content says whether it is of one moment. Problems: vanished-while-read, unreadable,
        size-mismatch."""
        return list(self.contents(paths, limit=limit))

    def contents(self, paths: Iterable[bytes], *, limit: int = SMALL) -> Iterator[Content | TooLarge | Problem]:
        """As `read_small`, one after another: only one content need be in memory."""
        with Descent(self._root) as descent:
            for path in paths:
                try:
                    descriptor = self._open(descent, path)
                    try:
                        answer = _read_whole(descriptor, path, limit)
                    finally:
                        os.close(descriptor)
                except OSError as error:
                    answer = _problem(path, error)
                yield answer

    def open_large(self, path: bytes) -> LargeFile | Problem:
        """The file as a stream; the caller closes it. Problems: vanished-while-read, unreadable."""
        with Descent(self._root) as descent:
            try:
                descriptor = self._open(descent, path)
            except OSError as error:
                return _problem(path, error)
        try:
            status = os.fstat(descriptor)
        except OSError as error:
            os.close(descriptor)
            return _problem(path, error)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            return _not_a_file(path)
        return LargeFile(path, descriptor, status)

    def read_links(self, paths: Iterable[bytes]) -> list[bytes | Problem]:
        """Where each symbolic link points to, as it is stored in the link; in order."""
        answers: list[bytes | Problem] = []
        with Descent(self._root) as descent:
            for path in paths:
                folder, _, name = path[self._cut :].rpartition(b"/")
                try:
                    answers.append(os.readlink(name, dir_fd=descent.reach(folder)))
                except OSError as error:
                    answers.append(_problem(path, error))
        return answers

    def read_attributes(self, paths: Iterable[bytes]) -> list[Extended | Problem]:
        """The extended attributes of files and folders; in order."""
        answers: list[Extended | Problem] = []
        with Descent(self._root) as descent:
            for path in paths:
                try:
                    descriptor = self._open(descent, path)
                except OSError as error:
                    answers.append(_problem(path, error))
                    continue
                answers.append(extended(descriptor))
                os.close(descriptor)
        return answers

    def _open(self, descent: Descent, path: bytes) -> int:
        folder, _, name = path[self._cut :].rpartition(b"/")
        parent = descent.reach(folder)
        try:
            return os.open(name or b".", _OPEN | self._owner_only, dir_fd=parent)
        except PermissionError as error:
            # only a file's owner may read it without a trace; EPERM, unlike EACCES, says that this was the reason
            if error.errno != errno.EPERM or not self._owner_only:
                raise
            self._owner_only = 0
            return os.open(name or b".", _OPEN, dir_fd=parent)

    def close(self) -> None:
        os.close(self._root)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _opened(root: bytes) -> int:
    from vault.source.scan import open_root  # which worker processes do not need, nor what it brings

    return open_root(root)


class LargeFile:
    """An open file. Whether to read again when its status has changed, and what to report, is the caller's decision.

    path: as in the scan's table · status: taken at opening; the caller renews it before another reading ·
    descriptor: closed with this object.
    """

    def __init__(self, path: bytes, descriptor: int, status: os.stat_result) -> None:
        self.path = path
        self.status: Status = status
        self.descriptor = descriptor

    def extents(self) -> Iterator[Extent]:
        """The runs of data below the size at opening, in order; one run for a file without holes. Raises OSError."""
        size = self.status.st_size
        blocks = getattr(self.status, "st_blocks", size)
        if not hasattr(os, "SEEK_DATA") or blocks * 512 >= size:
            if size:
                yield Extent(0, size)
            return
        at = 0
        while at < size:
            try:
                start = os.lseek(self.descriptor, at, os.SEEK_DATA)
                at = min(os.lseek(self.descriptor, start, os.SEEK_HOLE), size)
            except OSError as error:
                if error.errno == errno.ENXIO:  # nothing but a hole up to the end
                    return
                raise
            if start < at:
                yield Extent(start, at - start)

    def readinto(self, buffer: bytearray | memoryview, offset: int) -> int:
        """Fill `buffer` from `offset`; fewer bytes than it holds only where the file ends. Raises OSError."""
        view = memoryview(buffer)
        filled = 0
        while filled < len(view):
            count = os.preadv(self.descriptor, [view[filled:]], offset + filled)
            if count == 0:
                break
            filled += count
        return filled

    def attributes(self) -> Extended:
        """The file's extended attributes."""
        return extended(self.descriptor)

    def status_now(self) -> os.stat_result:
        """The file's status as it is by now; equal to `status` (see `same_status`) as long as the file rests."""
        return os.fstat(self.descriptor)

    def close(self) -> None:
        os.close(self.descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _read_whole(descriptor: int, path: bytes, limit: int) -> Content | TooLarge | Problem:
    before = os.fstat(descriptor)
    if not stat.S_ISREG(before.st_mode):
        return _not_a_file(path)
    data, attributes, after = b"", NOTHING, before
    for attempt in range(TRIES):
        before = after
        if attempt:
            os.lseek(descriptor, 0, os.SEEK_SET)
        if before.st_size > limit or (before.st_blocks * 512 < before.st_size and _has_hole(descriptor, before.st_size)):
            return TooLarge(before)
        data = _read(descriptor, before.st_size + 1)
        attributes = extended(descriptor)
        after = os.fstat(descriptor)
        if same_status(before, after) and len(data) == after.st_size:
            return Content(data, after, attributes)
    if same_status(before, after):
        return size_mismatch(path, after.st_size)
    prefix = data[: before.st_size]
    if after.st_size < before.st_size or len(prefix) < before.st_size or not _gives_again(descriptor, prefix):
        return Content(data, before, attributes, Consistency.MIXED)
    if after.st_size == before.st_size:  # only its times have changed
        return Content(prefix, after, attributes)
    return Content(prefix, before, attributes, Consistency.PREFIX)


def _gives_again(descriptor: int, content: bytes) -> bool:
    """Whether a second reading gives the same bytes, so that all of them were there between the two."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    return _read(descriptor, len(content)) == content


def size_mismatch(path: bytes, size: int) -> Problem:
    """A file that is at rest, and whose reading gives another number of bytes than `size`, which its status says."""
    return Problem(
        path,
        "size-mismatch",
        f"it is said to have {size} bytes and gives another number of them, as files do that the system makes up while they "
        "are read (below /proc and /sys); leave it out, or back up a copy of it",
    )


def _has_hole(descriptor: int, size: int) -> bool:
    """Whether there is one before the end; fewer blocks than bytes may also mean that the file system compresses."""
    if not hasattr(os, "SEEK_HOLE"):
        return False
    try:
        return os.lseek(descriptor, 0, os.SEEK_HOLE) < size
    except OSError:
        return False
    finally:
        os.lseek(descriptor, 0, os.SEEK_SET)


def _read(descriptor: int, length: int) -> bytes:
    """Up to `length` bytes. One byte more than the file has tells in one call that it ends where it should."""
    data = os.read(descriptor, length)
    if len(data) >= length - 1:
        return data
    pieces = [data]  # rare: some file systems answer in parts
    missing = length - len(data)
    while missing and (more := os.read(descriptor, missing)):
        pieces.append(more)
        missing -= len(more)
    return b"".join(pieces)


def same_status(before: Status, after: Status) -> bool:
    """Whether a file shows no change between two moments."""
    return (
        before.st_mtime_ns == after.st_mtime_ns
        and before.st_ctime_ns == after.st_ctime_ns
        and before.st_size == after.st_size
        and before.st_ino == after.st_ino
    )


def _problem(path: bytes, error: OSError) -> Problem:
    if error.errno == errno.ENOENT:
        return Problem(path, "vanished-while-read", "it was removed while the backup ran")
    if error.errno in _REPLACED:
        return Problem(
            path, "vanished-while-read", "a link or another thing took its place, or its folder's, while the backup ran"
        )
    return Problem(path, "unreadable", f"it cannot be read: {error.strerror}")


def _not_a_file(path: bytes) -> Problem:
    return Problem(path, "unreadable", "it is not a regular file any more")
