"""Slow clients and broken connections cost nobody else anything: what was held for them is given back. What they get is whole,
or is seen to be broken off.

A console of its own, with little patience and a download of 24 MB, so that it cannot lie in buffers of the system.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import re
import sys
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from time import monotonic, sleep

import httpx2 as httpx
import pytest

from tests.e2e.console.raw_clients import (
    LARGE,
    PATIENCE,
    SMALL,
    ask,
    connected,
    csrf_of,
    desk_with_downloads,
    download,
    fetched,
    signed_in,
)
from tests.support.console_login import CSRF
from tests.support.console_process import Running, running
from tests.support.desk import Desk
from vault.clock import SystemClock

IMPATIENT = """
import functools
from console import live_settings, routing, server
routing.FORM_WITHIN = 1.0
server.READ_WITHIN = 2.0
live_settings.ConsoleLimits = functools.partial(live_settings.ConsoleLimits, stall=1.0)
import sys
from cli.start import run
sys.argv = ["strongroom", *sys.argv[1:]]
sys.exit(run())
"""
THREADS = 40
"""That the console has for its pages."""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return desk_with_downloads(tmp_path_factory.mktemp("slow"))


@pytest.fixture(scope="module")
def console(desk: Desk) -> Iterator[Running]:
    with running(desk, program=[sys.executable, "-c", IMPATIENT]) as made:
        yield made


@pytest.fixture
def anna(console: Running) -> Iterator[httpx.Client]:
    with signed_in(console) as client:
        yield client


def test_bodies_that_do_not_come_take_no_thread_and_are_given_up(console: Running) -> None:
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(connected(console)) for _ in range(THREADS + 10)]
        for one in slow:
            one.sendall(b"POST /login HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 1000\r\n\r\nname=")
        with httpx.Client(base_url=console.url, timeout=PATIENCE) as other:
            assert other.get("/login").status_code == 200
        for one in slow:
            assert b" 403 " in one.recv(100).partition(b"\r\n")[0]


def test_scripts_whose_bodies_do_not_come_are_given_up_too(console: Running, anna: httpx.Client) -> None:
    page = unescape(anna.get("/account").text)
    token = CSRF.search(page)
    assert token is not None
    day = (SystemClock().now() + timedelta(days=30)).date()
    form = {"csrf": token[1], "label": "slow", "action": "see", "projects": "*", "until": day.isoformat()}
    made = anna.post("/account/tokens", data=form)
    secret = re.search(r"strongroom_[\w.-]{30,}", made.text)
    assert secret is not None, made.text
    with connected(console) as slow:
        head = f"POST /api/v1/projects/acme/basket HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {secret[0]}\r\n"
        slow.sendall(f"{head}content-length: 1000\r\n\r\n".encode() + b'{"items"')
        assert b" 400 " in slow.recv(100).partition(b"\r\n")[0]


@pytest.mark.parametrize(
    "what", ["is gone", *(pytest.param(one, marks=pytest.mark.slow) for one in ("takes nothing", "takes a kilobyte a second"))]
)
def test_a_download_that_is_not_taken_gives_back_its_thread_and_its_room(
    console: Running, anna: httpx.Client, what: str
) -> None:
    _, address = download(anna)
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(connected(console)) for _ in range(2)]
        for one in slow:
            ask(one, anna, address)
            assert b" 200 " in one.recv(100).partition(b"\r\n")[0]
        with anna.stream("GET", address) as third:
            assert third.status_code == 409, "two of one person at a time"
        if what == "is gone":
            for one in slow:
                one.close()
        deadline = monotonic() + PATIENCE
        while not fetched(anna, address):
            assert monotonic() < deadline, "their room is not given back"
            for one in slow if what == "takes a kilobyte a second" else []:
                with contextlib.suppress(ConnectionResetError):
                    one.recv(100)
            sleep(0.1)


def test_an_archive_is_whole_over_a_connection_that_then_serves_other_pages(console: Running, anna: httpx.Client) -> None:
    task, address = download(anna, folder="raw")
    with connected(console) as connection:
        ask(connection, anna, address)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        with zipfile.ZipFile(io.BytesIO(answer.read())) as archive:
            assert archive.testzip() is None
            found = {one.filename.removeprefix("raw/"): archive.read(one) for one in archive.infolist() if not one.is_dir()}
        assert len(found.pop("large.bin")) == LARGE
        assert found == SMALL
        ask(connection, anna, task)
        page = http.client.HTTPResponse(connection)
        page.begin()
        assert page.status == 200 and page.read()


@pytest.mark.parametrize("what", [{"item": "raw/large.bin"}, {"folder": "raw"}], ids=["length known", "length unknown"])
def test_a_download_that_is_cancelled_in_the_middle_is_broken_off(
    console: Running, anna: httpx.Client, what: dict[str, str]
) -> None:
    task, address = download(anna, **what)
    with connected(console) as connection:
        ask(connection, anna, address)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert len(answer.read(100_000)) == 100_000
        anna.post(f"{task}/cancel", data={"csrf": csrf_of(anna)})
        broken = False
        try:
            while answer.read(1 << 20):
                pass
        except (http.client.IncompleteRead, ConnectionResetError):
            broken = True
        assert broken or answer.length, "of a known length, `read` ends without a word"
