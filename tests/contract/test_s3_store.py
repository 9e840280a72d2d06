"""What S3Store promises beyond the contract: how it asks, how it lists, what it does about checksums and credentials."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.store_fixtures import BUCKET
from tests.support.stores import StorePlace, raw_client
from vault.errors import StorageDenied, StorageError
from vault.storage.contract import LARGEST_OBJECT, Checksum
from vault.storage.s3 import S3Store
from vault.storage.s3_client import S3Client, S3Options, make_client

SOURCE = Path(__file__).parents[2]
NOWHERE = S3Options(endpoint="http://127.0.0.1:9")


class Pages(S3Store):
    """A store whose server gives these pages, whatever it is asked."""

    def __init__(self, pages: list[dict[str, Any]]) -> None:
        super().__init__(BUCKET, "p", NOWHERE)
        self._client.close()
        self._client = _PagesClient(pages)


class _PagesClient:
    def __init__(self, pages: list[dict[str, Any]]) -> None:
        self._pages = iter(pages)

    def list_objects_v2(self, **_: object) -> dict[str, Any]:
        return next(self._pages)

    def __getattr__(self, name: str) -> Any:
        raise NotImplementedError(name)


def _page(*keys: str, token: str | None = None) -> dict[str, Any]:
    contents = [{"Key": key, "Size": 1} for key in keys]
    return {"Contents": contents, "IsTruncated": token is not None, "NextContinuationToken": token}


def test_keys_that_come_twice_or_out_of_order_are_given_once() -> None:
    store = Pages([_page("p/b", "p/a", token="1"), _page("p/a", "p/c", token="2"), _page("p/b", "p/d")])
    assert [row.name for row in store.list("")] == ["b", "a", "c", "d"]


def test_keys_that_are_not_ours_are_left_out() -> None:
    odd = {"Contents": [{"Key": "p/x"}, {"Size": 1}, {"Key": 5, "Size": 1}, {"Key": "p/y", "Size": 1}]}
    store = Pages([_page("p/a", "p/", "p/folder/", "p/UPPER", "other/b", "p/a b", "p", token="1"), odd])
    assert [row.name for row in store.list("")] == ["a", "y"]


@pytest.mark.parametrize("second", [_page("p/b", token="1"), {"IsTruncated": True}])
def test_a_listing_that_turns_in_circles_is_an_error(second: dict[str, Any]) -> None:
    store = Pages([_page("p/a", token="1"), second])
    with pytest.raises(StorageError, match="come to an end"):
        list(store.list(""))


@pytest.mark.parametrize("server", ["moto_endpoint", "weed_endpoint"])
def test_many_pages_are_one_listing(request: pytest.FixtureRequest, server: str) -> None:
    store = S3Store(BUCKET, "pages", S3Options(endpoint=request.getfixturevalue(server)), page=3)
    names = sorted(f"many/{number % 3}/{number:04}" for number in range(20))
    for name in names:
        store.put(name, b"1")
    assert sorted(row.name for row in store.list("many")) == names
    ones = [name for name in names if name.startswith("many/1/")]
    assert sorted(row.name for row in store.list("many/1")) == ones
    for number, name in enumerate(ones, 1):
        assert sorted(row.name for row in store.list_after("many/1", name)) == ones[number:]
    store.close()


@pytest.mark.parametrize("checksum", ["sha256", "md5", "both", "none"])
def test_each_way_of_checking_is_taken_by_a_server_that_checks(weed_endpoint: str, checksum: Checksum) -> None:
    store = S3Store(BUCKET, f"checksum-{checksum}", S3Options(endpoint=weed_endpoint), checksum=checksum)
    body = b"body" * 1000
    store.put("a", body)
    store.put("b", memoryview(body), sha256=hashlib.sha256(body).digest())
    assert store.get("a") == store.get("b") == body
    store.close()


@pytest.mark.parametrize("size", [4, 1 << 20])
def test_a_wrong_sha256_is_turned_away_by_a_server_that_checks(weed_place: StorePlace, size: int) -> None:
    store = weed_place.open()
    with pytest.raises(StorageError):
        store.put("a", bytes(size), sha256=bytes(32))
    assert list(store.list("")) == []


@pytest.mark.parametrize("checksum", ["sha256", "md5"])
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_a_long_body_whose_sha256_is_known_is_signed_with_it(
    weed_endpoint: str, checksum: Checksum, kind: Callable[[bytes], bytes | bytearray | memoryview]
) -> None:
    sent: list[str] = []
    store = S3Store(BUCKET, f"known-{checksum}-{kind.__name__}", S3Options(endpoint=weed_endpoint), checksum=checksum)
    events = _settings(store._client).events
    events.register(
        "before-send.s3.PutObject", lambda request, **_: sent.append(_text(request.headers["X-Amz-Content-SHA256"]))
    )
    body = hashlib.shake_256(b"long").digest(1 << 20) * 2
    store.put("long", kind(body), sha256=hashlib.sha256(body).digest())
    assert store.get("long") == body
    assert sent == [hashlib.sha256(body).hexdigest()]
    store.close()


@pytest.mark.parametrize(("size", "taken"), [(1 << 20, True), ((1 << 20) - 1, False)])
def test_what_is_signed_of_a_short_body_is_its_own_hash_whatever_its_checksum_says(size: int, *, taken: bool) -> None:
    """A store that heeds hashes of payloads, and no checksums, must not pass for one that heeds both."""
    store, sent = S3Store(BUCKET, "short", NOWHERE), list[str]()
    events = _settings(store._client).events
    events.register(
        "before-send.s3.PutObject", lambda request, **_: sent.append(_text(request.headers["X-Amz-Content-SHA256"]))
    )
    other = hashlib.sha256(b"another")
    with pytest.raises(StorageError):
        store.put("body", bytes(size), sha256=other.digest())
    assert sent == [(other if taken else hashlib.sha256(bytes(size))).hexdigest()]
    store.close()


@pytest.mark.parametrize("size", [0, 100, 3 << 20])
@pytest.mark.parametrize("turned_away", [False, True])
def test_a_view_of_memory_is_sent_as_it_is_and_once_more_where_the_bucket_is_elsewhere(
    weed_endpoint: str, size: int, *, turned_away: bool
) -> None:
    sent: list[Any] = []

    def again(attempts: int, **_: object) -> int | None:
        return 0 if turned_away and len(sent) == 1 else None  # as for a redirect to another region

    store = S3Store(BUCKET, f"view-{size}-{turned_away}", S3Options(endpoint=weed_endpoint), checksum="both")
    events = _settings(store._client).events
    events.register("before-send.s3.PutObject", lambda request, **_: sent.append(request.body))
    events.register("needs-retry.s3.PutObject", again)
    body = hashlib.shake_256(b"view").digest(size)
    place = bytearray(b"before" + body + b"after")
    view = memoryview(place)[6 : 6 + size]
    store.put("view", view)
    assert store.get("view") == body
    assert len(sent) == (2 if turned_away else 1)
    assert not size or sent[0] is view or memoryview(sent[0]).obj is place
    store.close()


def _text(header: str | bytes) -> str:
    return header.decode() if isinstance(header, bytes) else header


@pytest.mark.slow
def test_the_largest_object_goes_up_and_comes_back(weed_place: StorePlace) -> None:
    store = weed_place.open()
    body = hashlib.shake_256(b"large").digest(1 << 20) * (LARGEST_OBJECT >> 20)
    store.put("large", body)
    assert store.get("large") == body


def test_a_pack_goes_up_and_comes_back(weed_place: StorePlace) -> None:
    store = weed_place.open()
    body = hashlib.shake_256(b"pack").digest(1 << 20) * 5 + b"odd"
    store.put("pack", body)
    assert store.get("pack") == body
    assert store.get_range("pack", (1 << 20) - 5, 3 << 20) == body[(1 << 20) - 5 :][: 3 << 20]


def test_an_object_larger_than_any_of_ours_is_not_read(moto_place: StorePlace, moto_endpoint: str) -> None:
    store = moto_place.open()
    prefix = store.describe().removeprefix(f"s3://{BUCKET}/")
    client = raw_client(moto_endpoint)
    client.put_object(Bucket=BUCKET, Key=f"{prefix}/huge", Body=bytes(LARGEST_OBJECT + 1))
    client.close()
    with pytest.raises(StorageError, match="no object"):
        store.get("huge")
    assert store.get_range("huge", 5, 5) == bytes(5)
    store.delete("huge")


def test_a_missing_bucket_is_named_with_a_hint(moto_endpoint: str) -> None:
    store = S3Store("no-such-bucket", "", S3Options(endpoint=moto_endpoint))
    for act in (lambda: store.put("a", b"1"), lambda: store.get("a"), lambda: list(store.list(""))):
        with pytest.raises(StorageError) as caught:
            act()
        assert type(caught.value) is StorageError
        assert "bucket" in (caught.value.hint or "")
    store.close()


@pytest.fixture
def without_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")


@pytest.mark.usefixtures("without_credentials")
def test_missing_credentials_are_said_to_be_missing() -> None:
    store = S3Store(BUCKET, "", NOWHERE)
    with pytest.raises(StorageDenied) as caught:
        store.get("a")
    assert "AWS_ACCESS_KEY_ID" in (caught.value.hint or "")
    store.close()


def test_wrong_credentials_are_denied(weed_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    store = S3Store(BUCKET, "", S3Options(endpoint=weed_endpoint))
    with pytest.raises(StorageDenied):
        store.put("a", b"1")
    store.close()


def test_a_profile_that_is_not_there_is_denied() -> None:
    with pytest.raises(StorageDenied):
        make_client(S3Options(profile="nobody"))


@pytest.mark.parametrize("endpoint", ["not a url", "s3.example.org"])
def test_an_endpoint_that_is_no_url_is_refused_with_a_hint(endpoint: str) -> None:
    with pytest.raises(StorageError) as caught:
        make_client(S3Options(endpoint=endpoint))
    assert "endpoint" in (caught.value.hint or "")


def _settings(client: S3Client) -> Any:
    return client.meta  # type: ignore[attr-defined]  # botocore's own, which the protocol leaves out


@pytest.mark.parametrize(
    ("endpoint", "signed"), [("https://s3.example.org", False), ("http://127.0.0.1:9", True), (None, False)]
)
def test_payloads_are_signed_where_no_tls_protects_them(endpoint: str | None, *, signed: bool) -> None:
    client = make_client(S3Options(endpoint=endpoint, region="eu-central-1"))
    settings = _settings(client)
    assert settings.config.s3["payload_signing_enabled"] is signed
    assert settings.config.s3["addressing_style"] == ("path" if endpoint else "auto")
    assert settings.region_name == "eu-central-1"
    client.close()


def test_an_endpoint_from_the_environment_is_signed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    client = make_client(S3Options(region="eu-central-1"))
    assert _settings(client).config.s3["payload_signing_enabled"] is True
    client.close()


def test_the_lean_client_signs_for_the_same_region_and_host_as_a_plain_one() -> None:
    lean = _settings(make_client(S3Options(endpoint="https://s3.example.org", region="ru-central1")))
    plain = _settings(raw_client("https://s3.example.org"))
    assert lean.endpoint_url == plain.endpoint_url
    assert lean.region_name == "ru-central1"
    assert lean.service_model.api_version == plain.service_model.api_version


def test_nothing_of_the_sdk_is_imported_before_a_bucket_is_opened() -> None:
    program = "import sys, vault.storage.s3, vault.storage.address; print(any('boto' in name for name in sys.modules))"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=SOURCE, check=True)
    assert found.stdout == "False\n"
