"""The files that are merged, and runs of them: consecutive plain CSV files with one header are read together."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

from restore.tables.loss_report import LossReport
from restore.tables.model import Batch, Column, Table
from restore.tables.readers.csv_header import Header
from restore.tables.readers.csv_plain import Head, PlainCsv, PlainCsvReader, rows_of

if TYPE_CHECKING:
    import pyarrow as pa

Opener: TypeAlias = Callable[[LossReport], AbstractContextManager[Sequence[Table]]]
"""Opens a file's tables; what their reader has to count goes to the losses given."""

RUN_BYTES = 1 << 20
"""Bytes of files that are read together: larger pieces of memory are slower, as they are new to the processor each time."""

AHEAD = 2
"""Runs that may wait for whoever takes them."""


class CsvFile(Struct, frozen=True):
    """A file that is read as CSV, all of it and nothing else. header: what its first row is, where that is known."""

    path: Path
    header: Header = None


class MergePart(Struct, frozen=True):
    """One file. source: what the `source` column says of it, its path · when: what changes are told by, its period · opened:
    opens it anew at every call · csv: the same file, where `opened` does nothing but read it as CSV: then it may be read
    together with its neighbours instead."""

    source: str
    when: str
    opened: Opener
    csv: CsvFile | None = None


class CsvRun(Struct, frozen=True):
    """Parts that were read together. names: of their columns · rows: of each part."""

    parts: tuple[MergePart, ...]
    names: tuple[str, ...]
    rows: tuple[int, ...]
    batch: pa.RecordBatch

    @property
    def columns(self) -> list[Column]:
        """All of text."""
        import pyarrow as pa

        return [Column(name, pa.string()) for name in self.names]

    @property
    def cells(self) -> Batch:
        """The rows of all parts, one after another."""
        return Batch(self.batch.columns, self.batch.num_rows)

    def sources(self) -> pa.Array:
        """The file of each row."""
        import pyarrow as pa
        import pyarrow.compute as pc

        held = [(part.source, rows) for part, rows in zip(self.parts, self.rows, strict=True) if rows]
        ends = pa.array(accumulate(rows for _, rows in held), pa.int32())
        texts = pa.array([source for source, _ in held], pa.string())
        return pc.run_end_decode(pa.RunEndEncodedArray.from_arrays(ends, texts))


def in_runs(parts: Iterable[MergePart]) -> Iterator[MergePart | CsvRun]:
    """The parts in their order: those that are plain CSV in runs, all others one by one. While the next files are read, a
    thread cuts the last ones into cells."""
    with ThreadPoolExecutor(1, thread_name_prefix="merge") as pool:
        coming: deque[Future[Sequence[MergePart | CsvRun]]] = deque()
        for files in _alike(parts):
            coming.append(pool.submit(_together, files))
            if len(coming) > AHEAD:
                yield from coming.popleft().result()
        while coming:
            yield from coming.popleft().result()


def _alike(parts: Iterable[MergePart]) -> Iterator[list[tuple[MergePart, PlainCsv | None]]]:
    """Runs of parts that are plain and have one header; each other part on its own."""
    reader = PlainCsvReader()
    waiting: list[tuple[MergePart, PlainCsv | None]] = []
    head: Head | None = None
    size = 0
    for part in parts:
        found = _plain(reader, part)
        if waiting and (found is None or found.head != head or size + len(found.body) > RUN_BYTES):
            yield waiting
            waiting, size = [], 0
        if found is None:
            yield [(part, None)]
        else:
            waiting.append((part, found))
            head, size = found.head, size + len(found.body)
    if waiting:
        yield waiting


def _plain(reader: PlainCsvReader, part: MergePart) -> PlainCsv | None:
    """What cannot be read is no plain file: who opens it on its own says why."""
    with suppress(OSError):
        return reader.read(part.csv.path, part.csv.header) if part.csv is not None else None
    return None


def _together(waiting: Sequence[tuple[MergePart, PlainCsv | None]]) -> Sequence[MergePart | CsvRun]:
    parts = tuple(part for part, _ in waiting)
    files = [file for _, file in waiting if file is not None]
    batch = rows_of(files) if files else None
    if batch is None:
        return parts
    return [CsvRun(parts, files[0].head.names, tuple(file.rows for file in files), batch)]
