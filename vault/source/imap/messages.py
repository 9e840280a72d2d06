"""What a server tells of a message, and the name that a message has as an item.

A message is known by its own header: Message-ID, Date, From, Subject and Received lines. Its number (UID) is the mailbox's, and
another one in a copy, after a move to another server or a repair; the header stays. So the same message is the same item, and
one that was put back is the one that was lost. What stands in a mailbox twice has a number behind the name.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from hashlib import blake2b
from typing import NamedTuple

from vault.source.imap import syntax
from vault.source.imap.connection import Untagged
from vault.source.imap.syntax import BadSyntax, Value

HEADER = b"BODY.PEEK[HEADER.FIELDS (MESSAGE-ID DATE FROM SUBJECT RECEIVED)]<0.65536>"
"""The part of the header that a message is known by. No more of it: who sends a mail with a long one must not stop a backup."""

NAME_SIZE = 10
"""Bytes of a name: of a million messages in one mailbox, no two have the same by chance."""

UNDATED = b"undated"
ENDING = b".eml"

FLAGS, LABELS, SUBSCRIBED, USE = b"user.imap.flags", b"user.imap.labels", b"user.imap.subscribed", b"user.imap.use"
"""Extended attributes of messages (the first two) and of mailboxes."""

LARGEST_FLAGS = 16 * 1024
"""Bytes of all flags, or all labels, of one message."""

FLAG = re.compile(rb'\\?[^\s(){%*"\\\]\x00-\x1f\x7f-\xff]+\Z')
_RECENT = b"\\RECENT"
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DATE = re.compile(rb"\s*(\d{1,2})-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)\Z")
_LETTERS = bytes.maketrans(b"0123456789", b"ghijklmnop")
_PATH = re.compile(rb"(?:(.*)/)?(\d{4}-\d\d|undated)/([a-p]{20})(?:-([1-9]\d{0,8}))?\.eml\Z", re.DOTALL)


class Message(NamedTuple):
    """What a server tells of a message.

    - `uid`: its number in the mailbox
    - `size`: bytes, as the server says
    - `received`: seconds since 1970 (INTERNALDATE); None where that is not said
    - `name`: `NAME_SIZE` bytes, of its header
    - `flags`, `labels`: sorted, with spaces between them; without `\\Recent`, which is about sessions
    """

    uid: int
    size: int
    received: int | None
    name: bytes
    flags: bytes
    labels: bytes


class ItemName(NamedTuple):
    """What the path of a message's item tells. mailbox: its path · name: of the message · copy: 1 for the first of this name in
    the mailbox."""

    mailbox: bytes
    name: bytes
    copy: int


def message(one: Untagged) -> Message:
    """That of a FETCH response. Raises `BadSyntax` where it lacks what was asked for."""
    parts = attributes(one)
    header = next((value for name, value in parts.items() if name.startswith("BODY[HEADER.FIELDS")), None)
    if header is None or "RFC822.SIZE" not in parts or "UID" not in parts:
        raise BadSyntax("less of a message than it was asked for")
    received = received_at(syntax.text(parts.get("INTERNALDATE")))
    return Message(
        syntax.number(parts["UID"]), syntax.number(parts["RFC822.SIZE"]), received, name_of(syntax.text(header)), *marks(parts)
    )


def attributes(one: Untagged) -> dict[str, Value]:
    """The parts of a FETCH response by name. Raises `BadSyntax`."""
    if len(one.values) != 1 or not isinstance(one.values[0], list) or len(one.values[0]) % 2:
        raise BadSyntax("something else than parts of a message")
    found = one.values[0]
    names = (syntax.text(name).upper().decode("ascii", "replace") for name in found[::2])
    return dict(zip(names, found[1::2], strict=True))


def marks(parts: dict[str, Value]) -> tuple[bytes, bytes]:
    """Flags and labels, as `Message` has them."""
    flags = sorted({one for one in syntax.strings(parts.get("FLAGS") or []) if one.upper() != _RECENT})
    if not all(map(FLAG.match, flags)):
        raise BadSyntax("a flag that is none")
    labels = sorted(set(syntax.strings(parts.get("X-GM-LABELS") or [])))
    joined = b" ".join(flags), b" ".join(b"".join(syntax.written(one)[-1:]) for one in labels)
    if max(map(len, joined)) > LARGEST_FLAGS:
        raise BadSyntax("more flags of a message than there is room for")
    return joined


def name_of(header: bytes) -> bytes:
    """The name of a message with these lines in its header, whatever their order and however they are folded."""
    lines = re.sub(rb"\r?\n(?=[ \t])", b"", header).splitlines()
    fields = (line.partition(b":") for line in lines if line.strip())
    plain = sorted(name.strip().lower() + b":" + b" ".join(value.split()) for name, _, value in fields)
    return blake2b(b"\n".join(plain), digest_size=NAME_SIZE).digest()


def path_of(mailbox: bytes, received: int | None, name: bytes, copy: int) -> bytes:
    """The path of a message's item. Letters alone: digits in it would be taken for dates."""
    month = UNDATED
    if received is not None:
        month = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=received)).strftime("%Y-%m").encode().rjust(7, b"0")
    text = name.hex().encode().translate(_LETTERS)
    return b"%b/%b/%b%b%b" % (mailbox, month, text, b"" if copy == 1 else b"-%d" % copy, ENDING)


def parsed_path(path: bytes) -> ItemName | None:
    """What a path tells; None where it is that of no message."""
    found = _PATH.match(path)
    if found is None or not found[1]:
        return None
    back = bytes.maketrans(b"ghijklmnop", b"0123456789")
    return ItemName(found[1], bytes.fromhex(found[3].translate(back).decode("ascii")), int(found[4] or 1))


def received_at(text: bytes) -> int | None:
    """INTERNALDATE as seconds since 1970; None where it is none."""
    found = _DATE.match(text)
    if found is None or found[2].decode().lower() not in _MONTHS:
        return None
    day, month, year = int(found[1]), _MONTHS.index(found[2].decode().lower()) + 1, int(found[3])
    ahead = timedelta(hours=int(found[8]), minutes=int(found[9])) * (-1 if found[7] == b"-" else 1)
    try:
        zone = timezone(ahead)
        moment = datetime(year, month, day, int(found[4]), int(found[5]), int(found[6]), tzinfo=zone)
        return int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    except (ValueError, OverflowError):
        return None


def date_of(received: int) -> bytes:
    """Seconds since 1970 as APPEND takes them."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=received)
    month = _MONTHS[moment.month - 1].capitalize()
    return f'"{moment.day:02}-{month}-{moment.year:04} {moment:%H:%M:%S} +0000"'.encode()
