"""Files back onto a server: whole or not at all, and in the place of nothing that the plan has not seen."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from blake3 import blake3

from restore.local_fs import Attributes, TargetItem
from restore.outputs.output_item import ItemOutcome, OutputItem
from restore.outputs.remote_sink import RemotePlace, remote_sink, verify_remote
from restore.outputs.sink import OutputEntry
from tests.support import sftp_server
from tests.support.clock import StillClock
from tests.support.coverage_notes import not_covered
from tests.support.cutting_proxy import CuttingProxy
from tests.support.trees import contents, text, write_tree
from vault.clock import SystemClock
from vault.errors import TargetError
from vault.format import manifest
from vault.problems import Problem
from vault.progress import never
from vault.source.remote.files import RemoteEntry, RemoteFiles
from vault.source.remote.sftp import SftpFiles

TIME = 1_700_000_000
ENTRY = OutputEntry(Attributes(mode=0o640, mtime_ns=TIME * 10**9))
Opened = Callable[[Path], RemoteFiles]


@pytest.fixture(params=["asyncssh", "openssh"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opened]:
    """Starts a server of a kind over a folder, and gives the files in it."""
    if request.param == "openssh" and not sftp_server.SSHD.exists():
        not_covered("SFTP with OpenSSH's server: it is not installed")
        pytest.skip("no sshd here")
    begin = sftp_server.openssh if request.param == "openssh" else sftp_server.served
    with ExitStack() as stack:

        def files(folder: Path) -> RemoteFiles:
            folder.mkdir(exist_ok=True)
            server = stack.enter_context(begin(folder, tmp_path / "keys"))
            return stack.enter_context(closing(SftpFiles(server.address(), SystemClock())))

        yield files


def item(path: bytes, data: bytes) -> OutputItem:
    return OutputItem(path, io.BytesIO(data), len(data), ItemOutcome(0, path, None))


def put(files: RemoteFiles, place: RemotePlace | None, items: list[tuple[bytes, bytes]], *, replace: bool) -> list[Problem]:
    """Write files by a sink of their own."""
    clock = StillClock()
    with remote_sink(files, place or RemotePlace(files, clock), clock) as sink:
        problems = [one for path, data in items for one in sink.file(item(path, data), ENTRY, replace=replace)]
        return problems + sink.finish()


def test_files_folders_and_links_are_made_with_their_times_and_modes_under_odd_names(opened: Opened, tmp_path: Path) -> None:
    names = [
        b"a#b/x%41/\xd0\xb7.csv",
        b"a#b/line\nbreak",
        b"a#b/not utf-8 \xff",
        b"a#b/per cent % and + &?.csv",
        b"top",
        b"-x ",
    ]
    large = text("large", 2_500_000)
    files = opened(tmp_path / "files")
    with remote_sink(files, RemotePlace(files, SystemClock()), SystemClock()) as sink:
        problems = sink.folder(b"a#b", ENTRY._replace(attributes=Attributes(mode=0o710, mtime_ns=1_600_000_000 * 10**9)))
        for name in names:
            problems += sink.file(item(name, name), ENTRY)
        problems += sink.link(b"a#b/link", b"../somewhere/else", ENTRY)
        problems += sink.file(item(b"deep/er/large", large), ENTRY)
        assert problems + sink.finish() == []
    for name in names:
        file = tmp_path / "files" / os.fsdecode(name)
        assert file.read_bytes() == name
        assert (file.stat().st_mtime, file.stat().st_mode & 0o777) == (TIME, 0o640)
    folder = tmp_path / "files" / "a#b"
    assert (folder.stat().st_mtime, folder.stat().st_mode & 0o777) == (1_600_000_000, 0o710)
    assert os.fspath((folder / "link").readlink()) == "../somewhere/else"
    assert (tmp_path / "files/deep/er/large").read_bytes() == large
    assert not list((tmp_path / "files").rglob(".strongroom-*"))


def test_what_was_put_there_or_changed_since_the_plan_stays(opened: Opened, tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "files", {"seen": b"as the plan saw it", "calm": b"as it was", "stays": b"theirs"})
    files = opened(tmp_path / "files")
    seen: dict[bytes, RemoteEntry] = {}
    plan = RemotePlace(files, SystemClock(), seen)
    assert plan.existing([b"seen", b"calm", b"new", b"seen/below", b"stays"]) == {
        b"seen": "file", b"calm": "file", b"seen/below": "blocked", b"stays": "file",
    }  # fmt: skip
    (folder / "seen").write_bytes(b"changed by somebody")
    (folder / "new").write_bytes(b"put there by somebody")
    place = RemotePlace(files, SystemClock(), seen)  # that of the restore, later
    problems = put(files, place, [(b"seen", b"ours"), (b"calm", b"ours")], replace=True)
    assert [(one.path, "since the plan was made" in one.message) for one in problems] == [(b"seen", True)]
    problems = put(files, place, [(b"new", b"ours"), (b"stays", b"ours")], replace=False)
    assert [(one.path, "since the plan was made" in one.message) for one in problems] == [(b"new", True), (b"stays", True)]
    (blocked,) = put(files, place, [(b"seen/below/x", b"ours")], replace=False)
    assert "is a file there" in blocked.message
    assert contents(folder) == {
        "seen": b"changed by somebody", "new": b"put there by somebody", "calm": b"ours", "stays": b"theirs",
    }  # fmt: skip


def test_what_an_earlier_run_has_written_is_the_same_by_its_content_and_read_again_when_verified(
    opened: Opened, tmp_path: Path
) -> None:
    folder = write_tree(tmp_path / "files", {"a": b"right", "b": b"wrong"})
    (folder / "link").symlink_to("there")
    files, digest = opened(folder), blake3(b"right").digest()
    items = [TargetItem(path, manifest.FILE, Attributes(), 5, digest) for path in (b"a", b"b", b"c")]
    links = [TargetItem(b"link", manifest.LINK, Attributes(), points_to=to) for to in (b"there", b"elsewhere")]
    place = RemotePlace(files, SystemClock())
    assert [one.same for one in place.compare([*items, *links])] == [True, False, False, True, False]
    found = verify_remote(files, SystemClock(), items, never)
    assert (found.medium, found.files, found.differing) == ("server", 1, 2)


def test_a_connection_that_is_cut_anywhere_leaves_whole_files_alone_or_says_it(tmp_path: Path) -> None:
    names = {f"folder {n % 3}/file {n}": text(n, 3000) for n in range(9)} | {"large": text("large", 1_500_000)}
    cuts = 0
    for index, cut_after in enumerate((2500, 3000, 3300, 3700, 4000, 4500, 5000, 6000)):
        folder = tmp_path / f"files-{index}"
        folder.mkdir()
        with sftp_server.served(folder, tmp_path / "keys") as server:
            with CuttingProxy(("127.0.0.1", server.port), cut_after, cuts=2) as proxy:
                known = (sftp_server.Keys(tmp_path / "keys").known_hosts(proxy.port),)
                clock = StillClock()
                files = SftpFiles(server.address(port=proxy.port, known_hosts=known), clock)
                try:
                    with closing(files), remote_sink(files, RemotePlace(files, clock), clock) as sink:
                        problems = [one for name in names for one in sink.file(item(name.encode(), names[name]), ENTRY)]
                        assert problems + sink.finish() == []
                    written = set(names)
                except TargetError:
                    written = set(contents(folder))
                cuts += proxy.was_cut
            found = contents(folder)
            assert {name: data for name, data in found.items() if ".strongroom-" not in name} == {
                name: names[name] for name in written if ".strongroom-" not in name
            }
    assert cuts >= 8


class ReadOnly(sftp_server.Folder):
    def mkdir(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        raise asyncssh.SFTPPermissionDenied("no")

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> Any:
        if pflags != asyncssh.FXF_READ:
            raise asyncssh.SFTPPermissionDenied("no")
        return super().open(path, pflags, attrs)


class Short(sftp_server.Folder):
    def write(self, file_obj: Any, offset: int, data: bytes) -> Any:
        return super().write(file_obj, offset, data[:1])


@pytest.mark.parametrize("server", [ReadOnly, Short])
def test_what_the_server_does_not_take_whole_is_a_problem(server: type[sftp_server.Folder], tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    with sftp_server.served(tmp_path / "files", tmp_path / "keys", server) as begun:
        files = SftpFiles(begun.address(), SystemClock())
        with closing(files):
            problems = put(files, None, [(b"a", b"12345")], replace=False)
            if server is ReadOnly:
                problems += put(files, None, [(b"folder/b", b"12345")], replace=False)
    assert [one.what for one in problems] == ["unwritable"] * (2 if server is ReadOnly else 1)
    assert contents(tmp_path / "files") == {}


def test_a_server_that_is_gone_ends_the_restore(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    with sftp_server.served(tmp_path / "files", tmp_path / "keys") as begun:
        files = SftpFiles(begun.address(), StillClock())
        with closing(files):
            assert put(files, None, [(b"a", b"12345")], replace=False) == []
    with closing(files), pytest.raises(TargetError, match="cannot be reached"):
        put(files, None, [(b"b", b"12345")], replace=False)
