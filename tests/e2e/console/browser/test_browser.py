"""The console in a real browser: signing in, a telephone's width, without scripts, by keyboard, and under axe-core."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from selenium.webdriver.common.keys import Keys

from console.pages import PAGES
from tests.e2e.console.rights_lines import LINES
from tests.support.chromium import Chromium, chromium
from tests.support.console_login import PASSWORD
from tests.support.console_process import Running

SIGN_IN = {"en": "Sign in", "ru": "Войти", "uk": "Увійти"}
SIGN_OUT = {"en": "Sign out", "ru": "Выйти", "uk": "Вийти"}


def pages() -> list[str]:
    """Every page that can be opened by its address, for a person who may everything."""
    found = []
    for page in PAGES:
        line = LINES.get(f"{page.method} {page.path}")
        plain = page.path.replace("{project}", "acme")
        is_page = page.function.__name__ != "content"
        if is_page and page.method == "GET" and "{" not in plain and not page.public and line is not None:
            query = line.kinds.get("reports", line.query)
            found.append(f"{plain}?{query}" if query else plain)
    return found


@pytest.fixture(scope="module")
def admin(console: Running) -> Iterator[Chromium]:
    """A window of somebody who may everything."""
    with chromium(console.url) as window:
        window.sign_in("admin", PASSWORD)
        yield window


@pytest.mark.parametrize("language", ["ru", *(pytest.param(one, marks=pytest.mark.slow) for one in ("en", "uk"))])
def test_somebody_signs_in_sees_what_is_theirs_and_signs_out_in_their_language(console: Running, language: str) -> None:
    with chromium(console.url, language=language) as window:
        window.open("/")
        assert window.path.startswith("/login") and SIGN_IN[language] in window.text
        window.sign_in("olena", PASSWORD)
        assert window.path == "/" and "acme" in window.text and "parcelo" not in window.text
        assert window.one("html").get_attribute("lang") == language
        window.press(SIGN_OUT[language])
        assert window.path.startswith("/login")
        window.open("/account")
        assert window.path.startswith("/login")
        assert window.complaints() == []


def test_without_scripts_everything_of_the_account_works(console: Running) -> None:
    with chromium(console.url, scripts=False) as window:
        window.sign_in("olena", PASSWORD)
        window.open("/account")
        window.one("#language option[value='uk']").click()
        window.follow("form[action='/language'] button")
        assert "Мій обліковий запис" in window.text
        window.one("#language option[value='']").click()
        window.follow("form[action='/language'] button")
        assert "My account" in window.text


def test_the_keyboard_alone_signs_in(console: Running) -> None:
    with chromium(console.url) as window:
        window.open("/login")
        body = window.one("body")
        body.send_keys(Keys.TAB)
        skip = window.driver.switch_to.active_element
        assert skip.text == "Skip to the content" and skip.is_displayed()
        skip.send_keys(Keys.ENTER)
        window.driver.switch_to.active_element.send_keys(Keys.TAB)
        for text in ("olena", PASSWORD):
            window.driver.switch_to.active_element.send_keys(text, Keys.TAB)
        button = window.driver.switch_to.active_element
        button.send_keys(Keys.ENTER)
        window.wait_for_page_after(button)
        assert window.path == "/"


@pytest.mark.parametrize("page", ["/login", "/login/code"])
def test_pages_before_signing_in_are_accessible_and_fit_a_telephone(console: Running, page: str) -> None:
    with chromium(console.url) as window:
        look_at(window, page)


@pytest.mark.slow
@pytest.mark.parametrize("page", pages())
def test_every_page_is_accessible_and_fits_a_telephone(admin: Chromium, page: str) -> None:
    look_at(admin, page)


def look_at(window: Chromium, page: str) -> None:
    """Raises where a page is too wide, or hard to use for somebody."""
    window.complaints()
    window.require_accessible(page)
    assert window.complaints() == []
