"""Objects of a bucket: names of any kind, sizes beyond one pack, and a second run that sends only what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from tests.support.desk import Desk
from tests.support.randomness import SeededChance
from tests.support.store_fixtures import BUCKET
from tests.support.stores import raw_client
from tests.support.tree_facts import write_files

_numbers = count(1)
FILES = {
    "2024/отчёт за май.csv": b"a;b\n" * 100,
    "odd name + & ?#.csv": b"odd",
    "UPPER/x": b"x",
    "percent %41": b"line",
    "plus+plus": b"plus",
    "empty": b"",
}


@pytest.fixture
def prefix() -> str:
    return f"restored-{next(_numbers)}"


@pytest.fixture(params=["moto", "weed"])
def endpoint(request: pytest.FixtureRequest) -> str:
    """A server of each kind, one after another."""
    url: str = request.getfixturevalue(f"{request.param}_endpoint")
    return url


@pytest.fixture
def client(endpoint: str) -> Iterator[Any]:
    made = raw_client(endpoint)
    yield made
    made.close()


@pytest.fixture
def filled(desk: Desk) -> Desk:
    write_files(desk.folder / "source", FILES)
    desk.init()
    desk.add("acme", f"reports={desk.folder / 'source'}")
    desk.call("backup")
    return desk


def objects(client: Any, prefix: str) -> dict[str, bytes]:
    listed = client.list_objects_v2(Bucket=BUCKET, Prefix=f"{prefix}/").get("Contents", [])
    return {one["Key"][len(prefix) + 1 :]: client.get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read() for one in listed}


def test_files_become_objects_and_a_second_run_knows_them(filled: Desk, client: Any, prefix: str, endpoint: str) -> None:
    to = ("--to", f"s3://{BUCKET}/{prefix}", "--endpoint", endpoint)
    assert filled.call("restore", "acme", *to, "--json").document["files"] == len(FILES)
    assert objects(client, prefix) == {f"reports/{name}": content for name, content in FILES.items()}
    metadata = client.head_object(Bucket=BUCKET, Key=f"{prefix}/reports/empty")["Metadata"]
    mtime = (filled.folder / "source/empty").stat().st_mtime_ns
    assert metadata["strongroom-mtime"] == str(mtime) and len(metadata["strongroom-blake3"]) == 64
    again = filled.call("restore", "acme", *to, "--json").document
    assert (again["files"], again["already_there"]) == (0, len(FILES))


def test_what_stands_there_is_refused_skipped_or_replaced(filled: Desk, client: Any, prefix: str, endpoint: str) -> None:
    key = f"{prefix}/reports/UPPER/x"
    client.put_object(Bucket=BUCKET, Key=key, Body=b"mine")
    to = ("--to", f"s3://{BUCKET}/{prefix}", "--endpoint", endpoint)
    assert "in the way: reports/UPPER/x (file)" in filled.call("restore", "acme", *to, exits=1).err
    assert list(objects(client, prefix)) == ["reports/UPPER/x"]
    filled.call("restore", "acme", *to, "--existing", "skip")
    assert objects(client, prefix)["reports/UPPER/x"] == b"mine" and len(objects(client, prefix)) == len(FILES)
    filled.call("restore", "acme", *to, "--existing", "replace", "--yes")
    assert objects(client, prefix)["reports/UPPER/x"] == b"x"


def test_links_are_problems_and_names_of_any_bytes_are_written_out(
    filled: Desk, client: Any, prefix: str, endpoint: str
) -> None:
    (filled.folder / "source/link").symlink_to("empty")
    (filled.folder / "source/caf\udce9").write_bytes(b"latin")
    filled.call("backup")
    result = filled.call("restore", "acme", "--to", f"s3://{BUCKET}/{prefix}", "--endpoint", endpoint, exits=3)
    assert "reports/link: a bucket holds no links" in result.err
    found = objects(client, prefix)
    assert len(found) == len(FILES) + 1 and b"latin" in found.values()


def test_tables_are_converted_on_their_way_and_the_second_run_knows_them(
    filled: Desk, client: Any, prefix: str, endpoint: str
) -> None:
    to = ("--to", f"s3://{BUCKET}/{prefix}", "--endpoint", endpoint, "--as", "jsonl")
    filled.call("restore", "acme", *to)
    found = objects(client, prefix)
    assert found["reports/2024/отчёт за май.jsonl"].startswith(b'{"a":"a","b":"b"}\n') and "strongroom-report.json" in found
    again = filled.call("restore", "acme", *to, "--json").document
    assert (again["files"], again["already_there"]) == (0, len(FILES))


def test_a_name_that_the_store_changes_is_a_problem(filled: Desk, client: Any, prefix: str, endpoint: str) -> None:
    write_files(filled.folder / "source", {"back\\slash": b"odd"})
    filled.call("backup")
    client.put_object(Bucket=BUCKET, Key=f"{prefix}-probe/a\\b", Body=b"")
    kept = objects(client, f"{prefix}-probe").keys() == {"a\\b"}  # SeaweedFS makes it a/b
    to = ("--to", f"s3://{BUCKET}/{prefix}", "--endpoint", endpoint)
    told = filled.call("restore", "acme", *to, "--json", exits=0 if kept else 3).document
    problems = [(one["path"], one["what"]) for one in told["problem_list"]]
    assert problems == ([] if kept else [("reports/back\\slash", "unwritable")])


def test_a_bucket_that_is_not_there_is_an_error_of_storage(filled: Desk, endpoint: str) -> None:
    result = filled.call("restore", "acme", "--to", "s3://no-such-bucket-here/x", "--endpoint", endpoint, exits=30)
    assert "hint: " in result.err and result.out == b""


@pytest.mark.slow
def test_an_object_of_more_than_a_pack_goes_up_with_one_request(desk: Desk, client: Any, prefix: str, endpoint: str) -> None:
    large = SeededChance("large").token(70 * 1024 * 1024)
    write_files(desk.folder / "source", {"large.bin": large})
    desk.init()
    desk.add("acme", f"reports={desk.folder / 'source'}")
    desk.call("backup")
    desk.call("restore", "acme", "--to", f"s3://{BUCKET}/{prefix}", "--endpoint", endpoint)
    assert objects(client, prefix) == {"reports/large.bin": large}
