"""IMAP as a source on a real Dovecot, where the system has one: what a double cannot show."""

from __future__ import annotations

import imaplib
import os
import resource
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support import dovecot
from tests.support.clock import StillClock
from tests.support.dovecot import DovecotServer
from tests.support.places import made_on
from vault.backup import run
from vault.clock import SystemClock
from vault.errors import SourceError
from vault.problems import Problem
from vault.progress import never
from vault.source.contract import Scan
from vault.source.imap.address import ImapAddress
from vault.source.imap.client import ImapClient
from vault.source.imap.source import ImapSource
from vault.source.patterns import Rules
from vault.storage.memory import MemoryStore


@pytest.fixture(scope="module")
def server() -> Iterator[DovecotServer]:
    with dovecot.dovecot(connections=3) as served:
        yield served


def writer(server: DovecotServer, user: str) -> imaplib.IMAP4:
    client = imaplib.IMAP4("127.0.0.1", server.plain)
    client.login(user, dovecot.PASSWORD)
    return client


def fill(server: DovecotServer, user: str, mailbox: str, count: int, body: bytes = b"hello") -> None:
    client = writer(server, user)
    client.create(mailbox)
    for number in range(count):
        data = b"Message-ID: <%d@tests>\r\nSubject: mail %d\r\n\r\n%b\r\n" % (number, number, body)
        done, said = client.append(mailbox, r"(\Seen)", imaplib.Time2Internaldate(1_715_940_900 + number), data)
        assert done == "OK", said
    client.logout()


def source(server: DovecotServer, user: str, state: Path | None = None, connections: int = 4) -> ImapSource:
    certificates, secret = str(server.certificate), dovecot.PASSWORD
    address = ImapAddress(
        "localhost", server.secure, user=user, secret=lambda: secret, certificates=certificates, connections=connections
    )
    return ImapSource(ImapClient(address, SystemClock()), b"mail", Rules(), state=state)


def scanned(server: DovecotServer, user: str, state: Path | None = None) -> Scan:
    with closing(source(server, user, state)) as one:
        return one.scan(never)


def test_a_mailbox_that_dovecot_numbers_anew_is_no_change(server: DovecotServer, tmp_path: Path) -> None:
    fill(server, "renumbered", "INBOX", 20)
    project = made_on(MemoryStore())

    def backed_up() -> run.BackupReport:
        with closing(source(server, "renumbered", tmp_path / "state")) as one:
            return run.back_up(project, run.Source("mail", "mail", one), run.BackupOptions())

    assert backed_up().record.counts.added == 22
    folder = server.mail_of("renumbered")
    for file in folder.glob("dovecot*"):
        if file.is_file():
            file.unlink()
    client = writer(server, "renumbered")
    _, (state,) = client.status("INBOX", "(UIDVALIDITY)")
    client.logout()
    counts = backed_up().record.counts
    assert b"UIDVALIDITY" in state
    assert (counts.added, counts.changed, counts.vanished, counts.read_bytes) == (0, 0, 0, 0)


def test_a_server_that_allows_three_connections_is_left_at_three(server: DovecotServer) -> None:
    for number in range(12):
        fill(server, "crowded", f"box{number}", 3)
    with closing(source(server, "crowded", connections=8)) as one:
        found = one.scan(never)
        paths = [path for path in found.table["path"].to_pylist() if path.endswith(b".eml")]
        with one.reader() as reader:
            assert not [answer for answer in reader.contents(paths) if isinstance(answer, Problem)]
    assert len(paths) == 36 and found.problems == []


def test_a_large_message_is_never_in_memory(server: DovecotServer) -> None:
    fill(server, "large", "INBOX", 1, body=b"0123456789abcdef" * 4_000_000)
    with closing(source(server, "large")) as one:
        (path,) = (path for path in one.scan(never).table["path"].to_pylist() if path.endswith(b".eml"))
        with one.reader() as reader:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            stream = reader.open_large(path)
            assert not isinstance(stream, Problem)
            with stream:
                at, buffer = 0, bytearray(1 << 20)
                while count := stream.readinto(buffer, at):
                    at += count
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert at > 64_000_000 and grown < 40_000  # KiB


def test_a_mailbox_whose_files_may_not_be_read_is_a_problem_and_the_others_are_taken(server: DovecotServer) -> None:
    fill(server, "closed", "INBOX", 2)
    fill(server, "closed", "Locked", 2)
    folder = server.mail_of("closed") / ".Locked"
    owner = folder.stat()
    os.chown(folder, 0, 0) if os.geteuid() == 0 else None
    folder.chmod(0)
    try:
        found = scanned(server, "closed")
    finally:
        folder.chmod(0o700)
        os.chown(folder, owner.st_uid, owner.st_gid) if os.geteuid() == 0 else None
    assert [(one.path, one.what) for one in found.problems] == [(b"mail/Locked", "unlisted")]
    assert found.unlisted == [b"mail/Locked"]
    assert len([path for path in found.table["path"].to_pylist() if path.endswith(b".eml")]) == 2


def test_a_certificate_of_another_name_or_authority_is_refused(server: DovecotServer, tmp_path: Path) -> None:
    fill(server, "tls", "INBOX", 1)
    dovecot.make_certificate(tmp_path, "other.example.com")
    for certificates in ("", str(tmp_path / "certificate.pem")):
        address = ImapAddress(
            "localhost", server.secure, user="tls", secret=lambda: dovecot.PASSWORD, certificates=certificates
        )
        with (
            closing(ImapSource(ImapClient(address, StillClock()), b"mail", Rules())) as one,
            pytest.raises(SourceError, match="certificate that is not trusted"),
        ):
            one.scan(never)


def test_a_server_that_divides_names_by_dots_has_the_same_paths() -> None:
    with dovecot.dovecot(separator=".") as server:
        fill(server, "dots", "Clients.Deep.v2", 1)
        (path,) = (path for path in scanned(server, "dots").table["path"].to_pylist() if path.endswith(b".eml"))
    assert path.startswith(b"mail/Clients/Deep/v2/2024-05/")
