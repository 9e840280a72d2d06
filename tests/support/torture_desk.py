"""A model desk that misbehaves in one way at a time, and repeats the secrets that it was sent wherever it can.

with serving(TortureDesk("query")) as desk:
    desk.mode = "html"
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from tests.support.rest_double import Answered, Asked, ModelDesk, form

SECRET, REFRESH, TOKEN = "geheimes-wort-7291", "refresh-canary-4711", "token-canary-815"
KINDS = {
    "query": 'type = "query"\nname = "accessKey"',
    "path": 'type = "path"',
    "basic": 'type = "basic"',
    "oauth2": 'type = "oauth2"\ntoken_url = "token"\ngrant = "refresh_token"\nclient_parameters = true',
}
"""How requests are authorised: in TOML."""


class TortureDesk(ModelDesk):
    """See this module's text. kind: of `KINDS` · modes: names of what may be wrong · met: how often each was."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, self.mode, self.met = kind, "", Counter[str]()
        self.refresh, self.tokens, self._left = REFRESH, 0, 0
        self._storm_left = 0

    def begin(self, mode: str) -> None:
        """From now on."""
        self.mode, self._storm_left, self._left = mode, 2, 0

    def answer(self, asked: Asked) -> Answered:
        self.between(len(self.asked))
        asked = self._without_key(asked)
        if asked.path == "/api/token":
            return self._new_token(asked)
        if self.kind == "oauth2" and not self._is_valid(asked):
            return Answered(self._echo(), 401)
        alter = MODES.get(self.mode)
        answered = None if alter is None else alter(self, asked)
        if answered is not None:
            self.met[self.mode] += 1
        return answered or self._answered(asked)

    def _without_key(self, asked: Asked) -> Asked:
        return asked._replace(path=asked.path.replace(f"/{SECRET}", ""))

    def _new_token(self, asked: Asked) -> Answered:
        sent = form(asked)
        if self.mode == "no-token":
            self.met[self.mode] += 1
            return Answered(self._echo(), 400)
        if self.mode == "busy-token" and self._storm_left:
            self._storm_left -= 1
            self.met[self.mode] += 1
            return Answered(self._echo(), 503, {"Retry-After": "0"})
        if sent.get("refresh_token") != self.refresh or sent.get("client_secret") != SECRET:
            return Answered(self._echo(), 400)
        self.tokens, self._left = self.tokens + 1, 8
        self.refresh = f"{REFRESH}-{self.tokens}"
        found = {"access_token": f"{TOKEN}-{self.tokens}", "expires_in": 3600, "refresh_token": self.refresh}
        return Answered(json.dumps(found).encode())

    def _is_valid(self, asked: Asked) -> bool:
        self._left -= 1
        return self._left >= 0 and asked.headers.get("authorization") == f"Bearer {TOKEN}-{self.tokens}"

    def _echo(self, **more: object) -> bytes:
        """All secrets, as a careless server may repeat them."""
        known = {"error": SECRET, "token": f"{TOKEN}-{self.tokens}", "refresh_token": self.refresh, "refused": True}
        return json.dumps(known | more).encode()

    def busy(self, status: int, wait: str) -> Answered | None:
        """Two refusals."""
        if not self._storm_left:
            return None
        self._storm_left -= 1
        return Answered(self._echo(), status, {"Retry-After": wait, "X-RateLimit-Key": SECRET})


def _page(desk: TortureDesk) -> bytes:
    return b"<!DOCTYPE html><title>Please log in</title>" + desk._echo()


def _cut(desk: TortureDesk, asked: Asked) -> Answered:
    answered = desk._answered(asked)
    return answered._replace(body=answered.body[:-10], announced=len(answered.body))


def _each_third(desk: TortureDesk, asked: Asked) -> Answered | None:
    if len(desk.asked) % 3:
        return None
    return Answered(b"", announced=1000) if len(desk.asked) % 2 else _cut(desk, asked)


def _slow(desk: TortureDesk, asked: Asked) -> Answered | None:
    time.sleep(0.03)
    return desk._answered(asked)


def _other_clock(hours: int) -> Callable[[TortureDesk, Asked], Answered | None]:
    def alter(desk: TortureDesk, asked: Asked) -> Answered | None:
        date = format_datetime(datetime.now(UTC) + timedelta(hours=hours), usegmt=True)
        return desk._answered(asked)._replace(headers={"Date": date})

    return alter


def _next(desk: TortureDesk, where: str) -> Answered:
    found = {"results": [desk.listed(number) for number in desk.tickets], "next": f"{where}?accessKey={SECRET}"}
    return Answered(json.dumps(found).encode())


def _soon(desk: TortureDesk) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=1), usegmt=True)


def _file(desk: TortureDesk, asked: Asked, answered: Answered) -> Answered | None:
    return answered if "/files/" in asked.path else None


MODES: dict[str, Callable[[TortureDesk, Asked], Answered | None]] = {
    "storm-429": lambda desk, asked: desk.busy(429, "0"),
    "storm-503": lambda desk, asked: desk.busy(503, _soon(desk)),
    "storm-for-ever": lambda desk, asked: Answered(desk._echo(), 429, {"Retry-After": "900"}),
    "unauthorised": lambda desk, asked: Answered(desk._echo(), 401),
    "forbidden": lambda desk, asked: Answered(desk._echo(), 403),
    "not-there": lambda desk, asked: Answered(desk._echo(), 404),
    "broken": lambda desk, asked: Answered(desk._echo(), 500),
    "no-token": lambda desk, asked: None,
    "busy-token": lambda desk, asked: None,
    "html": lambda desk, asked: Answered(_page(desk), 200, {"Content-Type": "text/html"}),
    "error-with-200": lambda desk, asked: Answered(desk._echo()),
    "not-json": lambda desk, asked: Answered(desk._echo()[:-3]),
    "cut": _cut,
    "each-third-cut": _each_third,
    "slow": _slow,
    "clock-ahead": _other_clock(7),
    "clock-behind": _other_clock(-7),
    "elsewhere": lambda desk, asked: Answered(b"", 302, {"Location": f"http://localhost:1/{SECRET}?key={SECRET}"}),
    "next-elsewhere": lambda desk, asked: _next(desk, "http://elsewhere.invalid/api/"),
    "next-again": lambda desk, asked: _next(desk, f"{desk.url}next/tickets"),
    "file-is-page": lambda desk, asked: _file(desk, asked, Answered(_page(desk), 200, {"Content-Type": "text/html"})),
    "file-is-error": lambda desk, asked: _file(desk, asked, Answered(desk._echo())),
    "file-is-cut": lambda desk, asked: _file(desk, asked, Answered(b"RI", announced=9)),
    "file-is-busy": lambda desk, asked: _file(desk, asked, Answered(desk._echo(), 503, {"Retry-After": "900"})),
    "file-is-barred": lambda desk, asked: _file(desk, asked, Answered(desk._echo(), 401)),
    "file-is-gone": lambda desk, asked: _file(desk, asked, Answered(desk._echo(), 404)),
}
PASSING = frozenset({"storm-429", "storm-503", "busy-token", "each-third-cut", "slow", "clock-ahead", "clock-behind"})
"""With these everything comes in the end."""

OF_FILES = frozenset(mode for mode in MODES if mode.startswith("file-"))
"""With these the records come, and it is said of each file that it could not be had."""
