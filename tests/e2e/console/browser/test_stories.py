"""What people come for, in a real browser: a folder that somebody deleted is back; a second person approves; the operator
accepts what was found odd, and the auditor sees who did it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep

import pytest
from selenium.webdriver.common.by import By

from tests.support.chromium import Chromium, chromium
from tests.support.console_login import PASSWORD
from tests.support.console_process import Running, running
from tests.support.desk import Desk, Place
from tests.support.tree_facts import Facts, tree_facts, write_files

PATIENCE = 120.0
REPORTS = {f"2024/{month:02}.csv": f"agent,calls\nolena,{month}\n".encode() for month in range(1, 13)}
ROLES = """
[console]
approvals = [{approvals}]

[[console.roles]]
role = "restorer"
people = ["olena", "ivan"]
projects = ["acme"]

[[console.roles]]
role = "operator"
people = ["oleg"]

[[console.roles]]
role = "auditor"
people = ["oleg"]
"""


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """acme has lost the reports of 2024, and has been backed up since."""
    made = Desk(tmp_path / "desk", Place("repository"))
    write_files(made.folder / "reports", REPORTS)
    made.init()
    made.add("acme", f"reports={made.folder / 'reports'}")
    made.call("backup")
    write_files(made.folder / "reports", {"2025/01.csv": b"agent,calls\nivan,1\n"})
    return made


@pytest.fixture
def lost(desk: Desk) -> dict[bytes, Facts]:
    """What was in the folder that is deleted now."""
    folder = desk.folder / "reports" / "2024"
    facts = tree_facts(folder)
    shutil.rmtree(folder)
    desk.call("backup", exits=(0, 3))
    return facts


def serve(desk: Desk, approvals: str = "") -> Iterator[Running]:
    with desk.settings.open("a") as out:
        out.write(ROLES.format(approvals=approvals))
    password = desk.folder / "password"
    password.write_text(f"{PASSWORD}\n")
    for name in ("olena", "ivan", "oleg"):
        desk.call("console", "user", "add", name, "--password-file", str(password))
    with running(desk) as console:
        yield console


@pytest.fixture
def console(desk: Desk, lost: dict[bytes, Facts]) -> Iterator[Running]:
    yield from serve(desk)


@pytest.fixture
def careful_console(desk: Desk, lost: dict[bytes, Facts]) -> Iterator[Running]:
    """It asks a second person before anything is restored in place."""
    yield from serve(desk, '"restore-in-place"')


def to_the_plan(window: Chromium) -> None:
    """From the first page to the plan of getting back in place what vanished."""
    deadline = monotonic() + PATIENCE
    while not window.has(".lost a.button"):  # the first page may still be reading the project
        assert monotonic() < deadline, window.text
        sleep(0.5)
        window.open("/")
    window.follow(".lost a.button")
    window.follow("form.basket p.act button")
    window.follow("form.way:has(input[name=goal][value=place]) button")


def wait_until_back(window: Chromium, folder: Path, lost: dict[bytes, Facts]) -> None:
    """The task's own page is looked at until there is nothing more to do."""
    deadline = monotonic() + PATIENCE
    while window.has("form[action$='/cancel']"):
        assert monotonic() < deadline, window.text
        sleep(0.5)
        window.open(window.path)
    assert tree_facts(folder) == lost


@pytest.mark.parametrize(
    ("language", "scripts"),
    [
        pytest.param("en", True, marks=pytest.mark.slow, id="en"),
        pytest.param("ru", True, marks=pytest.mark.slow, id="ru"),
        pytest.param("uk", False, id="uk-no-scripts"),
    ],
)
def test_a_manager_gets_a_deleted_folder_back(
    desk: Desk, console: Running, lost: dict[bytes, Facts], language: str, *, scripts: bool
) -> None:
    with chromium(console.url, language=language, scripts=scripts) as window:
        window.choose_width(360)
        window.sign_in("olena", PASSWORD)
        to_the_plan(window)
        assert "12" in window.text and not (desk.folder / "reports/2024").exists(), "a plan writes nothing"
        window.follow("form[method=post][action$='/get-back'] button")
        assert window.path.startswith("/tasks/")
        wait_until_back(window, desk.folder / "reports/2024", lost)
        assert window.complaints() == []


@pytest.mark.slow
def test_a_second_person_approves_before_anything_is_written(
    desk: Desk, careful_console: Running, lost: dict[bytes, Facts]
) -> None:
    with chromium(careful_console.url) as olena, chromium(careful_console.url) as ivan:
        olena.sign_in("olena", PASSWORD)
        to_the_plan(olena)
        olena.fill("reason", "the client needs them by noon")
        olena.press("Ask for it")
        assert not (desk.folder / "reports/2024").exists()
        olena.open("/approvals")
        olena.follow("main a[href^='/approvals/']")
        assert not olena.has("[name=decision]"), "nobody approves their own"
        ivan.sign_in("ivan", PASSWORD)
        ivan.open("/approvals")
        ivan.follow("main a[href^='/approvals/']")
        assert "the client needs them by noon" in ivan.text
        ivan.press("Approve")
        olena.open("/tasks")
        olena.follow("main a[href^='/tasks/']")
        wait_until_back(olena, desk.folder / "reports/2024", lost)


@pytest.mark.slow
def test_the_operator_accepts_what_was_odd_and_the_auditor_sees_who_did_it(desk: Desk, console: Running) -> None:
    with chromium(console.url) as window:
        window.sign_in("oleg", PASSWORD)
        window.open("/watch")
        assert "acme" in window.text
        window.open("/projects/acme/flagged")
        window.one("[name=snapshot]").click()
        window.fill("reason", "the client has moved them")
        window.follow("form[method=post][action$='/flagged'] button")
        assert not window.has("[name=snapshot]")
        window.open("/projects/acme/log")
        assert "the client has moved them" in window.text, "with who did it, and why"
        row = window.driver.find_element(By.XPATH, "//tr[contains(., 'the client has moved them')]")
        assert "oleg" in row.text
