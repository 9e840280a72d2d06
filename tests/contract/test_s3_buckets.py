"""Making buckets: once, with what was asked for, and with clear words where it is not allowed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest

from tests.support.stores import raw_client
from vault.errors import RefusedByRule, StorageDenied, StorageError, TransientStorageError
from vault.storage import s3_buckets
from vault.storage.s3_buckets import create_bucket
from vault.storage.s3_client import S3Options
from vault.storage.s3_locks import S3Locks

_numbers = count(1)


def fresh() -> str:
    return f"strongroom-new-{next(_numbers)}"


@pytest.fixture(params=["moto", "weed"])
def endpoint(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue(f"{request.param}_endpoint")
    return url


def test_a_bucket_is_made_once(endpoint: str) -> None:
    bucket, options = fresh(), S3Options(endpoint)
    assert create_bucket(bucket, options)
    assert not create_bucket(bucket, options)
    assert bucket in [one["Name"] for one in raw_client(endpoint).list_buckets()["Buckets"]]


def test_a_bucket_is_made_with_object_lock_where_that_is_asked_for(moto_endpoint: str) -> None:
    bucket, options = fresh(), S3Options(moto_endpoint)
    assert create_bucket(bucket, options, object_lock=True)
    assert S3Locks(raw_client(moto_endpoint), bucket, str).available()
    assert not create_bucket(bucket, options, object_lock=True)
    assert not create_bucket(bucket, options)


def test_a_bucket_that_is_there_without_object_lock_is_refused_where_that_is_asked_for(moto_endpoint: str) -> None:
    bucket, options = fresh(), S3Options(moto_endpoint)
    create_bucket(bucket, options)
    with pytest.raises(RefusedByRule, match="has no Object Lock"):
        create_bucket(bucket, options, object_lock=True)


def test_a_bucket_is_made_in_the_region_of_the_settings(moto_endpoint: str) -> None:
    bucket = fresh()
    assert create_bucket(bucket, S3Options(moto_endpoint, region="eu-central-1"))
    assert raw_client(moto_endpoint).get_bucket_location(Bucket=bucket)["LocationConstraint"] == "eu-central-1"


class Refusing:
    """A client that answers with these errors. answers: by request, status and code; none: a success."""

    def __init__(self, answers: dict[str, tuple[int, str]]) -> None:
        self._answers = answers
        self.meta = type("Meta", (), {"region_name": "us-east-1"})

    def __getattr__(self, name: str) -> Callable[..., object]:
        def request(**_: object) -> object:
            from botocore.exceptions import ClientError

            if name in self._answers:
                status, code = self._answers[name]
                answer: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
                raise ClientError(answer, name)
            return {}

        return request


@contextmanager
def answering(monkeypatch: pytest.MonkeyPatch, **answers: tuple[int, str]) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setattr(s3_buckets, "make_client", lambda _: Refusing(answers))
        yield


@pytest.mark.parametrize(
    ("answers", "error", "words"),
    [
        ({"head_bucket": (403, "")}, StorageDenied, "may not look at it"),
        ({"head_bucket": (404, ""), "create_bucket": (403, "AccessDenied")}, StorageDenied, "no .AccessDenied"),
        ({"head_bucket": (404, ""), "create_bucket": (409, "BucketAlreadyExists")}, StorageDenied, "somebody else's"),
        ({"head_bucket": (404, ""), "create_bucket": (400, "InvalidBucketName")}, StorageError, "InvalidBucketName"),
        ({"head_bucket": (503, "")}, TransientStorageError, "503"),
    ],
)
def test_what_is_not_allowed_is_said_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, answers: dict[str, tuple[int, str]], error: type[StorageError], words: str
) -> None:
    with answering(monkeypatch, **answers), pytest.raises(error, match=words) as raised:
        create_bucket("some-bucket", S3Options())
    assert raised.value.hint


def test_a_bucket_that_somebody_of_ours_made_meanwhile_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(monkeypatch, head_bucket=(404, ""), create_bucket=(409, "BucketAlreadyOwnedByYou")):
        assert not create_bucket("some-bucket", S3Options())
