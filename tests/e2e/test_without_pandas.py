"""pandas beside Strongroom is imported by no command, in the process that users start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.support.desk import Desk
from tests.support.tree_facts import write_files

FAKE = "import os\nopen(os.environ['PANDAS_MARK'], 'a').close()\nraise ImportError('a pandas that nobody may import')\n"


@pytest.fixture
def beside(desk: Desk) -> Desk:
    """A desk whose commands find a package of that name first, which leaves a mark when it is imported."""
    write_files(desk.folder / "packages", {"pandas/__init__.py": FAKE.encode()})
    write_files(desk.folder / "source", {"calls/2024-05-01.csv": b"id,n\na,1\n", "calls/2024-05-02.csv": b"id,n\nb,2\n"})
    variables = {"PYTHONPATH": str(desk.folder / "packages"), "PANDAS_MARK": str(desk.folder / "mark")}
    found = replace(desk, variables=variables)
    desk.init()
    desk.add("acme", f"raw={desk.folder / 'source'}")
    return found


def test_no_command_imports_pandas(beside: Desk) -> None:
    beside.run("backup")
    beside.run("list", "acme")
    beside.run("restore", "acme", "--merge", "--as", "parquet", "--to", "all.parquet")
    beside.run("query", "acme", "select sum(n) from calls", "--as", "xlsx", "--to", "answer.xlsx")
    assert not (beside.folder / "mark").exists()


def test_the_mark_would_be_left(beside: Desk, tmp_path: Path) -> None:
    code = "import pyarrow as pa; pa.array([1])"
    environment = {**os.environ, **beside.environment}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, cwd=tmp_path)
    assert (beside.folder / "mark").exists()
