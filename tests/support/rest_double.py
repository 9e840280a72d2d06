"""A help desk's interface as a double: a model of one, written for the tests, with every trap switchable. It is no vendor's.

with serving(ModelDesk()) as desk:
    desk.add(title="late")
    desk.traps.add("html")
    ... desk.url

With `notes_states`, `states` has every state that the desk ever had, so that a test can ask whether a snapshot equals one.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar
from urllib.parse import parse_qs, parse_qsl, urlsplit

START = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)


class Asked(NamedTuple):
    """A request. query: the last value of each name."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


class Answered(NamedTuple):
    """An answer. status: 0 for none at all · announced: a length that is not that of the body."""

    body: bytes = b"{}"
    status: int = 200
    headers: Mapping[str, str] = MappingProxyType({})
    announced: int | None = None


class RestDouble:
    """What answers requests. asked: all of them, in order."""

    url = ""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.lock = threading.RLock()

    def answer(self, asked: Asked) -> Answered:
        raise NotImplementedError

    def handle(self, asked: Asked) -> Answered:
        """One request, one after another."""
        with self.lock:
            self.asked.append(asked)
            return self.answer(asked)


Double = TypeVar("Double", bound=RestDouble)


@contextmanager
def serving(double: Double) -> Iterator[Double]:
    """The double on a port of loopback; `url` is its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16
        disable_nagle_algorithm = True
        timeout = 30

        def respond(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            query = dict(parse_qsl(parts.query, keep_blank_values=True))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answered = double.handle(Asked(self.command, parts.path, query, headers, body))
            if not answered.status:
                self.close_connection = True
                return
            self.send_response(answered.status)
            length = len(answered.body) if answered.announced is None else answered.announced
            usual = {"Content-Type": "application/json", "Content-Length": str(length)}
            for name, value in {**usual, **answered.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answered.body)
            if answered.announced is not None:
                self.close_connection = True

        do_GET = do_POST = do_PUT = do_PATCH = respond  # noqa: N815 (as http.server names them)

        def send_response(self, code: int, message: str | None = None) -> None:
            """Without a date of its own, which `Date` among the headers would double."""
            self.send_response_only(code, message)

        def log_message(self, *_: object) -> None:
            """Nothing is said."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            if not isinstance(sys.exc_info()[1], ConnectionError):  # a client that breaks off is none of the test's business
                super().handle_error(request, client_address)

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    double.url = f"http://127.0.0.1:{server.server_address[1]}/api/"
    try:
        yield double
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class ModelDesk(RestDouble):
    """Tickets with comments and attachments.

    /api/STYLE/tickets            STYLE: none, page, offset, cursor, next, link, keyset; `modified_from`, `size`, `order`
    /api/tickets/ID/comments      its comments
    /api/files/ID                 the bytes of an attachment

    - `traps`: names of what is wrong; see `answer`
    - `storm`: what is wrong with the answer to a request, by its number, once: `429`, `503`, `500`, `cut`, `nothing`
    - `between`: what happens to the desk between requests: called with the number of each request before it is answered
    - `now`: the desk's own clock, which stamps modifications; it moves with each change
    """

    def __init__(self) -> None:
        super().__init__()
        self.tickets: dict[int, dict[str, Any]] = {}
        self.files: dict[int, bytes] = {}
        self.traps: set[str] = set()
        self.between: Callable[[int], None] = lambda _: None
        self.now = START
        self.clock_difference = timedelta(0)
        self.busy_answers = 0
        self.storm: dict[int, str] = {}
        self.secret = ""
        self.notes_states = False
        self.states: list[dict[int, str]] = [{}]
        self._next = 1

    # what happens to the desk

    def add(self, *, at: datetime | None = None, **fields: Any) -> int:
        """A new ticket; its number."""
        number, self._next = self._next, self._next + 1
        stamp = self._tick()
        created = _iso(at or self.now)
        self.tickets[number] = {"id": number, "created": created, "modified": stamp, "comments": [], "files": []} | fields
        self._note()
        return number

    def edit(self, number: int, *, late: bool = False, **fields: Any) -> None:
        """late: what was begun half a minute ago is committed now."""
        stamp = self._tick()
        self.tickets[number] |= fields | {"modified": _iso(self.now - timedelta(seconds=30)) if late else stamp}
        self._note()

    def comment(self, number: int, text: str, *, silent: bool = False) -> int:
        """A new comment. silent: the ticket's modification stays."""
        ticket = self.tickets[number]
        key = sum(len(one["comments"]) for one in self.tickets.values()) + 1000 * number
        ticket["comments"] = [*ticket["comments"], {"id": key, "text": text}]
        if not silent:
            ticket["modified"] = self._tick()
        self._note()
        return key

    def lose_comment(self, number: int) -> None:
        """The last one goes, and nothing says so."""
        self.tickets[number]["comments"] = self.tickets[number]["comments"][:-1]
        self._note()

    def attach(self, number: int, name: str, data: bytes) -> int:
        ticket = self.tickets[number]
        key = len(self.files) + 1
        self.files[key] = data
        ticket["files"] = [*ticket["files"], {"id": key, "name": name, "url": f"{self.url}files/{key}"}]
        ticket["modified"] = self._tick()
        self._note()
        return key

    def delete(self, number: int) -> None:
        del self.tickets[number]
        self._note()

    def merge(self, number: int, into: int) -> None:
        """One ticket goes into another."""
        text = self.tickets.pop(number).get("title", "")
        self.tickets[into] |= {"merged": [*self.tickets[into].get("merged", []), number, text], "modified": self._tick()}
        self._note()

    def set_archived(self, number: int) -> None:
        """A ticket that nobody works on any more."""
        self.edit(number, status="archived")

    def listed(self, number: int) -> dict[str, Any]:
        """As a listing has a ticket."""
        return {name: value for name, value in self.tickets[number].items() if name != "comments"}

    def kept(self, number: int, *, comments: bool = False) -> str:
        """As a snapshot has it."""
        ticket = self.listed(number)
        if comments:
            ticket["comments"] = self.tickets[number]["comments"]
        return json.dumps(ticket, sort_keys=True, ensure_ascii=False, separators=(",", ":"))

    def _note(self) -> None:
        if self.notes_states:
            self.states.append({number: self.kept(number) for number in self.tickets})

    def _tick(self) -> str:
        self.now += timedelta(seconds=1)
        return _iso(self.now)

    # requests

    def answer(self, asked: Asked) -> Answered:
        self.between(len(self.asked))
        answered = self._stormy() or self._trapped(asked) or self._answered(asked)
        date = format_datetime(self.now + self.clock_difference, usegmt=True)
        return answered._replace(headers={"Date": date, **answered.headers})

    def _stormy(self) -> Answered | None:
        what = self.storm.get(len(self.asked))
        if what in ("429", "503", "500"):
            return Answered(b"busy", int(what), {"Retry-After": "7"})
        return None if what is None else Answered(b"" if what == "nothing" else b"{", announced=1000)

    def _trapped(self, asked: Asked) -> Answered | None:
        traps = self.traps
        if self.secret and asked.headers.get("authorization") != f"Bearer {self.secret}":
            return Answered(b'{"error": "who are you?"}', 401)
        if self.busy_answers:
            self.busy_answers -= 1
            return Answered(b"busy", 503 if "busy-503" in traps else 429, {"Retry-After": "7"})
        if "html" in traps:
            return Answered(b"<!DOCTYPE html><title>Please log in</title>", 200, {"Content-Type": "text/html"})
        if "elsewhere" in traps:
            return Answered(b"", 302, {"Location": "http://localhost:1/api/"})
        if "forbidden" in traps:
            return Answered(b"{}", 403)
        if "huge" in traps:
            return Answered(b'{"results": [' + b" " * (3 << 20) + b"]}")
        if "deep" in traps:
            return Answered(b'{"results": ' + b"[" * 100_000)
        if "many" in traps:
            return Answered(b'{"results": [' + b"[]," * 1_100_000 + b"1]}")
        return None

    def _answered(self, asked: Asked) -> Answered:
        parts = asked.path.removeprefix("/api/").split("/")
        if parts[-1] == "tickets" and len(parts) == 2:
            return self._listing(parts[0], asked)
        if parts[0] == "tickets" and parts[-1] == "comments" and int(parts[1]) in self.tickets:
            return _json({"results": self.tickets[int(parts[1])]["comments"]})
        if parts[0] == "files" and int(parts[1]) in self.files:
            data = self.files[int(parts[1])]
            return Answered(data, headers={"Content-Type": "application/octet-stream"})
        return Answered(b"{}", 404)

    def _listing(self, style: str, asked: Asked) -> Answered:
        query, size = asked.query, int(asked.query.get("size", 100))
        since = query.get("modified_from", "")
        found = [self.listed(number) for number in self.tickets if self.tickets[number]["modified"] >= since]
        order = query.get("order", "id")
        found.sort(key=lambda one: (one[order], one["id"]))
        if style == "keyset":
            found = [one for one in found if one["id"] > int(query.get("after", 0))]
            begin = 0
        else:
            begin = {"page": (int(query.get("page", 1)) - 1) * size, "offset": int(query.get("offset", 0))}.get(
                style, int(query.get("cursor", "0"))
            )
        page = found if style == "none" else found[begin : begin + size]
        total = len(found)
        answer: dict[str, Any] = {"results": self._spoilt(page, begin)}
        headers = {}
        if "no-total" not in self.traps:
            answer["count"] = total + (50 if "empty-page" in self.traps else 0)
        following = begin + size if begin + size < total and style != "none" else None
        if "same-cursor" in self.traps:
            following = size
        if style in ("cursor", "next", "link"):
            host = "http://elsewhere.invalid/api/" if "next-elsewhere" in self.traps else self.url
            rest = "&".join(f"{name}={value}" for name, value in query.items() if name != "cursor")
            address = None if following is None else f"{host}{style}/tickets?cursor={following}&{rest}"
            if style == "link" and address:
                headers["Link"] = f'<{self.url}>; rel="first", <{address}>; rel="next"'
            answer["next"] = None if following is None else str(following) if style == "cursor" else address
        return self._cut(_json(answer)._replace(headers=headers))

    def _spoilt(self, page: list[dict[str, Any]], begin: int) -> list[dict[str, Any]]:
        traps = self.traps
        if "empty-page" in traps and begin:
            return []
        if "same-page" in traps:
            return [self.listed(number) for number in sorted(self.tickets)[:10]]
        if "no-key" in traps and page:
            return [{name: value for name, value in page[0].items() if name != "id"}, *page[1:]]
        if "no-time" in traps and page:
            return [page[0] | {"created": None}, *page[1:]]
        if "twice" in traps and page:
            return [*page, page[0] | {"title": "another"}]
        if "no-record" in traps:
            return [7]  # type: ignore[list-item]
        return page

    def _cut(self, answered: Answered) -> Answered:
        if "cut" in self.traps:
            return answered._replace(body=answered.body[:-10], announced=len(answered.body))
        return answered


def form(asked: Asked) -> dict[str, str]:
    """What a form has that was sent."""
    return {name: values[-1] for name, values in parse_qs(asked.body.decode()).items()}


def _json(value: object) -> Answered:
    return Answered(json.dumps(value).encode())


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
