"""A double of an S3 server, for what no real one can be made to do at a chosen moment. It holds one bucket in memory, keeps
versions, signs nothing and checks no signature.

with s3_double() as double:
    double.put("a.csv", b"1")
    double.before = lambda number, asked: …     runs before each request; an answer that it gives is sent instead
    S3Options(double.url)
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from typing import NamedTuple
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

from tests.support.quiet_server import QuietServer

BUCKET = "double"
_FIRST = 1_700_000_000
_SENT_ALONG = ("content-type", "content-encoding", "content-language", "content-disposition", "cache-control")


class Asked(NamedTuple):
    """A request. key: empty for the bucket itself · query: of the URL, and whether a sub-resource is meant."""

    method: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""


class Reply(NamedTuple):
    """An answer."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}


class Stored(NamedTuple):
    """One version. data: None for a marker of deletion · at: seconds since 1970."""

    id: str
    data: bytes | None
    at: int
    headers: Mapping[str, str] = {}

    @property
    def etag(self) -> str:
        return f'"{hashlib.md5(self.data or b"", usedforsecurity=False).hexdigest()}"'


@dataclass
class S3Double:
    """See this module's text. page: rows of a listing · conditions: whether `If-Match` and `If-None-Match` are heeded: `yes`,
    `no`, or `refused` with 501."""

    page: int = 1000
    conditions: str = "yes"
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    before: Callable[[int, Asked], Reply | None] | None = None
    kept: dict[str, list[Stored]] = field(default_factory=dict)
    tags: dict[str, Mapping[str, str]] = field(default_factory=dict)
    _now: int = _FIRST
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def put(self, key: str, data: bytes, **headers: str) -> Stored:
        """An object, or another version of it. headers: with `_` for `-`."""
        return self._store(key, data, {name.replace("_", "-"): value for name, value in headers.items()})

    def delete(self, key: str) -> None:
        """A marker of deletion, where there is an object."""
        if self.current(key) is not None:
            self._store(key, None, {})

    def current(self, key: str) -> Stored | None:
        """What stands under a key now."""
        found = self.kept.get(key, [])
        return found[-1] if found and found[-1].data is not None else None

    def contents(self) -> dict[str, bytes]:
        """Of all objects."""
        found = ((key, self.current(key)) for key in self.kept)
        return {key: one.data for key, one in found if one is not None and one.data is not None}

    def count(self, method: str, *, of_objects: bool = True) -> int:
        """How many requests were of a method."""
        return sum(one.method == method and bool(one.key) == of_objects for one in self.asked)

    def answer(self, asked: Asked) -> Reply:
        """To one request."""
        with self._lock:
            self.asked.append(asked)
            if self.before is not None and (reply := self.before(len(self.asked), asked)) is not None:
                return reply
            if not asked.key:
                return self._versions(asked) if "versions" in asked.query else self._listing(asked)
            if asked.method == "PUT":
                return self._put(asked)
            if asked.method == "DELETE":
                self.delete(asked.key)
                return Reply(204)
            return self._object(asked)

    def _store(self, key: str, data: bytes | None, headers: Mapping[str, str]) -> Stored:
        with self._lock:
            self._now += 1
            made = Stored(f"v{self._now - _FIRST}", data, self._now, dict(headers))
            self.kept.setdefault(key, []).append(made)
            return made

    def _listing(self, asked: Asked) -> Reply:
        prefix, after = asked.query.get("prefix", ""), asked.query.get("start-after", "")
        after = unquote(asked.query.get("continuation-token", "")) or after
        keys = sorted(key for key in self.contents() if key.startswith(prefix) and key > after)
        some = keys[: min(self.page, int(asked.query.get("max-keys", "1000")))]
        rows = "".join(_row("Contents", key, one) for key in some if (one := self.current(key)) is not None)
        more = len(keys) > len(some)
        token = f"<NextContinuationToken>{escape(quote(some[-1]))}</NextContinuationToken>" if more else ""
        return _xml("ListBucketResult", f"{_head(prefix, more=more)}<KeyCount>{len(some)}</KeyCount>{token}{rows}")

    def _versions(self, asked: Asked) -> Reply:
        prefix = asked.query.get("prefix", "")
        rows = [
            (key, one, one is self.kept[key][-1])
            for key in sorted(self.kept)
            for one in reversed(self.kept[key])
            if key.startswith(prefix)
        ]
        place = (unquote(asked.query.get("key-marker", "")), asked.query.get("version-id-marker", ""))
        begin = next((at + 1 for at, (key, one, _) in enumerate(rows) if (key, one.id) == place), 0)
        some, more = rows[begin : begin + self.page], begin + self.page < len(rows)
        text = "".join(
            _row("Version" if one.data is not None else "DeleteMarker", key, one, is_latest=latest) for key, one, latest in some
        )
        key, last, _ = some[-1] if some else ("", Stored("", None, 0), False)
        marks = f"<NextKeyMarker>{escape(quote(key))}</NextKeyMarker><NextVersionIdMarker>{last.id}</NextVersionIdMarker>"
        return _xml("ListVersionsResult", f"{_head(prefix, more=more)}{marks if more else ''}{text}")

    def _put(self, asked: Asked) -> Reply:
        now = self.current(asked.key)
        conditional = {"if-match", "if-none-match"} & asked.headers.keys()
        if conditional and self.conditions == "refused":
            return fault(501, "NotImplemented")
        if self.conditions == "yes" and (
            ("if-none-match" in asked.headers and now is not None)
            or ("if-match" in asked.headers and (now is None or asked.headers["if-match"] != now.etag))
        ):
            return fault(412, "PreconditionFailed")
        own = {name: value for name, value in asked.headers.items() if name in _SENT_ALONG or name.startswith("x-amz-meta-")}
        return Reply(200, headers={"ETag": self._store(asked.key, asked.body, own).etag})

    def _object(self, asked: Asked) -> Reply:
        wanted = asked.query.get("versionId")
        found = [one for one in self.kept.get(asked.key, []) if wanted in (None, one.id)]
        if not found or found[-1].data is None:
            return fault(404, "NoSuchKey")
        if "tagging" in asked.query:
            pairs = self.tags.get(asked.key, {}).items()
            tags = "".join(f"<Tag><Key>{escape(key)}</Key><Value>{escape(value)}</Value></Tag>" for key, value in pairs)
            return _xml("Tagging", f"<TagSet>{tags}</TagSet>")
        if "acl" in asked.query:
            owner = "<Owner><ID>olena</ID></Owner>"
            return _xml("AccessControlPolicy", f"{owner}<AccessControlList></AccessControlList>")
        one, data = found[-1], found[-1].data or b""
        headers = {"ETag": one.etag, "Last-Modified": formatdate(one.at, usegmt=True), **one.headers}
        _, _, span = asked.headers.get("range", "").partition("=")
        if not span:
            return Reply(200, data, headers)
        first, last = span.split("-")
        part = data[int(first) : int(last) + 1]
        if not part:
            return fault(416, "InvalidRange")
        headers["Content-Range"] = f"bytes {first}-{int(first) + len(part) - 1}/{len(data)}"
        return Reply(206, part, headers)


def fault(status: int, code: str, **headers: str) -> Reply:
    """An error as S3 says it."""
    body = f"<Error><Code>{code}</Code><Message>so says the double</Message></Error>".encode()
    return Reply(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


def _head(prefix: str, *, more: bool) -> str:
    truncated = "true" if more else "false"
    return f"<Name>{BUCKET}</Name><Prefix>{escape(quote(prefix))}</Prefix><IsTruncated>{truncated}</IsTruncated>"


def _xml(root: str, inside: str) -> Reply:
    space = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
    body = f'<?xml version="1.0" encoding="UTF-8"?><{root} {space}>{inside}<EncodingType>url</EncodingType></{root}>'
    return Reply(200, body.encode(), {"Content-Type": "application/xml"})


def _row(what: str, key: str, one: Stored, *, is_latest: bool | None = None) -> str:
    moment = f"{formatdate(one.at, usegmt=True)}"
    facts = f"<Key>{escape(quote(key))}</Key><LastModified>{moment}</LastModified>"
    if one.data is not None:
        facts += f"<ETag>{escape(one.etag)}</ETag><Size>{len(one.data)}</Size>"
    if is_latest is not None:
        facts += f"<VersionId>{one.id}</VersionId><IsLatest>{'true' if is_latest else 'false'}</IsLatest>"
    return f"<{what}>{facts}</{what}>"


@contextmanager
def s3_double(**more: object) -> Iterator[S3Double]:
    """A running one, on loopback."""
    double = S3Double(**more)  # type: ignore[arg-type]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            parts = urlsplit(self.path)
            _, _, key = parts.path.lstrip("/").partition("/")
            query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length") or 0))
            reply = double.answer(Asked(self.command, unquote(key), query, headers, body))
            self.send_response(reply.status)
            for name, value in ({"Content-Length": str(len(reply.body))} | dict(reply.headers)).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(reply.body)

        do_GET = do_HEAD = do_PUT = do_DELETE = handle_any  # noqa: N815 (as http.server names them)

        def log_message(self, *_: object) -> None:
            """Nothing is said."""

    server = QuietServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    double.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield double
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
