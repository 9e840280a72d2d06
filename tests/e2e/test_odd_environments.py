"""Backups in processes that got less from their parents than usual: no streams, no room, no locale, few files."""

from __future__ import annotations

import errno
import json
import os
import pty
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pytest

from cli import resource_errors
from tests.support.coverage_notes import not_covered
from tests.support.desk import STRONGROOM, Desk, Result
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
    assert not any(word in text for text in (done.stderr, done.stdout) for word in ("Traceback", "an unexpected error"))
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
    assert "raw/1/1/день" in shell(two, "strongroom ls acme -r", LEGACY).stdout
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
    told = shell(two, "ulimit -v 200000; strongroom backup", exits=1).stderr
    assert "strongroom: error: " in told
    assert "memory" in told
    two.call("backup")
    assert snapshots(two) == {"acme": 1, "zeta": 1}


def test_a_current_folder_that_is_gone_is_told_and_stops_no_backup(two: Desk) -> None:
    gone = "mkdir gone; cd gone; rmdir ../gone; "
    shell(two, f"{gone} strongroom backup --config {two.settings}")
    told = shell(two, f"{gone} strongroom restore acme --to x --config {two.settings} --json", exits=1)
    assert "the current folder is gone" in json.loads(told.stdout)["error"]["message"]


def test_an_identity_that_does_not_end_is_refused(two: Desk) -> None:
    assert "too large for an identity file" in two.call("list", "--identity", "/dev/zero", exits=12).err
    shell(two, f"strongroom list --identity <(cat {two.identity})")  # one that a program prints is as good as a file


def test_a_settings_file_that_does_not_end_is_refused(two: Desk) -> None:
    assert "too large for a settings file" in two.call("list", "--config", "/dev/zero", exits=2).err
    shell(two, f"strongroom list --config <(cat {two.settings})")


def test_who_has_no_home_folder_is_told_what_to_set(two: Desk) -> None:
    if os.geteuid() != 0:
        not_covered("a user without a home folder: only root can become one")
        return
    other = "unset HOME; setpriv --reuid 4242 --clear-groups"
    if subprocess.run(["bash", "-c", f"{other} {sys.executable} -c pass"], capture_output=True, check=False).returncode:
        not_covered("a user without a home folder: this Python lies where other users may not read it")
        return
    told = shell(two, f"{other} {STRONGROOM} backup", exits=2)
    assert "the home folder of 4242 is not known" in told.stderr
    assert "set HOME" in told.stderr


def test_a_fault_of_strongroom_itself_is_told_in_a_line_and_its_details_lie_in_one_file(
    two: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a\nb")

    monkeypatch.setattr("strongroom.store_access.resolve_address", broken)
    state = two.folder / "home/.local/state/strongroom"
    for _ in range(2):
        with pytest.raises(AssertionError, match="an unexpected error"):  # what no other test may see
            two.call("list", "--json")
    told = unchecked(two, "list", "--json")
    assert told.code == 1
    assert told.document["error"]["message"] == "an unexpected error (ZeroDivisionError: a\\nb)"
    (file,) = (state / "errors").iterdir()
    assert str(file) in told.document["error"]["hint"] and str(file) in told.err and "Traceback" not in told.err
    assert file.read_text().rstrip().endswith("ZeroDivisionError: a\nb") and file.stat().st_mode & 0o777 == 0o600


def test_the_details_of_a_fault_are_shown_where_no_folder_takes_them(two: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("strongroom.store_access.resolve_address", broken)
    shutil.rmtree(two.folder / "home/.local/state/strongroom")
    (two.folder / "home/.local/state/strongroom").write_bytes(b"in the way")
    monkeypatch.setattr("tempfile.mkstemp", no_room)
    told = unchecked(two, "list")
    assert told.code == 1 and "Traceback (most recent call last)" in told.err and told.out == b""


def no_room(**_: object) -> None:
    raise OSError(errno.ENOSPC, "no room")


def unchecked(desk: Desk, *arguments: str) -> Result:
    """What `Desk.call` would not let pass."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.support.desk.checked", lambda _arguments, result, _exits: result)
        return desk.call(*arguments)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("can't start new thread"),
        pa.ArrowException("Unknown error: Failed to launch worker thread: Resource temporarily unavailable"),
    ],
)
def test_a_thread_that_the_system_refuses_is_told_as_that(error: Exception) -> None:
    told = resource_errors.shortage(error)
    assert told is not None and "no further thread" in str(told) and told.hint
