"""Passkeys in a real browser, with a device that Chromium itself plays."""

from __future__ import annotations

from selenium.webdriver.common.virtual_authenticator import VirtualAuthenticatorOptions

from tests.support.chromium import Chromium, chromium
from tests.support.console_login import PASSWORD
from tests.support.console_process import Running


def test_a_passkey_is_made_signs_in_is_the_second_factor_and_is_removed(console: Running) -> None:
    named = f"http://localhost:{console.port}"
    with chromium(named) as window:
        device(window)
        window.sign_in("admin", PASSWORD)
        window.open("/account")
        window.one("#new-passkey-password").send_keys(PASSWORD)
        window.follow("form[action='/account/passkeys/begin'] button")
        assert window.violations() == []
        window.fill("label", "Chromium")
        window.press("Make the passkey")
        assert "signs you in from now on" in window.text and "Chromium" in window.text
        assert window.violations() == []
        window.press("Sign out")
        window.press("Sign in with a passkey")
        assert window.path == "/" and "acme" in window.text
        window.press("Sign out")
        window.sign_in("admin", PASSWORD)
        assert window.path == "/login/code" and window.violations() == []
        window.press("Use a passkey")
        assert window.path == "/"
        window.open("/account")
        window.one("#passkey-password").send_keys(PASSWORD)
        window.follow("form[action='/account/passkeys/remove'] button")
        assert "Chromium" not in window.one("section[aria-labelledby='passkeys']").text
        assert window.complaints() == []


def test_where_the_device_answers_nothing_the_page_says_so_and_the_password_still_works(console: Running) -> None:
    with chromium(f"http://localhost:{console.port}") as window:
        device(window)
        window.sign_in("olena", PASSWORD)
        window.open("/account")
        window.one("#new-passkey-password").send_keys(PASSWORD)
        window.follow("form[action='/account/passkeys/begin'] button")
        window.fill("label", "Chromium")
        window.press("Make the passkey")
        window.press("Sign out")
        window.driver.set_user_verified(False)
        window.one("form[action='/login/passkey'] button").click()
        window.wait_until(lambda: "Nothing came from the device" in window.text)
        assert window.path == "/login" and window.has("form[action='/login'] input[name='password']")
        assert window.complaints() == []


def device(window: Chromium) -> None:
    """That verifies its person, at once."""
    options = VirtualAuthenticatorOptions()
    options.has_resident_key = options.has_user_verification = options.is_user_verified = True
    window.driver.add_virtual_authenticator(options)
