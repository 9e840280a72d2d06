"""Packages of npm's, kept between runs outside the project: implementations that we did not write."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.support.coverage_notes import not_covered

PATIENCE = 60.0
"""Seconds for any program that a test starts."""


def run(*command: str, given: bytes = b"", folder: Path | None = None) -> bytes:
    """What a program prints. Raises where it fails or takes too long."""
    return subprocess.run(command, input=given, cwd=folder, capture_output=True, timeout=PATIENCE, check=True).stdout


def folder_with(package: str, what: str) -> Path:
    """A folder with the package in it, `name@version`; skips, and says so, where node or npm or the network is missing. what:
    is not covered then."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        not_covered(f"{what}: no node or no npm here")
        pytest.skip("no node or no npm")
    # the person's own home: that of a test run is new every time
    folder = Path(pwd.getpwuid(os.getuid()).pw_dir) / ".cache" / "strongroom-tests" / package
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=folder.parent))
        try:
            run("npm", "install", "--prefix", str(fresh), "--ignore-scripts", "--no-audit", "--no-fund", package)
            fresh.rename(folder)
        except (subprocess.SubprocessError, OSError) as error:
            not_covered(f"{what}: npm could not bring {package}")
            pytest.skip(f"npm: {error}")
    return folder
