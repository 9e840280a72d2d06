"""Objects of any name: listings in pages, bodies sent again from their start, checksums beside them."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.places import TickingClock
from tests.support.randomness import SeededChance
from vault.errors import StorageDenied, StorageError, TransientStorageError
from vault.storage.retrying import RetryPolicy
from vault.storage.s3_client import S3Options
from vault.storage.s3_objects import IN_MEMORY, LARGEST_PUT, S3Objects


def failure(code: str, status: int) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "PutObject")


class FakeClient:
    """A bucket in memory. failures: raised first, one a request · page: rows of a listing."""

    def __init__(self, *failures: Exception, page: int = 2) -> None:
        self.objects: dict[str, bytes] = {}
        self.sent: list[Mapping[str, Any]] = []
        self._failures = list(failures)
        self._page = page

    def put_object(self, **sent: Any) -> Mapping[str, Any]:
        body = sent["Body"] if isinstance(sent["Body"], bytes) else sent["Body"].read()
        self._fail()
        assert len(body) == sent["ContentLength"]
        self.objects[sent["Key"]] = body
        self.sent.append(sent)
        return {}

    def head_object(self, **asked: Any) -> Mapping[str, Any]:
        self._fail()
        if asked["Key"] not in self.objects:
            raise failure("404", 404)
        return {"Metadata": {"Strongroom-Mtime": "5"}}

    def list_objects_v2(self, **asked: Any) -> Mapping[str, Any]:
        self._fail()
        keys = sorted(key for key in self.objects if key.startswith(asked["Prefix"]))
        start = int(asked.get("ContinuationToken", "0"))
        rows = [{"Key": key, "Size": len(self.objects[key])} for key in keys[start : start + self._page]]
        more = start + self._page < len(keys)
        return {"Contents": rows, "IsTruncated": more, "NextContinuationToken": str(start + self._page)}

    def _fail(self) -> None:
        if self._failures:
            raise self._failures.pop(0)


def opened(client: FakeClient, prefix: str = "p", tries: int = 3) -> S3Objects:
    patience = RetryPolicy(tries=tries, base=0.1, cap=1.0, total=60.0)
    options = S3Options(endpoint="http://127.0.0.1:1", region="x")
    objects = S3Objects("bucket", prefix, options, patience, TickingClock(), SeededChance("objects"))
    objects.close()
    objects._client = client  # type: ignore[assignment]  # a bucket of our own in the SDK's place
    return objects


NAMES = ("a b", "отчёт/1", "%41+&?#", "x\\y", "z")


def test_a_listing_of_many_pages_names_every_object_below_the_prefix() -> None:
    client = FakeClient(failure("SlowDown", 503))
    objects = opened(client)
    for number, name in enumerate(NAMES):
        objects.put(name, io.BytesIO(bytes(number)), number, {})
    client.objects["other/p"] = b""
    assert objects.sizes() == {name: number for number, name in enumerate(NAMES)}
    assert objects.describe() == "s3://bucket/p"


def test_a_listing_that_does_not_end_is_refused() -> None:
    class Endless(FakeClient):
        def list_objects_v2(self, **asked: Any) -> Mapping[str, Any]:
            return {"IsTruncated": True, "NextContinuationToken": "same"}

    with pytest.raises(StorageError, match="does not come to an end"):
        opened(Endless()).sizes()


@pytest.mark.parametrize("size", [0, 10, IN_MEMORY + 1])
def test_a_body_is_sent_again_from_its_start_with_its_checksums(size: int) -> None:
    data = SeededChance(f"body {size}").token(size)
    client = FakeClient(failure("InternalError", 500), failure("SlowDown", 503))
    opened(client).put("x", io.BytesIO(data), size, {"a": "b"})
    assert client.objects == {"p/x": data}
    sent = client.sent[0]
    assert sent["Metadata"] == {"a": "b"}
    assert base64.b64decode(sent["ChecksumSHA256"]) == hashlib.sha256(data).digest()
    assert base64.b64decode(sent["ContentMD5"]) == hashlib.md5(data).digest()


def test_what_does_not_pass_is_raised_as_what_it_is() -> None:
    with pytest.raises(TransientStorageError):
        opened(FakeClient(*[failure("SlowDown", 503)] * 5)).put("x", io.BytesIO(b"1"), 1, {})
    with pytest.raises(StorageDenied):
        opened(FakeClient(failure("AccessDenied", 403))).put("x", io.BytesIO(b"1"), 1, {})
    with pytest.raises(StorageError, match="one object takes"):
        opened(FakeClient()).put("x", io.BytesIO(), LARGEST_PUT + 1, {})


def test_metadata_is_told_by_lower_case_names_and_none_of_what_is_not_there() -> None:
    client = FakeClient()
    objects = opened(client, prefix="")
    assert objects.metadata("x") is None
    objects.put("x", io.BytesIO(b"1"), 1, {})
    assert objects.metadata("x") == {"strongroom-mtime": "5"} and list(client.objects) == ["x"]


def test_a_key_may_have_so_many_bytes_and_no_more() -> None:
    objects = opened(FakeClient())
    assert objects.key_fits("я" * 511) and not objects.key_fits("я" * 512)
