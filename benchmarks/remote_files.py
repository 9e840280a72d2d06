"""Files on servers: the first and an unchanged backup, beside `rclone sync` of the same.

    python -m benchmarks.remote_files [--files 20000] [--only webdav,sftp] [--work DIR]

Both read from one server on loopback: rclone's own for WebDAV, OpenSSH's for SFTP where it is installed and may be started by
this user, else rclone's. Strongroom compresses, encrypts and stores into a folder; rclone writes plain files. Both are run with
their own defaults, each run as a process of its own; rclone's sums over SFTP, for which it starts a program on the server for
each file, are switched off. The memory of a first backup must stay below 400 MB.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from msgspec import Struct

from benchmarks.measure import Cost, run
from benchmarks.scratch import child_environment, empty_folder, require_program, say

MOST_MEMORY = 400_000_000
IN_A_FOLDER = 200
USER, PASSWORD = "bench", "a password of no value"
SSHD = Path("/usr/sbin/sshd")
_PATIENCE = 20.0


class Served(Struct, frozen=True):
    """A server. url, options: as Strongroom's settings have them · remote: as rclone's command line has it."""

    name: str
    url: str
    options: tuple[str, ...]
    remote: str


def main() -> int:
    """Measures, and prints a Markdown table. Returns 1 where more memory was taken than there is."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--only", type=lambda text: text.split(","), default=["webdav", "sftp"])
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "strongroom-remote-files")
    options = parser.parse_args()
    rclone, worst = require_program("rclone"), 0
    with empty_folder(options.work.resolve()) as work:
        source = write_files(work / "source", options.files)
        print(f"| {options.files:,} files | what | wall | cpu | memory |\n| --- | --- | --- | --- | --- |")
        for name in options.only:
            with (webdav if name == "webdav" else sftp)(rclone, source, work) as served:
                worst = max(worst, _measured(served, rclone, work / name))
    print(f"\nload of the machine at the end: {os.getloadavg()[0]:.1f}")
    return int(worst > MOST_MEMORY)


def write_files(folder: Path, count: int) -> Path:
    """CSV files of 5 to 35 KB, 200 a folder; the same every time."""
    chance = Random(1)
    for number in range(count):
        batch = number // IN_A_FOLDER
        place = folder / f"client {batch % 20}" / f"{2024 + batch // 240}-{batch:04}"
        if not number % IN_A_FOLDER:
            place.mkdir(parents=True)
        row = f"{chance.randrange(10**9)},answered,{chance.randrange(900)}\n"
        lines = "".join(f"{line},{row}" for line in range(chance.randrange(200, 1400)))
        (place / f"report {number}.csv").write_text(f"id,number,result,seconds\n{lines}")
        moment = 1_700_000_000 + number
        os.utime(place / f"report {number}.csv", (moment, moment))
    return folder


@contextmanager
def webdav(rclone: str, folder: Path, work: Path) -> Iterator[Served]:
    """rclone's own server."""
    port = _free_port()
    command = [rclone, "serve", "webdav", str(folder), "--addr", f"127.0.0.1:{port}", "--read-only", "--dir-cache-time", "1h"]
    with _running(command, port, work / "webdav.log"):
        yield Served("WebDAV", f"webdav://127.0.0.1:{port}/", (), f":webdav,url='http://127.0.0.1:{port}':")


@contextmanager
def sftp(rclone: str, folder: Path, work: Path) -> Iterator[Served]:
    """OpenSSH's server, or rclone's."""
    keys, port = work / "keys", _free_port()
    keys.mkdir()
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", keys / name], check=True)
    (keys / "known").write_text(f"[127.0.0.1]:{port} {(keys / 'host.pub').read_text()}")
    user = USER
    if SSHD.exists() and os.geteuid() == 0:
        user = "root"
        Path("/run/sshd").mkdir(exist_ok=True)
        (keys / "config").write_text(
            f"Port {port}\nListenAddress 127.0.0.1\nHostKey {keys}/host\nAuthorizedKeysFile {keys}/user.pub\nPidFile none\n"
            "StrictModes no\nUsePAM no\nSubsystem sftp internal-sftp\nPermitRootLogin yes\n"
        )
        command, base = [str(SSHD), "-D", "-f", str(keys / "config")], str(folder)
    else:
        serving = ["--addr", f"127.0.0.1:{port}", "--key", str(keys / "host"), "--authorized-keys", str(keys / "user.pub")]
        command, base = [rclone, "serve", "sftp", str(folder), "--read-only", "--user", user, *serving], "/"
    with _running(command, port, work / "sftp.log"):
        options = (f"user={user}", f"key_file={keys}/user", f"known_hosts={keys}/known")
        remote = f":sftp,host=127.0.0.1,port={port},user={user},key_file='{keys}/user',disable_hashcheck=true:{base}"
        yield Served("SFTP", f"sftp://127.0.0.1:{port}{base}", options, remote)


def _measured(served: Served, rclone: str, work: Path) -> int:
    """Prints the rows of one server; gives the largest memory of Strongroom's."""
    work.mkdir()
    environment = child_environment() | {"HOME": str(work), "RCLONE_CONFIG": str(work / "none.conf")}
    strongroom, most = require_program("strongroom"), 0

    def told(tool: str, what: str, command: list[str]) -> Cost:
        say(f"{served.name}: {tool}, {what}")
        cost = run(command, environment=environment, folder=work, log=work / "log")
        print(
            f"| {served.name} | {tool}, {what} | {cost.wall:.1f} s | {cost.cpu:.1f} s | {cost.rss / 1e6:.0f} MB |", flush=True
        )
        return cost

    def own(*words: str) -> list[str]:
        return [strongroom, *words, "--config", str(work / "strongroom.toml")]

    for words in (
        ("init", str(work / "repository"), "--recovery-kit", str(work / "kit.txt")),
        ("project", "add", "bench"),
        ("source", "add", "bench", "reports", served.url, *_options(served.options), "--yes"),
    ):
        run(own(*words), environment=environment, folder=work, log=work / "log")
    copy = [rclone, "sync", served.remote, str(work / "copy")]
    told("rclone sync", "first", copy)
    told("rclone sync", "unchanged", copy)
    for what in ("first", "unchanged"):
        most = max(most, told("strongroom backup", what, own("backup", "bench", "--quiet")).rss)
    shutil.rmtree(work / "copy")
    return most


def _options(options: tuple[str, ...]) -> list[str]:
    return [word for one in options for word in ("--option", one)]


@contextmanager
def _running(command: list[str], port: int, log: Path) -> Iterator[None]:
    with log.open("wb") as written:
        process = subprocess.Popen(command, stdout=written, stderr=written, env=child_environment() | {"HOME": str(log.parent)})
        try:
            end = time.monotonic() + _PATIENCE
            while not _answers(port):
                if time.monotonic() > end or process.poll() is not None:
                    raise SystemExit(f"{command[0]} does not start: {log.read_text()[-500:]}")
                time.sleep(0.05)
            yield
        finally:
            process.terminate()
            process.wait(_PATIENCE)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


if __name__ == "__main__":
    sys.exit(main())
