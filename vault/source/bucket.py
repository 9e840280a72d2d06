"""Objects of a bucket as a source: each is a file under its key.

An object is known by its ETag and its size, and read in one version: where another one takes its place meanwhile, it is read
again. Keys that no path can be are problems. Objects whose key ends with a slash are folders.
"""

from __future__ import annotations

import errno
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import Protocol

from msgspec import Struct

from vault.clock import Clock
from vault.coverage import Coverage, CoveredEntity
from vault.errors import ObjectNotFound, SourceError, StorageDenied, StorageError
from vault.problems import Problem
from vault.source.attributes import NOTHING
from vault.source.contract import SMALL, Content, Scan, Status, Stop, TooLarge, never
from vault.source.item_list import ItemList, ListedItem
from vault.source.patterns import Rules
from vault.source.streams import SequentialStream, StreamReader

AT_ONCE = 8
"""Small objects that are asked for at the same time."""

AHEAD = 32
TRIES = 3

GAPS = (
    "earlier versions of objects are not taken",
    "metadata, tags and access rights of objects are not kept",
)


class Version(Protocol):
    """An object as a listing has it. token: changes with its content · mtime_ns: nanoseconds since 1970."""

    @property
    def name(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def token(self) -> str: ...
    @property
    def mtime_ns(self) -> int: ...


class Objects(Protocol):
    """The objects of a bucket, below a prefix; what `vault.storage.s3_objects` offers."""

    def versions(self) -> Iterator[Version]:
        """Every object. Raises `StorageError`."""
        ...

    def version(self, name: str) -> Version | None:
        """What stands under a name now."""
        ...

    def read_version(self, name: str, size: int, token: str) -> Iterator[bytes]:
        """The content of one version; it ends early where another one has taken its place."""
        ...

    def describe(self) -> str:
        """The address for people."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


class BucketSource(Struct, frozen=True):
    """See this module's text. prefix: what the paths of items begin with · rules: what is left out."""

    objects: Objects
    prefix: bytes
    rules: Rules
    clock: Clock

    def scan(self, stop: Stop) -> Scan:
        """All objects. Raises `SourceError`."""
        now = int(self.clock.now().timestamp()) * 1_000_000_000
        found = ItemList(self.prefix, 0)
        with _errors(self.objects):
            for one in self.objects.versions():
                stop()
                self._add(found, one, now)
        coverage = Coverage("bucket", (CoveredEntity("objects"),), GAPS)
        return found.scan(frozenset(), coverage)

    def reader(self, stop: Stop = never) -> BucketReader:
        """Reads objects as they are now."""
        del stop
        return BucketReader(self)

    def close(self) -> None:
        """Close the connections; they are made again where they are needed."""
        self.objects.close()

    def _add(self, found: ItemList, one: Version, now: int) -> None:
        path = one.name.encode("utf-8", "surrogateescape")
        if path.endswith(b"/"):
            if not one.size and self.rules.takes_folder(path[:-1]):
                found.folder(path[:-1], one.mtime_ns, one.token.encode())
            return
        if not path or not self.rules.takes(path) or not _entered(path, self.rules):
            found.excluded += 1
            return
        found.file(_item(path, one, now))


class BucketReader(StreamReader):
    """Reads objects, small ones several at once."""

    def __init__(self, source: BucketSource) -> None:
        super().__init__(source.prefix)
        self._source = source

    def open_large(self, path: bytes) -> BucketStream | Problem:
        """The object as it is now."""
        objects, name = self._source.objects, self._relative(path).decode("utf-8", "surrogateescape")
        with _errors(objects):
            version = objects.version(name)
        if version is None:
            return Problem(path, "vanished-while-read", "it was deleted while the backup ran")
        return BucketStream(path, version, self._source)

    def contents(self, paths: Iterable[bytes], *, limit: int = SMALL) -> Iterator[Content | TooLarge | Problem]:
        """In order; some are asked for ahead."""
        coming = iter(paths)
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="objects") as pool:
            waiting = [pool.submit(self._content, path, limit) for path in islice(coming, AHEAD)]
            while waiting:
                answer = waiting.pop(0).result()
                waiting += [pool.submit(self._content, path, limit) for path in islice(coming, 1)]
                yield answer

    def _content(self, path: bytes, limit: int) -> Content | TooLarge | Problem:
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
                    return Problem(path, "unreadable", f"it cannot be read: {error.strerror}")
                if count == size:
                    return Content(bytes(memoryview(buffer)[:count]), stream.status, NOTHING)
        return Problem(path, "unreadable", f"it was replaced during each of {TRIES} readings")


class BucketStream(SequentialStream):
    """One version of an object. Once another one has taken its place, its status says so, and a new beginning reads that."""

    def __init__(self, path: bytes, version: Version, source: BucketSource) -> None:
        self._version = version
        self._source = source
        super().__init__(path, _item(path, version, 0).status(), self._read)

    def status_now(self) -> Status:
        """Of what stands under the name now. Raises OSError where nothing does."""
        objects = self._source.objects
        with _errors(objects):
            now = objects.version(self._version.name)
        if now is None:
            raise OSError(errno.ENOENT, "it was deleted while the backup ran")
        self._version = now
        return _item(self.path, now, 0).status()

    def _read(self) -> Generator[bytes, None, None]:
        with _errors(self._source.objects):
            try:
                version = self._version
                yield from self._source.objects.read_version(version.name, version.size, version.token)
            except ObjectNotFound as error:
                raise OSError(errno.ENOENT, "it was deleted while the backup ran") from error


def _item(path: bytes, one: Version, now: int) -> ListedItem:
    return ListedItem(path, one.size, one.mtime_ns or now, f"{one.token} {one.size} {one.mtime_ns}".encode())


def _entered(path: bytes, rules: Rules) -> bool:
    """Whether no folder above is left out: below such a one nothing can be brought back."""
    if not rules.patterned:
        return True
    folders = path.split(b"/")[:-1]
    return all(rules.enters(b"/".join(folders[:depth])) for depth in range(1, len(folders) + 1))


@contextmanager
def _errors(objects: Objects) -> Iterator[None]:
    """What the store says, as an error of the source."""
    try:
        yield
    except ObjectNotFound:
        raise
    except StorageDenied as error:
        hint = "let the credentials list the bucket and read its objects"
        raise SourceError(f"the source {objects.describe()} cannot be read: {error}", hint=hint) from error
    except StorageError as error:
        hint = "check the address, the endpoint and the connection"
        raise SourceError(f"the source {objects.describe()} cannot be read: {error}", hint=hint) from error
