"""SMB as a source and back, against Samba where it is installed: odd names, files that are in use, connections that are cut."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import smbclient

from restore.local_fs import Attributes
from restore.outputs.output_item import ItemOutcome, OutputItem
from restore.outputs.remote_sink import RemotePlace, remote_sink
from restore.outputs.sink import OutputEntry
from tests.support import smb_server
from tests.support.clock import StillClock
from tests.support.cutting_proxy import CuttingProxy
from tests.support.places import checked, made_on, restore
from tests.support.smb_server import PASSWORD, SHARE, USER, SmbServer
from tests.support.trees import contents, text, write_tree
from vault.backup import run
from vault.backup.report import BackupReport
from vault.clock import SystemClock
from vault.errors import SourceError, TargetError
from vault.progress import never
from vault.repository import snapshots
from vault.repository.project import Project
from vault.source.patterns import Rules
from vault.source.remote.smb import SmbAddress, SmbFiles
from vault.source.remote.source import RemoteSource
from vault.storage.memory import MemoryStore

ODD = ("a#b", "x%41", "per cent % and + &", "звонки.csv", "a;b=c", "quote'", "[brackets]", "~tilde", "-rf", "a  b", "ünï çødé")
TREE = {f"folder {n % 3}/file {n}": text(n, 300 + n) for n in range(12)} | {"large": text("large", 1_500_000), "empty": b""}


UNCLOSED = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
"""The library speaks of handles whose connection was cut."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SmbServer]:
    """Over the folder `files`."""
    smb_server.skip_without()
    (tmp_path / "files").mkdir()
    with smb_server.served(tmp_path / "files", tmp_path / "samba") as begun:
        yield begun


def source(address: SmbAddress, clock: StillClock | None = None) -> RemoteSource:
    own = clock or SystemClock()
    return RemoteSource(SmbFiles(address, own), b"raw", Rules(), own, ())


def backed_up(project: Project, opened: RemoteSource) -> BackupReport:
    return run.back_up(project, run.Source("files", "raw", opened), run.BackupOptions())


@pytest.mark.parametrize("encrypt", ["signed", "encrypted"])
def test_odd_names_and_times_come_back_from_a_backup(encrypt: str, server: SmbServer, tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "files", {f"sub/{name}": name.encode() * 50 for name in ODD} | TREE)
    for number, name in enumerate(ODD):
        os.utime(folder / "sub" / name, (1_600_000_000.25 + number, 1_600_000_000.25 + number))
    project = made_on(MemoryStore())
    with closing(source(server.address(encrypt=encrypt == "encrypted"))) as opened:
        report = backed_up(project, opened)
        assert report.problems == () and report.record.counts.files == len(ODD) + len(TREE)
    restore(project, tmp_path / "back")
    assert contents(tmp_path / "back" / "raw") == contents(folder)
    for number, name in enumerate(ODD):
        assert (tmp_path / "back/raw/sub" / name).stat().st_mtime == 1_600_000_000.25 + number
    assert checked(project).sound


def test_a_wrong_password_share_and_place_are_errors(server: SmbServer, tmp_path: Path) -> None:
    write_tree(tmp_path / "files", {"a": b"1"})
    for address, words in (
        (server.address(password="a guess"), "refuses the user or the password"),
        (server.address(share="nothing"), "there is no such share"),
        (server.address(b"missing"), "is not there"),
        (server.address(b"a"), "cannot be listed"),
    ):
        with closing(source(address)) as opened, pytest.raises(SourceError, match=words) as refused:
            opened.scan(never)
        assert "a guess" not in str(refused.value)


def test_a_server_that_is_away_is_an_error() -> None:
    opened = source(SmbAddress("127.0.0.1", 1, "share"), StillClock())
    with closing(opened), pytest.raises(SourceError, match="cannot be reached"):
        opened.scan(never)


def test_a_file_that_somebody_else_holds_is_a_problem_and_not_gone(server: SmbServer, tmp_path: Path) -> None:
    folder, project = write_tree(tmp_path / "files", {"held": b"first", "free": b"1"}), made_on(MemoryStore())
    with closing(source(server.address())) as opened:
        backed_up(project, opened)
        (folder / "held").write_bytes(b"the second one")
        other: dict[str, object] = {}
        name = rf"\\127.0.0.1\{SHARE}\held"
        with smbclient.open_file(
            name, "rb", share_access=None, username=USER, password=PASSWORD, port=server.port, connection_cache=other
        ):
            report = backed_up(project, opened)
        smbclient.reset_connection_cache(connection_cache=other)
    (problem,) = report.problems
    assert problem.path == b"raw/held" and "somebody else has it open" in problem.message
    assert report.record.counts.vanished == 0


@UNCLOSED
def test_a_connection_that_is_cut_anywhere_costs_nothing(server: SmbServer, tmp_path: Path) -> None:
    write_tree(tmp_path / "files", TREE)
    done = 0
    for cut_after in (50, 400, 900, 1500, 3000, 6000, 12_000, 700_000):
        project = made_on(MemoryStore())
        with CuttingProxy(("127.0.0.1", server.port), cut_after, cuts=1) as proxy:
            with closing(source(server.address(port=proxy.port), StillClock())) as opened:
                report = backed_up(project, opened)
            done += proxy.was_cut
        assert report.problems == () and report.record.counts.bytes == sum(map(len, TREE.values()))
    assert done >= 6


@UNCLOSED
def test_a_server_that_cuts_every_connection_is_an_error_and_never_an_empty_snapshot(server: SmbServer, tmp_path: Path) -> None:
    write_tree(tmp_path / "files", TREE)
    for cut_after in (50, 900, 2500):
        project, clock = made_on(MemoryStore()), StillClock()
        with CuttingProxy(("127.0.0.1", server.port), cut_after) as proxy:
            opened = source(server.address(port=proxy.port), clock)
            with closing(opened), pytest.raises(SourceError):
                backed_up(project, opened)
        assert snapshots.read_all(project) == []


def test_files_go_back_with_their_times_and_never_into_a_stream_or_another_name(server: SmbServer, tmp_path: Path) -> None:
    entry = OutputEntry(Attributes(mode=0o640, mtime_ns=1_700_000_000 * 10**9))
    clock = StillClock()
    files = SmbFiles(server.address(), clock)

    def item(name: str, data: bytes) -> OutputItem:
        return OutputItem(name.encode(), io.BytesIO(data), len(data), ItemOutcome(0, name.encode(), None))

    with closing(files):
        with remote_sink(files, RemotePlace(files, clock), clock) as sink:
            problems = [one for name, data in TREE.items() for one in sink.file(item(name, data), entry)]
            assert problems + sink.finish() == []
            bad = [b"a:b", b"what?", b"ends with a dot.", b"back\\slash", b"not utf-8 \xff"]
            named = [OutputItem(name, io.BytesIO(b"x"), 1, ItemOutcome(0, name, None)) for name in bad]
            late = [one for wrong in named for one in sink.file(wrong, entry)]
            late += sink.finish()
            assert sorted(one.path for one in late) == sorted(bad) and {one.what for one in late} == {"unwritable"}
        plan = RemotePlace(files, clock)
        plan.existing([b"large", b"new"])
        write_tree(tmp_path / "files", {"large": b"changed by somebody", "new": b"put there by somebody"})
        with remote_sink(files, plan, clock) as sink:
            problems = sink.file(item("large", b"ours"), entry, replace=True)
            problems += sink.file(item("new", b"ours"), entry)
            problems += sink.finish()
            assert ["since the plan was made" in one.message for one in problems] == [True, True]
    found = contents(tmp_path / "files")
    assert found == TREE | {"large": b"changed by somebody", "new": b"put there by somebody"}
    assert (tmp_path / "files/folder 1/file 1").stat().st_mtime == 1_700_000_000


def test_a_restore_to_a_server_that_is_away_ends() -> None:
    clock = StillClock()
    files = SmbFiles(SmbAddress("127.0.0.1", 1, "share"), clock)
    with closing(files), pytest.raises(TargetError, match="cannot be reached"):
        RemotePlace(files, clock).existing([b"a"])
