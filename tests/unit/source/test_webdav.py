"""WebDAV as a source: odd names, servers that answer nonsense, servers that are busy, files that change meanwhile."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support import webdav
from tests.support.clock import StillClock
from tests.support.places import checked, made_on, restore
from tests.support.trees import contents, text, write_tree
from vault.backup import run
from vault.clock import SystemClock
from vault.errors import SourceError
from vault.problems import Problem
from vault.progress import never
from vault.source.contract import Content, Scan
from vault.source.patterns import Rules
from vault.source.webdav import multistatus
from vault.source.webdav.client import DavAddress, DavClient
from vault.source.webdav.source import DavSource
from vault.storage.memory import MemoryStore

Answers = Callable[[BaseHTTPRequestHandler], tuple[int, dict[str, str], bytes]]
ODD = ("a#b", "a?b", "x%41", "per cent % and + &", "ünï çødé", "звонки.csv", "a;b", "quote'\"", "[brackets]", "~tilde")

LISTING = """<?xml version="1.0"?><d:multistatus xmlns:d="DAV:"><d:response><d:href>/files/</d:href><d:propstat><d:prop>
<d:resourcetype><d:collection/></d:resourcetype></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>{}
</d:multistatus>"""
FILE = """<d:response><d:href>{href}</d:href><d:propstat><d:prop><d:getcontentlength>{size}</d:getcontentlength>
<d:getetag>"{etag}"</d:getetag></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>"""


@contextmanager
def answering(answers: Answers) -> Iterator[int]:
    """The port of a server that answers as it is told."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, headers, body = answers(self)
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = "Connection" in headers

        do_GET = do_PROPFIND = answer  # noqa: N815 (as http.server names them)

        def log_message(self, *_: object) -> None:
            """Nothing is said."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def source(port: int, base: str = "/files/", clock: StillClock | None = None, **more: Any) -> DavSource:
    address = DavAddress("http", "127.0.0.1", port, base, **more)
    return DavSource(DavClient(address, clock or SystemClock()), b"raw", Rules(), SystemClock())


def scanned(port: int, clock: StillClock | None = None, **more: Any) -> Scan:
    """What a source finds that is closed afterwards."""
    with closing(source(port, clock=clock, **more)) as one:
        return one.scan(never)


def test_odd_names_come_and_go_as_they_are(tmp_path: Path) -> None:
    write_tree(tmp_path / "files", {f"{name}/{name}": name.encode() for name in ODD} | {"empty/": b""})
    with webdav.served(tmp_path) as url:
        one = source(urlsplit(url).port or 0)
        project = made_on(MemoryStore())
        report = run.back_up(project, run.Source("dav", "raw", one), run.BackupOptions())
    assert report.problems == ()
    restore(project, tmp_path / "back")
    assert contents(tmp_path / "back/raw") == contents(tmp_path / "files")
    assert (tmp_path / "back/raw/empty").is_dir()
    assert checked(project).sound


NONSENSE: dict[str, tuple[int, bytes]] = {
    "a page for people": (200, b"<html>Please log in</html>"),
    "a page where a listing should be": (207, b"<html>Please log in</html>"),
    "nothing": (207, b""),
    "half a listing": (207, LISTING.format("").encode()[:-40]),
    "a listing of nothing": (207, b'<d:multistatus xmlns:d="DAV:"/>'),
    "entities": (207, b'<!DOCTYPE x [<!ENTITY a "b">]><d:multistatus xmlns:d="DAV:">&a;</d:multistatus>'),
    "another place": (207, LISTING.format(FILE.format(href="/elsewhere/a", size=1, etag="e")).encode()),
    "above": (207, LISTING.format(FILE.format(href="/files/../../etc/passwd", size=1, etag="e")).encode()),
    "a name twice": (207, LISTING.format(FILE.format(href="/files/a", size=1, etag="e") * 2).encode()),
    "a fault": (500, b""),
    "a refusal": (403, b""),
    "no such place": (404, b""),
}


@pytest.mark.parametrize("name", NONSENSE)
def test_an_answer_that_is_nonsense_is_an_error_and_never_an_empty_table(name: str) -> None:
    status, body = NONSENSE[name]
    with answering(lambda _: (status, {}, body)) as port, pytest.raises(SourceError):
        scanned(port)


def test_a_folder_that_may_not_be_listed_is_a_problem_and_the_rest_is_taken() -> None:
    folder = FILE.format(href="/files/closed/", size=0, etag="e") + FILE.format(href="/files/a", size=1, etag="e")

    def closed(handler: BaseHTTPRequestHandler) -> tuple[int, dict[str, str], bytes]:
        return (403, {}, b"") if "closed" in handler.path else (207, {}, LISTING.format(folder).encode())

    with answering(closed) as port:
        found = scanned(port)
    assert [(one.path, one.what) for one in found.problems] == [(b"raw/closed", "unlisted")]
    assert found.unlisted == [b"raw/closed"] and b"raw/a" in found.table["path"].to_pylist()


def test_a_folder_that_is_listed_and_not_there_is_a_problem_and_one_that_was_deleted_meanwhile_is_none() -> None:
    """What was in the first has not vanished, whatever the server says."""
    folders = FILE.format(href="/files/gone/", size=0, etag="e") + FILE.format(href="/files/a", size=1, etag="e")
    listings = [folders, folders]

    def lying(handler: BaseHTTPRequestHandler) -> tuple[int, dict[str, str], bytes]:
        return (404, {}, b"") if "gone" in handler.path else (207, {}, LISTING.format(listings.pop(0)).encode())

    with answering(lying) as port:
        found = scanned(port)
        assert [(one.path, one.what) for one in found.problems] == [(b"raw/gone", "unlisted")]
        assert found.unlisted == [b"raw/gone"] and found.missing_rights == []
        listings[:] = [folders, FILE.format(href="/files/a", size=1, etag="e")]
        deleted = scanned(port)
    assert (deleted.problems, deleted.unlisted) == ([], []) and b"raw/a" in deleted.table["path"].to_pylist()


def test_a_server_that_sends_us_elsewhere_gets_no_credentials_there(tmp_path: Path) -> None:
    seen: list[str] = []

    def other(handler: BaseHTTPRequestHandler) -> tuple[int, dict[str, str], bytes]:
        seen.append(handler.path)
        return 200, {}, b""

    with answering(other) as elsewhere:
        target = f"http://127.0.0.1:{elsewhere}/files/"
        with answering(lambda _: (302, {"Location": target}, b"")) as port, pytest.raises(SourceError) as caught:
            scanned(port, user="me", password="geheim")
    assert seen == [] and "geheim" not in f"{caught.value} {caught.value.hint}"


def test_a_busy_server_is_waited_for_as_long_as_it_asks() -> None:
    answers = iter([(429, {"Retry-After": "7"}, b""), (503, {}, b"")])

    def busy(_: BaseHTTPRequestHandler) -> tuple[int, dict[str, str], bytes]:
        return next(answers, (207, {}, LISTING.format("").encode()))

    clock = StillClock()
    with answering(busy) as port:
        assert scanned(port, clock).table.num_rows == 1
    assert clock.slept[0] == 7.0 and len(clock.slept) == 2


def test_patience_with_a_server_that_is_away_comes_to_an_end() -> None:
    clock = StillClock()
    with answering(lambda _: (503, {"Retry-After": "100"}, b"")) as port, pytest.raises(SourceError, match="it answers 503"):
        scanned(port, clock)
    assert 0 < sum(clock.slept) <= 300


def test_requests_keep_to_the_limit_of_the_settings() -> None:
    clock = StillClock()
    with answering(lambda _: (207, {}, LISTING.format("").encode())) as port:
        address = DavAddress("http", "127.0.0.1", port, "/files/", per_second=2.0)
        with closing(DavClient(address, clock)) as client:
            for _ in range(5):
                client.ask("PROPFIND", "")
    assert sum(clock.slept) == pytest.approx(2.0)


def test_a_body_that_is_cut_short_is_a_problem_and_no_item() -> None:
    def cut(handler: BaseHTTPRequestHandler) -> tuple[int, dict[str, str], bytes]:
        if handler.command == "GET":
            return 200, {"Content-Length": "1000", "Connection": "close"}, b"half"
        one = FILE.format(href="/files/a", size=1000, etag="e")
        return 207, {}, LISTING.format(one).encode()

    with answering(cut) as port:
        project = made_on(MemoryStore())
        report = run.back_up(project, run.Source("dav", "raw", source(port)), run.BackupOptions())
    (problem,) = report.problems
    assert (problem.path, problem.what) == (b"raw/a", "unreadable") and "broke off" in problem.message
    assert report.record.counts.files == 1 and report.record.counts.read_bytes == 0


@pytest.mark.parametrize("size", [100, 3_000_000])
def test_a_file_that_is_replaced_while_it_is_read_is_read_again(tmp_path: Path, size: int) -> None:
    folder = write_tree(tmp_path / "files", {"a": text("old", size)})
    new = text("new", size + 1)
    with webdav.served(tmp_path) as url:
        one = source(urlsplit(url).port or 0)
        one.scan(never)
        with one.reader() as reader:
            stream = reader.open_large(b"raw/a")
            assert not isinstance(stream, Problem)
            with stream:
                before = stream.status
                stream.readinto(bytearray(10), 0)
                (folder / "a").write_bytes(new)
                os.utime(folder / "a", (1, 1))
                assert stream.status_now() != before
            answer = next(iter(reader.contents([b"raw/a"])))
            assert not isinstance(answer, Content) or answer.data == new
        one.close()


def test_bytes_that_nobody_sent_are_no_listing() -> None:
    for seed in range(300):
        data = text(seed, seed % 60)
        with pytest.raises(SourceError):
            whole = LISTING.format("").encode()
            multistatus.entries(data if seed % 2 else whole[: seed % (len(whole) - 1)] + data, "it")
