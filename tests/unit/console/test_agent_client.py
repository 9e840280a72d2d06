"""Whatever answers at the address of a console: the agent of a host ends with a clear error, and bounded in time and size."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.agent import client as client_module
from console.agent.client import ConsoleClient, exposed, token_in
from console.errors import BadAnswer, ConsoleAway, LeaseLost, TokenRefused
from console.hosts.messages import AskBody, FinishBody, ReportBody
from strongroom.settings.agent import console_url
from tests.support.server_certificates import authority
from vault.clock import SystemClock
from vault.errors import SettingsError, StrongroomError, UsageError

ASK = AskBody("machine", {})
WORK = {
    "lease": "x",
    "seconds": 60,
    "task": "t",
    "project": "acme",
    "person": "anna",
    "goal": "place",
    "entries": [{"sort": "item", "name": "a"}],
    "scopes": [[{}]],
    "moment": "2026-12-01T00:00:00+00:00",
}


@contextmanager
def answering(*pieces: bytes, then: str = "close", context: ssl.SSLContext | None = None) -> Iterator[str]:
    """A server that answers these bytes to whatever it is asked. then: `close`, or `wait` until it is over."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while not over.is_set():
                    connection, _ = listener.accept()
                    with connection, suppress(OSError):
                        made = connection if context is None else context.wrap_socket(connection, server_side=True)
                        with made:
                            asked = b""
                            while not asked.endswith(b"}") and (read := made.recv(65536)):
                                asked += read
                            for piece in pieces:
                                made.sendall(piece)
                            if then == "wait":
                                over.wait(20)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        scheme = "http" if context is None else "https"
        try:
            yield f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def client(url: str, ca_file: Path | None = None) -> ConsoleClient:
    return ConsoleClient(url, lambda: "strongroom_host_a.b", SystemClock(), ca_file)


def answer(body: bytes, status: str = "200 OK", kind: str = "application/json") -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


def test_work_and_its_absence_are_understood() -> None:
    with answering(answer(b'{"work": null, "what_comes_later": 1}')) as url:
        assert client(url).take(ASK).work is None
    with answering(answer(json.dumps({"work": WORK}).encode())) as url:
        work = client(url).take(ASK).work
        assert work is not None and work.person == "anna" and work.replacing == 0


@pytest.mark.parametrize(
    ("said", "error", "words"),
    [
        (answer(b"<h1>Welcome</h1>", kind="text/html"), BadAnswer, "text/html in place of JSON"),
        (answer(b"<h1>Welcome</h1>"), BadAnswer, "what no console answers"),
        (answer(b"[" * 200_000), BadAnswer, "what no console answers"),
        (answer(b'{"work": {}}'), BadAnswer, "what no console answers"),
        (answer(json.dumps({"work": WORK | {"goal": "erase"}}).encode()), BadAnswer, "goal"),
        (answer(json.dumps({"work": WORK | {"replacing": -1}}).encode()), BadAnswer, "replacing"),
        (answer(json.dumps({"work": WORK | {"seconds": 1e12}}).encode()), BadAnswer, "seconds"),
        (answer(json.dumps({"work": WORK | {"entries": []}}).encode()), BadAnswer, "entries"),
        (answer(json.dumps({"work": WORK | {"person": "x" * 5000}}).encode()), BadAnswer, "person"),
        (answer(b"", "302 Found"), BadAnswer, "answers 302"),
        (answer(b"gone", "404 Not Found"), BadAnswer, "answers 404"),
        (answer(b"x" * 1000, "500 Oops"), ConsoleAway, "answers 500"),
        (answer(b"<html>", "502 Bad Gateway", "text/html"), ConsoleAway, "answers 502"),
        (answer(b'{"error": {"message": "no\\u001b[2J host", "hint": ""}}', "401 No"), TokenRefused, r"no\[2J host"),
        (answer(b"", "403 Forbidden"), TokenRefused, "refuses the token"),
        (answer(b'{"error": {"message": "another host"}}', "409 Conflict"), LeaseLost, "another host"),
        (b"nothing that is HTTP\r\n\r\n", ConsoleAway, "cannot be reached"),
        (b"", ConsoleAway, "cannot be reached"),
        (
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{}",
            ConsoleAway,
            "cut short|reached",
        ),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 200 + b"\r\n", ConsoleAway, "cannot be reached"),
    ],
)
def test_what_is_no_answer_of_a_console_is_an_error_that_says_so(said: bytes, error: type[Exception], words: str) -> None:
    with answering(said) as url, pytest.raises(error, match=words) as raised:
        client(url).take(ASK)
    assert isinstance(raised.value, StrongroomError) and "\x1b" not in str(raised.value) and len(str(raised.value)) < 1000


def test_a_body_without_end_is_cut_off_and_one_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "LARGEST_ANSWER", 100_000)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n"
    with answering(head, *[b"[" * 10_000] * 50) as url, pytest.raises(BadAnswer, match="more than 100000 bytes"):
        client(url).take(ASK)
    monkeypatch.setattr(client_module, "TIMEOUT", 0.2)
    with answering(head, b"[", then="wait") as url, pytest.raises(ConsoleAway, match="does not answer in time"):
        client(url).take(ASK)
    monkeypatch.setattr(client_module, "WHOLE", -1.0)
    with answering(answer(b'{"work": null}')) as url, pytest.raises(ConsoleAway, match="too slowly"):
        client(url).take(ASK)


def test_nobody_there_is_a_console_that_is_away() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(ConsoleAway, match="cannot be reached"):
        client(f"http://127.0.0.1:{port}").report(ReportBody("x"))


def test_a_certificate_of_somebody_else_gets_no_token(tmp_path: Path) -> None:
    right, wrong = authority(tmp_path, "right"), authority(tmp_path, "wrong")
    certificate, key = right.issue(tmp_path, "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with answering(answer(b'{"state": "done"}'), context=context) as url:
        assert client(url, right.file).finish(FinishBody("x", "failed")).state == "done"
        for ca_file in (wrong.file, None):
            with pytest.raises(ConsoleAway, match="certificate"):
                client(url, ca_file).finish(FinishBody("x", "failed"))
    with pytest.raises(SettingsError, match="cannot be used"):
        client("https://127.0.0.1", tmp_path / "nothing.pem")


class _Said(ConsoleClient):
    """Gives an answer without a network."""

    said: tuple[int, str, bytes] = (200, "application/json", b"{}")

    def _exchange(self, path: str, body: bytes) -> tuple[int, str, bytes]:
        return self.said


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=50),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*WORK, "work", "x"]), inner, max_size=6),
    max_leaves=20,
)
HOSTILE = st.binary(max_size=200) | VALUES.map(lambda one: json.dumps(one).encode())
CHANGED = st.tuples(st.sampled_from(sorted(WORK)), VALUES).map(
    lambda one: json.dumps({"work": WORK | {one[0]: one[1]}}).encode()
)


@settings(max_examples=40, deadline=None)
@given(body=HOSTILE | CHANGED, status=st.sampled_from([200, 200, 200, 201, 301, 401, 403, 404, 409, 413, 429, 500, 503, 999]))
def test_any_answer_is_work_within_its_bounds_or_one_of_the_errors(body: bytes, status: int) -> None:
    asked = _Said("http://127.0.0.1", lambda: "t", SystemClock())
    asked.said = (status, "application/json", body)
    try:
        work = asked.take(ASK).work
    except (BadAnswer, ConsoleAway, TokenRefused, LeaseLost) as error:
        assert str(error) and len(str(error)) < 1000
    else:
        assert work is None or (0 < len(work.person) <= 200 and work.goal in ("place", "folder") and work.replacing >= 0)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"two words\n", b"\xff\xfe\n", b"x" * 5000, b"a\x1bb\n"])
def test_a_file_without_a_token_is_said_and_what_is_in_it_is_not_repeated(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    with pytest.raises(UsageError, match="there is no token in"):
        token_in(file)
    with pytest.raises(UsageError, match="cannot be read"):
        token_in(tmp_path / "nowhere")
    file.write_bytes(b"strongroom_host_abc.def\nmore\n")
    assert token_in(file) == "strongroom_host_abc.def"


@pytest.mark.parametrize(("mode", "said"), [(0o600, False), (0o400, False), (0o644, True), (0o640, True), (0o620, True)])
def test_a_token_that_others_can_read_is_said_with_what_to_do(tmp_path: Path, mode: int, said: bool) -> None:  # noqa: FBT001
    file = tmp_path / "token"
    file.write_text("strongroom_host_abc.def\n")
    file.chmod(mode)
    found = exposed(file)
    assert bool(found) == said and (not said or (f"`chmod 600 {file}`" in found and "abc.def" not in found))
    assert exposed(tmp_path / "nowhere") == ""


@pytest.mark.parametrize(
    "url",
    ["http://console.example.org", "ftp://x", "console", "https://u:p@x", "https://x/path", "https://x?token=1", "https://"],
)
def test_a_token_goes_to_no_address_that_is_unprotected_or_no_console(url: str) -> None:
    with pytest.raises(SettingsError):
        console_url(url)
