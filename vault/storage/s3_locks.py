"""Object Lock of a bucket: headers of an upload, and three requests.

What keeps an object is read by HEAD: every store that has Object Lock says it there, and not all of them answer the requests
that are meant for it. HEAD says nothing to clients without the right; `retain` then leaves it to the store to refuse what would
be shorter.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from vault.errors import StorageError, TransientStorageError
from vault.storage.object_locks import NO_OBJECT_LOCK, LockState, Retention
from vault.storage.s3_client import S3Client
from vault.storage.s3_errors import s3_errors, status_of


@contextmanager
def lock_errors(verb: str, name: str) -> Iterator[None]:
    """As `s3_errors`, for a request that speaks of locks: where it makes no sense to the store, the bucket has none."""
    try:
        with s3_errors(verb, name):
            yield
    except StorageError as error:
        if status_of(error) == 400 and not isinstance(error, TransientStorageError):
            error.hint = NO_OBJECT_LOCK
        raise


class S3Locks:
    """The `Locks` of a bucket. key: of an object's name."""

    def __init__(self, client: S3Client, bucket: str, key: Callable[[str], str]) -> None:
        self._client = client
        self._bucket = bucket
        self._key = key
        self._uploads: dict[str, Callable[[], Retention]] = {}
        self._lock = threading.Lock()

    def available(self) -> bool | None:
        try:
            with s3_errors("look at", f"s3://{self._bucket}"):
                answer = self._client.get_object_lock_configuration(Bucket=self._bucket)
        except StorageError as error:
            return False if status_of(error) == 404 else None
        configuration = answer.get("ObjectLockConfiguration")
        return isinstance(configuration, dict) and configuration.get("ObjectLockEnabled") == "Enabled"

    def lock_uploads(self, folder: str, choose: Callable[[], Retention]) -> None:
        with self._lock:
            self._uploads = {**self._uploads, f"{folder}/": choose}

    def of_upload(self, name: str) -> dict[str, Any]:
        """What an upload of this name says about its lock."""
        for folder, choose in self._uploads.items():
            if name.startswith(folder):
                retention = choose()
                return {"ObjectLockMode": retention.mode.upper(), "ObjectLockRetainUntilDate": retention.until}
        return {}

    def retain(self, name: str, retention: Retention) -> None:
        wanted = {"Mode": retention.mode.upper(), "RetainUntilDate": retention.until}
        with lock_errors("lock", name):
            self._client.put_object_retention(Bucket=self._bucket, Key=self._key(name), Retention=wanted)

    def kept(self, name: str) -> LockState:
        with s3_errors("look at", name):
            answer = self._client.head_object(Bucket=self._bucket, Key=self._key(name))
        return kept_by(answer)

    def put_legal_hold(self, name: str) -> None:
        self._legal_hold("hold", name, "ON")

    def lift_legal_hold(self, name: str) -> None:
        self._legal_hold("release", name, "OFF")

    def _legal_hold(self, verb: str, name: str, status: str) -> None:
        with lock_errors(verb, name):
            self._client.put_object_legal_hold(Bucket=self._bucket, Key=self._key(name), LegalHold={"Status": status})


def kept_by(answer: Mapping[str, Any]) -> LockState:
    """What the answer to a HEAD says."""
    until, mode = answer.get("ObjectLockRetainUntilDate"), answer.get("ObjectLockMode")
    held = answer.get("ObjectLockLegalHoldStatus") == "ON"
    if not isinstance(until, datetime):
        return LockState(None, held)
    return LockState(Retention("compliance" if mode == "COMPLIANCE" else "governance", until.astimezone(UTC)), held)
