"""What holds for every route of the console, whoever wrote it: rights, forged requests, headers, and that nobody learns of what
is not theirs. The routes are those of the application: a new one is tested from its first day on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import httpx2 as httpx
import pytest

from console.access.rights import ROLES, Action, Role
from console.pages import PAGES
from console.routing import Page
from tests.e2e.console.rights_lines import LINES, PUBLIC, SIGNED_IN, Line
from tests.support.console_login import PASSWORD, Browser, LoginConsole, login_console
from tests.support.desk import Desk

OWN, FOREIGN, NOWHERE = "acme", "parcelo", "norcelo"
"""A project that people of these tests have, one that they have not, and one that there is not, of the same length."""
REFUSED = (401, 403, 404)


def named(page: Page) -> str:
    return f"{page.method} {page.path}"


EVERY = pytest.mark.parametrize("page", PAGES, ids=named)
PRIVATE = [one for one in PAGES if not one.public]
OF_PROJECTS = [one for one in PAGES if "{project}" in one.path]
TABLE = [one for one in PRIVATE if isinstance(LINES.get(named(one), Line(SIGNED_IN)).needs, Action)]


@pytest.fixture(scope="module")
def console(two_projects: Desk) -> Iterator[LoginConsole]:
    """With a person for each set of roles in a project: `viewer`, `all-but-see`, …; and `stranger`, who has nothing."""
    roles: list[dict[str, object]] = []
    for role in Role:
        roles.append({"role": role.value, "people": [f"{role.value}-own"], "projects": [OWN]})
        roles.append({"role": role.value, "people": [f"{role.value}-reports"], "projects": [OWN], "kinds": ["reports"]})
        roles.append({"role": role.value, "people": ["everything"]})
        roles.append({"role": role.value, "people": ["elsewhere"], "projects": [FOREIGN]})
        for action in Action:
            if action not in ROLES[role]:
                roles.append({"role": role.value, "people": [f"without-{action.value}"], "projects": [OWN]})
    people = sorted({name for one in roles for name in one["people"]} | {"stranger"})  # type: ignore[attr-defined]
    with login_console(two_projects, roles=roles, session="30 days", idle="30 days") as made:
        for name in people:
            made.accounts.local.add(name, PASSWORD)
        yield made


_BROWSERS: dict[tuple[int, str], Browser] = {}


def browser_of(console: LoginConsole, name: str) -> Browser:
    """Each person signs in once."""
    key = (id(console), name)
    if key not in _BROWSERS:
        _BROWSERS[key] = console.browser()
        assert _BROWSERS[key].sign_in(name).status_code == 303
    return _BROWSERS[key]


def csrf_of(browser: Browser) -> str:
    return browser.get("/account").text.partition('name="csrf" value="')[2].partition('"')[0]


def asked(browser: Browser, page: Page, project: str, query: str = "", **headers: str) -> httpx.Response:
    """A route of a project, as its own page would ask."""
    path = re.sub(r"\{\w+(:\w+)?\}", "0", page.path.replace("{project}", project))
    path += f"?{query}" if query else ""
    if page.method == "GET":
        return browser.get(path, **headers)
    line = LINES.get(named(page), Line(SIGNED_IN))
    return browser.post(path, {"csrf": csrf_of(browser), **line.form}, **headers)


def queries(page: Page) -> Sequence[str]:
    line = LINES.get(named(page), Line(SIGNED_IN))
    return [line.kinds["reports"]] if line.kinds else [line.query]


@EVERY
def test_every_route_has_a_line_in_the_table_of_rights(page: Page) -> None:
    assert named(page) in LINES, "say in rights_lines.py which action it needs"
    assert page.public == (LINES[named(page)].needs == PUBLIC)


@pytest.mark.parametrize("page", PRIVATE, ids=named)
def test_who_has_not_signed_in_gets_nothing(console: LoginConsole, page: Page) -> None:
    answer = asked(console.browser(), page, OWN, *queries(page))
    if page.method == "GET":
        assert answer.status_code == 303 and answer.headers["location"].startswith("/login?back=")
    else:
        assert answer.status_code in (401, 403)


@pytest.mark.parametrize("page", TABLE, ids=named)
def test_who_has_every_role_but_those_with_the_action_is_refused(console: LoginConsole, page: Page) -> None:
    needs = LINES[named(page)].needs
    browser = browser_of(console, f"without-{needs}")
    assert asked(browser, page, OWN, *queries(page)).status_code in (403, 404)


@pytest.mark.parametrize("page", TABLE, ids=named)
def test_who_has_a_role_with_the_action_is_not_refused(console: LoginConsole, page: Page) -> None:
    needs = LINES[named(page)].needs
    role = next(one for one in Role if needs in ROLES[one])
    answer = asked(browser_of(console, f"{role.value}-own"), page, OWN, *queries(page))
    assert answer.status_code not in REFUSED and answer.status_code < 500, answer.text


@pytest.mark.slow
@pytest.mark.parametrize("page", TABLE, ids=named)
@pytest.mark.parametrize("role", Role)
def test_each_role_alone_may_what_the_table_says(console: LoginConsole, page: Page, role: Role) -> None:
    allowed = LINES[named(page)].needs in ROLES[role]
    answer = asked(browser_of(console, f"{role.value}-own"), page, OWN, *queries(page))
    assert (answer.status_code not in REFUSED) == allowed


@pytest.mark.parametrize("page", OF_PROJECTS, ids=named)
def test_a_project_of_others_answers_as_one_that_is_not_there(console: LoginConsole, page: Page) -> None:
    for name in ("stranger", *(f"{role.value}-own" for role in Role)):
        browser = browser_of(console, name)
        foreign, nowhere = (asked(browser, page, project, *queries(page)) for project in (FOREIGN, NOWHERE))
        assert foreign.status_code == nowhere.status_code == 404
        assert foreign.text.replace(FOREIGN, NOWHERE) == nowhere.text
        assert foreign.headers.keys() == nowhere.headers.keys()


@pytest.mark.parametrize("page", [one for one in PAGES if LINES.get(named(one), Line("")).kinds], ids=named)
def test_an_item_of_another_kind_is_not_there(console: LoginConsole, page: Page) -> None:
    line = LINES[named(page)]
    role = next(one for one in Role if line.needs in ROLES[one])
    own, other = (asked(browser_of(console, f"{role.value}-reports"), page, OWN, line.kinds[kind]) for kind in line.kinds)
    assert own.status_code not in REFUSED
    nowhere = asked(browser_of(console, f"{role.value}-reports"), page, OWN, line.kinds["tickets"].replace("2024", "1999"))
    assert other.status_code == nowhere.status_code == 404
    assert other.text == nowhere.text.replace("1999", "2024")


@pytest.mark.parametrize("page", [one for one in PAGES if one.method == "POST"], ids=named)
def test_a_request_that_another_site_starts_changes_nothing(console: LoginConsole, page: Page) -> None:
    browser = browser_of(console, "everything")
    path = re.sub(r"\{\w+(:\w+)?\}", "0", page.path.replace("{project}", OWN))
    form = dict(LINES[named(page)].form) if named(page) in LINES else {}
    csrf = csrf_of(browser)
    assert browser.post(path, form).status_code == 403, "without the session's token"
    assert browser.post(path, {**form, "csrf": csrf[::-1]}).status_code == 403
    for headers in ({"origin": "https://evil.example"}, {"sec_fetch_site": "cross-site"}, {"origin": "null"}):
        assert browser.post(path, {**form, "csrf": csrf}, **headers).status_code == 403, headers
    assert browser.get("/account").status_code == 200, "nobody was signed out"


@EVERY
def test_every_answer_has_the_headers_that_keep_browsers_from_harm(console: LoginConsole, page: Page) -> None:
    answers = [asked(console.browser(), page, OWN)]
    if page.method == "GET":
        answers.append(asked(browser_of(console, "everything"), page, OWN, *queries(page)))
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] in ("same-origin", "no-referrer")
        assert "no-store" in answer.headers["cache-control"] or "private" in answer.headers["cache-control"]


@pytest.mark.parametrize("page", [one for one in PAGES if one.method == "GET" and not one.public], ids=named)
def test_pages_have_nothing_inline_and_load_nothing_from_elsewhere(console: LoginConsole, page: Page) -> None:
    answer = asked(browser_of(console, "everything"), page, OWN, *queries(page))
    if not answer.headers["content-type"].startswith("text/html"):
        return
    assert not re.findall(r"<script(?![^>]*\bsrc=\"/static/)|<style|\sstyle=|\son[a-z]+=\"", answer.text)
    assert not re.findall(r"(?:src|href|action)=\"(?!/|#|data:image/)[^\"]*\"", answer.text)
