"""Telephony on real servers: call records from PostgreSQL and recordings from SeaweedFS; call records as CSV files and
recordings on an SFTP server. `find --record CALL` gives both, though both are gone, and both come back."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support import sftp_server
from tests.support.desk import Desk
from tests.support.postgres_server import OWNER, PASSWORD, PostgresServer
from tests.support.store_fixtures import BUCKET
from tests.support.stores import raw_client
from tests.support.trees import contents, text

CALLS = [f"call-{number:04}" for number in range(40)]
LOST = "call-0017"


def month(call: str) -> str:
    return f"2024-{int(call[-4:]) % 3 + 4:02}"


def recording(call: str) -> str:
    return f"{month(call)}/{call}.wav"


class Asking:
    """What somebody asks for who knows the id of a call."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def backup(self) -> None:
        for found in self.desk.call("backup", "--json").document["snapshots"]:
            assert found["problems"] == 0

    def found(self, call: str = LOST) -> dict[str, dict[str, Any]]:
        """By where: in a content, or in a name."""
        items = self.desk.call("find", "acme", "--record", call, "--json").document["items"]
        assert len(items) == 2
        return {one["where"]: one for one in items}

    def events(self) -> list[dict[str, Any]]:
        words = ("history", "acme", "--kind", "raw", "--record", LOST, "--json")
        (found,) = self.desk.call(*words).document["history_list"]
        events = found["events"]
        assert isinstance(events, list)
        return events


def gives_both(asking: Asking, *, gone: bool) -> dict[str, dict[str, Any]]:
    """The record and the recording."""
    found = asking.found()
    assert found["content"]["key"] == "call_id" and month(LOST) in found["content"]["path"]
    assert found["name"]["path"] == f"recordings/{recording(LOST)}"
    assert {one["missing_since"] is not None for one in found.values()} == {gone}
    return found


def test_a_call_of_postgresql_and_its_recording_on_seaweedfs(desk: Desk, postgres: PostgresServer, weed_endpoint: str) -> None:
    rows = ",".join(f"('{call}', '{month(call)}-17 10:00', '+38044{call[-4:]}', 'Олена')" for call in CALLS)
    made = "create table calls (call_id text primary key, started_at timestamp, number text, agent text);"
    database, prefix = postgres.new_database(f"{made} insert into calls values {rows}"), f"calls-{desk.folder.parent.name}"
    query = "select call_id, started_at::text, number, agent from calls order by 1"
    with closing(raw_client(weed_endpoint)) as client:

        def recordings() -> dict[str, bytes]:
            listed = client.list_objects_v2(Bucket=BUCKET, Prefix=f"{prefix}/").get("Contents", [])
            return {one["Key"]: client.get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read() for one in listed}

        for call in CALLS:
            client.put_object(Bucket=BUCKET, Key=f"{prefix}/recordings/{recording(call)}", Body=text(call, 3000))
        (desk.folder / "password").write_text(PASSWORD)
        desk.init()
        desk.call("project", "add", "acme")
        words = ["--option", f"user={OWNER}", "--option", "password_file=password", "--option", "sslmode=disable"]
        url = f"postgresql://127.0.0.1:{postgres.port}/{database}"
        desk.call("source", "add", "acme", "raw", url, *words, "--time-column", "started_at", "--yes")
        bucket = (f"s3://{BUCKET}/{prefix}/recordings", "--option", f"endpoint={weed_endpoint}", "--yes")
        desk.call("source", "add", "acme", "recordings", *bucket)
        asking, before = Asking(desk), (postgres.rows(database, query), recordings())
        asking.backup()
        gives_both(asking, gone=False)

        postgres.run(database, f"delete from calls where call_id = '{LOST}'")
        client.delete_object(Bucket=BUCKET, Key=f"{prefix}/recordings/{recording(LOST)}")
        for _ in range(2):
            asking.backup()
        found = gives_both(asking, gone=True)
        created, deleted = asking.events()
        assert created["record_fields"]["agent"] == "Олена" and deleted["what"] == "deleted"
        assert deleted["after"] == found["content"]["last_seen"] and deleted["at"] == found["content"]["missing_since"]

        where = ("--at", found["content"]["last_seen"], "--in-place", "--existing", "skip", "--where", f"call_id = '{LOST}'")
        desk.call("restore", "acme", "raw/calls/**", *where, "--yes")
        desk.call("restore", "acme", found["name"]["path"], "--deleted", "--in-place", "--yes")
        assert (postgres.rows(database, query), recordings()) == before


@pytest.fixture
def switchboard(tmp_path: Path) -> Iterator[sftp_server.SftpServer]:
    """Call records as CSV by month, and recordings."""
    root = tmp_path / "switchboard"
    for call in CALLS:
        file = root / "recordings" / recording(call)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text(call, 3000))
    (root / "cdr").mkdir()
    for name in sorted({month(call) for call in CALLS}):
        lines = [f"{call},+38044{call[-4:]},Олена" for call in CALLS if month(call) == name]
        (root / "cdr" / f"{name}.csv").write_text("\n".join(["call_id,number,agent", *lines]) + "\n")
    with sftp_server.served(root, tmp_path / "keys") as server:
        yield server


def test_a_call_in_csv_files_and_its_recording_on_an_sftp_server(
    desk: Desk, switchboard: sftp_server.SftpServer, tmp_path: Path
) -> None:
    root = tmp_path / "switchboard"
    (desk.folder / "password").write_text(sftp_server.PASSWORD)
    shutil.copy(switchboard.known_hosts, desk.folder / "known_hosts")
    desk.init()
    desk.call("project", "add", "acme")
    options = (f"user={sftp_server.USER}", "password_file=password", "known_hosts=known_hosts")
    words = [word for one in options for word in ("--option", one)]
    desk.call("source", "add", "acme", "raw", switchboard.url("/cdr"), *words, "--yes")
    desk.call("source", "add", "acme", "recordings", switchboard.url("/recordings"), *words, "--yes")
    asking, before = Asking(desk), contents(root)
    asking.backup()
    gives_both(asking, gone=False)

    records = root / "cdr" / f"{month(LOST)}.csv"
    records.write_text("".join(line for line in records.read_text().splitlines(keepends=True) if LOST not in line))
    (root / "recordings" / recording(LOST)).unlink()
    asking.backup()
    found = gives_both(asking, gone=True)
    assert [one["what"] for one in asking.events()] == ["created", "deleted"]

    moment = ("--at", found["content"]["last_seen"], "--in-place", "--existing", "replace", "--yes")
    desk.call("restore", "acme", found["content"]["path"], *moment)
    desk.call("restore", "acme", found["name"]["path"], "--deleted", "--in-place", "--yes")
    assert contents(root) == before
