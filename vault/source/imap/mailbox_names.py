"""Names of mailboxes as paths of items, and back.

A mailbox `Clients.Ärger/2024` of a server that divides names by dots is the folder `Clients/Ärger%2F2024`: each level is a part
of the path, in UTF-8, in which `%XX` stands for what no part of a path can be or what would be misread. Names come in IMAP's
own form of UTF-7; those that are not whole in it go as they are, after `%&`, with every odd byte as `%XX`.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Sequence
from urllib.parse import unquote_to_bytes

INBOX = b"INBOX"

LONGEST_PART = 1000
"""Bytes of one level's name."""

_EMPTY = b"%"
_RAW = b"%&"
_SHIFTED = re.compile(rb"&([^-]*)-")
_NEEDS_SHIFT = re.compile("[^\x20-\x7e]+")
_NOT_PLAIN = re.compile(rb"[^A-Za-z0-9 _.+-]")
_UNCLEAR = re.compile(rb"[\x00-\x1f\x7f%/]")


class UnusableName(ValueError):
    """A path that is no mailbox's, or that a server cannot have."""


def path_of(name: bytes, delimiter: bytes) -> bytes:
    """The path of a mailbox. name: as the server lists it · delimiter: between levels, empty where there are none."""
    if name.upper() == INBOX:
        return INBOX
    parts = name.split(delimiter) if delimiter else [name]
    if len(parts) > 1 and parts[0].upper() == INBOX:
        parts[0] = INBOX
    return b"/".join(_part_path(part) for part in parts)


def name_of(path: bytes, delimiter: bytes) -> bytes:
    """The mailbox at a path, on a server with this delimiter. Raises `UnusableName`."""
    parts = [_part_name(part) for part in path.split(b"/")]
    if len(parts) > 1 and not delimiter:
        raise UnusableName("the server has no mailboxes in mailboxes")
    if any(delimiter and delimiter in part for part in parts):
        raise UnusableName(f"the server divides names by {delimiter.decode('ascii', 'replace')!r}, which is in this one")
    return delimiter.join(parts)


def decoded(name: bytes) -> str:
    """Modified UTF-7 as text. Raises ValueError where it is none."""

    def shifted(found: re.Match[bytes]) -> bytes:
        code = found[1]
        if not code:
            return b"&"
        data = binascii.a2b_base64(code.replace(b",", b"/") + b"=" * (-len(code) % 4), strict_mode=True)
        return data.decode("utf-16-be").encode("utf-8")

    return _SHIFTED.sub(shifted, name).decode("utf-8")


def encoded(name: str) -> bytes:
    """Text as modified UTF-7."""

    def shift(found: re.Match[str]) -> str:
        code = binascii.b2a_base64(found[0].encode("utf-16-be"), newline=False).rstrip(b"=").replace(b"/", b",")
        return f"&{code.decode('ascii')}-"

    return _NEEDS_SHIFT.sub(shift, name.replace("&", "&-")).encode("ascii")


def _part_path(part: bytes) -> bytes:
    if not part:
        return _EMPTY
    try:
        text = decoded(part)
        is_whole = encoded(text) == part
    except ValueError:
        is_whole = False
    if not is_whole:  # some servers speak UTF-8 without having been asked, some shift what needs no shift
        return _RAW + _NOT_PLAIN.sub(_percent, part)
    clear = _UNCLEAR.sub(_percent, text.encode())
    if clear in (b".", b".."):
        return clear.replace(b".", b"%2E")
    return clear[: -len(b".eml")] + b"%2E" + clear[-3:] if clear.lower().endswith(b".eml") else clear


def _part_name(part: bytes) -> bytes:
    if part == _EMPTY:
        return b""
    plain = unquote_to_bytes(part.removeprefix(_RAW))
    if not part or len(part) > LONGEST_PART or b"\0" in plain:
        raise UnusableName("no mailbox can have this name")
    if part.startswith(_RAW):
        return plain
    try:
        return encoded(plain.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise UnusableName("its name is not valid UTF-8") from error


def _percent(found: re.Match[bytes]) -> bytes:
    return b"%%%02X" % found[0][0]


def is_below(path: bytes, folder: bytes) -> bool:
    """Whether a mailbox is another one, or in it. folder: empty for the whole server."""
    return not folder or path == folder or path.startswith(folder + b"/")


def levels(path: bytes) -> Sequence[bytes]:
    """The paths of the mailboxes above one, and its own, from the top."""
    parts = path.split(b"/")
    return [b"/".join(parts[: count + 1]) for count in range(len(parts))]
