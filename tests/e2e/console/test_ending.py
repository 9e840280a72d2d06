"""A console that is told to end does so within seconds, whatever slow clients do; what flows meanwhile gets to its end."""

from __future__ import annotations

import contextlib
import signal
import socket
import sys
from time import monotonic

import pytest

from tests.e2e.console.raw_clients import LARGE, PATIENCE, ask, connected, desk_with_downloads, download, signed_in
from tests.support.console_process import Running, running
from tests.support.desk import Desk

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
