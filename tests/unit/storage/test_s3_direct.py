"""Requests to S3 without the SDK: signed as the standard says, and left to the SDK as soon as an answer is not plain."""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from strongroom import environment
from tests.support.clock import StillClock
from tests.support.server_certificates import authority
from vault.clock import SystemClock
from vault.errors import ObjectExists, ObjectNotFound, StorageError, TransientStorageError
from vault.randomness import SystemRandomness
from vault.storage import s3_client, s3_direct
from vault.storage.retrying import RetryingStore, RetryPolicy
from vault.storage.s3 import S3Store
from vault.storage.s3_client import Credentials, S3Options
from vault.storage.s3_direct import DirectClient

KEYS = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")


class Server:
    """An S3 server of one bucket in memory, which can be told to answer otherwise. asked: method, path and whether the SDK
    asked, of each request."""

    def __init__(self, certificate: tuple[Path, Path] | None = None) -> None:
        self.objects: dict[str, bytes] = {}
        self.asked: list[tuple[str, str, bool]] = []
        self.connections: set[tuple[str, int]] = set()
        self.instead: list[Callable[[BaseHTTPRequestHandler], bool]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                """Nothing."""

            def handle_any(self) -> None:
                outer.connections.add(self.client_address)
                by_sdk = "Botocore" in self.headers.get("User-Agent", "")
                outer.asked.append((self.command, self.path, by_sdk))
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if outer.instead and outer.instead.pop(0)(self):
                    return
                outer.answer(self, body)

            def __getattr__(self, name: str) -> Callable[[], None]:
                if name.startswith("do_"):
                    return self.handle_any
                raise AttributeError(name)

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        self.url = f"{'http' if certificate is None else 'https'}://127.0.0.1:{self._http.server_address[1]}"

    def answer(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        key = urlsplit(request.path).path.removeprefix("/bucket").removeprefix("/")
        if request.command == "PUT":
            if request.headers.get("If-None-Match") == "*" and key in self.objects:
                said(412, b"<Error><Code>PreconditionFailed</Code></Error>")(request)
                return
            self.objects[key] = body
            said(200)(request)
        elif request.command == "DELETE":
            self.objects.pop(key, None)
            said(204)(request)
        elif not key:
            sizes = {one: len(data) for one, data in self.objects.items()}
            rows = "".join(f"<Contents><Key>{one}</Key><Size>{size}</Size></Contents>" for one, size in sizes.items())
            said(200, f"<ListBucketResult><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>".encode())(request)
        elif key not in self.objects:
            said(404, b"<Error><Code>NoSuchKey</Code></Error>")(request)
        elif (wanted := request.headers.get("Range")) is not None:
            data = self.objects[key]
            start, end = (int(number) for number in wanted.removeprefix("bytes=").split("-"))
            part = data[start : end + 1]
            said(206, part, more={"Content-Range": f"bytes {start}-{start + len(part) - 1}/{len(data)}"})(request)
        else:
            said(200, self.objects[key])(request)

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def by_sdk(self) -> list[bool]:
        return [one[2] for one in self.asked]


def said(
    status: int, body: bytes = b"", length: int | None = None, more: dict[str, str] | None = None
) -> Callable[[BaseHTTPRequestHandler], bool]:
    """An answer. length: that it states · more: headers."""

    def answer(request: BaseHTTPRequestHandler) -> bool:
        request.send_response(status)
        request.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in (more or {}).items():
            request.send_header(name, value)
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(body)
        if length is not None and length > len(body):
            request.close_connection = True
        return True

    return answer


def hangs_up(request: BaseHTTPRequestHandler) -> bool:
    """No answer: the connection ends."""
    request.close_connection = True
    return True


def does_it_and_hangs_up(server: Server, key: str, body: bytes) -> Callable[[BaseHTTPRequestHandler], bool]:
    def answer(request: BaseHTTPRequestHandler) -> bool:
        server.objects[key] = body
        return hangs_up(request)

    return answer


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEYS.key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEYS.secret)
    found = Server()
    yield found
    found.close()


@pytest.fixture
def store(server: Server) -> Iterator[S3Store]:
    found = S3Store("bucket", "p", S3Options(endpoint=server.url, direct=KEYS, timeout=10.0))
    yield found
    found.close()


def test_a_request_is_signed_as_the_documentation_of_s3_does_it() -> None:
    """The examples of "Authenticating Requests (AWS Signature Version 4)": GET with a range, and a listing."""
    clock = StillClock(datetime(2013, 5, 24, tzinfo=UTC))
    signer = s3_direct._Signer(urlsplit("http://examplebucket.s3.amazonaws.com"), "us-east-1", KEYS, clock)
    found = signer.headers("GET", "/test.txt", {}, {"range": "bytes=0-9"}, b"")
    assert found["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
        "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    )
    found = signer.headers("GET", "/", {"max-keys": "2", "prefix": "J"}, {}, b"")
    assert found["authorization"].endswith("Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")


def test_what_goes_well_needs_no_sdk_and_one_connection(server: Server, store: S3Store) -> None:
    store.put("a", b"one")
    store.create("b", b"")
    assert (store.get("a"), store.get("b"), store.size("a"), store.get_range("a", 0, 10)) == (b"one", b"", 3, b"one")
    assert [(row.name, row.size) for row in store.list("")] == [("a", 3), ("b", 0)]
    store.delete("a")
    assert server.objects == {"p/b": b""}
    assert not any(server.by_sdk()) and len(server.connections) <= 2, "an answer without a body that is not read ends one"


@pytest.mark.parametrize(
    ("ask", "error"),
    [
        (lambda store: store.get("none"), ObjectNotFound),
        (lambda store: store.size("none"), ObjectNotFound),
        (lambda store: store.get_range("none", 1, 1), ObjectNotFound),
        (lambda store: store.create("there", b"2"), ObjectExists),
    ],
)
def test_an_error_is_what_the_sdk_makes_of_it(
    server: Server, store: S3Store, ask: Callable[[S3Store], object], error: type[StorageError]
) -> None:
    store.put("there", b"1")
    with pytest.raises(error):
        ask(store)
    assert server.by_sdk() == [False, False, True]
    assert store.get("there") == b"1"
    assert server.by_sdk()[-1], "and from then on all goes through it"


@pytest.mark.parametrize(
    "instead",
    [
        hangs_up,
        said(500),
        said(301),
        said(200, b"<html>sign in</html>"),
        said(200, b"<ListBucketResult>"),
        said(200, b"<ListBucketResult><Contents><Key>p/a</Key></Contents></ListBucketResult>"),
        said(200, b"<ListBucketResult></ListBucketResult>", 100),
    ],
)
def test_what_may_be_asked_twice_is_asked_again(
    server: Server, store: S3Store, instead: Callable[[BaseHTTPRequestHandler], bool]
) -> None:
    store.put("a", b"1")
    server.instead.append(instead)
    assert [row.name for row in store.list("")] == ["a"]
    assert server.by_sdk() == [False, False, True]


def test_of_a_create_without_an_answer_nobody_knows_and_the_next_try_finds_it(server: Server, store: S3Store) -> None:
    patient = RetryingStore(store, RetryPolicy.network(10.0), StillClock(), SystemRandomness())
    server.instead.append(does_it_and_hangs_up(server, "p/a", b"mine"))
    patient.create("a", b"mine")
    assert server.objects == {"p/a": b"mine"}
    server.instead.append(said(503))
    with pytest.raises(TransientStorageError):
        S3Store("bucket", "p", S3Options(endpoint=server.url, direct=KEYS)).create("b", b"")
    assert "p/b" not in server.objects
    server.instead.append(does_it_and_hangs_up(server, "p/c", b"theirs"))
    other = S3Store("bucket", "p", S3Options(endpoint=server.url, direct=KEYS))
    with pytest.raises(ObjectExists):
        RetryingStore(other, RetryPolicy.network(10.0), StillClock(), SystemRandomness()).create("c", b"mine")


def test_a_plain_write_that_was_refused_or_cut_is_sent_again(server: Server, store: S3Store) -> None:
    server.instead.append(said(500))
    store.put("a", b"1")
    assert server.objects == {"p/a": b"1"} and server.by_sdk() == [False, True]


def test_a_body_that_is_cut_is_taken_up_again(server: Server, store: S3Store) -> None:
    store.put("a", b"0123456789")
    server.instead.append(said(200, b"0123", 10))
    assert store.get("a") == b"0123456789"
    assert not any(server.by_sdk()) and [one[0] for one in server.asked] == ["PUT", "GET", "GET"]


def test_a_connection_that_the_server_has_closed_is_not_used(server: Server, store: S3Store) -> None:
    def last(request: BaseHTTPRequestHandler) -> bool:
        request.close_connection = True
        return False

    store.put("a", b"1")
    server.instead.append(last)
    store.put("a", b"2")
    client: Any = store._client
    (idle,) = client._idle
    idle.sock.settimeout(10)
    assert idle.sock.recv(1, 2) == b"", "MSG_PEEK: the end has arrived"
    store.put("a", b"3")
    assert server.objects == {"p/a": b"3"} and not any(server.by_sdk())


def test_long_bodies_and_other_parameters_go_through_the_sdk(server: Server, store: S3Store) -> None:
    store.put("a", bytes(s3_direct.LARGEST_BODY))
    store.put("b", bytes(s3_direct.LARGEST_BODY + 1))
    assert server.by_sdk() == [False, True]
    client: Any = store._client
    client.put_object(Bucket="bucket", Key="p/c", Body=b"1", ObjectLockMode="GOVERNANCE")
    assert server.by_sdk() == [False, True, True]


def test_a_forked_process_makes_connections_of_its_own(server: Server, store: S3Store) -> None:
    store.put("a", b"1")
    child = os.fork()
    if child == 0:
        client: Any = store._client
        os._exit(len(client._idle))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    client = store._client
    assert len(client._idle) == 1


@pytest.mark.parametrize("size", [20, 5000])
def test_a_hostile_listing_is_bounded(server: Server, store: S3Store, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(s3_direct, "LARGEST_PAGE", 2000)
    server.objects |= {f"p/{number}": b"" for number in range(size)}
    assert len(list(store.list(""))) == size
    assert server.by_sdk() == ([False] if size == 20 else [False, True])


@pytest.mark.parametrize(
    ("options", "direct"),
    [
        (S3Options(endpoint="http://s3.example.org:8333", direct=KEYS), True),
        (S3Options(endpoint="https://s3.example.org/", region="x", path_style=True, direct=KEYS), True),
        (S3Options(endpoint="http://s3.example.org"), False),
        (S3Options(direct=KEYS), False),
        (S3Options(endpoint="http://s3.example.org/base", direct=KEYS), False),
        (S3Options(endpoint="http://name@s3.example.org", direct=KEYS), False),
        (S3Options(endpoint="https://s3.example.org", path_style=False, direct=KEYS), False),
    ],
)
def test_a_server_that_is_named_and_reached_plainly_needs_no_sdk(options: S3Options, *, direct: bool) -> None:
    plain, whole = s3_client.make_store_clients(options)
    assert isinstance(plain, DirectClient) is direct and not isinstance(whole, DirectClient)
    plain.close()


def test_credentials_are_taken_where_the_environment_alone_says_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [one for one in os.environ if one.startswith("AWS_") or one.upper().endswith(("_PROXY", "_BUNDLE"))]:
        monkeypatch.delenv(name)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    http, https = "http://127.0.0.1:9", "https://s3.example.org"
    assert environment.s3_credentials(http) is None
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    assert environment.s3_credentials(http) is None
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    assert environment.s3_credentials(https) == environment.s3_credentials(http) == Credentials("id", "secret")
    assert "secret" not in repr(environment.s3_credentials(http))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-1")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert environment.s3_credentials(http) == Credentials("id", "secret", "token", "eu-1")
    for name in ("AWS_PROFILE", "AWS_CONFIG_FILE", "http_proxy", "ALL_PROXY", "AWS_ENDPOINT_URL"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(name, "x")
            assert environment.s3_credentials(http) is None, name
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_CA_BUNDLE", "/x")
        assert environment.s3_credentials(https) is None
        assert environment.s3_credentials(http) is not None, "there is no certificate"
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/credentials").touch()
    assert environment.s3_credentials(http) is None


def test_over_tls_the_server_is_verified(server: Server) -> None:
    """A server that speaks no TLS stands for all that cannot be trusted: the SDK is asked, and says what is wrong."""
    store = S3Store("bucket", "p", S3Options(endpoint=server.url.replace("http:", "https:"), direct=KEYS, timeout=5.0))
    with pytest.raises(StorageError):
        store.get("a")
    assert server.asked == []
    store.close()


def test_over_tls_a_server_that_is_trusted_is_asked_and_one_of_another_authority_or_name_is_not(tmp_path: Path) -> None:
    trusted, other = (authority(tmp_path, name) for name in ("an authority", "another"))

    def not_asked() -> None:
        raise TransientStorageError("the SDK was asked")

    for issuer, host, asked in ((trusted, "127.0.0.1", True), (other, "127.0.0.1", False), (trusted, "127.0.0.2", False)):
        server = Server(issuer.issue(tmp_path, host))
        client = DirectClient(server.url, "r", KEYS, 5.0, not_asked, authorities=trusted.file)
        if asked:
            client.put_object(Bucket="bucket", Key="a", Body=b"content")
            body = client.get_object(Bucket="bucket", Key="a")["Body"]
            assert body.read(100) == b"content"
            body.close()
        else:
            with pytest.raises(TransientStorageError):
                client.head_object(Bucket="bucket", Key="a")
            assert server.asked == []
        client.close()
        server.close()


def test_the_moment_is_that_of_the_clock() -> None:
    signer = s3_direct._Signer(urlsplit("https://h"), "r", KEYS, SystemClock())
    found = signer.headers("PUT", "/b/k", {}, {}, b"body")
    assert found["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD" and found["content-length"] == "4" and found["host"] == "h"
