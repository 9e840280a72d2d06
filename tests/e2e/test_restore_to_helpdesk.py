"""Tickets back into a real django-helpdesk, a second one, in which nothing is yet: judged by what its own database has."""

from __future__ import annotations

import csv
import random
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.desk import Desk
from tests.support.django_helpdesk import PASSWORD, USER, HelpDesk, helpdesk
from tests.support.rest_double import serving
from tests.support.storm_proxy import StormProxy

RECORDING = bytes(range(256)) * 40


STORM = {2: "cut-done", 4: "429", 6: "cut", 11: "503-done", 13: "cut-done", 17: "503", 24: "cut-done", 31: "cut-done"}
"""What happens to requests that create or change something, by their numbers."""


class TwoDesks:
    """One that tickets are backed up from, and an empty one that they go to, behind a proxy. folder: of their data, `old` and
    `new`."""

    def __init__(self, desk: Desk, old: HelpDesk, new: StormProxy, folder: Path) -> None:
        self.desk, self.old, self.new, self.folder = desk, old, new, folder
        self.ids = desk.folder / "ids.csv"
        (desk.folder / "secret").write_text(PASSWORD)
        desk.init()
        desk.call("project", "add", "acme")
        for kind, base in (("tickets", old.url), ("spare", new.base)):
            words = ("--option", f"base={base}", "--option", f"user={USER}", "--option", "password_file=secret", "--yes")
            desk.call("source", "add", "acme", kind, "rest:django-helpdesk", *words)
        self.ids.write_text("resource,old,new\nqueues,1,2\nusers,1,1\n")

    @property
    def words(self) -> tuple[str, ...]:
        return ("restore", "acme", "tickets/**", "--to", "rest:spare", "--id-map", str(self.ids))

    def restore(self, *words: str) -> Any:
        return self.desk.call(*self.words, *words, "--json").document

    def killed(self, followups: int) -> None:
        """A restore that is killed once the other desk has so many comments."""
        process = self.desk.start(*self.words, "--yes")
        while process.poll() is None and self.count("helpdesk_followup") < followups:
            time.sleep(0.005)
        process.kill()
        process.communicate()

    def count(self, table: str) -> int:
        """Rows of the second desk."""
        with closing(sqlite3.connect(f"file:{self.folder / 'new' / 'desk.sqlite'}?mode=ro", uri=True)) as database:
            return int(database.execute(f"select count(*) from {table}").fetchone()[0])


@pytest.fixture
def two(desk: Desk, tmp_path: Path) -> Iterator[TwoDesks]:
    with helpdesk(tmp_path / "old") as old:
        shutil.copytree(tmp_path / "old", tmp_path / "new")  # making one takes as long as the test
        with helpdesk(tmp_path / "new") as new, serving(StormProxy(new.url, STORM)) as proxy:
            yield prepared(desk, old, proxy, tmp_path)


def prepared(desk: Desk, old: HelpDesk, new: StormProxy, folder: Path) -> TwoDesks:
    """With custom fields, and a queue that has another number."""
    for one in ("old", "new"):
        custom_fields(folder / one)
    second_queue(folder / "new")
    return TwoDesks(desk, old, new, folder)


def test_tickets_come_into_an_empty_helpdesk_once_though_it_is_killed_and_cut_off(two: TwoDesks) -> None:
    numbers = filled(two.old)
    two.desk.call("backup", "--json")
    (plan,) = two.restore("--dry-run")["resources"]
    assert (plan["to_create"], plan["children"], plan["files"], plan["unresolved"]) == (8, 18, 3, [])
    assert two.count("helpdesk_ticket") == 0 and "whose comments they were" in plan["losses"][0]
    chance = random.Random(14)
    for _ in range(2):
        two.killed(two.count("helpdesk_followup") + chance.randint(1, 9))
    done = two.restore("--yes")
    assert done["problem_list"] == [] and not any(one["not_set"] for one in done["ids"])
    assert judged(two.folder / "new") == judged(two.folder / "old")
    assert two.new.happened == list(STORM.values())

    with two.ids.open(newline="") as opened:
        rows = [(one["resource"], one["old"]) for one in csv.DictReader(opened)]
    assert sorted(rows) == sorted([("queues", "1"), ("users", "1"), *(("tickets", str(number)) for number in numbers)])
    there = two.count("helpdesk_ticket"), two.count("helpdesk_followup")
    for file in [two.ids, *two.desk.folder.rglob("restored-*")]:
        assert PASSWORD.encode() not in file.read_bytes()
        if file != two.ids:
            file.unlink()  # as on another machine
    two.ids.write_text("resource,old,new\nqueues,1,2\nusers,1,1\n")
    again = two.restore("--yes")
    assert (again["records_created"], again["already_there"]) == (0, 8)
    assert (two.count("helpdesk_ticket"), two.count("helpdesk_followup")) == there
    assert PASSWORD not in two.desk.call(*two.words, "--dry-run").err


def filled(desk: HelpDesk) -> list[int]:
    """Tickets with all that they may have; their numbers."""
    fields = {"custom_phone": "+380 44", "custom_count": 17}
    first = desk.create(title="Посилка запізнилась", description="де вона?\n\nдуже чекаю", priority=1, **fields)["id"]
    desk.comment(first, "ми шукаємо", {"answer.txt": b"tomorrow", "record.pdf": RECORDING})
    odd = desk.comment(first, "odd")
    desk.ask("PATCH", f"api/followups/{odd}/", {"comment": "{{ ticket.title }} {% odd %} <b>", "time_spent": "00:12:00"})
    for _ in range(2):
        desk.comment(first, "ok")
    second = desk.create(title="second", submitter_email="other@example.com", assigned_to=1)["id"]
    closed = {"status": 4, "resolution": "it was found", "merged_to": first, "due_date": "2031-05-01T10:00:00Z"}
    desk.edit(second, title="renamed", **closed)
    desk.edit(first, title="Посилка запізнилась", on_hold=True, merged_to=second)
    others = []
    for number in range(6):
        others.append(desk.create(title=f"ticket {number}")["id"])
        desk.comment(others[-1], f"comment {number}", {"small.txt": b"small"} if number == 3 else None)
    return [first, second, *others]


def judged(folder: Path) -> list[tuple[Any, ...]]:
    """What a database and its files say of tickets, without numbers and times."""
    with closing(sqlite3.connect(f"file:{folder / 'desk.sqlite'}?mode=ro", uri=True)) as database:
        tickets = database.execute(
            "select t.id, t.title, t.description, t.status, t.on_hold, t.resolution, t.priority, t.due_date, "
            "t.submitter_email, m.title, u.username from helpdesk_ticket as t "
            "left join helpdesk_ticket as m on m.id = t.merged_to_id "
            "left join auth_user as u on u.id = t.assigned_to_id order by t.title"
        ).fetchall()
        return [(*one[1:], _custom(database, one[0]), _comments(database, one[0], folder)) for one in tickets]


def _custom(database: sqlite3.Connection, ticket: int) -> list[tuple[Any, ...]]:
    query = (
        "select f.name, v.value from helpdesk_ticketcustomfieldvalue as v join helpdesk_customfield as f on f.id = v.field_id "
        "where v.ticket_id = ? order by f.name"
    )
    return database.execute(query, (ticket,)).fetchall()


def _comments(database: sqlite3.Connection, ticket: int, folder: Path) -> list[tuple[Any, ...]]:
    """In their order, without the one that finds the ticket again."""
    query = (
        "select id, title, comment, public, new_status, time_spent from helpdesk_followup where ticket_id = ? "
        "and comment not like 'strongroom:%' order by date, id"
    )
    files = "select filename, file from helpdesk_followupattachment where followup_id = ? order by filename"
    return [
        (*one[1:], [(name, (folder / "media" / file).read_bytes()) for name, file in database.execute(files, one[:1])])
        for one in database.execute(query, (ticket,)).fetchall()
    ]


def custom_fields(folder: Path) -> None:
    """Two, which the interface shows as fields of its own."""
    with closing(sqlite3.connect(folder / "desk.sqlite", timeout=30)) as database, database:
        columns = {row[1]: row for row in database.execute("pragma table_info(helpdesk_customfield)")}
        for number, (name, kind) in enumerate((("phone", "varchar"), ("count", "integer")), 1):
            values = {"id": number, "name": name, "label": name, "data_type": kind, "max_length": 50, "ordering": number}
            for column, (_, _, sql_type, not_null, _, _) in columns.items():
                if not_null and column not in values:
                    values[column] = "2024-05-01" if sql_type == "datetime" else 0 if sql_type in ("bool", "integer") else ""
            names, places = ", ".join(values), ", ".join("?" * len(values))
            database.execute(f"insert into helpdesk_customfield ({names}) values ({places})", tuple(values.values()))


def second_queue(folder: Path) -> None:
    """The queue has another number here."""
    with closing(sqlite3.connect(folder / "desk.sqlite", timeout=30)) as database, database:
        database.execute("update helpdesk_queue set id = 2")
