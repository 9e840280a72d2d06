"""Creating the bucket that a repository is to lie in; stores themselves only ever use one that exists."""

from __future__ import annotations

from typing import Any, Protocol, cast

from vault.errors import RefusedByRule, StorageDenied, StorageError
from vault.storage.s3_client import Answer, S3Options, make_client
from vault.storage.s3_errors import code_of, s3_errors, status_of

_NOT_ALLOWED = "let somebody with the right to create buckets make it, then run this again without creating it"
_TAKEN = "names of buckets are shared by all customers of a provider: choose another one"
_OWN, _FOREIGN = "BucketAlreadyOwnedByYou", "BucketAlreadyExists"
_FIRST_REGION = "us-east-1"
"""The one region that may not be named when a bucket is made in it."""


class BucketClient(Protocol):
    """The requests that are about buckets, as botocore offers them."""

    meta: Any

    def head_bucket(self, **parameters: Any) -> Answer: ...  # noqa: ANN401
    def create_bucket(self, **parameters: Any) -> Answer: ...  # noqa: ANN401
    def get_object_lock_configuration(self, **parameters: Any) -> Answer: ...  # noqa: ANN401
    def close(self) -> None: ...


def create_bucket(bucket: str, options: S3Options, *, object_lock: bool = False) -> bool:
    """Make a bucket where there is none. object_lock: with Object Lock, which a bucket is made with.

    Gives whether it was made: False where one of one's own is there. Raises `RefusedByRule` where that has no Object Lock
    though it is asked for, `StorageDenied` where the credentials may not make one or it is somebody else's, `StorageError`.
    """
    client = cast(BucketClient, make_client(options))
    try:
        if not _exists(client, bucket) and _created(client, bucket, object_lock=object_lock):
            return True
        if object_lock:
            _require_object_lock(client, bucket)
        return False
    finally:
        client.close()


def _exists(client: BucketClient, bucket: str) -> bool:
    try:
        with s3_errors("look at", f"the bucket {bucket}"):
            client.head_bucket(Bucket=bucket)
    except StorageError as error:
        if status_of(error) == 404:
            return False
        if status_of(error) == 403:
            raise StorageDenied(
                f"the bucket {bucket} is there, or may be, and these credentials may not look at it",
                hint="it may be somebody else's: choose another name, or check the credentials and the bucket's policy",
            ) from error
        raise
    return True


def _created(client: BucketClient, bucket: str, *, object_lock: bool) -> bool:
    """False where it was made by oneself meanwhile."""
    parameters: dict[str, Any] = {"Bucket": bucket}
    region = client.meta.region_name
    if region not in (None, _FIRST_REGION, "aws-global"):
        parameters["CreateBucketConfiguration"] = {"LocationConstraint": region}
    if object_lock:
        parameters["ObjectLockEnabledForBucket"] = True
    try:
        with s3_errors("create", f"the bucket {bucket}"):
            client.create_bucket(**parameters)
    except StorageError as error:
        code = code_of(error)
        if code == _OWN:
            return False
        if code == _FOREIGN:
            raise StorageDenied(f"the bucket {bucket} is somebody else's", hint=_TAKEN) from error
        if isinstance(error, StorageDenied):
            raise StorageDenied(str(error), hint=_NOT_ALLOWED) from error
        if code == "InvalidBucketName":
            raise StorageError(str(error), hint="use 3 to 63 small letters, digits, dots and hyphens") from error
        raise
    return True


def _require_object_lock(client: BucketClient, bucket: str) -> None:
    try:
        with s3_errors("look at", f"the bucket {bucket}"):
            answer = client.get_object_lock_configuration(Bucket=bucket)
    except StorageError as error:
        if status_of(error) != 404:
            raise
        answer = {}
    configuration = answer.get("ObjectLockConfiguration")
    if not isinstance(configuration, dict) or configuration.get("ObjectLockEnabled") != "Enabled":
        raise RefusedByRule(
            f"the bucket {bucket} exists and has no Object Lock",
            hint="turn it on with the provider's own tools where these can, or name a bucket that does not exist yet",
        )
