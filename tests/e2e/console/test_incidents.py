"""What nobody expected: the person gets a number, the log has under it where that was, and neither has content or secrets."""

from __future__ import annotations

import logging
import re
import signal
import sys
from collections.abc import Iterator

import httpx2 as httpx
import pytest

from console import incidents
from console.access.rights import Role
from console.errors import NotThere
from console.gateway import home
from console.visit import Visit
from tests.support.console import console_of, person, text_of
from tests.support.console_login import FORM, PASSWORD
from tests.support.console_process import running
from tests.support.desk import Desk
from tests.support.randomness import SeededChance

CONTENT = "+380 44 000 17"
BROKEN = f"""
import sys, threading
from console import server
from console.gateway import home

def broken(visit):
    threading.Thread(target=lambda: int("{CONTENT}"), name="beside").start()
    raise ValueError("could not convert '{CONTENT}'")

home.cards = broken
from cli.start import run
sys.argv = ["strongroom", *sys.argv[1:]]
sys.exit(run())
"""
NUMBER = re.compile(r"\b[0-9a-f]{8}\b")
ROLES = '\n[[console.roles]]\nrole = "viewer"\npeople = ["anna"]\n'


@pytest.fixture
def desk(two_projects: Desk) -> Iterator[Desk]:
    before = two_projects.settings.read_text()
    two_projects.settings.write_text(before + ROLES)
    password = two_projects.folder / "password"
    password.write_text(f"{PASSWORD}\n")
    two_projects.call("console", "user", "add", "anna", "--password-file", str(password))
    yield two_projects
    two_projects.call("console", "user", "remove", "anna", "--yes")
    two_projects.settings.write_text(before)


def test_the_log_of_a_console_that_runs_has_the_traceback_under_the_number_that_the_page_shows(desk: Desk) -> None:
    file = desk.folder / "console.log"
    with running(desk, "--log-file", str(file), program=[sys.executable, "-c", BROKEN]) as console:
        with httpx.Client(base_url=console.url) as client:
            form = FORM.search(client.get("/login").text)
            assert form is not None
            client.post("/login", data={"form": form[1], "name": "anna", "password": PASSWORD, "back": "/"})
            page = client.get("/?secret=in-the-address")
        assert page.status_code == 500 and CONTENT not in page.text
        (number,) = NUMBER.findall(text_of(page))
        console.process.send_signal(signal.SIGTERM)
        assert console.process.wait(30) == 0
        said = console.log.read_text()
    lines = [line for line in said.splitlines() if line.startswith(number)]
    assert lines[0] == f"{number} GET /, asked by anna" and "in broken" in lines[-2] and f"{number} ValueError: (" in lines[-1]
    (kept,) = (line for line in file.read_text().splitlines() if number in line)
    assert "error: " in kept and "in broken" in kept and "ValueError" in kept
    assert "the thread beside has ended" in said and said.count("ValueError") == 2
    for secret in (CONTENT, "in-the-address", "Traceback"):
        assert secret not in said + file.read_text()


@pytest.mark.parametrize(("language", "words"), [("ru", "сообщите тому, кто обслуживает консоль, номер"), ("uk", "повідомте")])
def test_the_page_and_the_answer_to_a_script_have_numbers_of_their_own(
    two_projects: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, language: str, words: str
) -> None:
    monkeypatch.setattr(home, "cards", _broken)
    with caplog.at_level(logging.ERROR), console_of(two_projects, person("anna", Role.VIEWER, language=language)) as console:
        page, answer = text_of(console.get("/")), console.call("/projects")
    assert words in page
    error = answer.json()["error"]
    assert (answer.status_code, error["message"]) == (500, incidents.UNEXPECTED)
    numbers = [*NUMBER.findall(page), *NUMBER.findall(error["hint"])]
    assert len(set(numbers)) == 2 and CONTENT not in caplog.text + page + answer.text
    for number, path in zip(numbers, ("/", "/api/v1/projects"), strict=True):
        assert f"{number} GET {path}, asked by anna" in caplog.text and f"{number} KeyError: (" in caplog.text


def _broken(_visit: Visit) -> None:
    raise KeyError(CONTENT)


def test_errors_that_led_to_it_are_there_and_words_only_where_they_hold_no_content() -> None:
    def read() -> None:
        try:
            raise FileNotFoundError(2, "No such file or directory", CONTENT)
        except OSError as error:
            raise NotThere("there is no such item") from error

    def show() -> None:
        try:
            read()
        finally:
            several = [AttributeError("no attribute 'rows'"), UnicodeDecodeError("utf-8", b"17", 0, 1, CONTENT)]
            raise ExceptionGroup(CONTENT, several)

    with pytest.raises(ExceptionGroup) as met:
        show()
    found = [*incidents.lines(met.value)]
    assert CONTENT not in "\n".join(found)
    left_out = "(its words may hold content, and are left out)"
    assert [line for line in found if not line.startswith(" ")] == [
        "FileNotFoundError: No such file or directory",
        "which led to:",
        "console.errors.NotThere: there is no such item",
        "which led to:",
        f"ExceptionGroup: {left_out}",
        "of which one is:",
        "AttributeError: no attribute 'rows'",
        "of which one is:",
        f"UnicodeDecodeError: {left_out}",
    ]
    assert sum(line.endswith("in read") for line in found) == 2 and sum(line.endswith("in show") for line in found) == 2


def test_an_error_has_one_number_however_often_it_is_met(caplog: pytest.LogCaptureFixture) -> None:
    error, chance = RuntimeError(CONTENT), SeededChance("incidents")
    assert incidents.noted(error, "a page", chance) == incidents.noted(error, "the server", chance)
    assert len(caplog.records) == 1


def test_what_calls_itself_without_end_is_a_page_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    def deeper() -> None:
        deeper()

    with pytest.raises(RecursionError) as met:
        deeper()
    incidents.noted(met.value, "a page", SeededChance("incidents"))
    assert len(caplog.messages[0].splitlines()) < 4 * incidents.MOST_FRAMES
