"""A proxy in front of a real interface on which requests that change something go wrong, each by its number.

with serving(StormProxy(desk.url, {2: "cut-done", 5: "429"})) as proxy:
    ... proxy.base

`429`, `503`, `cut`: the server never hears of it; with `-done` the answer is lost after the server has done it.
"""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

from tests.support.rest_double import Answered, Asked, RestDouble


class StormProxy(RestDouble):
    """See this module's text. happened: what went wrong, in order."""

    def __init__(self, upstream: str, storm: Mapping[int, str]) -> None:
        super().__init__()
        self._upstream = urlsplit(upstream)
        self._storm = dict(storm)
        self.writes = 0
        self.happened: list[str] = []

    @property
    def base(self) -> str:
        """The address that stands for that of the interface."""
        return self.url.removesuffix("api/")

    def answer(self, asked: Asked) -> Answered:
        if asked.method == "GET":
            return self._passed(asked)
        self.writes += 1
        what = self._storm.pop(self.writes, "")
        if what:
            self.happened.append(what)
        if what and not what.endswith("-done"):
            return _bad(what)
        found = self._passed(asked)
        return _bad(what.removesuffix("-done")) if what else found

    def _passed(self, asked: Asked) -> Answered:
        connection = http.client.HTTPConnection(self._upstream.hostname or "", self._upstream.port, timeout=60)
        query = f"?{urlencode(asked.query)}" if asked.query else ""
        names: tuple[str, ...] = ("host", "authorization", "content-type")
        headers = {name: asked.headers[name] for name in names if name in asked.headers}
        try:
            connection.request(asked.method, f"{asked.path}{query}", body=asked.body or None, headers=headers)
            answer = connection.getresponse()
            kind = answer.getheader("Content-Type") or "application/json"
            return Answered(answer.read(), answer.status, {"Content-Type": kind})
        finally:
            connection.close()


def _bad(what: str) -> Answered:
    return Answered(status=0) if what == "cut" else Answered(b"busy", int(what), {"Retry-After": "1"})
