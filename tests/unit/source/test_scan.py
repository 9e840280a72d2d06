"""Scanning a folder tree into a table."""

from __future__ import annotations

import os
import socket
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support.coverage_notes import not_covered
from vault.errors import SourceError, UsageError
from vault.source import scan_columns
from vault.source.contract import Scan, Skipped
from vault.source.patterns import Rules
from vault.source.scan import OTHER_FILE_SYSTEM, OWN, ScanBounds, scan


def scanned(root: Path, rules: Rules | None = None) -> Scan:
    return scan(os.fsencode(root), b"src", rules or Rules(), stop=lambda: None)


def paths(found: Scan) -> list[bytes]:
    return found.table["path"].to_pylist()  # type: ignore[no-any-return]  # pyarrow has no types


def row(found: Scan, path: bytes) -> dict[str, object]:
    return next(row for row in found.table.to_pylist() if row["path"] == path)


def test_rows_are_sorted_bytewise_and_hold_what_lstat_says(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.csv").write_bytes(b"12345")
    (tmp_path / "a-b").write_bytes(b"")
    (tmp_path / "l").symlink_to("a")
    (tmp_path / "a" / "x.csv").chmod(0o640)
    os.utime(tmp_path / "a" / "x.csv", ns=(0, 1_700_000_000_123_456_789))
    found = scanned(tmp_path)
    assert found.table.schema.equals(scan_columns.schema())
    assert paths(found) == [b"src", b"src/a", b"src/a-b", b"src/a/x.csv", b"src/l"]
    assert found.table["type"].to_pylist() == [1, 1, 0, 0, 2]
    status = (tmp_path / "a" / "x.csv").stat()
    assert row(found, b"src/a/x.csv") == {
        "path": b"src/a/x.csv", "type": 0, "size": 5, "mtime": 1_700_000_000, "mtime_nanos": 123_456_789,
        "ctime_ns": status.st_ctime_ns, "inode": status.st_ino, "device": status.st_dev, "mode": 0o640,
        "uid": status.st_uid, "gid": status.st_gid, "nlink": 1, "blocks": status.st_blocks * 512,
    }  # fmt: skip
    assert row(found, b"src/l")["size"] == 0


def test_times_before_1970_are_rounded_down(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"")
    (tmp_path / "older").write_bytes(b"")
    os.utime(tmp_path / "old", ns=(0, -1))
    os.utime(tmp_path / "older", ns=(0, -2_000_000_000))
    found = scanned(tmp_path)
    assert (row(found, b"src/old")["mtime"], row(found, b"src/old")["mtime_nanos"]) == (-1, 999_999_999)
    assert (row(found, b"src/older")["mtime"], row(found, b"src/older")["mtime_nanos"]) == (-2, 0)


def test_any_name_that_the_file_system_takes_is_kept_as_it_is(tmp_path: Path) -> None:
    names = [b"\xff\xfe", b"a\nb", b"x" * 255, "😀".encode(), "é".encode(), "e\u0301".encode(), b"tail  ", b"-rf", b"back\\"]
    for name in names:
        (tmp_path / os.fsdecode(name)).write_bytes(b"")
    assert paths(scanned(tmp_path)) == [b"src", *sorted(b"src/" + name for name in names)]


def test_links_are_never_followed_and_loops_end(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_bytes(b"s")
    (tmp_path / "root" / "up").symlink_to("..")
    (tmp_path / "root" / "out").symlink_to(tmp_path / "outside")
    assert paths(scanned(tmp_path / "root")) == [b"src", b"src/out", b"src/up"]


def test_the_root_itself_may_be_a_link_to_a_folder(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "f").write_bytes(b"")
    (tmp_path / "name").symlink_to("real")
    assert paths(scanned(tmp_path / "name")) == [b"src", b"src/f"]


def test_trees_deeper_than_the_longest_path_are_walked(tmp_path: Path) -> None:
    depth, part = 60, b"d" * 200
    descriptor = os.open(tmp_path, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(part, dir_fd=descriptor)
        below = os.open(part, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(os.open(b"leaf", os.O_CREAT, dir_fd=descriptor))
    os.close(descriptor)
    found = scanned(tmp_path)
    assert found.problems == []
    assert paths(found)[-1] == b"src/" + b"/".join([part] * depth) + b"/leaf"
    assert len(paths(found)) == depth + 2


def test_what_has_no_content_is_skipped_by_name(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        folder = os.open(tmp_path, os.O_RDONLY)
        server.bind(f"/proc/self/fd/{folder}/sock" if Path("/proc/self/fd").is_dir() else str(tmp_path / "sock"))
        os.close(folder)
    found = scanned(tmp_path)
    assert paths(found) == [b"src"]
    assert sorted((item.path, item.what) for item in found.skipped) == [(b"src/pipe", "pipe"), (b"src/sock", "socket")]


def test_a_folder_that_cannot_be_listed_is_a_problem_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "f").write_bytes(b"")
    (tmp_path / "shut").mkdir(mode=0o000)
    if os.geteuid() == 0:  # root reads everything: the refusal is played
        shut = (tmp_path / "shut").stat().st_ino
        real = os.scandir

        def refusing(folder: int) -> object:
            if os.fstat(folder).st_ino == shut:
                raise PermissionError(13, "Permission denied")
            return real(folder)

        monkeypatch.setattr("vault.source.scan.os.scandir", refusing)
    found = scanned(tmp_path)
    assert paths(found) == [b"src", b"src/open", b"src/open/f", b"src/shut"]
    assert found.unlisted == [b"src/shut"]
    assert [(problem.path, problem.what) for problem in found.problems] == [(b"src/shut", "unlisted")]


def test_a_folder_that_may_be_listed_but_not_entered_leaves_its_items_unknown(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        not_covered("a folder without its x bit: root enters it all the same")
        return
    (tmp_path / "shut" / "below").mkdir(parents=True)
    (tmp_path / "shut" / "f").write_bytes(b"")
    (tmp_path / "shut").chmod(0o400)
    found = scanned(tmp_path)
    (tmp_path / "shut").chmod(0o700)
    assert found.unlisted == [b"src/shut/below"]
    assert {problem.path for problem in found.problems} == {b"src/shut/below", b"src/shut/f"}


def test_a_folder_that_vanishes_during_the_walk_is_tolerated(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    calls = 0

    def stop() -> None:
        nonlocal calls
        calls += 1
        if calls == 2:  # after the root has been listed
            (tmp_path / "a").rmdir()

    found = scan(os.fsencode(tmp_path), b"src", Rules(), stop=stop)
    assert paths(found) == [b"src", b"src/a", b"src/b"]
    assert found.problems == []
    assert found.unlisted == []


def test_a_folder_swapped_for_a_link_during_the_walk_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "root" / "a").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_bytes(b"s")
    calls = 0

    def stop() -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            (tmp_path / "root" / "a").rmdir()
            (tmp_path / "root" / "a").symlink_to("../outside")

    found = scan(os.fsencode(tmp_path / "root"), b"src", Rules(), stop=stop)
    assert paths(found) == [b"src", b"src/a"]
    assert found.unlisted == [b"src/a"]


def test_a_source_that_is_gone_or_no_folder_is_an_error_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for name in ("nowhere", "file"):
        with pytest.raises(SourceError) as caught:
            scanned(tmp_path / name)
        assert caught.value.hint


def test_an_empty_prefix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        scan(os.fsencode(tmp_path), b"", Rules(), stop=lambda: None)


def test_stop_ends_the_walk_and_leaves_no_descriptor_open(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)

    class Enough(Exception):
        pass

    before = os.dup(0)
    os.close(before)

    def stop() -> None:
        raise Enough

    with pytest.raises(Enough):
        scan(os.fsencode(tmp_path), b"src", Rules(), stop=stop)
    after = os.dup(0)
    os.close(after)
    assert after == before


def test_blocks_of_rows_join_into_one_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(50):
        (tmp_path / f"f{number:02}").write_bytes(b"x" * number)
    monkeypatch.setattr("vault.source.scan.BLOCK_BYTES", 7 * 80)
    monkeypatch.setattr(scan_columns, "BLOCK_ROWS", 7)
    found = scanned(tmp_path)
    assert found.table.num_rows == 51
    assert found.table["size"].to_pylist() == [0, *range(50)]


def test_more_names_than_one_table_holds_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "name").write_bytes(b"")
    monkeypatch.setattr(scan_columns, "LONGEST", 5)
    with pytest.raises(SourceError, match="2 GiB"):
        scanned(tmp_path)


def test_a_ctime_that_64_bits_do_not_hold_is_the_nearest_that_they_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "early").write_bytes(b"")
    (tmp_path / "late").write_bytes(b"")
    wrong = {b"early": -(2**64), b"late": 15_000_000_000 * scan_columns.BILLION}
    real = os.scandir

    class Entry:
        def __init__(self, entry: os.DirEntry[str]) -> None:
            self.name = entry.name
            self._entry = entry

        def stat(self, *, follow_symlinks: bool) -> object:
            status = self._entry.stat(follow_symlinks=follow_symlinks)
            values = {name: getattr(status, name) for name in dir(status) if name.startswith("st_")}
            return SimpleNamespace(**values | {"st_ctime_ns": wrong[os.fsencode(self.name)]})

    @contextmanager
    def entries(folder: int) -> Iterator[Iterator[Entry]]:
        with real(folder) as inner:
            yield map(Entry, inner)

    monkeypatch.setattr(os, "scandir", entries)
    found = scanned(tmp_path)
    assert [row(found, b"src/" + name)["ctime_ns"] for name in (b"early", b"late")] == [-(2**63), 2**63 - 1]


def test_inodes_above_the_signed_range_wrap_around(tmp_path: Path) -> None:
    rows = scan_columns.Columns()
    real = tmp_path.stat()
    values = {name: getattr(real, name) for name in dir(real) if name.startswith("st_")}
    values["st_ino"] = 2**64 - 1
    rows.add(b"x", type("Status", (), values)())
    assert rows.table()["inode"].to_pylist() == [-1]


def test_a_row_costs_less_than_two_hundred_bytes(tmp_path: Path) -> None:
    rows, status = scan_columns.Columns(), tmp_path.stat()
    tracemalloc.start()
    for number in range(20_000):
        rows.add(b"reports/2024/05/summary-%08d.csv" % number, status)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held / 20_000 < 200
    assert rows.table().num_rows == 20_000


def test_what_is_strongrooms_own_is_left_out_by_whatever_path_it_was_named(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "store/packs").mkdir(parents=True)
    (root / "store/packs/1").write_bytes(b"1")
    (root / "books").write_bytes(b"1")
    (root / "kept").write_bytes(b"1")
    (tmp_path / "link").symlink_to("root/store")
    own = tuple(os.fsencode(path) for path in (tmp_path / "link", root / "books", tmp_path / "not there"))
    found = scan(os.fsencode(root), b"src", Rules(), stop=lambda: None, bounds=ScanBounds(own))
    assert paths(found) == [b"src", b"src/kept"]
    assert {(one.path, one.what) for one in found.skipped} == {(b"src/store", OWN), (b"src/books", OWN)}
    for inside in (root / "store", root / "store/packs", tmp_path / "link/packs"):
        with pytest.raises(SourceError, match="its own data"):
            scan(os.fsencode(inside), b"src", Rules(), stop=lambda: None, bounds=ScanBounds(own))


def test_another_file_system_is_not_entered_where_that_is_asked_for(tmp_path: Path) -> None:
    if not os.path.ismount("/dev/shm"):
        not_covered("one file system: there is no /dev/shm")
        return
    (Path("/dev/shm") / tmp_path.name).write_bytes(b"1")
    try:
        found = [
            scan(b"/dev", b"src", Rules(exclude=["/pts", "/mqueue"]), stop=lambda: None, bounds=ScanBounds(one_file_system=one))
            for one in (False, True)
        ]
    finally:
        (Path("/dev/shm") / tmp_path.name).unlink()
    inside = f"src/shm/{tmp_path.name}".encode()
    assert [inside in paths(one) for one in found] == [True, False]
    assert b"src/shm" in paths(found[1])
    assert Skipped(b"src/shm", OTHER_FILE_SYSTEM) in found[1].skipped
