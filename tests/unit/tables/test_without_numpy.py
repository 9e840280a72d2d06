"""numpy and pandas are nobody's dependency here: where they are installed, Arrow would load them at every start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from restore.tables.registry import FORMATS

HINDERED = """
import sys
sys.modules.update(numpy=None, pandas=None)
import tests.unit.tables.every_kind_of_cell as cells
"""


def run(code: str, *arguments: str) -> list[str]:
    """What a program says that has neither of them."""
    done = subprocess.run([sys.executable, "-c", HINDERED + code, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_is_written_and_read_without_them(tmp_path: Path, name: str) -> None:
    rows = run("print(cells.round_trip(*sys.argv[1:]))", name, str(tmp_path / "table"))
    assert rows == [str(3 if FORMATS[name].reader else 0)]
