"""Telephony: call records from a database and recordings from a bucket, linked by the id of the call."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.support.desk import Desk
from tests.support.store_fixtures import BUCKET
from tests.support.stores import raw_client
from tests.support.trees import text

CALLS = [f"call-{number:04}" for number in range(40)]
LOST = "call-0017"


def month(call: str) -> int:
    return int(call[-4:]) % 3 + 4


class Telephony:
    """A switchboard with its two places, and a project that backs both up."""

    def __init__(self, desk: Desk, endpoint: str) -> None:
        self.desk, self.endpoint = desk, endpoint
        self.database = desk.folder / "cdr.db"
        self.client = raw_client(endpoint)
        self.prefix = f"telephony-{desk.folder.parent.name}"
        with closing(sqlite3.connect(self.database)) as database:
            database.execute("create table calls (call_id text primary key, started_at text, number text, agent text)")
            rows = [(call, f"2024-{month(call):02}-17 10:00:00", f"+38044{call[-4:]}", "Olena") for call in CALLS]
            database.executemany("insert into calls values (?, ?, ?, ?)", rows)
            database.commit()
        for call in CALLS:
            self.client.put_object(Bucket=BUCKET, Key=self.key(call), Body=text(call, 3000))
        desk.init()
        desk.call("project", "add", "acme")
        time = ("--time-column", "started_at")
        desk.call("source", "add", "acme", "raw", f"sqlite:{self.database}", "--name", "cdr", *time, "--yes")
        bucket = f"s3://{BUCKET}/{self.prefix}/recordings"
        words = ("--name", "recordings", "--option", f"endpoint={endpoint}", "--yes")
        desk.call("source", "add", "acme", "recordings", bucket, *words)

    def key(self, call: str) -> str:
        return f"{self.prefix}/recordings/2024-{month(call):02}/{call}.wav"

    def rows(self) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.database)) as database:
            return database.execute("select * from calls order by 1").fetchall()

    def delete(self, call: str) -> None:
        """Both parts are gone."""
        with closing(sqlite3.connect(self.database)) as database:
            database.execute("delete from calls where call_id = ?", (call,))
            database.commit()
        self.client.delete_object(Bucket=BUCKET, Key=self.key(call))

    def recordings(self) -> dict[str, bytes]:
        found = self.client.list_objects_v2(Bucket=BUCKET, Prefix=f"{self.prefix}/recordings/").get("Contents", [])
        return {one["Key"]: self.client.get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read() for one in found}


@pytest.fixture
def telephony(desk: Desk, moto_endpoint: str) -> Iterator[Telephony]:
    made = Telephony(desk, moto_endpoint)
    with closing(made.client):
        yield made


def test_a_call_is_found_with_its_recording_and_both_come_back(telephony: Telephony) -> None:
    """A call is deleted in both places; weeks later somebody asks for it."""
    desk, before = telephony.desk, (telephony.rows(), telephony.recordings())
    for found in desk.call("backup", "--json").document["snapshots"]:
        assert found["problems"] == 0
    telephony.delete(LOST)
    for _ in range(2):
        desk.call("backup", "acme")
    assert len(telephony.rows()) == len(telephony.recordings()) == 39
    (recording,) = desk.call("find", "acme", LOST, "--json").document["items"]
    assert recording["path"] == f"recordings/2024-{month(LOST):02}/{LOST}.wav" and recording["deleted"]
    moment = recording["last_seen"]
    asked = f"select call_id, number, agent from calls where call_id = '{LOST}'"
    (row,) = desk.call("query", "acme", asked, "--at", moment, "--json").document["rows"]
    assert list(row.values() if isinstance(row, dict) else row) == [LOST, f"+38044{LOST[-4:]}", "Olena"]
    where = ("--where", f"call_id = '{LOST}'")
    desk.call("restore", "acme", "raw/calls/**", "--at", moment, "--in-place", "--existing", "skip", *where, "--yes")
    address = f"s3://{BUCKET}/{telephony.prefix}"
    desk.call("restore", "acme", recording["path"], "--deleted", "--to", address, "--endpoint", telephony.endpoint, "--yes")
    assert (telephony.rows(), telephony.recordings()) == before
