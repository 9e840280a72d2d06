"""A WebDAV server as a source, through the command: added, tested, backed up, and put back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import webdav
from tests.support.dav_double import dav_double
from tests.support.desk import Desk
from tests.support.trees import contents, text, write_tree

PASSWORD = "the password of the tests"
REPORTS = {f"client {n % 3}/2024-{n % 12 + 1:02}/звіт {n}.csv": text(n, 400 + n) for n in range(60)} | {
    "large.bin": text("l", 3_000_000)
}


class Served:
    """A desk whose project has a WebDAV server as its source, and the folder that the server offers."""

    def __init__(self, desk: Desk, folder: Path, url: str) -> None:
        self.desk, self.folder = desk, folder / "files"
        self.url = url.replace("http://", "webdav://") + "files"
        self.named = self.url.replace("//", "//me@")
        write_tree(self.folder, REPORTS | {"empty/": b""})
        (desk.folder / "password").write_text(f"{PASSWORD}\n")
        desk.init()
        desk.call("project", "add", "acme")
        words = ("--option", "user=me", "--option", "password_file=password", "--yes")
        desk.call("source", "add", "acme", "reports", self.url, *words)

    def call(self, *words: str, **more: Any) -> Any:
        result = self.desk.call(*words, **more)
        assert PASSWORD not in result.err and PASSWORD not in result.text
        return result

    def backup(self) -> dict[str, Any]:
        (found,) = self.call("backup", "--json").document["snapshots"]
        assert isinstance(found, dict)
        return found

    def files(self) -> dict[str, bytes]:
        return contents(self.folder)


@pytest.fixture
def dav(desk: Desk, tmp_path: Path) -> Iterator[Served]:
    (tmp_path / "server").mkdir()
    with webdav.served(tmp_path / "server", PASSWORD) as url:
        yield Served(desk, tmp_path / "server", url)


def test_a_test_shows_what_would_be_taken_and_a_wrong_password_is_said(dav: Served) -> None:
    (found,) = dav.call("source", "test", "acme", "--json").document["sources"]
    assert found["files"] == 61 and found["error"] is None and abs(found["clock_difference"]) < 60
    (dav.desk.folder / "password").write_text("wrong")
    assert "the user or the password is wrong" in dav.call("source", "test", "acme", exits=1).err


def test_what_is_unchanged_is_not_read_and_a_folder_that_was_deleted_goes_back(dav: Served) -> None:
    """The accident, over WebDAV: one folder is deleted, found out weeks later, and put back among what came since."""
    first = dav.backup()
    assert (first["problems"], first["files"]) == (0, 61)
    assert dav.backup()["read_bytes"] == 0
    for name in [one for one in REPORTS if one.startswith("client 1/")]:
        (dav.folder / name).unlink()
    for folder in sorted((dav.folder / "client 1").rglob("*"), reverse=True):
        folder.rmdir()
    (dav.folder / "client 1").rmdir()
    for week in range(3):
        (dav.folder / f"client 0/new {week}.csv").write_bytes(text(week, 100))
        (dav.folder / "client 2/2024-03/звіт 2.csv").write_bytes(text(f"newer {week}", 500))
        dav.backup()
    newer = dav.files()
    plan = dav.call("restore", "acme", "reports/client 1/**", "--deleted", "--in-place", "--dry-run", "--json").document["plan"]
    assert plan["files"] == 20 and dav.files() == newer
    done = dav.call("restore", "acme", "reports/client 1/**", "--deleted", "--in-place", "--verify", "--yes", "--json").document
    assert done["verification"]["files"] == 20 and done["verification"]["items_differing"] == 0
    assert dav.files() == newer | {name: content for name, content in REPORTS.items() if name.startswith("client 1/")}
    again = dav.call("restore", "acme", "reports/client 1/**", "--deleted", "--in-place", "--yes", "--json").document
    assert again["files"] == 0 or again["already_there"] == 20
    assert not list(dav.folder.rglob(".strongroom-*"))


def test_what_is_newer_on_the_server_stays_unless_it_is_to_be_replaced(dav: Served) -> None:
    dav.backup()
    name = "client 0/2024-01/звіт 0.csv"
    (dav.folder / name).write_bytes(b"newer")
    later = (dav.folder / name).stat().st_mtime + 10  # such servers tell whole seconds
    os.utime(dav.folder / name, (later, later))
    pattern = f"reports/{name}"
    dav.call("restore", "acme", pattern, "--in-place", "--yes", exits=(0, 3))
    assert (dav.folder / name).read_bytes() == b"newer"
    dav.call("restore", "acme", pattern, "--in-place", "--existing", "replace", "--yes")
    assert dav.files() == REPORTS


def test_to_another_collection_items_go_as_kind_and_path(dav: Served) -> None:
    dav.backup()
    address = dav.named.replace("/files", "/copy") + "?password_file=password"
    missing = dav.call("restore", "acme", "--to", address, "--yes", exits=(0, 1, 3))
    if missing.code:
        (dav.folder.parent / "copy").mkdir()
        dav.call("restore", "acme", "--to", address, "--yes")
    assert contents(dav.folder.parent / "copy/reports") == REPORTS
    refused = dav.call("restore", "acme", "reports/large.bin", "--to", address, "--existing", "refuse", "--json")
    assert refused.document["already_there"] == 1
    secret = address.replace("me@", "me:geheim@")
    assert "geheim" not in dav.call("restore", "acme", "--to", secret, "--yes", exits=2).err


def test_owners_and_sharing_rights_are_shown_and_the_plan_says_that_they_are_not_put_back(desk: Desk) -> None:
    """Against a double of a server that shows them."""
    with dav_double(files={"2024/a.csv": b"1", "b.csv": b"2"}) as double:
        double.properties["2024/a.csv"] = {"oc:owner-id": "olena", "oc:permissions": "RGDNVW"}
        desk.init()
        desk.call("project", "add", "acme")
        desk.call("source", "add", "acme", "reports", f"webdav://127.0.0.1:{double.port}/files", "--yes")
        desk.call("backup")
        (item,) = desk.call("ls", "acme", "reports/2024/a.csv", "-r", "--json").document["items"]
        assert item["attributes"] == {"source.webdav.owner-id": "olena", "source.webdav.permissions": "RGDNVW"}
        assert "owner-id" in str(desk.call("snapshot", "show", "acme", "latest", "--json").document["coverage"])
        double.properties["2024/a.csv"] = {"oc:owner-id": "petro"}
        desk.call("backup")
        (history,) = desk.call("history", "acme", "reports/2024/a.csv", "--json").document["items"]
        assert [one["what"] for one in history["events"]] == ["created", "attributes changed"]
        del double.files["2024/a.csv"]
        words = ("restore", "acme", "reports/2024/**", "--in-place")
        (shown, times) = desk.call(*words, "--dry-run", "--json").document["plan"]["not_put_back"]
        assert "what the source showed of 1 item beside the content (webdav.owner-id) stays in the snapshot" in shown
        assert "times of modification" in times
        assert "plan: not put back: what the source showed of 1 item" in desk.call(*words, "--yes").err
        assert double.files["2024/a.csv"] == b"1"
