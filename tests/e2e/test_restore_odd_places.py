"""Odd places and odd names: what cannot be is an error with a hint, and never a traceback."""

from __future__ import annotations

import os
import resource
import subprocess
from pathlib import Path

import pytest

from tests.support.desk import STRONGROOM, Desk, refusal
from tests.support.tree_facts import below, tree_facts, write_files

NAMES = (b"new\nline.csv", b"caf\xe9.csv", b"back\\slash.csv", b"x" * 251 + b".csv", b" lead", b"-dash.csv", b"[red]a:b.csv")


@pytest.fixture
def odd(desk: Desk) -> Desk:
    source = desk.folder / "source"
    deep = {f"{'/'.join(['y' * 100] * 20)}/deep.csv": b"a,b\n1,2\n"}
    write_files(source, deep)
    for name in NAMES:
        below(source, name).write_bytes(b"a,b\n1,2\n")
    desk.init()
    desk.add("acme", f"reports={source}")
    desk.call("backup")
    return desk


@pytest.mark.parametrize("options", [(), ("--as", "xlsx"), ("--merge",)])
@pytest.mark.parametrize("to", [b"caf\xe9", b"caf\xe9.zip", b"caf\xe9.tar.gz"])
def test_a_place_whose_name_is_no_text_takes_everything(odd: Desk, to: bytes, options: tuple[str, ...]) -> None:
    told = odd.run("restore", "acme", *options, "--to", to, exits=3 if "--merge" in options else 0)
    assert below(odd.folder, to).exists() and "Traceback" not in told.err


def test_a_bag_in_a_place_whose_name_is_no_text_is_whole(odd: Desk) -> None:
    for to in (b"b\xe9g", b"b\xe9g.zip"):
        odd.run("export", "acme", "--to", to)
    assert (below(odd.folder, b"b\xe9g") / "manifest-sha256.txt").is_file()


@pytest.mark.parametrize("command", [("restore",), ("restore", "--as", "csv"), ("export",)])
@pytest.mark.parametrize("to", ["x" * 300, "x" * 300 + ".zip", "x" * 300 + "/out", "/dev/null/x", "/dev/null/x.zip"])
def test_a_place_that_cannot_be_is_an_error_with_a_hint(odd: Desk, command: tuple[str, ...], to: str) -> None:
    result = odd.call(command[0], "acme", "--to", to, *command[1:], exits=1)
    assert result.out == b"" and "strongroom: error: " in result.err and "hint: " in result.err


def test_a_home_that_nobody_has_is_an_error_with_a_hint(odd: Desk) -> None:
    for command in ("restore", "export"):
        assert "no such home folder" in refusal(odd.call(command, "acme", "--to", "~nobody-at-all/x", exits=2))


def test_few_open_files_are_enough(odd: Desk) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (48, 48))

    done = subprocess.run(
        [STRONGROOM, "restore", "acme", "--to", "out"],
        cwd=odd.folder,
        env=odd.environment,
        preexec_fn=limit,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert tree_facts(odd.folder / "out/reports") == tree_facts(odd.folder / "source")


def test_folders_that_may_not_be_written_to_take_a_missing_file_and_stay_shut(odd: Desk) -> None:
    source = Path(odd.folder / "source")
    (source / "shut").mkdir()
    write_files(source / "shut", {"kept": b"1", "lost": b"2"})
    (source / "shut").chmod(0o555)
    odd.call("backup")
    before = tree_facts(source)
    (source / "shut/lost").unlink()
    odd.run("restore", "acme", "reports/shut/lost", "--in-place")
    after = tree_facts(source)
    assert after[b"shut"].mode == 0o555 and after[b"shut/lost"] == before[b"shut/lost"]
    assert os.access(source / "shut/kept", os.R_OK)
