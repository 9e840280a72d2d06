"""One connection to a server: TLS, login, commands and their responses.

Everything that comes in is bounded before room is made for it: lines, literals, how many lines answer one command. A server
that breaks off raises `Disconnected`, one that refuses a command `Refused`, one that answers nonsense `SourceError`. No
message has a password, or what a server says to a login.
"""

from __future__ import annotations

import base64
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import IO, NamedTuple

from vault.errors import SourceError
from vault.source.imap import syntax
from vault.source.imap.address import ImapAddress
from vault.source.imap.syntax import BadSyntax, Status

TIMEOUT = 60.0
"""Seconds without a byte."""

LONGEST_LINE = 32 * 1024 * 1024
"""Bytes of a line without its literals: an old server tells the numbers of a million messages in one."""

SMALL_LITERAL = 256 * 1024
"""Bytes of a literal where no content is asked for."""

MOST_LINES = 4_000_000
"""Lines that answer one command."""

PIECE = 256 * 1024

TEMPORARY = ("UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG")
"""Codes (RFC 5530) of refusals that may pass."""


class Disconnected(OSError):
    """The connection is gone, or the server says that it cannot just now. is_full: it has too many of this user already ·
    is_away: there was none."""

    def __init__(self, message: str, *, is_full: bool = False, is_away: bool = False) -> None:
        super().__init__(0, message)
        self.is_full = is_full
        self.is_away = is_away


class Refused(SourceError):
    """A command that the server did not carry out. code: of RFC 5530, such as `NONEXISTENT`; empty where there is none."""

    def __init__(self, message: str, code: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.code = code


class Untagged(NamedTuple):
    """What a server says before the answer to a command. number: before its word, 0 where there is none · word: in capitals ·
    values: what follows · status: of OK, NO, BAD and BYE."""

    number: int
    word: str
    values: list[syntax.Value]
    status: Status | None = None


Part = bytes | IO[bytes]
"""Of a command: a piece of its text, or a file whose whole content is a literal."""

Heard = Callable[[Untagged], None]


def nothing(_: Untagged) -> None:
    """Hears what nobody asked for."""


class ImapConnection:
    """Logged in. capabilities: in capitals · mailbox: whatever who opens one notes of it; None where none is open."""

    def __init__(self, address: ImapAddress) -> None:
        """Raises `Disconnected`, and `SourceError` where another attempt would not help."""
        self.address = address
        self.capabilities: frozenset[str] = frozenset()
        self.mailbox: object = None
        self._count = 0
        self._buffer = bytearray()
        self._socket = self._connected()
        try:
            self._begin()
        except BaseException:
            self.close()
            raise

    def command(self, name: str, *parts: Part, heard: Heard = nothing, largest: int = SMALL_LITERAL) -> Status:
        """Send a command, and hear the answer to its end. parts: with spaces between them · largest: bytes of a literal that
        may come. Raises `Refused`, `Disconnected`, `SourceError`."""
        done = self._command(name, parts, heard, largest)
        if done.word == "OK":
            return done
        said = f": {done.text[:200]}" if done.text.isprintable() else ""
        raise Refused(f"{self.address.text} refuses {name} ({done.code or done.word}{said})", done.code)

    def close(self) -> None:
        """End it without a word."""
        with suppress(OSError):
            self._socket.close()

    def logout(self) -> None:
        """End it politely."""
        with suppress(OSError, SourceError):
            self._command("LOGOUT", (), nothing, SMALL_LITERAL)
        self.close()

    def odd(self, what: str) -> SourceError:
        """An answer that is none."""
        return SourceError(f"{self.address.text} answers {what}", hint="is it an IMAP server? Try again, and report this")

    def _connected(self) -> socket.socket:
        address = self.address
        try:
            opened = socket.create_connection((address.host, address.port), TIMEOUT)
        except (OSError, UnicodeError) as error:
            raise Disconnected(f"it cannot be reached ({type(error).__name__})", is_away=True) from error
        opened.settimeout(TIMEOUT)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._protected(opened) if address.secure else opened

    def _protected(self, plain: socket.socket) -> socket.socket:
        address = self.address
        try:
            context = ssl.create_default_context(cafile=address.certificates or None)
        except OSError as error:
            plain.close()
            hint = "name a file of certificates in PEM form"
            raise SourceError(
                f"the file {address.certificates} of the option certificates cannot be read", hint=hint
            ) from error
        try:
            return context.wrap_socket(plain, server_hostname=address.host)
        except ssl.SSLCertVerificationError as error:
            plain.close()
            hint = "name the authority's certificates with the option certificates"
            raise SourceError(
                f"{address.text} has a certificate that is not trusted: {error.verify_message}", hint=hint
            ) from error
        except OSError as error:
            plain.close()
            raise Disconnected("TLS could not be agreed on") from error

    def _begin(self) -> None:
        """Greeting, TLS, login, capabilities."""
        greeting = self._line(SMALL_LITERAL)
        said = syntax.status(greeting[0][2:]) if greeting[0].startswith(b"* ") else None
        if said is None:
            raise self.odd("something else than a greeting")
        if said.word == "BYE":
            raise Disconnected("the server says BYE", is_full=True)
        if said.word not in ("OK", "PREAUTH"):
            raise self.odd("something else than a greeting")
        if not self.address.secure and not self.address.is_local:
            if said.word == "PREAUTH":
                raise SourceError(f"{self.address.text} logs us in before TLS", hint="write imaps://, or look who is between")
            self._start_tls()
        self._learn_capabilities()
        if said.word != "PREAUTH":
            self._log_in()
            self._learn_capabilities()

    def _start_tls(self) -> None:
        self._learn_capabilities()
        if "STARTTLS" not in self.capabilities:
            hint = "write imaps://; or somebody on the way strips it"
            raise SourceError(f"{self.address.text} offers no STARTTLS, and without TLS nothing is sent", hint=hint)
        self.command("STARTTLS")
        if self._buffer:
            raise SourceError(f"{self.address.text} says more before TLS than it may", hint="look who is between")
        self._socket = self._protected(self._socket)

    def _learn_capabilities(self) -> None:
        found: set[str] = set()

        def heard(one: Untagged) -> None:
            if one.word == "CAPABILITY":
                found.update(syntax.text(value).decode("ascii", "replace").upper() for value in one.values)

        self.command("CAPABILITY", heard=heard)
        if not found & {"IMAP4REV1", "IMAP4REV2"}:
            raise self.odd("that it is no IMAP server of version 4rev1")
        self.capabilities = frozenset(found)

    def _log_in(self) -> None:
        user, secret = self.address.user.encode(), self.address.secret().encode()
        if self.address.is_token:
            answer = self._authenticated("XOAUTH2", b"user=" + user + b"\1auth=Bearer " + secret + b"\1\1")
        elif "AUTH=PLAIN" in self.capabilities:
            answer = self._authenticated("PLAIN", b"\0" + user + b"\0" + secret)
        elif "LOGINDISABLED" in self.capabilities:
            raise SourceError(
                f"{self.address.text} lets nobody log in with a password", hint="is a token wanted: token_command?"
            )
        else:
            answer = self._command("LOGIN", [*_strings(user, secret)], nothing, SMALL_LITERAL)
        if answer.word == "OK":
            return
        if answer.code in TEMPORARY or "connections" in answer.text.lower():
            raise Disconnected(f"the server says {answer.code or answer.word} to the login", is_full=True)
        hint = "check the options user, and password_file or token_command"
        raise SourceError(f"{self.address.text} refuses the login: the user or the secret is wrong", hint=hint)

    def _authenticated(self, mechanism: str, words: bytes) -> Status:
        """The answer to AUTHENTICATE. A server that explains in base64 why not wants an empty line for it."""
        if f"AUTH={mechanism}" not in self.capabilities:
            hint = "is the server the right one?"
            raise SourceError(f"{self.address.text} does not know AUTH={mechanism}, which an access token needs", hint=hint)
        tag = self._send_line(f"AUTHENTICATE {mechanism}".encode())
        waiting = [base64.b64encode(words)]
        return self._answer(tag, nothing, SMALL_LITERAL, lambda: self._send((waiting.pop() if waiting else b"") + b"\r\n"))

    def _command(self, name: str, parts: Sequence[Part], heard: Heard, largest: int) -> Status:
        """A literal waits until the server says that it may come."""
        tag, text = self._next_tag(), bytearray()
        text += tag + b" " + name.encode()
        files: list[tuple[bytes, Part]] = []
        for place, part in enumerate(parts):
            if isinstance(part, bytes) and not (place and _announces(parts[place - 1])):
                text += b" " + part
                continue
            if not isinstance(part, bytes):
                text += b" {%d}" % _size(part)
            files.append((bytes(text), part))
            text.clear()
        files.append((bytes(text), b""))
        waiting = iter(files)
        first, literal = next(waiting)
        self._send(first + b"\r\n")
        last = [literal]

        def go_on() -> None:
            self._send_literal(last[0])
            following = next(waiting, None)
            if following is None:
                raise self.odd("that it waits for more than there is")
            last[0] = following[1]
            self._send(following[0] + b"\r\n")

        return self._answer(tag, heard, largest, go_on if len(files) > 1 else None)

    def _answer(self, tag: bytes, heard: Heard, largest: int, go_on: Callable[[], None] | None) -> Status:
        """Everything up to the tagged answer. go_on: what follows a `+`."""
        for _ in range(MOST_LINES):
            pieces = self._line(largest)
            first = pieces[0]
            if first.startswith(b"+"):
                if go_on is None:
                    raise self.odd("that it waits, and nothing is to come")
                go_on()
            elif first.startswith(b"* "):
                heard(self._untagged([first[2:], *pieces[1:]]))
            elif first.startswith(tag + b" "):
                done = syntax.status(first[len(tag) + 1 :])
                if done is None or done.word not in ("OK", "NO", "BAD"):
                    raise self.odd("something that is neither yes nor no")
                return done
            else:
                raise self.odd("something that nobody asked for")
        raise self.odd("without an end")

    def _untagged(self, pieces: list[bytes]) -> Untagged:
        said = syntax.status(pieces[0])
        if said is not None:
            if said.word == "BYE":
                raise Disconnected(f"the server says BYE {said.code}".rstrip())
            return Untagged(0, said.word, [], said)
        try:
            found = syntax.values(pieces)
            number = 0
            if found and isinstance(found[0], bytes) and found[0].isdigit():
                number = syntax.number(found.pop(0))
            word = syntax.text(found.pop(0)) if found else b""
        except BadSyntax as error:
            raise self.odd(str(error)) from error
        return Untagged(number, word.upper().decode("ascii", "replace"), found)

    def _line(self, largest: int) -> list[bytes]:
        """One line in its pieces: text, literal, text …"""
        pieces, room = [self._text_line(LONGEST_LINE)], LONGEST_LINE
        while (size := syntax.literal_ahead(pieces[-1])) is not None:
            if size > largest:
                raise self.odd(f"with {size} bytes where {largest} were to be expected at most")
            pieces.append(self._exactly(size))
            room -= len(pieces[-2])
            pieces.append(self._text_line(room))
        return pieces

    def _text_line(self, most: int) -> bytes:
        looked = 0
        while (end := self._buffer.find(b"\n", looked)) < 0:
            looked = len(self._buffer)
            if looked > most:
                raise self.odd("with a line that does not end")
            self._receive()
        line = bytes(self._buffer[:end]).removesuffix(b"\r")
        del self._buffer[: end + 1]
        return line

    def _exactly(self, size: int) -> bytes:
        """So many bytes; room is made as they come."""
        while len(self._buffer) < size:
            self._receive()
        found = bytes(memoryview(self._buffer)[:size])
        del self._buffer[:size]
        return found

    def _receive(self) -> None:
        try:
            data = self._socket.recv(PIECE)
        except OSError as error:
            raise Disconnected(f"it does not answer any more ({type(error).__name__})") from error
        if not data:
            raise Disconnected("it broke off")
        self._buffer += data

    def _send_line(self, text: bytes) -> bytes:
        tag = self._next_tag()
        self._send(tag + b" " + text + b"\r\n")
        return tag

    def _send_literal(self, literal: Part) -> None:
        if isinstance(literal, bytes):
            self._send(literal)
            return
        literal.seek(0)
        while piece := literal.read(PIECE):
            self._send(piece)

    def _send(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise Disconnected(f"it takes nothing any more ({type(error).__name__})") from error

    def _next_tag(self) -> bytes:
        self._count += 1
        return b"A%d" % self._count


def _announces(part: Part) -> bool:
    return isinstance(part, bytes) and syntax.literal_ahead(part) is not None


def _size(file: IO[bytes]) -> int:
    return file.seek(0, 2)


def _strings(*values: bytes) -> list[bytes]:
    return [piece for value in values for piece in syntax.written(value)]
