"""S3Store behind a network that fails in every way that networks do; moto is the server behind the proxy."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.support.chaos_proxy import Answer, ChaosProxy, Cut, Drop, Flip, chaos_proxy
from tests.support.clock import StillClock
from tests.support.randomness import SeededChance
from tests.support.store_fixtures import BUCKET
from vault.errors import (
    ObjectExists,
    ObjectNotFound,
    StorageDenied,
    StorageError,
    StorageFull,
    TransientStorageError,
)
from vault.storage.retrying import RetryingStore, RetryPolicy
from vault.storage.s3 import S3Store
from vault.storage.s3_client import S3Options

BODY = hashlib.shake_256(b"body").digest(100_000)


@dataclass
class Line:
    """A store whose every request goes through the proxy: as it is, and with patience (that takes no time)."""

    proxy: ChaosProxy
    bare: S3Store
    patient: RetryingStore
    clock: StillClock


@pytest.fixture(scope="module")
def shared(moto_endpoint: str) -> Iterator[tuple[ChaosProxy, S3Store]]:
    with chaos_proxy(moto_endpoint) as proxy:
        store = S3Store(BUCKET, "chaos", S3Options(endpoint=proxy.url))
        yield proxy, store
        store.close()


@pytest.fixture
def line(shared: tuple[ChaosProxy, S3Store]) -> Iterator[Line]:
    proxy, store = shared
    clock = StillClock()
    yield Line(proxy, store, RetryingStore(store, RetryPolicy.network(), clock, SeededChance(7)), clock)
    assert proxy.all_happened
    for row in list(store.list("")):
        store.delete(row.name)


def test_a_503_is_tried_again_after_a_pause(line: Line) -> None:
    line.proxy.plan(Answer(503), Answer(503))
    line.patient.put("a", BODY)
    assert line.bare.get("a") == BODY
    assert len(line.clock.slept) == 2


def test_without_patience_each_request_is_sent_once(line: Line) -> None:
    line.proxy.plan(Answer(503))
    with pytest.raises(TransientStorageError):
        line.bare.put("a", BODY)
    assert len(line.proxy.seen) == 1


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, "RequestTimeout", TransientStorageError),
        (400, "BadDigest", TransientStorageError),
        (400, "InvalidArgument", StorageError),
        (400, "ExpiredToken", StorageDenied),
        (400, "TokenRefreshRequired", StorageDenied),
        (401, "Unauthorized", StorageDenied),
        (403, "AccessDenied", StorageDenied),
        (403, "RequestTimeTooSkewed", StorageDenied),
        (403, "QuotaExceeded", StorageFull),
        (404, "NoSuchBucket", StorageError),
        (404, "NoSuchKey", ObjectNotFound),
        (409, "ConditionalRequestConflict", TransientStorageError),
        (429, "TooManyRequests", TransientStorageError),
        (500, "InternalError", TransientStorageError),
        (501, "NotImplemented", StorageError),
        (502, "", TransientStorageError),
        (503, "SlowDown", TransientStorageError),
        (507, "InsufficientStorage", StorageFull),
    ],
)
def test_every_refusal_has_its_own_error(line: Line, status: int, code: str, expected: type[StorageError]) -> None:
    line.proxy.plan(Answer(status, code), Answer(status, code))
    with pytest.raises(StorageError) as of_get:
        line.bare.get("a")
    with pytest.raises(StorageError) as of_put:
        line.bare.put("a", b"1")
    assert type(of_get.value) is type(of_put.value) is expected
    assert of_get.value.__cause__ is not None


@pytest.mark.parametrize("status", [301, 307])
def test_a_server_that_sends_every_request_elsewhere_is_an_error_of_ours(moto_endpoint: str, status: int) -> None:
    with chaos_proxy(moto_endpoint) as proxy:
        proxy.plan(*[Answer(status, "Found")] * 1000)
        store = S3Store(BUCKET, "elsewhere", S3Options(endpoint=proxy.url))
        with pytest.raises(StorageError, match="sends every request elsewhere") as told:
            store.get("a")
        store.close()
    assert not isinstance(told.value, TransientStorageError)
    assert "is the endpoint that of an S3 server" in str(told.value.hint)


def test_412_is_an_existing_object_for_create_only(line: Line) -> None:
    line.proxy.plan(Answer(412, "PreconditionFailed"), Answer(412, "PreconditionFailed"))
    with pytest.raises(ObjectExists):
        line.bare.create("a", b"1")
    with pytest.raises(StorageError) as caught:
        line.bare.put("a", b"1")
    assert type(caught.value) is StorageError


def test_a_cut_body_is_taken_up_where_it_stopped(line: Line) -> None:
    line.bare.put("a", BODY)
    line.proxy.plan(Cut(30_000), Cut(20_000))
    assert line.bare.get("a") == BODY
    assert len(line.proxy.seen) == 3


def test_a_cut_range_is_taken_up_where_it_stopped(line: Line) -> None:
    line.bare.put("a", BODY)
    line.proxy.plan(Cut(10), Cut(500))
    assert line.bare.get_range("a", 1000, 2000) == BODY[1000:3000]


def test_a_body_of_which_nothing_comes_is_transient(line: Line) -> None:
    line.bare.put("a", BODY)
    line.proxy.plan(Cut(0))
    with pytest.raises(TransientStorageError):
        line.bare.get("a")
    line.proxy.plan(Cut(0), Cut(5), Cut(0))
    assert line.patient.get("a") == BODY


def test_a_dropped_answer_to_a_put_is_put_again(line: Line) -> None:
    line.proxy.plan(Drop())
    line.patient.put("a", BODY)
    assert line.bare.get("a") == BODY


def test_a_dropped_answer_to_a_create_is_not_taken_for_somebody_else(line: Line) -> None:
    line.proxy.plan(Drop())
    line.patient.create("a", BODY)
    assert [seen.split()[0] for seen in line.proxy.seen] == ["PUT", "GET"]


def test_a_create_that_lost_while_its_answer_was_dropped_says_so(line: Line) -> None:
    line.bare.create("a", b"of somebody else")
    line.proxy.plan(Drop())
    with pytest.raises(ObjectExists):
        line.patient.create("a", BODY)
    assert line.bare.get("a") == b"of somebody else"


def test_a_create_that_never_arrived_is_sent_again(line: Line) -> None:
    line.proxy.plan(Answer(503))
    line.patient.create("a", BODY)
    assert line.bare.get("a") == BODY


def test_a_dropped_page_of_a_listing_costs_no_row(line: Line) -> None:
    for number in range(3):
        line.bare.put(f"a/{number}", b"1")
    line.proxy.plan(Drop(), Cut(50))
    assert sorted(row.name for row in line.patient.list("a")) == ["a/0", "a/1", "a/2"]


def test_a_delete_is_repeated(line: Line) -> None:
    line.bare.put("a", b"1")
    line.proxy.plan(Drop(), Answer(500, "InternalError"))
    line.patient.delete("a")
    with pytest.raises(ObjectNotFound):
        line.bare.get("a")


def test_a_flipped_bit_in_an_answer_is_for_the_seal_to_find(line: Line) -> None:
    """No store says what a range should hash to; the store's layer hands on what came, of the right length."""
    line.bare.put("a", BODY)
    line.proxy.plan(Flip(10))
    assert len(line.bare.get("a")) == len(BODY)


def test_an_odd_answer_is_an_error_of_ours(line: Line) -> None:
    line.proxy.plan(Answer(299), Answer(600, "Odd"))
    with pytest.raises(StorageError):
        line.bare.get_range("a", 0, 10)
    with pytest.raises(StorageError):
        line.bare.get("a")


def test_a_refused_connection_is_transient() -> None:
    store = S3Store(BUCKET, "", S3Options(endpoint="http://127.0.0.1:9"))
    with pytest.raises(TransientStorageError):
        store.get("a")
    store.close()
