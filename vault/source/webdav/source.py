"""A WebDAV collection as a source: folders are listed one after another, files are read as streams.

A file is known by its ETag and size; where the server gives no ETag, or the settings do not trust it, by size and time; and by
what the server shows of its owner and of who may do what with it, which is kept as attributes. Before and after a large file is
read the server is asked for them: where they differ, it is read again.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from msgspec import Struct, field

from vault.clock import Clock
from vault.coverage import Coverage, CoveredEntity
from vault.errors import SourceError
from vault.problems import Problem
from vault.progress import Stop, never
from vault.source.attributes import Extended, shown
from vault.source.contract import SMALL, STRONG, Content, Scan, Status, TooLarge
from vault.source.item_list import ItemList, ListedItem
from vault.source.patterns import Rules
from vault.source.streams import SequentialStream, StreamReader
from vault.source.webdav import multistatus
from vault.source.webdav.client import CutShort, DavClient
from vault.source.webdav.collection import GONE, DavCollection, Forbidden, Listing, as_text, same_etag
from vault.source.webdav.multistatus import DavEntry

AT_ONCE = 4
"""Small files that are asked for at the same time."""

AHEAD = 16
TRIES = 3
MOST_FOLDERS = 1_000_000
_OK, _FORBIDDEN = 200, 403

KIND = "webdav"
"""Of the names of attributes."""

_FIELDS = ("content", "time", *multistatus.SHOWN)
GAPS = ("locks and other properties are not kept",)
PLAIN_GAPS = ("owners, sharing rights, locks and other properties are not kept: the server does not show them",)


def is_half_written(path: bytes) -> bool:
    """Whether a file is one that a restore was putting there."""
    name = path.rpartition(b"/")[2]
    return name.startswith(b".strongroom-") and name.endswith(b".part")


class DavSource(Struct, frozen=True):
    """See this module's text. trusts_etags: files are known by them · rules: what is left out."""

    client: DavClient
    prefix: bytes
    rules: Rules
    clock: Clock
    trusts_etags: bool = True
    properties: dict[bytes, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    """Of folders, by path: what the server showed at the last scan."""

    def scan(self, stop: Stop) -> Scan:
        """All folders and files. Raises `SourceError`."""
        self.properties.clear()
        root = self._listing(b"")
        found = ItemList(self.prefix, root.own.mtime * 1_000_000_000, self._remembered(b"", root.own))
        waiting, seen = [b""], {b""}
        while waiting:
            stop()
            folder = waiting.pop()
            for path, entry in self._below(folder, found) if folder else root.below:
                if is_half_written(path):
                    found.excluded += 1
                elif entry.is_folder:
                    if path not in seen and self.rules.enters(path):
                        seen.add(path)
                        waiting.append(path)
                        if self.rules.takes_folder(path):
                            found.folder(path, entry.mtime * 1_000_000_000, self._remembered(path, entry))
                elif self.rules.takes(path):
                    found.file(self.item(path, entry))
                else:
                    found.excluded += 1
            if len(seen) > MOST_FOLDERS:
                raise SourceError(f"{self.client.address.text} has more than {MOST_FOLDERS} folders", hint="is one in itself?")
        scan = found.scan(frozenset(), self._coverage())
        scan.is_remote = True
        scan.clock_difference, scan.rate_limits = self.client.clock_difference, self.client.pace.limits()
        return scan

    def reader(self, stop: Stop = never) -> DavReader:
        """Reads files as they are now."""
        del stop
        return DavReader(self)

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    def item(self, path: bytes, entry: DavEntry) -> ListedItem:
        """As a scan lists it."""
        mtime_ns = entry.mtime * 1_000_000_000
        if entry.etag and self.trusts_etags:
            return ListedItem(path, entry.size, mtime_ns, _token(f"{entry.etag} {entry.size}", entry), STRONG)
        return ListedItem(path, entry.size, mtime_ns, _token(f"{entry.size} {entry.mtime}", entry), mtime_ns)

    def _remembered(self, path: bytes, entry: DavEntry) -> bytes:
        """The token of a folder, of which is kept what the server shows of it."""
        if entry.properties:
            self.properties[path] = entry.properties
        return _token("", entry)

    def _coverage(self) -> Coverage:
        plain = self.client.asks_plainly
        fields = _FIELDS[:2] if plain else _FIELDS
        entities = (CoveredEntity("files", fields), CoveredEntity("folders", () if plain else fields[2:]))
        return Coverage("webdav", entities, PLAIN_GAPS if plain else GAPS)

    def _below(self, folder: bytes, found: ItemList) -> list[tuple[bytes, DavEntry]]:
        """What is in a folder; nothing in one that was deleted meanwhile. Of one that may not be seen nothing is known."""
        collection = DavCollection(self.client)
        try:
            listing = collection.listing(folder)
            if listing is not None:
                return listing.below
            if self._stands(folder):
                found.unknown(folder, f"{collection.text(folder)} is listed, and the server says that it is not there")
        except Forbidden as error:
            found.unknown(folder, str(error), denied=True)
        return []

    def _stands(self, folder: bytes) -> bool:
        """Whether a folder that is not there is still listed where it should lie. Raises `SourceError` where the source itself
        is gone."""
        above = folder.rpartition(b"/")[0]
        listing = DavCollection(self.client).listing(above) if above else self._listing(b"")
        if listing is None:
            return self._stands(above)
        return any(path == folder for path, _ in listing.below)

    def look(self, path: bytes) -> DavEntry | None:
        """What the server says of one file; None where it is not there. Raises `SourceError`."""
        found = DavCollection(self.client).entry(path)
        return None if found is None or found.is_folder else found

    def _listing(self, folder: bytes) -> Listing:
        """Raises `SourceError` also where the folder is not there."""
        found = DavCollection(self.client).listing(folder)
        if found is None:
            raise SourceError(f"{DavCollection(self.client).text(folder)} is not there", hint="is the address right?")
        return found


class DavReader(StreamReader):
    """Reads files, small ones several at once."""

    def __init__(self, source: DavSource) -> None:
        super().__init__(source.prefix)
        self._source = source

    def open_large(self, path: bytes) -> DavStream | Problem:
        """The file as it is now."""
        entry = self._source.look(self._relative(path))
        if entry is None:
            return Problem(path, "vanished-while-read", "it was deleted while the backup ran")
        return DavStream(path, self._relative(path), entry, self._source)

    def contents(self, paths: Iterable[bytes], *, limit: int = SMALL) -> Iterator[Content | TooLarge | Problem]:
        """In order; some are asked for ahead."""
        coming = iter(paths)
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="webdav") as pool:
            waiting = [pool.submit(self._content, path, limit) for path in islice(coming, AHEAD)]
            while waiting:
                answer = waiting.pop(0).result()
                waiting += [pool.submit(self._content, path, limit) for path in islice(coming, 1)]
                yield answer

    def _content(self, path: bytes, limit: int) -> Content | TooLarge | Problem:
        message = f"it changed during each of {TRIES} readings"
        for _ in range(TRIES):
            stream = self.open_large(path)
            if isinstance(stream, Problem):
                return stream
            with stream:
                size = stream.status.st_size
                if size > limit:
                    return TooLarge(stream.status)
                buffer = bytearray(size + 1)
                try:
                    count = stream.readinto(buffer, 0)
                except OSError as error:
                    message = f"it cannot be read: {error.strerror}"
                    continue
                if count == size and stream.is_same:
                    return Content(bytes(memoryview(buffer)[:count]), stream.status, stream.attributes())
        return Problem(path, "unreadable", message)

    def read_attributes(self, paths: Iterable[bytes]) -> list[Extended | Problem]:
        """Of folders, as the scan has heard them."""
        properties = self._source.properties
        return [shown(KIND, properties.get(b"" if path == self.prefix else self._relative(path), ())) for path in paths]


class DavStream(SequentialStream):
    """One reading of a file. is_same: whether what was answered is the version that was looked at."""

    def __init__(self, path: bytes, relative: bytes, entry: DavEntry, source: DavSource) -> None:
        self._relative = relative
        self._entry = entry
        self._source = source
        self.is_same = True
        super().__init__(path, source.item(relative, entry).status(), self._read, shown(KIND, entry.properties))

    def status_now(self) -> Status:
        """As the server says by now. Raises OSError where the file is gone."""
        now = self._source.look(self._relative)
        if now is None:
            raise OSError(errno.ENOENT, "it was deleted while the backup ran")
        self._entry, self._attributes = now, shown(KIND, now.properties)
        return self._source.item(self._relative, now).status()

    def _read(self) -> Generator[bytes, None, None]:
        body = self._source.client.stream(as_text(self._relative))
        try:
            if body.status in GONE:
                raise OSError(errno.ENOENT, "it was deleted while the backup ran")
            if body.status == _FORBIDDEN:
                raise OSError(errno.EACCES, os.strerror(errno.EACCES))
            if body.status != _OK:
                raise OSError(errno.EIO, f"the server answers {body.status}")
            etag = body.headers.get("etag", "").strip()
            self.is_same = not etag or not self._entry.etag or same_etag(etag, self._entry.etag)
            try:
                yield from body
            except CutShort as error:
                raise OSError(errno.EIO, error.strerror) from error
        finally:
            body.close()


def _token(text: str, entry: DavEntry) -> bytes:
    """With what the server shows beside: another owner, another right is a change too."""
    beside = "".join(f"\n{name}={value}" for name, value in entry.properties)
    return (text + beside).encode("utf-8", "surrogateescape")
