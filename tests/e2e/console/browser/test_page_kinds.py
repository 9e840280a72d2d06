"""Every kind of page with something on it, at a telephone's width, in light and dark, under axe-core; the manager's story by
the keyboard alone; and what scripts of the pages do.

`test_browser` looks at every page by its address; here are those that depend on the item.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep
from urllib.parse import quote

import pytest
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from tests.e2e.console.browser.test_browser import look_at
from tests.e2e.console.test_previews import FILES, png
from tests.support.chromium import Chromium, chromium
from tests.support.console_login import PASSWORD
from tests.support.console_process import Running, running
from tests.support.desk import Desk, Place
from tests.support.tree_facts import tree_facts, write_files

pytestmark = pytest.mark.slow

PATIENCE = 120.0
LOST = {f"2024/{month:02}.csv": f"agent,calls\nolena,{month}\n".encode() for month in range(1, 13)}
CHANGED = {"may.csv": b"agent,calls\nagent-000,77\nnew,1\n", "notes.txt": b"one\ntwo\n", "chart.png": png(4, 4)}
ROLES = "".join(
    f'\n[[console.roles]]\nrole = "{role}"\npeople = ["olena"]\n'
    for role in ("exporter", "restorer", "operator", "auditor", "administrator")
)
ITEMS = (
    *("reports/may.csv", "reports/may.xlsx", "reports/may.sqlite", "reports/may.parquet", "reports/bill.pdf"),
    *("reports/chart.png", "reports/notes.txt", "reports/old.txt", "reports/empty.txt", "reports/raw.bin"),
    *("recordings/call.wav", "tickets/tickets/2024-05.jsonl", "mail/INBOX/2024-05/a.eml"),
)
PAGES = {
    **{f"a preview of {one}": f"/projects/acme/item/preview?path={quote(one, safe='')}" for one in ITEMS},
    "a ticket": "/projects/acme/item/preview?path=tickets%2Ftickets%2F2024-05.jsonl&record=0",
    "rows that are sorted": "/projects/acme/item/preview?path=reports%2Fmay.csv&sort=calls&descending=yes",
    "an item": "/projects/acme/item?path=reports%2Fmay.csv",
    "an item that vanished": "/projects/acme/item?path=reports%2F2024%2F05.csv",
    "what was found": "/projects/acme/search?q=csv",
    "a search that is not understood": "/projects/acme/search?period=nonsense",
    "a folder": "/projects/acme?folder=reports",
    "a folder of what vanished": "/projects/acme?folder=reports&deleted=1",
    "a year": "/projects/acme/periods?period=2024",
    "a month": "/projects/acme/periods?period=2024-05",
    "one folder of what vanished": "/projects/acme/vanished?folder=reports%2F2024&since=ever",
    "snapshots where something vanished": "/projects/acme/timeline?deletions=1",
    "flagged snapshots": "/projects/acme/flagged",
    "tables that can be asked": "/projects/acme/ask?tables=yes",
    "a page that is not there": "/projects/nothing",
    "one that is asked for wrongly": "/projects/acme?at=nonsense",
}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """With items of each format, some in two versions, and a folder that vanished."""
    made = Desk(tmp_path_factory.mktemp("kinds") / "desk", Place("repository"))
    made.init()
    for kind, files in FILES.items():
        write_files(made.folder / kind, files)
    write_files(made.folder / "reports", LOST)
    made.add("acme", *(f"{kind}={made.folder / kind}" for kind in FILES))
    made.call("backup")
    write_files(made.folder / "reports", CHANGED)
    made.call("backup")
    shutil.rmtree(made.folder / "reports/2024")
    made.call("backup", exits=(0, 3))
    made.settings.write_text(made.settings.read_text() + ROLES)
    password = made.folder / "password"
    password.write_text(f"{PASSWORD}\n")
    made.call("console", "user", "add", "olena", "--password-file", str(password))
    return made


@pytest.fixture(scope="module")
def console(desk: Desk) -> Iterator[Running]:
    with running(desk) as made:
        yield made


@pytest.fixture(scope="module")
def shared(console: Running) -> Iterator[Chromium]:
    with chromium(console.url) as made:
        made.sign_in("olena", PASSWORD)
        yield made


@pytest.fixture
def window(shared: Chromium) -> Chromium:
    return shared


@pytest.mark.parametrize("address", PAGES.values(), ids=PAGES)
def test_it_is_accessible_and_fits_a_telephone(window: Chromium, address: str) -> None:
    look_at(window, address)


@pytest.mark.parametrize("path", ["reports/may.csv", "reports/notes.txt", "reports/chart.png"])
def test_two_versions_beside_each_other_are_accessible(window: Chromium, path: str) -> None:
    window.open(f"/projects/acme/item?path={quote(path, safe='')}")
    window.follow("form[action$='/differences'] button")
    assert "/item/differences?" in window.path and ("Newer" in window.text), window.text
    look_at(window, window.path)
    if path.endswith(".png"):
        widths = window.evaluate("[...document.querySelectorAll('img.picture')].map(one => one.naturalWidth)")
        assert widths == [2, 4], "both pictures"


def test_an_answer_an_error_in_a_question_and_a_session_that_is_over_are_accessible(console: Running) -> None:
    with chromium(console.url) as window:
        window.sign_in("olena", PASSWORD)
        for sql in ("select 1 as one, 'x' as two", "selec 1"):
            window.open("/projects/acme/ask")
            window.fill("sql", sql)
            window.follow("button[name='do'][value='show']")
            window.require_accessible()
        window.driver.delete_all_cookies()
        window.follow("button[name='do'][value='show']")
        assert "Your session is over" in window.text and "selec 1" in window.evaluate("document.body.textContent")
        window.require_accessible()


def test_somebody_whose_session_ended_sends_what_they_typed_after_signing_in_on_another_page(console: Running) -> None:
    with chromium(console.url) as window:
        window.sign_in("olena", PASSWORD)
        window.open("/projects/acme/ask")
        window.fill("sql", "select 41 + 1 as answer")
        window.driver.delete_all_cookies()
        window.follow("button[name='do'][value='show']")
        here = window.driver.current_window_handle
        window.one("a[href='/login'][target='_blank']").click()
        (other,) = set(window.driver.window_handles) - {here}
        window.driver.switch_to.window(other)
        window.sign_in("olena", PASSWORD)
        window.driver.close()
        window.driver.switch_to.window(here)
        window.follow("main form button")
        window.follow("main form button")
        assert "42" in window.text and window.complaints() == []


def test_search_finds_while_somebody_types_and_what_it_found_can_be_ticked(window: Chromium) -> None:
    window.open("/projects/acme/search")
    window.one("#q").send_keys("2024/05")
    deadline = monotonic() + PATIENCE
    while "q=2024%2F05" not in window.path or window.has(".htmx-request, .htmx-swapping, .htmx-settling"):
        assert monotonic() < deadline, window.text
        sleep(0.2)
    assert "05.csv" in window.text and "06.csv" not in window.text
    window.choose_width(1280)
    box = window.one("#found input[name='item'][value='reports/2024/05.csv']")
    box.click()
    sleep(1)  # the field that was left must not ask again: what was ticked would be gone
    assert box.is_selected()
    window.follow("#found form.basket button")
    assert window.path == "/projects/acme/basket" and "2024/05.csv" in window.text


def test_a_manager_has_the_folder_back_by_the_keyboard_alone(desk: Desk, console: Running) -> None:
    with chromium(console.url) as window:
        window.sign_in("olena", PASSWORD)
        deadline = monotonic() + PATIENCE
        while not window.has(".lost a.button"):  # the first page may still be reading the project
            assert monotonic() < deadline, window.text
            sleep(0.5)
            window.open("/")
        press_by_keyboard(window, ".lost a.button")
        press_by_keyboard(window, "form.basket p.act button")
        press_by_keyboard(window, "form.way:has(input[name=goal][value=place]) button")
        press_by_keyboard(window, "form[method=post][action$='/get-back'] button")
        assert window.path.startswith("/tasks/")
        while window.has("form[action$='/cancel']"):
            assert monotonic() < deadline, window.text
            sleep(0.5)
            window.open(window.path)
    assert {name for name in tree_facts(desk.folder / "reports/2024") if name.endswith(b".csv")} == {
        Path(name).name.encode() for name in LOST
    }


def press_by_keyboard(window: Chromium, selector: str) -> None:
    """Tab from the beginning of the page until it is reached, with what is focused in sight each time, and Enter."""
    wanted = window.one(selector)
    window.evaluate("document.activeElement.blur()")
    for _ in range(300):
        active = tabbed(window)
        ring = active.value_of_css_property("outline-style")
        assert active.is_displayed() and ring not in ("none", ""), f"one cannot see where one is: {active.tag_name}"
        if active == wanted:
            active.send_keys(Keys.ENTER)
            window.wait_for_page_after(wanted)
            return
    raise AssertionError(f"nobody gets to {selector} by the keyboard")


def tabbed(window: Chromium) -> WebElement:
    window.driver.switch_to.active_element.send_keys(Keys.TAB)
    return window.driver.switch_to.active_element
