"""A share of Samba's server over a folder, as the user who runs the tests, where Samba is installed.

with served(folder, tmp_path / "samba") as server:
    SmbFiles(server.address(), clock)
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from tests.support.coverage_notes import not_covered
from tests.support.sftp_server import answers, free_port, wait
from vault.source.remote.smb import SmbAddress

SMBD, PASSWD = Path("/usr/sbin/smbd"), Path("/usr/bin/smbpasswd")
USER, PASSWORD, SHARE = "root", "the password of the tests", "share"


class SmbServer(Struct, frozen=True):
    """A running server."""

    port: int

    def address(self, below: bytes = b"", **more: Any) -> SmbAddress:
        """Of a folder of the share."""
        options = {"user": USER, "password": PASSWORD} | more
        port, share = options.pop("port", self.port), options.pop("share", SHARE)
        return SmbAddress("127.0.0.1", port, share, below, **options)

    def url(self, below: str = "", user: str = "") -> str:
        """As settings name it."""
        return f"smb://{f'{user}@' if user else ''}127.0.0.1:{self.port}/{SHARE}{below}"


def skip_without() -> None:
    """Where no server can be started, that is said."""
    if not SMBD.exists() or not PASSWD.exists() or os.geteuid() != 0:
        not_covered("SMB with Samba's server: it is not installed, or the tests do not run as root")
        pytest.skip("no smbd here")


@contextmanager
def served(folder: Path, work: Path, more: str = "") -> Iterator[SmbServer]:
    """A server on a free port, whose files all lie below `work`. more: lines for the share."""
    work.mkdir(parents=True, exist_ok=True)
    port, config = free_port(), work / "smb.conf"
    folders = ("private dir", "lock directory", "state directory", "cache directory", "pid directory")
    lines = [f"{name} = {work}" for name in folders]
    lines += [f"smb ports = {port}", f"log file = {work}/log", f"passdb backend = tdbsam:{work}/passdb.tdb"]
    lines += [f"ncalrpc dir = {work}/ncalrpc", "interfaces = 127.0.0.1", "bind interfaces only = yes"]
    lines += ["server role = standalone server", "disable netbios = yes", "server min protocol = SMB2"]
    lines += ["load printers = no", "disable spoolss = yes"]
    config.write_text("\n".join(["[global]", *lines, f"[{SHARE}]", f"path = {folder}", "read only = no", more, ""]))
    typed = f"{PASSWORD}\n{PASSWORD}\n"
    subprocess.run([PASSWD, "-c", config, "-a", "-s", USER], input=typed, text=True, check=True, capture_output=True)
    command = [str(SMBD), "--foreground", "--no-process-group", "-s", str(config)]
    # when it ends, it ends its whole group
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        wait(lambda: answers(port))
        yield SmbServer(port)
    finally:
        process.terminate()
        process.wait(20)
