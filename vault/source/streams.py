"""Contents that come in one piece after another: over a network, out of a pipe, out of a query.

A stream can be begun again at its start, and nowhere else: what lies before an offset is read and dropped.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator
from types import TracebackType
from typing import IO, Self

from vault.problems import Problem
from vault.source.attributes import NOTHING, Extended
from vault.source.contract import SMALL, TO_THE_END, UNKNOWN_SIZE, Content, Extent, ItemStream, Status, TooLarge
from vault.source.scan_columns import ScannedStatus

Begin = Callable[[], Generator[bytes, None, None]]
"""Gives the pieces of a content from its start; it is closed where the rest is not wanted. Raises OSError where the content
cannot be read, or turns out not to be whole."""

_AT_ONCE = 1 << 20


class SequentialStream:
    """A `vault.source.contract.ItemStream` over pieces. What it gives is of one moment: `begin` sees to that."""

    status: Status

    def __init__(self, path: bytes, status: ScannedStatus, begin: Begin, attributes: Extended = NOTHING) -> None:
        """status: with `UNKNOWN_SIZE` where the size is not known."""
        self.path = path
        self.status = status
        self._begin = begin
        self._attributes = attributes
        self._pieces: Generator[bytes, None, None] | None = None
        self._left = memoryview(b"")
        self._at = 0
        self._copy: IO[bytes] | None = None

    @property
    def descriptor(self) -> int:
        """Of a file without a name that holds the content; it is fetched for that."""
        if self._copy is None:
            copy = tempfile.TemporaryFile(prefix="strongroom-")  # noqa: SIM115 (closed with the stream)
            try:
                buffer, at = bytearray(_AT_ONCE), 0
                while count := self.readinto(buffer, at):
                    copy.write(memoryview(buffer)[:count])
                    at += count
                copy.flush()
            except BaseException:
                copy.close()
                raise
            self._copy = copy
        return self._copy.fileno()

    def extents(self) -> Iterator[Extent]:
        """One, of all that there is."""
        size = self.status.st_size
        if size:
            yield Extent(0, TO_THE_END if size == UNKNOWN_SIZE else size)

    def readinto(self, buffer: bytearray | memoryview, offset: int) -> int:
        """See the contract."""
        view = memoryview(buffer)
        self._move_to(offset)
        filled = 0
        while filled < len(view) and self._more():
            count = min(len(view) - filled, len(self._left))
            view[filled : filled + count] = self._left[:count]
            self._left = self._left[count:]
            filled += count
        self._at += filled
        if filled < len(view):
            self._finished()
        return filled

    def attributes(self) -> Extended:
        """What the item has beside its content."""
        return self._attributes

    def status_now(self) -> Status:
        """That of the beginning: all pieces are of one moment."""
        return self.status

    def close(self) -> None:
        """End what is still under way."""
        self._stop()
        if self._copy is not None:
            self._copy.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _move_to(self, offset: int) -> None:
        if self._pieces is None or offset < self._at:
            self._stop()
            self._pieces, self._left, self._at = self._begin(), memoryview(b""), 0
        while self._at < offset and self._more():
            count = min(offset - self._at, len(self._left))
            self._left = self._left[count:]
            self._at += count

    def _more(self) -> bool:
        """Whether there is anything left; the next piece is at hand then."""
        while not len(self._left) and self._pieces is not None:
            piece = next(self._pieces, None)
            if piece is None:
                return False
            self._left = memoryview(piece)
        return bool(len(self._left))

    def _finished(self) -> None:
        """The end was read, so that the size is known."""
        if isinstance(self.status, ScannedStatus) and self.status.st_size == UNKNOWN_SIZE:
            self.status = self.status._replace(st_size=self._at)

    def _stop(self) -> None:
        if self._pieces is not None:
            self._pieces.close()
            self._pieces, self._left = None, memoryview(b"")


class StreamReader:
    """What all readers of such contents have in common: a `vault.source.contract.SourceReader` of files without links."""

    reopens = True

    def __init__(self, prefix: bytes) -> None:
        self.prefix = prefix

    def open_large(self, path: bytes) -> ItemStream | Problem:
        """See the contract."""
        raise NotImplementedError

    def contents(self, paths: Iterable[bytes], *, limit: int = SMALL) -> Iterator[Content | TooLarge | Problem]:
        """One after another, each from `open_large`."""
        for path in paths:
            yield self._content(path, limit)

    def read_links(self, paths: Iterable[bytes]) -> list[bytes | Problem]:
        """There are none."""
        return [Problem(path, "unreadable", "it is not a link any more") for path in paths]

    def read_attributes(self, paths: Iterable[bytes]) -> list[Extended | Problem]:
        """Folders have none."""
        return [NOTHING for _ in paths]

    def close(self) -> None:
        """Nothing is left open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _relative(self, path: bytes) -> bytes:
        return path[len(self.prefix) + 1 :]

    def _content(self, path: bytes, limit: int) -> Content | TooLarge | Problem:
        stream = self.open_large(path)
        if isinstance(stream, Problem):
            return stream
        with stream:
            size = stream.status.st_size
            if size == UNKNOWN_SIZE or size > limit:
                return TooLarge(stream.status)
            try:
                buffer = bytearray(size + 1)
                count = stream.readinto(buffer, 0)
            except OSError as error:
                return Problem(path, "unreadable", f"it cannot be read: {error.strerror or error}")
            if count != size:
                return Problem(path, "size-mismatch", f"it is said to have {size} bytes, and gave {count}")
            return Content(bytes(memoryview(buffer)[:count]), stream.status, stream.attributes())
