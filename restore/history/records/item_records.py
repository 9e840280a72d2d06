"""What each version of each item has of one record.

    ledger -> versions of items that may hold records -> contents that differ -> the fewest manifests that have them all
    JSON Lines      chunk by chunk (`chunk_lines`); a version whose chunks have the line as it was is not read
    other tables    each content once

Of an item whose content cannot be read it is not known what it has of the record; that is a problem, and costs nothing else.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, field

from restore.execution.fetcher import fetch, portions, read_portion
from restore.execution.stream import stream
from restore.history.ledger import Ledger, Mask
from restore.history.records.chunk_lines import ChunkLines, FoundLine, is_at_home, neighbourhood
from restore.history.records.record_id import RecordId
from restore.history.records.table_rows import FoundRecord, primary_key, rows_of
from restore.history.timeline import SnapshotWindow, timeline
from restore.selection.select import Selection
from restore.selection.versions import by_snapshot
from restore.tables.formats import FORMATS, is_table
from restore.tables.model import Table
from restore.tables.readers.json_values import parse
from vault.errors import Damaged, Interrupted, StorageError, StrongroomError
from vault.format import manifest
from vault.format.chunks import ID_SIZE
from vault.format.layout import CONTENT_TIER
from vault.problems import Problem, printable
from vault.progress import NoProgress, Progress
from vault.repository import snapshots
from vault.repository.catalog_chunks import MetaReader
from vault.repository.chunk_index import ChunkIndex
from vault.repository.orphan_packs import repaired_index
from vault.repository.pack_reader import PackReader
from vault.repository.pack_reader import places as chunk_places
from vault.repository.project import Project

if TYPE_CHECKING:
    import pyarrow as pa

JSON_LINES = "jsonl"
LARGEST = 1 << 30
"""Bytes of a version of another format; larger ones are not looked into."""

COLUMNS = ["path", "type", "size", "blake3", "chunks", "period_start"]
"""Of manifests, what getting a content takes."""

READERS = 4
"""Manifests that are read at once."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""Before the first line of some files."""

FEW = 8
"""Chunks that are read without threads of their own."""

AHEAD_VERSIONS, AHEAD_CHUNKS = 64, 256
"""While a record is not met, the chunks of so many versions are read together, as long as there are no more than that."""

OpenTables = Callable[[Path, str, str], Sequence[Table]]
"""The tables of a file of a format, from a source. Raises `Damaged`."""


class Opening(Struct, frozen=True):
    """How items are opened. format_of: the format of an item where its manifest does not say, going by its path · keys: what
    the source states of an item's records: the field that tells them apart, or ""."""

    open_tables: OpenTables
    format_of: Callable[[bytes], str]
    keys: Callable[[str, bytes], str]
    stop: Callable[[], None] = lambda: None
    progress: Progress = field(default_factory=NoProgress)


class ItemVersion(Struct, frozen=True):
    """A version of an item. first, last: numbers of the snapshots · is_there: whether the source had it."""

    path: bytes
    first: int
    last: int
    digest: bytes | None
    size: int
    format: str
    is_there: bool


class RecordVersion(Struct, frozen=True):
    """What a version of an item has of the record. first, last: numbers of snapshots · found: None where it has not · known:
    whether its content could be read · is_there: whether the source had the item."""

    path: bytes
    first: int
    last: int
    found: FoundRecord | None
    known: bool = True
    is_there: bool = True


class ItemRecords(Struct):
    """Of one source. versions: by path and time, of items that ever had the record · problems: items that could not be read ·
    items, contents, chunks_read: how much was looked at."""

    versions: list[RecordVersion] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    items: int = 0
    contents: int = 0
    chunks_read: int = 0


class RecordReader:
    """Looks for a record in the items of a project. One index serves all."""

    def __init__(self, project: Project, record: RecordId, opening: Opening) -> None:
        self._project = project
        self._record = record
        self._needles = record.needles()
        self._opening = opening
        self._index = repaired_index(project, ChunkIndex.load(project))
        self._meta = MetaReader(project, self._index)
        self._packs = PackReader(project, self._index)

    def read(self, source: str, ledger: Ledger, mask: Mask | None, over: SnapshotWindow) -> ItemRecords:
        """The versions of a source's items, over some snapshots. Raises `StorageError`."""
        found = ItemRecords()
        versions = [one for one in _versions(ledger, mask, over, self._opening) if one.format]
        rows = self._rows(ledger, versions)
        self._opening.progress.phase("reading versions", items=len(versions))
        for path, group in groupby(versions, key=lambda one: one.path):
            self._opening.stop()
            own = list(group)
            found.items += 1
            looked = list(self._item(source, path, own, rows, ledger, found))
            if any(one.found is not None for one in looked):
                found.versions += looked
            self._opening.progress.advance(items=len(own))
        return found

    def _rows(self, ledger: Ledger, versions: Sequence[ItemVersion]) -> dict[tuple[bytes, bytes], pa.Table]:
        """A manifest's row for each content of each item; none for those of manifests that cannot be read."""
        wanted = {(one.path, one.digest): one for one in reversed(versions) if one.digest is not None and one.is_there}
        groups = list(by_snapshot(list(wanted.values())))
        found: dict[tuple[bytes, bytes], pa.Table] = {}
        self._opening.progress.phase("reading manifests", items=len(groups))
        pool = ThreadPoolExecutor(READERS, thread_name_prefix="manifests")
        try:
            for rows in pool.map(lambda group: self._rows_of(ledger, *group), groups):
                self._opening.stop()
                self._opening.progress.advance(items=1)
                if rows is not None:
                    for place, key in enumerate(zip(rows["path"].to_pylist(), rows["blake3"].to_pylist(), strict=True)):
                        found[key] = rows.slice(place, 1)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        return found

    def _rows_of(self, ledger: Ledger, number: int, held: Sequence[ItemVersion]) -> pa.Table | None:
        """The rows of some items in a snapshot's manifest; None where it cannot be read."""
        import pyarrow as pa
        import pyarrow.compute as pc

        try:
            table = snapshots.read_manifest(self._meta, ledger.records[number], columns=COLUMNS)
        except Damaged:
            return None
        paths = pa.array(sorted({one.path for one in held}), pa.binary())
        return table.filter(pc.is_in(table["path"], value_set=paths)).combine_chunks()

    def _item(
        self,
        source: str,
        path: bytes,
        versions: Sequence[ItemVersion],
        rows: dict[tuple[bytes, bytes], pa.Table],
        ledger: Ledger,
        report: ItemRecords,
    ) -> Iterator[RecordVersion]:
        stated = self._opening.keys(source, path)
        known: dict[bytes, FoundRecord | Damaged | None] = {}
        lines = LineItem(self._record, stated, ChunkLines(self._needles, self._fetch))
        coming = _Ahead(versions, rows)
        for place, one in enumerate(versions):
            self._opening.stop()
            if not one.is_there:
                yield RecordVersion(path, one.first, one.last, None, is_there=False)
                continue
            if one.digest is not None and one.digest not in known:
                row = rows.get((path, one.digest))
                report.contents += 1
                if one.format == JSON_LINES and row is not None:
                    lines.read_ahead(coming, place)
                known[one.digest] = self._content(source, one, row, lines, stated, ledger)
            found = known.get(one.digest) if one.digest is not None else None
            if isinstance(found, Damaged):
                report.problems.append(Problem(path, "not-read", f"{_since(ledger, one)}: {found}"))
                yield RecordVersion(path, one.first, one.last, None, known=False)
            else:
                yield RecordVersion(path, one.first, one.last, found)
        report.chunks_read += lines.chunks_read

    def _content(
        self, source: str, one: ItemVersion, row: pa.Table | None, lines: LineItem, stated: str, ledger: Ledger
    ) -> FoundRecord | Damaged | None:
        if row is None:
            return Damaged("the manifest that says of what it is made cannot be read")
        try:
            if one.format == JSON_LINES:
                return lines.record(_chunk_ids(row))
            return self._table(source, one, row, stated, ledger)
        except (StorageError, Interrupted):
            raise
        except StrongroomError as error:
            return error if isinstance(error, Damaged) else Damaged(str(error))

    def _table(self, source: str, one: ItemVersion, row: pa.Table, stated: str, ledger: Ledger) -> FoundRecord | None:
        """Of a table that is no JSON Lines: its content is put into a private file for the moment."""
        if one.size > LARGEST:
            raise Damaged(f"it has {one.size} bytes: more than {LARGEST} are not looked into")
        selection = Selection(self._project, (ledger.records[one.last],), row, manifest.schema().empty_table(), self._index)
        folder = tempfile.mkdtemp(prefix="strongroom-")  # made 0700
        try:
            file = Path(folder) / "content"
            with file.open("wb") as out:
                stream(selection, out, self._opening.stop)
            tables = self._opening.open_tables(file, one.format, source)
            key = primary_key(file, one.format)
            return next(rows_of(tables, self._record, stated or (key[0] if len(key) == 1 else "")), None)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _fetch(self, chunks: Collection[bytes]) -> Iterator[tuple[bytes, bytes | StrongroomError]]:
        """Contents of chunks, portion by portion."""
        import pyarrow as pa
        import pyarrow.compute as pc

        ids = pa.array(sorted(chunks), pa.binary(ID_SIZE))
        located = self._index.locate(ids)
        there = {place.chunk for place in chunk_places(located) if place.tier == CONTENT_TIER}
        for missing in set(chunks) - there:
            yield missing, Damaged("a part of its content is gone from the repository")
        references = located.filter(pc.is_valid(located["chunk"]))
        rows = pa.array(range(references.num_rows), pa.int64())
        references = references.append_column("row", rows).append_column("position", rows)
        if references.num_rows > FEW:
            for part in fetch(references, self._packs, self._opening.stop, list):
                yield from ((use.place.chunk, content) for use, content in part)
            return
        for portion in portions(references):
            self._opening.stop()
            yield from ((use.place.chunk, content) for use, content in read_portion(self._packs, portion))


class _Ahead(Struct, frozen=True):
    """The versions of an item, and their rows of manifests."""

    versions: Sequence[ItemVersion]
    rows: dict[tuple[bytes, bytes], pa.Table]

    def chunks(self, place: int) -> list[bytes]:
        """Of the version at a place; none where nothing is known of them."""
        one = self.versions[place]
        row = self.rows.get((one.path, one.digest or b""))
        if row is None or not one.is_there:
            return []
        return [chunk for chunk in _ids(row) if chunk is not None]


class LineItem:
    """An item of JSON Lines, version by version."""

    def __init__(self, record: RecordId, stated: str, lines: ChunkLines) -> None:
        self._record = record
        self._stated = stated
        self._lines = lines
        self._found: FoundRecord | None = None
        self._home: tuple[bytes, ...] = ()
        self._before: Sequence[bytes] = ()

    @property
    def chunks_read(self) -> int:
        """Up to now."""
        return self._lines.chunks_read

    def read_ahead(self, coming: _Ahead, place: int) -> None:
        """While the record is not met, every chunk is looked into: those of several versions together."""
        if self._home or not self._lines.unread(coming.chunks(place)):
            return
        ahead: set[bytes] = set()
        for later in range(place, min(place + AHEAD_VERSIONS, len(coming.versions))):
            more = self._lines.unread(coming.chunks(later))
            if len(ahead | more) > AHEAD_CHUNKS:
                break
            ahead |= more
        self._lines.read(ahead)

    def record(self, chunks: Sequence[bytes]) -> FoundRecord | None:
        """What a version has of the record. Raises `Damaged`."""
        if not self._home or not is_at_home(self._home, chunks):
            found = None
            if self._home:  # it was changed: most likely it is where it was
                near = neighbourhood(self._home, self._before, chunks)
                found = self._first(self._lines.lines(near.chunks, begins=near.begins, ends=near.ends))
            found = found or self._first(self._lines.lines(chunks))
            self._found, self._home = found or (None, ())
        self._lines.passed(chunks)
        self._before = chunks
        return self._found

    def _first(self, lines: Iterable[FoundLine]) -> tuple[FoundRecord, tuple[bytes, ...]] | None:
        """The first of some lines that is the record, and the chunks that it lies in."""
        for line in lines:
            try:
                value = parse(line.line.removeprefix(BYTE_ORDER_MARK)).value
            except Damaged:
                continue  # a line that breaks off, or is no JSON, is no record
            key = self._record.found_in(value, self._stated) if isinstance(value, dict) else None
            if key is not None and isinstance(value, dict):
                return FoundRecord(key, value), line.home
        return None


def _versions(ledger: Ledger, mask: Mask | None, over: SnapshotWindow, opening: Opening) -> list[ItemVersion]:
    """The versions of the files that may hold records, by path and time; "" as the format of what has none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rows = timeline(ledger, mask, over)
    tables = pc.is_in(rows["format"], value_set=pa.array([name for name in FORMATS if is_table(name)], pa.string()))
    rows = rows.filter(pc.and_(pc.equal(rows["type"], manifest.FILE), pc.or_(tables, pc.is_null(rows["format"]))))
    names = ("path", "first", "last", "blake3", "size", "format", "present")
    found = []
    for path, first, last, digest, size, format_name, present in zip(*(rows[one].to_pylist() for one in names), strict=True):
        name = format_name or opening.format_of(path)
        found.append(ItemVersion(path, first, last, digest, size, name if is_table(name) else "", present))
    return found


def _chunk_ids(row: pa.Table) -> list[bytes]:
    """Of a manifest's row. Raises `Damaged` for holes: records have none."""
    ids = _ids(row)
    whole = [one for one in ids if one is not None]
    if len(whole) != len(ids):
        raise Damaged("it has holes")
    return whole


def _ids(row: pa.Table) -> list[bytes | None]:
    ids: list[bytes | None] = row["chunks"].combine_chunks().flatten().field("id").to_pylist()
    return ids


def _since(ledger: Ledger, one: ItemVersion) -> str:
    return f"{printable(one.path)} of snapshot {ledger.records[one.first].id}"
