"""Reads messages: small ones several at once over several connections, large ones piece by piece."""

from __future__ import annotations

import errno
from collections.abc import Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import NamedTuple

from vault.problems import Problem
from vault.source.attributes import NOTHING, Extended
from vault.source.contract import SMALL, UNKNOWN_SIZE, Content, TooLarge, attribute_token
from vault.source.imap import messages, syntax
from vault.source.imap.client import ImapClient
from vault.source.imap.connection import ImapConnection, Refused, Untagged
from vault.source.imap.mailbox_sync import opened, with_syntax
from vault.source.imap.message_table import MessageTable, StoredMessage
from vault.source.imap.messages import Message
from vault.source.imap.syntax import BadSyntax
from vault.source.item_list import ListedItem
from vault.source.scan_columns import ScannedStatus
from vault.source.streams import SequentialStream, StreamReader

TOGETHER = 50
TOGETHER_BYTES = 4 * 1024 * 1024
"""Messages, and their bytes, that are asked for with one command."""

AHEAD = 400
"""Messages that are looked up at once."""

PIECE = 1024 * 1024
"""Bytes of a large message that are asked for at once."""

GONE = "it was deleted while the backup ran"
VANISHED = "vanished-while-read"


class MessageReader(StreamReader):
    """See this module's text. folders: what mailboxes have beside their messages, by whole path."""

    def __init__(
        self,
        client: ImapClient,
        table: MessageTable,
        prefix: bytes,
        folders: Mapping[bytes, Extended],
        *,
        estimated: bool = False,
    ) -> None:
        super().__init__(prefix)
        self._client = client
        self._table = table
        self._folders = folders
        self._estimated = estimated
        self._pool = ThreadPoolExecutor(client.address.connections, thread_name_prefix="mail")

    def close(self) -> None:
        """No more is asked for."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def open_large(self, path: bytes) -> SequentialStream | Problem:
        """The message, piece by piece."""
        message = self._message(path)
        if message is None:
            return Problem(path, VANISHED, GONE)
        status = item_of(self._relative(path), message, estimated=self._estimated).status()
        return SequentialStream(
            path, status, lambda: pieces(self._client, message, estimated=self._estimated), attributes_of(message)
        )

    def contents(self, paths: Iterable[bytes], *, limit: int = SMALL) -> Iterator[Content | TooLarge | Problem]:
        """In order; several are asked for together, and some ahead."""
        coming = iter(paths)
        following = self._asked(list(islice(coming, AHEAD)), limit)
        while following:
            current, following = following, self._asked(list(islice(coming, AHEAD)), limit)
            for one in current:
                yield one.answer()

    def read_attributes(self, paths: Iterable[bytes]) -> list[Extended | Problem]:
        """Flags and labels of messages, by what the scan has found; what mailboxes have."""
        return [self._attributes(path) for path in paths]

    def _attributes(self, path: bytes) -> Extended | Problem:
        message = self._message(path)
        return attributes_of(message) if message is not None else self._folders.get(path, NOTHING)

    def _message(self, path: bytes) -> StoredMessage | None:
        name = messages.parsed_path(self._relative(path))
        return None if name is None else self._table.find(name.mailbox, name.name, name.copy)

    def _asked(self, paths: list[bytes], limit: int) -> list[_Waiting]:
        """Ask for the messages at these paths; those of one mailbox together."""
        waiting = [_Waiting(path) for path in paths]
        wanted: dict[tuple[bytes, int], list[_Wanted]] = {}
        for one in waiting:
            message = self._message(one.path)
            if message is None:
                one.known = Problem(one.path, VANISHED, GONE)
                continue
            status = item_of(self._relative(one.path), message, estimated=self._estimated).status()
            if status.st_size == UNKNOWN_SIZE or status.st_size > limit:
                one.known = TooLarge(status)
            else:
                wanted.setdefault((message.mailbox, message.validity), []).append(_Wanted(one, message, status))
        for some in wanted.values():
            for group in _groups(some):
                future = self._pool.submit(self._fetched, group)
                for each in group:
                    each.waiting.coming = future
        return waiting

    def _fetched(self, group: list[_Wanted]) -> dict[bytes, Content | Problem]:
        """The messages of a group, by path."""
        first, largest = group[0].message, max(one.message.size for one in group)
        uids = sorted(one.message.uid for one in group)
        found = self._client.run(
            lambda connection: _parts(connection, first, uids, 0, largest + 1), (first.mailbox, first.validity, False)
        )
        return {one.waiting.path: _content(one, found.get(one.message.uid)) for one in group}


def pieces(client: ImapClient, message: StoredMessage, *, estimated: bool) -> Generator[bytes, None, None]:
    """A message from its start. estimated: its size is not to be relied on; it ends with a piece that is not full then. Raises
    OSError where it is gone, or longer than the server says, `SourceError`."""
    at, open_mailbox = 0, (message.mailbox, message.validity, False)
    while True:
        size = PIECE if estimated else min(PIECE, message.size + 1 - at)
        begin = at
        found = client.run(
            lambda connection: _parts(connection, message, [message.uid], begin, size),  # noqa: B023 (it runs at once)
            open_mailbox,
        )
        piece = found.get(message.uid)
        if piece is None:
            raise OSError(errno.ENOENT, GONE)
        at += len(piece)
        if not estimated and at > message.size:
            raise OSError(errno.EIO, _otherwise(message.size, "more"))
        if piece:
            yield piece
        if len(piece) < size:
            return


class _Waiting:
    """A message that is asked for. known: what is known without asking · coming: the answers of its group."""

    def __init__(self, path: bytes) -> None:
        self.path = path
        self.known: TooLarge | Problem | None = None
        self.coming: Future[dict[bytes, Content | Problem]] | None = None

    def answer(self) -> Content | TooLarge | Problem:
        """Once it is there."""
        if self.known is not None or self.coming is None:
            return self.known or Problem(self.path, VANISHED, GONE)
        return self.coming.result()[self.path]


class _Wanted(NamedTuple):
    """A message to fetch whole."""

    waiting: _Waiting
    message: StoredMessage
    status: ScannedStatus


def item_of(path: bytes, message: Message | StoredMessage, *, estimated: bool) -> ListedItem:
    """A message as a scan lists it. estimated: whether its size is not to be relied on."""
    size = UNKNOWN_SIZE if estimated else message.size
    marks = attribute_token(message.flags + b"\0" + message.labels)
    return ListedItem(path, size, (message.received or 0) * 1_000_000_000, b"%d" % message.size, marks)


def attributes_of(message: StoredMessage) -> Extended:
    """Flags and labels, where there are any."""
    values = ((messages.FLAGS, message.flags), (messages.LABELS, message.labels))
    return Extended(tuple(one for one in values if one[1]), ())


def _groups(wanted: list[_Wanted]) -> Iterator[list[_Wanted]]:
    """Messages of one mailbox that are asked for with one command."""
    group: list[_Wanted] = []
    size = 0
    for one in wanted:
        if group and (len(group) >= TOGETHER or size + one.message.size > TOGETHER_BYTES):
            yield group
            group, size = [], 0
        group.append(one)
        size += one.message.size
    if group:
        yield group


def _content(one: _Wanted, data: bytes | None) -> Content | Problem:
    path, size = one.waiting.path, one.message.size
    if data is None:
        return Problem(path, VANISHED, GONE)
    if len(data) != size:
        return Problem(path, "size-mismatch", _otherwise(size, "more" if len(data) > size else f"gives {len(data)}"))
    return Content(data, one.status, attributes_of(one.message))


def _otherwise(size: int, what: str) -> str:
    given = what if what.startswith("gives") else f"gives {what}"
    return f"the server says that it has {size} bytes, and {given} (a server that estimates needs sizes=estimated)"


def _parts(connection: ImapConnection, message: StoredMessage, uids: list[int], begin: int, size: int) -> dict[int, bytes]:
    """Bytes of messages by number; without those that are gone. message: one of them, for its mailbox · begin, size: bytes.
    Raises `SourceError`."""
    found: dict[int, bytes] = {}
    if connection.mailbox != (message.mailbox, message.validity, False):
        box = opened(connection, message.mailbox)
        if box.validity != message.validity:
            connection.mailbox = None
            raise connection.odd("with new numbers for all messages of a mailbox that is being read: run the backup again")

    def heard(one: Untagged) -> None:
        if one.word != "FETCH":
            return
        parts = messages.attributes(one)
        name = next((name for name in parts if name.startswith("BODY[")), None)
        if name is None or "UID" not in parts:
            return
        uid = syntax.number(parts["UID"])
        if uid not in uids or uid in found or parts[name] is None:
            raise BadSyntax("a message that was not asked for, or twice")
        found[uid] = syntax.text(parts[name])

    what = b"(UID BODY.PEEK[]<%d.%d>)" % (begin, size)
    try:
        with_syntax(connection, "UID FETCH", [syntax.number_set(uids), what], heard, size)
    except Refused:
        if len(uids) > 1:  # some servers refuse all for one that is gone
            return {uid: data for one in uids for uid, data in _parts(connection, message, [one], begin, size).items()}
        return {}
    return found
