"""Objects of any name and size in a bucket, for restores and exports into it. Not a `Store`: the objects of a repository have
other names and limits.

Each is uploaded by one single-part PUT of up to 5 GB, with MD5 and SHA-256 for the store to verify. Transient errors are
retried, with the body from its start.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import IO, Any

from vault.clock import Clock
from vault.errors import ObjectNotFound, StorageError
from vault.problems import printable
from vault.randomness import Randomness
from vault.storage.retrying import RequestRetries, RetryPolicy
from vault.storage.s3_body import read_range
from vault.storage.s3_client import Answer, S3Client, S3Options, make_client
from vault.storage.s3_errors import s3_errors
from vault.storage.s3_requests import listing_pages, md5_checksum, sha256_checksum

LARGEST_PUT = 5 * 1024 * 1024 * 1024
"""Bytes of a single PUT."""

LONGEST_KEY = 1024
"""Bytes of a key."""

IN_MEMORY = 8 * 1024 * 1024
"""Bytes; a body up to this size is read before it is sent, and goes out with one call."""

_PIECE = 1024 * 1024


class S3Objects:
    """Objects under `prefix` ("" for the whole bucket) of `bucket`. Used from several threads."""

    def __init__(
        self, bucket: str, prefix: str, options: S3Options, patience: RetryPolicy, clock: Clock, randomness: Randomness
    ) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._retries = RequestRetries(patience, clock, randomness)
        self._client: S3Client = make_client(options)

    def describe(self) -> str:
        """The address for people."""
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def key_fits(self, name: str) -> bool:
        """Whether the name, with the prefix, is short enough."""
        return len((self._prefix + name).encode()) <= LONGEST_KEY

    def sizes(self) -> dict[str, int]:
        """The size of every object in bytes, by its name below the prefix. Raises `StorageError`."""
        found: dict[str, int] = {}
        for page in listing_pages(self._request_page, self.describe()):
            for entry in page.get("Contents") or ():
                key, size = entry.get("Key"), entry.get("Size")
                if isinstance(key, str) and isinstance(size, int) and key.startswith(self._prefix):
                    found[key[len(self._prefix) :]] = size
        return found

    def size(self, name: str) -> int | None:
        """The size of an object in bytes as it stands now; None where there is no such object. Raises `StorageError`."""
        answer = self._head(name)
        if answer is None:
            return None
        size = answer.get("ContentLength")
        if not isinstance(size, int):
            raise StorageError(f"the store does not say how long {_shown(name)} is")
        return size

    def metadata(self, name: str) -> Mapping[str, str] | None:
        """The user metadata of an object, by lower-case names; None where there is no such object. Raises `StorageError`."""
        answer = self._head(name)
        if answer is None:
            return None
        metadata = answer.get("Metadata")
        own = metadata if isinstance(metadata, dict) else {}
        return {str(key).lower(): str(own[key]) for key in own}

    def put_empty(self, name: str) -> None:
        """Create or replace an object without content. Raises `StorageError`."""
        self.put(name, io.BytesIO(), 0, {})

    def put(
        self, name: str, body: IO[bytes], size: int, metadata: Mapping[str, str], parameters: Mapping[str, Any] | None = None
    ) -> None:
        """Create or replace an object. body: seekable, with `size` bytes from its start · parameters: further ones of the
        request: a content type, a condition. Raises `StorageError`, `ObjectExists` where the condition is not met."""
        if size > LARGEST_PUT:
            raise StorageError(f"{_shown(name)} has {size} bytes; one object takes {LARGEST_PUT} with a single request")
        body.seek(0)
        data = body.read() if size <= IN_MEMORY else None
        checksums = _checksums([data] if data is not None else _pieces(body))

        def send() -> None:
            body.seek(0)
            with s3_errors("write", _shown(name)):
                self._client.put_object(
                    Bucket=self._bucket,
                    Key=self._prefix + name,
                    Body=body if data is None else data,
                    ContentLength=size,
                    Metadata=dict(metadata),
                    **(parameters or {}),
                    **checksums,
                )

        self._retries.run(send)

    def read(self, name: str, size: int) -> Iterator[bytes]:
        """The content of an object, piece by piece. size: as `sizes` gave it (bytes); an object that is shorter by now ends
        earlier. Raises `ObjectNotFound` and other `StorageError`s."""
        for start in range(0, size, IN_MEMORY):
            length = min(IN_MEMORY, size - start)
            key, shown = self._prefix + name, _shown(name)
            yield self._retries.run(partial(read_range, self._client, self._bucket, key, shown, start, length))

    def delete(self, name: str) -> None:
        """Delete an object; one that is not there is no error. Raises `StorageError`."""

        def send() -> None:
            with s3_errors("delete", _shown(name)):
                self._client.delete_object(Bucket=self._bucket, Key=self._prefix + name)

        with suppress(ObjectNotFound):
            self._retries.run(send)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _head(self, name: str) -> Answer | None:
        def send() -> Answer:
            with s3_errors("look at", _shown(name)):
                return self._client.head_object(Bucket=self._bucket, Key=self._prefix + name)

        try:
            return self._retries.run(send)
        except ObjectNotFound:
            return None

    def _request_page(self, parameters: Mapping[str, str]) -> Answer:
        def send() -> Answer:
            with s3_errors("list", self.describe()):  # botocore asks for names in URL form, and decodes them: a blank is a plus
                return self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix, **parameters)

        return self._retries.run(send)


def _pieces(body: IO[bytes]) -> Iterator[bytes]:
    while piece := body.read(_PIECE):
        yield piece


def _checksums(pieces: Iterable[bytes]) -> dict[str, str]:
    """The checksums of an upload, which the store verifies."""
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    for piece in pieces:
        sha256.update(piece)
        md5.update(piece)
    return sha256_checksum(sha256.digest()) | md5_checksum(md5.digest())


def _shown(name: str) -> str:
    return printable(name.encode("utf-8", "surrogateescape"))
