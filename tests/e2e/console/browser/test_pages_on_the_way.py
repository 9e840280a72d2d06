"""Pages that are only there once somebody has done something: exports and verdicts on bags, other rules, holds, requests for a
second person, erasing and its act, tokens of hosts, passkeys, tasks that wait for a host: each at a telephone's width, in light
and dark, under axe-core."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep

import pytest
from selenium.webdriver.common.keys import Keys

from tests.e2e.console.browser.test_passkeys import device
from tests.e2e.console.getting_back import REPORTS, make_desk
from tests.e2e.test_copy import name_copy
from tests.support.agent_process import agent
from tests.support.chromium import Chromium, chromium
from tests.support.console_login import PASSWORD
from tests.support.console_process import Running, running
from tests.support.desk import Desk, Place
from tests.support.names_only import names_only
from tests.support.tree_facts import write_files

pytestmark = pytest.mark.slow

PATIENCE = 120.0
ROLES = "\n[erasure]\napprovals = 1\n" + "".join(
    f'\n[[console.roles]]\nrole = "{role}"\npeople = ["olena", "boris"]\n'
    for role in ("exporter", "restorer", "operator", "auditor", "administrator")
)
AGENT = '\n[agent]\nevery = "1 second"\n\n[[agent.allow]]\nprojects = ["acme"]\nin_place = true\n'


def prepared(folder: Path, more: str = "") -> Desk:
    desk = make_desk(folder)
    desk.add("zarya", f"reports={desk.folder / 'reports'}")
    desk.call("backup", "zarya")
    name_copy(desk, Place("second"))
    desk.call("copy")
    names_only(desk, "acme")
    desk.settings.write_text(desk.settings.read_text() + ROLES + more)
    password = desk.folder / "password"
    password.write_text(f"{PASSWORD}\n")
    for name in ("olena", "boris"):
        desk.call("console", "user", "add", name, "--password-file", str(password))
    return desk


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return prepared(tmp_path_factory.mktemp("way"))


@pytest.fixture(scope="module")
def console(desk: Desk) -> Iterator[Running]:
    with running(desk) as made:
        yield made


@pytest.fixture(scope="module")
def windows(console: Running) -> Iterator[tuple[Chromium, Chromium]]:
    """Of olena, who asks, and of boris, who decides."""
    with chromium(console.url) as olena, chromium(console.url) as boris:
        olena.sign_in("olena", PASSWORD)
        boris.sign_in("boris", PASSWORD)
        yield olena, boris


@pytest.fixture
def olena(windows: tuple[Chromium, Chromium]) -> Chromium:
    return windows[0]


@pytest.fixture
def boris(windows: tuple[Chromium, Chromium]) -> Chromium:
    return windows[1]


def wait(window: Chromium, words: str) -> None:
    """Until the page says it, opened again and again."""
    deadline = monotonic() + PATIENCE
    while words not in window.text:
        assert monotonic() < deadline, window.text
        sleep(0.2)
        window.open(window.path)


def sees(window: Chromium, words: str) -> None:
    """That the page says it, and is for everybody."""
    assert words in window.text, window.text
    window.require_accessible()


def decide(boris: Chromium, reason: str) -> None:
    """The one request that is open, looked at and approved."""
    boris.open("/approvals")
    sees(boris, "acme" if "zarya" not in boris.text else "zarya")
    boris.follow("main a[href^='/approvals/']")
    sees(boris, reason)
    boris.follow("button[value='approve']")
    boris.require_accessible()


def tick_by_keyboard(window: Chromium, selector: str) -> None:
    """A box, which is in sight then: what stays at the lower edge of the page does not lie over it."""
    box = window.one(selector)
    box.send_keys(Keys.SPACE)
    script = """
        const [box, around] = [document.activeElement, document.activeElement.getBoundingClientRect()];
        return document.elementFromPoint(around.x + around.width / 2, around.y + around.height / 2) === box;
    """
    assert box.is_selected() and window.driver.execute_script(script), "it is hidden"


def test_an_export_its_bag_and_verdicts_on_bags(desk: Desk, olena: Chromium) -> None:
    olena.open("/projects/acme/export?plan=1&periods=2025&format=xlsx")
    sees(olena, "What it comes to")
    olena.fill("reason", "audit 17")
    olena.press("Make the bag")
    wait(olena, "The bag is whole.")
    sees(olena, "Download")
    olena.open("/projects/acme/bags")
    sees(olena, "audit 17")
    wrong = desk.folder / "wrong.zip"
    with zipfile.ZipFile(wrong, "w") as archive:
        archive.writestr("bag/bagit.txt", "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n")
        archive.writestr(f"bag/{'unlisted-' * 20}.csv", "agent,calls\n")
    olena.one("#bag").send_keys(str(wrong))
    olena.follow("form[enctype='multipart/form-data'] button")
    wait(olena, "The bag is NOT what it says.")
    sees(olena, "wrong")


def test_a_log_that_was_verified_and_the_log_of_accounts(olena: Chromium) -> None:
    olena.open("/projects/acme/log")
    olena.press("Verify the whole log")
    sees(olena, "all of it")
    olena.open("/projects/acme/log")
    olena.one("details summary").click()
    olena.require_accessible()
    olena.follow("button[name='new']")
    sees(olena, "What is new of the log is whole")
    olena.open("/prove/accounts")
    wait(olena, "sign-in")
    sees(olena, "olena")


def test_other_rules_that_keep_less_and_what_a_second_person_sees_of_them(olena: Chromium, boris: Chromium) -> None:
    olena.open("/projects/acme/retention?other=1&last=3&within=0+days&item-reports=5+years")
    sees(olena, "They keep less than before:")
    olena.fill("reason", "the contract says so")
    olena.fill("confirm", "acme")
    olena.press("Ask for these rules")
    sees(olena, "Nobody approves their own requests.")
    decide(boris, "the contract says so")
    olena.open(olena.path)
    sees(olena, "Do it now")
    olena.press("Withdraw")
    olena.require_accessible()


def test_a_hold_that_was_placed_and_the_request_for_its_release(olena: Chromium, boris: Chromium) -> None:
    olena.open("/projects/acme/holds")
    olena.fill("kind", "reports")
    olena.one("#reason").send_keys("case 17")
    olena.press("Place it")
    sees(olena, "The hold is placed")
    olena.one("#why-1").send_keys("the case is over")
    olena.follow("form[action$='/holds/release'] button")
    sees(olena, "Which hold")
    decide(boris, "the case is over")
    olena.open(olena.path)
    olena.follow("form[action$='/carry-out'] button")
    sees(olena, "the case is over")


def test_a_single_snapshot_that_is_held(olena: Chromium) -> None:
    olena.open("/projects/acme/timeline")
    olena.require_accessible()
    olena.follow("td a[href*='/holds?snapshot=']")
    sees(olena, "On the whole snapshot")
    olena.one("#reason").send_keys("case 18")
    olena.press("Place it")
    sees(olena, "the snapshot stays until the hold ends")


def test_what_a_copy_keeps_and_the_request_for_rules_that_keep_less(olena: Chromium, boris: Chromium) -> None:
    olena.open("/watch")
    olena.press("What the copy offsite keeps")
    sees(olena, "those of each project")
    olena.open(f"{olena.path}?other=1&rules=own&last=1&within=0+days")
    sees(olena, "They keep less than before:")
    olena.fill("reason", "the lease ends")
    olena.fill("confirm", "offsite")
    olena.press("Ask for these rules")
    sees(olena, "all projects")
    boris.open(olena.path)
    sees(boris, "the lease ends")
    olena.press("Withdraw")
    olena.require_accessible()


def test_a_task_that_failed_and_is_done_again(desk: Desk, olena: Chromium) -> None:
    olena.open("/projects/acme/export?plan=1&periods=2025")  # the folder is made with the first file
    olena.fill("reason", "audit 17")
    olena.press("Make the bag")
    wait(olena, "The bag is whole.")
    (files,) = (one for one in desk.folder.rglob("console-files") if one.is_dir())
    kept = files.rename(files.with_name("kept"))
    files.write_text("no folder")
    olena.open("/projects/acme/export?plan=1&periods=2025")
    olena.fill("reason", "audit 18")
    olena.press("Make the bag")
    wait(olena, "This task did not work.")
    olena.require_accessible()
    files.unlink()
    kept.rename(files)
    task = olena.path
    olena.open("/tasks")
    sees(olena, "did not work")
    olena.open(task)
    olena.follow("form[action$='/again'] button")
    wait(olena, "The bag is whole.")
    olena.require_accessible()


def test_evidence_that_is_brought_is_verified_with_its_findings(desk: Desk, olena: Chromium) -> None:
    evidence = desk.folder / "evidence.zip"
    desk.call("evidence", "acme", "--period", "2020..2099", "--to", str(evidence))
    olena.open("/projects/acme/bags")
    olena.one("#bag").send_keys(str(evidence))
    olena.follow("form[enctype='multipart/form-data'] button")
    wait(olena, "The bag is")
    sees(olena, "evidence.zip")


def test_the_token_of_a_host_and_the_hosts(olena: Chromium) -> None:
    olena.open("/hosts")
    olena.fill("name", "backup1")
    olena.fill("projects", "acme, zarya")
    last = olena.one("#until").get_attribute("max")
    olena.evaluate(f"document.getElementById('until').value = '{last}'")
    olena.press("Make the token")
    sees(olena, "strongroom_host_")
    olena.open("/hosts")
    sees(olena, "backup1")


def test_the_erasing_of_a_project_from_the_question_to_the_act(olena: Chromium, boris: Chromium) -> None:
    olena.open("/projects/zarya/erase")
    olena.fill("reason", "the contract has ended")
    olena.fill("confirm", "zarya")
    olena.follow("form[action$='/erase'] button")
    sees(olena, "Nobody approves their own requests.")
    asked = olena.path
    decide(boris, "the contract has ended")
    olena.open("/projects/zarya/erase")
    olena.require_accessible()
    olena.open(asked)
    olena.follow("form[action$='/carry-out'] button")
    wait(olena, "This task is done.")
    sees(olena, "Act of destruction")
    olena.open("/projects/zarya/erase")
    sees(olena, "This project was erased.")
    olena.open("/projects/zarya/erasure")
    sees(olena, "How anybody verifies it")
    olena.open("/prove")
    sees(olena, "Erased projects")


def test_a_passkey_while_it_is_made_and_the_account_that_has_it(console: Running) -> None:
    with chromium(f"http://localhost:{console.port}") as window:
        device(window)
        window.sign_in("boris", PASSWORD)
        window.open("/account")
        window.one("#new-passkey-password").send_keys(PASSWORD)
        window.follow("form[action='/account/passkeys/begin'] button")
        sees(window, "Make the passkey")
        window.fill("label", "the telephone " * 6)
        window.press("Make the passkey")
        sees(window, "signs you in from now on")
        window.press("Sign out")
        window.sign_in("boris", PASSWORD)
        sees(window, "Use a passkey")
        window.press("Use a passkey")
        window.open("/account")
        sees(window, "the telephone")
        window.open("/people")
        window.require_accessible()


def test_a_task_that_waits_for_a_host_is_to_be_confirmed_and_is_carried_out(tmp_path: Path) -> None:
    desk = prepared(tmp_path, AGENT)
    write_files(desk.folder / "reports/2024", {"06.csv": b"an old copy"})
    os.utime(desk.folder / "reports/2024/06.csv", (1_000_000_000, 1_000_000_000))
    made = desk.call("console", "host", "add", "backup1", "--project", "acme", "--until", "2027-01-31", "--json").document
    token = desk.folder / "token"
    token.write_text(f"{made['token']}\n")
    with running(desk, "--identity", str(names_only(desk))) as console, chromium(console.url) as window:
        window.sign_in("olena", PASSWORD)
        window.open("/projects/acme/item/preview?path=reports%2F2025%2F01.csv")
        sees(window, "cannot read content")
        window.open("/projects/acme?folder=reports&deleted=1")
        tick_by_keyboard(window, "input[name='folder'][value='reports/2024']")
        window.follow("form.basket button")
        window.open("/projects/acme/get-back?goal=place")
        sees(window, "by a host that has the key")
        window.follow("form[method='post'][action$='get-back'] button")
        sees(window, "waits for a host")
        window.open("/watch")
        sees(window, "Hosts that carry out restores")
        window.open("/tasks")
        window.require_accessible()
        window.follow("main a[href^='/tasks/']")
        with agent(desk, console.url, token):
            wait(window, "waits for you to confirm it")
            sees(window, "1 file that is there is replaced.")
            window.press("Replace them")
            wait(window, "This task is done.")
        sees(window, "Carried out by the host backup1")
    assert (desk.folder / "reports/2024/06.csv").read_bytes() == REPORTS["2024/06.csv"]
