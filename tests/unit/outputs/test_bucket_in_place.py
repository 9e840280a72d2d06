"""Objects back into their bucket: in the place of nothing that the plan has not seen, and with what stood beside them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from blake3 import blake3

from restore.local_fs import Attributes, TargetItem
from restore.outputs import object_headers
from restore.outputs.bucket_in_place import BucketInPlace, InPlaceSink, bucket_in_place
from restore.outputs.output_item import ItemOutcome, OutputItem
from restore.outputs.sink import OutputEntry
from tests.support.clock import StillClock
from tests.support.randomness import SeededChance
from tests.support.s3_double import BUCKET, Asked, Reply, S3Double, fault, s3_double
from vault.errors import StorageDenied
from vault.format import manifest
from vault.problems import Problem
from vault.storage.retrying import RetryPolicy
from vault.storage.s3_client import S3Options
from vault.storage.s3_objects import S3Objects
from vault.storage.s3_source_objects import S3SourceObjects

ENTRY = OutputEntry(Attributes(mtime_ns=1_700_000_000_000_000_000))


def item(path: bytes, data: bytes) -> OutputItem:
    return OutputItem(path, io.BytesIO(data), len(data), ItemOutcome(0, path, None))


def shown(**pairs: str) -> OutputEntry:
    extended = tuple((f"source.s3.{name.replace('_', '-')}".encode(), value.encode()) for name, value in pairs.items())
    return OutputEntry(Attributes(extended=extended))


@contextmanager
def places(double: S3Double) -> Iterator[tuple[BucketInPlace, S3SourceObjects, S3Objects]]:
    made = (BUCKET, "in", S3Options(double.url), RetryPolicy.network(60.0), StillClock(), SeededChance("bucket"))
    reader, objects = S3SourceObjects(*made), S3Objects(*made)
    yield BucketInPlace(reader), reader, objects
    reader.close()
    objects.close()


@contextmanager
def sink(double: S3Double, paths: tuple[bytes, ...]) -> Iterator[InPlaceSink]:
    """One whose plan was made when it is given out."""
    with places(double) as (place, reader, objects):
        place.existing(paths)
        with bucket_in_place(objects, place.reached_by(reader), reader) as made:
            yield made


def put(made: InPlaceSink, path: bytes, data: bytes, entry: OutputEntry = ENTRY, *, replace: bool = False) -> list[Problem]:
    return made.file(item(path, data), entry, replace=replace) + made.finish()


@pytest.mark.parametrize("conditions", ["yes", "no", "refused"])
def test_what_changed_since_the_plan_stays_whatever_the_server_makes_of_conditions(conditions: str) -> None:
    with s3_double(conditions=conditions) as double:
        for name in ("in/seen", "in/calm", "in/gone"):
            double.put(name, b"as it was")
        with sink(double, (b"seen", b"calm", b"gone", b"new", b"free")) as made:
            double.put("in/seen", b"changed by somebody")
            double.put("in/new", b"put there by somebody")
            double.delete("in/gone")
            (changed,) = put(made, b"seen", b"ours", replace=True)
            (fresh,) = put(made, b"new", b"ours")
            assert "since the plan was made" in changed.message and "since the plan was made" in fresh.message
            for path, replace in ((b"calm", True), (b"gone", True), (b"free", False)):
                assert put(made, path, b"ours", replace=replace) == []
        assert double.contents() == {
            "in/seen": b"changed by somebody",
            "in/new": b"put there by somebody",
            "in/calm": b"ours",
            "in/gone": b"ours",
            "in/free": b"ours",
        }


def test_what_is_put_there_between_the_look_and_the_upload_stays_where_the_server_heeds_conditions() -> None:
    def meanwhile(_: int, asked: Asked) -> None:
        if asked.method == "PUT":
            double.put(asked.key, b"theirs")

    with s3_double() as double:
        double.put("in/seen", b"as it was")
        with sink(double, (b"seen", b"new")) as made:
            double.before = meanwhile
            problems = put(made, b"seen", b"ours", replace=True) + put(made, b"new", b"ours")
        assert [one.what for one in problems] == ["unwritable"] * 2
        assert set(double.contents().values()) == {b"theirs"}


def test_an_upload_whose_answer_got_lost_is_ours() -> None:
    def lost(number: int, asked: Asked) -> Reply | None:
        if asked.method != "PUT" or double.count("PUT") > 1:
            return None
        double.put(asked.key, asked.body)
        return fault(503, "SlowDown")

    with s3_double(before=lost) as double, sink(double, (b"new",)) as made:
        assert put(made, b"new", b"ours") == []
        assert double.contents() == {"in/new": b"ours"}


def test_what_the_store_said_beside_a_content_goes_up_with_it() -> None:
    with s3_double() as double, sink(double, (b"a", b"b")) as made:
        told = shown(content_type="text/csv", content_encoding="gzip", storage_class="GLACIER", owner="olena")
        extended = (*(told.attributes.extended or ()), (b"source.s3.metadata.client", b"Olena"), (b"source.s3.tag.a&b", b"c d"))
        assert put(made, b"a", b"1", OutputEntry(Attributes(extended=extended))) == []
        one = double.current("in/a")
        assert one is not None and one.headers == {
            "content-type": "text/csv",
            "content-encoding": "gzip",
            "x-amz-meta-client": "Olena",
        }
        sent = next(asked for asked in double.asked if asked.method == "PUT")
        assert sent.headers["x-amz-tagging"] == "a%26b=c+d" and "x-amz-storage-class" not in sent.headers
        (problem,) = put(
            made, b"b", b"1", OutputEntry(Attributes(extended=((b"source.s3.metadata.client", "Олена".encode()),)))
        )
        assert (problem.what, problem.path) == ("attributes", b"b") and double.contents()["in/b"] == b"1"


def test_more_metadata_than_a_store_takes_is_left_out_and_named() -> None:
    extended = tuple((f"source.s3.metadata.{number}".encode(), b"x" * 1000) for number in range(3))
    found = object_headers.headers_of(Attributes(extended=extended))
    assert found.metadata == {} and len(found.lost) == 3
    assert object_headers.headers_of(Attributes(extended=((b"user.mine", b"x"),))) == object_headers.ObjectHeaders()


def test_what_is_there_is_the_same_by_content_and_type() -> None:
    with s3_double() as double:
        double.put("in/right", b"right", content_type="text/csv")
        double.put("in/other", b"right", content_type="text/html")
        double.put("in/wrong", b"wrong", content_type="text/csv")
        attributes = shown(content_type="text/csv").attributes
        digest = blake3(b"right").digest()
        items = [TargetItem(path, manifest.FILE, attributes, 5, digest) for path in (b"right", b"other", b"wrong", b"none")]
        with places(double) as (place, _, _):
            assert [one.same for one in place.compare(items)] == [True, False, False, False]
            assert set(place.modified([b"right", b"none"])) == {b"right"}


def test_of_many_keys_the_bucket_is_listed_and_only_what_is_there_is_looked_at() -> None:
    with s3_double() as double:
        double.put("in/5", b"1")
        with places(double) as (place, _, _):
            assert place.existing(b"%d" % number for number in range(3000)) == {b"5": "file"}
        assert len(double.asked) == 2


def test_what_would_meet_every_other_object_too_ends_the_restore() -> None:
    def refused(_: int, asked: Asked) -> Reply | None:
        return fault(403, "AccessDenied") if asked.method == "PUT" else None

    with s3_double(before=refused) as double, sink(double, (b"a",)) as made, pytest.raises(StorageDenied):
        put(made, b"a", b"1")
