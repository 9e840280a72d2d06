"""npm's `age-encryption`: an implementation of age, hybrid recipients included, that we did not write.

`age_js`        a folder with the package in it; skips, and says so, where node or npm or the network is missing
`age_program`   a program that is called as `age -d -i IDENTITY-FILE [INPUT]`, and is that package behind a shell script
"""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.support.npm_packages import PATIENCE, folder_with, run

__all__ = ["PATIENCE", "SCRIPT", "age_js", "age_program", "run"]

AGE_JS = "age-encryption@0.3.1"
SCRIPT = Path(__file__).parent.parent / "interop" / "age_js.mjs"


@pytest.fixture(scope="session")
def age_js() -> Path:
    """A folder with npm's package in it, kept between runs outside the project."""
    return folder_with(AGE_JS, "hybrid age files with another implementation")


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
