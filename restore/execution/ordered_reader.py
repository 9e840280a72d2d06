"""Contents of files in the order of the items, whole and verified: for archives, exports, streams and everything else that is
written from front to back.

    references in the items' order -> windows (bounded) -> fetched by packs, as ever -> pieces in order -> one file at a time

Neighbours in a folder lie in several packs, by format; a window is what makes few requests of them all the same. While one is
written, the next one is fetched: who reads a download over a network, or converts tables, leaves time for it.
"""

from __future__ import annotations

import os
import threading
from bisect import bisect_right
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, NamedTuple

from restore.execution.fetcher import fetch
from restore.execution.row_view import numbers, taken
from vault.errors import Damaged, Interrupted, StrongroomError, TargetError
from vault.format import manifest
from vault.repository.pack_reader import PackReader

if TYPE_CHECKING:
    import pyarrow as pa

WINDOW_BYTES = 32 * 1024 * 1024
WINDOW_CHUNKS = 8192
"""A window ends after so many bytes of content, or chunks; two of them are in memory."""

IN_MEMORY = 16 * 1024 * 1024
"""A file up to this size waits in memory while it is put together, a larger one in a temporary file."""


class FileContent(NamedTuple):
    """A chunk of a file, or why it cannot be had. row: of the items · position: in the file, bytes."""

    row: int
    position: int
    content: bytes | StrongroomError


def pieces(references: pa.Table, reader: PackReader, stop: Callable[[], None]) -> Generator[FileContent, None, None]:
    """The chunks that `references` (of `chunk_locations.locate`) names, in their order. Raises `StorageError`."""
    given_up = threading.Event()

    def stop_or_given_up() -> None:
        if given_up.is_set():
            raise Interrupted("nobody wants the rest")
        stop()

    with ThreadPoolExecutor(1, thread_name_prefix="window") as ahead:
        try:
            before: Future[Iterator[FileContent]] | None = None
            for window in _windows(references):
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


def contents(
    items: pa.Table, references: pa.Table, reader: PackReader, stop: Callable[[], None], spool: Path | None = None
) -> Iterator[tuple[int, IO[bytes] | StrongroomError]]:
    """Each file among the items (row, its content open at its start), or the error of the first chunk that cannot be had.

    A file is closed when the next one is asked for. spool: folder for what is too large for memory, the system's own if
    None. Raises `TargetError` where that folder takes no more, `StorageError`.
    """
    import pyarrow.compute as pc

    rows = pc.indices_nonzero(pc.equal(items["type"], manifest.FILE)).to_pylist()
    sizes = taken(items.select(["size"]), rows)["size"].to_pylist()
    folder = None if spool is None else str(spool)
    coming = pieces(references, reader, stop)
    ahead = next(coming, None)
    for row, size in zip(rows, sizes, strict=True):
        stop()
        with SpooledTemporaryFile(max_size=IN_MEMORY, dir=folder) as file:
            if size > IN_MEMORY:
                file.rollover()  # holes of a large file must stay holes
            error: StrongroomError | None = None
            while ahead is not None and ahead.row == row:
                error = error or _put(file, ahead, size)
                ahead = next(coming, None)
            if error is None:
                if size > IN_MEMORY:
                    file.truncate(size)
                else:
                    file.write(bytes(size - file.seek(0, os.SEEK_END)))
                file.seek(0)
            yield row, error or file


def _put(file: IO[bytes], piece: FileContent, size: int) -> StrongroomError | None:
    if isinstance(piece.content, StrongroomError):
        return piece.content
    if piece.position + len(piece.content) > size:
        return Damaged("its content is longer than the snapshot says")
    try:
        file.seek(piece.position)
        file.write(piece.content)
    except OSError as error:
        raise TargetError(
            f"there is no room to put a file together: {error.strerror}", hint="free some room for temporary files"
        ) from error
    return None


def _windows(references: pa.Table) -> Iterator[pa.Table]:
    """Slices of the references, each of bounded content."""
    import pyarrow.compute as pc

    if not references.num_rows:
        return
    ends = numbers(pc.cumulative_sum(references["length"]))
    start = done = 0
    while start < references.num_rows:
        end = bisect_right(ends, done + WINDOW_BYTES)
        end = min(max(end, start + 1), start + WINDOW_CHUNKS)
        yield references.slice(start, end - start)
        start, done = end, ends[end - 1]
