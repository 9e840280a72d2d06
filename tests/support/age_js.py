"""npm's `age-encryption`: an implementation of age, hybrid recipients included, that we did not write.

`age_js`        a folder with the package in it; skips, and says so, where node or npm or the network is missing
`age_program`   a program that is called as `age -d -i IDENTITY-FILE [INPUT]`, and is that package behind a shell script
"""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.support.coverage_notes import not_covered

AGE_JS = "age-encryption@0.3.1"
SCRIPT = Path(__file__).parent.parent / "interop" / "age_js.mjs"
PATIENCE = 60.0
"""Seconds for any program that a test starts."""


def run(*command: str, given: bytes = b"", folder: Path | None = None) -> bytes:
    """What a program prints. Raises where it fails or takes too long."""
    return subprocess.run(command, input=given, cwd=folder, capture_output=True, timeout=PATIENCE, check=True).stdout


@pytest.fixture(scope="session")
def age_js() -> Path:
    """A folder with npm's package in it, kept between runs outside the project."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        not_covered("hybrid age files with another implementation: no node or no npm here")
        pytest.skip("no node or no npm")
    # the person's own home: that of a test run is new every time
    folder = Path(pwd.getpwuid(os.getuid()).pw_dir) / ".cache" / "strongroom-tests" / AGE_JS
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=folder.parent))
        try:
            run("npm", "install", "--prefix", str(fresh), "--ignore-scripts", "--no-audit", "--no-fund", AGE_JS)
            fresh.rename(folder)
        except (subprocess.SubprocessError, OSError) as error:
            not_covered(f"hybrid age files with another implementation: npm could not bring {AGE_JS}")
            pytest.skip(f"npm: {error}")
    return folder


@pytest.fixture(scope="session")
def age_program(age_js: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for PATH with nothing in it but a program `age`, of which `-d -i FILE [INPUT]` works."""
    folder = tmp_path_factory.mktemp("age-program")
    program = folder / "age"
    program.write_text(
        "#!/bin/sh\n"
        '[ "$1 $2" = "-d -i" ] || exit 2\n'
        'identity=$(grep "^AGE-SECRET-KEY-" "$3")\n'
        'exec 3<"${4:-/dev/stdin}"\n'
        f"cd {shlex.quote(str(age_js))}\n"
        f'exec node {shlex.quote(str(SCRIPT))} decrypt "$identity" <&3\n',
        encoding="utf-8",
    )
    program.chmod(0o755)
    return folder
