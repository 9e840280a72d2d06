"""Streams, terminals and what a command does not load."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.desk import Desk
from tests.support.randomness import SeededChance
from tests.support.terminal import Terminal
from tests.support.tree_facts import tree_facts, write_files
from vault import age

LARGE = SeededChance("stream").token(3_000_000) * 2


@pytest.fixture
def large(desk: Desk) -> Desk:
    write_files(desk.folder / "source", {"large.bin": LARGE, "empty": b"", "small.csv": b"a;b\r\n"})
    desk.init()
    desk.add("acme", f"reports={desk.folder / 'source'}")
    desk.call("backup")
    return desk


def test_one_file_is_streamed_byte_for_byte(large: Desk) -> None:
    for name, content in (("empty", b""), ("small*", b"a;b\r\n")):
        assert large.call("restore", "acme", f"reports/{name}", "--to", "-").out == content
    result = large.run("restore", "acme", "reports/large.bin", "--to", "-")
    assert result.out == LARGE and result.err == ""


@pytest.mark.parametrize("arguments", ["restore acme reports/large.bin --to -", "ls acme -r"])
def test_a_reader_that_has_seen_enough_ends_a_command_quietly(large: Desk, arguments: str) -> None:
    process = large.start(*arguments.split())
    assert process.stdout is not None and process.stderr is not None
    process.stdout.read(1)
    process.stdout.close()
    err = process.stderr.read()
    assert process.wait(60) in (0, 1) and err == b""
    process.stderr.close()


@pytest.mark.parametrize("words", ["--help", "restore -h", "help backup", "settings --help"])
def test_help_loads_neither_an_sdk_nor_arrow(desk: Desk, words: str) -> None:
    code = (
        f"import sys, cli.main\nsys.argv = ['strongroom', *{words.split()}]\n"
        "try:\n    cli.main.app(prog_name='strongroom')\nfinally:\n"
        "    heavy = {'boto3', 'botocore', 'pyarrow', 'rich', 'pathspec', 'tomlkit', 'numpy'}\n"
        "    print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=desk.environment, check=True)
    assert "Examples:" in done.stdout and done.stderr == "[]\n"


def test_a_command_on_a_folder_loads_no_sdk(large: Desk) -> None:
    code = (
        "import sys, cli.main\nsys.argv = ['strongroom', 'backup', '-q']\n"
        "try:\n    cli.main.app(prog_name='strongroom')\nfinally:\n"
        "    print(sorted({'boto3', 'botocore', 'pathspec', 'rich'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=large.environment, cwd=large.folder, check=True
    )
    assert done.stderr == "[]\n"


def test_a_passphrase_is_asked_for_on_a_terminal_and_never_shown(large: Desk) -> None:
    sealed = age.seal(large.identity.read_bytes(), [age.ScryptRecipient("hush hush", 2)], SeededChance("pty"))
    large.identity.write_bytes(age.armor.encode(sealed.data))
    for typed, code, words in ((b"wrong\r", 12, b"strongroom: error:"), (b"hush hush\r", 0, b"acme: 1 snapshot")):
        terminal = Terminal(large, "list")
        terminal.wait_for(b"Passphrase of ")
        terminal.type(typed)
        assert terminal.end() == code
        assert words in terminal.shown and typed.strip() not in terminal.shown
    terminal = Terminal(large, "list")
    terminal.wait_for(b"Passphrase of ")
    terminal.type(b"\x03")
    assert terminal.end() == 130 and b"interrupted by SIGINT" in terminal.shown


def test_init_seals_a_new_identity_to_a_passphrase_typed_twice(desk: Desk) -> None:
    desk.kit.parent.mkdir()
    terminal = Terminal(desk, "init", desk.place.address, "--passphrase", "--recovery-kit", str(desk.kit))
    terminal.wait_for(b"New passphrase")
    terminal.type(b"open sesame\r")
    terminal.wait_for(b"Repeat for confirmation")
    terminal.type(b"open sesame\r")
    assert terminal.end() == 0 and b"sesame" not in terminal.shown
    sealed = desk.identity.read_bytes()
    assert b"AGE-SECRET-KEY" not in sealed and desk.identity.stat().st_mode & 0o777 == 0o600
    opened = age.open_sealed(
        age.armor.decode(sealed) if age.armor.is_armored(sealed) else sealed, [age.ScryptIdentity("open sesame")]
    )
    assert b"AGE-SECRET-KEY-PQ-1" in opened


def test_progress_is_drawn_on_a_terminal_and_not_with_quiet(large: Desk) -> None:
    terminal = Terminal(large, "restore", "acme", "--to", "back")
    assert terminal.end() == 0 and b"\x1b[" in terminal.shown and b"restored 3 files" in terminal.shown
    terminal = Terminal(large, "backup", "--quiet")
    assert terminal.end() == 0 and b"\x1b[" not in terminal.shown
    assert tree_facts(large.folder / "back/reports") == tree_facts(large.folder / "source")


def test_the_doctor_calls_a_store_usable_and_leaves_nothing_behind(any_desk: Desk) -> None:
    desk = any_desk
    desk.init()
    desk.add("acme", f"reports={write_one(desk)}")
    desk.call("backup")
    before = objects(desk)
    told = desk.run("doctor")
    assert "fit for a repository" in told.text and "NOT" not in told.text
    assert objects(desk) == before


def test_the_doctor_probes_an_address_that_is_not_in_the_settings(desk: Desk) -> None:
    (desk.folder / "other").mkdir()
    assert desk.call("doctor", "other", "--json").document["usable"] is True
    assert list((desk.folder / "other").iterdir()) == []
    desk.call("doctor", "nowhere", exits=10)
    assert not (desk.folder / "nowhere").exists()


def write_one(desk: Desk) -> Path:
    write_files(desk.folder / "source", {"a": b"1"})
    return desk.folder / "source"


def objects(desk: Desk) -> dict[str, int]:
    """Names and sizes of all that is stored."""
    with desk.store() as store:
        return {info.name: info.size for info in store.list("")}
