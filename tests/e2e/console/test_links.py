"""Every page is reached by following links and forms from the first one, by whoever may it, and no link leads nowhere."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterator
from datetime import timedelta
from html.parser import HTMLParser
from urllib.parse import urlencode

import pytest

from console.access.rights import Role
from console.pages import PAGES
from tests.e2e.console.getting_back import make_desk
from tests.support.clock import StillClock
from tests.support.console_login import PASSWORD, Browser, LoginConsole, login_console
from vault.clock import SystemClock

BEGINNINGS = ("/", "/projects/acme/item?path=reports/2025/01.csv")
"""The first page; and the page of an item with two versions, as only one page of each sort is looked at."""

OFTENER = re.compile(r"\{request\}|/export$")
"""One's own request has other buttons, and a plan has those that the form to ask for it has not."""

NEEDS_MORE = {
    "POST /projects/{project}/runs": "a daemon with jobs",
    "POST /projects/{project}/ask/remove": "a question that was kept",
    "POST /account/tokens/end": "a token",
    "POST /account/passkeys": "the password, in the form before it",
    "POST /account/passkeys/remove": "a passkey",
    "POST /projects/{project}/erase": "a project without holds",
    "POST /projects/{project}/retention": "other rules than those that hold",
    "POST /approvals/{request}/carry-out": "a request that was approved",
    "POST /tasks/{task}/again": "a task that failed",
    "POST /tasks/{task}/confirm": "a host that found something in the way",
    "GET /projects/{project}/erasure": "a project that was erased",
    "GET /projects/{project}/erasure/file": "a project that was erased",
    "GET /projects/{project}/item/content": "a picture",
    "GET /projects/{project}/flagged": "a snapshot that was found suspicious",
    "POST /projects/{project}/flagged": "a snapshot that was found suspicious",
}
"""Pages to which nothing leads in this test."""


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoginConsole]:
    desk = make_desk(tmp_path_factory.mktemp("links"))
    (desk.folder / "reports/2025/01.csv").write_bytes(b"agent,calls\nolena,23\n")
    desk.call("backup", exits=(0, 3))
    roles = [{"role": role.value, "people": ["anna", "boris"]} for role in Role]
    with login_console(desk, roles=roles, clock=StillClock(SystemClock().now())) as made:
        for name in ("anna", "boris"):
            made.accounts.local.add(name, PASSWORD)
        yield made


@pytest.mark.slow
def test_every_page_is_reached_by_links_from_the_first_one(console: LoginConsole) -> None:
    anna, boris = console.browser(), console.browser()
    for one, name in ((anna, "anna"), (boris, "boris")):
        assert one.sign_in(name).status_code == 303
    prepare(anna, boris)
    met, broken = walk(anna)
    assert not broken
    wanted = {f"{one.method} {one.path}" for one in PAGES if not one.public}
    assert wanted - met.keys() == NEEDS_MORE.keys(), "to these nothing leads, or by now something does"


def prepare(anna: Browser, boris: Browser) -> None:
    """A hold, a request of somebody else's and one's own, a host, a task, and a basket."""
    where = "/projects/acme"
    until = (SystemClock().now() + timedelta(days=30)).date().isoformat()
    assert anna.send("/account", "/hosts", {"name": "backup1", "projects": "acme", "until": until}).status_code == 200
    for one in (anna, boris):
        one.send("/account", f"{where}/holds", {"reason": f"a case of {one.client.base_url}"})
        hold = re.findall(r'name="hold" value="([^"]+)"', one.get(f"{where}/holds").text)
        assert one.send("/account", f"{where}/holds/release", {"hold": hold[0], "reason": "over"}).status_code == 303
    anna.send("/account", f"{where}/basket", {"item": "reports/2025/01.csv"})
    assert anna.send("/account", f"{where}/get-back", {"goal": "download"}).status_code == 303
    anna.send("/account", f"{where}/basket", {"folder": "reports/2024", "deleted": "with"})


def walk(browser: Browser) -> tuple[Counter[str], list[tuple[str, int]]]:
    """Pages that were reached, and links that lead nowhere."""
    met: Counter[str] = Counter()
    broken: list[tuple[str, int]] = []
    waiting = deque(BEGINNINGS)
    seen = set(BEGINNINGS)
    while waiting:
        address = waiting.popleft()
        name = name_of("GET", address)
        if name is None or met[name] >= (2 if OFTENER.search(name) else 1):
            continue
        met[name] += 1
        answer = browser.get(address)
        if answer.status_code not in (200, 303):
            broken.append((address, answer.status_code))
        page = _Links(address.partition("?")[0])
        page.feed(answer.text if answer.headers.get("content-type", "").startswith("text/html") else "")
        met.update(one for one in (name_of("POST", action) for action in page.posts) if one is not None)
        waiting.extend(one for one in page.gets if one not in seen)
        seen.update(page.gets)
    return met, broken


def name_of(method: str, address: str) -> str | None:
    """The route of an address; None for files that never change, and what the console does not have."""
    path = address.partition("?")[0].partition("#")[0]
    fitting = [one for one in PAGES if one.method == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", one.path), path)]
    best = max(fitting, key=lambda one: -one.path.count("{"), default=None)
    return None if best is None else f"{method} {best.path}"


class _Links(HTMLParser):
    """gets: addresses of links, frames, pictures, and of forms as they stand · posts: of what is sent."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path
        self.gets: list[str] = []
        self.posts: list[str] = []
        self._form: tuple[str, dict[str, str]] | None = None
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See `HTMLParser`."""
        values = {name: value or "" for name, value in attrs}
        address = values.get("href" if tag == "a" else "src", "")
        if tag in ("a", "iframe", "img", "audio", "video") and address.startswith("/"):
            self.gets.append(address)
        if tag == "form" and values.get("method") == "post":
            self.posts.append(values["action"])
        elif tag == "form":
            self._form = values.get("action") or self._path, {}
        if self._form is None:
            return
        if (tag == "input" and values.get("type") not in ("checkbox", "radio")) or "checked" in values:
            self._form[1].setdefault(values.get("name", ""), values.get("value", ""))
        if tag == "select":
            self._select = values.get("name", "")
        if tag == "option" and ("selected" in values or self._select not in self._form[1]):
            self._form[1][self._select] = values.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        """See `HTMLParser`."""
        if tag == "form" and self._form is not None:
            address, fields = self._form
            self.gets.append(f"{address}?{urlencode({name: value for name, value in fields.items() if name and value})}")
            self._form = None
