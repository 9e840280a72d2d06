"""REST interfaces as sources, through the command: a description of one's own against a double, and a real django-helpdesk."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from tests.support.desk import Desk
from tests.support.django_helpdesk import PASSWORD as HELPDESK_PASSWORD
from tests.support.django_helpdesk import USER, HelpDesk, helpdesk
from tests.support.rest_double import ModelDesk, serving
from tests.support.trees import contents

SECRET = "geheimes-wort-7291"

DESCRIPTION = """
title = "the model desk"

[auth]
type = "bearer"

[resources.tickets]
path = "page/tickets"
records = "results"
time = "created"

[resources.tickets.paging]
type = "page"
parameter = "page"
size_parameter = "size"
total = "count"

[resources.tickets.incremental]
field = "modified"
parameters = { modified_from = "{since}", order = "modified" }

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
        (desk.folder / "secret").write_text(f"{SECRET}\n")
        (desk.folder / "desk.toml").write_text(DESCRIPTION)
        desk.init()
        desk.call("project", "add", "acme")
        words = ("--option", f"base={model.url}", "--option", "password_file=secret", "--yes")
        self.call("source", "add", "acme", "tickets", "rest:desk.toml", *words)

    def call(self, *words: str, **more: Any) -> Any:
        result = self.desk.call(*words, **more)
        assert SECRET not in result.err and SECRET not in result.text
        return result

    def backup(self, *words: str, **more: Any) -> dict[str, Any]:
        (found,) = self.call("backup", "--json", *words, **more).document["snapshots"]
        assert isinstance(found, dict)
        return found


@pytest.fixture
def rest(desk: Desk) -> Iterator[Served]:
    with serving(ModelDesk()) as model:
        model.secret = SECRET
        for number in range(30):
            model.add(title=f"звонок {number}", at=datetime(2024, 1 + number % 3, 5, tzinfo=UTC))
        model.attach(2, "запись.wav", b"RIFF....")
        model.comment(4, "it is late")
        yield Served(desk, model)


def test_tickets_are_backed_up_by_month_and_come_back_with_what_belongs_to_them(rest: Served, tmp_path: Path) -> None:
    first = rest.backup()
    assert (first["problems"], first["files"]) == (0, 4)
    second = rest.backup()
    assert second["read_bytes"] == 0 and second["changed"] == 0
    rest.model.lose_comment(4)
    rest.model.edit(4, title="closed")
    third = rest.backup()
    assert third["changed"] == 1
    rest.call("restore", "acme", "--to", str(tmp_path / "now"), "--yes")
    rest.call("restore", "acme", "--at", first["taken_at"], "--to", str(tmp_path / "then"), "--yes")
    now, then = contents(tmp_path / "now"), contents(tmp_path / "then")
    assert sorted(now) == sorted(then)
    assert now["tickets/tickets/attachments/2/1-запись.wav"] == b"RIFF...."
    assert b"it is late" in then["tickets/tickets/2024-01.jsonl"] and b"it is late" not in now["tickets/tickets/2024-01.jsonl"]
    assert now["tickets/tickets/2024-02.jsonl"] == then["tickets/tickets/2024-02.jsonl"]
    found = rest.call("find", "acme", "--period", "2024-01", "--json").document["items"]
    assert "tickets/tickets/2024-01.jsonl" in {one["path"] for one in found}


def test_the_history_of_a_ticket_shows_a_lost_comment_a_cleared_field_and_a_deletion(rest: Served) -> None:
    rest.model.comment(4, "call me back")
    rest.model.edit(4, phone="+380 44 000")
    rest.backup()
    rest.model.lose_comment(4)
    rest.model.edit(4, phone="")
    rest.backup()
    rest.model.delete(4)
    for file in rest.desk.folder.rglob("mirror.sqlite"):
        file.unlink()  # a full scan
    rest.backup()
    (found,) = rest.call("history", "acme", "tickets", "--record", "4", "--json").document["history_list"]
    assert found["key"] == "id" and [one["what"] for one in found["events"]] == ["created", "changed", "deleted"]
    changes = {one["field"]: one["what"] for one in found["events"][1]["field_changes"]}
    assert changes == {"comments[4001]": "removed", "modified": "changed", "phone": "cleared"}


def test_no_secret_is_in_debug_output_log_files_or_support_bundles(rest: Served) -> None:
    """The key in the query, as with ITSM 365: the worst place that there is."""
    (rest.desk.folder / "desk.toml").write_text(DESCRIPTION.replace('type = "bearer"', 'type = "query"\nname = "accessKey"'))
    rest.model.secret = ""
    for traps in (set(), {"html"}, {"forbidden"}, {"elsewhere"}):
        rest.model.traps = traps
        rest.call("backup", "--debug", "--log-file", "log.txt", exits=(0, 1, 3))
        rest.call("source", "test", "acme", "--json", exits=(0, 1, 3))
    assert rest.model.asked[-1].query["accessKey"] == SECRET
    rest.call("support-bundle", "bundle.zip", exits=(0, 3))
    written = [file for file in rest.desk.folder.rglob("*") if file.is_file() and file.name != "secret"]
    assert not [file for file in written if SECRET.encode() in file.read_bytes()]
    with ZipFile(rest.desk.folder / "bundle.zip") as bundle:
        assert not [name for name in bundle.namelist() if SECRET.encode() in bundle.read(name)]


def test_when_a_project_is_erased_its_mirror_goes_too(rest: Served) -> None:
    rest.desk.settings.write_text(rest.desk.settings.read_text() + "\n[erasure]\napprovals = 1\n")
    rest.backup()
    assert len(list(rest.desk.folder.rglob("mirror.sqlite"))) == 1
    rest.call("project", "erase", "acme", "--reason", "the client left", "--confirm", "acme")
    assert not list(rest.desk.folder.rglob("mirror.sqlite*"))


def test_a_page_instead_of_records_makes_no_snapshot_and_a_wrong_secret_is_said(rest: Served) -> None:
    rest.backup()
    rest.model.traps.add("html")
    assert "something else than JSON" in rest.call("backup", exits=1).err
    rest.model.traps.clear()
    (rest.desk.folder / "secret").write_text("wrong")
    assert "the credentials are refused" in rest.call("backup", exits=1).err
    assert "the credentials are refused" in rest.call("source", "test", "acme", exits=1).err


def test_what_is_wrong_in_a_description_is_said_with_its_line(rest: Served) -> None:
    file = rest.desk.folder / "desk.toml"
    file.write_text(DESCRIPTION.replace('size_parameter = "size"', 'size_paramter = "size"'))
    found = rest.call("backup", exits=2).err
    assert "desk.toml, line 15" in found and "did you mean 'size_parameter'" in found
    file.write_text(DESCRIPTION.replace("[auth]", '[auth]\npassword = "x"'))
    assert "line 5" in rest.call("backup", exits=2).err
    file.unlink()
    assert "desk.toml cannot be read" in rest.call("backup", exits=2).err
    for url, message in (
        ("rest:zendsk", "there are:"),
        ("rest:", "names no description"),
        ("rest:a/b", "names no description"),
    ):
        assert message in rest.call("source", "add", "acme", "raw", url, "--yes", exits=2).err


def test_a_test_looks_at_a_little_and_shows_counts_a_masked_record_limits_and_the_clock(rest: Served) -> None:
    asked = len(rest.model.asked)
    (found,) = rest.call("source", "test", "acme", "--json").document["sources"]
    assert found["record_counts"] == [{"name": "tickets", "records": 30}] and found["error"] is None
    # a page and three records' comments; two pages of one record
    assert len(rest.model.asked) - asked == 6 and found["rate_limits"]["requests"] == 6
    assert found["notes"] == ["tickets: the second page has other records than the first"]
    cells = {one["column"]: one["masked"] for one in found["sample"]}
    assert cells["title"] == "xxxxxx 9" and cells["created"].startswith("9999-99-99")
    assert found["clock_difference"] < -10_000_000
    assert not list(rest.desk.folder.rglob("mirror.sqlite"))
    shown = rest.call("source", "test", "acme").text
    assert "records   tickets 30" in shown and "behind ours" in shown and "звонок" not in shown
    rest.model.traps.add("forbidden")
    (refused,) = rest.call("source", "test", "acme", "--json", exits=1).document["sources"]
    assert refused["error"]["what"] == "source-denied" and refused["missing_rights"]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HelpDesk]:
    with helpdesk(tmp_path_factory.mktemp("helpdesk"), tickets=230) as one:
        yield one


def test_a_real_django_helpdesk_is_backed_up_with_comments_and_attachments(desk: Desk, real: HelpDesk, tmp_path: Path) -> None:
    """230 tickets of earlier, and some that are written, commented, changed and deleted through its interface."""
    number = real.create(title="Посылка опоздала", description="where is it?")["id"]
    gone = real.create(title="deleted later")["id"]
    recording = bytes(range(256)) * 20
    comment = real.comment(number, "we are looking", {"answer.txt": b"tomorrow", "record.pdf": recording})
    (desk.folder / "secret").write_text(HELPDESK_PASSWORD)
    desk.init()
    desk.call("project", "add", "acme")
    words = ("--option", f"base={real.url}", "--option", f"user={USER}", "--option", "password_file=secret", "--yes")
    desk.call("source", "add", "acme", "tickets", "rest:django-helpdesk", *words)
    first = desk.call("backup", "--json").document["snapshots"][0]
    assert first["problems"] == 0
    assert desk.call("backup", "--json").document["snapshots"][0]["changed"] == 0
    real.edit(number, title="Посылка опоздала", resolution="it was found")
    real.delete(f"followups/{comment}")
    real.delete(f"tickets/{gone}")
    third = desk.call("backup", "--json", exits=(0, 3)).document["snapshots"][0]
    assert third["changed"] == 1 and third["vanished"] == 2
    desk.call("restore", "acme", "--at", first["taken_at"], "--to", str(tmp_path / "then"), "--yes")
    desk.call("restore", "acme", "--to", str(tmp_path / "now"), "--yes")
    then, now = contents(tmp_path / "then"), contents(tmp_path / "now")
    files = {name.rpartition("-")[2]: data for name, data in then.items() if f"/attachments/{number}/" in name}
    assert files == {"answer.txt": b"tomorrow", "record.pdf": recording}
    (month,) = [name for name in then if name.endswith(".jsonl") and "undated" not in name]
    assert b"we are looking" in then[month] and b"deleted later" in then[month]
    assert b"we are looking" not in now[month] and b"deleted later" not in now[month] and b"it was found" in now[month]
    assert len(now["tickets/tickets/undated.jsonl"].splitlines()) == 230
