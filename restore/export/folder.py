"""A folder that becomes a bag: empty, or with what an interrupted export of the same request has left.

While a bag is being written a note lies in the folder and says of which request it is. The same request begins anew: what the
first one left is removed, for it was never checked. Nothing that is no part of a bag is ever removed.
"""

from __future__ import annotations

import os
import re
import shutil
from enum import Enum
from pathlib import Path

from restore.export.payload_names import DATA
from restore.export.tags import TAG_FILES
from vault.errors import TargetError
from vault.problems import printable

NOTE = "strongroom-export-unfinished"
_PASSING = re.compile(r"\.strongroom-.*\.part|strongroom-[a-z0-9_]{8}", re.DOTALL)
"""Files under temporary names, and the private folder of contents on their way."""

_HINT = "nothing was written; name a folder that is empty or not there yet"


class State(Enum):
    """What a folder holds: nothing, or an unfinished export of the same request."""

    EMPTY = "empty"
    UNFINISHED = "unfinished"


def look(folder: Path, fingerprint: str) -> State:
    """Raises `TargetError` where the folder holds anything else."""
    note = folder / NOTE
    try:
        names = sorted(path.name for path in folder.iterdir())
        noted = note.read_text("utf-8", "replace").strip() if note.is_file() and not note.is_symlink() else None
    except FileNotFoundError:
        return State.EMPTY
    except OSError as error:
        raise TargetError(f"{folder} cannot be read as a folder: {error.strerror}", hint=_HINT) from error
    if not names:
        return State.EMPTY
    if noted is None:
        raise TargetError(f"{folder} is not empty: it holds {printable(os.fsencode(names[0]))}", hint=_HINT)
    if noted != fingerprint:
        raise TargetError(
            f"{folder} holds an unfinished export of another request",
            hint="nothing was written; repeat that request, or name another folder",
        )
    strange = [name for name in names if not _ours(name)]
    if strange:
        raise TargetError(f"{folder} holds {printable(os.fsencode(strange[0]))}, which no export has put there", hint=_HINT)
    return State.UNFINISHED


def begin(folder: Path, fingerprint: str) -> State:
    """Make the folder empty but for the note. Raises what `look` raises, and `TargetError`."""
    state = look(folder, fingerprint)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if state is State.EMPTY:
            _note(folder, fingerprint)
        for path in list(folder.iterdir()):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != NOTE:
                path.unlink()
    except OSError as error:
        raise TargetError(f"cannot write to {folder}: {error.strerror}", hint="name another folder") from error
    return state


def end(folder: Path) -> None:
    """The bag is whole and on the disk. Raises `TargetError`."""
    try:
        (folder / NOTE).unlink()
        _sync(folder)
    except OSError as error:
        raise TargetError(
            f"cannot remove {folder / NOTE}: {error.strerror}", hint="the bag is whole; remove that file"
        ) from error


def _ours(name: str) -> bool:
    return name in (DATA, NOTE, *TAG_FILES) or _PASSING.fullmatch(name) is not None


def _note(folder: Path, fingerprint: str) -> None:
    with (folder / NOTE).open("x", encoding="utf-8") as note:
        note.write(f"{fingerprint}\n")
        note.flush()
        os.fsync(note.fileno())
    _sync(folder)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
