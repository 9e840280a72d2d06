"""Contents of files in the order of the items, whole and verified: for archives, exports, streams and everything else that is
written from front to back.

    references in the items' order -> windows (bounded) -> fetched by packs, as ever -> pieces in order -> one file at a time

Neighbours in a folder lie in several packs, by format; a window is what makes few requests of them all the same. While one is
written, the next one is fetched: who reads a download over a network, or converts tables, leaves time for it.
"""

from __future__ import annotations

import io
import os
import threading
from bisect import bisect_right
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, BinaryIO, NamedTuple

from restore.execution.fetcher import fetch
from restore.execution.row_view import numbers, taken
from vault.errors import Damaged, Interrupted, StrongroomError, TargetError
from vault.format import manifest
from vault.repository.pack_reader import PackReader

if TYPE_CHECKING:
    import pyarrow as pa

WINDOW_BYTES = 32 * 1024 * 1024
WINDOW_CHUNKS = 8192
"""A window ends after so many bytes of content, or chunks; two of them are in memory, and what they are made of."""

Room = Callable[[], int]
"""Bytes of content that the next window may have; asked for each, as it may be less while others read, too."""

IN_MEMORY = 32 * 1024 * 1024
"""A file up to this size waits in memory while it is put together, a larger one in a temporary file."""


class FileContent(NamedTuple):
    """A chunk of a file, or why it cannot be had. row: of the items · position: in the file, bytes."""

    row: int
    position: int
    content: bytes | StrongroomError


def whole_window() -> int:
    """As much as is good for the one who reads alone."""
    return WINDOW_BYTES


def pieces(
    references: pa.Table, reader: PackReader, stop: Callable[[], None], room: Room = whole_window
) -> Generator[FileContent, None, None]:
    """The chunks that `references` (of `chunk_locations.locate`) names, in their order. Raises `StorageError`."""
    given_up = threading.Event()

    def stop_or_given_up() -> None:
        if given_up.is_set():
            raise Interrupted("nobody wants the rest")
        stop()

    with ThreadPoolExecutor(1, thread_name_prefix="window") as ahead:
        try:
            before: Future[Iterator[FileContent]] | None = None
            for window in _windows(references, room):
                coming = ahead.submit(_fetched, window, reader, stop_or_given_up)
                if before is not None:
                    yield from before.result()
                before = coming
            if before is not None:
                yield from before.result()
        finally:
            given_up.set()


def _fetched(window: pa.Table, reader: PackReader, stop: Callable[[], None]) -> Iterator[FileContent]:
    """A whole window is in memory when this returns, and goes as it is asked for."""
    got: dict[tuple[int, int], bytes | StrongroomError] = {}
    for part in fetch(window, reader, stop, list):
        for use, content in part:
            got.update(dict.fromkeys(use.targets, content))
    places = zip(window["row"].to_pylist(), window["position"].to_pylist(), strict=True)
    return (FileContent(row, position, got.pop((row, position))) for row, position in places)


class HeldContent(io.BufferedIOBase, BinaryIO):
    """A whole file in memory, as the pieces in which it came: who can take these copies nothing."""

    def __init__(self, held: Sequence[bytes]) -> None:
        self._held = held
        self._ends: list[int] = []
        for piece in held:
            self._ends.append((self._ends[-1] if self._ends else 0) + len(piece))
        self._at = 0

    def pieces(self) -> Sequence[bytes]:
        """All of it, from its start, wherever one reads."""
        return self._held

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Where the next bytes are read."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Raises ValueError for a place before the start."""
        at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if at < 0:
            raise ValueError("a place before the start of the content")
        self._at = at
        return at

    def read(self, size: int | None = -1) -> bytes:
        """So many bytes, or all that are left; fewer at the end alone."""
        end = self._size if size is None or size < 0 else min(self._at + size, self._size)
        found: list[bytes] = []
        number = bisect_right(self._ends, self._at)
        while self._at < end:
            piece, begin = self._held[number], self._ends[number] - len(self._held[number])
            found.append(piece[self._at - begin : end - begin])
            self._at = min(end, self._ends[number])
            number += 1
        return found[0] if len(found) == 1 else b"".join(found)

    def read1(self, size: int = -1) -> bytes:
        """As `read`."""
        return self.read(size)

    @property
    def _size(self) -> int:
        return self._ends[-1] if self._ends else 0


def contents(
    items: pa.Table,
    references: pa.Table,
    reader: PackReader,
    stop: Callable[[], None],
    spool: Path | None = None,
    room: Room = whole_window,
) -> Iterator[tuple[int, IO[bytes] | StrongroomError]]:
    """Each file among the items (row, its content open at its start), or the error of the first chunk that cannot be had.

    A file is good until the next one is asked for; one that is not large is `HeldContent`. spool: folder for what is too large
    for memory, the system's own if None. Raises `TargetError` where that folder takes no more, `StorageError`.
    """
    import pyarrow.compute as pc

    rows = pc.indices_nonzero(pc.equal(items["type"], manifest.FILE)).to_pylist()
    sizes = taken(items.select(["size"]), rows)["size"].to_pylist()
    coming = _Coming(pieces(references, reader, stop, room))
    for row, size in zip(rows, sizes, strict=True):
        stop()
        if size <= min(IN_MEMORY, room()):
            yield row, _held(coming.of(row), size)
            continue
        with _spool(spool) as file:
            error = _spooled(coming.of(row), size, file)
            yield row, error or file


class _Coming:
    """Pieces, file by file."""

    def __init__(self, found: Iterator[FileContent]) -> None:
        self._found = found
        self._next = next(found, None)

    def of(self, row: int) -> Iterator[FileContent]:
        """Those of a file, all of which must be taken before others are asked for."""
        while (piece := self._next) is not None and piece.row == row:
            self._next = None  # a piece is not kept longer than whoever takes it does
            yield piece
            self._next = next(self._found, None)


def _held(found: Iterator[FileContent], size: int) -> IO[bytes] | StrongroomError:
    """What has come of a file, with zeros where it has holes."""
    held: list[bytes] = []
    at = 0

    def put(position: int, content: bytes) -> None:
        nonlocal at
        if position > at:
            held.append(bytes(position - at))
        held.append(content)
        at = position + len(content)

    error = _put_all(found, size, put)
    if error is None and at < size:
        held.append(bytes(size - at))
    return error or HeldContent(held)


def _spooled(found: Iterator[FileContent], size: int, file: IO[bytes]) -> StrongroomError | None:
    """Put a large file together, whose holes stay holes; gives why it cannot be had. Raises `TargetError`."""

    def put(position: int, content: bytes) -> None:
        with _room():
            file.seek(position)
            file.write(content)

    error = _put_all(found, size, put)
    with _room():
        file.truncate(size)
        file.seek(0)
    return error


def _put_all(found: Iterator[FileContent], size: int, put: Callable[[int, bytes], None]) -> StrongroomError | None:
    """Every piece of a file to its place, by position and content; or the error of the first that cannot be had."""
    error: StrongroomError | None = None
    for piece in found:
        content = piece.content
        if isinstance(content, bytes) and piece.position + len(content) > size:
            content = Damaged("its content is longer than the snapshot says")
        if isinstance(content, StrongroomError):
            error = error or content
        elif error is None:
            put(piece.position, content)
    return error


@contextmanager
def _spool(folder: Path | None) -> Iterator[IO[bytes]]:
    with _room():
        file = TemporaryFile(dir=folder)  # noqa: SIM115 (what whoever reads it meets has other reasons)
    with file:
        yield file


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TargetError(
            f"there is no room to put a file together: {error.strerror}", hint="free some room for temporary files"
        ) from error


def _sound(piece: FileContent, size: int) -> bytes | StrongroomError:
    """What is in a piece that lies within its file."""
    if isinstance(piece.content, bytes) and piece.position + len(piece.content) > size:
        return Damaged("its content is longer than the snapshot says")
    return piece.content


def _windows(references: pa.Table, room: Room) -> Iterator[pa.Table]:
    """Slices of the references, each of bounded content."""
    import pyarrow.compute as pc

    if not references.num_rows:
        return
    ends = numbers(pc.cumulative_sum(references["length"]))
    start = done = 0
    while start < references.num_rows:
        end = bisect_right(ends, done + room())
        end = min(max(end, start + 1), start + WINDOW_CHUNKS)
        yield references.slice(start, end - start)
        start, done = end, ends[end - 1]
