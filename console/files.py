"""Files of tasks, below the console's own folder: bags that were made, and bags that somebody has brought. Nobody else can read
them; a task's folder goes when nobody needs it any more, also after the console was killed."""

from __future__ import annotations

import re
import shutil
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from console.tasks.records import BagWork, ExportWork, Tasks
from vault.errors import StrongroomError, TargetError

if TYPE_CHECKING:
    from console.visit import Console

FOLDER = "console-files"
BROUGHT = "bag"
"""The file that somebody has brought, in its task's folder."""

UNKNOWN_FOR = timedelta(hours=6)
"""After which a folder goes of which no task is known: what is being received has none yet."""

_ID = re.compile(r"[0-9a-f]{32}\Z")


def of_task(console: Console, task: str) -> Path:
    """Where a task's files lie. task: its id."""
    return console.state.file.parent / FOLDER / task


def made(console: Console, task: str) -> Path:
    """The same, new and empty. Raises `TargetError`."""
    folder = of_task(console, task)
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise TargetError(f"the console has no place for it: {error.strerror}", hint="free some room in its folder") from error
    return folder


def drop(console: Console, task: str) -> None:
    """Nobody needs a task's files any more."""
    shutil.rmtree(of_task(console, task), ignore_errors=True)


def sweep(console: Console) -> None:
    """Let go of what nobody needs: bags that were verified, exports that were not made to their end or are old, and what
    belongs to no task."""
    now = console.clock.now()
    folder = console.state.file.parent / FOLDER
    with suppress(OSError):
        for one in sorted(path.name for path in folder.iterdir()):
            if _ID.match(one) and not _is_needed(console, one, now):
                drop(console, one)


def _is_needed(console: Console, name: str, now: datetime) -> bool:
    try:
        task = Tasks(console.state).get(name)
    except StrongroomError:
        with suppress(OSError):
            changed = datetime.fromtimestamp(of_task(console, name).stat().st_mtime, UTC)
            return now - changed < UNKNOWN_FOR
        return False
    if not task.is_over:
        return True
    if isinstance(task.work, BagWork) or not isinstance(task.work, ExportWork) or task.state not in ("done", "partly"):
        return False
    return task.ended is not None and now - task.ended < console.limits.export_kept
