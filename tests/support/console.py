"""The console over a desk's repository, asked through its application without a socket, as persons that a test names.

    with console_of(desk, manager) as console:
        page = console.get("/projects/acme")
        console.post("/basket", {"path": "reports/2024-05.csv"})

`FakeAuthenticator` believes the header `x-person`; how people really sign in has tests of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx2 as httpx
from msgspec.structs import replace
from starlette.requests import Request
from starlette.testclient import TestClient

import strongroom
from console import server
from console.access.rights import Assignment, Person, Role
from console.accounts import accounts
from console.accounts.passwords import Work
from console.app import application, templates
from console.known_items import KnownItems
from console.live_settings import ConsoleRules
from console.repositories import RepositoryPool
from console.state import ConsoleState
from console.visit import Caller, Console
from strongroom.settings.console import ConsoleSettings
from tests.support.desk import Desk
from vault.clock import Clock, SystemClock
from vault.randomness import SystemRandomness

CSRF = "a-token-of-the-session"
CHEAP = Work(1, 8, 1)


def person(name: str, *roles: Role, projects: Sequence[str] = ("*",), kinds: Sequence[str] = (), language: str = "") -> Person:
    """Somebody with roles."""
    assignments = tuple(Assignment(one, tuple(projects), tuple(kinds)) for one in roles)
    return Person(name, name.title(), assignments=assignments, language=language)


class FakeAuthenticator:
    """Believes the headers `x-person` and `x-by`."""

    def __init__(self, persons: Sequence[Person]) -> None:
        self.persons = {one.name: one for one in persons}

    def caller(self, request: Request) -> Caller | None:
        """See `console.visit.Authenticator`."""
        found = self.persons.get(request.headers.get("x-person", ""))
        if found is None:
            return None
        if request.headers.get("x-by") == "token":
            return Caller(found, "token", "192.0.2.7")
        return Caller(found, "session", "192.0.2.7", CSRF)


class ConsoleClient:
    """Asks as one person after another."""

    def __init__(self, client: TestClient, first: str) -> None:
        self._client = client
        self.person = first

    def get(self, path: str, *, follow_redirects: bool = False, **headers: str) -> httpx.Response:
        """A page."""
        return self._client.get(path, headers=self._headers(headers), follow_redirects=follow_redirects)

    def call(self, path: str, body: object = None, *, by: str = "token") -> httpx.Response:
        """An operation of the interface for scripts. body: sent as JSON; None for GET."""
        headers = self._headers({"x-by": by})
        if body is None:
            return self._client.get(f"/api/v1{path}", headers=headers, follow_redirects=False)
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self._client.post(f"/api/v1{path}", content=content, headers=headers, follow_redirects=False)

    def as_host(self, path: str, token: str, body: object) -> httpx.Response:
        """An operation for hosts. body: sent as JSON, or these bytes."""
        headers = {"authorization": f"Bearer {token}"}
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self._client.post(f"/api/v1/host{path}", content=content, headers=headers)

    def send(self, *, method: str, url: str, headers: Mapping[str, str], **more: Any) -> httpx.Response:
        """A request for scripts as somebody else has put it together, in the words of `requests`."""
        allowed = {name: value for name, value in more.items() if name in ("params", "json") and value}
        content = {"content": more["data"]} if more.get("data") else {}
        sent = {**headers, **self._headers({"x-by": "token"})}
        return self._client.request(method, url, headers=sent, follow_redirects=False, **content, **allowed)

    def post(
        self, path: str, form: Mapping[str, str | Sequence[str]] | None = None, *, csrf: str = CSRF, **headers: str
    ) -> httpx.Response:
        """A form of a page."""
        data = {name: value if isinstance(value, str) else list(value) for name, value in (form or {}).items()}
        return self._client.post(path, data={"csrf": csrf, **data}, headers=self._headers(headers), follow_redirects=False)

    def _headers(self, others: Mapping[str, str]) -> dict[str, str]:
        return {"x-person": self.person} | {name.replace("_", "-"): value for name, value in others.items()}


@contextmanager
def console_of(
    desk: Desk,
    *persons: Person,
    clock: Clock | None = None,
    fresh_for: float = 0.0,
    identity: Sequence[Path] = (),
    **more: Any,
) -> Iterator[ConsoleClient]:
    """The console of a desk; the first person asks until another one is named. fresh_for: seconds in which it believes what it
    remembers of a project · identity: in place of the desk's own · more: what the settings say (see `ConsoleRules`), and other
    parts of the console."""
    rules = ConsoleRules(**{name: more.pop(name) for name in ConsoleRules.__struct_fields__ if name in more})
    clock = clock or SystemClock()
    with desk.surroundings(["console"]):
        pool = RepositoryPool(
            lambda: strongroom.open_repository(desk.settings, identity=identity), clock, lambda: desk.settings.read_bytes()
        )
        settings = ConsoleSettings.model_construct()
        state = ConsoleState(desk.folder / "console" / "console.sqlite")
        people = accounts.opened(state, lambda: settings, clock, SystemRandomness(), CHEAP)
        known = KnownItems(clock, fresh_for=fresh_for)
        parts = {"rules": lambda: rules, "known": known, **more}
        console = Console(pool, state, people, FakeAuthenticator(persons), templates(), clock, SystemRandomness(), **parts)
        with TestClient(application(console), base_url="http://console.example", raise_server_exceptions=False) as client:
            yield ConsoleClient(client, persons[0].name if persons else "")


@contextmanager
def live_console_of(desk: Desk, *persons: Person) -> Iterator[ConsoleClient]:
    """As `console_of`, made from the desk's settings file, which it reads again whenever that is another one."""
    with desk.surroundings(["console"]):
        where = server.Listening(("127.0.0.1", 0), "http://console.example", None)
        with server.opened(desk.settings, (), where, SystemClock(), SystemRandomness()) as made:
            console = replace(made, authenticator=FakeAuthenticator(persons))
            with TestClient(application(console), base_url=where.url, raise_server_exceptions=False) as client:
                yield ConsoleClient(client, persons[0].name)


def text_of(page: httpx.Response | str) -> str:
    """What a person reads of a page, with single spaces."""
    reader = _Reader()
    reader.feed(page if isinstance(page, str) else page.text)
    return re.sub(r"\s+", " ", " ".join(reader.parts)).strip()


def links_of(page: httpx.Response) -> dict[str, str]:
    """Addresses by what is written on them."""
    reader = _Reader()
    reader.feed(page.text)
    return reader.links


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.links: dict[str, str] = {}
        self._silent = 0
        self._link: tuple[str, int] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "style", "head"):
            self._silent += 1
        if tag == "a":
            self._link = dict(attrs).get("href") or "", len(self.parts)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style", "head"):
            self._silent -= 1
        if tag == "a" and self._link is not None:
            self.links[" ".join("".join(self.parts[self._link[1] :]).split())] = self._link[0]
            self._link = None

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.parts.append(data)
