"""A SeaweedFS server of our own on this machine, on ports that nobody else uses, gone with its data afterwards."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from msgspec import Struct

ACCESS_KEY, SECRET_KEY = "benchmark", "benchmark-of-no-value"
_PORTS = (
    "s3.port", "s3.port.grpc", "master.port", "master.port.grpc", "volume.port", "volume.port.grpc",
    "filer.port", "filer.port.grpc", "admin.port", "admin.port.grpc",
)  # fmt: skip
_START_SECONDS, _STOP_SECONDS = 60, 20


class Server(Struct, frozen=True):
    """A running S3 server."""

    url: str
    environment: dict[str, str]

    def make_bucket(self, bucket: str) -> None:
        """Creates it."""
        self._bucket("make", bucket)

    def size(self, bucket: str) -> tuple[int, int]:
        """Bytes and number of the bucket's objects."""
        total, count = self._bucket("size", bucket).split()
        return int(total), int(count)

    def _bucket(self, verb: str, bucket: str) -> str:
        command = [sys.executable, "-m", "benchmarks.bucket", verb, self.url, bucket]
        done = subprocess.run(command, env=self.environment, check=True, stdout=subprocess.PIPE, text=True)
        return done.stdout


def find_weed() -> Path | None:
    """The server's binary: beside this Python, else on the path."""
    beside = Path(sys.executable).with_name("weed")
    found = str(beside) if beside.is_file() else shutil.which("weed")
    return Path(found) if found else None


@contextmanager
def s3_server(weed: Path, home: Path, environment: dict[str, str]) -> Iterator[Server]:
    """Starts it with its data below `home`, which is removed at the end."""
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    identity = {"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    config = home / "s3.json"
    config.write_text(json.dumps({"identities": [{"name": "benchmark", "credentials": [identity], "actions": actions}]}))
    ports = dict(zip(_PORTS, _free_ports(len(_PORTS)), strict=True))
    command = [
        str(weed),
        "mini",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        f"-dir={home / 'data'}",
        f"-s3.config={config}",
    ]
    command += ["-admin.ui=false", "-webdav=false", "-s3.port.iceberg=0", "-s3.port.lance=0"]
    command += ["-master.telemetry=false", *(f"-{name}={port}" for name, port in ports.items())]
    (home / "data").mkdir()
    url = f"http://127.0.0.1:{ports['s3.port']}"
    credentials = {
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with (home / "weed.log").open("wb") as log:
        child = subprocess.Popen(command, cwd=home, stdout=log, stderr=subprocess.STDOUT)
        try:
            _wait_until_up(url, child, home / "weed.log")
            yield Server(url, {**environment, **credentials})
        finally:
            child.terminate()
            try:
                child.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            shutil.rmtree(home, ignore_errors=True)


def _free_ports(count: int) -> list[int]:
    """Ports that are free now, all bound at once so that no two are the same."""
    with ExitStack() as stack:
        ports: list[int] = []
        while len(ports) < count:
            sock = stack.enter_context(socket.socket())
            sock.bind(("127.0.0.1", 0))
            ports.append(sock.getsockname()[1])
        return ports


def _wait_until_up(url: str, child: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.perf_counter() + _START_SECONDS
    while time.perf_counter() < deadline:
        if child.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except urllib.error.HTTPError:
            return  # it answers, and refuses a stranger: it is up
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"the S3 server did not start:\n{log.read_text(errors='replace')[-2000:]}")
