"""The doors between tables and what reads or writes them: whatever a library below raises leaves here as an error of ours, and
no batch or row is larger than it may be.

A file is somebody else's bytes, and the libraries that read it may raise anything about it, or take all memory. That is the
problem of this one item; only what concerns every item (the disk is full, Ctrl-C) goes on as it is.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from restore.tables.model import BATCH_BYTES, LARGEST_ROW_BYTES, Batch, Column, Table, Value
from vault.errors import Damaged, StrongroomError, TargetError

if TYPE_CHECKING:
    import pyarrow as pa

HINT = "restore the item as it is, without --as, to look at it with other programs"
LONGEST_REASON = 300

FREE_ROWS = 2_000_000
ROWS_FOR_A_BYTE = 1000
"""Rows that a table may have whatever the size of its file, and for each byte of it: a run of equal rows takes no room where it
is stored, and all the more where it is written out."""

FREE_BYTES = 16 * 1024**3
BYTES_FOR_A_BYTE = 1000
"""Bytes of cells, likewise: one long text that a million rows point at takes no room where it is stored."""

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE}
"""What ends the run: the next item would find no room either."""


class UnwritableTable(StrongroomError):
    """A table that the format asked for cannot hold, or that its writer cannot write."""

    hint = "ask for another format with --as, or restore the item as it is"


@contextmanager
def reading(name: str) -> Iterator[None]:
    """What is raised while a file is read becomes `Damaged`. name: of its format. Raises `TargetError` where the disk has no
    room for what readers put there."""
    try:
        yield
    except StrongroomError:
        raise
    except Exception as error:
        _tell_no_room(error)
        raise Damaged(f"it cannot be read as {name}: {reason(error)}", hint=HINT) from error


@contextmanager
def writing(name: str) -> Iterator[None]:
    """What is raised while a table is written becomes `UnwritableTable`. An OSError of the system goes on: it is the
    output's."""
    try:
        yield
    except StrongroomError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise UnwritableTable(f"it cannot be written as {name}: {reason(error)}") from error


def reason(error: BaseException) -> str:
    """The first line of what an exception says, or its name."""
    if isinstance(error, MemoryError):
        return "it needs more memory than there is"
    lines = str(error).splitlines()
    return lines[0][:LONGEST_REASON] if lines and lines[0] else type(error).__name__


def _tell_no_room(error: Exception) -> None:
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        raise TargetError(
            f"there is no room for temporary files: {error.strerror}",
            hint="free some room, or set TMPDIR to a folder that has it",
        ) from error


class BoundedTable:
    """A table as its reader gives it, behind the door: it raises `Damaged` and nothing else, its batches have about
    `BATCH_BYTES`, its rows at most `LARGEST_ROW_BYTES`. format_name: for messages · size: of its file, bytes."""

    def __init__(self, table: Table, format_name: str, size: int) -> None:
        self._table = table
        self._format = format_name
        self._most_rows = max(FREE_ROWS, size * ROWS_FOR_A_BYTE)
        self._most_bytes = max(FREE_BYTES, size * BYTES_FOR_A_BYTE)
        self.name: str = table.name
        self.columns: Sequence[Column] = table.columns
        _check_row(sum(len(column.name) for column in self.columns))

    def batches(self) -> Iterator[Batch]:
        """All rows."""
        with reading(self._format):
            batches = iter(self._table.batches())
            rows = size = 0
        while True:
            with reading(self._format):
                batch = next(batches, None)
                if batch is None:
                    return
                own = sum(map(_bytes, batch.columns))
                pieces = list(_pieces(batch, own))
                rows, size = rows + batch.rows, size + own
                self._check(rows, self._most_rows, "rows")
                self._check(size, self._most_bytes, "bytes of cells")
            yield from pieces

    def _check(self, there: int, most: int, of_what: str) -> None:
        if there > most:
            raise Damaged(f"it has more than {most} {of_what} in a file of few bytes, as a decompression bomb has", hint=HINT)


def _pieces(batch: Batch, whole: int) -> Iterator[Batch]:
    """A batch in pieces of a bounded size. whole: its bytes. Raises `Damaged` where a row is too large."""
    if whole <= BATCH_BYTES:
        yield batch
        return
    start = size = 0
    for row in range(batch.rows):
        one = sum(_bytes(column[row : row + 1]) for column in batch.columns)
        _check_row(one)
        if size and size + one > BATCH_BYTES:
            yield _cut(batch, start, row)
            start, size = row, 0
        size += one
    yield _cut(batch, start, batch.rows)


def _check_row(size: int) -> None:
    if size > LARGEST_ROW_BYTES:
        raise Damaged(f"a row has {size} bytes, more than the {LARGEST_ROW_BYTES} that a row may have", hint=HINT)


def _cut(batch: Batch, start: int, end: int) -> Batch:
    return Batch([column[start:end] for column in batch.columns], end - start)


def _bytes(cells: pa.Array | list[Value]) -> int:
    """Bytes of some cells; of Python values only the texts and bytes are counted, nests are bounded by their readers."""
    if isinstance(cells, list):
        with suppress(TypeError):  # not texts alone
            return len("".join(cells))  # type: ignore[arg-type]
        return sum([len(cell) for cell in cells if isinstance(cell, (str, bytes))])
    return int(cells.nbytes)
