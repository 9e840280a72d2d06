"""An SFTP server as a source, through the command: added, tested, backed up, and put back."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import sftp_server
from tests.support.desk import Desk
from tests.support.sftp_server import PASSWORD, USER, SftpServer
from tests.support.trees import contents, look_at, text, write_tree

REPORTS = {f"client {n % 3}/2024-{n % 12 + 1:02}/звіт {n}.csv": text(n, 400 + n) for n in range(60)} | {
    "large.bin": text("l", 3_000_000)
}


class Served:
    """A desk whose project has an SFTP server as its source, and the folder that the server offers."""

    def __init__(self, desk: Desk, folder: Path, server: SftpServer) -> None:
        self.desk, self.folder, self.server = desk, folder / "files", server
        write_tree(self.folder, REPORTS | {"empty/": b""})
        (self.folder / "client 1" / "newest").symlink_to("2024-12")
        (desk.folder / "password").write_text(f"{PASSWORD}\n")
        shutil.copy(server.known_hosts, desk.folder / "known_hosts")
        desk.init()
        desk.call("project", "add", "acme")
        options = (f"user={USER}", "password_file=password", "known_hosts=known_hosts")
        words = [word for one in options for word in ("--option", one)]
        desk.call("source", "add", "acme", "reports", server.url("/files"), *words, "--yes")

    def call(self, *words: str, **more: Any) -> Any:
        result = self.desk.call(*words, **more)
        assert PASSWORD not in result.err and PASSWORD not in result.text
        return result

    def backup(self) -> dict[str, Any]:
        (found,) = self.call("backup", "--json").document["snapshots"]
        assert isinstance(found, dict)
        return found


@pytest.fixture
def sftp(desk: Desk, tmp_path: Path) -> Iterator[Served]:
    (tmp_path / "server").mkdir()
    with sftp_server.served(tmp_path / "server", tmp_path / "keys") as server:
        yield Served(desk, tmp_path / "server", server)


def test_a_test_shows_what_would_be_taken_and_what_is_wrong(sftp: Served) -> None:
    (found,) = sftp.call("source", "test", "acme", "--json").document["sources"]
    assert found["files"] == 61 and found["error"] is None and found["entity_names"] == ["files", "folders", "symbolic links"]
    (sftp.desk.folder / "password").write_text("wrong")
    assert "refuses the user, the key or the password" in sftp.call("source", "test", "acme", exits=1).err
    (sftp.desk.folder / "known_hosts").write_text("")
    assert "is not that of a known host" in sftp.call("source", "test", "acme", exits=1).err
    (sftp.desk.folder / "known_hosts").unlink()
    assert "is not there" in sftp.call("source", "test", "acme", exits=2).err


def test_a_folder_that_was_deleted_weeks_ago_goes_back_and_what_is_newer_stays(sftp: Served) -> None:
    """The accident, over SFTP: one folder is deleted, found out weeks later, and put back among what came since."""
    for path in sftp.folder.rglob("*"):
        os.utime(path, (1_700_000_000, 1_700_000_000), follow_symlinks=False)
    first = sftp.backup()
    assert (first["problems"], first["files"]) == (0, 61)
    assert sftp.backup()["read_bytes"] == 0
    right = look_at(sftp.folder)
    shutil.rmtree(sftp.folder / "client 1")
    for week in range(4):
        (sftp.folder / f"client 0/new {week}.csv").write_bytes(text(week, 100))
        (sftp.folder / "client 2/2024-03/звіт 2.csv").write_bytes(text(f"newer {week}", 500))
        sftp.backup()
    newer = look_at(sftp.folder)
    words = ("restore", "acme", "reports/client 1/**", "--deleted", "--in-place")
    plan = sftp.call(*words, "--dry-run", "--json").document["plan"]
    assert plan["files"] == 20 and look_at(sftp.folder) == newer
    assert any("owners" in one for one in plan["not_put_back"])
    done = sftp.call(*words, "--verify", "--yes", "--json").document
    assert done["verification"]["files"] == 20 and done["verification"]["items_differing"] == 0
    assert done["verification"]["medium"] == "server"
    back = look_at(sftp.folder)
    lost = {path: seen for path, seen in right.items() if path.startswith(b"client 1/")}
    for name, seen in lost.items():  # a link's own time cannot be set
        assert back[name] == seen or (seen.type == "link" and back[name].points_to == seen.points_to)
    assert {path: seen for path, seen in back.items() if path and not path.startswith(b"client 1")} == {
        path: seen for path, seen in newer.items() if path
    }
    again = sftp.call(*words, "--yes", "--json").document
    assert again["files"] == 0 and again["already_there"] >= 20
    assert not list(sftp.folder.rglob(".strongroom-*"))


def test_what_is_newer_on_the_server_stays_unless_it_is_to_be_replaced(sftp: Served) -> None:
    sftp.backup()
    name = "client 0/2024-01/звіт 0.csv"
    (sftp.folder / name).write_bytes(b"newer")
    later = (sftp.folder / name).stat().st_mtime + 10  # the protocol tells whole seconds
    os.utime(sftp.folder / name, (later, later))
    sftp.call("restore", "acme", f"reports/{name}", "--in-place", "--yes", exits=(0, 3))
    assert (sftp.folder / name).read_bytes() == b"newer"
    sftp.call("restore", "acme", f"reports/{name}", "--in-place", "--existing", "replace", "--yes")
    assert contents(sftp.folder)[name] == REPORTS[name]


def test_to_another_folder_items_go_as_kind_and_path(sftp: Served) -> None:
    sftp.backup()
    (sftp.folder.parent / "copy").mkdir()
    address = sftp.server.url("/copy", USER) + "?password_file=password&known_hosts=known_hosts"
    sftp.call("restore", "acme", "--to", address, "--yes")
    assert contents(sftp.folder.parent / "copy/reports") == REPORTS
    again = sftp.call("restore", "acme", "reports/large.bin", "--to", address, "--existing", "refuse", "--json")
    assert again.document["already_there"] == 1
    secret = address.replace(f"{USER}@", f"{USER}:geheim@")
    assert "geheim" not in sftp.call("restore", "acme", "--to", secret, "--yes", exits=2).err
    assert "not known" in sftp.call("restore", "acme", "--to", address + "&colour=red", "--yes", exits=2).err


def test_tables_are_converted_on_the_way_to_the_server(sftp: Served) -> None:
    (sftp.folder / "calls.csv").write_bytes(b"id,name\n1,first\n2,second\n")
    sftp.backup()
    address = sftp.server.url("/", USER) + "?password_file=password&known_hosts=known_hosts"
    words = ("restore", "acme", "reports/calls.csv", "--to", address, "--as", "jsonl", "--existing", "replace", "--yes")
    for _ in range(2):
        sftp.call(*words)
    assert b'"second"' in (sftp.folder.parent / "reports/calls.jsonl").read_bytes()
