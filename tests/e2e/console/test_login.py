"""Signing in and out as a browser does it, and what others try instead."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from console.access.rights import Action
from console.accounts import totp
from console.accounts.sessions import Identity
from tests.support.console import text_of
from tests.support.console_login import PASSWORD, Browser, LoginConsole, login_console
from tests.support.desk import Desk

ROLES = [
    {"role": "viewer", "people": ["anna"], "projects": ["acme"]},
    {"role": "administrator", "groups": ["admins"]},
]


@pytest.fixture
def console(two_projects: Desk) -> Iterator[LoginConsole]:
    with login_console(two_projects, roles=ROLES) as made:
        made.accounts.local.add("anna", PASSWORD, "Anna")
        made.accounts.local.add("oleg", PASSWORD, "Oleg", ["admins"])
        yield made


def signed_in(console: LoginConsole, name: str = "anna") -> Browser:
    browser = console.browser()
    answer = browser.sign_in(name)
    assert answer.status_code == 303, answer.text
    return browser


def test_somebody_signs_in_sees_what_is_theirs_and_signs_out(console: LoginConsole) -> None:
    browser = console.browser()
    assert browser.get("/?x=1").headers["location"] == "/login?back=%2F%3Fx%3D1"
    answer = browser.sign_in("anna", back="/?x=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/?x=1")
    page = browser.get("/")
    assert "acme" in page.text and "parcelo" not in page.text and "Anna" in text_of(page)
    cookie = browser.client.cookies["session"]
    assert browser.send("/", "/logout").headers["location"] == "/login"
    assert browser.get("/").status_code == 303
    thief = console.browser()
    thief.client.cookies.set("session", cookie)
    assert thief.get("/").status_code == 303, "the cookie of a session that was ended"


def test_a_wrong_password_is_refused_in_the_words_of_the_language(console: LoginConsole) -> None:
    browser = console.browser()
    page = browser.sign_in("anna", "not the password", accept_language="ru")
    assert page.status_code == 401 and "Неверное имя или пароль." in text_of(page)
    assert "session" not in browser.client.cookies and "not the password" not in page.text


def test_after_many_wrong_passwords_nothing_is_looked_at_for_a_while(console: LoginConsole) -> None:
    browser = console.browser()
    for _ in range(6):
        browser.sign_in("anna", "not the password")
    page = browser.sign_in("anna")
    assert page.status_code == 429 and int(page.headers["retry-after"]) >= 1


def test_the_login_page_of_another_browser_signs_nobody_in(console: LoginConsole) -> None:
    victim, form = console.browser(), console.browser()
    page = form.get("/login").text
    token = page.partition('name="form" value="')[2].partition('"')[0]
    victim.get("/login")
    answer = victim.post("/login", {"form": token, "name": "anna", "password": PASSWORD})
    assert answer.status_code == 403 and "session" not in victim.client.cookies
    assert console.browser().post("/login", {"name": "anna", "password": PASSWORD}).status_code == 403


def test_a_session_that_somebody_put_into_the_browser_is_not_the_one_that_begins(console: LoginConsole) -> None:
    browser = console.browser()
    browser.client.cookies.set("session", "chosen-by-an-attacker", domain="console.example", path="/")
    browser.sign_in("anna")
    values = [one.value for one in browser.client.cookies.jar if one.name == "session"]
    assert all(len(one or "") > 40 for one in values if one != "chosen-by-an-attacker")
    thief = console.browser()
    thief.client.cookies.set("session", "chosen-by-an-attacker")
    assert thief.get("/").status_code == 303


def test_who_is_signed_in_is_sent_on_from_the_login_page(console: LoginConsole) -> None:
    assert signed_in(console).get("/login?back=/account").headers["location"] == "/account"


@pytest.mark.parametrize(
    "back",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "/\tevil",
        "evil",
        "/%0d%0ax: y",
    ],
)
def test_nobody_is_sent_elsewhere_after_signing_in(console: LoginConsole, back: str) -> None:
    browser = console.browser()
    browser.get("/login")
    page = browser.client.get("/login", params={"back": back}).text
    token = page.partition('name="form" value="')[2].partition('"')[0]
    answer = browser.post("/login", {"form": token, "name": "anna", "password": PASSWORD, "back": back})
    assert answer.headers["location"] == "/"


def test_cookies_are_out_of_reach_and_with_https_of_this_host_alone(two_projects: Desk) -> None:
    with login_console(two_projects, secure=True, roles=ROLES, url="https://console.example") as console:
        if console.accounts.local.get("anna") is None:
            console.accounts.local.add("anna", PASSWORD)
        browser = console.browser()
        answer = browser.sign_in("anna")
        (cookie,) = [one for one in answer.headers.get_list("set-cookie") if one.startswith("__Host-session=")]
        words = {one.strip().lower() for one in cookie.split(";")[1:]}
        assert words == {"httponly", "secure", "path=/", "samesite=lax"}
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        assert browser.get("/").status_code == 200


def test_a_form_from_elsewhere_or_without_the_sessions_token_changes_nothing(console: LoginConsole) -> None:
    browser = signed_in(console)
    csrf = browser.get("/account").text.partition('name="csrf" value="')[2].partition('"')[0]
    other = signed_in(console)
    foreign = other.get("/account").text.partition('name="csrf" value="')[2].partition('"')[0]
    ending = {"session": "others"}
    for form, headers in (
        (ending, {}),
        (ending | {"csrf": ""}, {}),
        (ending | {"csrf": foreign}, {}),
        (ending | {"csrf": csrf}, {"origin": "https://evil.example"}),
        (ending | {"csrf": csrf}, {"sec_fetch_site": "cross-site"}),
        (ending | {"csrf": csrf}, {"sec_fetch_site": "same-site"}),
        (ending | {"csrf": csrf}, {"content_type": "text/plain"}),
    ):
        assert browser.post("/account/sessions/end", form, **headers).status_code == 403, (form, headers)
    assert len(console.accounts.sessions.of("anna")) == 2
    assert browser.get("/account/sessions/end").status_code in (400, 405), "a link changes nothing"
    assert browser.post("/account/sessions/end", ending | {"csrf": csrf}).status_code == 303
    assert len(console.accounts.sessions.of("anna")) == 1


def test_a_form_of_a_session_that_is_over_is_refused(console: LoginConsole) -> None:
    browser = signed_in(console)
    csrf = browser.get("/account").text.partition('name="csrf" value="')[2].partition('"')[0]
    browser.post("/logout", {"csrf": csrf})
    assert browser.post("/account/sessions/end", {"csrf": csrf, "session": "others"}).status_code == 401
    browser.sign_in("anna")
    assert browser.post("/account/sessions/end", {"csrf": csrf, "session": "others"}).status_code == 403


def test_with_one_time_passwords_signing_in_has_two_steps(console: LoginConsole) -> None:
    browser = signed_in(console)
    page = browser.get("/account/second-factor").text
    secret = console.accounts.local.new_totp("anna")
    assert totp.text(secret) in page and "data:image/svg+xml;base64," in page
    step = int(console.clock.now().timestamp()) // 30
    assert browser.send("/account", "/account/second-factor", {"code": totp.code(secret, step)}).status_code == 303
    other = console.browser()
    assert other.sign_in("anna").headers["location"] == "/login/code"
    assert other.get("/").status_code == 303, "the password alone opens nothing"
    assert other.post("/login/code", {"code": "000000"}).status_code == 401
    assert other.post("/login/code", {"code": totp.code(secret, step + 1)}).headers["location"] == "/"
    assert other.get("/").status_code == 200


def test_where_a_second_factor_is_demanded_nothing_is_open_without_one(two_projects: Desk) -> None:
    with login_console(two_projects, roles=ROLES, second_factor=True) as console:
        console.accounts.local.add("olha", PASSWORD, groups=["admins"])
        browser = signed_in(console, "olha")
        assert browser.get("/people").status_code == 403
        assert "Set up the second factor first" in text_of(browser.get("/account"))
        secret = console.accounts.local.new_totp("olha")
        code = totp.code(secret, int(console.clock.now().timestamp()) // 30)
        browser.send("/account", "/account/second-factor", {"code": code})
        assert browser.get("/people").status_code == 200


def test_the_password_is_changed_with_the_old_one(console: LoginConsole) -> None:
    browser = signed_in(console)
    other = signed_in(console)
    change = {"old": "wrong password", "new": "four other good words", "again": "four other good words"}
    assert browser.send("/account", "/account/password", change).status_code == 401
    assert browser.send("/account", "/account/password", change | {"old": PASSWORD, "again": "x"}).status_code == 400
    assert browser.send("/account", "/account/password", change | {"old": PASSWORD}).status_code == 200
    assert browser.get("/").status_code == 200 and other.get("/").status_code == 303
    assert console.browser().sign_in("anna").status_code == 401


def test_the_language_is_chosen_once(console: LoginConsole) -> None:
    browser = console.browser()
    browser.post("/language", {"language": "uk", "back": "/login"})
    assert "Увійти" in text_of(browser.get("/login"))
    browser = signed_in(console)
    browser.send("/account", "/language", {"language": "ru", "back": "/account"})
    assert "Моя учётная запись" in text_of(signed_in(console).get("/account"))


def test_a_token_may_what_its_limits_leave_and_no_more(console: LoginConsole) -> None:
    browser = signed_in(console)
    until = (console.clock.now() + timedelta(days=30)).date().isoformat()
    form = {"label": "a script", "action": ["see", "erase"], "projects": "acme", "until": until}
    page = browser.send("/account", "/account/tokens", form)
    token = page.text.partition("<code>")[2].partition("</code>")[0]
    assert token.startswith("strongroom_") and token not in browser.get("/account").text
    script = console.browser()
    bearer = {"authorization": f"Bearer {token}"}
    assert "acme" in script.get("/", **bearer).text
    (made,) = console.accounts.tokens.of("anna")
    assert made.limit.actions == {Action.SEE}, "what anna may not, no token of hers may"
    assert script.get("/account", **bearer).status_code == 403
    assert script.post("/account/tokens", form, **bearer).status_code == 403
    assert script.get("/", authorization=f"Bearer {token}x").status_code == 303
    other = console.accounts.tokens.make(
        Identity("anna", "", frozenset(), "local"), "x", [Action.SEE], ["parcelo"], console.clock.now() + timedelta(days=1)
    )
    assert "acme" not in script.get("/", authorization=f"Bearer {other}").text
    console.accounts.local.remove("anna")
    assert script.get("/", **bearer).status_code == 303
    console.accounts.local.add("anna", PASSWORD)
    assert script.get("/", **bearer).status_code == 303, "an account that is made anew has no tokens"


def test_an_administrator_makes_accounts_and_ends_sessions(console: LoginConsole) -> None:
    admin = signed_in(console, "oleg")
    page = admin.send("/people", "/people", {"name": "ivan", "title": "Ivan", "groups": "admins, others"})
    password = page.text.partition("<code>")[2].partition("</code>")[0]
    ivan = console.browser()
    assert ivan.sign_in("ivan", password).status_code == 303 and ivan.get("/people").status_code == 200
    admin.send("/people", "/people/change", {"name": "ivan", "what": "groups", "groups": ""})
    assert ivan.get("/people").status_code == 403, "roles of a group end with it, in a session that is open"
    admin.send("/people", "/people/change", {"name": "ivan", "what": "sessions"})
    assert ivan.get("/").status_code == 303
    admin.send("/people", "/people/change", {"name": "ivan", "what": "remove"})
    assert console.browser().sign_in("ivan", password).status_code == 401


def test_no_token_of_an_administrator_changes_accounts_or_lets_hosts_in(console: LoginConsole) -> None:
    admin = signed_in(console, "oleg")
    day = console.clock.now() + timedelta(days=1)
    form = {"label": "x", "action": "administer", "projects": "*", "until": day.date().isoformat()}
    assert admin.send("/account", "/account/tokens", form).status_code == 400, "it is offered to nobody"
    identity = Identity("oleg", "", frozenset(), "local")
    secret = console.accounts.tokens.make(identity, "of before", list(Action), ["*"], day)
    script, bearer = console.browser(), {"authorization": f"Bearer {secret}"}
    for path, fields in (
        ("/people", {"name": "eve"}),
        ("/people/change", {"name": "anna", "what": "password"}),
        ("/hosts", {"name": "eve", "projects": "*", "until": form["until"]}),
    ):
        refused = script.post(path, fields, **bearer)
        assert refused.status_code == 403 and "a token cannot do this" in refused.text
    assert script.get("/people", **bearer).status_code == 403 and console.accounts.local.get("eve") is None


def test_who_administers_nothing_sees_and_changes_no_accounts(console: LoginConsole) -> None:
    browser = signed_in(console)
    assert browser.get("/people").status_code == 403
    for path, form in (("/people", {"name": "eve"}), ("/people/change", {"name": "oleg", "what": "remove"})):
        assert browser.send("/account", path, form).status_code == 403
    assert console.accounts.local.get("oleg") is not None and console.accounts.local.get("eve") is None


def test_the_console_answers_by_its_own_name_alone(console: LoginConsole) -> None:
    browser = console.browser()
    assert browser.get("/login", host="evil.example").status_code == 421
    assert browser.get("/login", host="console.example:8443").status_code == 200
    assert browser.get("/login", host="console.example@evil.example").status_code == 421


def test_a_proxys_header_counts_from_its_own_address_alone(two_projects: Desk) -> None:
    proxy = {"addresses": ["10.0.0.0/24"], "header": "X-Remote-User", "groups_header": "X-Remote-Groups"}
    with login_console(two_projects, roles=ROLES, proxy=proxy, url="http://console.example") as console:
        behind, outside = console.browser("10.0.0.5"), console.browser("203.0.113.5")
        anna = {"x_remote_user": "anna", "x_forwarded_for": "198.51.100.1, 203.0.113.9"}
        assert "acme" in behind.get("/", **anna).text
        assert outside.get("/", **anna).status_code == 303
        assert behind.get("/").status_code == 303
        assert behind.get("/people", **anna, x_remote_groups="others, admins").status_code == 200
        assert behind.get("/people", **anna).status_code == 403
        assert behind.post("/language", {"language": "ru"}, **anna).status_code == 403, "it can be forged as a cookie can"
        assert behind.send("/account", "/language", {"language": "en"}, **anna).status_code == 303
        assert outside.sign_in("anna", "wrong", x_forwarded_for="192.0.2.1").status_code == 401
        assert console.accounts.throttle.wait("anna", "203.0.113.5") == 0
        for _ in range(5):
            behind.sign_in("nobody", "wrong", x_forwarded_for="8.8.8.8, 203.0.113.77")
        assert console.accounts.throttle.wait("nobody", "203.0.113.77") > 0
        assert console.accounts.throttle.wait("nobody", "8.8.8.8") == 0, "what the client itself wrote in front"
