"""The plugin in runs of its own: what it costs, what it leaves alone, and how it is told where a repository lies."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

IMPORTED = """
import sys

HEAVY = {"moto", "boto3", "botocore", "pyarrow", "pydantic", "cryptography", "vault", "strongroom.context"}

def pytest_sessionfinish():
    print("plugin:", "strongroom.testing.plugin" in sys.modules, "heavy:", sorted(HEAVY & sys.modules.keys()))
"""

SUITE = """
import os
import sys
from pathlib import Path

import pytest

def test_of_the_ini(strongroom_repository):
    assert strongroom_repository.address.startswith("s3://")
    assert "AWS_PROFILE" not in os.environ
    assert os.environ["STRONGROOM_CONFIG"] == str(strongroom_repository.settings)

def test_afterwards():
    assert os.environ["AWS_PROFILE"] == "production"
    assert os.environ["STRONGROOM_CONFIG"] == "/nowhere.toml"

@pytest.mark.strongroom(store="folder")
def test_of_the_marker(strongroom_project):
    address = strongroom_project.context.settings.repository.address
    assert Path(address, "strongroom.json").is_file()
    (strongroom_project.source / "a.csv").write_text("1")
    strongroom_project.backup()

@pytest.mark.strongroom(store="floppy")
def test_of_no_store(strongroom_repository):
    pass

@pytest.mark.strongroom(stores="moto")
def test_of_no_argument(strongroom_repository):
    pass
"""


def run(folder: Path, suite: str, **variables: str) -> str:
    """What a run of these tests prints, with the plugin and no other."""
    (folder / "test_suite.py").write_text(suite)
    options = ["-p", "strongroom.testing.plugin", "-p", "no:cacheprovider", "-s", "--strict-markers"]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **variables}
    command = [sys.executable, "-m", "pytest", *options]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_a_run_that_uses_none_of_it_imports_none_of_it(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(IMPORTED)
    printed = run(tmp_path, "def test_plain():\n    pass\n")
    assert "1 passed" in printed and "plugin: True heavy: []" in printed


def test_nothing_of_the_persons_is_read_or_written_and_wrong_words_are_refused(tmp_path: Path) -> None:
    suite, person = tmp_path / "suite", tmp_path / "person"
    for folder in (suite, person):
        folder.mkdir()
    (suite / "pytest.ini").write_text("[pytest]\nstrongroom_store = moto\n")
    names = {"HOME": str(person), "AWS_PROFILE": "production", "STRONGROOM_CONFIG": "/nowhere.toml", "TMPDIR": str(tmp_path)}
    homes = {f"XDG_{what}_HOME": str(person / what) for what in ("CONFIG", "STATE", "CACHE")}
    printed = run(suite, SUITE, **names, **homes)
    assert "3 passed, 2 errors" in printed, printed
    assert "unknown store 'floppy' for strongroom_repository: write folder or moto" in printed
    assert "unknown arguments of the marker strongroom: ['stores']" in printed
    assert not list(person.iterdir())
