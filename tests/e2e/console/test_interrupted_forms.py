"""What happens to a form when its session ends, when it is sent twice, and when what was typed cannot be done: nothing that
somebody typed is lost, and nothing is done twice."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from pathlib import Path

import pytest

from console.access.rights import Role
from tests.e2e.console.getting_back import REPORTS, acts, confirm, make_desk, plan, tick, until
from tests.support.console import console_of, person, text_of
from tests.support.console_login import PASSWORD, Browser, LoginConsole, login_console
from tests.support.desk import Desk

ANNA = person("anna", Role.VIEWER, Role.EXPORTER, Role.RESTORER)
HIDDEN = re.compile(r'<input type="hidden" name="([^"]*)" value="([^"]*)">')
REASON = 'the client\'s "wish" <of May>\n& June'
HERE = {"origin": "http://console.example"}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return make_desk(tmp_path)


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """For tests that write nothing into its folders."""
    return make_desk(tmp_path_factory.mktemp("still"))


@pytest.fixture(scope="module")
def site(two_projects: Desk) -> Iterator[LoginConsole]:
    with login_console(two_projects, roles=[{"role": "operator", "people": ["anna"]}], idle="30 minutes") as made:
        made.accounts.local.add("anna", PASSWORD)
        yield made


@pytest.fixture
def browser(site: LoginConsole) -> Browser:
    made = site.browser()
    assert made.sign_in("anna").status_code == 303
    return made


def fields(text: str, path: str) -> dict[str, str]:
    """Of the form on a page that goes to this address."""
    form = text.split(f'<form method="post" action="{path}">')[1].split("</form>")[0]
    return {unescape(name): unescape(value) for name, value in HIDDEN.findall(form)}


def test_what_was_typed_into_a_page_of_a_session_that_is_over_is_sent_after_signing_in_again(
    site: LoginConsole, browser: Browser
) -> None:
    path = "/projects/acme/holds"
    stale = browser.get("/account").text.partition('name="csrf" value="')[2].partition('"')[0]
    site.clock.sleep(31 * 60)
    typed = {"csrf": stale, "kind": "reports", "reason": REASON}
    kept = browser.post(path, typed, **HERE)
    assert kept.status_code == 401 and "Your session is over" in text_of(kept)
    assert fields(kept.text, path) == {"csrf": "", "kind": "reports", "reason": REASON}
    assert 'href="/login" target="_blank"' in kept.text
    browser.sign_in("anna")
    again = browser.post(path, fields(kept.text, path), **HERE)
    assert again.status_code == 403 and "Your session is over" in text_of(again)
    done = browser.post(path, fields(again.text, path), **HERE)
    assert done.status_code == 303
    assert 'the client\'s "wish" <of May> & June' in unescape(browser.get("/projects/acme/holds").text)


def test_a_form_is_given_back_to_the_pages_of_the_console_alone_and_never_with_a_password(
    site: LoginConsole, browser: Browser
) -> None:
    for headers in ({}, {"sec_fetch_site": "none"}):
        refused = browser.post("/projects/acme/holds", {"csrf": "stale", "reason": REASON}, **headers)
        assert refused.status_code == 403 and "wish" not in refused.text
    for headers in ({"origin": "https://evil.example"}, {"sec_fetch_site": "cross-site"}, {"origin": "null"}):
        refused = browser.post("/projects/acme/holds", {"csrf": "stale", "reason": REASON}, **headers)
        assert refused.status_code == 403 and "wish" not in refused.text
    for path in ("/account/password", "/account/second-factor", "/people", "/people/change"):
        refused = browser.post(path, {"csrf": "stale", "old": "secret-words", "password": "secret-words"}, **HERE)
        assert refused.status_code == 403 and "secret-words" not in refused.text
    stranger = site.browser()
    assert "wish" not in stranger.post("/projects/acme/holds", {"reason": REASON}).text


def test_the_page_that_was_asked_for_first_is_shown_after_signing_in_whatever_is_in_its_address(site: LoginConsole) -> None:
    stranger = site.browser()
    path = "/projects/a%25b%20c/search?q=50%25%20%26%20more"
    sent = stranger.get(path).headers["location"]
    page = stranger.get(sent).text
    assert unescape(page.split('name="back" value="')[1].split('"')[0]) == path


def test_the_same_plan_sent_twice_is_carried_out_once(desk: Desk) -> None:
    with console_of(desk, ANNA) as console:
        tick(console, folder="reports%2F2024", deleted="with")
        page = plan(console, "place")
        first = confirm(console, page).headers["location"]
        second = confirm(console, page)
        assert (second.status_code, second.headers["location"]) == (303, first)
        until(console, first, "is done")
        assert confirm(console, page).headers["location"] == first, "also once it is over"
        tick(console, folder="reports%2F2024", deleted="with")
        assert confirm(console, plan(console, "download")).headers["location"] != first
    assert [action for action, _ in acts(desk, "anna")] == ["restore"]


def test_two_clicks_at_once_make_one_task(still: Desk) -> None:
    with console_of(still, ANNA) as console:
        tick(console, folder="reports%2F2024", deleted="with")
        page = plan(console, "download")
        with ThreadPoolExecutor(4) as threads:
            answers = list(threads.map(lambda _: confirm(console, page), range(4)))
        assert len({one.headers["location"] for one in answers}) == 1
        assert text_of(console.get("/tasks")).count("is ready to be fetched") == 1


def test_an_old_page_of_a_plan_does_nothing_with_what_was_ticked_since(still: Desk) -> None:
    with console_of(still, ANNA) as console:
        tick(console, folder="reports%2F2024", deleted="with")
        page = plan(console, "download")
        console.post("/projects/acme/basket/remove", {"all": "1"})
        assert confirm(console, page).status_code == 404, "the basket was emptied on another page"


def test_two_people_who_restore_the_same_folder_at_once_leave_it_whole(desk: Desk) -> None:
    with console_of(desk, ANNA, person("boris", Role.RESTORER)) as console:
        pages = {}
        for name in ("anna", "boris"):
            console.person = name
            tick(console, folder="reports%2F2024", deleted="with")
            pages[name] = plan(console, "place")
        tasks = {}
        for name, page in pages.items():
            console.person = name
            tasks[name] = confirm(console, page).headers["location"]
        for name, task in tasks.items():
            console.person = name
            until(console, task, "is done")
    assert (desk.folder / "reports/2024/05.csv").read_bytes() == REPORTS["2024/05.csv"]
    assert (desk.folder / "reports/2024/06.csv").read_bytes() == REPORTS["2024/06.csv"]
    assert sorted(one.name for one in (desk.folder / "reports/2024").iterdir()) == ["05.csv", "06.csv"]


@pytest.mark.parametrize(
    ("sql", "says"), [("selec * from reports", "syntax error"), ("select nothing from reports", "nothing")]
)
def test_a_question_that_cannot_be_answered_stays_where_it_was_typed(still: Desk, sql: str, says: str) -> None:
    with console_of(still, ANNA) as console:
        page = console.post("/projects/acme/ask", {"sql": sql, "at": "2030-01-01", "title": "Mine"})
        assert page.status_code == 400 and f">{sql}</textarea>" in page.text and says in page.text.lower()
        kept = console.post("/projects/acme/ask", {"sql": sql, "do": "keep", "title": ""})
        assert kept.status_code == 400 and f">{sql}</textarea>" in kept.text


def test_thousands_of_things_are_ticked_at_once_and_strangers_send_no_large_forms(still: Desk, site: LoginConsole) -> None:
    with console_of(still, ANNA) as console:
        items = [f"reports%2Fof-an-agent-with-a-long-name-{number:05}.csv" for number in range(20_000)]
        assert console.post("/projects/acme/basket", {"item": items}).status_code == 303
        assert "and 19,500 things more" in text_of(console.get("/projects/acme/basket"))
        console.post("/projects/acme/basket/remove", {"all": "1"})
        assert console.post("/projects/acme/basket", {"item": ["x"] * 50_001}).status_code == 413
    stranger = site.browser()
    for form in ({"name": "x" * 70_000}, {"name": ["x"] * 101}):
        assert stranger.post("/login", form).status_code == 413


def test_what_was_found_by_a_search_is_ticked_there_and_comes_back(desk: Desk) -> None:
    with console_of(desk, ANNA) as console:
        found = console.get("/projects/acme/search?q=2024&state=deleted")
        ticks = re.findall(r'name="item" value="([^"]*)"', found.text)
        assert len(ticks) == 2
        console.post("/projects/acme/basket", {"item": ticks, "at": "", "deleted": ""})
        until(console, confirm(console, plan(console, "place")).headers["location"], "2 files are back")
    assert (desk.folder / "reports/2024/05.csv").read_bytes() == REPORTS["2024/05.csv"]
