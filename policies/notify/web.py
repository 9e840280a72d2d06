"""Requests to a URL that may be a secret itself: what goes wrong is told without it. No redirection is followed."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from policies.notify.channels import TIMEOUT, NotTold


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:  # noqa: ANN401 (the signature is urllib's)
        return None


def post(url: str, body: bytes, kind: str = "application/json") -> None:
    """Raises `NotTold` unless the answer is a success."""
    where = host_of(url)
    request = urllib.request.Request(  # noqa: S310 (http and https only: `host_of` has refused others)
        url, data=body, headers={"Content-Type": kind, "User-Agent": "strongroom"}, method="POST"
    )
    try:
        with urllib.request.build_opener(_Stay).open(request, timeout=TIMEOUT) as answer:
            answer.read(1024)
    except urllib.error.HTTPError as error:
        error.close()
        raise NotTold(f"{where} answers {error.code}") from None
    except urllib.error.URLError as error:
        raise NotTold(f"{where} cannot be reached: {_plain(error.reason, url)}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NotTold(f"{where} cannot be reached: {type(error).__name__}") from None


def host_of(url: str) -> str:
    """The part of a URL that may be told. Raises `NotTold` where it is none."""
    try:
        parts = urlsplit(url)
        host = parts.hostname if parts.scheme in ("http", "https") else None
    except ValueError:
        host = None
    if host is None:
        raise NotTold("what should be a URL is none", hint="it begins with https://")
    return host


def _plain(reason: object, url: str) -> str:
    text = str(reason)
    return type(reason).__name__ if url in text or (urlsplit(url).path.strip("/") or "\0") in text else text
