"""The five requests of a repository, sent without the SDK while all goes well.

To import botocore and make its client takes 0.07 s of processor time, and each request 1 ms: two fifths of what a backup of
unchanged files costs on S3. Where the settings name an endpoint and the environment the credentials, all that the SDK would
find out is known: then PUT of short bodies, GET, HEAD, DELETE and ListObjectsV2 are signed here (Signature Version 4), and sent
over connections of `http.client`.

Whatever is not the plain success that was asked for is the SDK's: what may be asked twice is asked again through it, and so is
everything from then on, so that errors, redirections and odd answers are what they always were. Of an upload nobody knows then
whether it has arrived: that is a `TransientStorageError`, and `RetryingStore` knows what to do about it.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import os
import select
import socket
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from importlib.machinery import PathFinder
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import SplitResult, quote, unquote_plus, urlsplit

from vault.clock import Clock, SystemClock
from vault.errors import TransientStorageError
from vault.hidden_fields import HidesFields
from vault.storage.s3_client import Credentials

LARGEST_BODY = 1024 * 1024
"""Bytes of an upload; before a longer one the SDK asks whether it is welcome."""

LARGEST_PAGE = 16 * 1024 * 1024
"""Bytes of a page of a listing: a thousand rows with the longest keys take 2 MB."""

CONNECT_WITHIN = 10.0
"""Seconds."""

_READING = http.client.HTTPException, OSError, ValueError
"""What may go wrong on the wire."""

_PUT = {
    "ChecksumSHA256": "x-amz-checksum-sha256",
    "ContentMD5": "content-md5",
    "IfNoneMatch": "if-none-match",
}
"""Parameters of an upload as headers."""

_NOTHING = hashlib.sha256().hexdigest()
_UNSIGNED = "UNSIGNED-PAYLOAD"
_XML = "{http://s3.amazonaws.com/doc/2006-03-01/}"


class _Odd(Exception):
    """An answer that is left to the SDK. status: its HTTP status, 0 where there was none."""

    def __init__(self, status: int, why: object = "") -> None:
        super().__init__(str(why) or f"the store answered {status}")
        self.status = status


class DirectClient:
    """Requests as a `vault.storage.s3_client.S3Client` has them; of their answers it knows what `S3Store` asks of them. whole:
    makes the SDK's client · authorities: a file of certificates; None: those that the SDK trusts."""

    def __init__(
        self,
        endpoint: str,
        region: str,
        credentials: Credentials,
        timeout: float,
        whole: Callable[[], Any],
        *,
        clock: Clock | None = None,
        authorities: Path | None = None,
    ) -> None:
        self._server = urlsplit(endpoint)
        self._signer = _Signer(self._server, region, credentials, clock or SystemClock())
        self._timeout = timeout
        self._make_whole = whole
        self._authorities = authorities
        self._whole: Any = None
        self._odd = False
        self._lock = Lock()
        self._idle: list[http.client.HTTPConnection] = []
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_forgetting(weakref.ref(self)))

    def sdk(self) -> Any:  # noqa: ANN401
        """The SDK's client, made when it is needed."""
        with self._lock:
            if self._whole is None:
                self._whole = self._make_whole()
            return self._whole

    def get_object(self, **parameters: Any) -> Mapping[str, Any]:  # noqa: ANN401 (as the SDK has it)
        if self._odd or not parameters.keys() <= {"Bucket", "Key", "Range"}:
            return self.sdk().get_object(**parameters)  # type: ignore[no-any-return]
        headers = {"range": parameters["Range"]} if "Range" in parameters else {}
        try:
            connection, answer = self._send("GET", _path(parameters), {}, headers, b"", {200, 206})
            found = _facts(answer)
            return found | {"Body": _Body(answer, lambda: self._give_back(connection, answer))}
        except _Odd:
            return self._through_sdk().get_object(**parameters)  # type: ignore[no-any-return]

    def head_object(self, **parameters: Any) -> Mapping[str, Any]:  # noqa: ANN401
        if self._odd or not parameters.keys() <= {"Bucket", "Key"}:
            return self.sdk().head_object(**parameters)  # type: ignore[no-any-return]
        try:
            return self._whole_answer("HEAD", _path(parameters), {}, {200})[0]
        except _Odd:
            return self._through_sdk().head_object(**parameters)  # type: ignore[no-any-return]

    def delete_object(self, **parameters: Any) -> Mapping[str, Any]:  # noqa: ANN401
        if self._odd or not parameters.keys() <= {"Bucket", "Key"}:
            return self.sdk().delete_object(**parameters)  # type: ignore[no-any-return]
        try:
            return self._whole_answer("DELETE", _path(parameters), {}, {200, 204})[0]
        except _Odd:
            return self._through_sdk().delete_object(**parameters)  # type: ignore[no-any-return]

    def list_objects_v2(self, **parameters: Any) -> Mapping[str, Any]:  # noqa: ANN401
        if self._odd or not parameters.keys() <= {"Bucket", "Prefix", "MaxKeys", "ContinuationToken", "StartAfter"}:
            return self.sdk().list_objects_v2(**parameters)  # type: ignore[no-any-return]
        query = {"list-type": "2", "encoding-type": "url", "prefix": parameters.get("Prefix", "")}
        query |= {"max-keys": str(parameters["MaxKeys"])} if "MaxKeys" in parameters else {}
        query |= {"continuation-token": parameters["ContinuationToken"]} if "ContinuationToken" in parameters else {}
        query |= {"start-after": parameters["StartAfter"]} if "StartAfter" in parameters else {}
        try:
            facts, body = self._whole_answer("GET", f"/{quote(parameters['Bucket'])}", query, {200})
            return facts | _page(body)
        except _Odd:
            return self._through_sdk().list_objects_v2(**parameters)  # type: ignore[no-any-return]

    def put_object(self, **parameters: Any) -> Mapping[str, Any]:  # noqa: ANN401
        """Raises `TransientStorageError` where nobody knows whether it has arrived."""
        body = parameters.get("Body")
        whole = getattr(body, "whole", body)
        known = parameters.keys() <= {"Bucket", "Key", "Body", "ContentLength", *_PUT}
        data = bytes(whole) if isinstance(whole, bytes | bytearray | memoryview) and len(whole) <= LARGEST_BODY else None
        if self._odd or not known or data is None:
            return self.sdk().put_object(**parameters)  # type: ignore[no-any-return]
        headers = {header: parameters[name] for name, header in _PUT.items() if name in parameters}
        try:
            connection, answer = self._send("PUT", _path(parameters), {}, headers, data, {200, 201, 204})
            self._rest(connection, answer)
            return _facts(answer)
        except _Odd as odd:
            sdk = self._through_sdk()
            if "IfNoneMatch" in parameters and odd.status != 412:  # asked again, it might find what this one has created
                raise TransientStorageError(f"cannot create {parameters['Key']}: {odd}") from odd
            return sdk.put_object(**parameters)  # type: ignore[no-any-return]

    def close(self) -> None:
        """The client may be used again."""
        self.forget()
        if self._whole is not None:
            self._whole.close()

    def forget(self) -> None:
        """Close what is idle."""
        while self._idle:
            with suppress(IndexError):
                self._idle.pop().close()

    def _through_sdk(self) -> Any:  # noqa: ANN401
        """From now on."""
        self._odd = True
        return self.sdk()

    def _whole_answer(self, method: str, path: str, query: Mapping[str, str], wanted: set[int]) -> tuple[dict[str, Any], bytes]:
        """Raises `_Odd`."""
        connection, answer = self._send(method, path, query, {}, b"", wanted)
        return _facts(answer), self._rest(connection, answer)

    def _send(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes, wanted: set[int]
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        """One request, sent once. Raises `_Odd`."""
        signed = self._signer.headers(method, path, query, headers, body)
        connection = None
        try:
            connection = self._connection()
            connection.request(method, path + (f"?{_query(query)}" if query else ""), body or None, signed)
            answer = connection.getresponse()
        except _READING as error:
            if connection is not None:
                connection.close()
            raise _Odd(0, error) from error
        if answer.status not in wanted:
            answer.close()
            connection.close()
            raise _Odd(answer.status)
        return connection, answer

    def _connection(self) -> http.client.HTTPConnection:
        """An idle one that the server has not closed, or a new one."""
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                break
            open_still = select.poll()
            open_still.register(connection.sock, select.POLLIN)
            if not open_still.poll(0):
                return connection
            connection.close()
        connection = self._new()
        connection.connect()
        connection.sock.settimeout(self._timeout)
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return connection

    def _new(self) -> http.client.HTTPConnection:
        host, port = self._server.hostname or "", self._server.port
        if self._server.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=CONNECT_WITHIN)
        import ssl

        context = ssl.create_default_context(cafile=self._authorities or _authorities())
        return http.client.HTTPSConnection(host, port, timeout=CONNECT_WITHIN, context=context)

    def _rest(self, connection: http.client.HTTPConnection, answer: http.client.HTTPResponse) -> bytes:
        """The body of a short answer. Raises `_Odd`."""
        try:
            body = answer.read(LARGEST_PAGE + 1)
            if len(body) <= LARGEST_PAGE and not answer.isclosed():
                body += answer.read(1)
            if len(body) > LARGEST_PAGE or answer.length:
                raise _Odd(0, "the answer is too long, or was cut")
        except _READING as error:
            raise _Odd(0, error) from error
        finally:
            self._give_back(connection, answer)
        return body

    def _give_back(self, connection: http.client.HTTPConnection, answer: http.client.HTTPResponse) -> None:
        """A connection whose answer was read to its end serves the next request."""
        if answer.isclosed() and not answer.length and not answer.will_close and connection.sock is not None:
            self._idle.append(connection)
        else:
            answer.close()
            connection.close()


class Whole:
    """The SDK's client, made at its first request."""

    def __init__(self, direct: DirectClient) -> None:
        self._direct = direct

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (the SDK's own)
        """Any request."""
        return getattr(self._direct.sdk(), name)


def _forgetting(client: weakref.ref[DirectClient]) -> Callable[[], None]:
    def forget() -> None:
        """A forked process makes connections of its own: two that speak over one would read each other's answers."""
        found = client()
        if found is not None:
            found.forget()

    return forget


class _Signer(HidesFields, frozen=True):
    """Signs for one server, region and person."""

    server: SplitResult
    region: str
    credentials: Credentials
    clock: Clock

    def headers(self, method: str, path: str, query: Mapping[str, str], own: Mapping[str, str], body: bytes) -> dict[str, str]:
        """All headers of a request, the signature among them. Over TLS the payload needs none."""
        moment = f"{self.clock.now():%Y%m%dT%H%M%SZ}"
        payload = hashlib.sha256(body).hexdigest() if body else _NOTHING
        found = {**own, "host": _host(self.server), "x-amz-date": moment}
        found["x-amz-content-sha256"] = _UNSIGNED if self.server.scheme == "https" else payload
        if self.credentials.token is not None:
            found["x-amz-security-token"] = self.credentials.token
        names = sorted(found)
        lines = "".join(f"{name}:{' '.join(found[name].split())}\n" for name in names)
        together = ";".join(names)
        request = f"{method}\n{path}\n{_query(query)}\n{lines}\n{together}\n{found['x-amz-content-sha256']}"
        scope = f"{moment[:8]}/{self.region}/s3/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        key = _key_of_day(self.credentials.secret, moment[:8], self.region)
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        found["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.credentials.key_id}/{scope}, SignedHeaders={together}, Signature={signature}"
        )
        if method == "PUT":
            found["content-length"] = str(len(body))
        return found | {"accept-encoding": "identity", "user-agent": "strongroom"}


@lru_cache(maxsize=4)
def _key_of_day(secret: str, day: str, region: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def _host(server: SplitResult) -> str:
    usual = {"http": 80, "https": 443}[server.scheme]
    host = server.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return host if server.port in {None, usual} else f"{host}:{server.port}"


def _path(parameters: Mapping[str, Any]) -> str:
    return f"/{quote(parameters['Bucket'])}/{quote(parameters['Key'], safe='/-_.~')}"


def _query(query: Mapping[str, str]) -> str:
    return "&".join(f"{quote(name, safe='-_.~')}={quote(query[name], safe='-_.~')}" for name in sorted(query))


def _facts(answer: http.client.HTTPResponse) -> dict[str, Any]:
    """What the SDK says of an answer's head."""
    headers = {name.lower(): value for name, value in answer.getheaders()}
    found: dict[str, Any] = {"ResponseMetadata": {"HTTPStatusCode": answer.status, "HTTPHeaders": headers}}
    length = headers.get("content-length", "")
    if length.isascii() and length.isdigit():
        found["ContentLength"] = int(length)
    return found | {
        name: headers[header] for name, header in (("ETag", "etag"), ("ContentRange", "content-range")) if header in headers
    }


def _page(body: bytes) -> dict[str, Any]:
    """A page of a listing as the SDK has it. Raises `_Odd`."""
    from xml.etree import ElementTree

    try:
        root = ElementTree.fromstring(body)  # noqa: S314 (as the SDK reads it; expat bounds what entities grow to)
    except ElementTree.ParseError as error:
        raise _Odd(200, error) from error
    space = _XML if root.tag.startswith("{") else ""
    if root.tag.rpartition("}")[2] != "ListBucketResult" or (space and not root.tag.startswith(_XML)):
        raise _Odd(200, f"an answer of another kind: {root.tag}")
    encoded = root.findtext(f"{space}EncodingType") == "url"
    rows = []
    for row in root.iterfind(f"{space}Contents"):
        key, size = row.findtext(f"{space}Key"), row.findtext(f"{space}Size") or ""
        if key is None or not (size.isascii() and size.isdigit()):
            raise _Odd(200, "a row without a key or a size")
        rows.append({"Key": unquote_plus(key) if encoded else key, "Size": int(size)})
    found: dict[str, Any] = {"Contents": rows, "IsTruncated": root.findtext(f"{space}IsTruncated") == "true"}
    token = root.findtext(f"{space}NextContinuationToken")
    return found if token is None else found | {"NextContinuationToken": token}


class _Body:
    """The body of an answer, read as the SDK's is. done: gives the connection back."""

    def __init__(self, answer: http.client.HTTPResponse, done: Callable[[], None]) -> None:
        self._answer = answer
        self._done: Callable[[], None] | None = done

    def read(self, size: int) -> bytes:
        """At most so many bytes; none at the end. Raises OSError where the connection is cut."""
        try:
            return self._answer.read(size)
        except (http.client.HTTPException, ValueError) as error:
            self._answer.close()
            raise ConnectionError(f"the answer was cut: {error!r}") from error

    def close(self) -> None:
        """The rest is not wanted."""
        done, self._done = self._done, None
        if done is not None:
            done()


def _authorities() -> str | None:
    """The certificates that the SDK trusts."""
    for package in ("certifi", "botocore"):
        found = PathFinder.find_spec(package)
        for folder in (found.submodule_search_locations or ()) if found is not None else ():
            file = Path(folder) / "cacert.pem"
            if file.is_file():
                return str(file)
    return None
