"""What the runners share: the environment of a child, a folder for one experiment, a word to who is watching."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.tools import find_program

_PASSED_ON = ("PATH", "LANG", "TMPDIR", "TZ")


def child_environment() -> dict[str, str]:
    """Only what a program needs to run; nobody's credentials or settings."""
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ} | {"LC_ALL": "C.UTF-8"}


@contextmanager
def empty_folder(path: Path, *, keep: bool = False) -> Iterator[Path]:
    """An empty folder, gone afterwards where it is not kept."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    try:
        yield path
    finally:
        if not keep:
            shutil.rmtree(path)


def say(text: str) -> None:
    """A line for who is watching, apart from the results."""
    print(text, file=sys.stderr, flush=True)


def require_program(name: str) -> str:
    """The program beside this Python or on the path; ends the run with a message when there is none."""
    program = find_program(name, Path(sys.executable).parent)
    if program is None:
        raise SystemExit(f"{name} is not installed")
    return program
