"""A double of an IMAP server, made from RFC 3501, 4315, 4731, 5819, 5258, 7162 and what servers are known to do: in memory,
with every trap at hand. It is not a server that anybody runs; `tests/support/dovecot.py` starts one.

with ImapDouble().served() as double:
    double.put("INBOX", b"Subject: hello\r\n\r\n")
    double.cut_at = 5            the fifth line that is sent from now on is the last one of its connection
    double.alter = …             makes other lines of those that are sent
"""

from __future__ import annotations

import base64
import re
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

FULL = (
    "IMAP4rev1", "AUTH=PLAIN", "AUTH=XOAUTH2", "NAMESPACE", "LIST-EXTENDED", "LIST-STATUS", "SPECIAL-USE", "ESEARCH",
    "CONDSTORE", "UIDPLUS",
)  # fmt: skip
PLAIN = ("IMAP4rev1",)
USER, PASSWORD, TOKEN = "me", 'geheim "\\ word', "ya29.geheim"
MAY = datetime(2024, 5, 17, 10, 15, tzinfo=UTC)


@dataclass
class Mail:
    """A message. received: seconds since 1970."""

    uid: int
    data: bytes
    flags: set[str]
    received: int
    modseq: int
    labels: set[str] = field(default_factory=set)


@dataclass
class Box:
    """A mailbox. marks: of its listing · refuses: what stands in place of an answer to EXAMINE, such as `NO [NOPERM] no`."""

    name: str
    validity: int = 7
    next: int = 1
    modseq: int = 1
    mails: list[Mail] = field(default_factory=list)
    marks: set[str] = field(default_factory=set)
    subscribed: bool = False
    refuses: str = ""

    def mail(self, uid: int) -> Mail:
        return next(one for one in self.mails if one.uid == uid)

    def touch(self) -> int:
        self.modseq += 1
        return self.modseq


class Cut(Exception):
    """The connection ends here."""


class ImapDouble:
    """See this module's text. commands: that came, without their tags, in order of their arrival."""

    def __init__(self, capabilities: tuple[str, ...] = FULL, delimiter: str = "/", keeps: str = r"\*") -> None:
        self.capabilities, self.delimiter, self.keeps = list(capabilities), delimiter, keeps
        self.boxes: dict[str, Box] = {"INBOX": Box("INBOX")}
        self.commands: list[str] = []
        self.cut_at = 0
        self.cuts = 1
        self.sent = 0
        self.most_connections = 100
        self.connections = 0
        self.password = PASSWORD
        self.refuses_append = ""
        self.prefix = ""
        self.shared = ""
        self.port = 0
        self.tls: ssl.SSLContext | None = None
        self.starts_tls: ssl.SSLContext | None = None
        self.alter: Callable[[bytes], bytes] = lambda line: line
        self.before: Callable[[str], None] = lambda command: None
        self.lock = threading.RLock()

    def put(
        self, name: str, data: bytes, received: datetime = MAY, flags: tuple[str, ...] = (), labels: tuple[str, ...] = ()
    ) -> Mail:
        """One more message; its mailbox is made where it is not there."""
        with self.lock:
            box = self.boxes.setdefault(name, Box(name))
            mail = Mail(box.next, data, set(flags), int(received.timestamp()), box.touch(), set(labels))
            box.mails.append(mail)
            box.next += 1
            return mail

    def remove(self, name: str, uid: int) -> None:
        with self.lock:
            box = self.boxes[name]
            box.mails = [one for one in box.mails if one.uid != uid]
            box.touch()

    def mark(self, name: str, uid: int, *flags: str) -> None:
        with self.lock:
            mail = self.boxes[name].mail(uid)
            mail.flags, mail.modseq = set(flags), self.boxes[name].touch()

    def renumber(self, name: str, validity: int) -> None:
        """All numbers are new."""
        with self.lock:
            box = self.boxes[name]
            box.validity = validity
            for mail in box.mails:
                mail.uid += 1000
            box.next += 1000

    def contents(self) -> dict[str, list[bytes]]:
        return {name: [one.data for one in box.mails] for name, box in self.boxes.items()}

    def asked(self, word: str) -> list[str]:
        return [one for one in self.commands if one.startswith(word)]

    @contextmanager
    def served(self) -> Iterator[ImapDouble]:
        double = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with suppress(Cut, OSError):
                    _Session(double, self.request).run()

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            block_on_close = False

            def handle_error(self, *_: Any) -> None:
                """A client that breaks off is none of the test's business."""

        with Server(("127.0.0.1", 0), Handler) as server:
            self.port = server.server_address[1]
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()


class _Session:
    def __init__(self, double: ImapDouble, connection: socket.socket) -> None:
        self.double = double
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = double.tls.wrap_socket(connection, server_side=True) if double.tls else connection
        self.file = self.socket.makefile("rb")
        self.box: Box | None = None
        self.is_writing = False

    def run(self) -> None:
        double = self.double
        with double.lock:
            double.connections += 1
        try:
            if double.connections > double.most_connections:
                self.send(b"* OK double ready")
                tag = self.line().split(b" ")[0]
                self.send(b"* CAPABILITY IMAP4rev1 AUTH=PLAIN")
                self.send(tag + b" OK done")
                tag = self.line().split(b" ")[0]
                self.send(b"+ ")
                self.line()
                self.send(tag + b" NO [LIMIT] Maximum number of connections exceeded")
                return
            self.send(b"* OK double ready")
            while line := self.line():
                tag, _, rest = line.partition(b" ")
                if not self.command(tag, rest):
                    return
        finally:
            with double.lock:
                double.connections -= 1
            with suppress(OSError):
                self.file.close()
                self.socket.close()

    def send(self, line: bytes, literal: bytes | None = None, rest: bytes = b"") -> None:
        double = self.double
        with double.lock:
            double.sent += 1
            cut = double.cut_at and double.sent >= double.cut_at and double.cuts > 0
            if cut:
                double.cuts -= 1
                double.sent = 0
        whole = line + b"\r\n" if literal is None else line + b"{%d}\r\n" % len(literal) + literal + rest + b"\r\n"
        whole = double.alter(whole)
        if cut:
            self.socket.sendall(whole[: len(whole) // 2])
            raise Cut
        self.socket.sendall(whole)

    def line(self) -> bytes:
        """A command with its literals."""
        found = self.file.readline()
        if not found:
            raise Cut
        found = found.rstrip(b"\r\n")
        while size := re.search(rb"\{(\d+)\+?\}\Z", found):
            self.send(b"+ go on")
            found += b"\r\n" + self.file.read(int(size[1]))
            found += self.file.readline().rstrip(b"\r\n")
        return found

    def command(self, tag: bytes, rest: bytes) -> bool:
        double = self.double
        text = rest.split(b"\r\n")[0].decode("utf-8", "replace")
        word = text.split(" ")[0].upper()
        with double.lock:
            double.commands.append(text if word not in ("LOGIN", "AUTHENTICATE") else word)
        double.before(text)
        with double.lock:
            words = _words(rest)
            name = "_".join(text.upper().split(" ")[:2]) if word == "UID" else word
            answer = getattr(self, f"do_{name.lower()}", None)
            said = answer(words[2:] if word == "UID" else words[1:]) if answer else "BAD unknown command"
        if said == "BYE":
            return False
        if said == "TLS":
            self.send(tag + b" OK begin")
            context = double.starts_tls
            if context is not None:
                self.socket = context.wrap_socket(self.socket, server_side=True)
                self.file = self.socket.makefile("rb")
            return True
        self.send(tag + b" " + said.encode())
        return True

    def do_capability(self, words: list[Any]) -> str:
        self.send(b"* CAPABILITY " + " ".join(self.double.capabilities).encode())
        return "OK done"

    def do_starttls(self, words: list[Any]) -> str:
        return "TLS"

    def do_noop(self, words: list[Any]) -> str:
        return "OK done"

    def do_logout(self, words: list[Any]) -> str:
        self.send(b"* BYE until later")
        return "OK done"

    def do_login(self, words: list[Any]) -> str:
        right = (words[0], words[1]) == (USER.encode(), self.double.password.encode())
        return "OK welcome" if right else f"NO [AUTHENTICATIONFAILED] wrong {words[1].decode()}"

    def do_authenticate(self, words: list[Any]) -> str:
        self.send(b"+ ")
        given = base64.b64decode(self.file.readline())
        if words[0] == b"PLAIN":
            right = given == b"\0" + USER.encode() + b"\0" + self.double.password.encode()
        else:
            right = given == f"user={USER}\1auth=Bearer {TOKEN}\1\1".encode()
            if not right:
                self.send(b"+ " + base64.b64encode(b'{"status":"400"}'))
                self.file.readline()
        return "OK welcome" if right else f"NO [AUTHENTICATIONFAILED] wrong {given!r}"

    def do_namespace(self, words: list[Any]) -> str:
        double = self.double
        shared = f'(("{double.shared}" "{double.delimiter}"))' if double.shared else "NIL"
        self.send(f'* NAMESPACE (("{double.prefix}" "{double.delimiter}")) NIL {shared}'.encode())
        return "OK done"

    def do_list(self, words: list[Any]) -> str:
        extended = len(words) > 2
        asked = repr(words[2:])
        prefix, shared = words[1].decode().removesuffix("*"), self.double.shared
        for box in self.double.boxes.values():
            if not box.name.startswith(prefix) or (shared and not prefix and box.name.startswith(shared)):
                continue
            marks = set(box.marks) | ({"\\Subscribed"} if box.subscribed and "SUBSCRIBED" in asked else set())
            self.send(f"* LIST ({' '.join(sorted(marks))}) {_delimiter(self.double.delimiter)} ".encode() + _string(box.name))
            if extended and "STATUS" in asked and "\\Noselect" not in box.marks and not box.refuses:
                self.status(box)
        return "OK done"

    def do_lsub(self, words: list[Any]) -> str:
        for box in self.double.boxes.values():
            if box.subscribed:
                self.send(f"* LSUB () {_delimiter(self.double.delimiter)} ".encode() + _string(box.name))
        return "OK done"

    def do_status(self, words: list[Any]) -> str:
        box = self.double.boxes.get(words[0].decode())
        if box is None or box.refuses or "\\Noselect" in box.marks:
            return box.refuses if box and box.refuses else "NO [NONEXISTENT] not there"
        self.status(box)
        return "OK done"

    def status(self, box: Box) -> None:
        text = f"(MESSAGES {len(box.mails)} UIDNEXT {box.next} UIDVALIDITY {box.validity}"
        text += f" HIGHESTMODSEQ {box.modseq})" if "CONDSTORE" in self.double.capabilities else ")"
        self.send(b"* STATUS " + _string(box.name) + b" " + text.encode())

    def do_examine(self, words: list[Any]) -> str:
        self.is_writing = False
        return self.opened(words, "OK [READ-ONLY] done")

    def do_select(self, words: list[Any]) -> str:
        self.is_writing = True
        return self.opened(words, "OK [READ-WRITE] done")

    def opened(self, words: list[Any], done: str) -> str:
        box = self.double.boxes.get(words[0].decode())
        self.box = None
        if box is None or "\\Noselect" in box.marks:
            return "NO [NONEXISTENT] not there"
        if box.refuses:
            return box.refuses
        self.box = box
        self.send(f"* {len(box.mails)} EXISTS".encode())
        self.send(f"* OK [UIDVALIDITY {box.validity}] numbers".encode())
        self.send(f"* OK [UIDNEXT {box.next}] next".encode())
        self.send(rb"* OK [PERMANENTFLAGS (\Seen \Answered \Flagged \Deleted \Draft " + self.double.keeps.encode() + b")] ok")
        if "CONDSTORE" in self.double.capabilities:
            self.send(f"* OK [HIGHESTMODSEQ {box.modseq}] highest".encode())
        return done

    def do_close(self, words: list[Any]) -> str:
        if self.is_writing:
            self.open.mails = [one for one in self.open.mails if "\\Deleted" not in one.flags]
        self.box = None
        return "OK done"

    def do_unselect(self, words: list[Any]) -> str:
        self.box = None
        return "OK done"

    def do_uid_search(self, words: list[Any]) -> str:
        uids = [one.uid for one in self.open.mails]
        if words[0] == b"RETURN":
            text = f" ALL {','.join(map(str, uids))}" if uids else ""
            self.send(f'* ESEARCH (TAG "x") UID{text}'.encode())
        else:
            self.send(f"* SEARCH {' '.join(map(str, uids))}".rstrip().encode())
        return "OK done"

    @property
    def open(self) -> Box:
        if self.box is None:
            raise Cut
        return self.box

    def do_uid_fetch(self, words: list[Any]) -> str:
        wanted, what = _numbers(words[0].decode(), self.open.next), words[1]
        since = int(words[2][1]) if len(words) > 2 else 0
        for place, mail in enumerate(list(self.open.mails), 1):
            if mail.uid in wanted and mail.modseq > since:
                self.fetched(place, mail, what)
        return "OK done"

    def fetched(self, place: int, mail: Mail, what: list[bytes]) -> None:
        text, literal = f"* {place} FETCH (UID {mail.uid}", None
        for one in what:
            name = one.decode().upper()
            if name == "FLAGS":
                text += f" FLAGS ({' '.join(sorted(mail.flags))})"
            elif name == "RFC822.SIZE":
                text += f" RFC822.SIZE {len(mail.data)}"
            elif name == "INTERNALDATE":
                moment = datetime.fromtimestamp(mail.received, UTC)
                text += f' INTERNALDATE "{moment:%d-%b-%Y %H:%M:%S} +0000"'
            elif name == "X-GM-LABELS":
                text += (
                    " X-GM-LABELS (" + " ".join('"' + label.replace("\\", "\\\\") + '"' for label in sorted(mail.labels)) + ")"
                )
            elif name.startswith("BODY.PEEK["):
                data = _header(mail.data) if "HEADER" in name else mail.data
                begin, size = re.findall(r"<(\d+)\.(\d+)>", name)[0]
                literal = data[int(begin) : int(begin) + int(size)]
                text += " " + re.sub(r"<.*", f"<{begin}> ", name.replace(".PEEK", ""))
        if literal is None:
            self.send(text.encode() + b")")
        else:
            self.send(text.encode(), literal, b")")

    def do_create(self, words: list[Any]) -> str:
        name = words[0].decode()
        if name in self.double.boxes:
            return "NO [ALREADYEXISTS] there"
        self.double.boxes[name] = Box(name)
        return "OK made"

    def do_delete(self, words: list[Any]) -> str:
        return "OK gone" if self.double.boxes.pop(words[0].decode(), None) else "NO [NONEXISTENT] not there"

    def do_rename(self, words: list[Any]) -> str:
        name, new = (one.decode() for one in words[:2])
        if name not in self.double.boxes or new in self.double.boxes:
            return "NO [NONEXISTENT] not there, or there already"
        box = self.double.boxes.pop(name)
        box.name = new
        self.double.boxes[new] = box
        return "OK renamed"

    def do_subscribe(self, words: list[Any]) -> str:
        self.double.boxes[words[0].decode()].subscribed = True
        return "OK done"

    def do_append(self, words: list[Any]) -> str:
        box = self.double.boxes.get(words[0].decode())
        if box is None:
            return "NO [TRYCREATE] not there"
        if self.double.refuses_append:
            return self.double.refuses_append
        flags = {one.decode() for one in words[1]}
        moment = datetime.strptime(words[2].decode().strip(), "%d-%b-%Y %H:%M:%S %z") if len(words) > 3 else MAY
        mail = self.double.put(box.name, words[-1], moment, tuple(flags))
        return f"OK [APPENDUID {box.validity} {mail.uid}] done" if "UIDPLUS" in self.double.capabilities else "OK done"

    def do_uid_store(self, words: list[Any]) -> str:
        for mail in self.open.mails:
            if mail.uid not in _numbers(words[0].decode(), self.open.next):
                continue
            if words[1].upper().startswith(b"+X-GM-LABELS"):
                mail.labels |= {one.decode() for one in words[2]}
            elif words[1].upper() == b"+FLAGS":
                self.double.mark(self.open.name, mail.uid, *mail.flags, *(one.decode() for one in words[2]))
        return "OK done"


def _words(rest: bytes) -> list[Any]:
    """A command as nested lists; literals stand after the line break that announces them."""
    found: list[list[Any]] = [[]]
    at = 0
    while at < len(rest):
        sign = rest[at : at + 1]
        if sign == b" ":
            at += 1
        elif sign == b"(":
            found.append([])
            at += 1
        elif sign == b")":
            done = found.pop()
            found[-1].append(done)
            at += 1
        elif sign == b'"':
            piece = re.compile(rb'"((?:[^"\\]|\\.)*)"').match(rest, at)
            if piece is None:
                raise Cut
            found[-1].append(re.sub(rb"\\(.)", rb"\1", piece[1]))
            at = piece.end()
        elif sign == b"{":
            size = re.compile(rb"\{(\d+)\+?\}\r\n").match(rest, at)
            if size is None:
                raise Cut
            found[-1].append(rest[size.end() : size.end() + int(size[1])])
            at = size.end() + int(size[1])
        else:
            piece = re.compile(rb"(?:\[[^\]]*\]|[^\s()])+").match(rest, at)
            if piece is None:
                raise Cut
            found[-1].append(piece[0])
            at = piece.end()
    return found[0]


def _numbers(text: str, most: int) -> set[int]:
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition(":")
        found |= set(range(int(first), (most if last == "*" else int(last or first)) + 1))
    return found


def _header(data: bytes) -> bytes:
    """The lines that were asked for."""
    head = re.sub(rb"\r\n(?=[ \t])", b"\0", data.partition(b"\r\n\r\n")[0])
    wanted = (b"message-id", b"date", b"from", b"subject", b"received")
    lines = [line for line in head.split(b"\r\n") if line.partition(b":")[0].lower() in wanted]
    return b"".join(line.replace(b"\0", b"\r\n") + b"\r\n" for line in lines) + b"\r\n"


def _string(name: str) -> bytes:
    return b'"' + name.encode().replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def _delimiter(sign: str) -> str:
    return f'"{sign}"' if sign else "NIL"
