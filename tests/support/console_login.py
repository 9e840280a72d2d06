"""The console with its real authenticator, asked as a browser or a script does it: cookies, forms, headers.

with login_console(desk, roles=[{"role": "viewer", "people": ["anna"]}]) as console:
    console.accounts.local.add("anna", PASSWORD)
    browser = console.browser()
    browser.sign_in("anna")
    page = browser.get("/")
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import httpx2 as httpx
from msgspec import Struct
from starlette.applications import Starlette
from starlette.testclient import TestClient

import strongroom
from console.accounts import accounts
from console.accounts.accounts import Accounts
from console.accounts.authenticator import RequestAuthenticator
from console.app import application, templates
from console.recording import write_due
from console.repositories import RepositoryPool
from console.state import ConsoleState
from console.visit import Console
from strongroom.settings import reader
from strongroom.settings.console import ConsoleSettings
from tests.support.clock import StillClock
from tests.support.console import CHEAP
from tests.support.desk import Desk
from vault.randomness import SystemRandomness

PASSWORD = "correct horse battery"
FORM, CSRF = re.compile(r'name="form" value="([^"]*)"'), re.compile(r'name="csrf" value="([^"]*)"')


class Browser:
    """One browser: its cookies, and what it says of where a request comes from."""

    def __init__(self, app: Starlette, base_url: str, address: str) -> None:
        self.client = TestClient(app, base_url=base_url, raise_server_exceptions=False, client=(address, 50000))

    def get(self, path: str, **headers: str) -> httpx.Response:
        """A page; redirections are shown, not followed."""
        return self.client.get(path, headers=_named(headers), follow_redirects=False)

    def post(self, path: str, form: Mapping[str, str | Sequence[str]] | None = None, **headers: str) -> httpx.Response:
        """What is sent, and nothing besides."""
        data = {name: value if isinstance(value, str) else list(value) for name, value in (form or {}).items()}
        return self.client.post(path, data=data, headers=_named(headers), follow_redirects=False)

    def send(
        self, page: str, path: str, form: Mapping[str, str | Sequence[str]] | None = None, **headers: str
    ) -> httpx.Response:
        """As a person does it: with the token of the page on which the form is."""
        found = CSRF.search(self.get(page, **headers).text)
        return self.post(path, {**({"csrf": unescape(found[1])} if found else {}), **(form or {})}, **headers)

    def sign_in(self, name: str, password: str = PASSWORD, back: str = "", **headers: str) -> httpx.Response:
        """The first step."""
        page = self.get(f"/login?back={back}", **headers).text
        found, csrf = FORM.search(page), CSRF.search(page)
        form = {"form": unescape(found[1]) if found else "", "name": name, "password": password, "back": back}
        return self.post("/login", form | ({"csrf": csrf[1]} if csrf else {}), **headers)


class LoginConsole(Struct, frozen=True):
    """See this module's text."""

    app: Starlette
    accounts: Accounts
    state: ConsoleState
    clock: StillClock
    pool: RepositoryPool
    base_url: str

    def record(self) -> int:
        """What happened with accounts goes into the log, as a thread of the console does it; how many entries that were."""
        return write_due(self.accounts.log, self.pool.lent, self.state.file)

    def browser(self, address: str = "203.0.113.5") -> Browser:
        """A new one, without cookies."""
        return Browser(self.app, self.base_url, address)


@contextmanager
def login_console(
    desk: Desk, *, clock: StillClock | None = None, secure: bool = False, identity: Sequence[Path] = (), **table: Any
) -> Iterator[LoginConsole]:
    """The console of a desk. identity: in the place of the desk's own · table: of the settings, [console]."""
    clock = clock or StillClock()
    settings = reader.made(ConsoleSettings, table)
    with desk.surroundings(["console"]):
        state = ConsoleState(Path(mkdtemp(dir=desk.folder)) / "console.sqlite")
        people = accounts.opened(state, lambda: settings, clock, SystemRandomness(), CHEAP)
        pool = RepositoryPool(lambda: strongroom.open_repository(desk.settings, identity=identity), clock)
        console = Console(
            pool,
            state,
            people,
            RequestAuthenticator(people, SystemRandomness(), clock, secure=secure),
            templates(),
            clock,
            SystemRandomness(),
            secure=secure,
            hosts=frozenset({"console.example"}),
        )
        app = application(console)
        with TestClient(app):
            yield LoginConsole(app, people, state, clock, pool, f"{'https' if secure else 'http'}://console.example")


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
