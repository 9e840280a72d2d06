"""OpenID Connect: the provider vouches for people, and everything that is not its own word about this login is refused."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.support.clock import StillClock
from tests.support.console import text_of
from tests.support.console_login import PASSWORD, Browser, LoginConsole, login_console
from tests.support.desk import Desk
from tests.support.openid_provider import (
    CLIENT,
    SECRET,
    OpenIdProvider,
    openid_provider,
    signed_with_the_secret,
    unsigned,
)

ROLES = [{"role": "viewer", "groups": ["managers"], "projects": ["acme"]}]
ANNA = {"sub": "1", "email": "anna@example.org", "email_verified": True, "name": "Anna", "groups": ["managers"]}


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def provider(clock: StillClock) -> Iterator[OpenIdProvider]:
    with openid_provider(lambda: clock.now().timestamp()) as made:
        made.claims = dict(ANNA)
        yield made


@pytest.fixture
def console(two_projects: Desk, provider: OpenIdProvider, clock: StillClock) -> Iterator[LoginConsole]:
    secret = two_projects.folder / "client-secret"
    secret.write_text(f"{SECRET}\n")
    openid = {"issuer": provider.issuer, "client_id": CLIENT, "secret_file": str(secret), "title": "Our directory"}
    with login_console(two_projects, clock=clock, roles=ROLES, openid=openid, url="http://console.example") as made:
        yield made


def back_from(browser: Browser, provider: OpenIdProvider, path: str = "/login/openid?back=/account") -> str:
    """Off to the provider; where it sends the browser."""
    gone = browser.get(path)
    assert gone.status_code == 303, text_of(gone)
    parts = urlsplit(provider.sign_in(gone.headers["location"]))
    return f"{parts.path}?{parts.query}"


def test_whom_the_provider_signs_in_has_the_roles_of_their_groups(console: LoginConsole, provider: OpenIdProvider) -> None:
    browser = console.browser()
    assert "Sign in with Our directory" in text_of(browser.get("/login"))
    done = browser.get(back_from(browser, provider))
    assert (done.status_code, done.headers["location"]) == (303, "/account")
    page = browser.get("/")
    assert "acme" in page.text and "parcelo" not in page.text and "Anna" in text_of(page)
    ((form, headers),) = provider.seen
    assert base64.b64decode(headers["authorization"].removeprefix("Basic ")).startswith(b"console:a%20secret")
    assert "client_secret" not in form


def test_an_answer_counts_once_in_the_browser_that_asked(console: LoginConsole, provider: OpenIdProvider) -> None:
    browser, other = console.browser(), console.browser()
    back = back_from(browser, provider)
    other.get("/login/openid")
    assert other.get(back).status_code == 401, "it was begun by another browser"
    assert console.browser().get(back).status_code == 401
    assert browser.get(back).status_code == 303
    assert browser.get(back).status_code == 401, "it was used"


def test_an_answer_that_comes_too_late_is_refused(console: LoginConsole, provider: OpenIdProvider, clock: StillClock) -> None:
    browser = console.browser()
    back = back_from(browser, provider)
    clock.sleep(601)
    assert browser.get(back).status_code == 401


def signed_by_another(claims: dict[str, Any]) -> str:
    key = RSAKey.generate_key(2048, {"kid": "first"})
    return jwt.encode({"alg": "RS256", "kid": "first"}, claims, key)


@pytest.mark.parametrize("forge", [unsigned, signed_with_the_secret, signed_by_another, lambda _: "x", lambda _: "a.b.c"])
def test_a_token_that_the_provider_has_not_signed_is_refused(
    console: LoginConsole, provider: OpenIdProvider, forge: Callable[[dict[str, Any]], str]
) -> None:
    provider.forge = forge
    browser = console.browser()
    page = browser.get(back_from(browser, provider))
    assert page.status_code == 401 and "session" not in browser.client.cookies


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "https://evil.example"},
        {"aud": "another-client"},
        {"aud": ["console", "another-client"]},
        {"aud": ["console", "another-client"], "azp": "another-client"},
        {"nonce": "of another login"},
        {"exp": 0},
        {"iat": 1 << 40},
        {"email_verified": False},
        {"email_verified": "true"},
        {"email": None},
        {"email": "a\nb"},
        {"email": ["anna@example.org"]},
    ],
    ids=str,
)
def test_a_claim_that_is_wrong_is_refused(console: LoginConsole, provider: OpenIdProvider, change: dict[str, Any]) -> None:
    provider.change = lambda claims: claims.update(change)
    browser = console.browser()
    assert browser.get(back_from(browser, provider)).status_code == 401


@pytest.mark.parametrize("claim", ["sub", "exp", "iat", "nonce", "aud", "iss", "email", "email_verified"])
def test_a_claim_that_is_missing_is_refused(console: LoginConsole, provider: OpenIdProvider, claim: str) -> None:
    provider.change = lambda claims: claims.pop(claim)
    browser = console.browser()
    assert browser.get(back_from(browser, provider)).status_code == 401


def test_a_provider_may_change_its_keys(console: LoginConsole, provider: OpenIdProvider, clock: StillClock) -> None:
    first = console.browser()
    assert first.get(back_from(first, provider)).status_code == 303
    provider.new_key()
    clock.sleep(61)
    second = console.browser()
    assert second.get(back_from(second, provider)).status_code == 303


def test_a_name_belongs_to_whom_it_was_given_first(console: LoginConsole, provider: OpenIdProvider) -> None:
    browser = console.browser()
    browser.get(back_from(browser, provider))
    provider.claims["sub"] = "2"
    later = console.browser()
    page = later.get(back_from(later, provider))
    assert page.status_code == 401 and "belongs to somebody else" in text_of(page)
    console.accounts.local.remove("anna@example.org")
    assert browser.get("/").status_code == 303
    assert later.get(back_from(later, provider)).status_code == 303


def test_a_provider_signs_nobody_in_to_a_local_account(console: LoginConsole, provider: OpenIdProvider) -> None:
    console.accounts.local.add("anna@example.org", PASSWORD, groups=["managers"])
    browser = console.browser()
    assert "local account" in text_of(browser.get(back_from(browser, provider)))
    assert browser.get("/").status_code == 303


def test_a_provider_that_is_another_than_the_settings_say_is_not_believed(
    console: LoginConsole, provider: OpenIdProvider
) -> None:
    provider.about = {"issuer": "https://other.example"}
    assert console.browser().get("/login/openid").status_code == 502
    provider.about = {"authorization_endpoint": "http://other.example/"}
    assert console.browser().get("/login/openid").status_code == 502


def test_what_the_browser_is_sent_with_is_new_each_time(console: LoginConsole, provider: OpenIdProvider) -> None:
    asked = [parse_qs(urlsplit(console.browser().get("/login/openid").headers["location"]).query) for _ in range(2)]
    for name in ("state", "nonce", "code_challenge"):
        assert asked[0][name] != asked[1][name]
    assert asked[0]["redirect_uri"] == ["http://console.example/login/openid/back"]


def test_without_a_provider_in_the_settings_there_is_no_such_page(two_projects: Desk, tmp_path: Path) -> None:
    with login_console(two_projects, roles=ROLES) as console:
        for path in ("/login/openid", "/login/openid/back?code=x&state=y"):
            assert console.browser().get(path).status_code == 404
