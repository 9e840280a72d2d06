"""Messages onto an IMAP server by APPEND, with their flags and the time of their arrival; mailboxes are made and subscribed.

Nothing that is there is replaced, marked or deleted. What a mailbox does not keep (keywords, labels) is named for each message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import IO

from blake3 import blake3

from restore.execution.verification import NO_CHECKSUM, NOT_THERE, OTHER_CONTENT, Verification
from restore.local_fs import TargetItem
from restore.outputs.mail_place import MailboxOnServer, MailPlace, target_errors
from restore.outputs.output_item import OutputItem
from restore.outputs.sink import OutputEntry
from vault.errors import TargetError
from vault.format import manifest
from vault.problems import Problem, printable
from vault.progress import NoProgress, Progress
from vault.source.imap import messages, syntax
from vault.source.imap.client import BrokenOff
from vault.source.imap.connection import ImapConnection, Refused
from vault.source.imap.mailbox_names import UnusableName
from vault.source.imap.mailbox_sync import opened, with_syntax
from vault.source.imap.message_reader import pieces
from vault.source.imap.syntax import BadSyntax, Status

_NOT_SET = (b"\\DELETED", b"\\RECENT")
"""Flags that are not put back: a message that is wanted again must not go with the next cleaning; the other is of sessions."""

_SYSTEM = (b"\\SEEN", b"\\ANSWERED", b"\\FLAGGED", b"\\DRAFT")
_FULL = ("OVERQUOTA", "LIMIT")
BREAKS = 5
"""Times that a connection may break off during one command, after each of which it is looked whether it was carried out."""


class MailSink:
    """See this module's text. A `restore.outputs.sink.OutputSink`."""

    def __init__(self, place: MailPlace) -> None:
        self._place = place
        self._client = place.client
        self._unsubscribed: set[bytes] = set()
        self._keeps: dict[bytes, frozenset[bytes] | None] = {}
        self._sent: list[bytes] = []

    def folder(self, path: bytes, entry: OutputEntry) -> list[Problem]:
        """A mailbox."""
        subscribed = any(name == messages.SUBSCRIBED for name, _ in entry.attributes.extended or ())
        with target_errors():
            reason = self._made(path, subscribed=subscribed)
        return [Problem(path, "unwritable", reason)] if reason else []

    def link(self, path: bytes, points_to: bytes, entry: OutputEntry, *, replace: bool = False) -> list[Problem]:
        """Cannot be."""
        return [Problem(path, "not-carried", f"a mail server holds no links; it points to {printable(points_to)}")]

    def file(self, item: OutputItem, entry: OutputEntry, *, replace: bool = False) -> list[Problem]:
        """A message."""
        if item.content is None:
            return []
        known = messages.parsed_path(item.path)
        if known is None:
            return [Problem(item.path, "not-carried", "a mail server holds messages of mailboxes alone")]
        with target_errors():
            reason = self._made(known.mailbox, subscribed=True)
            if reason:
                return [Problem(item.path, "unwritable", reason)]
            mailbox = self._place.mailbox(known.mailbox)
            flags, lost = self._flags(mailbox, entry)
            try:
                lost += self._append(item.path, mailbox, item.content, entry, flags)
            except Refused as error:
                if error.code in _FULL:
                    raise TargetError(
                        f"{self._client.address.text} has no room left", hint="make room and run it again"
                    ) from error
                return [Problem(item.path, "unwritable", str(error))]
        self._sent.append(item.path)
        return [Problem(item.path, "attributes", f"the server does not keep its {', '.join(lost)}")] if lost else []

    def finish(self) -> list[Problem]:
        """Look whether everything is there."""
        self._place.look_again()
        standing = self._place.existing(self._sent)
        lost = [path for path in self._sent if path not in standing]
        return [Problem(path, "unwritable", "the server took it, and does not have it as it was given") for path in lost]

    def _appended(self, path: bytes, content: IO[bytes], task: Callable[[ImapConnection], Status]) -> Status | None:
        """The answer to an APPEND; None where the connection broke off and the message is there all the same."""
        for _ in range(BREAKS):
            try:
                return self._client.run_once(task)
            except BrokenOff:
                self._place.look_again()
                known = messages.parsed_path(path)
                if known is not None and self._place.has(known, content.seek(0, 2)):
                    return None
        return self._client.run_once(task)

    def _made(self, path: bytes, *, subscribed: bool) -> str:
        """Make a mailbox where it is not there; what is wrong, or nothing."""
        try:
            mailbox = self._place.mailbox(path)
        except UnusableName as error:
            return f"the mailbox {printable(path)} cannot be there: {error}"
        if mailbox.there:
            return ""
        name = syntax.written(mailbox.name)
        try:
            self._create(path, name)
        except Refused as error:
            if error.code != "ALREADYEXISTS":
                return f"the mailbox {printable(path)} cannot be made: {error}"
        self._place.made(mailbox)
        if subscribed:
            try:
                self._client.run(lambda connection: connection.command("SUBSCRIBE", *name))
            except Refused as error:
                return f"the mailbox {printable(path)} was made, and cannot be subscribed to: {error}"
        return ""

    def _create(self, path: bytes, name: list[bytes]) -> None:
        """Make a mailbox. Raises `Refused`, `SourceError`."""
        for _ in range(BREAKS):
            try:
                self._client.run_once(lambda connection: connection.command("CREATE", *name))
                return
            except BrokenOff:
                self._place.list_again()
                if self._place.mailbox(path).there:
                    return
        self._client.run_once(lambda connection: connection.command("CREATE", *name))

    def _flags(self, mailbox: MailboxOnServer, entry: OutputEntry) -> tuple[list[bytes], list[str]]:
        """The flags to set, and what of them the mailbox does not keep."""
        extended = dict(entry.attributes.extended or ())
        wanted = [one for one in extended.get(messages.FLAGS, b"").split() if messages.FLAG.match(one)]
        wanted = [one for one in wanted if one.upper() not in _NOT_SET]
        kept = self._kept(mailbox) if any(not one.startswith(b"\\") for one in wanted) else None
        flags = [one for one in wanted if kept is None or one.upper() in kept or one.upper() in _SYSTEM]
        lost = [f"keyword {printable(one)}" for one in wanted if one not in flags]
        return flags, lost

    def _kept(self, mailbox: MailboxOnServer) -> frozenset[bytes] | None:
        """The flags that a mailbox keeps, in capitals; None where it keeps any. It is asked once."""
        if mailbox.path not in self._keeps:

            def task(connection: ImapConnection) -> tuple[bytes, ...] | None:
                return opened(connection, mailbox.name, writing=True).keeps

            keeps = self._client.run(task)
            self._keeps[mailbox.path] = None if keeps is None or b"\\*" in keeps else frozenset(one.upper() for one in keeps)
        return self._keeps[mailbox.path]

    def _append(
        self,
        path: bytes,
        mailbox: MailboxOnServer,
        content: IO[bytes],
        entry: OutputEntry,
        flags: list[bytes],
    ) -> list[str]:
        """Give a message to the server; what of it the server does not keep."""
        dated = b"/undated/" not in b"/" + path
        mtime_ns = entry.attributes.mtime_ns
        received = mtime_ns // 1_000_000_000 if dated and mtime_ns is not None else None
        parts = [*syntax.written(mailbox.name), b"(" + b" ".join(flags) + b")"]
        parts += [] if received is None else [messages.date_of(received)]
        done = self._appended(path, content, lambda connection: connection.command("APPEND", *parts, content))
        labels = _labels(dict(entry.attributes.extended or ()).get(messages.LABELS, b""))
        if not labels:
            return []
        if not self._place.is_gmail or done is None or done.code != "APPENDUID":
            return ["labels"]
        uid = b"%d" % syntax.number(done.argument.split()[-1])
        value = b"(" + b" ".join(piece for label in labels for piece in syntax.written(label)) + b")"

        def task(connection: ImapConnection) -> None:
            opened(connection, mailbox.name, writing=True)
            with_syntax(connection, "UID STORE", [uid, b"+X-GM-LABELS", value], lambda _: None)

        try:
            self._client.run(task)
        except Refused:
            return ["labels"]
        return []


def _labels(text: bytes) -> list[bytes]:
    """The labels that an attribute names; none where it is not as we write it."""
    try:
        found = syntax.strings(syntax.values([text]))
    except BadSyntax:
        return []
    return [one for one in found if one and len(syntax.written(one)) == 1]


def verify_mail(
    place: MailPlace, items: Iterable[TargetItem], stop: Callable[[], None], progress: Progress | None = None
) -> Verification:
    """Fetch every message that was written for these items, and compare its content. Raises `TargetError`."""
    progress, found = progress or NoProgress(), Verification("mail")
    files = [item for item in items if item.kind == manifest.FILE]
    progress.phase("verifying", items=len(files), size=sum(item.size for item in files))
    place.look_again()
    for item in files:
        stop()
        with target_errors():
            digests = list(_digests(place, item))
        if item.digest is None or not digests:
            found.differ(item.path, NO_CHECKSUM if item.digest is None else NOT_THERE)
        elif item.digest in digests:
            found.agree(item)
        else:
            found.differ(item.path, OTHER_CONTENT)
        progress.advance(items=1, size=item.size)
    return found


def _digests(place: MailPlace, item: TargetItem) -> Iterator[bytes]:
    """BLAKE3 of the messages that may be an item."""
    known = messages.parsed_path(item.path)
    try:
        there = [] if known is None or item.digest is None else place.candidates(known)
    except UnusableName:
        return
    for one in there:
        digest = blake3()
        try:
            for piece in pieces(place.client, one, estimated=True):
                digest.update(piece)
        except OSError:
            continue  # it was deleted meanwhile
        yield digest.digest()
