"""Reading the body of an object, all of it or a range, over a connection that may be cut.

botocore neither retries a body nor verifies a range. Here a body that ends early is taken up again where it stopped, as
long as each attempt brings something and the object is still the same; lengths must be what was announced. Bytes that
are wrong in the middle are found by whoever opens the object: everything stored is sealed.
"""

from __future__ import annotations

import re
from typing import Any, Protocol

from msgspec import Struct

from vault.errors import StorageError, TransientStorageError
from vault.storage.bounds import within_limit
from vault.storage.s3_client import Answer
from vault.storage.s3_errors import s3_errors, status_of

_PIECE = 20 * 1024 * 1024
"""Bytes: what a reset connection can cost. A restore asks for 16 MiB and their tags; several pieces are copied once more."""
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})\Z")


class ReadsObjects(Protocol):
    """The one request that is needed here."""

    def get_object(self, **parameters: Any) -> Answer:  # noqa: ANN401
        """As botocore offers it."""
        ...


class ObjectReplaced(StorageError):
    """Another version of an object stands under its name by now."""


class _Part(Struct, frozen=True):
    """An answer to a GET: `length` bytes from `start` of an object of `total` bytes."""

    body: Any
    start: int
    length: int
    total: int
    etag: object


def read_object(client: ReadsObjects, bucket: str, key: str, name: str) -> bytes:
    """All bytes of an object. Raises `ObjectNotFound` and other `StorageError`s."""
    with s3_errors("read", name):
        answer = client.get_object(Bucket=bucket, Key=key)
    return _read_on(client, bucket, key, name, _whole(answer, name))


def read_range(
    client: ReadsObjects, bucket: str, key: str, name: str, start: int, length: int, *, etag: str | None = None
) -> bytes:
    """`length` (at least 1) bytes from `start`, or fewer where the object ends before. etag: of the version that is wanted.
    Raises `ObjectReplaced` where the object is another one, `ObjectNotFound` and other `StorageError`s."""
    part = _get_part(client, bucket, key, name, start, start + length)
    if part is None:
        return b""
    if etag is not None and part.etag != etag:
        part.body.close()
        raise ObjectReplaced(f"{name} was replaced while it was being read")
    if part.start == start:
        return _read_on(client, bucket, key, name, part)
    # the store ignored the range and sent the whole object
    return _read_on(client, bucket, key, name, part)[start : start + length]


def _get_part(client: ReadsObjects, bucket: str, key: str, name: str, start: int, end: int) -> _Part | None:
    """The bytes [start, end), or the whole object where the store ignores ranges; None past the object's end."""
    try:
        with s3_errors("read", name):
            answer = client.get_object(Bucket=bucket, Key=key, Range=f"bytes={start}-{end - 1}")
    except StorageError as error:
        if status_of(error) == 416:
            return None
        raise
    announced = _CONTENT_RANGE.match(str(answer.get("ContentRange", "")))
    if announced is None:
        return _whole(answer, name)
    first, last, total = (int(number) for number in announced.groups())
    if first != start or last != min(end, total) - 1 or answer.get("ContentLength") != last + 1 - first:
        raise StorageError(f"the store answered with another range of {name} than the one that was asked for")
    within_limit(name, last + 1 - first)
    return _Part(answer["Body"], first, last + 1 - first, total, answer.get("ETag"))


def _whole(answer: Answer, name: str) -> _Part:
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode")
    if status != 200:
        raise StorageError(f"the store answered {status} when asked for {name}")
    length = answer.get("ContentLength")
    if not isinstance(length, int):
        raise TransientStorageError(f"the store did not say how long {name} is")
    return _Part(answer["Body"], 0, within_limit(name, length), length, answer.get("ETag"))


def _read_on(client: ReadsObjects, bucket: str, key: str, name: str, part: _Part) -> bytes:
    """All bytes of `part`, with as many further requests as cut connections make necessary."""
    pieces: list[bytes] = []
    current, done = part, 0
    while True:
        broken = _drain(current, part.length - done, pieces, name)
        before, done = done, sum(map(len, pieces))
        if done == part.length:
            return b"".join(pieces)
        if done == before:
            raise TransientStorageError(f"the store cut the answer with {name} short") from broken
        following = _get_part(client, bucket, key, name, part.start + done, part.start + part.length)
        if following is None or following.total != part.total or following.etag != part.etag:
            raise TransientStorageError(f"{name} was replaced while it was being read")
        if following.start != part.start + done:
            raise TransientStorageError(f"the store cut the answer with {name} short, and cannot go on in the middle")
        current = following


def _drain(part: _Part, missing: int, pieces: list[bytes], name: str) -> StorageError | None:
    """Append what the body still brings, at most `missing` bytes; the error that cut it, if one did."""
    try:
        with s3_errors("read", name):
            while missing and (piece := part.body.read(min(missing, _PIECE))):
                pieces.append(piece)
                missing -= len(piece)
    except TransientStorageError as error:
        return error
    finally:
        part.body.close()
    return None
