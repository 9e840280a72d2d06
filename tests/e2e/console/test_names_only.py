"""A console with a key to names and none to content: every route answers, and what needs content says so in plain words."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from console.access.rights import Role
from tests.e2e.console.getting_back import log_of, make_desk, plan, tick
from tests.e2e.console.test_every_route import OF_PROJECTS, OWN, PRIVATE, Asked, ask, person
from tests.support.console import console_of, text_of
from tests.support.console import person as somebody
from tests.support.console_login import PASSWORD, LoginConsole, login_console
from tests.support.desk import Desk
from tests.support.names_only import names_only

NEEDS_CONTENT = {
    "GET /projects/{project}/item/preview",
    "GET /projects/{project}/item/content",
    "POST /projects/{project}/ask",
    "GET /api/v1/projects/{project}/item/preview",
    "GET /api/v1/projects/{project}/item/content",
    "POST /api/v1/projects/{project}/ask",
    "POST /api/v1/projects/{project}/ask/file",
    "GET /api/v1/projects/{project}/tables",
    "POST /api/v1/projects/{project}/export/plan",
}
NEEDS_LOG = {
    "GET /projects/{project}/log",
    "POST /projects/{project}/log/file",
    "POST /projects/{project}/log/verify",
    "GET /api/v1/projects/{project}/log",
    "POST /api/v1/projects/{project}/log/file",
    "POST /api/v1/projects/{project}/log/verify",
}
"""What answers otherwise than with a console that has all keys; every other route answers as it does there."""

PLAIN = "it shows names, sizes and times"


@pytest.fixture(scope="module")
def console(two_projects: Desk) -> Iterator[LoginConsole]:
    roles = [{"role": role.value, "people": ["everything"], "projects": ["*"]} for role in Role]
    identity = [names_only(two_projects, "acme", "parcelo")]
    with login_console(two_projects, roles=roles, identity=identity, session="30 days", idle="30 days") as made:
        made.accounts.local.add("everything", PASSWORD)
        yield made


@pytest.mark.parametrize(
    "route",
    [pytest.param(one, id=one.name, marks=() if one in OF_PROJECTS else pytest.mark.slow) for one in PRIVATE],
)
def test_every_route_answers_and_what_needs_a_key_says_that_it_is_not_here(console: LoginConsole, route: Asked) -> None:
    answer = ask(console, "everything", route)
    if route.name in NEEDS_CONTENT | NEEDS_LOG:
        wanted = "content" if route.name in NEEDS_CONTENT else "log"
        assert answer.status_code == 403
        assert PLAIN in answer.text or f"this console has no key to the {wanted} of this project" in answer.text
        assert "identity" not in answer.text and "--identity" not in answer.text
    else:
        assert answer.status_code < 500
        assert "has no key to" not in answer.text and "may back up" not in answer.text


def test_a_bag_of_evidence_is_made_of_what_this_console_has_the_keys_for(console: LoginConsole) -> None:
    everything = person(console, "everything")
    answer = everything.browser.post(f"/projects/{OWN}/evidence", {"csrf": everything.csrf, "period": "2026"})
    assert answer.status_code < 500


def test_a_download_is_not_offered_and_refused_in_plain_words(console: LoginConsole) -> None:
    everything = person(console, "everything")
    everything.browser.post(f"/projects/{OWN}/basket", {"csrf": everything.csrf, "folder": "reports"})
    basket = text_of(everything.browser.get(f"/projects/{OWN}/basket"))
    assert "nothing can be downloaded here" in basket and "To my computer" not in basket
    refused = everything.browser.get(f"/projects/{OWN}/get-back?goal=download")
    assert refused.status_code == 403 and PLAIN in text_of(refused)


def test_names_are_shown_and_nothing_is_offered_that_takes_content(console: LoginConsole) -> None:
    browser = person(console, "everything").browser
    page = browser.get("/projects/acme/item?path=reports%2F2024-05.csv")
    assert "Look inside</a>" not in page.text and "This console cannot read content" in page.text
    assert "reports" in browser.get("/projects/acme").text
    assert "answers no questions here" in browser.get("/projects/acme/ask").text


@pytest.mark.slow
def test_two_versions_of_a_table_cannot_be_compared_and_nothing_can_be_downloaded(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    desk = make_desk(tmp_path_factory.mktemp("names"))
    (desk.folder / "reports/2025/01.csv").write_bytes(b"agent,calls\nolena,20\n")
    desk.call("backup")
    identity = [names_only(desk, "acme")]
    with console_of(desk, somebody("anna", *Role), identity=identity) as console:
        versions = console.call("/projects/acme/item?path=reports%2F2025%2F01.csv").json()["events"]
        newer, older = [one["at"] for one in versions if one["at"]][:2]
        page = console.get(f"/projects/acme/item/differences?path=reports%2F2025%2F01.csv&since={older}&until={newer}")
        assert page.status_code == 403 and PLAIN in text_of(page)
        tick(console, folder="reports")
        basket = text_of(console.get("/projects/acme/basket"))
        assert "nothing can be downloaded here" in basket and "To my computer" not in basket
        refused = plan(console, "download")
        assert refused.status_code == 403 and PLAIN in text_of(refused)
    assert not [one for one in log_of(desk) if one.entry.who.user == "anna"], "nothing was looked at"
