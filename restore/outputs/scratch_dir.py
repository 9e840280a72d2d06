"""A private folder for plain contents on their way: 0700, gone afterwards, whatever happened."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO

from vault.errors import TargetError

PIECE = 1024 * 1024


@contextmanager
def scratch_dir(parent: Path | None = None) -> Iterator[Path]:
    """A new folder below `parent`, or below the system's folder for temporary files; there too where `parent` has a name of
    bytes that are no UTF-8, which Arrow cannot open. Raises `TargetError`."""
    if parent is not None and not _is_utf8(parent):
        parent = None
    try:
        scratch = Path(tempfile.mkdtemp(prefix="strongroom-", dir=parent))  # made 0700
    except OSError as error:
        raise _no_room(error) from error
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A file that was not there (0600), open for writing. Raises `TargetError`, also where the disk takes no more."""
    try:
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as file:
            yield file
    except OSError as error:
        raise _no_room(error) from error


def put_down(content: IO[bytes], path: Path) -> Path:
    """Copy what is left of `content` into a new file. Raises `TargetError`."""
    with new_file(path) as file:
        shutil.copyfileobj(content, file, PIECE)
    return path


def _is_utf8(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _no_room(error: OSError) -> TargetError:
    return TargetError(
        f"there is no room for temporary files: {error.strerror}", hint="free some room, or set TMPDIR to a folder that has it"
    )
