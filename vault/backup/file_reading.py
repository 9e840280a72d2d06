"""Reading what is new: small files in batches, large ones as streams, folders and links by their attributes.

What the scan saw only decides what is read; what is recorded is the status that the open file had around the reading. A file
that changes meanwhile is read again: see `vault.source.reader`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from blake3 import blake3
from msgspec import Struct, field

from vault.backup import read_journal, unreadable_items
from vault.backup.attribute_changes import AttributeChanges
from vault.backup.content_writer import ContentWriter
from vault.backup.item_classification import EarlyPeriods
from vault.backup.large_files import PIECE, LargeFileStream
from vault.backup.read_journal import JournalItem, ReadJournal
from vault.backup.read_results import ContentFacts, ReadResults
from vault.backup.small_files import BATCH_BYTES, BATCH_FILES, BatchColumns, Xattrs
from vault.format import manifest
from vault.format.tree import ChunkRef
from vault.problems import Problem
from vault.progress import Progress, release_memory
from vault.source import scan_columns
from vault.source.attributes import Extended
from vault.source.contract import SMALL, UNKNOWN_SIZE, ItemStream, SourceReader
from vault.source.reader import TRIES, same_status, size_mismatch

if TYPE_CHECKING:
    import pyarrow as pa

SLICE = 4096
"""Rows of a table that are Python objects at once."""

RELEASED_EVERY = 32 * SLICE
"""Files after which free memory goes back to the kernel: of a million files 200 MB would wait for the end."""

STOP_EVERY = 32
"""Small files after which the run looks whether it should stop: to look takes as long as to put a file into its batch."""

DELTA_WEIGHT = 8
"""Files that one counts for which may be stored as a delta: to inflate it and to try zlib takes 2 ms. An hour of 200 workbooks
was one batch, and one thread's."""


class FileToRead(Struct):
    """One row of the scan that shall be read. size: bytes, or `UNKNOWN_SIZE`."""

    row: int
    path: bytes
    size: int


class FileReading(Struct):
    """Reads rows of a scan and collects the results."""

    reader: SourceReader
    writer: ContentWriter
    results: ReadResults
    progress: Progress
    stop: Callable[[], None]
    report_progress: Callable[[int, int], None]
    journal: ReadJournal | None = None
    """Remembers what was read, should the run be killed."""
    periods: EarlyPeriods | None = None
    """Takes the paths of small files."""
    problems: list[Problem] = field(default_factory=list)
    grown: list[tuple[bytes, int]] = field(default_factory=list)
    """Files that grew while they were read: path, and how many of their first bytes were kept."""
    read_bytes: int = 0
    read_items: int = 0

    def files(self, wanted: Iterator[FileToRead]) -> None:
        """Read files, in the given order: content into packs, rows into the results."""
        batch: list[FileToRead] = []
        size, weight, most = 0, 0, BATCH_FILES if self.journal is None else read_journal.BATCH_FILES
        for number, one in enumerate(wanted, 1):
            if number % STOP_EVERY == 0:
                self.stop()
            if self.journal is not None and number % read_journal.STORED_EVERY == 0:
                self.writer.finish()
            if one.size > SMALL or one.size == UNKNOWN_SIZE:
                self.stop()
                self._large(one)
                continue
            batch.append(one)
            size += one.size
            weight += DELTA_WEIGHT if self.writer.may_be_delta(one.path) else 1
            if weight >= most or size >= BATCH_BYTES:
                self._small(batch)
                batch, size, weight = [], 0, 0
        self._small(batch)
        if self.periods is not None:
            self.periods.find()
        self.writer.finish()

    def remembered(self, row: int, item: JournalItem) -> None:
        """An earlier run has read it, and was killed. row: of the scan."""
        item.add_to(self.results, row)
        self.advance(items=1, size=item.size)

    def attributes(self, scan: pa.Table, marked: AttributeChanges) -> None:
        """Attributes of the files whose content is known."""
        for rows, contents in marked.slices():
            self.stop()
            ((numbers, paths, statuses),) = _others(scan, rows)
            answers = self.reader.read_attributes(paths)
            for row, path, status, content, answer in zip(numbers, paths, statuses, contents, answers, strict=True):
                if isinstance(answer, Problem):
                    self.problems.append(answer)
                else:
                    facts, refs = content
                    self.results.add_file(row, status, facts, refs, self._kept(path, answer))
            self.advance(items=len(numbers))

    def folders(self, scan: pa.Table, rows: pa.Array) -> None:
        """Attributes of the folders among the scan's rows."""
        for numbers, paths, statuses in _others(scan, rows):
            for row, path, status, answer in zip(numbers, paths, statuses, self.reader.read_attributes(paths), strict=True):
                if not isinstance(answer, Problem):
                    self.results.add_other(row, status, self._kept(path, answer), None)
                elif answer.what != "unreadable":
                    self.problems.append(answer)
                else:  # what the scan knows of the folder is worth keeping by itself
                    message = "its extended attributes cannot be read"
                    self.problems.append(Problem(path, unreadable_items.NO_ATTRIBUTES, message))
                    self.results.add_other(row, status, (), None)

    def links(self, scan: pa.Table, rows: pa.Array) -> None:
        """Targets of the symbolic links among the scan's rows."""
        for numbers, paths, statuses in _others(scan, rows):
            for row, status, answer in zip(numbers, statuses, self.reader.read_links(paths), strict=True):
                if isinstance(answer, Problem):
                    self.problems.append(answer)
                else:
                    self.results.add_other(row, status, (), answer)

    def _small(self, batch: list[FileToRead]) -> None:
        if not batch:
            return
        paths = [one.path for one in batch]
        self.writer.submit_small(paths, lambda columns: self._small_done(batch, columns))
        if self.periods is not None:
            self.periods.add(paths)
            if self.writer.is_busy:
                self.periods.find()

    def _small_done(self, batch: list[FileToRead], columns: BatchColumns) -> None:
        self.results.add_batch([one.row for one in batch], columns)
        if self.journal is not None:
            self.journal.add_batch([one.path for one in batch], columns)
        self.read_bytes += sum(columns.sizes)
        for note in columns.notes:
            path = batch[columns.places[note.row]].path
            self._kept(path, Extended(note.xattrs, note.left_out))
            self._say(path, columns.sizes[note.row], note.consistency)
        for place, answer in columns.others:
            if isinstance(answer, Problem):
                self.problems.append(answer)
            else:
                self._large(batch[place])
        self.advance(items=len(batch), size=sum(one.size for one in batch))

    def _large(self, one: FileToRead) -> None:
        file = self.reader.open_large(one.path)
        if isinstance(file, Problem):
            self.problems.append(file)
            return
        with file:
            try:
                answer = self._streamed(file, one.path)
                if isinstance(answer, Problem):
                    self.problems.append(answer)
                else:
                    self._large_done(one, file, *answer)
            except OSError as error:
                self.problems.append(Problem(one.path, "unreadable", f"it cannot be read: {error.strerror}"))

    def _streamed(self, file: ItemStream, path: bytes) -> tuple[list[ChunkRef], ContentFacts] | Problem:
        """A large file's content, of one moment where that can be had."""
        for attempt in range(1, TRIES + 1):
            stream = LargeFileStream(self, file, path)
            refs, content = stream.run()
            now = file.status_now()
            if same_status(file.status, now):
                return size_mismatch(path, file.status.st_size) if stream.short else (refs, content)
            grown, last = now.st_size > file.status.st_size, attempt == TRIES
            worth_verifying = grown or (last and now.st_size == file.status.st_size)
            if worth_verifying and not stream.short and self._gives_again(file, content):
                if not grown:  # only its times have changed
                    file.status = now
                    return refs, content
                if last or not same_status(now, file.status_now()):
                    return refs, content._replace(consistency=manifest.PREFIX)
            if not last:  # also where it has grown and rests now: it can be had whole
                file.status = file.status_now()
        return refs, content._replace(consistency=manifest.INCONSISTENT)

    def _gives_again(self, file: ItemStream, content: ContentFacts) -> bool:
        """Whether a second reading of so many bytes gives the same, so that all of them were there between the two."""
        digest, at = blake3(), 0
        buffer = memoryview(bytearray(min(PIECE, content.size)))
        while at < content.size:
            self.stop()
            self.advance(of_file=at)
            count = file.readinto(buffer[: min(len(buffer), content.size - at)], at)
            if count == 0:
                return False
            digest.update(buffer[:count])
            at += count
        return digest.digest() == content.digest

    def _large_done(self, one: FileToRead, file: ItemStream, refs: list[ChunkRef], content: ContentFacts) -> None:
        """The row is added once the last piece is through the workers."""
        status, xattrs = file.status, self._kept(one.path, file.attributes())
        self.read_bytes += content.size
        self._say(one.path, content.size, content.consistency)

        def done() -> None:
            self.results.add_file(one.row, status, content, refs, xattrs)
            if self.journal is not None:
                self.journal.add_file(one.path, status, content, refs, xattrs)
            self.advance(items=1)

        self.writer.submit(lambda _cutter, _frames: None, done)

    def _say(self, path: bytes, size: int, consistency: str | None) -> None:
        """Remember a content that is not that of a file at rest."""
        if consistency == manifest.PREFIX:
            self.grown.append((path, size))
        elif consistency == manifest.INCONSISTENT:
            self.problems.append(Problem(path, unreadable_items.CHANGED, f"the file changed during each of {TRIES} readings"))

    def _kept(self, path: bytes, attributes: Extended) -> Xattrs:
        for name in attributes.left_out:
            message = f"its extended attribute {name.decode('utf-8', 'backslashreplace')} is too large and was left out"
            self.problems.append(Problem(path, "attribute-too-large", message))
        return attributes.values

    def advance(self, *, items: int = 0, size: int = 0, of_file: int = 0) -> None:
        """So many items and bytes more; of_file: bytes of a large file that is not through yet."""
        self.read_items += items
        self.progress.advance(items=items, size=size)
        self.report_progress(self.read_items, self.read_bytes + of_file)


def _others(scan: pa.Table, rows: pa.Array) -> Iterator[tuple[list[int], list[bytes], list[scan_columns.ScannedStatus]]]:
    """Row numbers, paths and statuses, a few thousand at a time."""
    names = ["mtime", "mtime_nanos", "ctime_ns", "inode", "device", "mode", "uid", "gid", "nlink"]
    columns = scan.select(["path", *names])
    for start in range(0, len(rows), SLICE):
        part = rows.slice(start, SLICE)
        picked = _taken(columns, part)
        values = zip(*(picked[name].to_pylist() for name in names), strict=True)
        statuses = [scan_columns.ScannedStatus(0, seconds * 1_000_000_000 + nanos, *rest) for seconds, nanos, *rest in values]
        yield part.to_pylist(), picked["path"].to_pylist(), statuses


def wanted_files(scan: pa.Table, rows: pa.Array) -> Iterator[FileToRead]:
    """The files among `rows` of a scan, by path, a few thousand at a time as Python objects."""
    import pyarrow as pa
    import pyarrow.compute as pc

    files = rows.filter(pc.equal(scan["type"].combine_chunks().take(rows), pa.scalar(scan_columns.FILE, pa.uint8())))
    columns = scan.select(["path", "size"])
    for start in range(0, len(files), SLICE):
        if start % RELEASED_EVERY == 0:
            release_memory()
        part = files.slice(start, SLICE)
        picked = _taken(columns, part)
        values = (part.to_pylist(), picked["path"].to_pylist(), picked["size"].to_pylist())
        yield from (FileToRead(*one) for one in zip(*values, strict=True))


def _taken(table: pa.Table, rows: pa.Array) -> pa.Table:
    """Some rows of a table, out of the span that they lie in: Arrow joins all pieces of what it takes from, which for a
    million files at each of 245 slices cost 4 seconds and left 400 MB of free memory in pieces."""
    import pyarrow.compute as pc

    first, last = (bound.as_py() for bound in pc.min_max(rows).values())
    return table.slice(first, last - first + 1).take(pc.subtract(rows, first))
