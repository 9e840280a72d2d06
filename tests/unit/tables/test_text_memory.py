"""Text tables are read and written in memory that does not grow with them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOM = 32 * 1024
"""KiB that a table of 120 MB may take beyond one of 48: what allocators keep, not the table."""


@pytest.mark.parametrize(
    ("make", "read", "write"),
    [
        ("csv", "csv", "csv"),
        ("ragged", "csv", "html"),
        pytest.param("csv", "csv", "jsonl", marks=pytest.mark.slow),
        pytest.param("jsonl", "jsonl", "csv", marks=pytest.mark.slow),
        pytest.param("json", "json", "json", marks=pytest.mark.slow),
    ],
)
def test_memory_does_not_grow_with_the_table(tmp_path: Path, make: str, read: str, write: str) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.unit.tables.text_memory", str(tmp_path), make, read, write],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) < ROOM
