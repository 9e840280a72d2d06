"""A month of a mailbox that gets a mail each hour: flags change, mailboxes are renamed and deleted, all messages get new
numbers once, a mailbox is deleted by mistake and comes back by one command, and backups go on. Only what is new is fetched.

On the double with a backup every third day in a normal run; on Dovecot with one each hour at full depth."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_sources_mail import FIRST, Judge, Mailbox, MailDesk, Server
from tests.support import dovecot, imap_double
from tests.support.desk import Desk
from tests.support.imap_double import ImapDouble
from tests.support.trees import contents

HOURS = 30 * 24
LOST, RENAMED, NEW_NAME, DROPPED = "Clients/Acme", "Clients/Beta", "Archive/Beta", "Old"
BOXES = ("INBOX", LOST, RENAMED, DROPPED)
RENAMING, DROPPING, RENUMBERING, LOSING, RETURNING = (24 * day for day in (7, 12, 15, 20, 25))


@contextmanager
def mail_server(kind: str) -> Iterator[tuple[Server, Callable[[], None]]]:
    """A server, and what gives new numbers to all messages of INBOX."""
    if kind == "double":
        with ImapDouble((*imap_double.FULL, "UNSELECT")).served() as double:
            judge = Judge(double.port, imap_double.USER, imap_double.PASSWORD)
            yield Server(double.port, imap_double.USER, imap_double.PASSWORD, judge), lambda: double.renumber("INBOX", 99)
            judge.close()
        return
    with dovecot.dovecot() as server:
        judge = Judge(server.plain, "me", dovecot.PASSWORD)

        def renumber() -> None:
            for file in server.mail_of("me").glob("dovecot*"):
                if file.is_file():
                    file.unlink()
            judge.close()
            judge.log_in()

        yield Server(server.plain, "me", dovecot.PASSWORD, judge), renumber
        judge.close()


class Month:
    """What happens, hour by hour. every: hours between two backups."""

    def __init__(self, desk: Desk, server: Server, renumber: Callable[[], None], every: int) -> None:
        self.mail, self.judge = MailDesk(desk, server), server.judge
        self._renumber, self._every = renumber, every
        self._random = random.Random("a month of mail")
        self._boxes = list(BOXES)
        for box in BOXES:
            self.judge.create(box)
        self._new: list[bytes] = []
        self._happened = False
        self.lost: Mailbox | None = None
        self.backups = 0

    def live(self) -> None:
        for hour in range(HOURS):
            self._receive(hour)
            self._events(hour)
            if (hour + 1) % self._every == 0:
                self._backup()

    def _receive(self, hour: int) -> None:
        box = self._boxes[hour % len(self._boxes)]
        moment = FIRST + timedelta(hours=hour)
        self._new.append(self.judge.append(box, hour, body=f"written at {moment}: {'text ' * self._random.randrange(60)}"))
        if hour % 24 == 5:
            uids = sorted(self.judge.mailbox(box).uids.values())
            self.judge.mark(box, self._random.choice(uids), self._random.choice(("\\Seen", "\\Flagged", "\\Answered")))

    def _events(self, hour: int) -> None:
        events = {
            RENAMING: self._rename, DROPPING: self._drop, RENUMBERING: self._renumber, LOSING: self._lose,
            RETURNING: self._bring_back,
        }  # fmt: skip
        if hour in events:
            if hour != RENUMBERING:
                self._backup()
            events[hour]()
            self._happened = self._happened or hour != RENUMBERING

    def _rename(self) -> None:
        self.judge.rename(RENAMED, NEW_NAME)
        self._boxes[self._boxes.index(RENAMED)] = NEW_NAME

    def _drop(self) -> None:
        self.judge.delete(DROPPED)
        self._boxes.remove(DROPPED)

    def _lose(self) -> None:
        self.lost = self.judge.mailbox(LOST)
        self.judge.delete(LOST)
        self._boxes.remove(LOST)

    def _bring_back(self) -> None:
        words = ("restore", "acme", f"mail/{LOST}/**", "--deleted", "--in-place", "--verify", "--yes", "--json")
        done = self.mail.call(*words).document
        assert self.lost is not None and (done["files"], done["problems"]) == (len(self.lost.mails), 0)
        assert self.judge.mailbox(LOST).mails == self.lost.mails
        assert self.mail.call(*words).document["files"] == 0, "a second time puts nothing there"
        self._boxes.append(LOST)

    def _backup(self) -> None:
        """What it reads is what came, and nothing else; but for what happened to whole mailboxes."""
        found = self.mail.backup()
        self.backups += 1
        if not self._happened:
            size = sum(len(one) for one in self._new)
            expected = (len(self._new), 0, size) if self.backups > 1 else (found["added"], 0, size)
            assert (found["added"], found["vanished"], found["read_bytes"]) == expected, self.backups
        self._new.clear()
        self._happened = False

    def proven(self, folder: Path) -> None:
        """The last snapshot is what the server has."""
        self.mail.call("check", "--read-data")
        self.mail.call("restore", "acme", "--to", str(folder), "--yes")
        found = contents(folder)
        for box in self._boxes:
            there = sorted(one.data for one in self.judge.mailbox(box).mails)
            assert sorted(data for name, data in found.items() if name.startswith(f"mail/{box}/")) == there
        assert not [name for name in found if name.startswith((f"mail/{RENAMED}/", f"mail/{DROPPED}/"))]

    def remembered(self) -> list[dict[str, Any]]:
        """What was deleted for good can still be found."""
        items = self.mail.call("find", "acme", f"mail/{DROPPED}/**", "--deleted", "--json").document["items"]
        return [one for one in items if one["path"].endswith(".eml")]


def lives_through(desk: Desk, kind: str, every: int) -> None:
    with mail_server(kind) as (server, renumber):
        month = Month(desk, server, renumber, every)
        month.live()
        month._backup()
        month.proven(desk.folder / "proof")
        assert len(month.remembered()) == DROPPING // len(BOXES)
        assert month.mail.backup()["read_bytes"] == 0


def test_a_month_of_mail(desk: Desk) -> None:
    lives_through(desk, "double", 72)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["double", "dovecot"])
def test_a_month_of_mail_with_a_backup_each_hour(desk: Desk, kind: str) -> None:
    lives_through(desk, kind, 1)
