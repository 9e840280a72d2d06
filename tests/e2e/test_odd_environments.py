"""Backups in processes that got less from their parents than usual: no streams, no room, no locale, few files."""

from __future__ import annotations

import os
import pty
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.coverage_notes import not_covered
from tests.support.desk import STRONGROOM, Desk
from tests.support.tree_facts import tree_facts, write_files

NOTHING: Mapping[str, str] = {}
LEGACY = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}


@pytest.fixture
def two(desk: Desk) -> Desk:
    """A desk with two projects, one of them with names in Cyrillic and names that are no text; nothing is backed up yet."""
    write_files(desk.folder / "звонки", {f"{year}/{month}/день/1.csv": b"1" for year in "1234" for month in "123456"})
    Path(os.fsdecode(os.fsencode(desk.folder / "звонки") + b"/\xff.csv")).write_bytes(b"2")
    write_files(desk.folder / "source", {"a.csv": b"1"})
    desk.init()
    desk.add("acme", f"raw={desk.folder / 'звонки'}")
    desk.add("zeta", f"raw={desk.folder / 'source'}")
    return desk


def shell(
    desk: Desk, script: str, variables: Mapping[str, str] = NOTHING, *, exits: int = 0
) -> subprocess.CompletedProcess[str]:
    """A line of bash, in which `strongroom` is the installed command."""
    named = f'strongroom() {{ {shlex.quote(str(STRONGROOM))} "$@"; }}; {script}'
    environment = desk.environment | dict(variables)
    done = subprocess.run(["bash", "-c", named], cwd=desk.folder, env=environment, capture_output=True, text=True, timeout=120)
    assert "Traceback" not in done.stderr and "Traceback" not in done.stdout
    assert done.returncode == exits, done.stderr
    return done


def snapshots(desk: Desk) -> dict[str, int]:
    return {one["project"]: len(one["snapshots"]) for one in desk.call("list", "--json").document["projects"]}


def test_a_backup_needs_neither_streams_nor_a_locale_nor_time_zones_nor_a_temporary_folder_nor_many_files(two: Desk) -> None:
    odd = LEGACY | {"PYTHONTZPATH": "/nowhere", "TZDIR": "/nowhere", "TMPDIR": "/proc"}
    shell(two, "ulimit -n 64; strongroom backup <&- >&- 2>&-", odd)
    assert snapshots(two) == {"acme": 1, "zeta": 1}
    two.call("restore", "acme", "--to", "back")
    assert tree_facts(two.folder / "back/raw") == tree_facts(two.folder / "звонки")


def test_names_come_back_as_they_are_under_a_locale_from_before_utf_8(two: Desk) -> None:
    shell(two, "strongroom backup acme && strongroom restore acme --to назад", LEGACY)
    assert tree_facts(two.folder / "назад/raw") == tree_facts(two.folder / "звонки")
    assert "raw/1/1/день" in shell(two, "strongroom ls acme", LEGACY).stdout
    assert "0 errors" in shell(two, "strongroom settings check", LEGACY).stdout


def test_what_nobody_can_read_stops_no_backup(two: Desk) -> None:
    for number, streams in enumerate(
        ("2>&-", "2>/dev/full", "2> >(exit)", "> >(exit)", "2>&1 | true; exit ${PIPESTATUS[0]}"), 1
    ):
        shell(two, f"trap '' PIPE; strongroom backup {streams}")
        assert snapshots(two) == {"acme": number, "zeta": number}
    full = shell(two, "strongroom backup >/dev/full", exits=1)
    assert "cannot write to standard output" in full.stderr
    assert snapshots(two) == {"acme": 6, "zeta": 6}


def test_a_terminal_that_goes_away_stops_no_backup(two: Desk) -> None:
    (two.folder / "source/left.part").write_bytes(b"1")  # so that there is something to say
    ours, theirs = pty.openpty()
    process = two.start("backup", stderr=theirs)
    os.close(theirs)
    os.read(ours, 1)  # it draws
    os.close(ours)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert b"zeta/raw: 2 items" in out
    assert snapshots(two) == {"acme": 1, "zeta": 1}


def test_too_little_memory_is_told_as_that_and_the_next_backup_works(two: Desk) -> None:
    told = shell(two, "ulimit -v 330000; strongroom backup", exits=1).stderr
    assert "strongroom: error: " in told
    assert "memory" in told
    two.call("backup")
    assert snapshots(two) == {"acme": 1, "zeta": 1}


def test_who_has_no_home_folder_is_told_what_to_set(two: Desk) -> None:
    if os.geteuid() != 0:
        not_covered("a user without a home folder: only root can become one")
        return
    told = shell(two, f"unset HOME; setpriv --reuid 4242 --clear-groups {STRONGROOM} backup", exits=2)
    assert "the home folder of 4242 is not known" in told.stderr
    assert "set HOME" in told.stderr
