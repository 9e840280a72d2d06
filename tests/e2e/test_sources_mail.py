"""Mailboxes as a source, through the command: added, tested, backed up, and put back; on the double, on pymap, and on Dovecot
where there is one. `imaplib` of the standard library judges."""

from __future__ import annotations

import imaplib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest

from tests.support import dovecot, imap_double, pymap_server
from tests.support.desk import Desk
from tests.support.imap_double import ImapDouble
from tests.support.mail_places import client_at

CLIENTS = "Clients/&BBcEMgQ+BD0EOgQ4-"  # Звонки
FIRST = datetime(2024, 4, 20, 9, 30, tzinfo=UTC)


class Mail(NamedTuple):
    """A message as a reader of mail sees it."""

    data: bytes
    flags: frozenset[str]
    date: str


class Mailbox(NamedTuple):
    uids: dict[bytes, int]
    mails: list[Mail]


class Judge:
    """Somebody else's client, who also writes."""

    def __init__(self, port: int, user: str, password: str) -> None:
        self._who = port, user, password
        self.log_in()

    def log_in(self) -> None:
        """Anew: some servers end a session under which they were changed."""
        port, user, password = self._who
        self._client = client_at(port)
        self._client.login(user, password)

    def close(self) -> None:
        self._client.shutdown()

    def _leave(self) -> None:
        """No mailbox is open, or one that stays."""
        if "UNSELECT" in self._client.capabilities:
            self._client.unselect()
        else:
            self._client.select("INBOX", readonly=True)

    @property
    def done(self) -> str:
        """A keyword, where the server has some."""
        self._client.select("INBOX")
        _, (flags,) = self._client.response("PERMANENTFLAGS")
        self._leave()
        return "$Done" if b"\\*" in (flags or b"") else ""

    def append(self, mailbox: str, number: int | str, flags: str = "", body: str = "hello") -> bytes:
        data = f"Message-ID: <{number}@tests>\r\nSubject: {number}\r\n\r\n{body}\r\n".encode()
        moment = FIRST + timedelta(hours=7 * number) if isinstance(number, int) else FIRST
        self._client.create(f'"{mailbox}"')
        done, _ = self._client.append(f'"{mailbox}"', f"({flags})", imaplib.Time2Internaldate(moment), data)
        assert done == "OK"
        return data

    def delete(self, mailbox: str) -> None:
        done, said = self._client.delete(f'"{mailbox}"')
        assert done == "OK", said

    def create(self, mailbox: str) -> None:
        """Where it is not there."""
        self._client.create(f'"{mailbox}"')

    def rename(self, mailbox: str, new: str) -> None:
        done, said = self._client.rename(f'"{mailbox}"', f'"{new}"')
        assert done == "OK", said

    def subscribe(self, mailbox: str) -> None:
        self._client.subscribe(f'"{mailbox}"')

    def mark(self, mailbox: str, uid: int, flags: str) -> None:
        self._client.select(f'"{mailbox}"')
        self._client.uid("STORE", str(uid), "+FLAGS", f"({flags})")
        self._leave()

    def names(self) -> set[str]:
        _, lines = self._client.list()
        return {re.sub(r'^"|"$', "", line.decode().rpartition(' "/" ')[2]) for line in lines if isinstance(line, bytes)}

    def subscribed(self) -> set[str]:
        _, lines = self._client.lsub()
        return {re.sub(r'^"|"$', "", line.decode().rpartition(' "/" ')[2]) for line in lines if isinstance(line, bytes)}

    def mailbox(self, name: str) -> Mailbox:
        self._client.select(f'"{name}"', readonly=True)
        _, parts = self._client.uid("FETCH", "1:*", "(UID FLAGS INTERNALDATE BODY.PEEK[]<0.9999999>)")
        uids, mails = {}, []
        for head, data in (part for part in parts if isinstance(part, tuple)):
            text = head.decode()
            flags = re.search(r"FLAGS \(([^)]*)\)", text)
            date = imaplib.Internaldate2tuple(head)
            uid = re.search(r"UID (\d+)", text)
            assert flags and date and uid
            uids[data] = int(uid[1])
            when = re.search(r'INTERNALDATE "([^"]+)"', text)
            assert when
            moment = datetime.strptime(when[1].strip(), "%d-%b-%Y %H:%M:%S %z").astimezone(UTC)
            mails.append(Mail(data, frozenset(flags[1].split()) - {"\\Recent"}, moment.isoformat()))
        self._leave()
        return Mailbox(uids, sorted(mails))


class Server(NamedTuple):
    port: int
    user: str
    password: str
    judge: Judge


@contextmanager
def served(kind: str) -> Iterator[Server]:
    if kind == "double":
        capabilities = (*imap_double.FULL, "UNSELECT")
        with ImapDouble(capabilities).served() as double:
            judge = Judge(double.port, imap_double.USER, imap_double.PASSWORD)
            try:
                yield Server(double.port, imap_double.USER, imap_double.PASSWORD, judge)
            finally:
                judge.close()
        return
    if kind == "pymap":
        with pymap_server.pymap() as port:
            judge = Judge(port, pymap_server.USER, pymap_server.PASSWORD)
            try:
                yield Server(port, pymap_server.USER, pymap_server.PASSWORD, judge)
            finally:
                judge.close()
        return
    with dovecot.dovecot() as server:
        judge = Judge(server.plain, "me", dovecot.PASSWORD)
        try:
            yield Server(server.plain, "me", dovecot.PASSWORD, judge)
        finally:
            judge.close()


class MailDesk:
    """A desk whose project has the server as its source."""

    def __init__(self, desk: Desk, server: Server, *options: str) -> None:
        self.desk, self.judge = desk, server.judge
        self._password = server.password
        self.url = f"imap://127.0.0.1:{server.port}/"
        self.named = f"imap://{server.user}@127.0.0.1:{server.port}/"
        (desk.folder / "password").write_text(f"{server.password}\n")
        desk.init()
        desk.call("project", "add", "acme")
        named = (f"user={server.user}", "password_file=password", *options)
        words = [word for one in named for word in ("--option", one)]
        desk.call("source", "add", "acme", "mail", self.url, *words, "--yes")

    def call(self, *words: str, **more: Any) -> Any:
        result = self.desk.call(*words, **more)
        assert self._password not in result.err and self._password not in result.text
        return result

    def backup(self) -> dict[str, Any]:
        (found,) = self.call("backup", "--json").document["snapshots"]
        assert isinstance(found, dict) and found["problems"] == 0
        return found


@pytest.fixture(params=["double", "pymap", "dovecot"])
def mail(request: pytest.FixtureRequest, desk: Desk) -> Iterator[MailDesk]:
    with served(request.param) as server:
        yield MailDesk(desk, server)


def fill(judge: Judge) -> None:
    done = judge.done
    for number in range(12):
        judge.append("INBOX", number, "\\Seen" if number % 2 else "")
    for number in range(100, 120):
        judge.append(CLIENTS, number, (f"\\Answered {done}", "\\Flagged \\Seen", "")[number % 3], body="x" * number * 100)
    judge.append("Clients/large", "large", body="y" * 2_500_000)
    judge.subscribe(CLIENTS)


def test_a_mailbox_that_was_deleted_comes_back_with_one_command_and_newer_mail_stays(mail: MailDesk) -> None:
    """The accident: a mailbox is deleted with one click, found out a month later, and put back among what came since."""
    judge = mail.judge
    fill(judge)
    first = mail.backup()
    assert first["files"] == 33
    assert mail.backup()["read_bytes"] == 0
    lost = judge.mailbox(CLIENTS)
    judge.delete(CLIENTS)
    for week in range(4):
        judge.append("INBOX", 500 + week, body=f"newer {week}")
        judge.mark("INBOX", week + 1, "\\Flagged")
        mail.backup()
    newer, large = judge.mailbox("INBOX"), judge.mailbox("Clients/large")
    words = ("restore", "acme", "mail/Clients/**", "--deleted", "--in-place")
    dry = mail.call(*words, "--dry-run", "--json").document["plan"]
    assert dry["files"] == 20 and CLIENTS not in judge.names()
    assert any("20 messages to Clients/Звонки, which is made" in note for note in dry["notes"])
    done = mail.call(*words, "--verify", "--yes", "--json").document
    assert (done["files"], done["problems"]) == (20, 0)
    assert done["verification"]["files"] == 20 and done["verification"]["items_differing"] == 0
    assert judge.mailbox(CLIENTS).mails == lost.mails
    assert CLIENTS in judge.subscribed()
    assert (judge.mailbox("INBOX"), judge.mailbox("Clients/large")) == (newer, large)
    again = mail.call(*words, "--yes", "--json").document
    assert (again["files"], judge.mailbox(CLIENTS).mails) == (0, lost.mails)
    paths = {one["path"] for one in mail.call("find", "acme", "mail/Clients/**", "--json").document["items"]}
    mail.backup()  # what was lost is there again, as the same items
    found = mail.call("find", "acme", "mail/Clients/**", "--json").document["items"]
    assert {one["path"] for one in found} == paths and not any(one["deleted"] for one in found)


def test_messages_go_to_another_server_as_they_were(mail: MailDesk) -> None:
    judge = mail.judge
    fill(judge)
    mail.backup()
    with served("double") as other:
        (mail.desk.folder / "other").write_text(other.password)
        address = f"imap://{other.user}@127.0.0.1:{other.port}/Restored?password_file=other"
        for expected in (33, 0):
            done = mail.call("restore", "acme", "--to", address, "--yes", "--json").document
            assert (done["files"], done["problems"]) == (expected, 0)
        for name in ("INBOX", CLIENTS, "Clients/large"):
            assert other.judge.mailbox(f"Restored/{name}").mails == judge.mailbox(name).mails


def test_a_single_message_and_one_month_can_be_put_back(mail: MailDesk) -> None:
    judge = mail.judge
    fill(judge)
    mail.backup()
    before = judge.mailbox("INBOX")
    judge.delete(CLIENTS)
    mail.backup()
    mail.call("restore", "acme", "mail/Clients/**", "--deleted", "--period", "2024-05", "--in-place", "--yes")
    back = judge.mailbox(CLIENTS).mails
    assert back and all(one.date.startswith("2024-05") for one in back)
    assert judge.mailbox("INBOX") == before


def test_a_test_shows_mailboxes_and_headers_and_no_content(mail: MailDesk) -> None:
    fill(mail.judge)
    (found,) = mail.call("source", "test", "acme", "--json").document["sources"]
    assert found["error"] is None and found["files"] == 33 and found["bytes"] > 2_500_000
    assert {"Message-ID", "Subject"} <= {cell["column"] for cell in found["sample"]}
    assert any("INBOX: 12 messages" in note for note in found["notes"])
    assert any("CONDSTORE is" in note for note in found["notes"])
    text = mail.call("source", "test", "acme").text
    assert "hello" not in text and "yyyy" not in text and "<xxxxx@xxxxx>" in text
    (mail.desk.folder / "password").write_text("wrong")
    assert "the user or the secret is wrong" in mail.call("source", "test", "acme", exits=1).err


def test_a_password_in_an_address_is_refused_and_not_repeated(mail: MailDesk) -> None:
    fill(mail.judge)
    mail.backup()
    secret = mail.named.replace("@", ":geheim@")
    assert "geheim" not in mail.call("restore", "acme", "--to", secret, "--yes", exits=2).err
    refused = mail.call("source", "add", "acme", "mail", secret, "--name", "two", "--yes", exits=2).err
    assert "geheim" not in refused
