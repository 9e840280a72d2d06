"""Objects of any name and size in a bucket, for giving items to somebody who reads them there. Not a `Store`: what a repository
keeps has other names and limits.

One single-part PUT each, up to 5 GB, with Content-MD5 and a SHA-256 for the store to verify. What is transient is tried again
with patience, the body from its start.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from typing import IO, Any, TypeVar

from vault.clock import Clock
from vault.errors import ObjectNotFound, StorageError
from vault.problems import printable
from vault.randomness import Randomness
from vault.storage.retrying import Patience, Retries
from vault.storage.s3_client import S3Client, S3Options, make_client
from vault.storage.s3_errors import s3_errors

LARGEST_PUT = 5 * 1024 * 1024 * 1024
"""Bytes that a single PUT may have."""

LONGEST_KEY = 1024
"""Bytes of a key."""

IN_MEMORY = 8 * 1024 * 1024
"""A body up to this size is read before it is sent: it then goes out with one call."""

_PIECE = 1024 * 1024
T = TypeVar("T")


class S3Objects:
    """Objects under `prefix` ("" for the whole bucket) of `bucket`. Used from several threads."""

    def __init__(
        self, bucket: str, prefix: str, options: S3Options, patience: Patience, clock: Clock, randomness: Randomness
    ) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._retries = Retries(patience, clock, randomness)
        self._client: S3Client = make_client(options)

    def describe(self) -> str:
        """The address for people."""
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def key_fits(self, name: str) -> bool:
        """Whether the name, with the prefix, is short enough for a key."""
        return len((self._prefix + name).encode()) <= LONGEST_KEY

    def sizes(self) -> dict[str, int]:
        """Every object, by its name below the prefix. Raises `StorageError`."""
        found: dict[str, int] = {}
        tokens: set[str] = set()
        more: dict[str, str] = {}
        while True:
            page = self._page(more)
            for entry in page.get("Contents") or ():
                key, size = entry.get("Key"), entry.get("Size")
                if isinstance(key, str) and isinstance(size, int) and key.startswith(self._prefix):
                    found[key[len(self._prefix) :]] = size
            token = page.get("NextContinuationToken")
            if not page.get("IsTruncated"):
                return found
            if not isinstance(token, str) or token in tokens:
                raise StorageError(f"the store's listing of {self.describe()} does not come to an end")
            tokens.add(token)
            more = {"ContinuationToken": token}

    def metadata(self, name: str) -> Mapping[str, str] | None:
        """The user's metadata of one object, by lower-case names; None where there is none. Raises `StorageError`."""

        def look() -> Mapping[str, Any]:
            with s3_errors("look at", _shown(name)):
                return self._client.head_object(Bucket=self._bucket, Key=self._prefix + name)

        try:
            answer = self._again(look)
        except ObjectNotFound:
            return None
        metadata = answer.get("Metadata")
        own = metadata if isinstance(metadata, dict) else {}
        return {str(key).lower(): str(own[key]) for key in own}

    def put(self, name: str, body: IO[bytes], size: int, metadata: Mapping[str, str]) -> None:
        """Write an object over whatever stands there. body: seekable, `size` bytes from its start. Raises `StorageError`."""
        if size > LARGEST_PUT:
            raise StorageError(f"{_shown(name)} has {size} bytes; one object takes {LARGEST_PUT} with a single request")
        body.seek(0)
        data = body.read() if size <= IN_MEMORY else None
        checksums = _checksums(body if data is None else None, data or b"")

        def send() -> None:
            body.seek(0)
            with s3_errors("write", _shown(name)):
                self._client.put_object(
                    Bucket=self._bucket,
                    Key=self._prefix + name,
                    Body=body if data is None else data,
                    ContentLength=size,
                    Metadata=dict(metadata),
                    **checksums,
                )

        self._again(send)

    def close(self) -> None:
        """Let go of connections."""
        self._client.close()

    def _page(self, more: Mapping[str, str]) -> Mapping[str, Any]:
        def ask() -> Mapping[str, Any]:
            with s3_errors("list", self.describe()):  # botocore asks for names in URL form, and decodes them: a blank is a plus
                return self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix, **more)

        return self._again(ask)

    def _again(self, action: Callable[[], T]) -> T:
        return self._retries.run(action)


def _checksums(body: IO[bytes] | None, data: bytes) -> dict[str, str]:
    """Of a body that is read for them, or of bytes."""
    sha256, md5 = hashlib.sha256(data), hashlib.md5(data, usedforsecurity=False)
    if body is not None:
        body.seek(0)
        while piece := body.read(_PIECE):
            sha256.update(piece)
            md5.update(piece)
    return {"ChecksumSHA256": _base64(sha256.digest()), "ContentMD5": _base64(md5.digest())}


def _shown(name: str) -> str:
    return printable(name.encode("utf-8", "surrogateescape"))


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode("ascii")
