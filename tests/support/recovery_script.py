"""The script of docs/format.md, which reads a repository without Strongroom: with programs that are not ours."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, blocks
from tests.support.age_js import PATIENCE
from tests.support.coverage_notes import not_covered


def recovered(kit: Path, repository: Path, scratch: Path, age_program: Path) -> Path:
    """The folder with everything that the script brings back, a folder a project. age_program: a folder for PATH. Skips the
    test, and says so, where there is no `zstd`."""
    if shutil.which("zstd") is None:
        not_covered("recovery without Strongroom: no zstd program here")
        pytest.skip("no zstd")
    script, out = scratch / "recover.py", scratch / "recovered"
    script.write_text(blocks(DOCS / "format.md", "python")[0].text, "utf-8")
    environment = os.environ | {"PATH": f"{age_program}{os.pathsep}{os.environ['PATH']}"}
    command: list[str | Path] = [sys.executable, script, kit, repository, out]
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=PATIENCE)
    return out
