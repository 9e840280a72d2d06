"""Profiles of tables: a few numbers by which a later version can be compared with this one without reading this one.

A host that backs up has no key to what it stored before. The profile of a table stays in the manifest: its rows, how many cells
of each column are not empty, and a sketch of its rows, by which the rows that two versions share are estimated.

Only so many tables are profiled, and small ones, that an hourly backup costs a third of a second more at most. Which they are
is decided by a hash of their paths, so that it is the same ones every time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from heapq import nsmallest
from typing import TYPE_CHECKING

import msgspec.msgpack
from blake3 import blake3
from msgspec import Struct

from vault.backup import forked_task
from vault.backup.forked_task import ForkedTask
from vault.format import parquet
from vault.format.manifest import MOST_COLUMNS, SKETCH_SIZE
from vault.problems import Problem

if TYPE_CHECKING:
    import pyarrow as pa

    from vault.backup.read_results import ReadResults
    from vault.source.contract import SourceReader

MANY = 1 << 17
"""Rows of a manifest, from which on those without a profile take no room: 48 MB of a million. Of fewer, pages would be cut
elsewhere than in the manifests before."""

MOST_TABLES = 256
"""Tables that one run profiles."""

LARGEST = 512 * 1024
"""Bytes of a file that is profiled. A workbook of so many takes half a second."""

MOST_BYTES = 2 * 1024 * 1024
"""Of all these files together. A megabyte of CSV or JSON takes 0.1 s, one of a workbook 0.5 s: see `WORKBOOK`."""

WORKBOOK, WORKBOOKS = 4, frozenset({"ods", "xlsb", "xlsx"})
"""A compressed workbook counts so many times its size."""

WORTH_A_PROCESS = 512 * 1024
"""Of the same bytes, from which on a process of its own looks into tables: they take it 50 ms then, and to fork it 10 ms."""

_HASH = 8
_AT_ONCE = 4096
"""Rows of a table that are Python objects at once."""


class TableProfile(Struct, frozen=True):
    """rows: that are not empty; None where the file does not open · columns: a hash of the name of each, filled: how many cells
    in it are not empty; at most `MOST_COLUMNS` · sketch: see `Sketch`."""

    rows: int | None
    columns: tuple[int, ...] = ()
    filled: tuple[int, ...] = ()
    sketch: bytes = bytes(SKETCH_SIZE)


class Profiler(Struct, frozen=True):
    """formats: that are tables · of: the profile of an open file (its descriptor) of such a format. Raises nothing."""

    formats: frozenset[str]
    of: Callable[[int, str], TableProfile]


class Sketch:
    """A set of rows in 32 bytes: each row falls into one of 32 bins by its hash, the least of each bin counts, and a byte of it
    is kept. Nobody can tell a row from it, and equal bins tell what share of rows two tables have in common."""

    def __init__(self) -> None:
        self._least = [1 << 64] * SKETCH_SIZE

    def add(self, row: bytes) -> None:
        """A row, as bytes that are equal for equal rows."""
        number = int.from_bytes(blake3(row).digest(_HASH), "little")
        place, rest = number % SKETCH_SIZE, number // SKETCH_SIZE
        self._least[place] = min(self._least[place], rest)

    @property
    def data(self) -> bytes:
        """As a manifest has it: 0 for a bin without rows."""
        return bytes(0 if least == 1 << 64 else least % 255 + 1 for least in self._least)


def column_hash(table: str, column: str) -> int:
    """What a profile knows of a column's name. table: of the sheet."""
    return int.from_bytes(blake3(f"{table}\0{column}".encode("utf-8", "surrogatepass")).digest(4), "little", signed=True)


def remaining_share(old: TableProfile, new: TableProfile) -> float:
    """The share of the old version's rows that the new one has, estimated; 1 where the old one had none."""
    if not old.rows:
        return 1.0
    pairs = [(one, other) for one, other in zip(old.sketch, new.sketch, strict=True) if one or other]
    common = sum(one == other for one, other in pairs) / max(1, len(pairs))
    return min(1.0, common / (1 + common) * (old.rows + (new.rows or 0)) / old.rows)


class TableProfiling:
    """Profiles tables among what a run reads. Where there is enough to do, a process of its own looks meanwhile into those that
    names of files speak for; at the end what is left is done of those that their contents speak for."""

    def __init__(
        self, reader: SourceReader, scan: pa.Table, rows: pa.Array, profiler: Profiler | None, stop: Callable[[], None]
    ) -> None:
        """scan: with `path` and `size` · rows: of it, that will be read · profiler: None where nothing can be profiled."""
        self._reader = reader
        self._scan = scan.select(["path", "size"])
        self._profiler = profiler if reader.reopens else None
        self._stop = stop
        self._beside: ForkedTask | None = None
        if self._profiler is not None and forked_task.is_possible():
            self._begin(_by_name(self._scan, rows, self._profiler.formats), self._profiler)

    def finish(self, results: ReadResults) -> dict[bytes, TableProfile]:
        """The profiles, by path. results: what was read."""
        if self._profiler is None or not len(results):
            return {}
        chosen = [one[:2] for one in _chosen(_by_content(self._scan, results, self._profiler.formats))]
        found = {} if self._beside is None else _decoded(self._beside.result(self._stop))
        profiles = {}
        for path, format_ in chosen:
            self._stop()
            profile = found.get((path, format_)) or self._of(path, format_, self._profiler)
            if profile is not None:
                profiles[path] = profile
        return profiles

    def close(self) -> None:
        """End what is still going on."""
        if self._beside is not None:
            self._beside.close()

    def _begin(self, tables: Iterable[tuple[bytes, int, str]], profiler: Profiler) -> None:
        chosen = list(_chosen(tables))
        if sum(weight for _, _, weight in chosen) < WORTH_A_PROCESS:
            return
        found = ((path, format_, self._of(path, format_, profiler)) for path, format_, _ in chosen)
        with suppress(OSError):  # there is no room for a process
            self._beside = ForkedTask(lambda: msgspec.msgpack.encode([one for one in found if one[2] is not None]))

    def _of(self, path: bytes, format_: str, profiler: Profiler) -> TableProfile | None:
        """None: the file went meanwhile."""
        file = self._reader.open_large(path)
        if isinstance(file, Problem):
            return None
        with file:
            return profiler.of(file.descriptor, format_)


def _decoded(found: bytes | None) -> dict[tuple[bytes, str], TableProfile]:
    """What a process has found; nothing where it came to no end."""
    if found is None:
        return {}
    profiles = msgspec.msgpack.decode(found, type=list[tuple[bytes, str, TableProfile]])
    return {(path, format_): one for path, format_, one in profiles}


def _by_name(scan: pa.Table, rows: pa.Array, formats: Collection[str]) -> Iterator[tuple[bytes, int, str]]:
    """Path, bytes and format of each row that its name calls a table, a few thousand at a time as Python objects."""
    known = {name.encode(): name for name in formats}
    paths, sizes = scan["path"].combine_chunks(), scan["size"].combine_chunks()
    for start in range(0, len(rows), _AT_ONCE):
        part = rows.slice(start, _AT_ONCE)
        for path, size in zip(paths.take(part).to_pylist(), sizes.take(part).to_pylist(), strict=True):
            format_ = known.get(path.rpartition(b".")[2].lower())
            if format_ is not None and 0 < size <= LARGEST:
                yield path, size, format_


def _by_content(scan: pa.Table, results: ReadResults, formats: Collection[str]) -> Iterator[tuple[bytes, int, str]]:
    """The same of what was read, by what it was found to be."""
    import pyarrow as pa
    import pyarrow.compute as pc

    paths, sizes, known = scan["path"].combine_chunks(), scan["size"].combine_chunks(), pa.array(sorted(formats), pa.string())
    for batch in results.formats().to_batches(max_chunksize=_AT_ONCE):
        batch = batch.filter(pc.is_in(batch["format"], value_set=known))
        size = sizes.take(batch["row"])
        fits = pc.and_(pc.greater(size, 0), pc.less_equal(size, LARGEST))
        rows, size, names = (column.filter(fits) for column in (batch["row"], size, batch["format"]))
        yield from zip(paths.take(rows).to_pylist(), size.to_pylist(), names.to_pylist(), strict=True)


def _chosen(tables: Iterable[tuple[bytes, int, str]]) -> Iterator[tuple[bytes, str, int]]:
    """The tables that are profiled, each with what it counts. tables: path, bytes, format."""
    left = MOST_BYTES
    for path, size, format_ in nsmallest(MOST_TABLES, tables, key=lambda one: blake3(one[0]).digest(_HASH)):
        weight = size * WORKBOOK if format_ in WORKBOOKS else size
        left -= weight
        if left < 0:
            return
        yield path, format_, weight


def with_profiles(table: pa.Table, profiles: Mapping[bytes, TableProfile]) -> pa.Table:
    """Rows of a manifest with the profiles that are known of them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not profiles:
        return table
    kind = table.schema.field("profile")
    values = pa.array([_as_row(one) for one in profiles.values()], kind.type)
    places = pc.index_in(table["path"], value_set=pa.array(list(profiles), pa.binary())).combine_chunks()
    place = table.schema.get_field_index("profile")
    if len(table) < MANY:
        return table.set_column(place, kind, values.take(places))
    parts, end = [], 0
    for row in pc.indices_nonzero(pc.is_valid(places)).to_pylist():  # few: what lies between them takes no room
        parts += [*parquet.repeated(pa.scalar(None, kind.type), row - end).chunks, values.take(places.slice(row, 1))]
        end = row + 1
    parts += parquet.repeated(pa.scalar(None, kind.type), len(table) - end).chunks
    return table.set_column(place, kind, pa.chunked_array(parts, kind.type))


def _as_row(one: TableProfile) -> dict[str, object]:
    columns, filled = one.columns[:MOST_COLUMNS], one.filled[:MOST_COLUMNS]
    return {"rows": one.rows, "columns": columns, "filled": filled, "sketch": one.sketch}


def from_row(row: Mapping[str, object] | None) -> TableProfile | None:
    """A profile as a manifest has it; None where it has none, or one that makes no sense."""
    match row:
        case {"rows": int() | None as rows, "columns": list(columns), "filled": list(filled), "sketch": bytes(sketch)}:
            return TableProfile(rows, tuple(columns), tuple(filled), sketch)
    return None
