"""What commands import, in the process that users start: nobody waits for a library that his command does not use. Counted in
modules, since seconds are the machine's; `python -m benchmarks.startup` measures these."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmarks.startup import LISTED
from tests.support.desk import Desk

NEVER = frozenset(
    {"boto3", "botocore", "numpy", "pandas", "pathspec", "pyarrow.dataset", "pydoc", "rich", "smtplib", "http.client"}
)
"""On a folder, without a terminal and without notifications."""

SETTINGS_ONLY = NEVER | {"pyarrow"}
"""Of a command that reads no table of the repository."""


def imported(desk: Desk, *arguments: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", LISTED, *arguments], capture_output=True, text=True, env=desk.environment, cwd=desk.folder
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return set(done.stderr.split())


@pytest.mark.parametrize(
    ("command", "unused"),
    [
        ("list", SETTINGS_ONLY),
        ("status", SETTINGS_ONLY),
        ("settings check", SETTINGS_ONLY),
        ("ls acme", NEVER),
        ("backup --quiet", NEVER),
        ("restore acme --to back --quiet", NEVER),
    ],
)
def test_a_command_imports_only_what_it_uses(used: Desk, command: str, unused: frozenset[str]) -> None:
    found = imported(used, *command.split())
    assert "cli.main" in found and not found & unused


def test_the_version_is_shown_without_reading_settings(used: Desk) -> None:
    assert not imported(used, "--version") & (SETTINGS_ONLY | {"pydantic", "cryptography", "tomlkit", "sqlite3"})


def test_libraries_are_there_for_programs_that_use_strongroom() -> None:
    code = "import sys, strongroom; strongroom.Project; import pyarrow, numpy; print('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "True\n"
