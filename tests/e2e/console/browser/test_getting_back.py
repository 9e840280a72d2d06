"""The manager's story in a real browser: from signing in to the folder being back, in each language, without scripts too, and
with a second person; and every page of it under axe-core, on a telephone's width."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.support.wait import WebDriverWait

from tests.e2e.console.getting_back import REPORTS, acts, make_desk
from tests.support.chromium import PATIENCE, Chromium, chromium
from tests.support.console_login import PASSWORD
from tests.support.console_process import Running, running
from tests.support.desk import Desk

DONE = {"en": "This task is done.", "ru": "Эта задача выполнена.", "uk": "Це завдання виконано."}
ROLES = """
[console]
approvals = [{approvals}]

[[console.roles]]
role = "restorer"
people = ["anna", "boris"]

[[console.roles]]
role = "exporter"
people = ["anna", "boris"]
"""


def desk_of(folder: Path, approvals: str) -> Desk:
    desk = make_desk(folder)
    desk.settings.write_text(desk.settings.read_text() + ROLES.format(approvals=approvals))
    file = desk.folder / "password"
    file.write_text(f"{PASSWORD}\n")
    for name in ("anna", "boris"):
        desk.call("console", "user", "add", name, "--title", name.title(), "--password-file", str(file))
    return desk


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return desk_of(tmp_path_factory.mktemp("story"), "")


@pytest.fixture(scope="module")
def console(desk: Desk) -> Iterator[Running]:
    with running(desk) as made:
        yield made


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Desk, Running]]:
    """One where a second person must approve a restore in place."""
    desk = desk_of(tmp_path_factory.mktemp("strict"), '"restore-in-place"')
    with running(desk) as made:
        yield desk, made


def tick_the_deleted_folder(window: Chromium) -> None:
    window.open("/projects/acme?folder=reports&deleted=1")
    window.one("input[name='folder'][value='reports/2024'], input[name='folder'][value='reports%2F2024']").click()
    window.follow("form.basket button")
    assert "reports/2024" in window.text


def wait_for(window: Chromium, words: str) -> None:
    """While the page changes by itself, the browser may not answer."""
    wait = WebDriverWait(window.driver, PATIENCE, poll_frequency=0.1, ignored_exceptions=[WebDriverException])
    wait.until(lambda _: words in window.text)


@pytest.mark.parametrize("language", sorted(DONE))
def test_a_manager_has_a_deleted_folder_back_in_their_language(desk: Desk, console: Running, language: str) -> None:
    shutil.rmtree(desk.folder / "reports/2024", ignore_errors=True)
    with chromium(console.url, language=language) as window:
        window.sign_in("anna", PASSWORD)
        tick_the_deleted_folder(window)
        window.follow("form:has(input[value='place']) button")
        assert not (desk.folder / "reports/2024").exists()
        window.follow("form[method='post'][action$='get-back'] button")
        wait_for(window, DONE[language])
        assert window.complaints() == []
    assert (desk.folder / "reports/2024/05.csv").read_bytes() == REPORTS["2024/05.csv"]


def test_it_works_without_scripts_too(desk: Desk, console: Running) -> None:
    shutil.rmtree(desk.folder / "reports/2024", ignore_errors=True)
    with chromium(console.url, scripts=False) as window:
        window.sign_in("anna", PASSWORD)
        tick_the_deleted_folder(window)
        window.follow("form:has(input[value='place']) button")
        window.follow("form[method='post'][action$='get-back'] button")
        task = window.path
        deadline = time.monotonic() + PATIENCE
        while DONE["en"] not in window.text:
            assert time.monotonic() < deadline, window.text
            window.open(task)
    assert (desk.folder / "reports/2024/06.csv").read_bytes() == REPORTS["2024/06.csv"]


def test_a_second_person_approves_it(strict: tuple[Desk, Running]) -> None:
    desk, console = strict
    with chromium(console.url) as anna, chromium(console.url) as boris:
        anna.sign_in("anna", PASSWORD)
        tick_the_deleted_folder(anna)
        anna.follow("form:has(input[value='place']) button")
        anna.fill("reason", "the client asks for 2024")
        anna.follow("form[method='post'][action$='get-back'] button")
        assert "waits for a second person" in anna.text
        boris.sign_in("boris", PASSWORD)
        boris.open("/approvals")
        boris.follow("main table a")
        assert "the client asks for 2024" in boris.text
        boris.require_accessible()
        boris.follow("button[value='approve']")
        wait_for(anna, DONE["en"])
        anna.require_accessible()
    assert (desk.folder / "reports/2024/05.csv").read_bytes() == REPORTS["2024/05.csv"]
    assert [action for action, _ in acts(desk, "boris")] == ["sign-in", "approve"]


def test_each_page_on_the_way_is_accessible_and_fits_a_telephone(desk: Desk, console: Running) -> None:
    with chromium(console.url) as window:
        window.sign_in("anna", PASSWORD)
        tick_the_deleted_folder(window)
        for page in (
            "/projects/acme/basket",
            "/projects/acme/get-back?goal=place",
            "/projects/acme/get-back?goal=download&format=xlsx&merge=1",
        ):
            window.open(page)
            window.require_accessible()
        window.follow("form[method='post'][action$='get-back'] button")
        window.require_accessible()
        window.open("/tasks")
        window.require_accessible()
