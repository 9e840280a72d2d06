"""SFTP as a source: odd names, links and attributes, wrong keys and passwords, connections that are cut, files that change."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from tests.support import sftp_server
from tests.support.clock import StillClock
from tests.support.coverage_notes import not_covered
from tests.support.cutting_proxy import CuttingProxy
from tests.support.places import checked, made_on, restore
from tests.support.sftp_server import PASSWORD, SftpServer
from tests.support.trees import look_at, text, write_tree
from vault.backup import run
from vault.backup.report import BackupReport
from vault.clock import SystemClock
from vault.errors import Interrupted, SourceError
from vault.problems import Problem
from vault.progress import never
from vault.repository import snapshots
from vault.repository.catalog_chunks import MetaReader
from vault.repository.project import Project
from vault.source.contract import Content, Scan
from vault.source.patterns import Rules
from vault.source.remote.sftp import SftpFiles
from vault.source.remote.sftp_session import SftpAddress
from vault.source.remote.source import RemoteSource
from vault.storage.memory import MemoryStore

Serve = Callable[[Path], SftpServer]
ODD = (
    b"a#b", b"a?b", b"x%41", b"per cent % and + &", "звонки.csv".encode(), b"a;b", b"quote'\"", b"[brackets]", b"~tilde",
    b"-rf", b"line\nbreak", b"not utf-8 \xff\xfe", b" spaces ", b"back\\slash", b"*",
)  # fmt: skip


@pytest.fixture(params=["asyncssh", "openssh"])
def serve(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Serve]:
    """Starts a server of a kind over a folder."""
    if request.param == "openssh" and not sftp_server.SSHD.exists():
        not_covered("SFTP with OpenSSH's server: it is not installed")
        pytest.skip("no sshd here")
    begin = sftp_server.openssh if request.param == "openssh" else sftp_server.served
    with ExitStack() as stack:
        yield lambda folder: stack.enter_context(begin(folder, tmp_path / "keys"))


def source(address: SftpAddress, clock: StillClock | None = None) -> RemoteSource:
    own = clock or SystemClock()
    return RemoteSource(SftpFiles(address, own), b"raw", Rules(), own, ())


def backed_up(project: Project, opened: RemoteSource) -> BackupReport:
    return run.back_up(project, run.Source("files", "raw", opened), run.BackupOptions())


def scanned(address: SftpAddress, clock: StillClock | None = None) -> Scan:
    """What a source finds that is closed afterwards."""
    with closing(source(address, clock)) as opened:
        return opened.scan(never)


def paths(found: Scan) -> list[bytes]:
    return [path.removeprefix(b"raw/") for path in found.table["path"].to_pylist() if path != b"raw"]


def test_odd_names_links_modes_and_times_come_back_from_a_backup(serve: Serve, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    (folder / "sub").mkdir(parents=True)
    for number, name in enumerate(ODD):
        file = folder / "sub" / os.fsdecode(name)
        file.write_bytes(name * 100)
        os.utime(file, (1_600_000_000 + number, 1_600_000_000 + number))
        file.chmod(0o640)
    (folder / "link").symlink_to("sub/elsewhere")
    (folder / "large").write_bytes(text("large", 3_000_000))
    (folder / "empty").touch()
    (folder / "sub").chmod(0o750)
    server, project = serve(folder), made_on(MemoryStore())
    with closing(source(server.address())) as opened:
        report = backed_up(project, opened)
        assert report.problems == () and report.record.counts.items == len(ODD) + 5
        assert backed_up(project, opened).record.counts.read_bytes == 0
    restore(project, tmp_path / "back")
    there, back = look_at(folder), look_at(tmp_path / "back" / "raw")
    assert {path: (one.type, one.content, one.points_to) for path, one in there.items()} == {
        path: (one.type, one.content, one.points_to) for path, one in back.items()
    }
    for path in [b"sub/" + name for name in ODD]:
        assert (back[path].mode, back[path].mtime_ns) == (0o640, there[path].mtime_ns // 10**9 * 10**9)
    assert back[b"sub"].mode == 0o750 and checked(project).sound


def test_owners_are_the_servers_own_by_number_and_name(serve: Serve, tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "files", {"a": b"1"})
    server, project = serve(folder), made_on(MemoryStore())
    with closing(source(server.address())) as opened:
        backed_up(project, opened)
    record = snapshots.heads(snapshots.read_all(project), "files")[-1]
    rows = {row["path"]: row for row in snapshots.read_manifest(MetaReader(project), record).to_pylist()}
    owner = (folder / "a").owner()
    assert (rows[b"raw/a"]["uid"], rows[b"raw/a"]["owner"]) == (os.getuid(), owner)


def test_a_key_that_is_not_that_of_a_known_host_is_refused(serve: Serve, tmp_path: Path) -> None:
    server = serve(write_tree(tmp_path / "files", {"a": b"1"}))
    other = sftp_server.Keys.made(tmp_path / "other").known_hosts(server.port)
    nothing = tmp_path / "nothing"
    nothing.write_text("")
    for file in (other, str(nothing)):
        with pytest.raises(SourceError, match="not that of a known host"):
            scanned(server.address(known_hosts=(file,)))
    assert paths(scanned(server.address())) == [b"a"]


def test_a_wrong_key_and_a_wrong_password_are_refused_without_repeating_them(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "files", {"a": b"1"})
    other = sftp_server.Keys.made(tmp_path / "other")
    with sftp_server.served(folder, tmp_path / "keys") as server:
        assert paths(scanned(server.address(key_file="", password=PASSWORD))) == [b"a"]
        wrong: dict[str, Any]
        for wrong in ({"key_file": str(other.folder / "user")}, {"key_file": "", "password": "a guess"}):
            with pytest.raises(SourceError, match="refuses the user") as refused:
                scanned(server.address(b"", **wrong))
            assert "a guess" not in str(refused.value) + str(refused.value.hint)
        broken = tmp_path / "broken"
        broken.write_text("no key at all")
        with pytest.raises(SourceError, match="cannot be read"):
            scanned(server.address(key_file=str(broken)))


def test_what_is_no_ssh_server_or_not_there_is_an_error(tmp_path: Path) -> None:
    with sftp_server.served(write_tree(tmp_path / "files", {"a": b"1"}), tmp_path / "keys") as server:
        for below in (b"/missing", b"/a"):
            with pytest.raises(SourceError):
                scanned(server.address(below))
    clock = StillClock()
    with pytest.raises(SourceError, match="cannot be reached"):
        scanned(server.address(), clock)  # it is gone
    assert sum(clock.slept) < 10
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = server.address(port=silent.getsockname()[1], timeout=0.3)
        with pytest.raises(SourceError):
            scanned(address, StillClock())


class Refusing(sftp_server.Folder):
    """Lists no folder of the name `secret`, and reads no file of it."""

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        if path.endswith(b"/secret"):
            raise asyncssh.SFTPPermissionDenied("no")
        async for one in super().scandir(path):
            yield one

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> Any:
        if path.endswith(b".locked"):
            raise asyncssh.SFTPPermissionDenied("no")
        return super().open(path, pflags, attrs)


def test_a_folder_that_may_not_be_listed_has_not_vanished_nor_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "files", {"open/a": b"1", "secret/b": b"2", "c.locked": b"3"})
    project = made_on(MemoryStore())
    with sftp_server.served(folder, tmp_path / "keys") as server, closing(source(server.address())) as opened:
        assert backed_up(project, opened).problems == ()
    write_tree(folder, {"c.locked": b"another one"})
    with sftp_server.served(folder, tmp_path / "keys", Refusing) as server, closing(source(server.address())) as opened:
        report = backed_up(project, opened)
    assert {(one.path, one.what) for one in report.problems} == {(b"raw/secret", "unlisted"), (b"raw/c.locked", "unreadable")}
    assert report.record.counts.vanished == 0
    restore(project, tmp_path / "back")
    assert (tmp_path / "back/raw/secret/b").read_bytes() == b"2" and (tmp_path / "back/raw/c.locked").read_bytes() == b"3"


class Changing(sftp_server.Folder):
    """A file grows with each reading, so many times."""

    left = 0

    def read(self, file_obj: Any, offset: int, size: int) -> Any:
        data = super().read(file_obj, offset, size)
        if Changing.left > 0 and offset == 0:
            Changing.left -= 1
            with Path(os.fsdecode(file_obj.name)).open("ab") as file:
                file.write(b"+")
        return data


@pytest.mark.parametrize("times", [1, 1000])
def test_a_file_that_changes_while_it_is_read_is_read_again_and_said_where_it_never_rests(times: int, tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "files", {"grows": b"0123456789"})
    with sftp_server.served(folder, tmp_path / "keys", Changing) as server, closing(source(server.address())) as opened:
        opened.scan(never)
        with opened.reader() as reader:
            Changing.left = times
            (answer,) = reader.contents([b"raw/grows"])
            Changing.left = 0
    if times == 1:
        assert isinstance(answer, Content) and answer.data == b"0123456789+"
    else:
        assert isinstance(answer, Problem) and "changed" in answer.message


TREE = {f"folder {n % 3}/file {n}": text(n, 300 + n) for n in range(12)} | {"large": text("large", 1_500_000)}


def test_a_connection_that_is_cut_anywhere_costs_nothing(tmp_path: Path) -> None:
    """Once, after so many bytes: the backup is the same as without, or the error is said and nothing is committed."""
    folder, done = write_tree(tmp_path / "files", TREE), 0
    with sftp_server.served(folder, tmp_path / "keys") as server:
        for cut_after in (10, 500, 1500, 2500, 3000, 4000, 6000, 9000, 20_000, 200_000, 900_000, 1_400_000):
            project = made_on(MemoryStore())
            with CuttingProxy(("127.0.0.1", server.port), cut_after, cuts=1) as proxy:
                known = sftp_server.Keys(tmp_path / "keys").known_hosts(proxy.port)
                address = server.address(port=proxy.port, known_hosts=(known,))
                with closing(source(address, StillClock())) as opened:
                    report = backed_up(project, opened)
                    done += proxy.was_cut
                assert report.problems == () and report.record.counts.files == len(TREE)
                assert report.record.counts.bytes == sum(map(len, TREE.values()))
    assert done >= 10


def test_a_server_that_cuts_every_connection_is_an_error_and_never_an_empty_snapshot(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "files", TREE)
    with sftp_server.served(folder, tmp_path / "keys") as server:
        for cut_after in (10, 2000, 2500, 3000):
            project, clock = made_on(MemoryStore()), StillClock()
            with CuttingProxy(("127.0.0.1", server.port), cut_after) as proxy:
                known = sftp_server.Keys(tmp_path / "keys").known_hosts(proxy.port)
                address = server.address(port=proxy.port, known_hosts=(known,))
                with closing(source(address, clock)) as opened, pytest.raises(SourceError):
                    backed_up(project, opened)
            assert snapshots.read_all(project) == [] and proxy.was_cut > 1
            assert sum(clock.slept) < 600


class Silent(sftp_server.Folder):
    """Says nothing of what is there."""

    async def stat(self, path: bytes) -> os.stat_result:
        await asyncio.sleep(3600)
        return Path(os.fsdecode(path)).stat()


def test_a_server_that_does_not_answer_any_more_is_an_error_after_a_while(tmp_path: Path) -> None:
    folder, clock = write_tree(tmp_path / "files", {"a": b"1"}), StillClock()
    with sftp_server.served(folder, tmp_path / "keys", Silent) as server, pytest.raises(SourceError, match="not answer"):
        scanned(server.address(timeout=1.0), clock)
    assert 200 < sum(clock.slept) < 600


def test_a_scan_and_a_reading_can_be_stopped(tmp_path: Path) -> None:
    asked = 0

    def stop() -> None:
        nonlocal asked
        asked += 1
        if asked > 3:
            raise Interrupted("stopped")

    folder = write_tree(tmp_path / "files", TREE)
    with sftp_server.served(folder, tmp_path / "keys") as server, closing(source(server.address(max_parallel=1))) as opened:
        with pytest.raises(Interrupted):
            opened.scan(stop)
        opened.scan(never)
        asked = 0
        with opened.reader(stop) as reader:
            stream = reader.open_large(b"raw/large")
            assert not isinstance(stream, Problem)
            with stream, pytest.raises(Interrupted):
                stream.readinto(bytearray(2_000_000), 0)


def test_requests_keep_their_pace(tmp_path: Path) -> None:
    folder, clock = write_tree(tmp_path / "files", {f"f{n}/a": b"1" for n in range(10)}), StillClock()
    with sftp_server.served(folder, tmp_path / "keys") as server:
        scanned(server.address(per_second=2.0), clock)
    assert sum(clock.slept) >= 5
