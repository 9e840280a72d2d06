"""What every answer has: headers that keep a browser from doing harm; and errors as pages."""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console.errors import (
    ForgedRequest,
    LacksContent,
    LacksKey,
    LoginRefused,
    NotAllowed,
    NotSignedIn,
    NotThere,
    ProviderFailed,
    TooLarge,
    TooManyAtOnce,
    TooManyTries,
    WrongMethod,
)
from console.incidents import Unexpected, asked
from console.visit import Visit
from vault.errors import (
    Busy,
    Damaged,
    KeyRefused,
    NoRepository,
    NothingFound,
    RefusedByRule,
    StorageError,
    StrongroomError,
    TargetError,
    UsageError,
)

_log = logging.getLogger("strongroom.console")

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "media-src 'self'",
        "connect-src 'self'",
        "frame-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
"""Content-Security-Policy of pages. What shows content of users has a stricter one of its own."""

HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",  # with none at all, browsers hide from us that a form came from our own page
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "x-frame-options": "DENY",
    "cache-control": "no-store",
}

_STATUS: tuple[tuple[type[StrongroomError], int], ...] = (
    (NotSignedIn, 401),
    (LoginRefused, 401),
    (TooManyTries, 429),
    (TooManyAtOnce, 429),
    (ProviderFailed, 502),
    (ForgedRequest, 403),
    (NotAllowed, 403),
    (NotThere, 404),
    (NothingFound, 404),
    (TooLarge, 413),
    (WrongMethod, 405),
    (UsageError, 400),
    (RefusedByRule, 403),
    (Busy, 409),
    (KeyRefused, 403),
    (TargetError, 507),
    (Damaged, 500),
    (StorageError, 503),
    (NoRepository, 503),  # it was there when the console began
)


def status_of(error: StrongroomError) -> int:
    """The status of HTTP for an error."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


class Headers:
    """Middleware: `HEADERS` on every answer that does not say otherwise. secure: HTTPS, which browsers shall insist on."""

    def __init__(self, app: ASGIApp, *, secure: bool) -> None:
        self._app = app
        self._headers = HEADERS | ({"strict-transport-security": "max-age=31536000"} if secure else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


class Hosts:
    """Middleware: whoever asks for another host than ours was led here by a name of somebody else's, and gets nothing. hosts:
    empty for any."""

    def __init__(self, app: ASGIApp, *, hosts: frozenset[str]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""
        if scope["type"] == "http" and self._hosts and _host(scope) not in self._hosts:
            await PlainTextResponse("this console has another name\n", 421)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _host(scope: Scope) -> str:
    sent = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
    try:
        return (urlsplit(f"//{sent[0]}").hostname or "") if len(sent) == 1 else ""
    except ValueError:
        return ""


def error_page(visit: Visit, error: StrongroomError) -> Response:
    """An error of the tree as a page. Whoever has not signed in is sent to do so, and comes back."""
    if isinstance(error, NotSignedIn) and not visit.is_fragment and visit.request.method == "GET":
        back = visit.path + (f"?{visit.request.url.query}" if visit.request.url.query else "")
        return visit.redirect(visit.path_to("login", back=back))
    status = status_of(error)
    if status >= 500 and not isinstance(error, Unexpected):
        _log.error("%s: %s", asked(visit.request, visit.known_as), error)
    lacks = "content" if isinstance(error, LacksContent) else "key" if isinstance(error, LacksKey) else ""
    away = isinstance(error, NoRepository)  # its hint is to make one, which helps nobody who looks at a page
    page = visit.render("error.html", status, error=error, number=status, lacks=lacks, away=away)
    if isinstance(error, TooManyTries):
        page.headers["retry-after"] = str(max(1, round(error.wait)))
    return page


def session_over_page(visit: Visit) -> Response:
    """What somebody sent from a page of a session that is over: nothing was done, and they can send it again."""
    fields = [(name, value) for name, value in visit.form.multi_items() if isinstance(value, str) and name != "csrf"]
    return visit.render("session_over.html", 403 if visit.is_signed_in else 401, fields=fields)
