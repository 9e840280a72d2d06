"""Files that another process writes all the while: appended to, and rewritten in place."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.desk import Desk

SIZE = 48 * 1024 * 1024
"""Bytes of the file: reading it takes longer than the pause between two writings."""

APPEND = """
import sys, time
log = open(sys.argv[1], "ab", buffering=0)
print(flush=True)
while True:
    log.write(b"2026-11-22 10:00:00 a call was answered\\n")
    time.sleep(0.02)
"""

REWRITE = """
import os, sys, time
file, number = os.open(sys.argv[1], os.O_WRONLY), 0
print(flush=True)
while True:
    os.pwrite(file, b"%020d" % number, number * 1000003 % int(sys.argv[2]))
    number += 1
    time.sleep(0.001)
"""


@contextmanager
def writing(program: str, file: Path) -> Iterator[None]:
    """A process that writes into the file until the end of the block."""
    process = subprocess.Popen([sys.executable, "-c", program, file, str(SIZE - 20)], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def file(desk: Desk) -> Path:
    """A file of a source; nothing is backed up yet."""
    source = desk.folder / "calls"
    source.mkdir()
    (source / "queue").write_bytes(bytes(range(256)) * (SIZE // 256))
    desk.init()
    desk.add("acme", f"raw={source}")
    return source / "queue"


def restored(desk: Desk, to: str) -> bytes:
    desk.call("restore", "acme", "--to", to)
    return (desk.folder / to / "raw/queue").read_bytes()


def mark(desk: Desk) -> Any:
    """What `ls` says of the file."""
    [item] = [one for one in desk.call("ls", "acme", "-r", "--json").document["items"] if one["type"] == "file"]
    return item["consistency"]


def test_a_log_that_grows_all_the_while_is_kept_as_far_as_it_went_when_its_reading_began(desk: Desk, file: Path) -> None:
    with writing(APPEND, file):
        for number in range(2):
            result = desk.run("backup", "--json")
            [told] = result.document["snapshots"]
            [grown] = told["grown"]
            assert (grown["path"], told["problems"]) == ("raw/queue", 0)
            assert mark(desk) == "prefix"
            found = restored(desk, f"growing {number}")
            assert len(found) == grown["kept_bytes"] >= SIZE
            with file.open("rb") as log:
                assert log.read(len(found)) == found
        assert "grew while it was read: raw/queue; its first 48.0 MiB are kept" in desk.run("backup").err
    desk.run("backup")
    assert mark(desk) is None
    assert restored(desk, "at rest") == file.read_bytes()
    desk.call("check", "--data")


def test_a_file_that_is_rewritten_all_the_while_is_kept_with_a_mark_until_it_rests(desk: Desk, file: Path) -> None:
    with writing(REWRITE, file):
        for number in range(2):
            result = desk.run("backup", exits=3)
            assert "marked as inconsistent" in result.err
            assert "its version of" not in result.err
            assert mark(desk) == "inconsistent"
            assert len(restored(desk, f"changing {number}")) == SIZE
    [listed] = [line for line in desk.call("ls", "acme", "-r").text.splitlines() if "raw/queue" in line]
    assert listed.endswith("raw/queue  (inconsistent: it changed while it was read)")
    shown = desk.call("restore", "acme", "--to", "again", "--dry-run", "--json")
    assert shown.document["plan"]["inconsistent"] == ["raw/queue"]
    assert "warning: raw/queue changed while the backup read it" in shown.err
    assert "inconsistent" in desk.call("history", "acme", "raw/queue").text
    assert "inconsistent" in desk.call("find", "acme").text
    [checked] = desk.call("check", "--json").document["projects"]
    assert checked["sound"]
    assert [one["path"] for one in checked["inconsistent"]] == ["raw/queue", "raw/queue"]
    desk.run("backup")
    assert mark(desk) is None
    assert restored(desk, "at rest") == file.read_bytes()


def test_a_file_that_is_rewritten_all_the_while_keeps_the_version_that_was_whole(desk: Desk, file: Path) -> None:
    good = file.read_bytes()
    desk.run("backup")
    with writing(REWRITE, file):
        result = desk.run("backup", exits=3)
    assert "its version of" in result.err
    assert "inconsistent" not in result.err
    assert mark(desk) is None
    assert restored(desk, "good") == good
