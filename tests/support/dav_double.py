"""A double of a WebDAV server that shows owners and sharing rights as Nextcloud and ownCloud do, for what no real one can be
made to do at a chosen moment. It holds files in memory below `/files/`; folders are there as long as something is in them, or
they were made.

with dav_double() as double:
    double.files["a.csv"] = b"1"
    double.properties["a.csv"] = {"oc:owner-id": "olena"}
    double.before = lambda number, asked: …     runs before each request; a status that it gives is sent instead
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit
from xml.sax.saxutils import escape

from tests.support.quiet_server import QuietServer

SPACES = {
    "d": "DAV:",
    "oc": "http://owncloud.org/ns",
    "nc": "http://nextcloud.org/ns",
    "ocs": "http://open-collaboration-services.org/ns",
}
BASE = "/files/"


class Asked(NamedTuple):
    """A request. path: below the base, decoded, without slashes at its ends."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Reply(NamedTuple):
    """An answer."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}


@dataclass
class DavDouble:
    """See this module's text. properties: XML inside of them, by path and by name with its prefix; given to who asks for them ·
    refuses_unknown: an answer 400 to who asks for more than the properties of DAV."""

    port: int = 0
    files: dict[str, bytes] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    properties: dict[str, Mapping[str, str]] = field(default_factory=dict)
    refuses_unknown: bool = False
    asked: list[Asked] = field(default_factory=list)
    before: Callable[[int, Asked], Reply | None] | None = None
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def count(self, method: str) -> int:
        """How many requests were of a method."""
        return sum(one.method == method for one in self.asked)

    def answer(self, asked: Asked) -> Reply:
        """To one request."""
        with self._lock:
            self.asked.append(asked)
            if self.before is not None and (reply := self.before(len(self.asked), asked)) is not None:
                return reply
            return getattr(self, f"_{asked.method.lower()}", lambda _: Reply(405))(asked)

    def _propfind(self, asked: Asked) -> Reply:
        if self.refuses_unknown and b"owncloud" in asked.body:
            return Reply(400)
        path, names = asked.path, [asked.path]
        if not self._is_folder(path) and path not in self.files:
            return Reply(404)
        if asked.headers.get("depth") == "1":
            start = f"{path}/" if path else ""
            every = {*self.files, *self.folders, *self._above()}
            below = {one[len(start) :].partition("/")[0] for one in every if one.startswith(start) and one != path}
            names += sorted(start + name for name in below if name)
        spaces = " ".join(f'xmlns:{short}="{uri}"' for short, uri in SPACES.items())
        inside = "".join(self._response(name, asked) for name in names)
        return Reply(207, f'<?xml version="1.0"?><d:multistatus {spaces}>{inside}</d:multistatus>'.encode())

    def _response(self, path: str, asked: Asked) -> str:
        is_file = path in self.files
        href = quote(BASE + path) + ("" if is_file or not path else "/")
        props = "<d:resourcetype/>" if is_file else "<d:resourcetype><d:collection/></d:resourcetype>"
        if is_file:
            props += (
                f"<d:getcontentlength>{len(self.files[path])}</d:getcontentlength><d:getetag>{self._etag(path)}</d:getetag>"
            )
        for name, value in self.properties.get(path, {}).items():
            if name.partition(":")[2].encode() in asked.body:
                props += f"<{name}>{value}</{name}>"
        ok = "<d:status>HTTP/1.1 200 OK</d:status>"
        return f"<d:response><d:href>{escape(href)}</d:href><d:propstat><d:prop>{props}</d:prop>{ok}</d:propstat></d:response>"

    def _get(self, asked: Asked) -> Reply:
        if asked.path not in self.files:
            return Reply(404)
        return Reply(200, self.files[asked.path], {"ETag": self._etag(asked.path)})

    def _put(self, asked: Asked) -> Reply:
        there = asked.path in self.files
        if ("if-none-match" in asked.headers and there) or (
            "if-match" in asked.headers and (not there or asked.headers["if-match"] != self._etag(asked.path))
        ):
            return Reply(412)
        if not self._is_folder(asked.path.rpartition("/")[0]):
            return Reply(409)
        self.files[asked.path] = asked.body
        return Reply(204 if there else 201)

    def _move(self, asked: Asked) -> Reply:
        to = unquote(urlsplit(asked.headers["destination"]).path).removeprefix(BASE)
        if asked.headers.get("overwrite") == "F" and to in self.files:
            return Reply(412)
        self.files[to] = self.files.pop(asked.path)
        return Reply(201)

    def _mkcol(self, asked: Asked) -> Reply:
        if self._is_folder(asked.path):
            return Reply(405)
        self.folders.add(asked.path)
        return Reply(201)

    def _delete(self, asked: Asked) -> Reply:
        below = {one for one in (*self.files, *self.folders) if one == asked.path or one.startswith(f"{asked.path}/")}
        self.files = {name: data for name, data in self.files.items() if name not in below}
        self.folders -= below
        return Reply(204)

    def _etag(self, path: str) -> str:
        return f'"{hashlib.md5(self.files[path], usedforsecurity=False).hexdigest()}"'

    def _above(self) -> set[str]:
        """Every folder that something is in."""
        found = set()
        for one in (*self.files, *self.folders):
            while "/" in one:
                one = one.rpartition("/")[0]
                found.add(one)
        return found

    def _is_folder(self, path: str) -> bool:
        return not path or path in self.folders or path in self._above()


@contextmanager
def dav_double(**more: object) -> Iterator[DavDouble]:
    """A running one, on loopback."""
    double = DavDouble(**more)  # type: ignore[arg-type]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            path = unquote(self.path, errors="surrogateescape").removeprefix(BASE.rstrip("/")).strip("/")
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length") or 0))
            reply = double.answer(Asked(self.command, path, headers, body))
            self.send_response(reply.status)
            for name, value in ({"Content-Length": str(len(reply.body))} | dict(reply.headers)).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)

        do_GET = do_PUT = do_DELETE = do_PROPFIND = do_MOVE = do_MKCOL = handle_any  # noqa: N815 (as http.server names them)

        def log_message(self, *_: object) -> None:
            """Nothing is said."""

    server = QuietServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    double.port = server.server_address[1]
    try:
        yield double
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
