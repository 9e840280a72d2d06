"""Mailboxes of an IMAP server as a source: each message is a file, `MAILBOX/2024-05/NAME.eml`, with its flags beside it.

Mailboxes are opened for reading alone, and contents are asked for in the way that does not mark them as read. A message never
changes under its number, as the protocol demands, so that its content is known by its size and header; its flags and labels
are told apart by a number of their own (`vault.source.contract`: attributes that change while the content does not).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from pathlib import Path

from vault.coverage import Coverage, CoveredEntity
from vault.errors import Interrupted
from vault.problems import printable
from vault.progress import Stop, never
from vault.source.attributes import Extended
from vault.source.contract import Scan, ScanColumn
from vault.source.imap import listing, messages
from vault.source.imap.client import ImapClient
from vault.source.imap.connection import ImapConnection, Refused
from vault.source.imap.listing import NONEXISTENT, NOSELECT, SUBSCRIBED, USES
from vault.source.imap.mailbox_sync import CONDSTORE, GMAIL, ListedMailbox, MailboxSync
from vault.source.imap.message_reader import MessageReader, item_of
from vault.source.imap.message_table import MessageTable, TableUnusable
from vault.source.item_list import ItemList
from vault.source.patterns import Rules
from vault.wording import counted, size

MAILBOXES_NAMED = 20

GAPS = (
    "rules of the server (Sieve), access rights, quotas and annotations of mailboxes are not kept",
    "numbers of messages (UID) and of changes (MODSEQ) are the server's own; who puts a message back gets new ones",
    "a message is taken to be unchanged under its number, as IMAP demands",
)


class ImapSource:
    """See this module's text.

    - `prefix`: what the paths of items begin with
    - `base`: path of the mailbox that is taken, with those in it; empty for all
    - `state`: a file that remembers what the server has; None for none
    - `estimated`: whether the server only estimates sizes of messages
    """

    def __init__(
        self,
        client: ImapClient,
        prefix: bytes,
        rules: Rules,
        *,
        base: bytes = b"",
        state: Path | None = None,
        estimated: bool = False,
    ) -> None:
        self.client = client
        self.prefix = prefix
        self.estimated = estimated
        self._rules = rules
        self._base = base
        self._state = state
        self._table: MessageTable | None = None
        self._folders: dict[bytes, Extended] = {}

    @property
    def table(self) -> MessageTable:
        """What is known of all messages."""
        if self._table is None:
            address = self.client.address
            self._table = MessageTable(self._state, f"{address.text} {address.user}")
        return self._table

    def scan(self, stop: Stop) -> Scan:
        """All mailboxes and messages. Raises `SourceError`."""
        try:
            return self._scanned(stop)
        except TableUnusable:
            if self._state is None:
                raise
            self._forget()
            self._state = None  # without a memory, then
            return self._scanned(stop)

    def _scanned(self, stop: Stop) -> Scan:
        stop()
        found = ItemList(self.prefix, 0)
        mailboxes = self._mailboxes()
        stop()
        closed = self._synced(mailboxes, stop)
        self._folders = {}
        for mailbox in mailboxes:
            self._folder(found, mailbox)
            if reason := closed.get(mailbox.path):
                found.unknown(mailbox.path, reason)
            elif mailbox.path not in closed:
                self._messages(found, mailbox, stop)
        known = self.client.run(lambda connection: connection.capabilities)
        fields = ("content", "flags", "date of arrival", *(("labels",) if GMAIL in known else ()))
        entities = (CoveredEntity("messages", fields), CoveredEntity("mailboxes", ("subscription", "special use")))
        ignored: frozenset[ScanColumn] = frozenset({"size"}) if self.estimated else frozenset()
        scan = found.scan(ignored, Coverage("imap", entities, GAPS))
        scan.is_remote = True
        scan.attribute_tokens = True
        scan.notes = self._notes([one for one in mailboxes if one.path not in closed], known)
        return scan

    def reader(self, stop: Stop = never) -> MessageReader:
        """Reads messages by what the last scan has found."""
        del stop
        return MessageReader(self.client, self.table, self.prefix, self._folders, estimated=self.estimated)

    def close(self) -> None:
        """End the connections."""
        self.client.close()
        self._forget()

    def _forget(self) -> None:
        if self._table is not None:
            self._table.close()
            self._table = None

    def _mailboxes(self) -> list[ListedMailbox]:
        """Those that are taken."""

        def task(connection: ImapConnection) -> list[ListedMailbox]:
            listed = listing.list_mailboxes(connection)
            self.table.keep_only(listed.mailboxes)
            below = listing.base_of(listed, self._base, self.client.address.text)
            entered = [one for one in below if self._enters(one.path)]
            return listing.with_states(connection, entered)

        return self.client.run(task)

    def _enters(self, path: bytes) -> bool:
        parts = path.split(b"/")
        return all(self._rules.enters(b"/".join(parts[:count])) for count in range(1, len(parts) + 1))

    def _synced(self, mailboxes: Iterable[ListedMailbox], stop: Stop) -> dict[bytes, str]:
        """Bring the table up to date; gives the mailboxes of which nothing can be known, and why: empty where they are gone."""
        ended = threading.Event()

        def is_wanted() -> None:
            if ended.is_set():
                raise Interrupted("the scan has ended")

        sync = MailboxSync(self.table, is_wanted)
        changed = [one for one in mailboxes if not sync.is_known(one) and self._is_worth_opening(one)]
        closed: dict[bytes, str] = {}

        def one_mailbox(mailbox: ListedMailbox) -> None:
            try:
                is_wanted()
                self.client.run(lambda connection: sync.run(connection, mailbox))
            except Refused as error:
                gone = error.code == "NONEXISTENT"
                closed[mailbox.path] = "" if gone else f"the mailbox cannot be opened: {error}"

        with ThreadPoolExecutor(self.client.address.connections, thread_name_prefix="imap") as pool:
            try:
                waiting: set[Future[None]] = {pool.submit(one_mailbox, one) for one in changed}
                while waiting:
                    stop()
                    done, waiting = wait(waiting, 0.2, FIRST_EXCEPTION)
                    for one in done:
                        one.result()
            except BaseException:
                ended.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return closed

    def _is_worth_opening(self, mailbox: ListedMailbox) -> bool:
        """Also one that says it cannot be opened, where it could be before: has it been deleted, or only closed to us?"""
        if NONEXISTENT in mailbox.marks:
            return False
        return NOSELECT not in mailbox.marks or self.table.count(mailbox.path) > 0

    def _folder(self, found: ItemList, mailbox: ListedMailbox) -> None:
        """The mailbox itself, which may be empty."""
        if not self._rules.takes_folder(mailbox.path) or NONEXISTENT in mailbox.marks:
            return
        values = []
        if SUBSCRIBED in mailbox.marks:
            values.append((messages.SUBSCRIBED, b"yes"))
        if uses := sorted(mailbox.marks & set(USES)):
            values.append((messages.USE, b" ".join(uses)))
        extended = Extended(tuple(values), ())
        self._folders[found.whole(mailbox.path)] = extended
        found.folder(mailbox.path, 0, repr(values).encode())

    def _messages(self, found: ItemList, mailbox: ListedMailbox, stop: Stop) -> None:
        if NOSELECT in mailbox.marks:
            return
        for number, (message, copy) in enumerate(self.table.messages(mailbox.path)):
            if number % 1000 == 0:
                stop()
            path = messages.path_of(mailbox.path, message.received, message.name, copy)
            if self._rules.takes(path):
                found.file(item_of(path, message, estimated=self.estimated))
            else:
                found.excluded += 1

    def _notes(self, mailboxes: list[ListedMailbox], known: frozenset[str]) -> tuple[str, ...]:
        """For people who test the source: mailboxes, and what the server can."""
        opened = [one.path for one in mailboxes if NOSELECT not in one.marks]
        notes = [
            f"{printable(path)}: {counted(self.table.count(path), 'message')}, {size(self.table.size(path))}"
            for path in opened[:MAILBOXES_NAMED]
        ]
        if len(opened) > MAILBOXES_NAMED:
            notes.append(f"and {counted(len(opened) - MAILBOXES_NAMED, 'more mailbox', 'more mailboxes')}")
        changes = "tells what has changed" if CONDSTORE in known else "has all flags asked for in every run"
        notes.append(f"the server {changes} ({CONDSTORE} {'is' if CONDSTORE in known else 'is not'} there)")
        one_answer = "LIST-STATUS" in known and "LIST-EXTENDED" in known
        cost = "two commands" if one_answer else "a command for each mailbox"
        notes.append(f"a run where nothing changed costs {cost}")
        if "UIDPLUS" not in known:
            notes.append("the server does not say where it puts a message: labels cannot be put back (UIDPLUS is not there)")
        return tuple(notes)
