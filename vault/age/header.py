"""The header of an age file: text lines that carry the file key, once for every recipient, and a MAC over them.

    age-encryption.org/v1
    -> X25519 XEl0dJ6y3C7KZkgmgWUicg63EyXJiwBJW8PdYJ/cYBE        a stanza: its type, its arguments,
    qRS0AMjdjPvZ/WT08U2KL4G+PIooA3hy38SvLpvaC1E                  its body, 64 letters a line and a shorter last one
    --- HK2NmOBN9Dpq0Gw6xMCuhFcQlQLvZ/wQUi/2scLG75s              HMAC-SHA-256 of everything up to and with `---`

Reading is strict: of every header there is exactly one form, and anything else is `HeaderDamaged`. What is read here
was written by a stranger until the MAC has been checked, and the MAC can only be checked with the file key.
Source: C2SP `age`, section "Header".
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence

from msgspec import Struct

from vault.age import unpadded
from vault.age.contract import Buffer, Stanza
from vault.age.derivation import derive
from vault.age.errors import HeaderDamaged, HeaderIncomplete, HeaderTampered

LARGEST_HEADER = 64 * 1024
"""Bytes; room for some forty hybrid recipients, and the most that a stranger's file can make us parse."""

_VERSION_LINE = b"age-encryption.org/v1\n"
_STANZA_MARK = b"-> "
_MAC_MARK = b"---"
_MAC_SIZE = 32
_COLUMNS = 64
_ARGUMENTS = re.compile(rb"[!-~]+(?: [!-~]+)*")


class Header(Struct, frozen=True):
    """A header as it was read.

    signed: the bytes under the MAC · mac: 32 bytes · length: of the whole header in bytes, with the last line's end.
    """

    stanzas: tuple[Stanza, ...]
    signed: bytes
    mac: bytes
    length: int

    def check(self, file_key: bytes) -> None:
        """Raises `HeaderTampered` unless the header is the one that the holder of `file_key` wrote."""
        if not hmac.compare_digest(_mac(self.signed, file_key), self.mac):
            raise HeaderTampered("the header was changed after it was written: its MAC does not fit")


def write_header(stanzas: Sequence[Stanza], file_key: bytes) -> bytes:
    """The whole header, MAC line included."""
    signed = signed_part(stanzas)
    return signed + b" " + unpadded.encode(_mac(signed, file_key)) + b"\n"


def signed_part(stanzas: Sequence[Stanza]) -> bytes:
    """The header's text up to and with the `---` of the MAC line."""
    lines = [_VERSION_LINE]
    for stanza in stanzas:
        lines.append(_STANZA_MARK + " ".join((stanza.type, *stanza.arguments)).encode("ascii") + b"\n")
        body = unpadded.encode(stanza.body)
        # The step past the end gives the empty last line that a body of whole lines must end with.
        lines += [body[at : at + _COLUMNS] + b"\n" for at in range(0, len(body) + 1, _COLUMNS)]
    return b"".join([*lines, _MAC_MARK])


def parse_header(prefix: Buffer) -> Header:
    """Read the header that the file begins with; `prefix` may hold any part of the file that is long enough.

    Raises `HeaderIncomplete` where `prefix` ends too soon, `HeaderDamaged` for everything else that is wrong.
    """
    text = bytes(memoryview(prefix)[:LARGEST_HEADER])
    if not text.startswith(_VERSION_LINE):
        _refuse_version(text)
    at, stanzas = len(_VERSION_LINE), []
    while True:
        line, after = _line(text, at)
        if line.startswith(_STANZA_MARK):
            stanza, at = _stanza(line, text, after)
            stanzas.append(stanza)
            continue
        mac = unpadded.decode(line[len(_MAC_MARK) + 1 :])
        if not line.startswith(_MAC_MARK + b" ") or mac is None or len(mac) != _MAC_SIZE:
            raise HeaderDamaged("a line of the header is neither a stanza nor a MAC")
        if not stanzas:
            raise HeaderDamaged("the header names no recipient")
        return Header(tuple(stanzas), text[: at + len(_MAC_MARK)], mac, after)


def _refuse_version(text: bytes) -> None:
    if _VERSION_LINE.startswith(text):
        raise HeaderIncomplete("the file ends inside its header")
    if text.startswith(b"age-encryption.org/"):
        raise HeaderDamaged("the header is of another version of the age format than v1")
    raise HeaderDamaged("this is not an age file")


def _line(text: bytes, at: int) -> tuple[bytes, int]:
    """The line that begins at `at` without its end, and where the next one begins."""
    end = text.find(b"\n", at)
    if end >= 0:
        return text[at:end], end + 1
    if len(text) == LARGEST_HEADER:
        raise HeaderDamaged(f"the header is longer than {LARGEST_HEADER} bytes")
    raise HeaderIncomplete("the file ends inside its header")


def _stanza(line: bytes, text: bytes, at: int) -> tuple[Stanza, int]:
    """The stanza whose first line is `line` and whose body begins at `at`, and where the next line begins."""
    head = line[len(_STANZA_MARK) :]
    if not _ARGUMENTS.fullmatch(head):
        raise HeaderDamaged("a stanza's first line holds an empty argument or a character that is not visible ASCII")
    kind, *arguments = head.decode("ascii").split(" ")
    body = []
    while True:
        row, at = _line(text, at)
        data = unpadded.decode(row)
        if data is None or len(row) > _COLUMNS:
            raise HeaderDamaged("a line of a stanza's body is not base64 in its one strict form")
        body.append(data)
        if len(row) < _COLUMNS:
            return Stanza(kind, tuple(arguments), b"".join(body)), at


def _mac(signed: bytes, file_key: bytes) -> bytes:
    return hmac.digest(derive(file_key, salt=b"", info=b"header"), signed, hashlib.sha256)
