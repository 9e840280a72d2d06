"""Objects back into the bucket that they came from, under their keys, with their content types, metadata and tags.

What takes something's place does so only where that is still what the plan saw: the store is asked before each write, and told
the condition with it (`If-None-Match`, `If-Match`), where it understands that. An object bears the time at which it is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import IO, Any

from blake3 import blake3

from restore.local_fs import Inspection, TargetItem
from restore.outputs.object_headers import ObjectHeaders, bucket_properties, headers_of
from restore.outputs.object_sink import SENDERS, ObjectSink, key_of
from restore.outputs.sink import OutputEntry
from vault.errors import ObjectExists, ObjectNotFound, StorageError
from vault.format import manifest
from vault.problems import Problem
from vault.storage.s3_errors import code_of, status_of
from vault.storage.s3_objects import S3Objects
from vault.storage.s3_source_objects import FoundObject, S3SourceObjects

ASKED_ONE_BY_ONE = 1000
"""Keys; of more, the bucket is listed."""

_CHANGED = "something was put there, or changed, since the plan was made; it was left alone"
_NO_CONDITIONS = (400, 501)


class BucketInPlace:
    """What stands in the bucket, for a plan: a `restore.planning.destination.Destination`. It remembers what it saw."""

    def __init__(self, objects: S3SourceObjects, seen: dict[str, FoundObject | None] | None = None) -> None:
        """seen: by an earlier one, for the plan that is carried out."""
        self._objects = objects
        self._seen: dict[str, FoundObject | None] = {} if seen is None else seen

    def reached_by(self, objects: S3SourceObjects) -> BucketInPlace:
        """The same, over another connection."""
        return BucketInPlace(objects, self._seen)

    def existing(self, paths: Iterable[bytes]) -> dict[bytes, str]:
        """The objects under the keys of these paths."""
        keys = {path: key_of(path) for path in paths}
        self._look([key for key in keys.values() if key not in self._seen])
        return {path: "file" for path, key in keys.items() if self._seen[key] is not None}

    def modified(self, paths: Iterable[bytes]) -> dict[bytes, int]:
        """When they were written, as the store says."""
        wanted = list(paths)
        there = self.existing(wanted)
        return {path: found.version.mtime_ns for path in there if (found := self.seen(path)) is not None}

    def compare(self, items: Iterable[TargetItem]) -> Iterator[Inspection]:
        """Whether content, type and metadata are those of the snapshot: what is there is fetched where its size is right."""
        return (Inspection(same=self._holds(item)) for item in items)

    def seen(self, path: bytes) -> FoundObject | None:
        """What stood there when it was looked at first."""
        key = key_of(path)
        self._look([] if key in self._seen else [key])
        return self._seen[key]

    def _look(self, keys: list[str]) -> None:
        wanted = set(keys)
        if len(wanted) > ASKED_ONE_BY_ONE:
            there = {one.name for one in self._objects.objects() if one.name in wanted}
            self._seen |= dict.fromkeys(wanted - there)
            wanted = there
        order = iter(sorted(wanted))
        with ThreadPoolExecutor(SENDERS, thread_name_prefix="look") as pool:
            while some := list(islice(order, ASKED_ONE_BY_ONE)):
                self._seen |= dict(zip(some, pool.map(self._objects.look, some), strict=True))

    def _holds(self, item: TargetItem) -> bool:
        found = self.seen(item.path)
        if found is None or item.kind != manifest.FILE or found.version.size != item.size or item.digest is None:
            return False
        wanted = headers_of(item.attributes)
        has = dict(found.properties)
        names = {name for name, _ in bucket_properties(item.attributes)}
        differing = any(has.get(f"metadata.{name}") != value for name, value in wanted.metadata.items())
        if differing or ("content-type" in names and has.get("content-type") != wanted.parameters.get("ContentType")):
            return False
        return digest_of(self._objects, found) == item.digest


def digest_of(objects: S3SourceObjects, found: FoundObject) -> bytes | None:
    """BLAKE3 of a version; None where another one has taken its place."""
    digest, size = blake3(), 0
    try:
        for piece in objects.read(found.version):
            digest.update(piece)
            size += len(piece)
    except ObjectNotFound:
        return None
    return digest.digest() if size == found.version.size else None


@contextmanager
def bucket_in_place(objects: S3Objects, place: BucketInPlace, reader: S3SourceObjects) -> Iterator[InPlaceSink]:
    """A sink that puts objects back. place: what the plan saw · reader: of the same bucket."""
    with ThreadPoolExecutor(SENDERS, thread_name_prefix="send") as pool:
        sink = InPlaceSink(objects, pool, place, reader)
        try:
            yield sink
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


class InPlaceSink(ObjectSink):
    """See this module's text."""

    def __init__(self, objects: S3Objects, pool: ThreadPoolExecutor, place: BucketInPlace, reader: S3SourceObjects) -> None:
        super().__init__(objects, pool)
        self._place = place
        self._reader = reader

    def folder(self, path: bytes, entry: OutputEntry) -> list[Problem]:
        """The empty object whose key ends with a slash, by which a bucket has folders."""
        key = f"{key_of(path)}/"
        if self._reader.look(key) is None:
            self._objects.put_empty(key)
        return []

    def finish(self) -> list[Problem]:
        """Wait for what is on its way, and look whether it stands under its keys: some stores change them."""
        problems = self._arrived()
        keys = list(self._sent)
        there = dict(zip(keys, self._pool.map(self._reader.look, keys), strict=True))
        lost = [path for key, (path, size) in self._sent.items() if (one := there[key]) is None or one.version.size != size]
        return problems + [
            Problem(path, "unwritable", "the store took it, and does not list it under its name") for path in lost
        ]

    def _headers(self, entry: OutputEntry) -> ObjectHeaders:
        return headers_of(entry.attributes)

    def _write(self, path: bytes, body: IO[bytes], size: int, headers: ObjectHeaders, *, replace: bool) -> list[Problem]:
        key = key_of(path)
        now = self._reader.look(key)
        planned = self._place.seen(path) if replace else None
        if now is not None and (planned is None or planned.version != now.version):
            return [Problem(path, "unwritable", _CHANGED)]
        condition: dict[str, Any] = {"IfNoneMatch": "*"} if now is None else {"IfMatch": now.version.token}
        try:
            self._objects.put(key, body, size, headers.metadata, {**headers.parameters, **condition})
        except ObjectExists:
            if not self._is_ours(key, body, size):  # an answer of ours may have got lost
                return [Problem(path, "unwritable", _CHANGED)]
        except StorageError as error:
            if status_of(error) not in _NO_CONDITIONS or code_of(error) not in ("NotImplemented", "InvalidArgument"):
                raise
            self._objects.put(key, body, size, headers.metadata, headers.parameters)  # it has been looked at right before
        return []

    def _is_ours(self, key: str, body: IO[bytes], size: int) -> bool:
        found = self._reader.look(key)
        if found is None or found.version.size != size:
            return False
        body.seek(0)
        digest = blake3()
        while piece := body.read(1 << 20):
            digest.update(piece)
        return digest_of(self._reader, found) == digest.digest()
