"""Objects of a bucket as a source: each is a file under its key.

An object is known by its ETag and its size, and read in one version: where another one takes its place meanwhile, it is read
again. What the store says beside a content (its type, metadata, on request tags and rights) is kept as attributes. Earlier
versions can be taken too, as items of their own (`vault.source.bucket_versions`). Keys that no path can be are problems.
Objects whose key ends with a slash are folders.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import Any, Protocol

from msgspec import Struct

from vault.clock import Clock
from vault.coverage import Coverage, CoveredEntity
from vault.errors import ObjectNotFound, SourceDenied, SourceError, StorageDenied, StorageError
from vault.problems import Problem
from vault.progress import Stop, never
from vault.rate_limits import RateLimits
from vault.source import bucket_versions
from vault.source.attributes import Extended, shown
from vault.source.bucket_versions import EarlierVersion
from vault.source.contract import SMALL, Content, Scan, Status, TooLarge
from vault.source.item_list import ItemList, ListedItem
from vault.source.patterns import Rules
from vault.source.scan_columns import ScannedStatus
from vault.source.streams import SequentialStream, StreamReader

AT_ONCE = 8
"""Small objects that are asked for at the same time."""

AHEAD = 32
TRIES = 3
MOST_VERSIONS = 5_000_000
"""Earlier versions that one scan takes."""

KIND = "s3"
"""Of the names of attributes."""

KEPT = (
    *("content-type", "content-encoding", "content-language", "content-disposition", "cache-control"),
    *("website-redirect-location", "metadata", "storage-class", "expiration", "encryption"),
)
"""What is kept beside a content without being asked for."""

_MARKER = (("delete-marker", "true"),)


class Version(Protocol):
    """An object as a listing has it. token: changes with its content · mtime_ns: nanoseconds since 1970 · version: the id of
    one that is not asked for by its name alone · is_latest: the name means it now · is_marker: it is a marker of deletion."""

    @property
    def name(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def token(self) -> str: ...
    @property
    def mtime_ns(self) -> int: ...
    @property
    def version(self) -> str: ...
    @property
    def is_latest(self) -> bool: ...
    @property
    def is_marker(self) -> bool: ...


class Found(Protocol):
    """What the store says of one version. properties: what stands beside the content, by name."""

    @property
    def version(self) -> Version: ...
    @property
    def properties(self) -> tuple[tuple[str, str], ...]: ...


class Objects(Protocol):
    """The objects of a bucket, below a prefix; what `vault.storage.s3_source_objects` offers."""

    @property
    def clock_difference(self) -> float | None: ...
    def objects(self) -> Iterator[Version]: ...
    def all_versions(self) -> Iterator[Version]: ...
    def look(self, name: str, version: str = "") -> Found | None: ...
    def read(self, one: Any, /) -> Iterator[bytes]: ...  # noqa: ANN401 (what `look` gave)
    def tags(self, one: Any, /) -> dict[str, str]: ...  # noqa: ANN401
    def rights(self, one: Any, /) -> dict[str, Any]: ...  # noqa: ANN401
    def limits(self) -> RateLimits: ...
    def describe(self) -> str: ...
    def close(self) -> None: ...


class BucketOptions(Struct, frozen=True):
    """What is taken besides the objects. versions: so many earlier ones of each object, the newest; None for all of them ·
    tags, rights: of each object; each costs a request."""

    versions: int | None = 0
    tags: bool = False
    rights: bool = False

    def coverage(self) -> Coverage:
        """What such a source states."""
        fields = ("content", "time", *KEPT, *["tags"] * self.tags, *["owner", "grants"] * self.rights)
        entities = [CoveredEntity("objects", fields)]
        gaps = []
        if self.versions == 0:
            gaps.append("earlier versions of objects are not taken")
        else:
            entities.append(CoveredEntity("earlier versions"))
            gaps.append("markers of deletion are kept as empty items")
        if self.versions:
            gaps.append(f"of each object the newest {self.versions} earlier versions are taken")
        if self.tags or self.rights:
            gaps.append("tags and rights that change while an object does not are seen once it does")
        gaps += ["tags of objects are not kept"] * (not self.tags)
        gaps += ["owners and rights of objects are not kept"] * (not self.rights)
        return Coverage("bucket", tuple(entities), tuple(gaps))


class BucketSource(Struct, frozen=True):
    """See this module's text. prefix: what the paths of items begin with · rules: what is left out."""

    objects: Objects
    prefix: bytes
    rules: Rules
    clock: Clock
    options: BucketOptions = BucketOptions()

    def scan(self, stop: Stop) -> Scan:
        """All objects. Raises `SourceError`."""
        now = int(self.clock.now().timestamp()) * 1_000_000_000
        found = ItemList(self.prefix, 0)
        with _errors(self.objects):
            if self.options.versions == 0:
                for one in self.objects.objects():
                    stop()
                    self._add(found, one, now)
            else:
                self._add_versions(found, now, stop)
        scan = found.scan(frozenset(), self.options.coverage(), beside_files=True)
        scan.is_remote = True
        scan.clock_difference, scan.rate_limits = self.objects.clock_difference, self.objects.limits()
        return scan

    def reader(self, stop: Stop = never) -> BucketReader:
        """Reads objects as they are now."""
        del stop
        return BucketReader(self)

    def close(self) -> None:
        """Close the connections; they are made again where they are needed."""
        self.objects.close()

    def look(self, relative: bytes) -> Found | None:
        """What the store says of an item by now. Raises `StorageError`."""
        earlier = bucket_versions.at(relative) if self.options.versions != 0 else None
        if earlier is None:
            return self.objects.look(relative.decode("utf-8", "surrogateescape"))
        return self.objects.look(earlier.key.decode("utf-8", "surrogateescape"), earlier.version)

    def attributes(self, found: Found) -> Extended:
        """What is kept of it beside its content. Raises `StorageError`."""
        pairs = list(found.properties)
        if found.version.version:
            pairs.append(("version-id", found.version.version))
        if self.options.tags:
            pairs += [(f"tag.{name}", value) for name, value in self.objects.tags(found.version).items()]
        if self.options.rights:
            rights = self.objects.rights(found.version)
            pairs.append(("owner", str(rights["Owner"].get("ID") or rights["Owner"].get("DisplayName") or "")))
            pairs.append(("grants", json.dumps(rights["Grants"], ensure_ascii=False, sort_keys=True)))
        return shown(KIND, pairs)

    def _add(self, found: ItemList, one: Version, now: int) -> None:
        path = one.name.encode("utf-8", "surrogateescape")
        if path.endswith(b"/"):
            if not one.size and self.rules.takes_folder(path[:-1]):
                found.folder(path[:-1], one.mtime_ns, one.token.encode())
            return
        if not self._takes(path):
            found.excluded += 1
            return
        found.file(_item(path, one, now, is_earlier=False))

    def _add_versions(self, found: ItemList, now: int, stop: Stop) -> None:
        """Objects, and of each its earlier versions, as many as the options say."""
        name, count, total = None, 0, 0
        for one in self.objects.all_versions():
            stop()
            if one.is_latest and not one.is_marker:
                self._add(found, one, now)
                continue
            if one.name != name:
                name, count = one.name, 0
            if self.options.versions is not None and count >= self.options.versions:
                continue
            count, total = count + 1, total + 1
            if total > MOST_VERSIONS:
                where, most = self.objects.describe(), f"{MOST_VERSIONS:,}"
                hint = "take fewer of each object, such as versions=10, or split the source by prefix"
                raise SourceError(f"{where} has more than {most} earlier versions", hint=hint)
            self._add_earlier(found, one, now)

    def _add_earlier(self, found: ItemList, one: Version, now: int) -> None:
        key = one.name.encode("utf-8", "surrogateescape")
        if key.endswith(b"/") or not self._takes(key):
            found.excluded += 1
            return
        path = bucket_versions.path_of(EarlierVersion(key, one.version, one.mtime_ns // 1_000_000_000, one.is_marker))
        if path is None:
            whole = found.whole(bucket_versions.FOLDER + b"/" + key)
            found.problems.append(Problem(whole, "unusable-path", "a version with an id like this cannot be kept"))
            return
        found.file(_item(path, one, now, is_earlier=True))

    def _takes(self, path: bytes) -> bool:
        return bool(path) and self.rules.takes(path) and _entered(path, self.rules)


class BucketReader(StreamReader):
    """Reads objects, small ones several at once."""

    def __init__(self, source: BucketSource) -> None:
        super().__init__(source.prefix)
        self._source = source

    def open_large(self, path: bytes) -> BucketStream | Problem:
        """The object as it is now."""
        relative = self._relative(path)
        earlier = bucket_versions.at(relative) if self._source.options.versions != 0 else None
        if earlier is not None and earlier.is_marker:
            return BucketStream(path, _Marker.of(earlier), self._source, shown(KIND, _MARKER))
        with _errors(self._source.objects):
            found = self._source.look(relative)
            if found is None:
                return Problem(path, "vanished-while-read", "it was deleted while the backup ran")
            try:
                attributes = self._source.attributes(found)
            except ObjectNotFound:
                return Problem(path, "vanished-while-read", "it was deleted while the backup ran")
        return BucketStream(path, found.version, self._source, attributes)

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
                    return Content(bytes(memoryview(buffer)[:count]), stream.status, stream.attributes())
        return Problem(path, "unreadable", f"it was replaced during each of {TRIES} readings")


class BucketStream(SequentialStream):
    """One version of an object. Once another one has taken its place, its status says so, and a new beginning reads that."""

    def __init__(self, path: bytes, version: Version, source: BucketSource, attributes: Extended) -> None:
        self._version = version
        self._source = source
        super().__init__(path, _status(path, version), self._read, attributes)

    def status_now(self) -> Status:
        """Of what stands under the name now. Raises OSError where nothing does."""
        if self._version.is_marker:
            return self.status
        source = self._source
        with _errors(source.objects):
            found = source.objects.look(self._version.name, self._version.version)
            if found is None:
                raise OSError(errno.ENOENT, "it was deleted while the backup ran")
            if found.version != self._version:
                self._version, self._attributes = found.version, source.attributes(found)
        return _status(self.path, found.version)

    def _read(self) -> Generator[bytes, None, None]:
        if self._version.is_marker:
            return
        with _errors(self._source.objects):
            try:
                yield from self._source.objects.read(self._version)
            except ObjectNotFound as error:
                raise OSError(errno.ENOENT, "it was deleted while the backup ran") from error


class _Marker(Struct, frozen=True):
    """A marker of deletion, which the store gives nothing for."""

    name: str
    mtime_ns: int
    version: str
    size: int = 0
    token: str = ""
    is_latest: bool = False
    is_marker: bool = True

    @classmethod
    def of(cls, earlier: EarlierVersion) -> _Marker:
        """That of a path."""
        return cls(earlier.key.decode("utf-8", "surrogateescape"), earlier.mtime * 1_000_000_000, earlier.version)


def _item(path: bytes, one: Version, now: int, *, is_earlier: bool) -> ListedItem:
    """As a scan lists it. now: for where the store tells no time (nanoseconds since 1970)."""
    token = f"version {one.version}" if is_earlier else f"{one.token} {one.size} {one.mtime_ns}"  # a version stays as it is
    return ListedItem(path, one.size, one.mtime_ns or now, token.encode("utf-8", "surrogateescape"))


def _status(path: bytes, one: Version) -> ScannedStatus:
    """Of what a reader asked for: an earlier version is asked for by its id."""
    return _item(path, one, 0, is_earlier=bool(one.version)).status()


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
        hint = "let the credentials list the bucket and read its objects (versions, tags and ACLs, where options ask for them)"
        raise SourceDenied(f"the source {objects.describe()} cannot be read: {error}", hint=hint) from error
    except StorageError as error:
        hint = error.hint or "check the address, the endpoint and the connection"
        raise SourceError(f"the source {objects.describe()} cannot be read: {error}", hint=hint) from error
