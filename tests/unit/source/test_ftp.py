"""FTP as a source and back: odd names, certificates, servers that know no MLSD or answer nonsense, connections that are cut."""

from __future__ import annotations

import io
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from restore.local_fs import Attributes
from restore.outputs.output_item import ItemOutcome, OutputItem
from restore.outputs.remote_sink import RemotePlace, remote_sink, verify_remote
from restore.outputs.sink import OutputEntry
from tests.support import ftp_server
from tests.support.clock import StillClock
from tests.support.coverage_notes import not_covered
from tests.support.cutting_proxy import CuttingProxy
from tests.support.places import checked, made_on, restore
from tests.support.trees import contents, text, write_tree
from vault.backup import run
from vault.backup.report import BackupReport
from vault.clock import SystemClock
from vault.errors import SourceError
from vault.problems import Problem
from vault.progress import never
from vault.repository import snapshots
from vault.repository.project import Project
from vault.source.contract import Content, Scan
from vault.source.patterns import Rules
from vault.source.remote.ftp import FtpFiles
from vault.source.remote.ftp_connections import FtpAddress
from vault.source.remote.source import RemoteSource
from vault.storage.memory import MemoryStore

ODD = (
    "a#b",
    "a?b",
    "x%41",
    "per cent % and + &",
    "звонки.csv",
    "a;b=c",
    "quote'\"",
    "[brackets]",
    "~tilde",
    "-rf",
    "a  b",
    "*",
)
TREE = {f"folder {n % 3}/file {n}": text(n, 300 + n) for n in range(12)} | {"large": text("large", 1_500_000), "empty": b""}


def source(address: FtpAddress, clock: StillClock | None = None) -> RemoteSource:
    own = clock or SystemClock()
    return RemoteSource(FtpFiles(address, own), b"raw", Rules(), own, ())


def scanned(address: FtpAddress, clock: StillClock | None = None) -> Scan:
    """What a source finds that is closed afterwards."""
    with closing(source(address, clock)) as opened:
        return opened.scan(never)


def backed_up(project: Project, opened: RemoteSource) -> BackupReport:
    return run.back_up(project, run.Source("files", "raw", opened), run.BackupOptions())


@pytest.mark.parametrize("tls", ["plain", "tls"])
def test_odd_names_times_and_modes_come_back_from_a_backup(tls: str, tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "files", {f"sub/{name}": name.encode() * 50 for name in ODD} | TREE)
    for number, name in enumerate(ODD):
        os.utime(folder / "sub" / name, (1_600_000_000 + number, 1_600_000_000 + number))
        (folder / "sub" / name).chmod(0o640)
    certificate = ftp_server.certificate_in(tmp_path) if tls == "tls" else None
    project = made_on(MemoryStore())
    with ftp_server.served(folder, certificate) as server, closing(source(server.address())) as opened:
        report = backed_up(project, opened)
        assert report.problems == () and report.record.counts.files == len(ODD) + len(TREE)
        assert backed_up(project, opened).record.counts.read_bytes == 0
    restore(project, tmp_path / "back")
    assert contents(tmp_path / "back" / "raw") == contents(folder)
    for number, name in enumerate(ODD):
        status = (tmp_path / "back/raw/sub" / name).stat()
        assert (status.st_mtime, status.st_mode & 0o777) == (1_600_000_000 + number, 0o640)
    assert checked(project).sound


def test_a_certificate_that_is_not_trusted_and_a_server_without_tls_are_refused(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "files", {"a": b"1"})
    right, other = ftp_server.certificate_in(tmp_path), ftp_server.certificate_in(tmp_path, "127.0.0.2")
    with ftp_server.served(folder, right) as server:
        with pytest.raises(SourceError, match="certificate that is not trusted"):
            scanned(server.address(certificates=str(other)))
        with pytest.raises(SourceError, match="certificate that is not trusted"):
            scanned(server.address(certificates=""))
    with ftp_server.served(folder, other) as server, pytest.raises(SourceError, match="certificate that is not trusted"):
        scanned(server.address())
    with ftp_server.served(folder) as server, pytest.raises(SourceError, match="offers no TLS"):
        scanned(FtpAddress("127.0.0.1", server.port, b"/", secure=True))


def test_a_wrong_password_and_a_place_that_is_not_there_are_errors(tmp_path: Path) -> None:
    with ftp_server.served(write_tree(tmp_path / "files", {"a": b"1"})) as server:
        with pytest.raises(SourceError, match="refuses the user or the password") as refused:
            scanned(server.address(password="a guess"))
        assert "a guess" not in str(refused.value)
        for below in (b"/missing", b"/a"):
            with pytest.raises(SourceError):
                scanned(server.address(below))
    clock = StillClock()
    with pytest.raises(SourceError, match="cannot be reached"):
        scanned(server.address(), clock)
    assert sum(clock.slept) < 10


def test_vsftpd_which_knows_no_mlsd_is_refused_with_the_reason(tmp_path: Path) -> None:
    if not ftp_server.VSFTPD.exists():
        not_covered("FTP with vsftpd: it is not installed")
        pytest.skip("no vsftpd here")
    tmp_path.chmod(0o755)
    folder = write_tree(tmp_path / "files", {"a": b"1"})
    with ftp_server.vsftpd(folder, tmp_path) as server, pytest.raises(SourceError, match="does not know MLSD"):
        scanned(server.address(user="anonymous", password="x"))


def test_a_server_that_takes_few_connections_is_read_over_these(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "files", TREE)
    project = made_on(MemoryStore())
    with ftp_server.served(folder, limit=2) as server, closing(source(server.address(max_parallel=8))) as opened:
        report = backed_up(project, opened)
    assert report.problems == () and report.record.counts.files == len(TREE)


class Refusing:
    """Lists no folder of the name `secret`, and gives no file of the ending `locked`."""

    def ftp_MLSD(self, path: str) -> Any:
        if path.endswith("/secret"):
            self.respond("550 Permission denied.")  # type: ignore[attr-defined]
            return None
        return super().ftp_MLSD(path)  # type: ignore[misc]

    def ftp_RETR(self, file: str) -> Any:
        if file.endswith(".locked"):
            self.respond("550 Permission denied.")  # type: ignore[attr-defined]
            return None
        return super().ftp_RETR(file)  # type: ignore[misc]


def test_a_folder_that_may_not_be_listed_has_not_vanished_nor_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "files", {"open/a": b"1", "secret/b": b"2", "c.locked": b"3"})
    project = made_on(MemoryStore())
    with ftp_server.served(folder) as server, closing(source(server.address())) as opened:
        assert backed_up(project, opened).problems == ()
    write_tree(folder, {"c.locked": b"another one"})
    with ftp_server.served(folder, handler=Refusing) as server, closing(source(server.address())) as opened:
        report = backed_up(project, opened)
    assert {one.path for one in report.problems} == {b"raw/secret", b"raw/c.locked"}
    assert report.record.counts.vanished == 0
    restore(project, tmp_path / "back")
    assert contents(tmp_path / "back/raw") == {"open/a": b"1", "secret/b": b"2", "c.locked": b"3"}


def test_a_name_with_a_line_break_is_a_problem_of_its_own(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "files", {"a": b"1", "line\nbreak": b"2"})
    with ftp_server.served(folder) as server, closing(source(server.address())) as opened:
        report = backed_up(made_on(MemoryStore()), opened)
    (problem,) = report.problems
    assert problem.path == b"raw/line\nbreak" and "line break" in problem.message


@contextmanager
def answering(answers: Callable[[str], bytes], listing: bytes = b"") -> Iterator[int]:
    """The port of a server that answers each command as it is told; a transfer gives always the same."""
    listening, data = socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.1", 0))
    port = data.getsockname()[1]

    def serve(client: socket.socket) -> None:
        with client, client.makefile("rb") as commands:
            client.sendall(b"220 ready\r\n")
            for line in commands:
                command = line.decode("latin-1").strip()
                said = answers(command)
                if command == "PASV":
                    said = b"227 ok (127,0,0,1,%d,%d)\r\n" % divmod(port, 256)
                if said.startswith(b"150"):
                    connection, _ = data.accept()
                    with connection:
                        client.sendall(b"150 here\r\n")
                        connection.sendall(listing)
                    said = said[len(b"150 here\r\n") :]
                try:
                    client.sendall(said)
                except OSError:
                    return

    def accept() -> None:
        while True:
            try:
                client, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(client,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        data.close()
        thread.join()


def _usual(command: str) -> bytes:
    answers = {
        "USER": b"331 go on\r\n", "PASS": b"230 in\r\n", "FEAT": b"211-can\r\n MLST type*;size*;modify*;\r\n211 end\r\n",
        "MLST": b"250-here\r\n type=dir;modify=20240101000000; /\r\n250 end\r\n", "MLSD": b"150 here\r\n226 done\r\n",
    }  # fmt: skip
    return answers.get(command.split()[0], b"200 ok\r\n")


NONSENSE = (
    b"<html>hello</html>\r\n",
    b"drwxr-xr-x 2 root root 4096 Jan 1 00:00 folder\r\n",
    b"type=file;size=1; a\r\ntype=file;size=1; a\r\n",
    b"type=file;size=1; ../a\r\n",
    b"size=1; a\r\n",
    b"type=file;size=1\r\n",
)


@pytest.mark.parametrize("listing", NONSENSE)
def test_a_listing_that_is_nonsense_is_an_error_and_never_an_empty_snapshot(listing: bytes) -> None:
    with answering(_usual, listing) as port, pytest.raises(SourceError):
        scanned(FtpAddress("127.0.0.1", port, b"/", timeout=5.0), StillClock())


@pytest.mark.parametrize("answer", [b"426 aborted\r\n", b"451 local error\r\n", b"what?\r\n", b"550 no\r\n", b"530 log in\r\n"])
def test_a_listing_that_was_not_whole_is_an_error(answer: bytes) -> None:
    def cut(command: str) -> bytes:
        return b"150 here\r\n" + answer if command.startswith("MLSD") else _usual(command)

    with answering(cut, b"type=file;size=1;modify=20240101000000; a\r\n") as port, pytest.raises(SourceError):
        scanned(FtpAddress("127.0.0.1", port, b"/", timeout=5.0), StillClock())


def test_a_server_that_does_not_answer_any_more_is_an_error_after_a_while() -> None:
    clock = StillClock()

    def silent(command: str) -> bytes:
        return b"" if command.startswith("MLST") else _usual(command)

    with answering(silent) as port, pytest.raises(SourceError, match="was cut"):
        scanned(FtpAddress("127.0.0.1", port, b"/", timeout=0.1), clock)
    assert 200 < sum(clock.slept) < 600


def test_a_body_that_is_cut_short_without_a_word_is_a_problem_and_no_item() -> None:
    def short(command: str) -> bytes:
        if command.startswith("MLST") and command.endswith("/a"):
            return b"250-here\r\n type=file;size=2000000;modify=20240101000000; /a\r\n250 end\r\n"
        return b"150 here\r\n226 done\r\n" if command.startswith("RETR") else _usual(command)

    for size in (10, 2_000_000):
        listing = b"type=file;size=%d;modify=20240101000000; a\r\n" % size
        with answering(short, listing) as port, closing(source(FtpAddress("127.0.0.1", port, b"/"), StillClock())) as opened:
            report = backed_up(made_on(MemoryStore()), opened)
        (problem,) = report.problems
        assert problem.path == b"raw/a" and report.record.counts.files == 1


def test_a_control_connection_that_is_cut_anywhere_costs_nothing(tmp_path: Path) -> None:
    folder, done = write_tree(tmp_path / "files", TREE), 0
    with ftp_server.served(folder) as server:
        for cut_after in (5, 40, 150, 300, 500, 700, 1000, 1500, 2200):
            project = made_on(MemoryStore())
            with CuttingProxy(("127.0.0.1", server.port), cut_after, cuts=2) as proxy:
                with closing(source(server.address(port=proxy.port), StillClock())) as opened:
                    report = backed_up(project, opened)
                done += proxy.was_cut
            assert report.problems == () and report.record.counts.bytes == sum(map(len, TREE.values()))
    assert done >= 12


def test_a_server_that_cuts_every_connection_is_an_error_and_never_an_empty_snapshot(tmp_path: Path) -> None:
    with ftp_server.served(write_tree(tmp_path / "files", TREE)) as server:
        for cut_after in (5, 150, 330):
            project, clock = made_on(MemoryStore()), StillClock()
            with (
                CuttingProxy(("127.0.0.1", server.port), cut_after) as proxy,
                closing(source(server.address(port=proxy.port), clock)) as opened,
                pytest.raises(SourceError),
            ):
                backed_up(project, opened)
            assert snapshots.read_all(project) == [] and sum(clock.slept) < 2000


@pytest.mark.parametrize("tls", ["plain", "tls"])
def test_files_go_back_with_their_times_and_what_cannot_be_kept_is_said(tls: str, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    certificate = ftp_server.certificate_in(tmp_path) if tls == "tls" else None
    entry = OutputEntry(Attributes(mode=0o640, mtime_ns=1_700_000_000 * 10**9))
    with ftp_server.served(tmp_path / "files", certificate) as server:
        files = FtpFiles(server.address(), SystemClock())
        with closing(files):
            assert any("permissions" in one for one in files.keeps().losses())
            with remote_sink(files, RemotePlace(files, SystemClock()), SystemClock()) as sink:
                problems: list[Problem] = []
                for name, data in TREE.items():
                    item = OutputItem(name.encode(), io.BytesIO(data), len(data), ItemOutcome(0, name.encode(), None))
                    problems += sink.file(item, entry)
                (no_link,) = sink.link(b"link", b"to", entry)
                assert problems + sink.finish() == [] and no_link.what == "not-carried"
            seen = RemotePlace(files, SystemClock())
            assert seen.existing([b"large", b"nothing"]) == {b"large": "file"}
            assert verify_remote(files, SystemClock(), [], never).differing == 0
            (tmp_path / "files/large").write_bytes(b"changed by somebody")
            with remote_sink(files, seen, SystemClock()) as sink:
                late = OutputItem(b"large", io.BytesIO(b"ours"), 4, ItemOutcome(0, b"large", None))
                (changed,) = [*sink.file(late, entry, replace=True), *sink.finish()]
                assert "since the plan was made" in changed.message
    found = contents(tmp_path / "files")
    assert found == TREE | {"large": b"changed by somebody"}
    assert (tmp_path / "files/folder 1/file 1").stat().st_mtime == 1_700_000_000


def test_a_file_that_changes_while_it_is_read_is_read_again(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "files", {"grows": b"0123456789"})

    class Growing:
        """Appends once, when the file was opened for reading."""

        left = 1

        def ftp_RETR(self, file: str) -> Any:
            found = super().ftp_RETR(file)  # type: ignore[misc]
            if Growing.left:
                Growing.left = 0
                with (folder / "grows").open("ab") as opened:
                    opened.write(b"+")
            return found

    with ftp_server.served(folder, handler=Growing) as server, closing(source(server.address())) as opened:
        opened.scan(never)
        with opened.reader() as reader:
            (answer,) = reader.contents([b"raw/grows"])
    assert isinstance(answer, Content) and answer.data == b"0123456789+"
