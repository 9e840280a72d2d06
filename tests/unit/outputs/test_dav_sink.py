"""Files back onto a WebDAV server: whole or not at all, and in the place of nothing that the plan has not seen."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from blake3 import blake3

from restore.local_fs import Attributes, TargetItem
from restore.outputs.dav_sink import DavPlace, DavSink
from restore.outputs.output_item import ItemOutcome, OutputItem
from restore.outputs.sink import OutputEntry
from tests.support import webdav
from tests.support.clock import StillClock
from tests.support.trees import contents, write_tree
from vault.clock import SystemClock
from vault.errors import TargetError
from vault.format import manifest
from vault.source.webdav.client import DavAddress, DavClient

ENTRY = OutputEntry(Attributes(mtime_ns=1_700_000_000_000_000_000))


@contextmanager
def opened(folder: Path) -> Iterator[DavClient]:
    with webdav.served(folder) as url:
        client = DavClient(DavAddress("http", "127.0.0.1", urlsplit(url).port or 0, "/files/"), SystemClock())
        yield client
        client.close()


def item(path: bytes, data: bytes) -> OutputItem:
    return OutputItem(path, io.BytesIO(data), len(data), ItemOutcome(0, path, None))


def test_files_and_their_folders_are_made_under_odd_names(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    names = ["a#b/x%41/звіт.csv", "a#b/per cent % and + &?.csv", "top"]
    with opened(tmp_path) as client:
        sink = DavSink(client, DavPlace(client))
        assert [sink.file(item(name.encode(), name.encode()), ENTRY) for name in names] == [[], [], []]
        assert sink.folder("порожня/deep".encode(), ENTRY) == []
        assert sink.finish() == []
    assert contents(tmp_path / "files") == {name: name.encode() for name in names}
    assert (tmp_path / "files/порожня/deep").is_dir()


def test_what_was_put_there_or_changed_since_the_plan_stays(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "files", {"seen": b"as the plan saw it", "calm": b"as it was", "odd?": b"plan"})
    with opened(tmp_path) as client:
        place = DavPlace(client)
        assert place.existing([b"seen", b"calm", b"new", b"seen/below"]) == {
            b"seen": "file", b"calm": "file", b"seen/below": "blocked",
        }  # fmt: skip
        (folder / "seen").write_bytes(b"changed by somebody")
        (folder / "new").write_bytes(b"put there by somebody")
        place.existing([b"odd?", b"new?"])
        (folder / "odd?").write_bytes(b"changed by somebody")
        (folder / "new?").write_bytes(b"put there by somebody")
        sink = DavSink(client, place)
        assert len(sink.file(item(b"odd?", b"ours"), ENTRY, replace=True)) == len(sink.file(item(b"new?", b"ours"), ENTRY)) == 1
        (changed,) = sink.file(item(b"seen", b"ours"), ENTRY, replace=True)
        (new,) = sink.file(item(b"new", b"ours"), ENTRY)
        assert "since the plan was made" in changed.message and "since the plan was made" in new.message
        assert sink.file(item(b"calm", b"ours"), ENTRY, replace=True) == []
        (blocked,) = sink.file(item(b"seen/below/x", b"ours"), ENTRY)
        assert "is a file there" in blocked.message
    theirs = {"seen": b"changed by somebody", "new": b"put there by somebody"}
    assert contents(folder) == theirs | {f"{name}?".replace("seen", "odd"): data for name, data in theirs.items()} | {
        "calm": b"ours"
    }


def test_what_changed_between_the_plan_and_the_restore_stays(tmp_path: Path) -> None:
    """A person may look at a plan for an hour before the answer."""
    folder = write_tree(tmp_path / "files", {"seen": b"as it was", "calm": b"as it was"})
    with opened(tmp_path) as client:
        seen = DavPlace(client)
        assert seen.existing([b"seen", b"calm"]) == {b"seen": "file", b"calm": "file"}
        (folder / "seen").write_bytes(b"changed by somebody")
        sink = DavSink(client, DavPlace(client), seen.reached_by(client))
        (problem,) = sink.file(item(b"seen", b"ours"), ENTRY, replace=True)
        assert "since the plan was made" in problem.message
        assert sink.file(item(b"calm", b"ours"), ENTRY, replace=True) == []
    assert contents(folder) == {"seen": b"changed by somebody", "calm": b"ours"}


def test_what_an_earlier_run_has_written_is_the_same_by_its_content(tmp_path: Path) -> None:
    write_tree(tmp_path / "files", {"a": b"right", "b": b"wrong"})
    with opened(tmp_path) as client:
        digest = blake3(b"right").digest()
        items = [TargetItem(path, manifest.FILE, Attributes(), 5, digest) for path in (b"a", b"b", b"c")]
        assert [one.same for one in DavPlace(client).compare(items)] == [True, False, False]


@contextmanager
def refusing(method: str, status: int) -> Iterator[DavClient]:
    """A client of a server that has nothing, takes everything, and answers one method with a status."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            code = status if self.command == method else 404 if self.command == "PROPFIND" else 201
            self.send_response(code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_PROPFIND = do_PUT = do_MOVE = do_MKCOL = do_DELETE = answer  # noqa: N815 (as http.server names them)

        def log_message(self, *_: object) -> None:
            """Nothing is said."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        address = DavAddress("http", "127.0.0.1", server.server_address[1], "/files/")
        with closing(DavClient(address, StillClock())) as client:
            yield client
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(("method", "status"), [("PUT", 415), ("PUT", 403), ("MKCOL", 403), ("PROPFIND", 404)])
def test_what_the_server_does_not_take_whole_is_a_problem(method: str, status: int) -> None:
    with refusing(method, status) as client:
        (problem,) = DavSink(client, DavPlace(client)).file(item(b"folder/a", b"x"), ENTRY)
    assert problem.path == b"folder/a" and problem.what == "unwritable"


@pytest.mark.parametrize(("method", "status"), [("PUT", 401), ("PUT", 507), ("PUT", 503), ("PUT", 302), ("MKCOL", 401)])
def test_what_would_meet_every_other_file_too_ends_the_restore(method: str, status: int) -> None:
    with refusing(method, status) as client, pytest.raises(TargetError):
        DavSink(client, DavPlace(client)).file(item(b"folder/a", b"x"), ENTRY)
