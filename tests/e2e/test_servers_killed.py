"""`kill -9` of a backup out of databases, mailboxes and servers of files, in the middle of its contents: the next one has
everything, and does not ask for everything again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.support import ftp_server, imap_double, mariadb_server, sftp_server, smb_server
from tests.support.desk import Desk
from tests.support.imap_double import ImapDouble
from tests.support.mariadb_server import MariadbServer
from tests.support.message_proxy import MessageProxy
from tests.support.postgres_server import OWNER, PASSWORD, PostgresServer
from tests.support.randomness import SeededChance
from tests.support.trees import write_tree

COUNT = 400
SILENT = 60.0
"""Seconds for which a server waits for the end of whom it has stopped answering."""


class Contents:
    """Counts what is asked for; from a number on nothing is answered any more, and a function is called."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._kill: Callable[[], None] | None = None
        self._at = 0
        self.count = 0

    def begin(self, at: int = 0, kill: Callable[[], None] | None = None) -> None:
        """From now on. at: the number at which `kill` is called."""
        with self._lock:
            self.count, self._at, self._kill = 0, at, kill
            self._ended.clear()

    def end(self) -> None:
        """Whoever was stopped is gone."""
        self._ended.set()

    def asked(self) -> None:
        """One content; returns when it may be answered."""
        with self._lock:
            self.count += 1
            kill = self._kill if self._at and self.count >= self._at else None
        if kill is not None:
            kill()
            self._ended.wait(SILENT)


class Server(Protocol):
    """One that is a source. contents: that it was asked for."""

    contents: Contents

    def words(self, desk: Desk) -> tuple[str, list[str]]:
        """Its URL, and options."""
        ...


class Mail:
    def __init__(self, stack: ExitStack) -> None:
        self.contents, double = Contents(), ImapDouble()
        for number in range(3 * COUNT):  # many of them are on their way at once
            body = SeededChance(f"mail {number}").token(3000).hex()
            double.put("INBOX", f"Message-ID: <{number}@tests>\r\nSubject: {number}\r\n\r\n{body}\r\n".encode())
        double.alter = self._alter
        self._double = stack.enter_context(double.served())

    def _alter(self, line: bytes) -> bytes:
        if b" BODY[]" in line[:200]:
            self.contents.asked()
        return line

    def words(self, desk: Desk) -> tuple[str, list[str]]:
        (desk.folder / "password").write_text(imap_double.PASSWORD)
        return f"imap://127.0.0.1:{self._double.port}/", [f"user={imap_double.USER}", "password_file=password"]


class Sftp:
    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self.contents = contents = Contents()

        class Counting(sftp_server.Folder):
            """All of it waits where one is not answered."""

            def open(self, path: bytes, pflags: int, attrs: Any) -> object:
                contents.asked()
                return super().open(path, pflags, attrs)

        write_files(folder / "server/files")
        self._server = stack.enter_context(sftp_server.served(folder / "server", folder / "keys", Counting))

    def words(self, desk: Desk) -> tuple[str, list[str]]:
        (desk.folder / "password").write_text(sftp_server.PASSWORD)
        shutil.copy(self._server.known_hosts, desk.folder / "known_hosts")
        options = [f"user={sftp_server.USER}", "password_file=password", "known_hosts=known_hosts"]
        return self._server.url("/files"), options


def write_files(folder: Path) -> None:
    """Of long ago: what was just written may change and look the same."""
    files = {f"{number % 9}/{number}.bin": SeededChance(f"file {number}").token(3000) for number in range(COUNT)}
    write_tree(folder, files)
    for path in folder.rglob("*"):
        os.utime(path, (1_700_000_000, 1_700_000_000))


class Ftp:
    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self.contents = contents = Contents()

        class Counting:
            """Each of its connections has a thread."""

            def ftp_RETR(self, file: str) -> object:
                contents.asked()
                return super().ftp_RETR(file)  # type: ignore[misc]  # pyftpdlib's handler is its base

        write_files(folder / "server/files")
        self._server = stack.enter_context(ftp_server.served(folder / "server", handler=Counting))

    def words(self, desk: Desk) -> tuple[str, list[str]]:
        (desk.folder / "password").write_text(ftp_server.PASSWORD)
        url = f"ftp://127.0.0.1:{self._server.port}/files"
        return url, [f"user={ftp_server.USER}", "password_file=password"]


class Smb(MessageProxy):
    """Before Samba; its packets are counted: a zero, three bytes of length, and at least one byte."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        (folder / "server").mkdir()
        server = stack.enter_context(smb_server.served(folder / "server", folder / "samba"))
        super().__init__(server.port)
        self.contents = Contents()
        write_files(folder / "server/files")
        stack.enter_context(self)

    def rest_of(self, head: bytes) -> int:
        self.contents.asked()
        return int.from_bytes(head[1:4], "big") - 1

    def words(self, desk: Desk) -> tuple[str, list[str]]:
        (desk.folder / "password").write_text(smb_server.PASSWORD)
        options = [f"user={smb_server.USER}", "password_file=password"]
        return f"smb://127.0.0.1:{self.port}/{smb_server.SHARE}/files", options


class Rows(MessageProxy):
    """Before a database; rows are counted."""

    def __init__(self, stack: ExitStack, server: PostgresServer) -> None:
        super().__init__(server.port)
        self.contents = Contents()
        self._database = server.new_database(
            "create table calls (id int primary key, at date, text text);"
            f"insert into calls select n, date '2024-01-01' + n % {COUNT}, "
            "(select string_agg(md5((n * 100 + m)::text), '') from generate_series(1, 10) m) "
            f"from generate_series(1, {20 * COUNT}) n"
        )
        stack.enter_context(self)

    def rest_of(self, head: bytes) -> int:
        if head[:1] == b"d":  # a row of COPY
            self.contents.asked()
        return super().rest_of(head)

    def words(self, desk: Desk) -> tuple[str, list[str]]:
        (desk.folder / "password").write_text(PASSWORD)
        options = [f"user={OWNER}", "password_file=password", "sslmode=disable", "step=day"]
        return f"postgresql://127.0.0.1:{self.port}/{self._database}", [*options, "--time-column", "at"]


class Packets(MessageProxy):
    """Before a MariaDB server; its packets are counted: three bytes of length, a number, and at least one byte."""

    def __init__(self, stack: ExitStack, server: MariadbServer) -> None:
        super().__init__(server.port)
        self.contents = Contents()
        self._database = server.new_database(
            "create table calls (id int primary key, at date, text text);"
            f"insert into calls select seq, date '2024-01-01' + interval seq % {COUNT} day, "
            f"repeat(md5(seq), 10) from seq_1_to_{20 * COUNT}"
        )
        stack.enter_context(self)

    def rest_of(self, head: bytes) -> int:
        self.contents.asked()
        return int.from_bytes(head[:3], "little") - 1

    def words(self, desk: Desk) -> tuple[str, list[str]]:
        (desk.folder / "password").write_text(mariadb_server.PASSWORD)
        options = [f"user={mariadb_server.OWNER}", "password_file=password", "tls=off", "step=day"]
        return f"mariadb://127.0.0.1:{self.port}/{self._database}", [*options, "--time-column", "at"]


@pytest.fixture(params=["imap", "sftp", "ftp", "smb", "postgresql", "mariadb"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    with ExitStack() as stack:
        if request.param == "imap":
            yield Mail(stack)
        elif request.param == "sftp":
            yield Sftp(stack, tmp_path)
        elif request.param == "ftp":
            yield Ftp(stack, tmp_path)
        elif request.param == "smb":
            smb_server.skip_without()
            yield Smb(stack, tmp_path)
        elif request.param == "postgresql":
            yield Rows(stack, request.getfixturevalue("postgres"))
        else:
            yield Packets(stack, request.getfixturevalue("mariadb"))


def backup(desk: Desk, project: str) -> dict[str, Any]:
    (found,) = desk.call("backup", project, "--json").document["snapshots"]
    assert isinstance(found, dict)
    return found


def test_after_a_kill_the_next_backup_has_everything_and_asks_for_the_rest_alone(server: Server, desk: Desk) -> None:
    desk.init()
    desk.shrink_packs(40_000)
    url, options = server.words(desk)
    words = [word for one in options for word in (("--option", one) if "=" in one else (one,))]
    for project in ("whole", "acme"):
        desk.call("project", "add", project)
        desk.call("source", "add", project, "raw", url, *words, "--yes")
    server.contents.begin()
    whole = backup(desk, "whole")
    asked = server.contents.count
    assert whole["problems"] == 0 and asked >= COUNT

    process: list[subprocess.Popen[bytes]] = []
    started = threading.Event()

    def kill() -> None:
        started.wait(SILENT)
        process[0].send_signal(signal.SIGKILL)

    server.contents.begin(asked * 4 // 5, kill)
    process.append(desk.start("backup", "acme", "--json"))
    started.set()
    process[0].communicate(timeout=120)
    server.contents.end()
    assert process[0].returncode == -signal.SIGKILL

    server.contents.begin()
    found = backup(desk, "acme")
    assert (found["problems"], found["files"]) == (0, whole["files"])
    again = server.contents.count
    assert again <= asked * 3 // 4, f"{asked} contents in all, and {again} of them once more after a kill at four fifths"
    desk.call("check", "acme", "--read-data")
    for project in ("whole", "acme"):
        desk.call("restore", project, "--to", f"proof/{project}")
    assert not subprocess.run(["diff", "-r", desk.folder / "proof/whole", desk.folder / "proof/acme"], check=False).returncode
