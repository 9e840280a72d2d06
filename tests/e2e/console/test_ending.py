"""A console that is stopped ends within seconds, whatever slow clients do; what flows meanwhile gets to its end."""

from __future__ import annotations

import contextlib
import io
import signal
import socket
import ssl
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest

from tests.e2e.console.raw_clients import (
    LARGE,
    PATIENCE,
    SMALL,
    ask,
    connected,
    desk_with_downloads,
    download,
    fetched,
    signed_in,
)
from tests.support.console_process import Running, running
from tests.support.desk import Desk
from tests.support.server_certificates import authority

PATIENT = """
from console import server
assert server.GRACE <= 4, "with what else there is to be ended, five seconds"
server.GRACE = {grace}
import sys
from cli.start import run
sys.argv = ["strongroom", *sys.argv[1:]]
sys.exit(run())
"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return desk_with_downloads(tmp_path_factory.mktemp("ending"))


def test_a_console_that_is_told_to_end_does_not_wait_for_whoever_takes_nothing(desk: Desk) -> None:
    with (
        running(desk, program=[sys.executable, "-c", PATIENT.format(grace=1)]) as console,
        signed_in(console) as anna,
        contextlib.ExitStack() as stack,
    ):
        whole, one, header, body, _silent = (stack.enter_context(connected(console)) for _ in range(5))
        for connection, what in ((whole, {"folder": "raw"}), (one, {"item": "raw/large.bin"})):
            ask(connection, anna, download(anna, **what)[1])
            assert b" 200 " in connection.recv(100).partition(b"\r\n")[0]
        header.sendall(b"GET / HTTP/1.1\r\nhost:")
        body.sendall(b"POST /login HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 1000\r\n\r\nname=")
        console.process.send_signal(signal.SIGTERM)
        assert console.process.wait(15) == 0
        said = console.log.read_text()
    assert "Traceback" not in said and "Error" not in said


def test_with_a_certificate_downloads_are_whole_and_one_that_is_not_taken_does_not_hold_it_up(
    desk: Desk, tmp_path: Path
) -> None:
    trusted = authority(tmp_path, "an authority")
    trust = ssl.create_default_context(cafile=str(trusted.file))
    with (
        _with_certificate(desk, *trusted.issue(tmp_path, "127.0.0.1")),
        running(desk, program=[sys.executable, "-c", PATIENT.format(grace=1)]) as console,
        signed_in(console, trust) as anna,
    ):
        for _ in range(2):  # on one connection
            with zipfile.ZipFile(io.BytesIO(anna.get(download(anna, folder="raw")[1]).content)) as archive:
                found = {one.filename.removeprefix("raw/"): archive.read(one) for one in archive.infolist() if not one.is_dir()}
            assert len(found.pop("large.bin")) == LARGE and found == SMALL
            assert fetched(anna, download(anna)[1])
        with trust.wrap_socket(connected(console), server_hostname="127.0.0.1") as stalled, connected(console):
            ask(stalled, anna, download(anna)[1])
            assert b" 200 " in stalled.recv(100).partition(b"\r\n")[0]
            console.process.send_signal(signal.SIGTERM)
            assert console.process.wait(15) == 0


@contextlib.contextmanager
def _with_certificate(desk: Desk, certificate: Path, key: Path) -> Iterator[None]:
    before = desk.settings.read_text()
    table = f'[console]\ncertificate_file = "{certificate}"\nkey_file = "{key}"\n\n'
    desk.settings.write_text(before.replace("[[console.roles]]", f"{table}[[console.roles]]", 1))
    try:
        yield
    finally:
        desk.settings.write_text(before)


def test_a_console_that_is_told_to_end_sends_what_flows_to_its_end(desk: Desk) -> None:
    patient = PATIENT.format(grace=60)
    with running(desk, program=[sys.executable, "-c", patient]) as console, signed_in(console) as anna:
        _, address = download(anna)
        with anna.stream("GET", address) as answer:
            pieces = answer.iter_bytes()
            size = len(next(pieces))
            console.process.send_signal(signal.SIGTERM)
            deadline = monotonic() + PATIENCE
            while _listens(console):
                assert monotonic() < deadline, "it does not begin to end"
            assert size + sum(map(len, pieces)) == LARGE
        assert console.process.wait(PATIENCE) == 0


def _listens(console: Running) -> bool:
    try:
        socket.create_connection(("127.0.0.1", console.port), PATIENCE).close()
    except ConnectionRefusedError:
        return False
    return True
