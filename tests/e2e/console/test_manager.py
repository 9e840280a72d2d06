"""The manager's way: from the card that says what vanished to the folder being back, by what the pages offer and nothing
else."""

from __future__ import annotations

import re
import shutil
from html import unescape
from pathlib import Path
from urllib.parse import urlencode

import httpx2 as httpx
import pytest

from console.access.rights import Role
from tests.e2e.console.getting_back import until
from tests.support.console import ConsoleClient, console_of, links_of, person, text_of
from tests.support.desk import Desk, Place
from tests.support.tree_facts import write_files

MAY = {f"2024/05/{day:02}/calls-2024-05-{day:02}.csv": f"agent,calls\nolena,{day}\n".encode() for day in range(1, 8)}
OTHERS = {"2024/06/calls-2024-06-01.csv": b"agent,calls\nivan,1\n"}
INPUT = re.compile(r'<input type="(hidden|checkbox)" name="([^"]*)" value="([^"]*)"([^>]*)>')
FORM = re.compile(r"<form([^>]*)>(.*?)</form>", re.DOTALL)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(tmp_path / "desk", Place("repository"))
    write_files(made.folder / "reports", MAY | OTHERS)
    made.init()
    made.add("parcelo", f"reports={made.folder / 'reports'}")
    made.call("backup")
    shutil.rmtree(made.folder / "reports/2024/05")
    made.call("backup")
    return made


def sent_as_it_is(console: ConsoleClient, page: httpx.Response, address: str, method: str = "post") -> httpx.Response:
    """The first form of a page that has an address, sent with what is filled in and ticked already."""
    for attributes, inside in FORM.findall(page.text):
        (action,) = re.findall(r'action="([^"]*)"', attributes)
        if not unescape(action).endswith(address) or f'method="{method}"' not in attributes:
            continue
        fields: dict[str, list[str]] = {}
        for sort, name, value, more in INPUT.findall(inside):
            if sort == "hidden" or "checked" in more:
                fields.setdefault(name, []).append(unescape(value))
        fields.pop("csrf", None)
        if method == "post":
            return console.post(unescape(action), fields)
        return console.get(f"{unescape(action)}?{urlencode(fields, doseq=True)}")
    raise AssertionError(f"no form leads to {address}: {text_of(page)}")


def test_a_deleted_folder_is_back_after_five_clicks_that_need_no_explanation(desk: Desk) -> None:
    with console_of(desk, person("olena", Role.RESTORER, projects=["parcelo"])) as console:
        home = console.get("/")
        assert "reports: 7 files vanished today" in text_of(home)
        vanished = console.get(links_of(home)["Show them and get them back"])
        put = sent_as_it_is(console, vanished, "/basket")
        basket = console.get(put.headers["location"])
        assert "reports/2024/05" in text_of(basket)
        plan = sent_as_it_is(console, basket, "/get-back", "get")
        assert "7 files" in text_of(plan) and not (desk.folder / "reports/2024/05").exists()
        begun = sent_as_it_is(console, plan, "/get-back")
        until(console, begun.headers["location"], "is done")
        assert {name: (desk.folder / "reports" / name).read_bytes() for name in MAY} == MAY
        desk.call("backup")
        assert "vanished" not in text_of(console.get("/"))
        assert "came back" in text_of(console.get("/projects/parcelo/item?path=reports/2024/05/01/calls-2024-05-01.csv"))


def test_a_month_that_is_gone_is_ticked_among_the_periods(desk: Desk) -> None:
    with console_of(desk, person("olena", Role.RESTORER, projects=["parcelo"])) as console:
        quarter = console.get("/projects/parcelo/periods?period=2024-Q2")
        ticked = quarter.text.replace('name="period" value="2024-05"', 'name="period" value="2024-05" checked')
        put = sent_as_it_is(console, httpx.Response(200, text=ticked), "/basket")
        basket = console.get(put.headers["location"])
        begun = sent_as_it_is(console, sent_as_it_is(console, basket, "/get-back", "get"), "/get-back")
        until(console, begun.headers["location"], "is done")
        assert {name: (desk.folder / "reports" / name).read_bytes() for name in MAY} == MAY


def test_an_older_version_of_one_file_is_taken_from_its_page(desk: Desk) -> None:
    file = desk.folder / "reports/2024/06/calls-2024-06-01.csv"
    was = file.read_bytes()
    file.write_bytes(b"agent,calls\nivan,999\n")
    desk.call("backup")
    with console_of(desk, person("olena", Role.RESTORER, Role.EXPORTER, projects=["parcelo"])) as console:
        page = console.get("/projects/parcelo/item?path=reports/2024/06/calls-2024-06-01.csv")
        older = re.findall(r'name="since" value="([^"]+)"[^>]* checked', page.text)[0]
        then = console.get(f"/projects/parcelo/item?path=reports/2024/06/calls-2024-06-01.csv&at={older}")
        basket = console.get(sent_as_it_is(console, then, "/basket").headers["location"])
        download = console.get("/projects/parcelo/get-back?goal=download")
        assert "1 file" in text_of(download) and older in text_of(basket)
        begun = sent_as_it_is(console, download, "/get-back")
        done = console.get(begun.headers["location"])
        (address,) = {one for one in links_of(done).values() if "/download" in one}
        assert console.get(unescape(address)).content == was
