"""Passkeys as a person uses them: registered on the account page, in the place of the password, and after it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

import httpx2 as httpx
import pytest

from console.access.rights import Action
from console.accounts.sessions import Identity
from tests.support.console import text_of
from tests.support.console_login import CSRF, FORM, PASSWORD, Browser, LoginConsole, login_console
from tests.support.desk import Desk
from tests.support.passkey_device import Device

ORIGIN = "https://console.example"
OPTIONS = re.compile(r'data-options="([^"]*)"')
ROLES = [{"role": "viewer", "people": ["anna"], "projects": ["acme"]}, {"role": "administrator", "people": ["oleg"]}]


@pytest.fixture
def console(two_projects: Desk) -> Iterator[LoginConsole]:
    with login_console(two_projects, secure=True, roles=ROLES, url=ORIGIN, second_factor=True) as made:
        made.accounts.local.add("anna", PASSWORD, "Anna")
        made.accounts.local.add("oleg", PASSWORD)
        yield made


def options(page: httpx.Response) -> str:
    found = OPTIONS.search(page.text)
    assert found is not None, text_of(page)
    return unescape(found[1])


def register(browser: Browser, device: Device, label: str = "Telephone") -> httpx.Response:
    page = browser.send("/account", "/account/passkeys/begin", {"password": PASSWORD})
    csrf = CSRF.search(page.text)
    assert csrf is not None
    answer = device.create(options(page), ORIGIN)
    return browser.post("/account/passkeys", {"csrf": csrf[1], "answer": answer, "label": label})


@pytest.fixture
def device(console: LoginConsole) -> Device:
    """Anna's."""
    browser, made = console.browser(), Device()
    browser.sign_in("anna")
    page = register(browser, made)
    assert "signs you in from now on" in text_of(page) and "Telephone" in text_of(page)
    return made


def with_passkey(browser: Browser, device: Device, back: str = "", *, verified: bool = True) -> httpx.Response:
    page = browser.get(f"/login?back={back}")
    form = FORM.search(page.text)
    assert form is not None
    answer = device.get(options(page), ORIGIN, verified=verified)
    return browser.post("/login/passkey", {"form": unescape(form[1]), "answer": answer, "back": back})


def test_a_passkey_signs_somebody_in_without_a_password(console: LoginConsole, device: Device) -> None:
    browser = console.browser()
    answer = with_passkey(browser, device, back="/account")
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    assert "acme" in browser.get("/").text, "it is a second factor, as the settings ask for"


def test_a_device_that_did_not_verify_its_person_is_a_second_factor_only(console: LoginConsole, device: Device) -> None:
    browser = console.browser()
    refused = with_passkey(browser, device, verified=False)
    assert refused.status_code == 401 and "was not accepted" in text_of(refused)
    assert browser.sign_in("anna", back="/account").headers["location"] == "/login/code"
    page = browser.get("/login/code")
    assert 'name="code"' not in page.text, "she has no one-time password"
    answer = device.get(options(page), ORIGIN, verified=False)
    done = browser.post("/login/code/passkey", {"answer": answer})
    assert (done.status_code, done.headers["location"]) == (303, "/account")
    assert console.browser().post("/login/code/passkey", {"answer": answer}).status_code == 401


def test_the_passkey_of_another_account_is_no_second_factor(console: LoginConsole, device: Device) -> None:
    oleg, his = console.browser(), Device("oleg's")
    oleg.sign_in("oleg")
    register(oleg, his)
    browser = console.browser()
    browser.sign_in("oleg")
    page = browser.get("/login/code")
    answer = device.get(options(page), ORIGIN, key=next(iter(device.keys)))
    refused = browser.post("/login/code/passkey", {"answer": answer})
    assert refused.status_code == 401 and "was not accepted" in text_of(refused)
    assert browser.get("/").status_code == 303


def test_an_answer_for_another_browser_or_from_another_site_signs_nobody_in(console: LoginConsole, device: Device) -> None:
    victim, thief = console.browser(), console.browser()
    page = thief.get("/login")
    form = FORM.search(page.text)
    assert form is not None
    answer = device.get(options(page), ORIGIN)
    victim.get("/login")
    assert victim.post("/login/passkey", {"form": unescape(form[1]), "answer": answer}).status_code == 403
    lured = device.get(options(page), "https://console-example.evil.example")
    assert thief.post("/login/passkey", {"form": unescape(form[1]), "answer": lured}).status_code == 401


def test_wrong_answers_are_throttled_as_wrong_passwords_are(console: LoginConsole, device: Device) -> None:
    browser = console.browser()
    for _ in range(6):
        with_passkey(browser, device, verified=False)
    page = with_passkey(browser, device)
    assert page.status_code == 429 and int(page.headers["retry-after"]) >= 1
    stranger = Device("stranger")
    stranger.create('{"rp": {"id": "console.example"}, "challenge": ""}', ORIGIN)
    browser = console.browser("198.51.100.9")
    assert [with_passkey(browser, stranger).status_code for _ in range(7)] == [401] * 5 + [429] * 2


def test_a_copied_passkey_is_told_on_the_page_and_in_the_account(console: LoginConsole, device: Device) -> None:
    copy = Device()
    copy.keys, copy.count = dict(device.keys), device.count - 1
    with_passkey(console.browser(), device)
    refused = with_passkey(console.browser(), copy)
    assert refused.status_code == 401 and "may have been copied" in text_of(refused)
    browser = console.browser()
    browser.sign_in("anna")
    session = console.accounts.sessions.begin(Identity("anna", "Anna", frozenset(), "local"), "", "")
    browser.client.cookies.set("__Host-session", session, domain="console.example", path="/")
    assert "its counter went back" in text_of(browser.get("/account"))


def test_registering_and_removing_ask_for_the_password_and_end_other_sessions(console: LoginConsole, device: Device) -> None:
    browser, other = console.browser(), console.browser()
    for one in (browser, other):
        with_passkey(one, device)
    wrong = browser.send("/account", "/account/passkeys/begin", {"password": "not the password"})
    assert wrong.status_code == 401 and "data-passkey" not in wrong.text
    (passkey,) = console.accounts.passkeys.of("anna")
    form = {"passkey": passkey.text, "password": "not the password"}
    assert browser.send("/account", "/account/passkeys/remove", form).status_code == 401
    assert other.get("/account").status_code == 200
    assert browser.send("/account", "/account/passkeys/remove", form | {"password": PASSWORD}).status_code == 303
    assert console.accounts.passkeys.of("anna") == []
    assert (browser.get("/account").status_code, other.get("/account").status_code) == (200, 303)


def test_a_question_to_register_is_of_the_session_that_typed_the_password(console: LoginConsole, device: Device) -> None:
    browser, other = console.browser(), console.browser()
    for one in (browser, other):
        with_passkey(one, device)
    page = browser.send("/account", "/account/passkeys/begin", {"password": PASSWORD})
    answer = Device("new").create(options(page), ORIGIN)
    refused = other.send("/account", "/account/passkeys", {"answer": answer, "label": "stolen"})
    assert refused.status_code == 401 and len(console.accounts.passkeys.of("anna")) == 1


def test_a_token_registers_nothing(console: LoginConsole) -> None:
    until = console.clock.now().replace(year=console.clock.now().year + 1)
    token = console.accounts.tokens.make(Identity("anna", "", frozenset(), "local"), "all", list(Action), ["*"], until)
    for path in ("begin", "remove"):
        answer = console.browser().post(f"/account/passkeys/{path}", {"password": PASSWORD}, authorization=f"Bearer {token}")
        assert answer.status_code == 403


def test_without_passkeys_and_by_a_number_the_login_page_is_as_it_was(two_projects: Desk, console: LoginConsole) -> None:
    page = console.browser().get("/login").text
    assert "passkey" not in page and 'name="password"' in page
    with login_console(two_projects, url="https://192.0.2.7") as numbered:
        numbered.accounts.local.add("anna", PASSWORD)
        browser = numbered.browser()
        browser.sign_in("anna")
        assert "Passkeys need a name" in text_of(browser.get("/account"))
        assert browser.send("/account", "/account/passkeys/begin", {"password": PASSWORD}).status_code == 404
