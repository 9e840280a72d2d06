"""What an IMAP server has of the messages that are to go back: a `restore.planning.destination.Destination`.

Messages have no names there. One is there already where its mailbox has a message with the same header lines and the same size;
another one is never in the way, and none is ever replaced or deleted. Mailboxes are looked at for reading alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from restore.local_fs import Inspection, TargetItem
from vault.errors import SourceError, TargetError
from vault.format import manifest
from vault.problems import printable
from vault.source.imap import listing, mailbox_names, messages
from vault.source.imap.client import ImapClient
from vault.source.imap.connection import ImapConnection
from vault.source.imap.listing import NONEXISTENT, NOSELECT, ServerListing
from vault.source.imap.mailbox_names import UnusableName
from vault.source.imap.mailbox_sync import GMAIL, ListedMailbox, MailboxSync
from vault.source.imap.message_table import MessageTable, StoredMessage
from vault.source.imap.messages import ItemName
from vault.wording import counted

if TYPE_CHECKING:
    import pyarrow as pa

SLICE = 4096
MAILBOXES_NAMED = 20
"""In the notes of a plan."""

_CLOSED = {NOSELECT, NONEXISTENT}


class MailboxOnServer(NamedTuple):
    """Where a mailbox of the snapshot is, or would be. name: as the server has it, or would · path: of what it lists · there:
    whether it holds messages."""

    name: bytes
    path: bytes
    there: bool


@contextmanager
def target_errors() -> Iterator[None]:
    """What the client says of a server, as an error of a destination."""
    try:
        yield
    except SourceError as error:
        raise TargetError(str(error), hint=error.hint) from error


class MailPlace:
    """See this module's text.

    - `base`: path of the mailbox below which everything goes; empty for the server's own top
    - `items`: paths and sizes of what is to go back; None where nothing is asked
    - `estimated`: whether the server only estimates sizes, so that the header alone tells
    """

    def __init__(
        self,
        client: ImapClient,
        base: bytes = b"",
        items: pa.Table | None = None,
        stop: Callable[[], None] = lambda: None,
        *,
        estimated: bool = False,
    ) -> None:
        self.client = client
        self._base = base
        self._items = items
        self._estimated = estimated
        self._table = MessageTable(None, "")
        self._sync = MailboxSync(self._table, stop)
        self._listing: ServerListing | None = None
        self._synced: set[bytes] = set()
        self._is_gmail = False

    def existing(self, paths: Iterable[bytes]) -> dict[bytes, str]:
        """Mailboxes, and messages that are there already."""
        found, coming = {}, iter(paths)
        with target_errors():
            while some := list(islice(coming, SLICE)):
                for path, size in zip(some, self._sizes(some), strict=True):
                    what = self._standing(path, size)
                    if what:
                        found[path] = what
        return found

    def modified(self, paths: Iterable[bytes]) -> dict[bytes, int]:
        """Mailboxes have no time, and messages stay as they are."""
        return {}

    def compare(self, items: Iterable[TargetItem]) -> Iterator[Inspection]:
        """What exists is the same: nothing else is said to exist."""
        return (Inspection(same=True) for _ in items)

    def close(self) -> None:
        """Forget what the server has."""
        self._table.close()

    @property
    def is_gmail(self) -> bool:
        """Whether the server keeps labels; known once a mailbox was looked for."""
        return self._is_gmail

    def mailbox(self, path: bytes) -> MailboxOnServer:
        """Raises `UnusableName` where the server cannot have it, `SourceError`."""
        server = self._server()
        name = mailbox_names.name_of(self._base + b"/" + path if self._base else path, server.delimiter)
        if server.prefix and name.upper() != mailbox_names.INBOX and not name.startswith(server.prefix):
            name = server.prefix + name
        listed = mailbox_names.path_of(name, server.delimiter)
        known = server.mailboxes.get(listed)
        return MailboxOnServer(known.name if known else name, listed, known is not None and not known.marks & _CLOSED)

    def made(self, mailbox: MailboxOnServer) -> None:
        """It is there from now on."""
        self._server().mailboxes[mailbox.path] = ListedMailbox(mailbox.name, mailbox.path)

    def candidates(self, item: ItemName) -> list[StoredMessage]:
        """The messages on the server with the header of an item. Raises `SourceError`, `UnusableName`."""
        mailbox = self.mailbox(item.mailbox)
        if not mailbox.there:
            return []
        self._look_into(mailbox)
        return self._table.find_all(mailbox.path, item.name)

    def has(self, item: ItemName, size: int) -> bool:
        """Whether a message is there: one with its header and its size, and as many as it is the how manieth. Raises as
        `candidates` does."""
        found = self.candidates(item)
        return len(found) >= item.copy and any(self._estimated or one.size == size for one in found)

    def look_again(self) -> None:
        """What was seen of messages may have changed."""
        self._synced.clear()

    def list_again(self) -> None:
        """Mailboxes may have been made."""
        self._listing = None

    def note(self, path: bytes, count: int) -> str:
        """How many messages go to a mailbox, for people."""
        with target_errors():
            try:
                there = self.mailbox(path).there
            except UnusableName as error:
                return f"{counted(count, 'message')} cannot go to {printable(path)}: {error}"
        return f"{counted(count, 'message')} to {printable(path)}{'' if there else ', which is made'}"

    def _standing(self, path: bytes, size: int) -> str:
        item = messages.parsed_path(path)
        try:
            if item is None:
                return "folder" if self.mailbox(path).there else ""
            return "file" if self.has(item, size) else ""
        except UnusableName:
            return ""  # the plan's notes and the sink say so

    def _sizes(self, paths: Sequence[bytes]) -> list[int]:
        import pyarrow as pa
        import pyarrow.compute as pc

        if self._items is None:
            return [-1] * len(paths)
        where = pc.index_in(pa.array(paths, pa.binary()), value_set=self._items["path"].combine_chunks())
        return [-1 if one is None else one for one in self._items["size"].take(where).to_pylist()]

    def _server(self) -> ServerListing:
        if self._listing is None:

            def task(connection: ImapConnection) -> ServerListing:
                self._is_gmail = GMAIL in connection.capabilities
                return listing.list_mailboxes(connection)

            self._listing = self.client.run(task)
        return self._listing

    def _look_into(self, mailbox: MailboxOnServer) -> None:
        if mailbox.path in self._synced:
            return
        listed = ListedMailbox(mailbox.name, mailbox.path)
        self.client.run(lambda connection: self._sync.run(connection, listed))
        self._synced.add(mailbox.path)


def plan_notes(place: MailPlace, items: pa.Table) -> tuple[str, ...]:
    """What a plan says besides. items: that are written."""
    import pyarrow.compute as pc

    files = items.filter(pc.equal(items["type"], manifest.FILE))
    counts: dict[bytes, int] = {}
    odd = 0
    for path in files["path"].to_pylist():
        item = messages.parsed_path(path)
        if item is None:
            odd += 1
        else:
            counts[item.mailbox] = counts.get(item.mailbox, 0) + 1
    found = [place.note(path, count) for path, count in sorted(counts.items())[:MAILBOXES_NAMED]]
    if len(counts) > MAILBOXES_NAMED:
        found.append(f"and to {counted(len(counts) - MAILBOXES_NAMED, 'more mailbox', 'more mailboxes')}")
    if odd:
        found.append(f"{counted(odd, 'item is', 'items are')} no message of a mailbox, and cannot go to one")
    labelled = sum(any(one["name"] == messages.LABELS for one in row or ()) for row in files["xattrs"].to_pylist())
    if labelled and not place.is_gmail:
        found.append(f"{counted(labelled, 'message has', 'messages have')} labels of Gmail, which this server does not keep")
    if counts:
        found.append("messages get new numbers; what is there already stays as it is, with its flags")
    return tuple(found)
