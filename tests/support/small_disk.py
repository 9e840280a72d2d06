"""A disk that fills up: a file system of a few megabytes, and room made on it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which

import pytest

from tests.support.coverage_notes import not_covered

MB = 1_000_000


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """A file system of `size` bytes; where none can be mounted the test is left out, and that is said."""
    if which("mount") is None:
        not_covered("a disk that fills up: the program `mount` is not installed")
        pytest.skip("no mount")
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = f"a disk that fills up: cannot mount one ({done.stderr.strip()[-80:]})"
        not_covered(reason)
        pytest.skip(reason)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def make_room(disk: Path, size: int) -> None:
    """From now on the disk has `size` bytes."""
    subprocess.run(["mount", "-o", f"remount,size={size}", str(disk)], check=True)
