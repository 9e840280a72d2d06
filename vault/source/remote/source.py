"""Files elsewhere as a source: folders listed several at a time, files read as streams, small ones several at once.

A file is known by its size and time of modification, and by a token where the interface has one. Around each reading the server
is asked for them: where they differ, it is read again. A folder that cannot be listed is unknown, and nothing in it is gone.
"""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from typing import TypeAlias

from vault.clock import Clock
from vault.coverage import Coverage, CoveredEntity
from vault.errors import SourceError
from vault.problems import Problem, printable
from vault.progress import Stop, never
from vault.source.attributes import NOTHING, GivenOwners
from vault.source.contract import NO_TOKEN, SMALL, STRONG, Content, Scan, ScanColumn, Skipped, Status, TooLarge, token_number
from vault.source.item_list import ItemList
from vault.source.patterns import Rules
from vault.source.remote.files import FILE, FOLDER, LINK, ConnectionCut, RemoteEntry, RemoteFiles, gone, joined, status_of
from vault.source.remote.patience import Patience
from vault.source.remote.walk import Walk
from vault.source.scan_columns import ScannedStatus
from vault.source.streams import SequentialStream, StreamReader

TRIES = 3
MOST_FOLDERS = 1_000_000
_AHEAD = 4
"""Small files that wait or are on their way, for each that is read at the same time."""

Listed: TypeAlias = "list[RemoteEntry] | OSError"


def is_half_written(path: bytes) -> bool:
    """Whether a file is one that a restore was putting there."""
    name = path.rpartition(b"/")[2]
    return name.startswith(b".strongroom-") and name.endswith(b".part")


class RemoteSource:
    """See this module's text. gaps: what of the files is not taken, for people · rules: what is left out."""

    def __init__(self, files: RemoteFiles, prefix: bytes, rules: Rules, clock: Clock, gaps: tuple[str, ...]) -> None:
        self.files = files
        self.prefix = prefix
        self.rules = rules
        self.patience = Patience(clock)
        self._gaps = gaps

    def scan(self, stop: Stop) -> Scan:
        """All folders, files and links. Raises `SourceError`."""
        self.patience.begin()
        found = ItemList(self.prefix, self._root().mtime_ns)
        skipped: list[Skipped] = []
        users: dict[int, str] = {}
        groups: dict[int, str] = {}
        walk, seen, files, timed = Walk(), 1, False, False
        for folder, listed in walk.listings(self._list, self.files.max_parallel, stop, self.close):
            if isinstance(listed, OSError):
                self._unknown(folder, listed, found)
                continue
            for entry in listed:
                files, timed = files or entry.kind == FILE, timed or (entry.kind == FILE and entry.mtime_ns > 0)
                if entry.owner:
                    users[entry.uid] = entry.owner
                if entry.group:
                    groups[entry.gid] = entry.group
                seen += self._take(joined(folder, entry.name), entry, walk, found, skipped)
            if seen > MOST_FOLDERS:
                raise SourceError(f"{self.files.text} has more than {MOST_FOLDERS} folders", hint="is one in itself?")
        kinds = ("files", "folders", "symbolic links") if self.files.keeps().links else ("files", "folders")
        entities = tuple(CoveredEntity(one) for one in kinds)
        ignored: frozenset[ScanColumn] = frozenset() if timed or not files else frozenset(("mtime", "mtime_nanos"))
        scan = found.scan(ignored, Coverage(self.files.what, entities, self._gaps, times=not ignored))
        scan.skipped = skipped
        scan.owners = GivenOwners(users, groups)
        scan.is_remote = True
        return scan

    def reader(self, stop: Stop = never) -> RemoteReader:
        """Reads files as they are now."""
        return RemoteReader(self, stop)

    def close(self) -> None:
        """Close the connections; nobody waits for the server any more."""
        self.patience.end()
        self.files.close()

    def look(self, path: bytes) -> RemoteEntry:
        """What is at a path now. Raises OSError, `SourceError`."""
        return self.patience.ask(lambda: self.files.status(path))

    def _root(self) -> RemoteEntry:
        try:
            return self.look(b"")
        except OSError as error:
            raise SourceError(f"{self.files.text} is not there: {_words(error)}", hint="is the address right?") from error

    def _list(self, folder: bytes) -> Listed:
        try:
            return self.patience.ask(lambda: self.files.list_folder(folder))
        except OSError as error:
            return error

    def _unknown(self, folder: bytes, error: OSError, found: ItemList) -> None:
        """A folder that cannot be listed: that of the source itself ends the scan."""
        if not folder:
            raise SourceError(f"{self.files.text} cannot be listed: {_words(error)}", hint="is the address right?") from error
        reason = "it was moved or deleted while it was listed" if isinstance(error, FileNotFoundError) else _words(error)
        found.unknown(folder, f"it cannot be listed: {reason}")

    def _take(self, path: bytes, entry: RemoteEntry, walk: Walk, found: ItemList, skipped: list[Skipped]) -> int:
        """An entry of a listing. Gives how many folders are to be listed besides."""
        if is_half_written(path):
            found.excluded += 1
        elif entry.kind == FOLDER:
            if self.rules.enters(path):
                if not self.rules.takes_folder(path) or found.add(path, status_of(entry, STRONG, token_number(b""))):
                    walk.enter(path)
                return 1
        elif not self.rules.takes(path):
            found.excluded += 1
        elif entry.kind in (FILE, LINK):
            found.add(path, self.status_in_scan(entry))
        else:
            skipped.append(Skipped(found.whole(path), "other"))
        return 0

    def status_in_scan(self, entry: RemoteEntry) -> ScannedStatus:
        """As a scan lists a file or a link."""
        if entry.token:
            return status_of(entry, STRONG, token_number(f"{entry.token} {entry.size}".encode()))
        changed = max(entry.mtime_ns, entry.changed_ns) or NO_TOKEN
        return status_of(entry, changed, token_number(f"{entry.size} {entry.mtime_ns} {entry.changed_ns}".encode()))


class RemoteReader(StreamReader):
    """Reads files, small ones several at once, by threads that all batches share."""

    def __init__(self, source: RemoteSource, stop: Stop) -> None:
        super().__init__(source.prefix)
        self._source = source
        self._stop = stop
        self._pool = ThreadPoolExecutor(source.files.max_parallel, thread_name_prefix="fetch")

    def open_large(self, path: bytes) -> RemoteStream | Problem:
        """The file as it is now."""
        try:
            entry = self._source.look(self._relative(path))
        except OSError as error:
            return _problem(path, error)
        if entry.kind != FILE:
            return Problem(path, "unreadable", "it is not a file any more")
        return RemoteStream(path, self._relative(path), entry, self._source, self._stop)

    def contents(self, paths: Iterable[bytes], *, limit: int = SMALL) -> Iterator[Content | TooLarge | Problem]:
        """In order; some are asked for ahead."""
        coming, at_once = iter(paths), self._source.files.max_parallel
        waiting = deque(self._pool.submit(self._content, path, limit) for path in islice(coming, at_once * _AHEAD))
        try:
            while waiting:
                self._stop()
                answer = waiting.popleft().result()
                waiting.extend(self._pool.submit(self._content, path, limit) for path in islice(coming, 1))
                yield answer
        finally:
            for one in waiting:
                one.cancel()

    def read_links(self, paths: Iterable[bytes]) -> list[bytes | Problem]:
        """Where they point to."""
        return list(self._pool.map(self._link, paths))

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _link(self, path: bytes) -> bytes | Problem:
        relative, source = self._relative(path), self._source
        try:
            return source.patience.ask(lambda: source.files.read_link(relative))
        except OSError as error:
            return _problem(path, error)

    def _content(self, path: bytes, limit: int) -> Content | TooLarge | Problem:
        relative, source = self._relative(path), self._source
        for _ in range(TRIES):
            try:
                found = source.patience.ask(lambda: source.files.fetch(relative, limit))
            except OSError as error:
                return _problem(path, error)
            status = source.status_in_scan(found.before)
            if found.before.kind != FILE:
                return Problem(path, "unreadable", "it is not a file any more")
            if found.data is None:
                return TooLarge(status)
            if found.is_whole:
                return Content(found.data, status, NOTHING)
        return Problem(path, "unreadable", f"it changed during each of {TRIES} readings")


class RemoteStream(SequentialStream):
    """One reading of a file."""

    def __init__(self, path: bytes, relative: bytes, entry: RemoteEntry, source: RemoteSource, stop: Stop) -> None:
        self._relative = relative
        self._source = source
        self._stop_reading = stop
        super().__init__(path, source.status_in_scan(entry), self._read)

    def status_now(self) -> Status:
        """As the server says by now. Raises OSError where the file is gone."""
        now = self._source.look(self._relative)
        if now.kind != FILE:
            raise gone()
        return self._source.status_in_scan(now)

    def _read(self) -> Generator[bytes, None, None]:
        """A connection that is cut in the middle is made again, and what was given already is read once more and dropped; where
        the file changed meanwhile, its status tells."""
        given, failed_at = 0, -1
        while True:
            at = 0
            try:
                with closing(self._source.files.pieces(self._relative)) as pieces:
                    for piece in pieces:
                        self._stop_reading()
                        at += len(piece)
                        if at > given:
                            yield piece[len(piece) - (at - given) :]
                            given = at
                self._refuse_short(at)
                return
            except ConnectionCut:
                if given == failed_at:  # no further than the last time
                    raise
                failed_at = given
                self._source.look(self._relative)  # patiently, until the server answers again

    def _refuse_short(self, size: int) -> None:
        """Raises OSError where what was read is not all that there is: not every protocol says that it broke off."""
        if size != self.status.st_size and self._source.look(self._relative).size != size:
            raise OSError(errno.EIO, f"it is said to have {self.status.st_size} bytes, and gave {size}")


def _problem(path: bytes, error: OSError) -> Problem:
    if isinstance(error, FileNotFoundError):
        return Problem(path, "vanished-while-read", "it was deleted while the backup ran")
    return Problem(path, "unreadable", f"it cannot be read: {_words(error)}")


def _words(error: OSError) -> str:
    return printable((error.strerror or type(error).__name__).encode("utf-8", "surrogateescape"))
