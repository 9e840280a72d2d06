"""A manager ticks what is gone, sees the plan, and has it back: in place, as a download, or in a folder."""

from __future__ import annotations

import io
import os
import re
import shutil
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest

from console.access.rights import Assignment, Person, Role
from console.limits import ConsoleLimits
from tests.e2e.console.getting_back import REPORTS, acts, confirm, fetched, get_back, make_desk, plan, tick, until
from tests.support.clock import StillClock
from tests.support.console import console_of, person, text_of
from tests.support.desk import Desk
from tests.support.tree_facts import tree_facts
from vault.clock import SystemClock

ANNA = person("anna", Role.RESTORER, Role.EXPORTER)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return make_desk(tmp_path)


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return make_desk(tmp_path_factory.mktemp("still"))


@pytest.fixture
def still(made_once: Desk) -> Desk:
    """One whose sources no test changes; the console begins anew."""
    shutil.rmtree(made_once.folder / "console", ignore_errors=True)
    return made_once


def test_a_deleted_folder_is_ticked_planned_and_back_where_it_was_under_the_persons_name(desk: Desk) -> None:
    with console_of(desk, ANNA) as console:
        assert tick(console, folder="reports%2F2024", deleted="only").headers["location"] == "/projects/acme/basket"
        basket = text_of(console.get("/projects/acme/basket"))
        assert "reports/2024" in basket and "only what was deleted" in basket
        page = plan(console, "place")
        assert "2 files" in text_of(page) and "Nothing that is there is touched." in text_of(page)
        assert not (desk.folder / "reports/2024").exists()
        task = confirm(console, page).headers["location"]
        done = text_of(until(console, task, "is done"))
        assert "2 files are back" in done
        assert "The basket is empty" in text_of(console.get("/projects/acme/basket"))
        assert "is done" in text_of(console.get("/tasks"))
    found = {name: (desk.folder / "reports" / name).read_bytes() for name in REPORTS}
    assert found == REPORTS
    ((action, what),) = acts(desk, "anna")
    assert action == "restore" and what["in_place"] and what["task"] == task.removeprefix("/tasks/")
    assert what["selection"]["picked"][0]["folders"] == ["reports/2024"]


def test_what_is_in_the_way_is_said_first_and_only_what_was_confirmed_is_replaced(desk: Desk) -> None:
    here = desk.folder / "reports/2024"
    here.mkdir()
    (here / "05.csv").write_bytes(b"somebody's new one")
    (here / "06.csv").write_bytes(b"an old copy")
    os.utime(here / "06.csv", (1_000_000_000, 1_000_000_000))
    with console_of(desk, ANNA) as console:
        tick(console, folder="reports%2F2024", deleted="with")
        first = plan(console, "place")
        said = text_of(first)
        assert "1 file that is there is replaced." in said and "1 file that is there is newer, and stays as it is." in said
        refused = confirm(console, first, existing="replace")
        assert refused.status_code == 409 and "2 files that are there are replaced." in text_of(refused)
        assert (here / "06.csv").read_bytes() == b"an old copy"
        done = text_of(until(console, get_back(console, "place"), "is done, but not all of it"))
        assert "reports/2024/05.csv" in done or "2024/05.csv" in done
    assert (here / "05.csv").read_bytes() == b"somebody's new one"
    assert (here / "06.csv").read_bytes() == REPORTS["2024/06.csv"]


def test_several_files_come_as_an_archive_one_as_it_is_and_tables_converted_or_as_one(desk: Desk) -> None:
    with console_of(desk, ANNA) as console:
        tick(console, folder="reports", deleted="with")
        page = fetched(console, get_back(console, "download"))
        assert page.headers["content-type"] == "application/zip" and "acme.zip" in page.headers["content-disposition"]
        assert "sandbox" in page.headers["content-security-policy"] and page.headers["x-content-type-options"] == "nosniff"
        with zipfile.ZipFile(io.BytesIO(page.content)) as archive:
            assert {name: archive.read(f"reports/{name}") for name in REPORTS} == REPORTS

        tick(console, item="reports%2F2025%2F01.csv")
        page = fetched(console, get_back(console, "download"))
        assert page.content == REPORTS["2025/01.csv"] and page.headers["content-length"] == str(len(page.content))

        tick(console, item="reports%2F2025%2F01.csv")
        page = fetched(console, get_back(console, "download", format="xlsx", people="1"))
        assert "01.xlsx" in page.headers["content-disposition"]
        assert "xl/workbook.xml" in zipfile.ZipFile(io.BytesIO(page.content)).namelist()

        tick(console, period=["2024-05", "2024-06"], kind="reports", deleted="only")
        page = fetched(console, get_back(console, "download", format="csv", merge="1"))
        assert "acme-2024-05-2024-06.csv" in page.headers["content-disposition"]
        assert [line.split(",")[0] for line in page.text.split()] == ["agent", "olena", "ivan"]
    assert [(action, what["to"]) for action, what in acts(desk, "anna")] == [
        ("restore", "a stream (zip)"),
        ("restore", "-"),
        ("restore", "-"),
        ("restore", "-"),
    ]


def test_a_download_is_remembered_with_what_became_of_it(still: Desk) -> None:
    with console_of(still, ANNA) as console:
        tick(console, folder="reports", deleted="with")
        task = get_back(console, "download")
        assert "is ready to be fetched" in text_of(console.get(task))
        fetched(console, task)
        assert "1 is over" in text_of(console.get("/"))
        assert "3 files are back" in text_of(until(console, task, "is done"))
        assert "is over" not in text_of(console.get("/"))
        assert fetched(console, task).status_code == 200  # again, as long as its page is there


def test_into_a_folder_of_the_settings_goes_a_new_folder(still: Desk, tmp_path: Path) -> None:
    place = tmp_path / "handover"
    place.mkdir()
    with console_of(still, ANNA, folders={"Handover": place}) as console:
        before = tree_facts(still.folder / "reports")
        tick(console, folder="reports%2F2024", deleted="only")
        page = plan(console, "folder", folder="Handover")
        assert "into a new folder acme-" in text_of(page) and str(tmp_path) not in page.text
        until(console, confirm(console, page, verify="1").headers["location"], "2 files were read again and compared.")
        (made,) = place.iterdir()
        assert (made / "reports/2024/05.csv").read_bytes() == REPORTS["2024/05.csv"]
        assert tree_facts(still.folder / "reports") == before
        tick(console, folder="reports%2F2024", deleted="only")
        assert plan(console, "folder", folder="..").status_code == 400
        until(console, get_back(console, "folder", folder="Handover", format="jsonl"), "is done")
        (converted,) = set(place.iterdir()) - {made}
        assert (converted / "reports/2024/05.jsonl").read_bytes() == b'{"agent":"olena","calls":"17"}\n'


def test_what_a_plan_said_holds_though_a_newer_snapshot_comes_meanwhile(desk: Desk) -> None:
    with console_of(desk, ANNA) as console:
        tick(console, folder="reports")
        page = plan(console, "download")
        (desk.folder / "reports/2025/01.csv").write_bytes(b"agent,calls\nsomebody,1\n")
        desk.call("backup")
        task = confirm(console, page).headers["location"]
        assert fetched(console, task).content == REPORTS["2025/01.csv"]


def test_the_basket_is_of_one_person_in_one_project_and_stays_until_it_is_emptied(still: Desk) -> None:
    with console_of(still, ANNA, person("ivan", Role.RESTORER)) as console:
        tick(console, item=["reports%2Fa%FF%22b.csv", "reports%2F%E2%80%AEx.csv"], at="2026-11-01T10:00:00+00:00")
        tick(console, period="2024-05")
        page = console.get("/projects/acme/basket")
        assert "reports/a\\xff&#34;b.csv" in page.text and "Nov 1, 2026, 10:00:00" in page.text
        console.person = "ivan"
        assert "The basket is empty" in text_of(console.get("/projects/acme/basket"))
        console.person = "anna"
        number = page.text.split('name="number" value="')[1].split('"')[0]
        console.post("/projects/acme/basket/remove", {"number": [number, "x", "99999999", "9" * 40]})
        assert "a\\xff" not in console.get("/projects/acme/basket").text
        console.post("/projects/acme/basket/remove", {"all": "1"})
        assert "The basket is empty" in text_of(console.get("/projects/acme/basket"))
        assert plan(console, "place").status_code == 404


def test_forms_that_no_page_has_are_refused(still: Desk) -> None:
    with console_of(still, ANNA) as console:
        for fields in ({"item": "a%00b"}, {"item": "x" * 20_000}, {"period": "2024\n05"}, {"folder": "x", "at": "<script>"}):
            assert tick(console, **fields).status_code == 400, fields
        tick(console, folder="reports", deleted="with")
        for asked in ({"goal": "elsewhere"}, {"existing": "burn"}, {"format": "exe"}, {"replacing": "-1"}, {"moment": "soon"}):
            assert plan(console, **{"goal": "place", **asked}).status_code == 400, asked
        assert console.post("/projects/acme/get-back", {"goal": "place"}, csrf="forged").status_code == 403


@pytest.mark.parametrize(
    ("roles", "allowed"),
    [
        ((Role.VIEWER,), set()),
        ((Role.RESTORER,), {"place", "folder"}),
        ((Role.EXPORTER,), {"download"}),
        ((Role.OPERATOR, Role.AUDITOR), set()),
    ],
)
def test_who_has_no_role_for_it_gets_nothing_back(
    still: Desk, tmp_path: Path, roles: tuple[Role, ...], allowed: set[str]
) -> None:
    not_run = ConsoleLimits(tasks_at_once=0)
    with console_of(still, person("anna", *roles), folders={"f": tmp_path}, limits=not_run) as console:
        tick(console, folder="reports", deleted="with")
        for goal in ("place", "folder", "download"):
            expected = 200 if goal in allowed else 403
            assert plan(console, goal, folder="f").status_code == expected, goal
            form = {"goal": goal, "folder": "f", "replacing": "99"}
            assert console.post("/projects/acme/get-back", form).status_code == (303 if goal in allowed else 403), goal
            tick(console, folder="reports", deleted="with")


def test_what_lies_outside_of_the_scope_is_silently_not_there(still: Desk) -> None:
    tickets_only = person("anna", Role.EXPORTER, Role.RESTORER, projects=["acme"], kinds=["tickets"])
    stranger = person("eve", Role.EXPORTER, Role.RESTORER, projects=["parcelo"])
    with console_of(still, tickets_only, stranger) as console:
        tick(console, folder=["reports", "nowhere", "tickets"], item="reports%2F2025%2F01.csv", period="2024", deleted="with")
        page = plan(console, "download")
        said = text_of(page)
        assert page.status_code == 200 and "3 things of the basket were not found" in said and "1 file" in said
        (hidden, nothing) = re.findall(r"the folder (?:reports|nowhere):[^<]*", page.text)
        assert hidden.replace("reports", "nowhere") == nothing, "as one that there never was"
        content = fetched(console, confirm(console, page).headers["location"])
        assert content.content == b'{"id": 1}\n'
        tick(console, folder="reports", deleted="with")
        page = plan(console, "place")
        assert "there is no file at these moments" in text_of(page) and "in the way" not in text_of(page)
        begun = console.post("/projects/acme/get-back", {"goal": "place", "moment": "2030-01-01T00:00:00+00:00"})
        assert begun.status_code == 409 and 'class="state"' not in begun.text, "nothing is begun that does nothing"
        console.person = "eve"
        for path in ("/projects/acme/basket", "/projects/acme/get-back?goal=place"):
            hidden, nothing = console.get(path), console.get(path.replace("acme", "nowhere"))
            assert hidden.status_code == 404 and hidden.text == nothing.text
        assert tick(console, folder="reports").status_code == 404


@pytest.mark.parametrize("goal", ["place", "download"])
def test_a_basket_of_which_nothing_is_found_says_so_thing_by_thing(still: Desk, goal: str) -> None:
    anna = person("anna", Role.RESTORER, Role.EXPORTER, language="ru")
    with console_of(still, anna) as console:
        tick(console, folder="reports%2F2024")
        tick(console, period="2019", kind="tickets", deleted="with")
        tick(console, item="reports%2Fnowhere.csv", deleted="with")
        page = plan(console, goal)
        said = text_of(page)
        assert page.status_code == 200 and "Не найдено: 3 позиции корзины" in said
        assert (
            "папка reports/2024: файлов не было" in said
            and "период 2019, вид tickets: файлов не было, и ничего не пропало" in said
        )
        assert "файл reports/nowhere.csv" in said and "на эти моменты в корзине нет ни одного файла" in said
        assert "всё" not in said.partition("Что будет восстановлено")[2] and '/get-back"' not in page.text
        tick(console, folder="reports%2F2025")
        said = text_of(plan(console, goal))
        assert "Не найдено: 3 позиции корзины" in said and "План ниже составлен без этого." in said
        told = console.call("/projects/acme/plan", {"goal": goal}).json()["unmatched"]
        assert sorted(told) == ["2019", "reports/2024", "reports/nowhere.csv"]


def test_an_address_is_good_for_its_person_and_for_minutes_and_for_nothing_else(still: Desk) -> None:
    with console_of(still, ANNA, person("ivan", Role.EXPORTER)) as console:
        tick(console, item="reports%2F2025%2F01.csv")
        task = get_back(console, "download")
        address = console.get(task).text.split('<a class="button" href="')[1].split('"')[0].replace("&amp;", "&")
        until_ = address.split("until=")[1].split("&")[0]
        for forged in (
            address.replace(f"until={until_}", f"until={int(until_) + 1}"),
            address[:-1] + "0",
            address.split("&key")[0],
        ):
            if forged != address:
                assert console.get(forged).status_code == 404
        console.person = "ivan"
        assert console.get(address).status_code == 404 and console.get(task).status_code == 404
        assert console.post(f"{task}/cancel").status_code == 404
        console.person = "nobody"
        assert console.get(address).status_code == 303
        console.person = "anna"
        assert console.get(address).content == REPORTS["2025/01.csv"]


def test_a_right_that_ended_meanwhile_ends_the_download_too_and_a_cancelled_one_stays_cancelled(still: Desk) -> None:
    clock = StillClock(SystemClock().now())
    soon = clock.now() + timedelta(minutes=5)
    anna = Person("anna", assignments=(Assignment(Role.EXPORTER, until=soon), Assignment(Role.VIEWER)))
    with console_of(still, anna, clock=clock) as console:
        tick(console, item="reports%2F2025%2F01.csv")
        first = get_back(console, "download")
        tick(console, item="reports%2F2025%2F01.csv")
        second = get_back(console, "download")
        console.post(f"{second}/cancel")
        assert "was cancelled" in text_of(console.get(second)) and "Download 01.csv" not in text_of(console.get(second))
        address = console.get(first).text.split('<a class="button" href="')[1].split('"')[0].replace("&amp;", "&")
        clock.sleep(301)
        assert console.get(address).status_code == 403
