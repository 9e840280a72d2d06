"""Whatever the file system can hold comes back: names, kinds of items, times, modes, attributes, holes."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.coverage_notes import not_covered
from tests.support.desk import Desk
from tests.support.randomness import SeededChance
from tests.support.tree_facts import below, tree_facts, write_files

IS_ROOT = os.geteuid() == 0
NAMES = [
    b"not utf-8 \xff\xfe\x80",
    b"two\nlines\r",
    b"n" * 255,
    "отчёт".encode(),
    "📞 calls ☎️".encode(),
    "caf\u00e9".encode(),
    "cafe\u0301".encode(),
    b"trailing spaces  ",
    b" leading space",
    b"-rf",
    b"--to",
    b"back\\slash",
    b"tab\tbell\x07\x1b[31m",
    b"quote'\"*?[a]{b}",
    b"...",
    b"~",
    b"#not a comment",
    b"con.txt.",
]
TIMES = {
    "in 1901": -2_147_000_000_000_000_001,
    "before 1970": -1,
    "at the beginning": 0,
    "in 2038": 2_147_483_648_000_000_001,
    "in 2261": 9_189_000_000_123_456_789,
    "in 2400": 13_569_465_600_000_000_007,
}


def there_and_back(desk: Desk, source: Path) -> Path:
    """Back up, check, restore; gives the restored folder, equal to the source."""
    desk.init()
    desk.add("acme", f"reports={source}")
    facts = tree_facts(source)
    desk.call("backup")
    desk.call("check", "--data")
    desk.call("restore", "acme", "--to", "back")
    assert tree_facts(desk.folder / "back/reports") == facts == tree_facts(source)
    return desk.folder / "back/reports"


@pytest.fixture
def source(desk: Desk) -> Path:
    folder = desk.folder / "source"
    folder.mkdir()
    return folder


def test_any_name_comes_back(desk: Desk, source: Path) -> None:
    for number, name in enumerate(NAMES):
        below(source, name).write_bytes(b"%d" % number)
        folder = below(source / "in folders", name)
        folder.mkdir(parents=True)
        (folder / "inside").write_bytes(name)
    deep = b"/".join([b"d" * 200] * 25)  # longer than any path that the kernel takes at once
    here = os.open(source, os.O_RDONLY)
    for part in deep.split(b"/"):
        os.mkdir(part, dir_fd=here)
        inner = os.open(part, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(os.open(b"bottom", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    desk.init()
    desk.add("acme", f"reports={source}")
    desk.run("backup")
    assert "reports/two\\nlines\\r" in desk.run("ls", "acme", "-r").text
    paths = [item["path"] for item in desk.call("ls", "acme", "-r", "--json").document["items"]]
    assert "reports/not utf-8 \\xff\\xfe\\x80" in paths and len(paths) == 1 + 2 * len(NAMES) + 1 + len(NAMES) + 26
    desk.run("restore", "acme", "--to", "back")
    listing = ["find", ".", "-printf", r"%P\0%y %s\0"]
    seen = [
        subprocess.run(listing, cwd=place, capture_output=True, check=True).stdout
        for place in (source, desk.folder / "back/reports")
    ]
    assert sorted(seen[0].split(b"\0")) == sorted(seen[1].split(b"\0")) and b"/bottom\0" in seen[0]
    shutil.rmtree(source / ("d" * 200))  # the facts below go by whole paths
    shutil.rmtree(desk.folder / "back/reports" / ("d" * 200))
    assert [facts.content for facts in tree_facts(source).values()] == [
        facts.content for facts in tree_facts(desk.folder / "back/reports").values()
    ]


def test_one_item_of_any_name_is_found_by_its_name(desk: Desk, source: Path) -> None:
    for name in NAMES:
        below(source, name).write_bytes(name)
    desk.init()
    desk.add("acme", f"reports={source}")
    desk.call("backup")
    for name in NAMES:
        assert desk.call("restore", "acme", os.fsdecode(b"reports/" + name), "--to", "-").out == name
    odd = NAMES[0]
    assert desk.run("restore", "--to", "-", "acme", b"reports/" + odd).out == odd


def test_kinds_modes_owners_and_times_come_back(desk: Desk, source: Path) -> None:
    write_files(source, {name: name.encode() for name in TIMES} | {"plain": b"1", "sub/empty": b"", "locked/in": b"2"})
    (source / "no items").mkdir()
    for mode in (0o000, 0o444, 0o600, 0o755, 0o1777, 0o2755, 0o4755, 0o7777):
        path = source / f"mode {mode:o}"
        path.write_bytes(b"%o" % mode)
        if IS_ROOT:
            os.chown(path, 12345, 54321)
        path.chmod(mode)
    for name, target in (
        ("dangling", "nowhere/at all"),
        ("absolute", "/etc/passwd"),
        ("to itself", "to itself"),
        ("one", "two"),
        ("two", "one"),
        ("to a folder", "sub"),
        ("out", "../../.."),
        ("odd", os.fsdecode(b"\xff\n ")),
        ("sub/up", ".."),
    ):
        (source / name).symlink_to(target)
        os.utime(source / name, ns=(0, 1_234_567_890_000_000_000 + len(name)), follow_symlinks=False)
    if IS_ROOT:
        os.lchown(source / "dangling", 12345, 54321)
    (source / "sub/setgid").mkdir(mode=0o755)
    (source / "sub/setgid").chmod(0o2775)
    (source / "locked").chmod(0o555)
    for name, moment in TIMES.items():
        os.utime(source / name, ns=(0, moment))
    os.utime(source / "no items", ns=(0, TIMES["in 2400"]))
    os.utime(source / "locked", ns=(0, TIMES["in 1901"]))
    os.utime(source, ns=(0, 1_500_000_000_000_000_001))
    there_and_back(desk, source)
    items = {item["path"]: item for item in desk.call("ls", "acme", "-r", "--json").document["items"]}
    assert {name: items[f"reports/{name}"]["mtime_ns"] for name in TIMES} == TIMES
    assert "already" in desk.run("restore", "acme", "--to", "back").text


def test_hard_links_come_back_as_links(desk: Desk, source: Path) -> None:
    write_files(source, {"a/first": b"shared" * 300_000, "b/other": b"alone", "empty": b""})
    for name in ("a/second", "b/third"):
        os.link(source / "a/first", source / name)
    os.link(source / "empty", source / "b/empty")
    back = there_and_back(desk, source)
    assert (back / "a/first").stat().st_nlink == 3 and (back / "b/other").stat().st_nlink == 1
    desk.call("restore", "acme", "reports/b/third", "--to", "alone")
    assert (desk.folder / "alone/reports/b/third").read_bytes() == b"shared" * 300_000
    desk.call("restore", "acme", "reports/a", "--to", "later")
    desk.call("restore", "acme", "--to", "later")
    assert (desk.folder / "later/reports/b/third").read_bytes() == b"shared" * 300_000


def test_extended_attributes_and_acls_come_back(desk: Desk, source: Path) -> None:
    write_files(source, {"file": b"1", "sub/read-only": b"2"})
    os.setxattr(source / "file", "user.origin", b"pbx \xff\x00 7")
    os.setxattr(source / "file", "user.empty", b"")
    os.setxattr(source / "sub", "user.folder", b"x" * 1000)
    os.setxattr(source / "sub/read-only", "user.kept", b"y")
    (source / "sub/read-only").chmod(0o444)
    if shutil.which("setfacl"):
        subprocess.run(["setfacl", "-m", "u:12345:rw-,g:54321:r--", "file"], cwd=source, check=True)
        subprocess.run(["setfacl", "-d", "-m", "u:12345:r-x", "sub"], cwd=source, check=True)
    else:
        not_covered("POSIX ACLs: the program `setfacl` is not installed")
    back = there_and_back(desk, source)
    assert os.getxattr(back / "file", "user.origin") == b"pbx \xff\x00 7"


def test_holes_cost_nothing_to_store_and_come_back_as_holes(desk: Desk, source: Path) -> None:
    size = 3_000_000_000
    for name, pieces in {
        "nothing but a hole": [],
        "data at the end": [(size - 5, b"tail!")],
        "data around holes": [
            (0, b"head"),
            (1_000_000_000, SeededChance("hole").token(2_000_000)),
            (2_500_000_000, b"x" * 5000),
        ],
    }.items():
        with (source / name).open("wb") as file:
            for offset, data in pieces:
                file.seek(offset)
                file.write(data)
            file.truncate(size)
    if (source / "nothing but a hole").stat().st_blocks:
        not_covered("sparse files: the file system of the temporary folder makes no holes")
        pytest.skip("no holes here")
    desk.init()
    desk.add("acme", f"reports={source}")
    report = desk.call("backup", "--json").document["snapshots"][0]
    assert report["bytes"] == 3 * size and report["stored_bytes"] < 2_200_000
    desk.call("restore", "acme", "--to", "back")
    for path in source.iterdir():
        restored = desk.folder / "back/reports" / path.name
        assert restored.stat().st_size == path.stat().st_size
        assert restored.stat().st_mtime_ns == path.stat().st_mtime_ns
        assert restored.stat().st_blocks <= path.stat().st_blocks + 16
        assert list(data_of(restored)) == list(data_of(path))


def data_of(path: Path) -> list[tuple[int, bytes]]:
    """What a sparse file holds that is not zero, by place, in pieces of 4 KiB."""
    found: list[tuple[int, bytes]] = []
    at, size = 0, path.stat().st_size
    descriptor = os.open(path, os.O_RDONLY)
    try:
        while at < size:
            try:
                at = os.lseek(descriptor, at, os.SEEK_DATA)
            except OSError:
                return found
            end = os.lseek(descriptor, at, os.SEEK_HOLE)
            for start in range(at, end, 4096):
                piece = os.pread(descriptor, min(4096, end - start), start)
                if piece.strip(b"\0"):
                    found.append((start, piece))
            at = end
        return found
    finally:
        os.close(descriptor)


def test_a_file_larger_than_several_packs_comes_back(desk: Desk, source: Path) -> None:
    desk.init()
    desk.shrink_packs(200_000)
    write_files(source, {"large": SeededChance("large").token(5_000_000) * 2, "small": b"1"})
    desk.add("acme", f"reports={source}")
    desk.call("backup")
    packs = [path for path in (desk.folder / "repository").rglob("packs/*/*") if path.is_file()]
    assert len(packs) >= 5
    desk.call("restore", "acme", "--to", "back")
    assert tree_facts(desk.folder / "back/reports") == tree_facts(source)
    assert desk.call("restore", "acme", "reports/large", "--to", "-").out == (source / "large").read_bytes()


def test_what_has_no_content_is_listed_as_skipped(desk: Desk, source: Path) -> None:
    write_files(source, {"file": b"1"})
    os.mkfifo(source / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(source)  # a socket's name has at most 107 bytes
        try:
            server.bind("socket")
        finally:
            os.chdir(here)
    expected = {"reports/pipe": "pipe", "reports/socket": "socket"}
    if IS_ROOT:
        os.mknod(source / "device", 0o600 | 0o020000, os.makedev(1, 3))
        expected["reports/device"] = "device"
    desk.init()
    desk.add("acme", f"reports={source}")
    report = desk.call("backup", "--json").document["snapshots"][0]
    assert {one["path"]: one["what"] for one in report["skipped"]} == expected
    assert f"skipped: {len(expected)} items without content" in desk.call("backup").err
    desk.call("restore", "acme", "--to", "back")
    assert [path.name for path in (desk.folder / "back/reports").iterdir()] == ["file"]


@pytest.mark.parametrize("make", [lambda folder: None, lambda folder: (folder / "sub").mkdir()], ids=["no item", "one folder"])
def test_a_source_that_is_empty_from_the_first_comes_back_empty(desk: Desk, source: Path, make: Callable[[Path], None]) -> None:
    make(source)
    there_and_back(desk, source)
