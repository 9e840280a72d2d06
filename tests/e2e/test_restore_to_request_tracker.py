"""Tickets back into a real Request Tracker 5, a second one, in which nothing is yet: judged by what its own database has."""

from __future__ import annotations

import base64
import quopri
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support import request_tracker as tracking
from tests.support.coverage_notes import not_covered
from tests.support.desk import Desk
from tests.support.request_tracker import PASSWORD, USER, RequestTracker
from tests.support.rest_double import serving
from tests.support.storm_proxy import StormProxy

RECORDING = bytes(range(256)) * 40


STORM = {1: "cut-done", 3: "429", 5: "503-done", 7: "cut-done", 8: "cut", 11: "cut-done"}
"""What happens to requests that create or change something, by their numbers."""


class TwoTrackers:
    """One that tickets are backed up from, and an empty one that they go to, behind a proxy."""

    def __init__(self, desk: Desk, old: RequestTracker, new: RequestTracker, proxy: StormProxy, folder: Path) -> None:
        self.desk, self.old, self.new, self.proxy, self.folder = desk, old, new, proxy, folder
        (desk.folder / "secret").write_text(PASSWORD)
        desk.init()
        desk.call("project", "add", "acme")
        for kind, base in (("tickets", old.url), ("spare", proxy.base)):
            words = ("--option", f"base={base}", "--option", f"user={USER}", "--option", "password_file=secret", "--yes")
            desk.call("source", "add", "acme", kind, "rest:request-tracker", *words)

    def restore(self, *words: str, exits: int | tuple[int, ...] = 0) -> Any:
        return self.desk.call("restore", "acme", "tickets/**", "--to", "rest:spare", *words, "--json", exits=exits).document

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Of the second one's database."""
        with closing(sqlite3.connect(f"file:{self.folder / 'new' / 'rt.sqlite'}?mode=ro", uri=True)) as database:
            return database.execute(query).fetchall()


@pytest.fixture
def two(desk: Desk, tmp_path: Path) -> Iterator[TwoTrackers]:
    if not tracking.is_installed():
        not_covered(tracking.MISSING)
        pytest.skip(tracking.MISSING)
    with (
        tracking.request_tracker(tmp_path / "old") as old,
        tracking.request_tracker(tmp_path / "new") as new,
        serving(StormProxy(new.url, STORM)) as proxy,
    ):
        yield TwoTrackers(desk, old, new, proxy, tmp_path)


def prepared(tracker: RequestTracker, folder: Path, *queues: str) -> None:
    """With queues and custom fields that all queues have."""
    for name, kind, most in (("Phone", "FreeformSingle", 1), ("Tags", "FreeformMultiple", 0)):
        made = {"Name": name, "Type": kind, "LookupType": "RT::Queue-RT::Ticket", "MaxValues": most}
        number = tracker.ask("POST", "REST/2.0/customfield", made)["id"]
        with closing(sqlite3.connect(folder / "rt.sqlite")) as database, database:
            database.execute("insert into ObjectCustomFields (CustomField, ObjectId, SortOrder) values (?, 0, 0)", (number,))
    for name in queues:
        tracker.ask("POST", "REST/2.0/queue", {"Name": name})


@pytest.mark.slow
def test_tickets_come_into_an_empty_request_tracker_with_all_that_belongs_to_them(two: TwoTrackers) -> None:
    prepared(two.old, two.folder / "old", "Deliveries")
    prepared(two.new, two.folder / "new", "Other", "Deliveries")
    fields = {"Phone": "+380 44", "Tags": ["late", "lost"]}
    people = {"Owner": "root", "Cc": ["a@example.com", "b@example.com"]}
    usual = {"Subject": "Посилка запізнилась", "Content": "де вона?\n\nчекаю", "Queue": "Deliveries", "Priority": "42"}
    first = two.old.create({"record.bin": RECORDING}, CustomFields=fields, **people, **usual)
    others = [two.old.create(Subject=f"ticket {number}") for number in range(3)]
    two.old.comment(first, "ми шукаємо", {"answer.txt": "завтра".encode(), "empty one.bin": b"0"})
    answer = {"ContentType": "text/html", "Content": "<b>знайшли</b>"}
    two.old.ask("POST", f"REST/2.0/ticket/{first}/correspond", answer)
    for _ in range(2):
        two.old.comment(first, "ok")
    two.old.edit(others[0], Status="resolved", Priority="7")
    two.old.delete(others[1])
    two.desk.call("backup", "--json")

    (plan,) = two.restore("--dry-run")["resources"]
    assert (plan["to_create"], plan["children"], plan["files"], plan["unresolved"]) == (3, 4, 3, [])
    assert two.rows("select count(*) from Tickets") == [(0,)]
    done = two.restore("--yes")
    assert (done["records_created"], done["files"], done["problem_list"]) == (3, 3, [])
    assert [(one["old_id"], one["new_id"], one["not_set"]) for one in done["ids"]] == [
        ("1", "1", []),
        ("2", "2", []),
        ("4", "3", []),
    ]
    assert judged(two.folder / "new") == judged(two.folder / "old")
    assert two.proxy.happened == list(STORM.values())
    tickets = two.rows("select count(*) from Tickets"), two.rows("select count(*) from Transactions")
    for state in two.desk.folder.rglob("restored-*"):
        assert PASSWORD.encode() not in state.read_bytes()
    assert two.restore("--yes")["records_created"] == 0
    for state in two.desk.folder.rglob("restored-*"):
        state.unlink()  # as on another machine
    assert two.restore("--yes")["already_there"] == 3
    assert (two.rows("select count(*) from Tickets"), two.rows("select count(*) from Transactions")) == tickets


@pytest.mark.slow
def test_a_restore_that_is_killed_again_and_again_creates_nothing_twice_in_a_request_tracker(two: TwoTrackers) -> None:
    for number in range(5):
        ticket = two.old.create({"record.bin": RECORDING[:3000]}, Subject=f"ticket {number}", Content=f"text {number}")
        for text in ("one", "ok", "ok"):
            two.old.comment(ticket, text, {"file.txt": text.encode()})
    two.desk.call("backup", "--json")
    chance = random.Random(5)
    for _ in range(3):
        before = two.rows("select count(*) from Attachments")[0][0]
        process = two.desk.start("restore", "acme", "tickets/**", "--to", "rest:spare", "--yes")
        wanted = before + chance.randint(3, 25)
        while process.poll() is None and two.rows("select count(*) from Attachments")[0][0] < wanted:
            time.sleep(0.01)
        process.kill()
        process.communicate()
    two.restore("--yes")
    assert judged(two.folder / "new") == judged(two.folder / "old")
    assert two.restore("--yes")["records_created"] == 0


def judged(folder: Path) -> list[tuple[Any, ...]]:
    """What a database says of its tickets, without numbers and times, by another way than the interface."""
    with closing(sqlite3.connect(f"file:{folder / 'rt.sqlite'}?mode=ro", uri=True)) as database:
        tickets = database.execute(
            "select Tickets.id, Subject, Status, Queues.Name, Priority, Users.Name from Tickets "
            "join Queues on Queues.id = Tickets.Queue join Users on Users.id = Tickets.Owner "
            "where Status <> 'deleted' order by Tickets.id"
        ).fetchall()
        return [(*one[1:], people(database, one[0]), fields_of(database, one[0]), texts(database, one[0])) for one in tickets]


def people(database: sqlite3.Connection, ticket: int) -> list[tuple[str, str]]:
    """Roles, and who has them."""
    query = (
        "select Groups.Name, Users.Name from Groups join GroupMembers on GroupMembers.GroupId = Groups.id "
        "join Users on Users.id = GroupMembers.MemberId where Groups.Domain = 'RT::Ticket-Role' and Groups.Instance = ?"
    )
    return sorted(database.execute(query, (ticket,)).fetchall())


def fields_of(database: sqlite3.Connection, ticket: int) -> list[tuple[str, str]]:
    """Custom fields and their values."""
    query = (
        "select CustomFields.Name, Content from ObjectCustomFieldValues as v "
        "join CustomFields on CustomFields.id = v.CustomField "
        "where v.ObjectType = 'RT::Ticket' and v.ObjectId = ? and v.Disabled = 0"
    )
    return sorted(database.execute(query, (ticket,)).fetchall())


def texts(database: sqlite3.Connection, ticket: int) -> list[tuple[Any, ...]]:
    """Messages of a ticket in their order, and files by name and bytes."""
    query = (
        "select t.id, t.Type, a.Filename, a.ContentType, a.ContentEncoding, a.Content from Transactions as t "
        "join Attachments as a on a.TransactionId = t.id where t.ObjectType = 'RT::Ticket' and t.ObjectId = ? "
        "and t.Type in ('Create', 'Comment', 'Correspond') and a.Content is not null order by t.id, a.Filename, a.id"
    )
    rows = database.execute(query, (ticket,)).fetchall()
    return [(kind, name, type_, decoded(content, encoding)) for _, kind, name, type_, encoding, content in rows]


def decoded(content: str | bytes, encoding: str | None) -> bytes:
    data = content if isinstance(content, bytes) else content.encode()
    if encoding == "base64":
        return base64.b64decode(data)
    return quopri.decodestring(data) if encoding == "quoted-printable" else data
