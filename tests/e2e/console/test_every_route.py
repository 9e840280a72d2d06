"""What holds for every route of the console, whoever wrote it: rights, forged requests, headers, and that nobody learns of what
is not theirs. The routes are those of the application: a new one is tested from its first day on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple

import httpx2 as httpx
import pytest

from console.access.rights import ROLES, Action, Role
from console.accounts.sessions import Identity
from console.api.operations import OPERATIONS
from console.api.routing import PREFIX
from console.pages import PAGES
from tests.e2e.console.rights_lines import LINES, SIGNED_IN, Line
from tests.support.console_login import PASSWORD, Browser, LoginConsole, login_console
from tests.support.desk import Desk

OWN, FOREIGN, NOWHERE = "acme", "parcelo", "norcelo"
"""A project that people of these tests have, one that they have not, and one that there is not, of the same length."""
REFUSED = (401, 403, 404)


class Asked(NamedTuple):
    """A route. api: whether it is one for scripts."""

    method: str
    path: str
    public: bool = False
    api: bool = False

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def line(self) -> Line:
        """Its line; whoever has none fails a test of its own."""
        return LINES.get(self.name, SIGNED_IN)


ROUTES = [
    *(Asked(one.method, one.path, public=one.public) for one in PAGES),
    *(Asked(one.method, PREFIX + one.path, api=True) for one in OPERATIONS),
]
PAGE_ROUTES = [one for one in ROUTES if not one.api]
PRIVATE = [one for one in ROUTES if not one.public]
OF_PROJECTS = [one for one in ROUTES if "{project}" in one.path]
TABLE = [one for one in ROUTES if one.line.needs]


def of(routes: list[Asked]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("route", routes, ids=lambda one: one.name)


def without(actions: tuple[Action, ...]) -> str:
    """Who has every role but those that give one of these actions."""
    return "without-" + "-".join(sorted(actions))


@pytest.fixture(scope="module")
def console(two_projects: Desk) -> Iterator[LoginConsole]:
    """With a person for each set of roles: `viewer-own`, `viewer-reports`, `without-see`, `everything`; and `stranger`."""
    given: list[tuple[Role, str, list[str], list[str]]] = []
    for role in Role:
        given.append((role, f"{role.value}-own", [OWN], []))
        given.append((role, f"{role.value}-reports", [OWN], ["reports"]))
        given.append((role, "everything", ["*"], []))
        for actions in {one.line.needs for one in TABLE}:
            if ROLES[role].isdisjoint(actions):
                given.append((role, without(actions), [OWN], []))
    roles = [{"role": role.value, "people": [who], "projects": of_, "kinds": kinds} for role, who, of_, kinds in given]
    with login_console(two_projects, roles=roles, session="30 days", idle="30 days") as made:
        for name in sorted({who for _, who, _, _ in given} | {"stranger"}):
            made.accounts.local.add(name, PASSWORD)
        yield made


class Person:
    """Somebody with a browser, and a token of theirs that may all that they may."""

    def __init__(self, console: LoginConsole, name: str) -> None:
        self.browser = console.browser()
        answer = self.browser.sign_in(name)
        assert answer.status_code == 303, answer.text
        self.csrf = self.browser.get("/account").text.partition('name="csrf" value="')[2].partition('"')[0]
        identity = Identity(name, name, frozenset(), "local")
        until = console.clock.now() + timedelta(days=30)
        self.token = console.accounts.tokens.make(identity, "all", list(Action), ["*"], until)
        self.script = console.browser()


_PEOPLE: dict[tuple[int, str], Person] = {}


def person(console: LoginConsole, name: str) -> Person:
    """Each signs in once."""
    if (id(console), name) not in _PEOPLE:
        _PEOPLE[id(console), name] = Person(console, name)
    return _PEOPLE[id(console), name]


def filled(route: Asked, project: str, query: str | None = None) -> str:
    """A path of a route. query: None for that of the table."""
    path = re.sub(r"\{\w+(:\w+)?\}", "0", route.path.replace("{project}", project))
    wanted = route.line.kinds.get("reports", route.line.query) if query is None else query
    return f"{path}?{wanted}" if wanted else path


def ask(console: LoginConsole, name: str, route: Asked, project: str = OWN, query: str | None = None) -> httpx.Response:
    """As somebody who has all that the request needs, but perhaps not the right. name: "" for nobody."""
    path = filled(route, project, query)
    if not name:
        return _sent(console.browser(), route, path, "", {})
    somebody = person(console, name)
    if route.api:
        return _sent(somebody.script, route, path, "", {"authorization": f"Bearer {somebody.token}"})
    return _sent(somebody.browser, route, path, somebody.csrf, {})


def _sent(browser: Browser, route: Asked, path: str, csrf: str, headers: dict[str, str]) -> httpx.Response:
    if route.method == "GET":
        return browser.get(path, **headers)
    if route.api:
        return browser.client.post(path, content=route.line.body, headers=headers, follow_redirects=False)
    return browser.post(path, {"csrf": csrf, **route.line.form}, **headers)


def is_let(route: Asked, answer: httpx.Response) -> bool:
    """Whether it was not refused; what is asked for may be there or not."""
    if route.line.empty and answer.status_code == 404:
        return route.line.empty in answer.text
    return answer.status_code not in REFUSED and answer.status_code < 500


@of(ROUTES)
def test_every_route_has_a_line_in_the_table_of_rights(route: Asked) -> None:
    assert route.name in LINES, "say in rights_lines.py which action it needs"
    assert route.public == (route.line.who == "public")


def test_every_line_of_the_table_is_of_a_route() -> None:
    assert LINES.keys() == {one.name for one in ROUTES}


@of(PRIVATE)
def test_who_has_not_signed_in_gets_nothing(console: LoginConsole, route: Asked) -> None:
    answer = ask(console, "", route)
    if route.method == "GET" and not route.api:
        assert answer.status_code == 303 and answer.headers["location"].startswith("/login?back=")
    else:
        assert answer.status_code == 401


@of(TABLE)
def test_who_has_every_role_but_those_with_the_action_is_refused(console: LoginConsole, route: Asked) -> None:
    answer = ask(console, without(route.line.needs), route)
    assert answer.status_code in (403, 404) and not is_let(route, answer)


@of(TABLE)
def test_who_has_a_role_with_the_action_is_let(console: LoginConsole, route: Asked) -> None:
    role = next(one for one in Role if not ROLES[one].isdisjoint(route.line.needs))
    answer = ask(console, f"{role.value}-own", route)
    assert is_let(route, answer), (answer.status_code, answer.text)


@of([one for one in TABLE if one.line.whole])
def test_what_is_about_a_whole_project_is_not_for_who_has_a_part_of_it(console: LoginConsole, route: Asked) -> None:
    role = next(one for one in Role if not ROLES[one].isdisjoint(route.line.needs))
    assert ask(console, f"{role.value}-reports", route).status_code in (403, 404)


@pytest.mark.slow
@of(TABLE)
@pytest.mark.parametrize("role", Role)
def test_each_role_alone_may_what_the_table_says(console: LoginConsole, route: Asked, role: Role) -> None:
    allowed = not ROLES[role].isdisjoint(route.line.needs)
    assert is_let(route, ask(console, f"{role.value}-own", route)) == allowed


@of(OF_PROJECTS)
def test_a_project_of_others_answers_as_one_that_is_not_there(console: LoginConsole, route: Asked) -> None:
    for name in ("stranger", *(f"{role.value}-own" for role in Role)):
        foreign, nowhere = (ask(console, name, route, project) for project in (FOREIGN, NOWHERE))
        assert foreign.status_code == nowhere.status_code == 404
        assert foreign.text.replace(FOREIGN, NOWHERE) == nowhere.text
        assert foreign.headers.keys() == nowhere.headers.keys()


@of([one for one in ROUTES if one.line.kinds])
def test_an_item_of_another_kind_answers_as_one_that_is_not_there(console: LoginConsole, route: Asked) -> None:
    role = next(one for one in Role if not ROLES[one].isdisjoint(route.line.needs))
    name, kinds = f"{role.value}-reports", route.line.kinds
    assert is_let(route, ask(console, name, route))
    other = ask(console, name, route, query=kinds["tickets"])
    nowhere = ask(console, name, route, query=re.sub(r"%2F(\w)", r"%2Fx\1", kinds["tickets"]))
    assert other.status_code == nowhere.status_code == 404
    assert other.text == re.sub(r"/x(\w)", r"/\1", nowhere.text)


@of([one for one in ROUTES if one.method == "GET" and "{" not in one.path])
def test_lists_of_what_is_ones_own_name_no_project_of_others(console: LoginConsole, route: Asked) -> None:
    names = [("stranger", [OWN, FOREIGN]), *((f"{role.value}-own", [FOREIGN]) for role in Role)]
    for name, hidden in names:
        text = ask(console, name, route).text
        assert not [one for one in hidden if one in text], name


@of([one for one in PAGE_ROUTES if one.method == "POST"])
def test_a_request_that_another_site_starts_changes_nothing(console: LoginConsole, route: Asked) -> None:
    somebody = person(console, "everything")
    path, form = filled(route, OWN), dict(route.line.form)
    assert somebody.browser.post(path, form).status_code == 403, "without the session's token"
    assert somebody.browser.post(path, {**form, "csrf": somebody.csrf[::-1]}).status_code == 403
    for headers in ({"origin": "https://evil.example"}, {"sec_fetch_site": "cross-site"}, {"origin": "null"}):
        assert somebody.browser.post(path, {**form, "csrf": somebody.csrf}, **headers).status_code == 403, headers
    assert somebody.browser.get("/account").status_code == 200, "nobody was signed out"


@of([one for one in ROUTES if one.api and one.method == "POST"])
def test_a_session_changes_nothing_by_the_interface_for_scripts(console: LoginConsole, route: Asked) -> None:
    somebody = person(console, "everything")
    answer = somebody.browser.client.post(
        filled(route, OWN), content=route.line.body, headers={"x-csrf-token": somebody.csrf}, follow_redirects=False
    )
    assert answer.status_code == 403


def test_the_token_of_a_host_opens_nothing_but_what_is_for_hosts(console: LoginConsole) -> None:
    root = person(console, "everything")
    made = root.browser.post("/hosts", {"csrf": root.csrf, "name": "h", "projects": "*", "until": "2026-12-24"})
    token = made.text.partition("<code>strongroom_host_")[2].partition("</code>")[0]
    assert token, made.text
    headers, stranger = {"authorization": f"Bearer strongroom_host_{token}"}, console.browser()
    for route in PRIVATE:
        answer = _sent(stranger, route, filled(route, OWN), "", headers)
        if route.line.who == "host":
            assert answer.status_code in (200, 409), (route.name, answer.text)
        else:
            assert answer.status_code == (303 if route.method == "GET" and not route.api else 401), route.name


@of(ROUTES)
def test_every_answer_has_the_headers_that_keep_browsers_from_harm(console: LoginConsole, route: Asked) -> None:
    answers = [ask(console, "", route)]
    if route.method == "GET":
        answers.append(ask(console, "everything", route))
    for answer in answers:
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "script-src 'unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] in ("same-origin", "no-referrer")
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-frame-options"] in ("DENY", "SAMEORIGIN")


@of([one for one in PAGE_ROUTES if one.method == "GET"])
def test_pages_have_nothing_inline_and_load_nothing_from_elsewhere(console: LoginConsole, route: Asked) -> None:
    answer = ask(console, "" if route.public else "everything", route)
    if answer.headers.get("content-type", "").startswith("text/html"):
        assert not re.findall(r"<script(?![^>]*\bsrc=\"/static/)|<style|\sstyle=|\son[a-z]+=\"", answer.text)
        assert not re.findall(r"(?:src|href|action)=\"(?!/|#|\?|data:image/)[^\"]*\"", answer.text)
