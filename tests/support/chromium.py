"""A Chromium of the system's, driven through its own driver, where there is one: Debian's `chromium`, `chromium-driver`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException, WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from tests.support import npm_packages
from tests.support.coverage_notes import not_covered

AXE = "axe-core@4.10.3"
PATIENCE = 30.0
TOO_WIDE = """[...document.querySelectorAll('main *, header *')]
    .filter(one => one.getBoundingClientRect().right > 360 && !one.closest('.scroll'))
    .map(one => one.outerHTML.slice(0, 200))"""


def _is_gone(element: WebElement) -> bool:
    """Whether its page was left. In the moment in between the driver has another word for it."""
    try:
        element.is_enabled()
    except StaleElementReferenceException:
        return True
    except WebDriverException as error:
        if "does not belong to the document" in str(error):
            return True
        raise
    return False


class Chromium:
    """One window. driver: for what these words do not say."""

    def __init__(self, driver: webdriver.Chrome, url: str) -> None:
        self.driver = driver
        self._url = url

    def open(self, path: str) -> None:
        """A page of the console."""
        self.driver.get(f"{self._url}{path}")

    @property
    def path(self) -> str:
        """Of the page that is shown, with its query."""
        return self.driver.current_url.removeprefix(self._url)

    @property
    def text(self) -> str:
        """What a person reads."""
        return str(self.evaluate("document.body.innerText"))

    def one(self, selector: str) -> WebElement:
        """An element, by its CSS selector."""
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def has(self, selector: str) -> bool:
        """Whether there is such an element."""
        return bool(self.driver.find_elements(By.CSS_SELECTOR, selector))

    def fill(self, name: str, text: str) -> None:
        """A field, by its name."""
        field = self.one(f"[name='{name}']")
        field.clear()
        field.send_keys(text)

    def press(self, words: str) -> None:
        """A button or a link, by what is written on it, that leads to another page."""
        quoted = json.dumps(words, ensure_ascii=False)
        self._follow(self.driver.find_element(By.XPATH, f"//*[self::button or self::a][normalize-space(.)={quoted}]"))

    def sign_in(self, name: str, password: str) -> None:
        """From the login page on; whatever its language."""
        self.open("/login")
        self.fill("name", name)
        self.fill("password", password)
        self._follow(self.one("main form button"))

    def follow(self, selector: str) -> None:
        """A link or a button by its CSS selector, whatever the language."""
        self._follow(self.one(selector))

    def _follow(self, element: WebElement) -> None:
        element.click()
        self.wait_for_page_after(element)

    def wait_for_page_after(self, element: WebElement) -> None:
        """Until another page is there in the place of the one with this element."""
        wait = WebDriverWait(self.driver, PATIENCE, poll_frequency=0.05)
        wait.until(lambda _: _is_gone(element))
        wait.until(lambda _: self.evaluate("document.readyState") == "complete")

    def wait_until(self, there: Callable[[], bool]) -> None:
        """Until scripts have changed the page so."""
        WebDriverWait(self.driver, PATIENCE, poll_frequency=0.05).until(lambda _: there())

    def choose_width(self, pixels: int) -> None:
        """As a device of this width shows it; a window cannot be made so narrow."""
        metrics = {"width": pixels, "height": 800, "deviceScaleFactor": 1, "mobile": True}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def choose_colours(self, scheme: str) -> None:
        """scheme: dark or light, as the person's system says."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def evaluate(self, script: str) -> Any:
        """The value of an expression, or of its promise; no policy of the page forbids it."""
        asked = {"expression": script, "awaitPromise": True, "returnByValue": True}
        answer = self.driver.execute_cdp_cmd("Runtime.evaluate", asked)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def violations(self) -> list[str]:
        """What axe-core finds on this page, against WCAG 2.2 AA and its own best practice."""
        source = npm_packages.folder_with(AXE, "the console's pages under axe-core") / "node_modules/axe-core/axe.min.js"
        self.evaluate(source.read_text("utf-8") + "; true")
        found = self.evaluate("axe.run(document).then(found => JSON.stringify(found.violations))")
        return [
            f"{self.path}: {one['id']} ({one['help']}): {node['html'][:200]}"
            for one in json.loads(found)
            for node in one["nodes"]
        ]

    def require_accessible(self, path: str = "") -> None:
        """A page, or that which is shown. Raises AssertionError where it is wider than a telephone, or hard to use for
        somebody, in light or in dark."""
        self.choose_width(360)
        for scheme in ("light", "dark"):
            self.choose_colours(scheme)
            if path:
                self.open(path)
            wide = self.evaluate("document.documentElement.scrollWidth")
            assert wide <= 360, f"{self.path} is wider than a telephone: {self.evaluate(TOO_WIDE)}"
            found = self.violations()
            assert found == [], "\n".join(found)

    def complaints(self) -> list[str]:
        """What the browser itself said of the pages: refused scripts and styles, errors of scripts; not that a page is an
        error's."""
        said: list[dict[str, str]] = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        return [
            one["message"]
            for one in said
            if one["level"] in ("WARNING", "SEVERE") and "the server responded with a status of" not in one["message"]
        ]


def require() -> tuple[str, str]:
    """The browser and its driver. Skips, and says so, where they are not here."""
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if binary is None or driver is None:
        not_covered("the console in a browser: no chromium, or no chromedriver, here (apt install chromium chromium-driver)")
        pytest.skip("no chromium")
    return binary, driver


@contextmanager
def chromium(url: str, *, language: str = "en", scripts: bool = True) -> Iterator[Chromium]:
    """A window of its own profile. scripts: whether pages may run any. Skips, and says so, where there is no Chromium."""
    binary, driver = require()
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for one in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--window-size=1280,900"):
        options.add_argument(one)
    preferences: dict[str, Any] = {"intl.accept_languages": language}
    if not scripts:
        preferences["profile.managed_default_content_settings.javascript"] = 2
    options.add_experimental_option("prefs", preferences)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    window = webdriver.Chrome(options, Service(driver))
    try:
        window.set_page_load_timeout(PATIENCE)
        yield Chromium(window, url)
    finally:
        window.quit()
