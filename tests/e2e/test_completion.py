"""Completion in real shells: those that are installed."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.desk import STRONGROOM, Desk
from tests.support.tree_facts import write_files

ATTEMPTS = 8
"""An answer that takes longer than a second is none, and this machine may be busy."""

REPLY = """
source ./completion
COMP_WORDS=({words}); COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
_strongroom strongroom "${{COMP_WORDS[COMP_CWORD]}}" 2>&1
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture
def shell(desk: Desk) -> Desk:
    """A desk with two projects, of which one has a snapshot, and the script for bash."""
    write_files(desk.folder / "source", {"2024/calls.csv": b"a;b\n"})
    desk.init()
    desk.add("acme", f"reports={desk.folder / 'source'}")
    desk.add("two words", f"raw={desk.folder / 'source'}")
    desk.call("backup", "acme")
    (desk.folder / "completion").write_bytes(desk.call("completion", "bash").out)
    return desk


def in_bash(desk: Desk, script: str) -> str:
    environment = desk.environment | {"PATH": f"{STRONGROOM.parent}:{os.environ['PATH']}"}
    command = ["bash", "--norc", "-c", script]
    done = subprocess.run(command, cwd=desk.folder, env=environment, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


def completed(desk: Desk, words: str) -> list[str]:
    """What bash is given for the words of a command line, the last one of which is incomplete."""
    for _ in range(ATTEMPTS):
        found = in_bash(desk, REPLY.format(words=words)).split("\n")
        if any(found):
            break
    return [one for one in found if one]


def test_bash_completes_commands_options_and_names(shell: Desk) -> None:
    (snapshot,) = [one["snapshot"] for one in shell.call("list", "acme", "--json").document["projects"][0]["snapshots"]]
    for words, expected in (
        ("strongroom resto", ["restore"]),
        ("strongroom restore acme --exist", ["--existing"]),
        ("strongroom restore ''", ["acme", "two\\ words"]),
        ("strongroom restore '\"tw'", ["two words"]),
        ("strongroom ls 'two\\ words' --kind ''", ["raw"]),
        ("strongroom ls acme --source = r", ["reports"]),
        ("strongroom ls acme --at 2", [snapshot]),
    ):
        assert completed(shell, words) == expected, words


def test_completion_says_nothing_where_there_are_no_settings_or_they_are_wrong(shell: Desk) -> None:
    shell.settings.write_text("[repository\n")
    result = shell.run("__complete", "restore", "")
    assert (result.out, result.err) == (b"words\n", "")
    shell.settings.unlink()
    result = shell.run("__complete", "restore", "")
    assert (result.out, result.err) == (b"words\n", "")


def test_completion_opens_no_key_and_asks_no_store(shell: Desk) -> None:
    shell.identity.unlink()
    (shell.folder / shell.place.address).rename(shell.folder / "away")
    assert completed(shell, "strongroom restore ac") == ["acme"]


def test_an_interactive_bash_completes_on_tab(shell: Desk) -> None:
    pty = pytest.importorskip("pty")
    mine, theirs = pty.openpty()
    environment = shell.environment | {"PATH": f"{STRONGROOM.parent}:{os.environ['PATH']}", "TERM": "dumb", "PS1": "ready> "}
    process = subprocess.Popen(
        ["bash", "--norc", "--noprofile", "-i"],
        cwd=shell.folder,
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    os.write(mine, b"source ./completion\n")
    shown = _until(mine, b"", b"source ./completion")
    os.write(mine, b"strongroom hist")
    for _ in range(ATTEMPTS):
        os.write(mine, b"\t")
        shown = _until(mine, shown, b"strongroom history ", seconds=3)
        if b"strongroom history " in shown:
            break
    process.kill()
    process.wait(10)
    os.close(mine)
    assert b"strongroom history " in shown


def _until(handle: int, shown: bytes, text: bytes, seconds: float = 10) -> bytes:
    """What was shown until that text came, or the time was over."""
    end = time.monotonic() + seconds
    while text not in shown and time.monotonic() < end:
        if select.select([handle], [], [], 0.1)[0]:
            shown += os.read(handle, 65536)
    return shown


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_the_script_is_one_that_the_shell_takes(shell: Desk, name: str, tmp_path: Path) -> None:
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    script = tmp_path / "script"
    script.write_bytes(shell.call("completion", name).out)
    done = subprocess.run([name, "-n", script], capture_output=True, timeout=30, check=False)
    assert done.returncode == 0 and done.stderr == b""
