"""One item, open for reading from any place of it."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from restore.fsspec.file_contents import FileContents, FileMap
from vault.errors import StrongroomError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BUFFER = 8 * 1024
"""Bytes that are held for callers who ask for a few at a time; the chunks behind them are in the cache."""


def open_file(contents: FileContents, row: int, name: str) -> io.BufferedReader:
    """The item of a row. name: for messages. Raises OSError where its content cannot be had."""
    with as_os_error(name):
        return io.BufferedReader(_ItemFile(contents, contents.map_of(row), name), BUFFER)


class _ItemFile(io.RawIOBase):
    """Reads what is asked for and fetches only the chunks that it touches; a few more where it is read from front to back."""

    mode = "rb"

    def __init__(self, contents: FileContents, one: FileMap, name: str) -> None:
        self._contents = contents
        self._map = one
        self._at = 0
        self._end_of_last = -1
        self.name = name
        self.size = one.size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence]
        if base + offset < 0:
            raise OSError(errno.EINVAL, "there is nothing before the start of a file", self.name)
        self._at = base + offset
        return self._at

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Raises OSError for a read that touches a damaged chunk; others of the same file go on working."""
        view = memoryview(buffer).cast("B")
        count = max(0, min(len(view), self.size - self._at))
        if count <= BUFFER:
            count = self._within_chunk(count)
        if count:
            sequential = self._at == self._end_of_last
            with as_os_error(self.name):
                self._contents.read_into(self._map, self._at, view[:count], ahead=sequential)
            self._at += count
            self._end_of_last = self._at
        return count

    def _within_chunk(self, count: int) -> int:
        """A short read ends where the chunk ends: the next one may never be needed."""
        touched = self._map.touched(self._at, self._at + count) if count else range(0)
        for number in touched:
            if self._at < self._map.end(number) < self._at + count:
                return self._map.end(number) - self._at
        return count


@contextmanager
def as_os_error(name: str) -> Iterator[None]:
    """Our errors as what every library takes for an error of reading."""
    try:
        yield
    except StrongroomError as error:
        raise OSError(errno.EIO, f"it cannot be read: {error}", name) from error
