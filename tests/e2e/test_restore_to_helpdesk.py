"""Tickets back into a real django-helpdesk, a second one, in which nothing is yet: what its own database has, judged by itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.desk import Desk
from tests.support.django_helpdesk import PASSWORD, USER, HelpDesk, helpdesk

RECORDING = bytes(range(256)) * 40


class TwoDesks:
    """One that tickets are backed up from, and an empty one that they go to."""

    def __init__(self, desk: Desk, old: HelpDesk, new: HelpDesk, folder: Path) -> None:
        self.desk, self.old, self.new, self.folder = desk, old, new, folder
        (desk.folder / "secret").write_text(PASSWORD)
        desk.init()
        desk.call("project", "add", "acme")
        for kind, one in (("tickets", old), ("spare", new)):
            words = ("--option", f"base={one.url}", "--option", f"user={USER}", "--option", "password_file=secret", "--yes")
            desk.call("source", "add", "acme", kind, "rest:django-helpdesk", *words)
        (desk.folder / "ids.csv").write_text("resource,old,new\nqueues,1,1\n")

    def restore(self, *words: str, exits: int | tuple[int, ...] = 0) -> Any:
        to = ("--to", "rest:spare", "--id-map", str(self.desk.folder / "ids.csv"))
        return self.desk.call("restore", "acme", "tickets/**", *to, *words, "--json", exits=exits).document

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Of the second desk's database."""
        with closing(sqlite3.connect(f"file:{self.folder / 'new' / 'desk.sqlite'}?mode=ro", uri=True)) as database:
            return database.execute(query).fetchall()


@pytest.fixture
def two(desk: Desk, tmp_path: Path) -> Iterator[TwoDesks]:
    with helpdesk(tmp_path / "old") as old, helpdesk(tmp_path / "new") as new:
        yield TwoDesks(desk, old, new, tmp_path)


def test_tickets(two: TwoDesks) -> None:
    number = two.old.create(title="Посилка запізнилась", description="де вона?\nдуже чекаю", priority=2)["id"]
    other = two.old.create(title="second", submitter_email="other@example.com")["id"]
    two.old.comment(number, "ми {{ ticket.title }} шукаємо", {"answer.txt": b"tomorrow", "record.pdf": RECORDING})
    two.old.comment(number, "ok")
    two.old.comment(number, "ok")
    two.old.edit(other, merged_to=number, status=4, resolution="it was found")
    two.desk.call("backup", "--json")
    plan = two.restore("--dry-run")
    print(plan)
    done = two.restore("--yes", exits=(0, 3))
    print(done)
    print(two.rows("select id, title, description, status, merged_to_id, submitter_email, resolution from helpdesk_ticket"))
    for row in two.rows("select ticket_id, title, comment, public from helpdesk_followup order by id"): print(row)
    print(two.rows("select followup_id, filename, size from helpdesk_followupattachment"))
    again = two.restore("--yes")
    print(again)
    print(two.desk.call("restore","acme","tickets/**","--to","rest:spare","--dry-run").err)
