"""The first page: the projects of whoever asks, and nothing of others."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from console.access.rights import Person, Role
from tests.support.console import console_of, links_of, person, text_of
from tests.support.console_words import english_words, read
from tests.support.desk import Desk, Place
from tests.support.tree_facts import write_files


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(tmp_path / "desk", Place("repository"))
    write_files(made.folder / "source", {"2024-05.csv": b"agent,calls\nolena,17\n", "2024-06.csv": b"agent,calls\nivan,23\n"})
    made.init()
    made.add("acme", f"reports={made.folder / 'source'}")
    made.add("parcelo", f"reports={made.folder / 'source'}")
    made.call("backup")
    return made


def test_somebody_sees_their_projects_with_what_was_kept(desk: Desk) -> None:
    with console_of(desk, person("anna", Role.VIEWER, projects=["acme"])) as console:
        page = console.get("/")
        assert page.status_code == 200
        assert links_of(page)["acme"] == "/projects/acme"
        assert "2 files" in text_of(page) and "parcelo" not in page.text


def test_the_page_is_in_the_language_of_the_person_or_the_browser(desk: Desk) -> None:
    with console_of(desk, person("anna", Role.VIEWER, language="ru"), person("ivan", Role.VIEWER)) as console:
        assert "2 файла" in text_of(console.get("/"))
        console.person = "ivan"
        assert "2 файли" in text_of(console.get("/", accept_language="uk"))


def test_who_has_not_signed_in_is_sent_to_do_so_and_comes_back(desk: Desk) -> None:
    with console_of(desk) as console:
        page = console.get("/?x=1")
        assert (page.status_code, page.headers["location"]) == (303, "/login?back=%2F%3Fx%3D1")


def test_every_answer_has_the_headers_that_keep_browsers_from_harm(desk: Desk) -> None:
    with console_of(desk, person("anna", Role.VIEWER)) as console:
        for path in ("/", "/nowhere", "/static/console.css"):
            headers = console.get(path).headers
            assert "default-src 'none'" in headers["content-security-policy"], path
            assert headers["x-content-type-options"] == "nosniff"
        assert console.get("/nowhere").status_code == 404


def test_a_card_says_which_promises_are_not_kept(desk: Desk) -> None:
    with console_of(desk, person("anna", Role.VIEWER, projects=["parcelo"])) as console:
        assert "All backups are in time" in text_of(console.get("/"))
    shutil.rmtree(desk.folder / "source")
    desk.call("backup", exits=1)
    with console_of(desk, person("anna", Role.VIEWER, projects=["parcelo"])) as console:
        assert "reports: the last backup failed" in text_of(console.get("/"))


def test_while_nothing_is_known_yet_the_page_is_there_and_asks_again(desk: Desk) -> None:
    anna = person("anna", Role.VIEWER, projects=["acme"])
    with console_of(desk, anna, fresh_for=3600) as console:
        for _ in range(600):  # a page is there at once, and the cards follow when they are read
            page = console.get("/")
            assert page.status_code == 200
            if "being read" not in page.text:
                break
            assert 'hx-trigger="load delay:1s"' in page.text
            time.sleep(0.05)
        assert "2 files" in text_of(page) and "hx-trigger" not in page.text


def test_a_store_that_is_away_is_said_on_the_card_and_nothing_else_is(desk: Desk) -> None:
    with console_of(desk, person("anna", Role.VIEWER)) as console:
        assert console.get("/").status_code == 200
        (desk.folder / "repository").rename(desk.folder / "elsewhere")
        page = console.get("/projects/acme")
        assert page.status_code >= 500 and "Traceback" not in page.text
        (desk.folder / "elsewhere").rename(desk.folder / "repository")
        assert console.get("/projects/acme").status_code == 200


@pytest.mark.parametrize(("language", "words"), [("en", "There is no snapshot yet."), ("ru", "Снимков пока нет")])
def test_a_project_that_was_never_backed_up_has_a_page_that_says_what_comes_next(desk: Desk, language: str, words: str) -> None:
    desk.add("novy", f"reports={desk.folder / 'source'}")
    viewer, operator = person("anna", Role.VIEWER, language=language), person("olga", Role.OPERATOR, language=language)
    part = person("ivan", Role.VIEWER, kinds=["tickets"], projects=["novy"])
    with console_of(desk, viewer, operator, part) as console:
        assert links_of(console.get("/"))["novy"] == "/projects/novy"
        for path in ("", "/periods", "/vanished", "/timeline", "/search"):
            page = console.get(f"/projects/novy{path}")
            assert page.status_code == 200 and words in text_of(page) and "strongroom backup" not in text_of(page), path
        console.person = "olga"
        page = console.get("/projects/novy")
        assert "strongroom backup novy" in text_of(page) and "/projects/novy/watch" in links_of(page).values()
        desk.settings.write_text(
            desk.settings.read_text() + '\n[projects.novy.schedule]\nbackup = { every = "2 hours at :30" }\n'
        )
        scheduled = {"en": "backup reports: every 2 hours, at :30; next run", "ru": "каждые 2 часа в :30; следующий запуск"}
        assert scheduled[language] in text_of(console.get("/projects/novy"))
        console.person = "ivan"
        assert console.get("/projects/acme").status_code == 404
        assert console.call("/projects/novy/items", by="session").status_code == 404, "scripts are told by the status"


def test_pages_that_are_not_there_are_said_in_the_language_of_whoever_asks(desk: Desk) -> None:
    with console_of(desk, person("anna", Role.VIEWER, language="ru"), person("ivan", Role.VIEWER, language="uk")) as console:
        for path in (
            "/nowhere",
            "/projects/nowhere",
            "/tasks/none",
            "/projects/acme/item?path=none",
            "/projects/acme?folder=no",
        ):
            for who, heading in (("anna", "Здесь ничего нет"), ("ivan", "Тут нічого немає")):
                console.person = who
                page = console.get(path)
                assert page.status_code == 404 and heading in text_of(page)
                assert english_words(read(page.text).said.replace(who.title(), "")) == [], path


def test_somebody_without_a_title_is_named_once(desk: Desk) -> None:
    with console_of(desk, Person("viewer"), Person("anna", "Anna K.")) as console:
        assert "viewer (viewer)" not in text_of(console.get("/account"))
        console.person = "anna"
        assert "Anna K. (anna)" in text_of(console.get("/account"))
