"""What a console sends, taken by clients that are slow, or that have only a socket."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import httpx2 as httpx

from tests.support.console_login import CSRF, FORM, PASSWORD
from tests.support.console_process import Running
from tests.support.desk import Desk, Place
from tests.support.trees import text, write_tree
from vault.randomness import SystemRandomness

ROLES = """
[[console.roles]]
role = "exporter"
people = ["anna"]
"""
SMALL = {f"notes/{number}.txt": text(number, 40 * number) for number in range(60)}
SMALL["recording.bin"] = bytes(range(256)) * (5 << 12)
LARGE = 24 << 20
PATIENCE = 60.0


def desk_with_downloads(folder: Path) -> Desk:
    """Anna may download: many small files, and one of 24 MB, which cannot lie in buffers of the system."""
    desk = Desk(folder / "desk", Place("repository"))
    desk.init()
    source = write_tree(desk.folder / "raw", {**SMALL, "large.bin": SystemRandomness().token(LARGE)})
    desk.add("acme", f"raw={source}")
    desk.call("backup")
    desk.settings.write_text(desk.settings.read_text() + ROLES)
    password = desk.folder / "password"
    password.write_text(f"{PASSWORD}\n")
    desk.call("console", "user", "add", "anna", "--password-file", str(password))
    return desk


@contextlib.contextmanager
def signed_in(console: Running, trust: ssl.SSLContext | None = None) -> Iterator[httpx.Client]:
    """Anna. trust: for a console that has a certificate."""
    with httpx.Client(base_url=console.url, timeout=PATIENCE, verify=trust or True) as client:
        found = FORM.search(client.get("/login").text)
        assert found is not None
        client.post("/login", data={"form": found[1], "name": "anna", "password": PASSWORD, "back": "/"})
        yield client


def connected(console: Running) -> socket.socket:
    """With little room for what comes."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.settimeout(PATIENCE)
    made.connect(("127.0.0.1", console.port))
    return made


def ask(connection: socket.socket, anna: httpx.Client, address: str) -> None:
    """Send a request as her."""
    cookies = "; ".join(f"{name}={value}" for name, value in anna.cookies.items())
    connection.sendall(f"GET {address} HTTP/1.1\r\nhost: 127.0.0.1\r\ncookie: {cookies}\r\n\r\n".encode())


def csrf_of(anna: httpx.Client) -> str:
    """What her forms hold."""
    token = CSRF.search(anna.get("/account").text)
    assert token is not None
    return unescape(token[1])


def download(anna: httpx.Client, **what: str) -> tuple[str, str]:
    """Of the file, or something else. Gives the address of the task, and that of the download."""
    csrf = csrf_of(anna)
    anna.post("/projects/acme/basket", data={"csrf": csrf, **(what or {"item": "raw/large.bin"})})
    page = anna.get("/projects/acme/get-back?goal=download").text
    moment = re.search(r'name="moment" value="([^"]*)"', page)
    assert moment is not None, page
    form = {"csrf": csrf, "goal": "download", "moment": unescape(moment[1])}
    task = anna.post("/projects/acme/get-back", data=form).headers["location"]
    found = re.search(r'class="button" href="([^"]*)" download', anna.get(task).text)
    assert found is not None
    return task, unescape(found[1])


def fetched(anna: httpx.Client, address: str) -> bool:
    """Whether there was room for a download; then it came whole."""
    with anna.stream("GET", address) as answer:
        if answer.status_code == 409:
            return False
        assert answer.status_code == 200 and sum(map(len, answer.iter_bytes())) == LARGE
        return True
