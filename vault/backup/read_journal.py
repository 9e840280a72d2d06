"""What a run has read of a source that is asked over a network, so that the run after a kill does not ask for it again.

    read -> a piece of the journal, sealed and tagged, in this machine's cache
    killed; the next run: items that the scan lists as they were, and whose chunks are all stored -> not asked for

Nothing depends on it: a cache that cannot be written, or was cleared, costs requests. It goes with the commit.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from blake3 import blake3

from vault.backup.read_results import ContentFacts, ReadResults
from vault.backup.small_files import BatchColumns, Xattrs
from vault.errors import Damaged
from vault.format import envelope
from vault.format.chunks import ID_SIZE
from vault.repository.project import Project
from vault.repository.sorted_index import KnownChunks
from vault.repository.state_files import StateFiles
from vault.source.contract import STRONG, Scan, ScanColumn, Status
from vault.source.scan_columns import BILLION, ScannedStatus, unpack_status

if TYPE_CHECKING:
    import pyarrow as pa

FOLDER = "unfinished"
"""Of the cache."""

BATCH_FILES = 64
"""Small files of such a source that are read at a time: what is lost with a kill."""

STORED_EVERY = 1000
"""Items after which what was read is stored, though the packs are not full."""

_ITEMS_IN_PIECE = 256
_MOST_PIECES = 10_000
_LARGEST_PIECE = 64 * 1024 * 1024
_KEY: tuple[ScanColumn, ...] = ("size", "mtime", "mtime_nanos", "ctime_ns", "inode")
_TAG = 32
_RACY = 2 * BILLION
"""Nanoseconds: what changed so shortly before it was read may change again and look the same."""


class JournalItem(msgspec.Struct, array_like=True, frozen=True):
    """An item that was read whole. mtime_ns, ctime_ns, inode: of the status that it was read under, as a scan lists them ·
    chunks: ids and lengths."""

    path: bytes
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    device: int
    mode: int
    uid: int
    gid: int
    nlink: int
    digest: bytes
    format: str | None
    chunks: list[tuple[bytes, int]]
    xattrs: list[tuple[bytes, bytes]]

    @property
    def status(self) -> ScannedStatus:
        """As a reader gave it."""
        return ScannedStatus(
            self.size, self.mtime_ns, self.ctime_ns, self.inode, self.device, self.mode, self.uid, self.gid, self.nlink
        )

    @property
    def key(self) -> dict[ScanColumn, int]:
        """What a scan must list for it to be the same."""
        mtime, nanos = divmod(self.mtime_ns, BILLION)
        return {"size": self.size, "mtime": mtime, "mtime_nanos": nanos, "ctime_ns": self.ctime_ns, "inode": self.inode}

    def add_to(self, results: ReadResults, row: int) -> None:
        """As if it had been read now. row: of the scan."""
        facts = ContentFacts(self.digest, self.size, self.format)
        results.add_file(row, self.status, facts, self.chunks, tuple(self.xattrs))


class ReadJournal:
    """The journal of a source. folder: of the repository's cache."""

    def __init__(self, project: Project, source: str, folder: Path) -> None:
        self._project = project
        self._files = StateFiles(folder, project.services.randomness)
        name = blake3(source.encode(), key=project.capability.chunk_id_key).hexdigest(length=16)
        self._folder = folder / FOLDER / project.id / name
        self._items: list[JournalItem] = []
        self._number = len(self._pieces())

    def matching(self, scan: Scan, rows: pa.Array, known: KnownChunks) -> dict[int, JournalItem]:
        """Of rows of a scan, by number, the items that an earlier run has read and that are as they were. known: the chunks
        that are stored."""
        found = {item.path: item for item in self._load()}
        if not found:
            return {}
        said = [name for name in _KEY if name not in scan.ignored]
        path, *columns = [scan.table[name].take(rows).to_pylist() for name in ("path", *said)]
        listed = zip(rows.to_pylist(), path, zip(*columns, strict=True), strict=True)
        return {
            row: item
            for row, path, key in listed
            if (item := found.get(path)) is not None
            and key == tuple(item.key[name] for name in said)
            and all(chunk in known for chunk, _ in item.chunks)
        }

    def add_batch(self, paths: Sequence[bytes], batch: BatchColumns) -> None:
        """Small files were read. paths: by place in the batch."""
        notes = {note.row: note for note in batch.notes}
        ids, digests, at = memoryview(batch.chunk_ids), memoryview(batch.digests), 0
        columns = zip(batch.places, unpack_status(batch.statuses, batch.sizes), batch.formats, batch.chunk_counts, strict=True)
        for row, (place, status, code, count) in enumerate(columns):
            chunks = [(bytes(ids[n * ID_SIZE : (n + 1) * ID_SIZE]), batch.chunk_lengths[n]) for n in range(at, at + count)]
            at += count
            note = notes.get(row)
            if note is None or (note.consistency is None and not note.left_out):
                facts = ContentFacts(bytes(digests[row * 32 : row * 32 + 32]), batch.sizes[row], batch.format_names[code])
                self._add(paths[place], status, facts, chunks, () if note is None else note.xattrs)
        self._write_full()

    def add_file(
        self, path: bytes, status: Status, facts: ContentFacts, chunks: Iterable[tuple[bytes, int]], xattrs: Xattrs
    ) -> None:
        """A large file was read, and lies in builders."""
        if facts.consistency is None:
            self._add(path, status, facts, list(chunks), xattrs)
        self.write()

    def write(self) -> None:
        """Keep what was added. What cannot be written is no failure."""
        while self._items and self._number < _MOST_PIECES:
            some, self._items = self._items[:_ITEMS_IN_PIECE], self._items[_ITEMS_IN_PIECE:]
            body = msgspec.msgpack.encode(some)
            self._files.write_file(self._folder / f"{self._number:05}", self._project.seal_catalogue(self._tag(body) + body))
            self._number += 1
        self._items.clear()

    def clear(self) -> None:
        """The snapshot is committed."""
        self._items.clear()
        for file in self._pieces():
            with suppress(OSError):
                file.unlink()
        self._number = 0

    def _add(self, path: bytes, status: Status, facts: ContentFacts, chunks: list[tuple[bytes, int]], xattrs: Xattrs) -> None:
        now = int(self._project.services.clock.now().timestamp() * BILLION)
        racy = status.st_ctime_ns != STRONG and status.st_ctime_ns + _RACY > now
        if racy or status.st_size != facts.size or any(not chunk for chunk, _ in chunks):
            return
        numbers = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev)
        owner = (status.st_mode, status.st_uid, status.st_gid, status.st_nlink)
        self._items.append(JournalItem(path, *numbers, *owner, facts.digest, facts.format, chunks, list(xattrs)))

    def _write_full(self) -> None:
        if len(self._items) >= BATCH_FILES:
            self.write()

    def _load(self) -> Iterator[JournalItem]:
        """What earlier runs have kept; a piece that cannot be used has nothing."""
        for file in self._pieces():
            try:
                with file.open("rb") as opened:
                    sealed = opened.read(_LARGEST_PIECE + 1)
                if len(sealed) > _LARGEST_PIECE:
                    continue
                plain = memoryview(self._project.open_catalogue(sealed))
                if hmac.compare_digest(bytes(plain[:_TAG]), self._tag(plain[_TAG:])):
                    yield from msgspec.msgpack.decode(plain[_TAG:], type=list[JournalItem])
            except (OSError, Damaged, msgspec.MsgspecError):
                continue

    def _tag(self, body: bytes | memoryview) -> bytes:
        """Whoever can write to the cache alone has nothing believed."""
        return envelope.tag(body, self._project.capability.tag_key, "backup/read-journal", self._project.id)

    def _pieces(self) -> list[Path]:
        try:
            return sorted(self._folder.iterdir())[:_MOST_PIECES]
        except OSError:
            return []
