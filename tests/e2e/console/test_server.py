"""The console as a process of its own, over loopback: HTTP, HTTPS, slow clients, signals, and what it refuses to start with."""

from __future__ import annotations

import contextlib
import signal
import socket
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import httpx2 as httpx
import pytest

from tests.support.console_login import FORM, PASSWORD
from tests.support.console_process import Running, running
from tests.support.desk import Desk
from tests.support.server_certificates import authority

IMPATIENT = """
from console import server
server.HEADER_WITHIN = 0.5
import sys
from cli.start import run
sys.argv = ["strongroom", *sys.argv[1:]]
sys.exit(run())
"""
PATIENT = IMPATIENT.replace("0.5", "600.0")


@pytest.fixture(scope="module")
def desk(two_projects: Desk) -> Iterator[Desk]:
    before = two_projects.settings.read_text()
    two_projects.settings.write_text(before + '\n[[console.roles]]\nrole = "viewer"\npeople = ["anna"]\nprojects = ["acme"]\n')
    two_projects.call("console", "user", "add", "anna", "--title", "Anna", "--password-file", _password(two_projects))
    yield two_projects
    two_projects.settings.write_text(before)


def _password(desk: Desk) -> str:
    file = desk.folder / "password"
    file.write_text(f"{PASSWORD}\n")
    return str(file)


def sign_in(client: httpx.Client) -> httpx.Response:
    found = FORM.search(client.get("/login").text)
    assert found is not None
    return client.post("/login", data={"form": found[1], "name": "anna", "password": PASSWORD, "back": "/"})


def test_somebody_signs_in_over_a_socket_and_it_ends_without_a_failure(desk: Desk) -> None:
    with running(desk) as console:
        _refused_while(console, desk)
        with httpx.Client(base_url=console.url) as client:
            assert sign_in(client).status_code == 303
            page = client.get("/")
            assert page.status_code == 200 and "acme" in page.text and "parcelo" not in page.text
            assert "server" not in page.headers and page.headers["x-frame-options"] == "DENY"
            sheet = client.get("/static/console.css")
            assert sheet.headers["content-type"].startswith("text/css") and "max-age=300" in sheet.headers["cache-control"]
            again = client.get("/static/console.css", headers={"if-none-match": sheet.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")
            for path, methods in (("/tasks", "GET, HEAD"), ("/people", "GET, HEAD, POST"), ("/api/v1/projects", "GET, HEAD")):
                wrong = client.put(path)
                assert (wrong.status_code, wrong.headers["allow"]) == (405, methods)
            assert client.get("/login", headers={"host": "evil.example"}).status_code == 421
        assert "are those of the start" in console.log.read_text()
        console.process.send_signal(signal.SIGTERM)
        assert console.process.wait(30) == 0


def _refused_while(console: Running, desk: Desk) -> None:
    """A second one of the same state is."""
    refused = desk.call("console", "--listen", "127.0.0.1:0", exits=11)
    assert f"another console (process {console.process.pid}) serves with" in refused.err and "state folder" in refused.err


def test_rights_that_are_taken_away_in_the_settings_are_gone_with_the_next_request(desk: Desk) -> None:
    given = desk.settings.read_text()
    with running(desk) as console, httpx.Client(base_url=console.url) as client:
        sign_in(client)
        assert "acme" in client.get("/").text
        desk.settings.write_text(given.replace('people = ["anna"]', 'people = ["nobody"]'))
        try:
            assert "acme" not in client.get("/").text
            desk.settings.write_text("this is no TOML")
            assert client.get("/").status_code == 200, "the former settings hold"
        finally:
            desk.settings.write_text(given)
        assert "acme" in client.get("/").text


def test_accounts_that_the_command_changes_are_other_ones_at_once(desk: Desk) -> None:
    with running(desk) as console, httpx.Client(base_url=console.url) as client:
        sign_in(client)
        assert client.get("/").status_code == 200
        desk.call("console", "user", "passwd", "anna", "--password-file", _password(desk))
        assert client.get("/").status_code == 303, "another password ends all sessions"
        assert desk.call("console", "user", "list", "--json").document["accounts"][0]["name"] == "anna"


def test_it_speaks_https_with_a_certificate_and_its_cookies_are_of_this_host(desk: Desk, tmp_path: Path) -> None:
    trusted = authority(tmp_path, "an authority")
    certificate, key = trusted.issue(tmp_path, "localhost")
    before = desk.settings.read_text()
    table = f'[console]\nurl = "https://localhost"\ncertificate_file = "{certificate}"\nkey_file = "{key}"\n'
    desk.settings.write_text(before.replace("[[console.roles]]", f"{table}\n[[console.roles]]", 1))
    try:
        with running(desk) as console:
            trust = ssl.create_default_context(cafile=str(trusted.file))
            with httpx.Client(base_url=f"https://localhost:{console.port}", verify=trust) as client:
                answer = sign_in(client)
                assert "__Host-session" in client.cookies and answer.headers["strict-transport-security"]
                assert client.get("/").status_code == 200
            first = _certificate_at(console.port)
            new_certificate, new_key = trusted.issue(tmp_path, "localhost", days=2)
            certificate.write_bytes(new_certificate.read_bytes())
            assert _certificate_at(console.port) == first, "its key is not there yet"
            new_key.replace(key)
            assert _certificate_at(console.port) == new_certificate.read_text() != first
            with httpx.Client(base_url=f"https://localhost:{console.port}", verify=trust) as client:
                assert client.get("/login").status_code == 200
    finally:
        desk.settings.write_text(before)


def _certificate_at(port: int) -> str:
    """That a client is shown which names no host."""
    return ssl.get_server_certificate(("127.0.0.1", port))


def test_clients_that_send_no_whole_header_are_sent_away(desk: Desk) -> None:
    with running(desk, program=[sys.executable, "-c", IMPATIENT]) as console:
        silent, slow = (socket.create_connection(("127.0.0.1", console.port), timeout=20) for _ in range(2))
        with silent, slow:
            began = monotonic()
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                slow.sendall(b"GET / HTTP/1.1\r\nHost: loc")
            assert silent.recv(100) == b"" and _rest(slow) == b""
            assert monotonic() - began < 15
        with httpx.Client(base_url=console.url) as client:
            assert client.get("/login").status_code == 200


def test_an_address_that_holds_all_of_its_connections_takes_those_of_nobody_else(desk: Desk) -> None:
    given = desk.settings.read_text()
    desk.settings.write_text(
        given.replace("[[console.roles]]", "[console]\nconnections_by_address = 3\n\n[[console.roles]]", 1)
    )
    try:
        with running(desk, program=[sys.executable, "-c", PATIENT]) as console, contextlib.ExitStack() as stack:
            for _ in range(3):
                stack.enter_context(socket.create_connection(("127.0.0.1", console.port), timeout=20))
            with httpx.Client(base_url=console.url) as client:
                crowded = client.get("/login")
                assert (crowded.status_code, crowded.headers["retry-after"]) == (503, "10")
            elsewhere = httpx.HTTPTransport(local_address="127.0.0.2")
            with httpx.Client(base_url=console.url, transport=elsewhere) as client:
                assert sign_in(client).status_code == 303
        assert "a connection from 127.0.0.1 is refused, which has 3" in console.log.read_text()
    finally:
        desk.settings.write_text(given)


def _rest(connection: socket.socket) -> bytes:
    try:
        return connection.recv(100)
    except ConnectionResetError:
        return b""


def test_nothing_is_logged_of_paths_queries_and_passwords(desk: Desk) -> None:
    with running(desk, "--debug") as console:
        with httpx.Client(base_url=console.url) as client:
            client.get("/projects/secret-name?q=secret-query")
            sign_in(client)
            client.get("/login/openid/back?code=secret-code&state=secret-state")
        console.process.send_signal(signal.SIGTERM)
        console.process.wait(30)
    said = console.log.read_text()
    assert "anna signed in" in said
    for secret in ("secret-name", "secret-query", "secret-code", "secret-state", PASSWORD):
        assert secret not in said


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--listen", "0.0.0.0:8440"], "no certificate for HTTPS"),
        (["--listen", "192.0.2.1"], "is not an address with a port"),
        (["--listen", "127.0.0.1:x"], "is not an address with a port"),
    ],
)
def test_it_does_not_listen_where_it_would_be_unsafe(desk: Desk, options: list[str], says: str) -> None:
    assert says in desk.call("console", *options, exits=2).err


def test_a_port_that_is_taken_is_said(desk: Desk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        assert "cannot listen at" in desk.call("console", "--listen", f"127.0.0.1:{other.getsockname()[1]}", exits=1).err


def test_the_unit_for_systemd_runs_this_console(desk: Desk) -> None:
    unit = desk.call("console", "--systemd").text
    assert f"console --config {desk.settings}" in unit and "NoNewPrivileges=yes" in unit
    assert "AGE-SECRET-KEY" not in unit
