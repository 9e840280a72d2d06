"""Servers of other kinds through the command: FTP, SMB, and whatever fsspec knows."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support import ftp_server, smb_server
from tests.support.desk import Desk
from tests.support.ftp_server import PASSWORD
from tests.support.trees import contents, text, write_tree

REPORTS = {f"client {n % 3}/звіт {n}.csv": text(n, 400 + n) for n in range(30)} | {"large.bin": text("l", 2_000_000)}


class Served:
    """A desk whose project has a server as its source, and the folder that it offers. options: as after `--option`."""

    def __init__(self, desk: Desk, folder: Path, url: str, options: tuple[str, ...]) -> None:
        self.desk, self.folder, self.url, self.options = desk, folder, url, options
        write_tree(self.folder, REPORTS)
        (desk.folder / "password").write_text(f"{PASSWORD}\n")
        desk.init()
        desk.call("project", "add", "acme")
        words = [word for one in options for word in ("--option", one)]
        desk.call("source", "add", "acme", "reports", url, *words, "--yes")

    def call(self, *words: str, **more: Any) -> Any:
        result = self.desk.call(*words, **more)
        assert PASSWORD not in result.err and PASSWORD not in result.text
        return result


@pytest.fixture(params=["ftp", "ftps", "smb", "fsspec"])
def served(request: pytest.FixtureRequest, desk: Desk, tmp_path: Path) -> Iterator[Served]:
    folder, kind = tmp_path / "server", request.param
    folder.mkdir()
    with ExitStack() as stack:
        if kind == "smb":
            smb_server.skip_without()
            smb = stack.enter_context(smb_server.served(folder, tmp_path / "samba"))
            yield Served(desk, folder, smb.url(), (f"user={smb_server.USER}", "password_file=password"))
        elif kind == "fsspec":
            yield Served(desk, folder, f"fsspec+file://{folder}", ("auto_mkdir=false",))
        else:
            certificate = ftp_server.certificate_in(tmp_path) if kind == "ftps" else None
            ftp = stack.enter_context(ftp_server.served(folder, certificate))
            options = [f"user={ftp_server.USER}", "password_file=password"]
            options += [f"certificates={certificate}"] if certificate else []
            yield Served(desk, folder, f"{kind}://127.0.0.1:{ftp.port}/", tuple(options))


def test_a_folder_that_was_deleted_goes_back_and_what_is_newer_stays(served: Served) -> None:
    (found,) = served.call("source", "test", "acme", "--json").document["sources"]
    assert found["files"] == 31 and found["error"] is None
    (first,) = served.call("backup", "--json").document["snapshots"]
    assert (first["problems"], first["files"]) == (0, 31)
    shutil.rmtree(served.folder / "client 1")
    write_tree(served.folder, {"client 0/new.csv": b"new", "client 2/звіт 2.csv": b"newer"})
    served.call("backup")
    newer = contents(served.folder)
    words = ("restore", "acme", "reports/client 1/**", "--deleted", "--in-place")
    plan = served.call(*words, "--dry-run", "--json").document["plan"]
    assert plan["files"] == 10 and plan["not_put_back"] and contents(served.folder) == newer
    done = served.call(*words, "--verify", "--yes", "--json").document
    assert done["verification"]["files"] == 10 and done["verification"]["items_differing"] == 0
    assert contents(served.folder) == newer | {name: data for name, data in REPORTS.items() if name.startswith("client 1/")}
    again = served.call(*words, "--yes", "--json").document
    assert again["files"] == 0 and again["already_there"] == 10
    assert not list(served.folder.rglob(".strongroom-*"))


def test_to_another_folder_items_go_as_kind_and_path(served: Served) -> None:
    served.call("backup")
    parameters = "&".join(one for one in served.options if not one.startswith("user="))
    scheme, _, rest = served.url.partition("://")
    user = next((one.removeprefix("user=") + "@" for one in served.options if one.startswith("user=")), "")
    address = f"{scheme}://{user}{rest.rstrip('/')}/copy?{parameters}"
    (served.folder / "copy").mkdir()
    served.call("restore", "acme", "--to", address, "--yes")
    assert contents(served.folder / "copy/reports") == REPORTS


def test_options_of_a_file_system_are_handed_on_and_its_secrets_come_from_files(desk: Desk, tmp_path: Path) -> None:
    desk.init()
    desk.call("project", "add", "acme")
    url = f"fsspec+file://{tmp_path}"
    refused = desk.call("source", "add", "acme", "reports", url, "--option", "password=geheim", "--yes", exits=2)
    assert "secret" in refused.err and "geheim" not in refused.err
    options = ("--option", "secret_file_token=token", "--option", "auto_mkdir=true")
    desk.call("source", "add", "acme", "reports", url, *options, "--yes")
    assert "token" in desk.call("source", "test", "acme", exits=(1, 2)).err  # the file is not there
    (desk.folder / "token").write_text("abc")
    (found,) = desk.call("source", "test", "acme", "--json").document["sources"]
    assert found["error"] is None
