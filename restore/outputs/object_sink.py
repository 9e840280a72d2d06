"""Objects of a bucket: each file under its path, with its time, mode and BLAKE3 as metadata, by which a second run knows it.

A bucket has no folders and no links: folders are not missed, links are problems. Small files go up by several threads.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import blake2b
from typing import IO

from msgspec.structs import replace as replace_fields

from restore.local_fs import Inspection, TargetItem
from restore.outputs.object_headers import ObjectHeaders, headers_of
from restore.outputs.output_item import OutputItem
from restore.outputs.sink import OutputEntry
from vault.errors import StorageDenied, StorageError, StorageFull, TransientStorageError
from vault.problems import Problem, printable
from vault.storage.s3_objects import LARGEST_PUT, S3Objects

SENDERS = 8
SMALL = 1024 * 1024
AHEAD = 32
"""Small objects that wait or are on their way: with `SMALL` they bound the memory."""

MTIME, MODE, BLAKE3 = "strongroom-mtime", "strongroom-mode", "strongroom-blake3"


def key_of(path: bytes) -> str:
    """The key of an item: its path; one that is no UTF-8 with \\xNN, and a mark that no other path has."""
    try:
        return path.decode("utf-8")
    except UnicodeDecodeError:
        return f"{printable(path)}~{blake2b(path, digest_size=4).hexdigest()}"


class BucketPlace:
    """What stands in the bucket, for a plan: a `restore.planning.destination.Destination`."""

    def __init__(self, objects: S3Objects) -> None:
        self._objects = objects
        self._sizes: dict[str, int] | None = None

    def existing(self, paths: Iterable[bytes]) -> dict[bytes, str]:
        """The objects under the keys of these paths."""
        if self._sizes is None:
            self._sizes = self._objects.sizes()
        return {path: "file" for path in paths if key_of(path) in self._sizes}

    def modified(self, paths: Iterable[bytes]) -> dict[bytes, int]:
        """As their metadata says; of an object that says nothing, nothing is known and it counts as older."""
        known = ((path, _mtime(self._objects.metadata(key_of(path)) or {})) for path in self.existing(paths))
        return {path: mtime for path, mtime in known if mtime is not None}

    def compare(self, items: Iterable[TargetItem]) -> Iterator[Inspection]:
        """Whether each object was written by an earlier run, out of the same content; its attributes cannot be set apart."""
        return (Inspection(same=self._holds(item)) for item in items)

    def _holds(self, item: TargetItem) -> bool:
        key = key_of(item.path)
        if item.digest is None or (self._sizes or {}).get(key) != item.size:
            return False
        metadata = self._objects.metadata(key) or {}
        return metadata.get(BLAKE3) == item.digest.hex() and _mtime(metadata) == item.attributes.mtime_ns


@contextmanager
def object_sink(objects: S3Objects) -> Iterator[ObjectSink]:
    """A sink that writes objects, over whatever stands there: the plan has left out what must stay."""
    with ThreadPoolExecutor(SENDERS, thread_name_prefix="send") as pool:
        sink = ObjectSink(objects, pool)
        try:
            yield sink
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


class ObjectSink:
    """See this module's text."""

    def __init__(self, objects: S3Objects, pool: ThreadPoolExecutor) -> None:
        self._objects = objects
        self._pool = pool
        self._waiting: deque[Future[list[Problem]]] = deque()
        self._sent: dict[str, tuple[bytes, int]] = {}

    def folder(self, path: bytes, entry: OutputEntry) -> list[Problem]:
        """Nothing: a key has the folders in it."""
        return []

    def link(self, path: bytes, points_to: bytes, entry: OutputEntry, *, replace: bool = False) -> list[Problem]:
        """Cannot be."""
        return [Problem(path, "not-carried", f"a bucket holds no links; it points to {printable(points_to)}")]

    def file(self, item: OutputItem, entry: OutputEntry, *, replace: bool = False) -> list[Problem]:
        """An object."""
        key = key_of(item.path)
        if item.content is None:
            return []
        if item.size > LARGEST_PUT or not self._objects.key_fits(key):
            return [Problem(item.path, "not-carried", "its name or its content is too large for one object")]
        headers = self._headers(entry)
        lost = [Problem(item.path, "attributes", f"the store does not take its {name}") for name in headers.lost]
        if item.size > SMALL:
            return lost + self._put(item.path, item.content, item.size, headers, replace=replace)
        body = io.BytesIO(item.content.read())
        self._waiting.append(self._pool.submit(self._put, item.path, body, item.size, headers, replace=replace))
        return lost + (self._waiting.popleft().result() if len(self._waiting) > AHEAD else [])

    def finish(self) -> list[Problem]:
        """Wait for what is on its way, and look whether it stands under its names: some stores change them."""
        problems = self._arrived()
        sizes = self._objects.sizes() if self._sent else {}
        lost = [path for key, (path, size) in self._sent.items() if sizes.get(key) != size]
        return problems + [
            Problem(path, "unwritable", "the store took it, and does not list it under its name") for path in lost
        ]

    def _arrived(self) -> list[Problem]:
        """Once all that is on its way has come there, or has not: the problems."""
        problems: list[Problem] = []
        while self._waiting:
            problems += self._waiting.popleft().result()
        return problems

    def _headers(self, entry: OutputEntry) -> ObjectHeaders:
        own = headers_of(entry.attributes)
        return replace_fields(own, metadata={**own.metadata, **_metadata(entry)})

    def _put(self, path: bytes, body: IO[bytes], size: int, headers: ObjectHeaders, *, replace: bool) -> list[Problem]:
        try:
            problems = self._write(path, body, size, headers, replace=replace)
        except (StorageDenied, StorageFull, TransientStorageError):
            raise  # every other object would meet it too
        except StorageError as error:
            return [Problem(path, "unwritable", str(error))]
        if not problems:
            self._sent[key_of(path)] = path, size
        return problems

    def _write(self, path: bytes, body: IO[bytes], size: int, headers: ObjectHeaders, *, replace: bool) -> list[Problem]:
        """Over whatever stands there: the plan has left out what must stay."""
        del replace
        self._objects.put(key_of(path), body, size, headers.metadata, headers.parameters)
        return []


def _metadata(entry: OutputEntry) -> dict[str, str]:
    attributes = entry.attributes
    found = {MTIME: str(attributes.mtime_ns or 0), MODE: f"{attributes.mode or 0:o}"}
    return found | ({BLAKE3: entry.digest.hex()} if entry.digest else {})


def _mtime(metadata: Mapping[str, str]) -> int | None:
    try:
        return int(metadata.get(MTIME, ""))
    except ValueError:
        return None
