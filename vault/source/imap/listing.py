"""Which mailboxes a server has: of the user, of others, shared ones; each with what tells whether it has changed."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct, field

from vault.errors import SourceError
from vault.source.imap import mailbox_names, syntax
from vault.source.imap.connection import ImapConnection, Refused, Untagged
from vault.source.imap.mailbox_sync import ListedMailbox, leave, state_of, states, status_items, with_syntax
from vault.source.imap.message_table import MailboxState
from vault.source.imap.syntax import BadSyntax, Value

MOST_MAILBOXES = 200_000
NOSELECT, NONEXISTENT, SUBSCRIBED = b"\\noselect", b"\\nonexistent", b"\\subscribed"

USES = (b"\\all", b"\\archive", b"\\drafts", b"\\flagged", b"\\important", b"\\junk", b"\\sent", b"\\trash")
"""Attributes that say what a mailbox is for (RFC 6154)."""


class ServerListing(Struct):
    """What a server lists.

    - `mailboxes`: by path
    - `delimiters`: of the user's own mailboxes first, then of the other namespaces
    - `prefix`: of the user's own mailboxes, such as `INBOX.`
    """

    mailboxes: dict[bytes, ListedMailbox] = field(default_factory=dict)
    delimiters: list[bytes] = field(default_factory=list)
    prefix: bytes = b""

    @property
    def delimiter(self) -> bytes:
        """Of the user's own mailboxes; empty where there are no levels."""
        return self.delimiters[0] if self.delimiters else b""


def list_mailboxes(connection: ImapConnection) -> ServerListing:
    """All of them. Raises `SourceError`, also where there is none: every user has an INBOX."""
    leave(connection)
    found = ServerListing()
    prefixes = _namespaces(connection, found)
    for prefix in dict.fromkeys([b"", *prefixes]):
        if prefix and any(one.name.startswith(prefix) for one in found.mailboxes.values()):
            continue
        _list(connection, found, prefix)
    if mailbox_names.INBOX not in found.mailboxes:
        raise connection.odd("without an INBOX, which every user has")
    if "LIST-EXTENDED" not in connection.capabilities:
        _subscriptions(connection, found)
    return found


def with_states(connection: ImapConnection, mailboxes: Iterable[ListedMailbox]) -> list[ListedMailbox]:
    """The same, each with what tells whether it has changed, as far as the server says so."""
    done = []
    for one in mailboxes:
        state = one.state
        if state is None and not one.marks & {NOSELECT, NONEXISTENT}:
            try:
                state = states(connection, one.name)
            except Refused:
                state = None  # to open it will tell why
        done.append(one._replace(state=state))
    return done


def _list(connection: ImapConnection, found: ServerListing, prefix: bytes) -> None:
    own: dict[bytes, MailboxState | None] = {}

    def heard(one: Untagged) -> None:
        if one.word == "LIST":
            _add(found, *_listed(one.values))
        elif one.word == "STATUS" and len(one.values) == 2:
            own[syntax.text(one.values[0])] = state_of(one.values[1])

    with_syntax(connection, "LIST", [b'""', *syntax.written(prefix + b"*"), *_options(connection)], heard)
    by_name = {one.name: path for path, one in found.mailboxes.items()}
    for name, state in own.items():
        path = by_name.get(name) or by_name.get(name.upper())
        if path is not None:
            found.mailboxes[path] = found.mailboxes[path]._replace(state=state)


def _add(found: ServerListing, listed: ListedMailbox, delimiter: bytes) -> None:
    if listed.path in found.mailboxes and found.mailboxes[listed.path].name != listed.name:
        raise BadSyntax("two mailboxes of one name")
    found.mailboxes[listed.path] = listed
    if delimiter not in found.delimiters:
        found.delimiters.append(delimiter)
    if len(found.mailboxes) > MOST_MAILBOXES:
        raise BadSyntax(f"more than {MOST_MAILBOXES} mailboxes")


def _options(connection: ImapConnection) -> list[bytes]:
    """What a listing tells besides, where the server can."""
    known = connection.capabilities
    if "LIST-EXTENDED" not in known:
        return []
    wanted = [b"SUBSCRIBED"]
    wanted += [b"SPECIAL-USE"] if "SPECIAL-USE" in known else []
    wanted += [b"STATUS " + status_items(connection)] if "LIST-STATUS" in known else []
    return [b"RETURN (" + b" ".join(wanted) + b")"]


def _listed(values: list[Value]) -> tuple[ListedMailbox, bytes]:
    """A mailbox, and the delimiter of its name. Raises `BadSyntax`."""
    if len(values) < 3:
        raise BadSyntax("less of a mailbox than it should")
    delimiter, name = syntax.text(values[1]), syntax.text(values[2])
    marks = frozenset(mark.lower() for mark in syntax.strings(values[0]))
    if len(delimiter) > 1 or not name or len(name) > 4000:
        raise BadSyntax("a mailbox with an odd name")
    path = mailbox_names.path_of(name.removesuffix(delimiter) if delimiter else name, delimiter)
    return ListedMailbox(name, path, marks), delimiter


def _namespaces(connection: ImapConnection, found: ServerListing) -> list[bytes]:
    """The prefixes of all namespaces; the delimiter of the user's own becomes the first one."""
    if "NAMESPACE" not in connection.capabilities:
        return []
    prefixes: list[bytes] = []

    def heard(one: Untagged) -> None:
        if one.word != "NAMESPACE":
            return
        for group in one.values[:3]:
            for space in group if isinstance(group, list) else []:
                if not isinstance(space, list) or len(space) < 2:
                    raise BadSyntax("a namespace that is none")
                prefixes.append(syntax.text(space[0]))
                if syntax.text(space[1]) not in found.delimiters:
                    found.delimiters.append(syntax.text(space[1]))
        own = one.values[0] if one.values else None
        if isinstance(own, list) and own and isinstance(own[0], list):
            found.prefix = syntax.text(own[0][0])

    try:
        with_syntax(connection, "NAMESPACE", [], heard)
    except Refused:
        return []
    return prefixes


def _subscriptions(connection: ImapConnection, found: ServerListing) -> None:
    names: set[bytes] = set()

    def heard(one: Untagged) -> None:
        if one.word == "LSUB" and len(one.values) >= 3:
            names.add(syntax.text(one.values[2]))

    try:
        with_syntax(connection, "LSUB", [b'""', b'"*"'], heard)
    except Refused:
        return  # a server of IMAP4rev2 has no LSUB
    for path, one in found.mailboxes.items():
        if one.name in names:
            found.mailboxes[path] = one._replace(marks=one.marks | {SUBSCRIBED})


def base_of(found: ServerListing, path: bytes, where: str) -> list[ListedMailbox]:
    """The mailboxes at or below a path, by path. Raises `SourceError` where there are none."""
    below = [one for key, one in sorted(found.mailboxes.items()) if mailbox_names.is_below(key, path)]
    if not below:
        name = path.decode("utf-8", "backslashreplace")
        raise SourceError(f"{where} has no mailbox {name!r}", hint="mailboxes in mailboxes are written with /")
    return below
