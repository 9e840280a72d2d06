"""`restore --as pages`: tickets that people read where no help desk takes them back, judged by another reader of HTML."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from tests.support.desk import Desk
from tests.support.html_pages import HOSTILE, read_folder, read_page
from tests.support.rest_double import ModelDesk, serving
from tests.support.trees import contents

DESCRIPTION = """
title = "the model desk"

[resources.tickets]
path = "none/tickets"
records = "results"
time = "created"
page = { author = "who" }

[resources.tickets.children.comments]
path = "tickets/{key}/comments"
records = "results"

[resources.tickets.attachments]
records = "files"
url = "url"
"""


class Served:
    """A desk whose project has a double of a help desk as its source."""

    def __init__(self, desk: Desk, model: ModelDesk) -> None:
        self.desk, self.model = desk, model
        (desk.folder / "desk.toml").write_text(DESCRIPTION)
        desk.init()
        desk.call("project", "add", "acme")
        desk.call("source", "add", "acme", "tickets", "rest:desk.toml", "--option", f"base={model.url}", "--yes")

    def backup(self) -> None:
        self.desk.call("backup")

    def pages(self, *words: str, **more: Any) -> Any:
        return self.desk.call("restore", "acme", "--as", "pages", *words, **more)


@pytest.fixture
def rest(desk: Desk) -> Iterator[Served]:
    with serving(ModelDesk()) as model:
        for number in range(1, 31):
            model.add(title=f"Звонок {number}", who=f"client {number % 4}", at=datetime(2024, 1 + number % 3, 5, tzinfo=UTC))
        model.attach(2, "запись.wav", b"RIFF....")
        model.comment(4, "it is late")
        model.comment(4, "<b>on its way</b><br><script>steal()</script>")
        yield Served(desk, model)


def test_every_ticket_has_a_page_with_comments_and_files_and_the_index_leads_to_all_of_them(
    rest: Served, tmp_path: Path
) -> None:
    rest.backup()
    to = tmp_path / "pages"
    document = rest.pages("--to", str(to), "--json").document
    assert (document["records"], document["index_pages"], document["files"]) == (30, 3, 34)
    pages = read_folder(to)
    assert len(pages) == 33
    ticket = pages["tickets/tickets/2024-02/4.html"]
    assert "client 0" in ticket.text and ticket.text.index("it is late") < ticket.text.index("on its way")
    assert "steal()" in ticket.text  # as text, in what was sent
    assert pages["tickets/tickets/2024-03/2.html"].links == ["../../../index.html", "../attachments/2/1-запись.wav"]
    assert (to / "tickets/tickets/attachments/2/1-запись.wav").read_bytes() == b"RIFF...."
    for index in ("index.html", "by-number.html", "by-subject.html"):
        assert len([link for link in pages[index].links if link.startswith("./tickets/")]) == 30
    again = rest.pages("--to", str(to), "--json").document
    assert (again["files"], again["already_there"], again["problems"]) == (0, 34, 0)


def test_one_ticket_is_written_with_its_own_files_into_an_archive(rest: Served, tmp_path: Path) -> None:
    rest.model.attach(4, "answer.pdf", b"%PDF-")
    rest.backup()
    file = tmp_path / "ticket.zip"
    rest.pages("--record", "4", "--to", str(file))
    with ZipFile(file) as archive:
        names = sorted(archive.namelist())
        assert names == [
            *("by-number.html", "by-subject.html", "index.html", "tickets/tickets/2024-02/4.html"),
            "tickets/tickets/attachments/4/2-answer.pdf",
        ]
        assert "it is late" in read_page(archive.read("tickets/tickets/2024-02/4.html")).text
    assert "is there already" in rest.pages("--record", "4", "--to", str(file), exits=1).err
    rest.pages("--record", "4", "--to", str(file), "--existing", "replace", "--yes")
    assert "has a record '4712'" in rest.pages("--record", "4712", "--to", str(tmp_path / "none.zip"), exits=1).err
    assert not (tmp_path / "none.zip").exists()


def test_what_stands_there_is_left_alone_and_named(rest: Served, tmp_path: Path) -> None:
    rest.backup()
    to = tmp_path / "pages"
    (to / "tickets/tickets/2024-02").mkdir(parents=True)
    (to / "tickets/tickets/2024-02/4.html").write_text("somebody else's")
    (to / "index.html").write_text("somebody else's")
    found = rest.pages("--to", str(to), "--json", exits=3).document
    assert sorted(one["path"] for one in found["problem_list"]) == ["index.html", "tickets/tickets/2024-02/4.html"]
    assert (to / "index.html").read_text() == "somebody else's"
    found = rest.pages("--record", "4", "--to", str(to), "--json", exits=3).document
    assert found["records"] == 0 and len(found["problem_list"]) == 4  # and three pages of an index of one ticket
    found = rest.pages("--to", str(to), "--existing", "replace", "--json").document
    assert (found["files"], found["already_there"]) == (4, 30)  # the two, and two pages of the index that know of it now
    assert len(read_folder(to)) == 33


def test_options_that_make_no_sense_together_are_refused(rest: Served, tmp_path: Path) -> None:
    rest.backup()
    to = str(tmp_path / "pages")
    for words, message in (
        (("--to", "-"), "--as pages needs a folder or an archive"),
        ((), "--as pages needs a folder or an archive"),
        (("--to", to, "--verify"), "--as pages excludes"),
        (("--to", to, "--merge"), "--as pages excludes"),
        (("--to", "s3://bucket/x"), "pages are written to a folder or an archive"),
        (("--to", to, "tickets/**.wav"), "no item that is selected has records"),
    ):
        assert message in rest.pages(*words, exits=2).err
    every = rest.desk.call("restore", "--all-projects", "--as", "pages", "--to", to, exits=2)
    assert "excludes --all-projects" in every.err
    assert "needs --as pages" in rest.desk.call("restore", "acme", "--to", to, "--record", "4", exits=2).err
    assert "plan:" in rest.pages("--to", to, "--dry-run").err and not Path(to).exists()


def test_records_that_the_source_no_longer_has_are_marked(rest: Served, tmp_path: Path) -> None:
    rest.model.edit(5, status="deleted")
    rest.backup()
    for number in [number for number in rest.model.tickets if number % 3 == 0]:
        rest.model.delete(number)  # all of January
    for file in rest.desk.folder.rglob("mirror.sqlite"):
        file.unlink()  # a full scan
    rest.desk.call("backup", exits=(0, 3))
    now, gone = tmp_path / "now", tmp_path / "gone"
    assert rest.pages("--to", str(now), "--json").document["deleted_records"] == 1
    assert "Deleted: its source says so" in read_folder(now)["tickets/tickets/2024-03/5.html"].text
    assert rest.pages("--deleted", "--to", str(gone), "--json").document["deleted_records"] == 10
    assert "no longer had it" in read_folder(gone)["tickets/tickets/2024-01/3.html"].text


def test_numbers_of_people_become_names_where_the_selection_has_the_people(desk: Desk, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "tickets").mkdir(parents=True)
    (source / "users.jsonl").write_text(
        '{"id": 5, "name": "Olena Koval"}\n{"id": 6, "first_name": "Bohdan", "last_name": "Lys"}\n'
    )
    comments = [{"author_id": 6, "created_at": "2024-05-02T10:00:00Z", "body": "soon"}]
    ticket = {"id": 1, "subject": "Late", "requester_id": 5, "group_id": 6, "created_at": "2024-05-01", "comments": comments}
    (source / "tickets" / "2024-05.jsonl").write_text(json.dumps(ticket))
    desk.init()
    desk.add("acme", f"desk={source}")
    desk.call("backup")
    to = tmp_path / "pages"
    assert desk.call("restore", "acme", "--as", "pages", "--to", str(to), "--json").document["records"] == 3
    pages = read_folder(to)
    page = pages["desk/tickets/2024-05/1.html"].text
    assert "Olena Koval (5)" in page and "Bohdan Lys (6)" in page and page.count("(6)") == 1  # a group is nobody
    assert "Olena Koval" in pages["index.html"].text
    desk.call("restore", "acme", "desk/tickets/**", "--as", "pages", "--to", str(tmp_path / "alone"))
    assert "Olena" not in read_folder(tmp_path / "alone")["desk/tickets/2024-05/1.html"].text


def test_hostile_items_stay_in_the_folder_and_cost_themselves_alone(desk: Desk, tmp_path: Path) -> None:
    """JSON Lines that nobody has written with care, with names that would leave the folder or take others' places."""
    source = tmp_path / "source"
    (source / "t" / "attachments" / "7").mkdir(parents=True)
    keys = ["../../up", "/etc/passwd", "7", "A", "a", "", "con", "x" * 400, "index", ".", "..", "\ud800", *HOSTILE]
    lines = [
        json.dumps({"id": key, "subject": key, "body": key, "comments": [{"author": key, "text": key, "date": key}]})
        for key in keys
    ]
    (source / "t" / "2024-05.jsonl").write_text("\n".join([*lines, "nonsense", '{"id": "last", "name": "x"}']))
    (source / "t" / "2024-06.jsonl").write_bytes(b"\xff\xfe\x00")
    (source / "index.html").write_text("<script>alert(1)</script>")
    for name in ("1-a.html", "2-<img src=x onerror=alert(1)>.pdf", "3-\u202egnp.exe", "4-java\nscript:alert(1).pdf"):
        (source / "t" / "attachments" / "7" / name).write_text("<script>alert(1)</script>")
    desk.init()
    desk.add("acme", f"tickets={source}")
    desk.call("backup")
    to = tmp_path / "to" / "pages"
    found = desk.call("restore", "acme", "--as", "pages", "--to", str(to), "--json", exits=3).document
    assert found["records"] == len(keys) + 1
    assert [(one["path"], one["what"]) for one in found["problem_list"]] == [("tickets/t/2024-05.jsonl", "not-read")]
    assert [one.name for one in (tmp_path / "to").iterdir()] == ["pages"]
    written = contents(to)
    assert written["tickets/t/2024-06.jsonl"] == b"\xff\xfe\x00"  # by its content no record: as it is
    assert written["tickets/index.html"] == b"<script>alert(1)</script>"
    (to / "tickets" / "index.html").unlink()  # an item, byte for byte: it is no page of ours
    pages = read_folder(to)
    assert len(pages) == len(keys) + 1 + 3
    files = [name for name in written if "/attachments/" in name]
    assert len(files) == 4 and all(written[name] == b"<script>alert(1)</script>" for name in files)
    assert len([link for link in pages["tickets/t/2024-05/7.html"].links if "attachments" in link]) == 2  # no page, no program
