"""A bucket as a source, through the command and against real servers: added, tested, backed up, and put back in place."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from tests.support.desk import Desk
from tests.support.s3_double import BUCKET as DOUBLE
from tests.support.s3_double import Asked, Reply, S3Double, s3_double
from tests.support.store_fixtures import BUCKET
from tests.support.stores import raw_client
from tests.support.trees import text

_numbers = count(1)
CALLS = {
    f"2024-{month:02}/звонки {number}.csv": text(f"{month} {number}", 300 + month) for month in (4, 5) for number in range(4)
}


class Kept:
    """A desk whose project has a bucket as its source, and a client of that bucket."""

    def __init__(self, desk: Desk, endpoint: str, client: Any, bucket: str = BUCKET, *options: str) -> None:
        self.desk, self.client, self.bucket = desk, client, bucket
        self.prefix = f"source-{next(_numbers)}"
        self.put({"large.bin": text("l", 2_500_000), **CALLS})
        desk.init()
        desk.call("project", "add", "acme")
        words = [word for one in (f"endpoint={endpoint}", *options) for word in ("--option", one)]
        desk.call("source", "add", "acme", "raw", f"s3://{bucket}/{self.prefix}", *words, "--yes")

    def put(self, contents: dict[str, bytes], **more: Any) -> None:
        for name, data in contents.items():
            self.client.put_object(Bucket=self.bucket, Key=f"{self.prefix}/{name}", Body=data, **more)

    def delete(self, *names: str) -> None:
        for name in names:
            self.client.delete_object(Bucket=self.bucket, Key=f"{self.prefix}/{name}")

    def contents(self) -> dict[str, bytes]:
        listed = self.client.list_objects_v2(Bucket=self.bucket, Prefix=f"{self.prefix}/").get("Contents", [])
        keys = [one["Key"] for one in listed]
        return {key[len(self.prefix) + 1 :]: self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read() for key in keys}

    def backup(self) -> dict[str, Any]:
        (found,) = self.desk.call("backup", "--json").document["snapshots"]
        assert isinstance(found, dict)
        return found


@pytest.fixture(params=["moto", "weed"])
def kept(request: pytest.FixtureRequest, desk: Desk) -> Iterator[Kept]:
    endpoint = request.getfixturevalue(f"{request.param}_endpoint")
    client = raw_client(endpoint)
    yield Kept(desk, endpoint, client)
    client.close()


@pytest.fixture
def double(desk: Desk) -> Iterator[tuple[Kept, S3Double]]:
    """A source in a double of a server, for what no real one can be made to do."""
    with s3_double() as server:
        client = raw_client(server.url)
        yield Kept(desk, server.url, client, DOUBLE), server
        client.close()


IN_PLACE = ("restore", "acme", "raw/2024-05/**", "--deleted", "--in-place")


def test_a_prefix_that_was_deleted_goes_back_with_types_and_metadata_and_newer_objects_stay(kept: Kept) -> None:
    lost = "2024-05/звонки 1.csv"
    kept.put({lost: CALLS[lost]}, ContentType="text/csv", Metadata={"client": "Olena"}, CacheControl="no-store")
    assert kept.backup()["problems"] == 0 and kept.backup()["read_bytes"] == 0
    whole = kept.contents()
    kept.delete(*(name for name in CALLS if name.startswith("2024-05")))
    for week in range(3):
        kept.put({f"2024-06/new {week}.csv": text(week, 100), "2024-04/звонки 0.csv": text(f"newer {week}", 50)})
        kept.backup()
    newer = kept.contents()
    plan = kept.desk.call(*IN_PLACE, "--dry-run", "--json").document["plan"]
    assert plan["files"] == 4 and "objects bear the time of the restore" in plan["not_put_back"][-1]
    assert "not put back: objects bear the time" in kept.desk.call(*IN_PLACE, "--dry-run").err and kept.contents() == newer
    done = kept.desk.call(*IN_PLACE, "--verify", "--json").document
    assert (done["verification"]["files"], done["verification"]["items_differing"]) == (4, 0)
    assert kept.contents() == newer | {name: data for name, data in whole.items() if name.startswith("2024-05")}
    head = kept.client.head_object(Bucket=kept.bucket, Key=f"{kept.prefix}/{lost}")
    assert (head["ContentType"], head["Metadata"], head["CacheControl"]) == ("text/csv", {"client": "Olena"}, "no-store")
    again = kept.desk.call(*IN_PLACE, "--json").document
    assert (again["files"], again["already_there"]) == (0, 4)
    assert kept.backup()["problems"] == 0


def test_what_is_newer_in_the_bucket_stays_unless_it_is_to_be_replaced(kept: Kept) -> None:
    kept.backup()
    name = "2024-04/звонки 0.csv"
    kept.put({name: b"newer"})
    shown = kept.desk.call("restore", "acme", f"raw/{name}", "--in-place", "--yes", exits=(0, 3))
    assert kept.contents()[name] in (b"newer", CALLS[name])  # of one second with the snapshot, which the server does not tell
    if kept.contents()[name] == b"newer":
        assert "newer" in shown.err
    kept.desk.call("restore", "acme", f"raw/{name}", "--in-place", "--existing", "replace", "--yes")
    assert kept.contents()[name] == CALLS[name]


def test_items_show_what_the_store_says_beside_them_and_a_folder_is_not_given_it(double: tuple[Kept, S3Double]) -> None:
    kept, _ = double
    name = "2024-05/звонки 1.csv"
    kept.put({name: CALLS[name]}, ContentType="text/csv", Metadata={"client": "Olena"})
    kept.backup()
    (item,) = kept.desk.call("ls", "acme", f"raw/{name}", "-r", "--json").document["items"]
    assert item["attributes"] == {"source.s3.content-type": "text/csv", "source.s3.metadata.client": "Olena"}
    plan = kept.desk.call("restore", "acme", f"raw/{name}", "--to", "back", "--dry-run", "--json").document["plan"]
    assert "content-type, s3.metadata.client) stays in the snapshot" in plan["not_put_back"][0]
    kept.desk.call("restore", "acme", f"raw/{name}", "--to", "back")
    assert (kept.desk.folder / "back/raw" / name).read_bytes() == CALLS[name]
    (entity,) = kept.desk.call("snapshot", "show", "acme", "latest", "--json").document["coverage"]["entities"]
    assert "content-type" in entity["fields"] and "tags" not in entity["fields"]


def test_without_a_destination_a_folder_is_proposed_and_the_way_back_is_said(double: tuple[Kept, S3Double]) -> None:
    kept, _ = double
    kept.backup()
    shown = kept.desk.call("restore", "acme", "raw/2024-05/**", "--dry-run").err
    assert "--in-place puts them back where they came from" in shown


@pytest.mark.parametrize("conditions", ["yes", "no", "refused"])
def test_an_object_that_is_put_there_or_replaced_while_a_restore_runs_stays(
    double: tuple[Kept, S3Double], conditions: str
) -> None:
    """With each kind of server: one that heeds conditions, one that ignores them, and one that refuses to hear of them."""
    kept, server = double
    names = [name for name in CALLS if name.startswith("2024-05")]
    kept.backup()
    kept.delete(*names[:2])
    kept.put({names[2]: b"broken", names[3]: b"broken"})
    server.conditions = conditions

    def meanwhile(_: int, asked: Asked) -> Reply | None:
        if asked.method == "PUT" and not done:
            done.append(1)  # before the first upload is looked at: somebody puts one and replaces another
            server.put(f"{kept.prefix}/{names[1]}", b"put there by somebody")
            server.put(f"{kept.prefix}/{names[3]}", b"replaced by somebody")
        return None

    done: list[int] = []
    server.before = meanwhile
    before = kept.contents()
    result = kept.desk.call("restore", "acme", "raw/2024-05/**", "--in-place", "--existing", "replace", "--yes",
                            exits=(0, 3))  # fmt: skip
    after = kept.contents()
    assert done and after[names[0]] == CALLS[names[0]] and after[names[2]] == CALLS[names[2]]
    if conditions == "yes":  # the others are asked right before each upload: what comes between is theirs to lose
        assert result.code == 3 and "since the plan was made" in result.err
        assert (after[names[1]], after[names[3]]) == (b"put there by somebody", b"replaced by somebody")
    assert {name: data for name, data in after.items() if name not in names} == {
        name: data for name, data in before.items() if name not in names
    }


def test_earlier_versions_stay_out_of_a_restore_in_place_and_go_elsewhere(desk: Desk) -> None:
    with s3_double() as server:
        client = raw_client(server.url)
        kept = Kept(desk, server.url, client, DOUBLE, "versions=all")
        name = "2024-05/звонки 1.csv"
        kept.put({name: b"second"})
        kept.backup()
        kept.delete(name)
        plan = desk.call("restore", "acme", "--in-place", "--dry-run", "--json").document["plan"]
        assert "1 earlier version of objects" in plan["not_put_back"][0] and plan["files"] == 1
        desk.call("restore", "acme", "--in-place", "--yes")
        assert server.contents()[f"{kept.prefix}/{name}"] == b"second"
        refused = desk.call("restore", "acme", "raw/.versions/**", "--in-place", exits=2)
        assert "a bucket takes none back" in refused.err
        desk.call("restore", "acme", "raw/.versions/**", "--to", "back")
        (earlier,) = [one for one in (desk.folder / "back").rglob("*") if one.is_file()]
        assert earlier.read_bytes() == CALLS[name] and earlier.parent.name == "звонки 1.csv"
        client.close()
