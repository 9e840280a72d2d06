"""SFTP servers over a folder: asyncssh's own, which runs in this process, and OpenSSH's, where it is installed.

with served(folder, tmp_path) as server:
    SftpFiles(server.address(b"/"), clock)
"""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncssh
from msgspec import Struct

from vault.source.remote.sftp_session import SftpAddress

USER, PASSWORD = "me", "the password of the tests"
SSHD = Path("/usr/sbin/sshd")
_PATIENCE = 20.0


class SftpServer(Struct, frozen=True):
    """A running server. base: of the folder, as the server's paths have it · key_file: a private key that it lets in ·
    known_hosts: a file with its key."""

    port: int
    base: bytes
    user: str
    key_file: str
    known_hosts: str

    def address(self, below: bytes = b"", **more: Any) -> SftpAddress:
        """Of a folder below that of the server."""
        options = {"user": self.user, "key_file": self.key_file, "known_hosts": (self.known_hosts,)} | more
        return SftpAddress("127.0.0.1", options.pop("port", self.port), self.base + below or b"/", **options)

    def url(self, below: str = "", user: str = "") -> str:
        """As settings name it."""
        return f"sftp://{f'{user}@' if user else ''}127.0.0.1:{self.port}{os.fsdecode(self.base)}{below}"


class Keys(Struct, frozen=True):
    """A server's key and a user's, in files."""

    folder: Path

    @classmethod
    def made(cls, folder: Path) -> Keys:
        """New ones."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("host", "user"):
            key = asyncssh.generate_private_key("ssh-ed25519")
            key.write_private_key(str(folder / name))
            key.write_public_key(str(folder / f"{name}.pub"))
            (folder / name).chmod(0o600)
        return cls(folder)

    def known_hosts(self, port: int) -> str:
        """A file with the server's key, for a port."""
        file = self.folder / f"known_hosts-{port}"
        file.write_text(f"[127.0.0.1]:{port} {(self.folder / 'host.pub').read_text()}")
        return str(file)


@contextmanager
def served(folder: Path, keys: Path, server: type[Folder] | None = None) -> Iterator[SftpServer]:
    """asyncssh's server, in which the folder is the root; `USER` comes in with `PASSWORD` or the key. keys: a folder for keys ·
    server: what answers."""
    made = Keys.made(keys)
    loop = asyncio.new_event_loop()

    async def begin() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=_Users,
            server_host_keys=[str(made.folder / "host")],
            authorized_client_keys=str(made.folder / "user.pub"),
            sftp_factory=lambda channel: (server or Folder)(channel, chroot=os.fsencode(folder)),
        )

    thread = threading.Thread(target=loop.run_forever, name="sftp server", daemon=True)
    thread.start()
    listening = asyncio.run_coroutine_threadsafe(begin(), loop).result(_PATIENCE)
    try:
        port = listening.get_port()
        yield SftpServer(port, b"", USER, str(made.folder / "user"), made.known_hosts(port))
    finally:
        asyncio.run_coroutine_threadsafe(_ended(listening), loop).result(_PATIENCE)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _ended(listening: asyncssh.SSHAcceptor) -> None:
    listening.close()
    for one in [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]:
        one.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await one
    await asyncio.sleep(0)


class Folder(asyncssh.SFTPServer):
    """Below its folder as its root; links are as they were made."""

    def readlink(self, path: bytes) -> bytes:
        return os.fsencode(Path(os.fsdecode(self.map_path(path))).readlink())

    def symlink(self, oldpath: bytes, newpath: bytes) -> None:
        Path(os.fsdecode(self.map_path(newpath))).symlink_to(os.fsdecode(oldpath))


class _Users(asyncssh.SSHServer):
    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (USER, PASSWORD)


@contextmanager
def openssh(folder: Path, keys: Path) -> Iterator[SftpServer]:
    """OpenSSH's server, as the user who runs the tests; its paths are those of this machine."""
    made = Keys.made(keys)
    shutil.copy(made.folder / "user.pub", made.folder / "authorized")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # it does not start as root without
    port = free_port()
    config = made.folder / "config"
    config.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {made.folder}/host\nAuthorizedKeysFile {made.folder}/authorized\n"
        "PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nSubsystem sftp internal-sftp\n"
        "PermitRootLogin yes\nMaxStartups 100\n"
    )
    process = subprocess.Popen([SSHD, "-D", "-f", config, "-E", made.folder / "log"])
    try:
        wait(lambda: answers(port))
        yield SftpServer(port, os.fsencode(folder), getpass.getuser(), str(made.folder / "user"), made.known_hosts(port))
    finally:
        process.terminate()
        process.wait(_PATIENCE)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False


def wait(until: Callable[[], bool]) -> None:
    end = time.monotonic() + _PATIENCE
    while not until():
        if time.monotonic() > end:
            raise TimeoutError("the server does not start")
        time.sleep(0.05)
