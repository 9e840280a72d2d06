"""Requests to a URL that may be a secret itself: what goes wrong is said without it. No redirection is followed."""

from __future__ import annotations

import http.client
import socket
import urllib.error
import urllib.request
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from policies.notifications.channels import TIMEOUT, NotDelivered
from policies.notifications.deadline import Deadline


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:  # noqa: ANN401 (the signature is urllib's)
        return None


class _Watched(urllib.request.HTTPHandler):
    """Its connections end at the deadline."""

    def __init__(self, deadline: Deadline) -> None:
        super().__init__()
        self._deadline = deadline

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_watched, http.client.HTTPConnection, self._deadline), req)


class _WatchedTls(urllib.request.HTTPSHandler):
    """The same, by TLS."""

    def __init__(self, deadline: Deadline) -> None:
        super().__init__()
        self._deadline = deadline

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_watched, http.client.HTTPSConnection, self._deadline), req)


def _watched(
    kind: type[http.client.HTTPConnection],
    deadline: Deadline,
    host: str,
    **more: Any,  # noqa: ANN401 (as urllib gives them)
) -> http.client.HTTPConnection:
    connection = kind(host, **more)

    def connected(*where: Any, **how: Any) -> socket.socket:  # noqa: ANN401 (the signature is the library's)
        found = socket.create_connection(*where, **how)
        deadline.watch(found)
        return found

    connection._create_connection = connected  # type: ignore[attr-defined] # noqa: SLF001 (no other door before TLS begins)
    return connection


def post(url: str, body: bytes, kind: str = "application/json") -> None:
    """Raises `NotDelivered` unless the answer is a success."""
    # a success is one by its first line: what follows is not waited for, or a slow one would be sent again
    _exchange(url, body, kind, largest=0)


def ask(url: str, body: bytes, kind: str, *, largest: int) -> bytes:
    """The answer to a POST. largest: bytes of an answer. Raises `NotDelivered` unless it is a success of at most so many."""
    answer = _exchange(url, body, kind, largest=largest + 1)
    if len(answer) > largest:
        raise NotDelivered(f"{host_of(url)} answers more than {largest} bytes")
    return answer


def _exchange(url: str, body: bytes, kind: str, *, largest: int) -> bytes:
    """So much of the answer to a POST."""
    where = host_of(url)
    request = urllib.request.Request(  # noqa: S310 (http and https only: `host_of` has refused others)
        url, data=body, headers={"Content-Type": kind, "User-Agent": "strongroom"}, method="POST"
    )
    try:
        with Deadline() as deadline:
            opener = urllib.request.build_opener(_Stay, _Watched(deadline), _WatchedTls(deadline))
            with opener.open(request, timeout=TIMEOUT) as answer:
                return bytes(answer.read(largest)) if largest else b""
    except urllib.error.HTTPError as error:
        error.close()
        raise NotDelivered(f"{where} answers {error.code}") from None
    except urllib.error.URLError as error:
        raise NotDelivered(f"{where} cannot be reached: {_plain(error.reason, url)}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NotDelivered(f"{where} cannot be reached: {type(error).__name__}") from None


def host_of(url: str) -> str:
    """The part of a URL that may be shown. Raises `NotDelivered` where it is none."""
    try:
        parts = urlsplit(url)
        host = parts.hostname if parts.scheme in ("http", "https") else None
    except ValueError:
        host = None
    if host is None:
        raise NotDelivered("the URL of a notification is not a URL", hint="it begins with https://")
    return host


def _plain(reason: object, url: str) -> str:
    text = str(reason)
    return type(reason).__name__ if url in text or (urlsplit(url).path.strip("/") or "\0") in text else text
