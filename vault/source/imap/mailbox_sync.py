"""One mailbox: what is new, what is gone, whose flags changed; asked for with suspicion.

Four numbers say whether there is anything to ask (`MailboxState`). What is gone is known from a full list of numbers alone,
which has to have as many as the server counts; what is new is asked for in batches. A server that counts otherwise than it
lists, or lists a number twice, is an error: nothing is taken for deleted then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from msgspec import Struct

from vault.progress import Stop
from vault.source.imap import messages, syntax
from vault.source.imap.connection import Disconnected, ImapConnection, Refused, Untagged
from vault.source.imap.message_table import MailboxState, MessageTable
from vault.source.imap.messages import Message
from vault.source.imap.syntax import BadSyntax

BATCH = 500
"""Messages whose headers are asked for with one command."""

MOST_MESSAGES = 20_000_000
TRIES = 3

GMAIL, CONDSTORE, ESEARCH = "X-GM-EXT-1", "CONDSTORE", "ESEARCH"


class ListedMailbox(NamedTuple):
    """A mailbox as a listing has it.

    - `name`: as the server has it
    - `path`: of its items
    - `marks`: attributes of the listing in small letters, such as `\\noselect`
    - `state`: None where the listing does not tell it
    """

    name: bytes
    path: bytes
    marks: frozenset[bytes] = frozenset()
    state: MailboxState | None = None


class OpenedMailbox(Struct):
    """A mailbox that is open on a connection. count: of messages by now · keeps: flags that stay (PERMANENTFLAGS); None
    where the server does not say."""

    validity: int = 0
    next: int = 0
    modseq: int = 0
    count: int = -1
    keeps: tuple[bytes, ...] | None = None

    def hear(self, one: Untagged) -> None:
        """What the server says of it."""
        if one.word == "EXISTS":
            self.count = one.number
        elif one.word == "EXPUNGE":
            self.count -= 1
        elif one.status is not None and one.status.code in ("UIDVALIDITY", "UIDNEXT", "HIGHESTMODSEQ"):
            number = syntax.number(one.status.argument)
            match one.status.code:
                case "UIDVALIDITY":
                    self.validity = number
                case "UIDNEXT":
                    self.next = number
                case _:
                    self.modseq = number
        elif one.status is not None and one.status.code == "PERMANENTFLAGS":
            (flags,) = syntax.values([one.status.argument]) or [[]]
            self.keeps = tuple(syntax.strings(flags))


def opened(connection: ImapConnection, name: bytes, *, writing: bool = False) -> OpenedMailbox:
    """Open a mailbox. writing: else nothing that is done in it changes anything, not even what is new. Raises `Refused`,
    `SourceError`."""
    found = OpenedMailbox()
    connection.mailbox = None
    more = [b"(CONDSTORE)"] if CONDSTORE in connection.capabilities else []
    with_syntax(connection, "SELECT" if writing else "EXAMINE", [*syntax.written(name), *more], found.hear)
    if found.validity == 0 or found.count < 0:
        raise connection.odd("without the numbers of a mailbox")
    connection.mailbox = (name, found.validity, writing)
    return found


def leave(connection: ImapConnection) -> None:
    """No mailbox is open any more: of one that is, a server tells what the connection has seen of it, not what it has."""
    if connection.mailbox is None:
        return
    read_only = isinstance(connection.mailbox, tuple) and not connection.mailbox[2]
    if "UNSELECT" in connection.capabilities:
        connection.command("UNSELECT")
    elif read_only:  # else it would delete what is marked as deleted
        try:
            connection.command("CLOSE")
        except Refused as error:  # some do so, against the standard; a new connection has no mailbox open
            raise Disconnected("it does not close a mailbox") from error
    connection.mailbox = None


def with_syntax(
    connection: ImapConnection,
    command: str,
    parts: Sequence[bytes],
    heard: Callable[[Untagged], None],
    largest: int = 256 * 1024,
) -> None:
    """A command whose responses are read by `heard`; where they are nonsense, `SourceError` is raised."""
    try:
        connection.command(command, *parts, heard=heard, largest=largest)
    except BadSyntax as error:
        raise connection.odd(str(error)) from error


class MailboxSync(Struct, frozen=True):
    """Brings the table up to date. stop: called between batches; what it raises ends it."""

    table: MessageTable
    stop: Stop

    def is_known(self, mailbox: ListedMailbox) -> bool:
        """Whether nothing has changed since the last time, by numbers alone."""
        state = mailbox.state
        return (
            state is not None
            and state.modseq > 0
            and self.table.state(mailbox.path) == state
            and self.table.count(mailbox.path) == state.messages
        )

    def run(self, connection: ImapConnection, mailbox: ListedMailbox) -> None:
        """Raises `Refused` where it cannot be opened, `SourceError` where the server answers nonsense."""
        box = opened(connection, mailbox.name)
        state = MailboxState(box.validity, box.next, box.count, box.modseq)
        known = self.table.state(mailbox.path)
        listed = self._uids(connection, box)
        self.table.begin(mailbox.path, mailbox.name, box.validity)
        have = self.table.uids(mailbox.path)
        new = sorted(listed - have)
        for at in range(0, len(new), BATCH):
            self.stop()
            self.table.add(mailbox.path, self._fetched(connection, new[at : at + BATCH]))
        if known is not None and known.validity == box.validity and have & listed:
            self._marks(connection, mailbox.path, known, state)
        self.stop()
        self.table.finish(mailbox.path, have - listed, state)

    def _uids(self, connection: ImapConnection, box: OpenedMailbox) -> set[int]:
        """The numbers of all messages, as many as the server counts."""
        for _ in range(TRIES):
            found: list[int] = []

            def heard(one: Untagged, found: list[int] = found) -> None:
                box.hear(one)
                if one.word == "ESEARCH":
                    found += _found(one)
                elif one.word == "SEARCH":
                    plain = (value for value in one.values if not isinstance(value, list))
                    found += [syntax.number(value) for value in plain]

            extended = ESEARCH in connection.capabilities
            with_syntax(connection, "UID SEARCH", [b"RETURN (ALL) ALL"] if extended else [b"ALL"], heard)
            uids = set(found)
            if len(uids) != len(found):
                raise connection.odd("with the number of a message twice")
            if len(uids) == box.count:
                return uids
        raise connection.odd(f"with {len(uids)} numbers of messages where it counts {max(box.count, 0)}")

    def _fetched(self, connection: ImapConnection, uids: list[int]) -> list[Message]:
        """Each message of a batch; what was deleted meanwhile is not among them."""
        found: dict[int, Message] = {}
        wanted = set(uids)

        def heard(one: Untagged) -> None:
            if one.word != "FETCH" or not _has(one, "RFC822.SIZE"):
                return
            message = messages.message(one)
            if message.uid not in wanted or message.uid in found:
                raise BadSyntax("a message that was not asked for, or twice")
            found[message.uid] = message

        labels = b" X-GM-LABELS" if GMAIL in connection.capabilities else b""
        what = b"(UID INTERNALDATE RFC822.SIZE FLAGS" + labels + b" " + messages.HEADER + b")"
        with_syntax(connection, "UID FETCH", [syntax.number_set(uids), what], heard)
        missing = sorted(wanted - found.keys())
        if missing:
            self._gone_or_odd(connection, missing)
        return list(found.values())

    def _gone_or_odd(self, connection: ImapConnection, uids: list[int]) -> None:
        """Raises `SourceError` where the server has messages of which it does not tell."""
        there: list[int] = []

        def heard(one: Untagged) -> None:
            if one.word == "FETCH" and _has(one, "UID"):
                there.append(syntax.number(messages.attributes(one)["UID"]))

        with_syntax(connection, "UID FETCH", [syntax.number_set(uids), b"(UID)"], heard)
        if there:
            raise connection.odd("without some of the messages that it lists")

    def _marks(self, connection: ImapConnection, path: bytes, known: MailboxState, now: MailboxState) -> None:
        """Flags and labels that have changed."""
        if now.modseq and now.modseq == known.modseq:
            return
        found: list[tuple[int, bytes, bytes]] = []

        def heard(one: Untagged) -> None:
            if one.word == "FETCH" and _has(one, "UID"):
                parts = messages.attributes(one)
                found.append((syntax.number(parts["UID"]), *messages.marks(parts)))
                if len(found) >= BATCH * 20:
                    self.table.mark(path, found)
                    found.clear()

        labels = b" X-GM-LABELS" if GMAIL in connection.capabilities else b""
        since = [b"(CHANGEDSINCE %d)" % known.modseq] if now.modseq and known.modseq else []
        with_syntax(connection, "UID FETCH", [b"1:*", b"(UID FLAGS" + labels + b")", *since], heard)
        self.table.mark(path, found)


def states(connection: ImapConnection, name: bytes) -> MailboxState | None:
    """What STATUS says of one mailbox; None where it says less than it should."""
    found: list[MailboxState] = []

    def heard(one: Untagged) -> None:
        if one.word == "STATUS" and len(one.values) == 2:
            state = state_of(one.values[1])
            if state is not None:
                found.append(state)

    with_syntax(connection, "STATUS", [*syntax.written(name), status_items(connection)], heard)
    return found[-1] if found else None


def status_items(connection: ImapConnection) -> bytes:
    """What STATUS is asked for."""
    more = b" HIGHESTMODSEQ" if CONDSTORE in connection.capabilities else b""
    return b"(MESSAGES UIDNEXT UIDVALIDITY" + more + b")"


def state_of(value: syntax.Value) -> MailboxState | None:
    """The list of a STATUS response. Raises `BadSyntax`."""
    if not isinstance(value, list) or len(value) % 2:
        raise BadSyntax("something else than the state of a mailbox")
    found = {syntax.text(name).upper(): syntax.number(number) for name, number in zip(value[::2], value[1::2], strict=True)}
    if not {b"UIDVALIDITY", b"UIDNEXT", b"MESSAGES"} <= found.keys():
        return None
    return MailboxState(found[b"UIDVALIDITY"], found[b"UIDNEXT"], found[b"MESSAGES"], found.get(b"HIGHESTMODSEQ", 0))


def _found(one: Untagged) -> list[int]:
    """The numbers of an ESEARCH response."""
    words = [value for value in one.values if not isinstance(value, list)]
    upper = [(word or b"").upper() for word in words]
    if b"ALL" not in upper:
        return []
    place = upper.index(b"ALL") + 1
    return syntax.numbers(syntax.text(words[place]) if place < len(words) else b"", MOST_MESSAGES)


def _has(one: Untagged, name: str) -> bool:
    """Whether a FETCH response is the answer to a question, and not what a server says on its own."""
    return name in messages.attributes(one)
