"""`strongroom publish` to a bucket: only what changed is sent, what is gone is deleted, objects of others stay."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from tests.support.desk import Desk
from tests.support.store_fixtures import BUCKET
from tests.support.stores import raw_client
from tests.support.tree_facts import write_files

_numbers = count(1)
FILES = {f"2024-{month:02}.jsonl": b'{"id":%d}\n' % month for month in range(1, 41)} | {"large.bin": bytes(1_500_000)}
OWN = ".strongroom-publication/"


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


def objects(client: Any, prefix: str) -> dict[str, str]:
    """ETags by names."""
    listed = client.list_objects_v2(Bucket=BUCKET, Prefix=f"{prefix}/").get("Contents", [])
    return {one["Key"][len(prefix) + 1 :]: one["ETag"] for one in listed}


def test_a_bucket_is_kept_at_the_current_state(desk: Desk, client: Any, endpoint: str) -> None:
    prefix = f"published-{next(_numbers)}"
    to = ("publish", "acme", "--as", "csv", "--to", f"s3://{BUCKET}/{prefix}", "--endpoint", endpoint, "--json")
    write_files(desk.folder / "source", FILES)
    desk.init()
    desk.add("acme", f"raw={desk.folder / 'source'}")
    desk.call("backup")
    client.put_object(Bucket=BUCKET, Key=f"{prefix}/raw/2024-02.txt", Body=b"of others")

    (first,) = desk.call(*to).document["publication_list"]
    assert (first["files_written"], first["problems"]) == (len(FILES), 0)
    standing = objects(client, prefix)
    wanted = {f"raw/{name.replace('jsonl', 'csv')}" for name in FILES} | {"raw/2024-02.txt", f"{OWN}state.jsonl"}
    assert set(standing) == wanted
    body = client.get_object(Bucket=BUCKET, Key=f"{prefix}/raw/2024-03.csv")["Body"].read()
    assert body.splitlines() == [b"id", b"3"]

    (desk.folder / "source/2024-01.jsonl").unlink()
    (desk.folder / "source/2024-02.jsonl").write_bytes(b'{"id":22}\n')
    (desk.folder / "source/2024-03.jsonl").write_bytes(b'{"id":33}\n')
    client.put_object(Bucket=BUCKET, Key=f"{prefix}/raw/2024-03.csv", Body=b"id\n9\n")
    desk.call("backup", exits=(0, 3))
    (second,) = desk.call(*to, exits=3).document["publication_list"]
    assert (second["files_written"], second["files_removed"], second["unchanged"]) == (1, 1, len(FILES) - 3)
    (problem,) = second["problem_list"]
    assert (problem["path"], problem["what"]) == ("raw/2024-03.csv", "changed-by-others")
    after = objects(client, prefix)
    assert set(standing) - set(after) == {"raw/2024-01.csv"}
    assert {name for name in after if after[name] != standing[name]} == {
        "raw/2024-02.csv",
        "raw/2024-03.csv",
        f"{OWN}state.jsonl",
    }
    (third,) = desk.call(*to, "--adopt").document["publication_list"]
    assert third["files_written"] == 1
    assert client.get_object(Bucket=BUCKET, Key=f"{prefix}/raw/2024-03.csv")["Body"].read().splitlines() == [b"id", b"33"]
