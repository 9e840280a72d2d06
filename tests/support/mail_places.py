"""Mailboxes as sources, for the contract of sources (`tests/support/source_places.py`): on the double, on pymap and on Dovecot.

A name becomes a message with that name as its subject, in the mailbox of its folder.
"""

from __future__ import annotations

import imaplib
import socket
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

from tests.support import dovecot, imap_double, pymap_server
from tests.support.imap_double import ImapDouble
from vault.clock import SystemClock
from vault.source.contract import Source
from vault.source.imap import messages
from vault.source.imap.address import ImapAddress
from vault.source.imap.client import ImapClient
from vault.source.imap.source import ImapSource
from vault.source.patterns import Rules

PREFIX = b"raw"


def as_mail(name: str, content: bytes) -> bytes:
    """A message with a content; its name comes from its header."""
    lines = content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return b"Message-ID: <%b@tests>\r\nSubject: %b\r\n\r\n%b" % (name.encode(), name.encode(), lines)


def path_of(name: str) -> bytes:
    """Of the item that a message is."""
    header = as_mail(name, b"")
    received = int(imap_double.MAY.timestamp())
    return PREFIX + b"/" + messages.path_of(_mailbox(name).encode(), received, messages.name_of(header), 1)


def _mailbox(name: str) -> str:
    return name.rpartition("/")[0] or "INBOX"


class _MailPlace:
    """What both have in common: a message is replaced by another one, which is another item."""

    several = True

    def __init__(self, folder: Path) -> None:
        self._state = folder / "mail.sqlite"
        self._contents: dict[str, bytes] = {}

    def expected(self, name: str) -> bytes | None:
        return as_mail(name, self._contents[name])

    def path(self, name: str) -> bytes:
        return path_of(name)

    def put(self, contents: Mapping[str, bytes]) -> None:
        for name in [one for one, content in self._contents.items() if contents.get(one) != content]:
            self._delete(_mailbox(name), name)
            del self._contents[name]
        for name, content in contents.items():
            if name not in self._contents:
                self._append(_mailbox(name), as_mail(name, content))
        self._contents = dict(contents)

    def source(self) -> Source:
        raise NotImplementedError

    def take_away(self) -> None:
        raise NotImplementedError

    def _delete(self, mailbox: str, name: str) -> None:
        raise NotImplementedError

    def _append(self, mailbox: str, data: bytes) -> None:
        raise NotImplementedError

    def _source(self, address: ImapAddress) -> Source:
        return ImapSource(ImapClient(address, SystemClock()), PREFIX, Rules(), state=self._state)


class DoubleMailPlace(_MailPlace):
    """On the double."""

    def __init__(self, folder: Path, served: ExitStack) -> None:
        super().__init__(folder)
        self.double = served.enter_context(ImapDouble().served())
        self._port = self.double.port

    def source(self) -> Source:
        secret = imap_double.PASSWORD
        return self._source(ImapAddress("127.0.0.1", self._port, secure=False, user=imap_double.USER, secret=lambda: secret))

    def take_away(self) -> None:
        self.double.boxes.clear()

    def _delete(self, mailbox: str, name: str) -> None:
        subject = f"Subject: {name}\r\n".encode()
        for mail in [one for one in self.double.boxes[mailbox].mails if subject in one.data]:
            self.double.remove(mailbox, mail.uid)

    def _append(self, mailbox: str, data: bytes) -> None:
        self.double.put(mailbox, data)


class _RealPlace(_MailPlace):
    """On a server that is nobody's double; a client of somebody else's writes."""

    _writer: imaplib.IMAP4

    def _delete(self, mailbox: str, name: str) -> None:
        self._writer.select(mailbox)
        _, (found,) = self._writer.uid("SEARCH", "SUBJECT", f'"{name}"')
        for uid in found.split():
            self._writer.uid("STORE", uid.decode(), "+FLAGS", r"(\Deleted)")
        self._writer.close()

    def _append(self, mailbox: str, data: bytes) -> None:
        if mailbox != "INBOX":
            self._writer.create(mailbox)
        done, said = self._writer.append(mailbox, "", imaplib.Time2Internaldate(imap_double.MAY), data)
        if done != "OK":
            raise RuntimeError(said)


class DovecotPlace(_RealPlace):
    """On Dovecot, by TLS."""

    def __init__(self, folder: Path, served: ExitStack) -> None:
        super().__init__(folder)
        self._server = served.enter_context(dovecot.dovecot())
        self._writer = client_at(self._server.plain)
        served.callback(self._writer.shutdown)
        self._writer.login("me", dovecot.PASSWORD)

    def source(self) -> Source:
        certificate, secret = str(self._server.certificate), dovecot.PASSWORD
        return self._source(
            ImapAddress("localhost", self._server.secure, user="me", secret=lambda: secret, certificates=certificate)
        )

    def take_away(self) -> None:
        self._server.certificate.unlink()


class PymapPlace(_RealPlace):
    """On pymap, by the plain protocol of 1996."""

    def __init__(self, folder: Path, served: ExitStack) -> None:
        super().__init__(folder)
        self._port = served.enter_context(pymap_server.pymap())
        self._password = pymap_server.PASSWORD
        self._writer = client_at(self._port)
        served.callback(self._writer.shutdown)
        self._writer.login(pymap_server.USER, self._password)

    def source(self) -> Source:
        secret = self._password
        return self._source(ImapAddress("127.0.0.1", self._port, secure=False, user=pymap_server.USER, secret=lambda: secret))

    def take_away(self) -> None:
        self._password = "another"


def client_at(port: int) -> imaplib.IMAP4:
    """Of the standard library; what it appends it sends in parts, and each waited for word of the one before, 40 ms."""
    client = imaplib.IMAP4("127.0.0.1", port)
    client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


KINDS = ("mail", "mail-dovecot", "mail-pymap")


def place_of(kind: str, folder: Path, served: ExitStack) -> _MailPlace:
    """An empty one of a kind."""
    made: dict[str, Callable[[Path, ExitStack], _MailPlace]] = {"mail-dovecot": DovecotPlace, "mail-pymap": PymapPlace}
    return made.get(kind, DoubleMailPlace)(folder, served)
