"""`kill -9` and broken connections at random moments, for mail: a backup claims nothing and goes on, and a restore that is run
again puts no message there twice, whether or not the server had taken the last one."""

from __future__ import annotations

import random
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.test_sources_mail import Judge, MailDesk, Server
from tests.support import imap_double
from tests.support.desk import Desk
from tests.support.imap_double import MAY, ImapDouble
from tests.support.randomness import SeededChance
from tests.support.trees import contents

BOXES = ("INBOX", "Clients/Acme", "Clients/Beta")
COUNT = 150
LINES = 100
"""Of one connection, between two breaks: enough for a login and a good part of a task."""


class Tortured:
    """A double with mail, and a project whose source it is."""

    def __init__(self, desk: Desk, double: ImapDouble, judge: Judge) -> None:
        for number in range(COUNT):
            body = SeededChance(f"mail {number}").token(900).hex()
            data = f"Message-ID: <{number}@tests>\r\nSubject: {number}\r\n\r\n{body}\r\n".encode()
            double.put(BOXES[number % 3], data, MAY, ("\\Seen",) if number % 2 else ())
        server = Server(double.port, imap_double.USER, imap_double.PASSWORD, judge)
        self.desk, self.double, self.mail = (
            desk,
            double,
            MailDesk(desk, server, "connections=1"),
        )  # breaks come where lines say, whoever is quicker

    def killed_at(self, number: int, is_counted: Callable[[str], bool], *words: str) -> None:
        """A command that is killed when the server hears so manieth command of a sort, which it carries out all the same."""
        heard, process = Counter[str](), list[subprocess.Popen[bytes]]()

        def before(command: str) -> None:
            heard["counted"] += is_counted(command)
            if heard["counted"] == number and is_counted(command):
                process[0].send_signal(signal.SIGKILL)
                process[0].wait()

        with self.double.lock:  # no command is carried out before the process is known
            self.double.before = before
            process.append(self.desk.start(*words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        process[0].wait(timeout=120)
        assert process[0].returncode == -signal.SIGKILL
        self.double.before = lambda command: None

    def snapshots(self) -> int:
        (project,) = self.desk.call("list", "acme", "--json").document["projects"]
        return len(project["snapshots"])

    def mails(self) -> list[tuple[str, bytes, tuple[str, ...], int]]:
        boxes = self.double.boxes.items()
        found = [(name, one.data, tuple(sorted(one.flags)), one.received) for name, box in boxes for one in box.mails]
        return sorted(found)

    def proven(self) -> None:
        self.desk.call("check", "--read-data")
        self.desk.call("restore", "acme", "--to", "proof", "--yes")
        assert sorted(contents(self.desk.folder / "proof").values()) == sorted(data for _, data, _, _ in self.mails())


@pytest.fixture
def tortured(desk: Desk) -> Iterator[Tortured]:
    with ImapDouble((*imap_double.FULL, "UNSELECT")).served() as double:
        judge = Judge(double.port, imap_double.USER, imap_double.PASSWORD)
        yield Tortured(desk, double, judge)
        judge.close()


def any_command(command: str) -> bool:
    return True


def is_append(command: str) -> bool:
    return command.startswith("APPEND")


def backup_survives(tortured: Tortured, moments: list[int]) -> None:
    for moment in moments:
        tortured.killed_at(moment, any_command, "backup")
        assert tortured.snapshots() == 0
    assert tortured.mail.backup()["files"] == COUNT
    assert tortured.snapshots() == 1
    tortured.proven()


def restore_survives(tortured: Tortured, moments: list[int]) -> None:
    """A mailbox is lost, and each run that is to bring it back but the last one is killed at one of these APPENDs."""
    tortured.mail.backup()
    before = tortured.mails()
    del tortured.double.boxes["Clients/Acme"]
    words = ("restore", "acme", "mail/Clients/Acme/**", "--in-place", "--yes")
    for moment in moments:
        tortured.killed_at(moment, is_append, *words)
    there = len(tortured.double.boxes["Clients/Acme"].mails)
    assert there == sum(moments), "the server has taken the last one of each run, too"
    done = tortured.mail.call(*words, "--verify", "--json").document
    assert (done["files"], done["problems"], tortured.mails()) == (COUNT // 3 - there, 0, before)


def test_a_backup_that_is_killed_claims_nothing_and_the_next_one_has_everything(tortured: Tortured) -> None:
    backup_survives(tortured, [random.Random("backup").randrange(6, 14)])


def test_a_restore_that_is_killed_puts_no_message_there_twice(tortured: Tortured) -> None:
    chance = random.Random("restore")
    restore_survives(tortured, [chance.randrange(1, 15), chance.randrange(1, 15)])


def test_a_connection_that_breaks_off_at_every_hundredth_line_costs_time_alone(tortured: Tortured) -> None:
    tortured.double.cut_at, tortured.double.cuts, tortured.double.sent = LINES, 100_000, 0
    found = tortured.mail.backup()
    assert found["files"] == COUNT and tortured.double.cuts < 100_000 - 3
    tortured.double.cut_at = 0
    tortured.proven()
    before = tortured.mails()
    del tortured.double.boxes["Clients/Acme"]
    tortured.double.cut_at, tortured.double.sent = LINES, 0
    words = ("restore", "acme", "mail/Clients/Acme/**", "--in-place", "--yes", "--json")
    assert tortured.mail.call(*words).document["files"] == COUNT // 3
    tortured.double.cut_at = 0
    assert tortured.mails() == before


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_backups_and_restores_that_are_killed_again_and_again(tortured: Tortured, seed: int) -> None:
    chance = random.Random(f"kills {seed}")
    backup_survives(tortured, [chance.randrange(1, 16) for _ in range(4)])
    tortured.double.commands.clear()
    restore_survives(tortured, [chance.randrange(1, 12) for _ in range(4)])


@pytest.mark.slow
@pytest.mark.parametrize("lines", [*range(25, 60, 7), 90, 150])
def test_a_connection_that_breaks_off_at_every_so_manieth_line(tortured: Tortured, lines: int) -> None:
    """All of it, or an error and nothing claimed: where no task fits between two breaks."""
    tortured.double.cut_at, tortured.double.cuts, tortured.double.sent = lines, 100_000, 0
    done = tortured.desk.call("backup", "--json", exits=(0, 1))
    tortured.double.cut_at = 0
    assert tortured.snapshots() == (done.code == 0)
    if done.code:
        assert "breaks off each time" in done.err
        tortured.mail.backup()
    tortured.proven()
