"""A store in a bucket of S3, or of anything that speaks it.

Of S3 it uses only what all of them do alike: single-part PUT with a known length, GET with and without a range, HEAD,
DELETE of one object, ListObjectsV2. `create` sends `If-None-Match: *`; a probe has to show whether the store heeds it.
Every request is sent once: `RetryingStore` decides what may be sent again. A body that is cut is taken up again where
it stopped, and every length is compared with what was announced.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from vault.errors import ObjectExists, StorageError, TransientStorageError
from vault.storage.bounds import bounded, check_range
from vault.storage.bucket_facts import BucketFacts
from vault.storage.contract import Buffer, Checksum, ObjectInfo
from vault.storage.object_names import is_name, validate, validate_folder
from vault.storage.s3_body import read_object, read_range
from vault.storage.s3_client import Answer, S3Options, ViewedBody, make_store_clients
from vault.storage.s3_errors import s3_errors, status_of
from vault.storage.s3_locks import S3Locks, lock_errors
from vault.storage.s3_requests import listing_pages, md5_checksum, sha256_checksum
from vault.storage.s3_versions import S3Versions


class S3Store:
    """A `Store` under `prefix` ("" for the whole bucket) of `bucket`.

    checksum: what accompanies every upload for the store to verify; MD5 costs 1.6 s of processor time per GiB, a
    SHA-256 that the caller knows costs nothing · page: rows asked for with one request of a listing.
    """

    def __init__(
        self,
        bucket: str,
        prefix: str,
        options: S3Options | None = None,
        *,
        checksum: Checksum = "both",
        page: int = 1000,
    ) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._checksum = checksum
        self._page = page
        self._wants_md5 = False
        self._client, self._whole = make_store_clients(options or S3Options())
        self._locks = S3Locks(self._whole, bucket, self._key)
        self._versions = S3Versions(self._whole, bucket, self._prefix, self._versioning)

    @property
    def locks(self) -> S3Locks:
        """Object Lock, which the bucket may have."""
        return self._locks

    @property
    def versions(self) -> S3Versions:
        """Former versions, which the bucket may keep."""
        return self._versions

    def choose_checksum(self, checksum: Checksum) -> None:
        """From now on only this accompanies uploads."""
        self._checksum = checksum

    def put(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        self._upload("write", name, data, self._checksums(data, sha256))

    def create(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        self._upload("create", name, data, {"IfNoneMatch": "*", **self._checksums(data, sha256)})

    def get(self, name: str) -> bytes:
        return read_object(self._client, self._bucket, self._key(name), name)

    def get_range(self, name: str, start: int, length: int) -> bytes:
        check_range(name, start, length)
        if length == 0:
            self.size(name)
            return b""
        return read_range(self._client, self._bucket, self._key(name), name, start, length)

    def size(self, name: str) -> int:
        key = self._key(name)
        with s3_errors("look at", name):
            answer = self._client.head_object(Bucket=self._bucket, Key=key)
        size = answer.get("ContentLength")
        if not isinstance(size, int):
            raise TransientStorageError(f"the store did not say how long {name} is")
        return size

    def list(self, folder: str) -> Iterator[ObjectInfo]:
        return self._list(folder, {})

    def list_after(self, folder: str, name: str) -> Iterator[ObjectInfo]:
        return self._list(folder, {"StartAfter": self._key(name)})

    def _list(self, folder: str, first: Mapping[str, str]) -> Iterator[ObjectInfo]:
        """first: parameters of the first request alone; the others go on from where it ended."""
        start = self._prefix + (f"{validate_folder(folder)}/" if folder else "")
        what = folder or self.describe()

        def request(parameters: Mapping[str, str]) -> Answer:
            with s3_errors("list", what):
                more = parameters or first
                return self._client.list_objects_v2(Bucket=self._bucket, Prefix=start, MaxKeys=self._page, **more)

        seen: set[str] = set()  # some stores repeat keys at the edges of pages, and their order cannot be relied on
        for page in listing_pages(request, what):
            for row in _rows(page, self._prefix, start):
                if row.name not in seen:
                    seen.add(row.name)
                    yield row

    def delete(self, name: str) -> None:
        key = self._key(name)
        with s3_errors("delete", name):
            self._client.delete_object(Bucket=self._bucket, Key=key)

    def describe(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def close(self) -> None:
        self._client.close()

    def facts(self) -> BucketFacts:
        """What the bucket itself says about versioning, Object Lock and time; None for what it does not say."""
        with s3_errors("list", self.describe()):
            answer = self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix, MaxKeys=1)
        return BucketFacts(self._versioning(), self._locks.available(), _server_time(answer))

    def refuses_wrong_checksum(self, name: str, kind: Literal["sha256", "md5"]) -> bool:
        """Whether the store turns away an upload of `name` whose checksum does not fit its bytes."""
        data = b"these bytes do not have the checksum that is sent along"
        wrong = {
            "sha256": sha256_checksum(hashlib.sha256(b"other bytes").digest()),
            "md5": _md5(b"other bytes"),
        }
        try:
            self._upload("write", name, data, wrong[kind])
        except StorageError as error:
            if status_of(error) == 400:
                return True
            raise
        return False

    def _upload(self, verb: str, name: str, data: Buffer, extra: dict[str, str]) -> None:
        key = self._key(name)
        view = bounded(name, data)
        body = ViewedBody(view) if isinstance(data, memoryview) else data
        lock = self._locks.of_upload(name)
        if lock or self._wants_md5:
            extra |= _md5(data)
        try:
            with lock_errors(verb, name) if lock else s3_errors(verb, name):
                self._client.put_object(Bucket=self._bucket, Key=key, Body=body, ContentLength=view.nbytes, **extra, **lock)
        except ObjectExists as error:
            if "IfNoneMatch" in extra:
                raise
            raise StorageError(f"cannot write {name}: the store answered 412 to a plain write") from error
        except StorageError as error:
            if isinstance(body, ViewedBody) and type(error.__cause__).__name__ == "UnseekableStreamError":
                self._upload(verb, name, bytes(view), extra)  # the bucket is elsewhere
                return
            if "ContentMD5" in extra or "Content-MD5" not in str(error):
                raise
            self._wants_md5 = True  # the bucket locks by itself what is written, and S3 then demands it
            self._upload(verb, name, data, extra)

    def _checksums(self, data: Buffer, sha256: bytes | None) -> dict[str, str]:
        extra: dict[str, str] = {}
        if self._checksum in {"sha256", "both"}:
            extra |= sha256_checksum(sha256 or hashlib.sha256(data).digest())
        if self._checksum in {"md5", "both"}:
            extra |= _md5(data)
        return extra

    def _key(self, name: str) -> str:
        return self._prefix + validate(name)

    def _versioning(self) -> str | None:
        try:
            with s3_errors("look at", self.describe()):
                status = self._whole.get_bucket_versioning(Bucket=self._bucket).get("Status")
        except StorageError:
            return None
        return status.lower() if isinstance(status, str) else "off"


def _rows(page: Any, prefix: str, start: str) -> Iterator[ObjectInfo]:  # noqa: ANN401 (whatever the store sent)
    """The objects of ours on a page of a listing."""
    for entry in page.get("Contents") or ():
        key, size = entry.get("Key"), entry.get("Size")
        if isinstance(key, str) and isinstance(size, int) and key.startswith(start) and is_name(key[len(prefix) :]):
            yield ObjectInfo(key[len(prefix) :], size)


def _server_time(answer: Any) -> datetime | None:  # noqa: ANN401
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    try:
        return parsedate_to_datetime(headers.get("date", ""))
    except ValueError:
        return None


def _md5(data: Buffer) -> dict[str, str]:
    return md5_checksum(hashlib.md5(data, usedforsecurity=False).digest())
